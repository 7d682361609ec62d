"""Listening: an address, and what answers there, until it is told to stop."""

import ipaddress
import socket

import uvicorn

from ugatit_tf.errors import RunError, reason
from ugatit_tf.serving.guard import Guard

_GRACE = 5  # seconds that running requests get in the end


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        RunError: where the address cannot be had.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise RunError(f"cannot listen on {host}, port {port}: {reason(error)}.") from error


def is_local(address: str) -> bool:
    """Whether only this machine reaches an address."""
    return ipaddress.ip_address(address).is_loopback


def make(app: Guard) -> uvicorn.Server:
    """A server that answers by an application: `run(sockets=[...])` returns when it is told to stop."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
    )
    return uvicorn.Server(config)
