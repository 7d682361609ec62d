"""Who may ask: pages of this server, and programs; no page of another origin."""

import ipaddress
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Guard:
    """An ASGI application around another: refuses other origins, and adds headers that keep pages apart.

    A request names the server by an address, or by a name of this machine: another site's name, made to lead here, is
    refused.

    Args:
        app: what answers the others.
        host: the name or address that the server listens on.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        name = socket.gethostname().lower()
        self._names = {"localhost", host, name, f"{name}.local"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._app
        problem = self._problem(Headers(scope=scope))
        if problem:
            answer = JSONResponse({"error": problem}, status_code=403)
        await answer(scope, receive, _with_headers(send))

    def _problem(self, headers: Headers) -> str:
        host, origin = headers.get("host", "").lower(), headers.get("origin")
        name = urlsplit(f"//{host}").hostname or ""
        if name not in self._names and not _is_address(name):
            return f"{host!r} is no name of this server"
        if origin is not None and urlsplit(origin).netloc.lower() != host:
            return "pages of other origins are refused"
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(send: Send) -> Callable[[Message], object]:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_HEADERS)
        await send(message)

    return send_with_headers
