import asyncio
import socket

import pytest
from starlette.responses import PlainTextResponse

from ugatit_tf.serving.guard import Guard

ALLOWED = ("faces.example.org", "xn--gesichter-mnchen-szb.de")


def ask(host, allowed=(), **headers):
    """The status with which a request for a host is answered."""
    sent = []

    async def send(message):
        sent.append(message)

    raw = [(b"host", host.encode()), *((name.encode(), value.encode()) for name, value in headers.items())]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": raw}
    asyncio.run(Guard(PlainTextResponse("yes"), "served.example", allowed)(scope, None, send))
    return sent[0]["status"]


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:8000", None, 200),
        ("localhost:8000", "http://localhost:8000", 200),
        ("LOCALHOST:8000", "http://localhost:8000", 200),
        ("[::1]:8000", "http://[::1]:8000", 200),
        ("192.168.1.2:8000", "http://192.168.1.2:8000", 200),
        ("served.example", None, 200),
        (f"{socket.gethostname()}:8000", None, 200),
        ("127.0.0.1:8000", "http://127.0.0.1:8001", 403),
        ("127.0.0.1:8000", "http://evil.example", 403),
        ("127.0.0.1:8000", "null", 403),
        ("evil.example:8000", "http://evil.example:8000", 403),  # a name that its owner has made lead here
        ("evil.example:8000", None, 403),
        ("", None, 403),
    ],
)
def test_other_origins_are_refused(host, origin, status):
    assert ask(host, **({} if origin is None else {"origin": origin})) == status


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("faces.example.org", "https://faces.example.org", 200),
        ("FACES.example.org", None, 200),
        ("faces.example.org.", "https://faces.example.org.", 200),  # a name with its last dot is the same name
        ("faces.example.org:443", "https://faces.example.org", 200),  # as nginx writes $host:$server_port
        ("faces.example.org:8443", "https://faces.example.org:8443", 200),
        ("faces.example.org:80", "https://faces.example.org", 403),
        ("faces.example.org:8443", "https://faces.example.org", 403),
        ("faces.example.org", "https://evil.example", 403),
        ("faces.example.org", "https://faces.example.org.evil.example", 403),
        ("evil.faces.example.org", None, 403),
        ("faces.example.org.evil.example", None, 403),
        ("evil.example", "https://faces.example.org", 403),
        ("faces.example.org:x", None, 403),
        ("faces.example.org", "https://faces.example.org:x", 403),
        (
            "127.0.0.1:8000",
            "https://faces.example.org",
            403,
        ),  # a proxy that does not pass on the name that it was asked for
    ],
)
def test_names_that_the_owner_allows_are_answered(host, origin, status):
    assert ask(host, ALLOWED, **({} if origin is None else {"origin": origin})) == status
    assert ask(host, (), **({} if origin is None else {"origin": origin})) == 403
