"""Requests and responses of the opening handshake, valid but for what a test changes."""

from __future__ import annotations

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.uri import parse_uri


# RFC 6455 §1.3
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

UPGRADE = ("Upgrade", "websocket")
CONNECTION = ("Connection", "Upgrade")
ACCEPTED = ("Sec-WebSocket-Accept", ACCEPT)

VALID = {
    "Host": "example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def client(uri="ws://example.com/", **kwargs):
    """Return a client with the key of the RFC's example."""
    connection = ClientProtocol(parse_uri(uri), **kwargs)
    connection.key = KEY
    return connection


def response(*items, status=101):
    """Make the bytes of a response."""
    lines = [f"{name}: {value}\r\n" for name, value in items]
    return f"HTTP/1.1 {status} Whatever\r\n{''.join(lines)}\r\n".encode()


def opened(*items, **kwargs):
    """Return a client that received a valid response, with more headers."""
    connection = client(**kwargs)
    connection.receive_data(response(UPGRADE, CONNECTION, ACCEPTED, *items))
    return connection


def request(*items, method="GET", protocol="HTTP/1.1", **changes):
    """Make a valid request, but for changes; None removes a header."""
    headers = Headers()
    changes = {name.replace("_", "-"): value for name, value in changes.items()}
    for name, value in {**VALID, **changes}.items():
        if value is not None:
            headers[name] = value
    for name, value in items:
        headers[name] = value
    return Request("/chat", headers, method, protocol)


def answered(*items, **kwargs):
    """Return a server and its response to a valid request with more headers."""
    connection = ServerProtocol(**kwargs)
    return connection, connection.accept(request(*items))
