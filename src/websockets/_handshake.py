"""
Rules of the opening handshake, as functions (layer 2, :rfc:`6455`, section 4).

Owns: the checks of headers that need nothing but the headers, the date, and how messages
of the handshake, and failures, are shown.
Doesn't know: the state of a protocol, its settings.
"""

from __future__ import annotations

import base64
import binascii
import email.utils
import re
from collections.abc import Callable
from typing import TypeVar

from ._codec import http_date
from ._secrets import mask_header
from .datastructures import Headers
from .exceptions import InvalidHeader, InvalidHeaderValue, InvalidUpgrade
from .headers import parse_connection, parse_upgrade
from .http11 import Request
from .typing import LoggerLike


T = TypeVar("T")

formatdate = email.utils.formatdate

# What nearly all keys look like. Others may be valid, too: see check_key().
is_key = re.compile("[A-Za-z0-9+/]{22}==").fullmatch


def check_upgrade(headers: Headers) -> None:
    """
    Check the headers that switch a connection to WebSocket.

    Raises:
        InvalidUpgrade: if they ask for something else, or for nothing.
        InvalidHeaderFormat: if they aren't well formed.

    """
    options = all_items(headers, "Connection", parse_connection)
    if "upgrade" not in map(str.lower, options):
        raise InvalidUpgrade("Connection", ", ".join(options) or None)
    # Strictly, more protocols may be offered. Nobody does that, and switching a server
    # of several protocols to the wrong one is a way to attack it.
    protocols = all_items(headers, "Upgrade", parse_upgrade)
    if [protocol.lower() for protocol in protocols] != ["websocket"]:
        raise InvalidUpgrade("Upgrade", ", ".join(protocols) or None)


def check_host(request: Request) -> None:
    """
    Check that a request is for one host (:rfc:`9112`, section 3.2).

    Proxies route by it: with two, a request could be for another server than they think.

    Raises:
        InvalidHeader: if it is for several hosts or, in HTTP/1.1, for none.

    """
    if request.protocol == "HTTP/1.1" or "Host" in request.headers:
        one_value(request.headers, "Host")


def check_key(key: str) -> None:
    """
    Check the value of ``Sec-WebSocket-Key`` (:rfc:`6455`, section 4.2.1).

    Raises:
        InvalidHeaderValue: if it doesn't encode 16 bytes in base64.

    """
    try:
        raw_key = base64.b64decode(key.encode(), validate=True)
    except binascii.Error as exc:
        raise InvalidHeaderValue("Sec-WebSocket-Key", key) from exc
    if len(raw_key) != 16:
        raise InvalidHeaderValue("Sec-WebSocket-Key", key)


def check_origins(origins: object) -> None:
    """
    Check the ``origins`` argument that a program gave.

    Raises:
        TypeError: if it is a string, any part of which would pass for an origin.

    """
    if isinstance(origins, str):
        raise TypeError("origins must be a list, not a str")


def all_items(headers: Headers, name: str, parse: Callable[[str], list[T]]) -> list[T]:
    """Return the items of a header that is a list, in one line or several."""
    return [item for value in headers.get_all(name) for item in parse(value)]


def one_value(headers: Headers, name: str) -> str:
    """
    Return the value of a header that must be there once.

    Raises:
        InvalidHeader: if it is missing or there several times.

    """
    values = headers.get_all(name)
    if not values:
        raise InvalidHeader(name)
    if len(values) > 1:
        raise InvalidHeader(name, "multiple values")
    return values[0]


def date() -> str:
    """Return the value of the ``Date`` header."""
    # Programs replace the function, in tests, by the name that it has.
    if email.utils.formatdate is not formatdate:
        return email.utils.formatdate(usegmt=True)
    return http_date()


def failure(exc: Exception) -> str:
    """Return the body of the response to a request that failed because of an exception."""
    text = str(exc)
    # What else may stand behind an exception isn't the client's business.
    if isinstance(exc, InvalidHeader) and exc.__cause__ is not None:
        text += f"; {exc.__cause__}"
    return f"Failed to open a WebSocket connection: {text}.\n"


def log_message(
    logger: LoggerLike,
    direction: str,
    first_line: str,
    headers: Headers,
    body: bytes | bytearray = b"",
) -> None:
    """
    Log a request or a response at DEBUG level, without credentials.

    Args:
        logger: logger of the connection.
        direction: ``">"`` for a message that is sent, ``"<"`` for one received.
        first_line: request line or status line.
        headers: headers; the values of those that hold credentials are masked.
        body: body, of which the size is logged.

    """
    logger.debug("%s %s", direction, first_line)
    for name, value in headers.raw_items():
        logger.debug("%s %s: %s", direction, name, mask_header(name, value))
    if body:
        logger.debug("%s [body] (%d bytes)", direction, len(body))
