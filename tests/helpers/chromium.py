"""Opens the translating page in Chromium, drops pictures on it and reads the translations."""

import base64
import contextlib
import functools
import importlib.util
import io
import shutil
import threading
from collections.abc import Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from ugatit_tf.data import images
from ugatit_tf.networks.generator import Generator

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
FLAGS += ("--disable-component-update", "--disable-sync")

_PATIENCE = 600_000  # milliseconds, for a large network on a slow machine
_DROP = """([name, data]) => {
    const transfer = new DataTransfer();
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
}"""
_RESULT = 'document.querySelector("#cards .result").toDataURL()'


def browser() -> str | None:
    """Returns the path of Chromium or Chrome; None without one, or without `playwright` to drive it."""
    if importlib.util.find_spec("playwright") is None:
        return None
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def compare(
    path: str, folder: Path, generators: Mapping[str, Generator], pictures: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """Compares the page's translation of a picture in each direction with the generator's.

    Args:
        path: of the browser.
        folder: the exported page's.
        generators: by direction.
        pictures: by direction, uint8 `[N, size, size, C]`.

    Returns:
        By direction, the share of the values that differ by at most 2 of 255 levels.
    """
    shares = {}
    with served(folder) as url, opened(path, url) as page:
        for direction, generator in generators.items():
            picture = pictures[direction][:1].copy()
            if picture.shape[-1] == 4:
                picture[..., 3] = 255  # a browser does not keep the colour of transparent pixels
            expected = images.to_uint8(generator(images.to_float(picture)).image.numpy())[0]
            page.check(f"input[value={direction}]")
            drop(page, f"{direction}.png", picture[0])
            translated = wait_for(page, f"{direction}.png", picture.shape[-1])
            if picture.shape[-1] == 4:
                translated, expected = (images.with_channels(pixels, 3) for pixels in (translated, expected))
            shares[direction] = float(np.mean(np.abs(translated.astype(int) - expected) <= 2))
    return shares


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves a folder and yields the address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


@contextlib.contextmanager
def opened(path: str, url: str) -> Iterator[Any]:
    """Opens a page in a browser, waits until it is ready, and yields Playwright's `Page`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = chromium.new_page()
        page.goto(url)
        _wait(page, "Ready")
        yield page
        chromium.close()


def drop(page: Any, name: str, picture: np.ndarray) -> None:
    """Drops uint8 `[H, W, C]` on the page as a PNG file."""
    page.evaluate(_DROP, [name, base64.b64encode(images.encode(picture)).decode()])


def wait_for(page: Any, name: str, channels: int) -> np.ndarray:
    """Returns the translation of the picture dropped last, uint8 `[size, size, channels]`."""
    _wait(page, f"Translated {name} ")
    data = base64.b64decode(page.evaluate(_RESULT).partition(",")[2])
    return images.load(io.BytesIO(data), None, channels)


def _wait(page: Any, status: str) -> None:
    """Waits until the status starts so; fails with the page's own message where it shows a problem."""
    page.wait_for_function(
        '(start) => document.querySelector("#status").textContent.startsWith(start)'
        ' || document.querySelector("#problems li")',
        arg=status,
        timeout=_PATIENCE,
    )
    problems = page.eval_on_selector_all("#problems li", "(items) => items.map((item) => item.textContent)")
    assert not problems, problems


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass
