"""The check of an exported page: it is opened in Chromium, and test pictures are dropped on it."""

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
from ugatit_tf.errors import RunError
from ugatit_tf.networks.generator import Generator

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
FLAGS += ("--disable-component-update", "--disable-sync")

_LEVELS = 2  # of 255, that a value may be off
_SHARE = 0.99  # of the values that may not be off by more
_PATIENCE = 600_000  # milliseconds, for a large network on a slow machine
_DROP = """([name, data]) => {
    const transfer = new DataTransfer();
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
}"""
_RESULT = 'document.querySelector("#cards .result").toDataURL()'


def browser() -> str | None:
    """The path of Chromium or Chrome; None where there is none, or no `playwright` to drive it with."""
    if importlib.util.find_spec("playwright") is None:
        return None
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def check(folder: Path, generators: Mapping[str, Generator], pictures: Mapping[str, np.ndarray]) -> str:
    """Opens the page, and compares what it makes of a picture in each direction with what the generator does.

    Args:
        folder: the exported page's.
        generators: by direction.
        pictures: by direction, uint8 `[N, size, size, C]`.

    Returns:
        What was found, as a line for people; where there is no browser, that.

    Raises:
        RunError: where the page fails, or its output is too far off.
    """
    path = browser()
    if path is None:
        return "The page was not opened: that takes Chromium, and `pip install playwright`."
    lines = []
    with served(folder) as url, opened(path, url) as page:
        for direction, generator in generators.items():
            picture = pictures[direction][:1].copy()
            if picture.shape[-1] == 4:
                picture[..., 3] = 255  # what cannot be seen, a browser does not keep; so below
            expected = images.to_uint8(generator(images.to_float(picture)).image.numpy())[0]
            page.check(f"input[value={direction}]")
            drop(page, f"{direction}.png", picture[0])
            translated = wait_for(page, f"{direction}.png", picture.shape[-1])
            if picture.shape[-1] == 4:
                translated, expected = (images.with_channels(pixels, 3) for pixels in (translated, expected))
            off = np.abs(translated.astype(int) - expected)
            if not np.mean(off <= _LEVELS) >= _SHARE:
                raise RunError(
                    f"The export's check failed: the page's {direction} is off by {off.mean():.3g} levels on average."
                )
            lines.append(f"{direction} off by {off.max()} of 255 levels at most")
        status = page.inner_text("#status")
    return f"The page agrees in {Path(path).name}: {', '.join(lines)}. {status}"


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """A context with a web server of a folder, which gives its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


@contextlib.contextmanager
def opened(path: str, url: str) -> Iterator[Any]:
    """A context with a page that is open in a browser, and ready: Playwright's `Page`."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
            page = chromium.new_page()
            page.goto(url)
            _wait(page, "Ready")
            yield page
            chromium.close()
        except Error as error:
            raise RunError(f"The export's check failed in the browser: {str(error).partition(chr(10))[0]}") from error


def drop(page: Any, name: str, picture: np.ndarray) -> None:
    """Drops uint8 `[H, W, C]` on the page as a PNG file."""
    page.evaluate(_DROP, [name, base64.b64encode(images.encode(picture)).decode()])


def wait_for(page: Any, name: str, channels: int) -> np.ndarray:
    """What the page has made of the picture dropped last, uint8 `[size, size, channels]`."""
    _wait(page, f"Translated {name} ")
    data = base64.b64decode(page.evaluate(_RESULT).partition(",")[2])
    return images.load(io.BytesIO(data), None, channels)


def _wait(page: Any, status: str) -> None:
    """Waits until the page says so; a RunError with what it says where it complains."""
    page.wait_for_function(
        '(start) => document.querySelector("#status").textContent.startsWith(start)'
        ' || document.querySelector("#problems li")',
        arg=status,
        timeout=_PATIENCE,
    )
    problems = page.eval_on_selector_all("#problems li", "(items) => items.map((item) => item.textContent)")
    if problems:
        raise RunError(f"The export's check failed: the page says: {' '.join(problems)}")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass
