"""Refuses requests from web pages of other origins; pages of this server, and programs, get answers."""

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Guard:
    """An ASGI application around another one, which refuses requests for other hosts and from other origins.

    A request has to name the server by an IP address, by a name of this machine, or by an allowed name. So another
    site cannot point its own name at this server (DNS rebinding).

    Args:
        app: the application that answers the allowed requests.
        host: the name or address that the server listens on.
        allowed: further names, such as that of a proxy in front of the server, in lower case.
    """

    def __init__(self, app: ASGIApp, host: str, allowed: Collection[str] = ()) -> None:
        self._app = app
        name = socket.gethostname().lower()
        self._names = {"localhost", host.lower(), name, f"{name}.local", *allowed}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, by the protocol of ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = self._problem(Headers(scope=scope))
        answer = JSONResponse({"error": problem}, status_code=403) if problem else self._app
        await answer(scope, receive, send)

    def _problem(self, headers: Headers) -> str:
        host, origin = headers.get("host", "").lower(), headers.get("origin")
        name, port = _name_and_port(f"//{host}")
        if name not in self._names and not _is_address(name):
            return f"{host!r} is no name of this server: --allow_host adds names, such as a proxy's"
        if origin is not None:
            default = _DEFAULT_PORTS.get(urlsplit(origin).scheme)
            from_name, from_port = _name_and_port(origin)
            # A browser leaves out the default port; a proxy may write it.
            if (from_name, from_port or default) != (name, port or default):
                return f"the page's origin is {origin}, not {host}: pages of other origins are refused"
        return ""


def _name_and_port(url: str) -> tuple[str, int | None]:
    """Returns a URL's name or address in lower case, and its port if it has one; ("", None) if it is not a URL."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        return "", None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
