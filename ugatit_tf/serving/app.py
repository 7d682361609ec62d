"""Serves the page, its settings, and `POST /translate` in the format of TensorFlow Serving.

The page also asks for the squares around faces (`POST /faces`) and for the mask of a person (`POST /mask`).
"""

import asyncio
import base64
import dataclasses
import functools
import io
import json
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from ugatit_tf.config import KEEP
from ugatit_tf.data import images
from ugatit_tf.data.crops import Cropper
from ugatit_tf.data.images import UnreadableImageError
from ugatit_tf.data.regions import Region
from ugatit_tf.direction import Direction
from ugatit_tf.errors import RunError, reason
from ugatit_tf.export import web
from ugatit_tf.networks.generator import Translation
from ugatit_tf.options import NEWEST
from ugatit_tf.serving.batching import Batcher
from ugatit_tf.serving.guard import Guard
from ugatit_tf.serving.networks import Networks

BATCH_SIZE = 8
ATTENTION = "attention"  # the signature that also returns the heatmap and the CAM logits
_SIGNATURES = ("serving_default", ATTENTION)
_SQUEEZE, _AS_RUN = _CROPS = ("squeeze", "run")  # how pictures become squares
_DATA_URL = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_URL_SAFE = str.maketrans("-_", "+/")
_NOT_BASE64 = re.compile("[^A-Za-z0-9+/]")
_GRACE = 5  # seconds in which running requests may finish after a stop
# They isolate the page from other sites, and let it use threads.
_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens on an address.

    Raises:
        RunError: The server cannot listen on the address.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise RunError(f"cannot listen on {host}, port {port}: {reason(error)}.") from error


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits of requests.

    Attributes:
        pixels: the most pixels of a picture.
        upload: the most bytes of a request.
        queue: the most requests at a time; further ones are refused.
        seconds: the most seconds of a request, with its upload and its waiting.
    """

    pixels: int
    upload: int
    queue: int
    seconds: float


class Service:
    """Answers the requests for settings, translations, squares around faces, and masks.

    Args:
        networks: the generators of the run.
        settings: the settings of the page that do not change.
        checkpoint: the checkpoint for requests that name none; see `Networks.find`.
        limits: the limits of requests.
    """

    def __init__(self, networks: Networks, settings: Mapping[str, Any], checkpoint: str, limits: Limits) -> None:
        self._networks = networks
        self._settings = settings
        self._checkpoint = checkpoint
        self._limits = limits
        self._batcher = Batcher(self._run, BATCH_SIZE)
        self._cropper = functools.cache(self._make_cropper)
        self._active = 0

    def server(self, host: str, allowed: Collection[str] = ()) -> uvicorn.Server:
        """Returns the server; its `run(sockets=[...])` returns after Ctrl-C or SIGTERM. Arguments as for `Guard`."""
        routes = [
            Route("/settings.json", self.settings),
            Route("/translate", self.translate, methods=["POST"]),
            Route("/faces", self.faces, methods=["POST"]),
            Route("/mask", self.mask, methods=["POST"]),
            Mount("/", StaticFiles(directory=web.PAGE, html=True)),
        ]
        handlers = {HTTPException: _error_response, Exception: _error_response}
        config = uvicorn.Config(
            Guard(Starlette(routes=routes, exception_handlers=handlers), host, allowed),
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            headers=list(_HEADERS.items()),
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
        )
        return uvicorn.Server(config)

    async def settings(self, _: Request) -> Response:
        """Returns the settings of the page, with the names of the current checkpoints."""
        networks = self._networks
        try:
            chosen = networks.find(self._checkpoint)
        except RunError:  # a training has deleted the checkpoint
            chosen = networks.find(NEWEST)
        values = {**self._settings, "checkpoint": chosen, "checkpoints": networks.names}
        return JSONResponse(values)

    async def translate(self, request: Request) -> Response:
        """Translates pictures; docs/web.md describes the request and the response."""
        return await self._within_limits(self._translate, request)

    async def faces(self, request: Request) -> Response:
        """Returns `{"predictions": [{"squares": [...]}]}`: for each picture the squares around its faces."""
        return await self._within_limits(self._faces, request)

    async def mask(self, request: Request) -> Response:
        """Returns `{"predictions": [{"b64": ...}]}`: for each square picture, how much of each pixel is a person."""
        return await self._within_limits(self._mask, request)

    async def _within_limits(self, answer: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
        if self._active >= self._limits.queue:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests wait already", {"Retry-After": "1"})
        self._active += 1
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await answer(request)
        except TimeoutError as error:
            raise HTTPException(HTTPStatus.GATEWAY_TIMEOUT, "it took too long") from error
        except ClientDisconnect as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "the request broke off") from error
        except UnreadableImageError as error:
            raise HTTPException(HTTPStatus.BAD_REQUEST, str(error)) from error
        except RunError as error:  # a damaged checkpoint, or a network that finds faces or people and cannot be fetched
            raise HTTPException(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error
        finally:
            self._active -= 1

    async def _translate(self, request: Request) -> Response:
        direction = _direction(request)
        try:
            name = self._networks.find(request.query_params.get("checkpoint", self._checkpoint))
        except RunError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from error
        crop = request.query_params.get("crop", _SQUEEZE)
        if crop not in _CROPS:
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"crop must be {' or '.join(_CROPS)}")
        body = await self._read(request)
        signature, squares = await asyncio.to_thread(self._squares, body, direction if crop == _AS_RUN else None)
        translations = await asyncio.gather(*(self._batcher((name, direction), square) for square in squares))
        return await asyncio.to_thread(_response, signature, translations)

    async def _faces(self, request: Request) -> Response:
        direction = _direction(request)
        if self._settings["directions"][direction]["crop"] != "face":
            raise HTTPException(HTTPStatus.NOT_FOUND, f"pictures are not cropped to faces in the direction {direction}")

        def squares_of(picture: np.ndarray) -> dict[str, Any]:
            cropper = self._cropper(direction)
            return {"squares": [_described(cropper.around(face)) for face in cropper.detector.all(picture)]}

        return await asyncio.to_thread(self._answer_each, await self._read(request), squares_of)

    async def _mask(self, request: Request) -> Response:
        direction = _direction(request)
        if self._settings["directions"][direction]["background"] == KEEP:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"pictures keep their background in the direction {direction}")

        def mask_of(picture: np.ndarray) -> dict[str, str]:
            if picture.shape[0] != picture.shape[1]:
                raise HTTPException(HTTPStatus.BAD_REQUEST, "the picture must be a square")
            shares = self._cropper(direction).mask(picture)[..., np.newaxis]
            return _encoded(np.rint(255 * shares).astype(np.uint8))

        return await asyncio.to_thread(self._answer_each, await self._read(request), mask_of)

    def _answer_each(self, body: bytes, answer: Callable[[np.ndarray], dict[str, Any]]) -> Response:
        """Returns what a function answers to each picture of a request, which is given at its own size."""
        _, files = _files(body)
        return JSONResponse({"predictions": [answer(self._load(file, name, None)) for name, file in files]})

    async def _read(self, request: Request) -> bytes:
        body = bytearray()
        async for part in request.stream():  # the request stays in memory and never touches the disk
            body += part
            if len(body) > self._limits.upload:
                text = f"at most {self._limits.upload:,} bytes are taken"
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
        return bytes(body)

    def _squares(self, body: bytes, direction: Direction | None) -> tuple[str, list[np.ndarray]]:
        """Returns the requested signature, and the pictures as squares of the network's size.

        Args:
            body: the request.
            direction: crops and masks the pictures as the run does in this direction; None squeezes them.

        Raises:
            HTTPException: The request is malformed.
            UnreadableImageError: A picture cannot be read, or shows no face or person where one is needed.
            RunError: A network that finds faces or people cannot be fetched or read.
        """
        signature, files = _files(body)
        cropper = self._cropper(direction) if direction else None
        return signature, [self._square(file, name, cropper) for name, file in files]

    def _square(self, file: bytes, name: str, cropper: Cropper | None) -> np.ndarray:
        size = self._networks.config.img_size
        if cropper is None:
            return self._load(file, name, size)
        picture = self._load(file, name, None)
        try:
            return cropper.square(picture, cropper.find(picture)[0], size)
        except UnreadableImageError as error:
            raise UnreadableImageError(f"{name}: {error}") from error

    def _load(self, file: bytes, name: str, size: int | None) -> np.ndarray:
        channels = self._networks.config.img_ch
        return images.load(io.BytesIO(file), size, channels, name=name, max_pixels=self._limits.pixels)

    def _make_cropper(self, direction: Direction) -> Cropper:
        how = self._settings["directions"][direction]
        own = {name: how[name] for name in ("crop", "face_margin", "content_share", "background")}
        others = dict.fromkeys(("crop_A", "crop_B", "background_A", "background_B"), "")
        return Cropper.of(dataclasses.replace(self._networks.config, **own, **others), direction.source, "center")

    def _run(self, key: tuple[str, str], squares: Sequence[np.ndarray]) -> list[Translation]:
        translation = self._networks.translate(*key, np.stack(squares))
        return [Translation(*outputs) for outputs in zip(*translation, strict=True)]


def _direction(request: Request) -> Direction:
    direction = request.query_params.get("direction", "A2B")
    if direction not in tuple(Direction):
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"direction must be {' or '.join(Direction)}")
    return Direction(direction)


def _files(body: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """Returns the requested signature, and the names and the contents of the picture files."""
    try:
        message = json.loads(body)
        signature = message.get("signature_name", _SIGNATURES[0])
        texts = [each["image_bytes"]["b64"] for each in message["instances"]]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("b64 is no text")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        text = 'it must be {"instances": [{"image_bytes": {"b64": "..."}}]}'
        raise HTTPException(HTTPStatus.BAD_REQUEST, text) from error
    if signature not in _SIGNATURES:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"signature_name must be {' or '.join(_SIGNATURES)}")
    if not 1 <= len(texts) <= BATCH_SIZE:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"instances must be 1 to {BATCH_SIZE} pictures")
    names = [f"picture {index}" for index in range(len(texts))]
    return signature, [(name, _decode(text, name)) for name, text in zip(names, texts, strict=True)]


def _decode(text: str, name: str) -> bytes:
    """Returns the file in a base64 text as programs write it: wrapped, unpadded, URL-safe, or a data URL.

    Raises:
        HTTPException: The text is not base64; the message says which picture's, and the first wrong character.
    """
    found = _DATA_URL.match(text)
    if found:
        text = unquote(text[found.end() :])
    digits = "".join(text.split()).rstrip("=").translate(_URL_SAFE)
    wrong = _NOT_BASE64.search(digits)
    if wrong:
        problem = f"it has the character {wrong[0]!r}"
    elif len(digits) % 4 == 1:  # one digit has 6 bits, which are less than a byte
        problem = f"its {len(digits):,} characters are one too many or too few"
    else:
        return base64.b64decode(digits + "=" * (-len(digits) % 4))
    raise HTTPException(HTTPStatus.BAD_REQUEST, f"{name}: b64 is not base64: {problem}")


def _response(signature: str, translations: Sequence[Translation]) -> Response:
    predictions = []
    for image, cam_logits, heatmap in translations:
        prediction: dict[str, Any] = _encoded(images.to_uint8(image))
        if signature == ATTENTION:
            prediction = {"image_bytes": prediction, "heatmap": heatmap.tolist(), "cam_logits": cam_logits.tolist()}
        predictions.append(prediction)
    return JSONResponse({"predictions": predictions})


def _encoded(pixels: np.ndarray) -> dict[str, str]:
    return {"b64": base64.b64encode(images.encode(pixels)).decode()}


def _described(region: Region) -> dict[str, Any]:
    """Returns a region as the page's regions.js takes it."""
    values = dataclasses.asdict(region)
    return values | {"exact": values.pop("is_exact")}


async def _error_response(_: Request, error: Exception) -> Response:
    """Returns an error in the format of TensorFlow Serving."""
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)
    return JSONResponse({"error": "an error of the server"}, status_code=HTTPStatus.INTERNAL_SERVER_ERROR)
