"""Listens on an address, and serves an application there until a signal stops it."""

import socket

import uvicorn

from ugatit_tf.errors import RunError, reason
from ugatit_tf.serving.guard import Guard

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


def make(app: Guard) -> uvicorn.Server:
    """Returns a server for an application. Its `run(sockets=[...])` returns after Ctrl-C or SIGTERM."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        headers=list(_HEADERS.items()),
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
    )
    return uvicorn.Server(config)
