"""Reads the packages of LiteRT.js, which runs TFLite files in a browser, and compares them with pinned checksums."""

from ugatit_tf.system import assets
from ugatit_tf.system.assets import Package

VERSION = "2.5.3"
LIBRARY = "index.js"  # the module that a page imports

_UTILITIES = "wasm-utils.js"
_WASM = [
    f"litert_wasm{kind}_internal.{ending}"
    for kind in ("", "_compat", "_jspi", "_threaded")
    for ending in ("js", "wasm")
]
# By package: its files with their new names.
_PACKAGES = {
    Package(
        f"@litertjs/core@{VERSION}",
        "PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
    ): {"dist/index.js": LIBRARY} | {f"wasm/{name}": name for name in _WASM},
    Package(
        f"@litertjs/wasm-utils@{VERSION}",
        "4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
    ): {"dist/index.js": _UTILITIES},
}
_NOTICE = f"""\
LiteRT.js {VERSION} (the packages {" and ".join(package.spec for package in _PACKAGES)}), by Google.
Licensed under the Apache License, Version 2.0: see LICENSE-LiteRT.txt.
Changed: in {LIBRARY}, the import of @litertjs/wasm-utils names the file {_UTILITIES}.
"""


def read(folder: str) -> dict[str, bytes]:
    """Returns the runtime's files by name, with a notice of their origin.

    Args:
        folder: the folder with the packages' files; with "", `npm pack` fetches them.

    Raises:
        RunError: A package is missing, cannot be fetched, or has another checksum than the published one.
    """
    packages = assets.read_packages(list(_PACKAGES), folder, "--web_runtime")
    files = {"NOTICE.txt": _NOTICE.encode()}
    for package, members in zip(packages, _PACKAGES.values(), strict=True):
        files |= {place: package[member] for member, place in members.items()}
    # Replaces an import map: a worker has none, and the page's security policy forbids the inline script of one.
    files[LIBRARY] = files[LIBRARY].replace(b'"@litertjs/wasm-utils"', f'"./{_UTILITIES}"'.encode())
    return files
