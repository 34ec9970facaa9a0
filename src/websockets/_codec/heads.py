"""Heads of HTTP messages, when they are as nearly all are: the Python twin.

Owns: what is usual in an opening handshake, in one pass and without objects for each
header; the answers that only depend on the key and on the time.
Doesn't know: what to do about what is unusual, incomplete or wrong. Then the functions
return None, and :mod:`websockets.http11` and the protocol find out.

Header lines are one string, each "name: value" with its CRLF: what
:class:`~websockets.datastructures.Headers` keeps until somebody looks.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import re
from typing import TypeAlias

from ..typing import BytesLike


__all__ = [
    "GUID",
    "accept_key",
    "find_upgrade",
    "http_date",
    "read_request",
    "read_response",
]

# RFC 6455 §1.3: what a server appends to the key, to prove that it speaks WebSocket.
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# RFC 9110 §5.5 and §5.6.2. Quantifiers are possessive where backtracking would be
# quadratic; values have no spaces around them, besides the one after the colon.
_LINE = (
    rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++: "
    rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?\r\n"
)
_lines = re.compile(rb"(?:" + _LINE + rb")*+")
_is_lines = re.compile(_lines.pattern.decode("latin-1")).fullmatch
_request_line = re.compile(rb"GET ([!-~]++) HTTP/1\.1\r\n")
_status_line = re.compile(rb"HTTP/1\.1 101 ([\t -~\x80-\xff]*+)\r\n")
_hosts = re.compile(rb"(?<=\n)host:", re.IGNORECASE)
_body = re.compile(rb"(?<=\n)(?:content-length|transfer-encoding):", re.IGNORECASE)

#: Values of Sec-WebSocket-Key, -Version and -Accept, Origin, Sec-WebSocket-Extensions
#: and -Protocol; None for those that aren't there.
UpgradeFields: TypeAlias = tuple[
    str | None, str | None, str | None, str | None, str | None, str | None
]


def read_request(data: BytesLike, limit: int, most: int) -> tuple[str, str, int] | None:
    """
    Read the head of a request: GET, HTTP/1.1, one Host, no body.

    Args:
        data: what was received.
        limit: bytes that the head may have.
        most: headers that it may have.

    Returns:
        Path, header lines, and the size of the head.

    """
    head = _read_head(_request_line, bytes(data), limit, most)
    if head is not None:
        lines = b"\n" + head[1].encode("latin-1")
        if len(_hosts.findall(lines)) != 1 or _body.search(lines):
            return None
    return head


def read_response(
    data: BytesLike, limit: int, most: int
) -> tuple[str, str, int] | None:
    """
    Read the head of a response with status code 101, which has no body.

    Args:
        data: what was received.
        limit: bytes that the head may have.
        most: headers that it may have.

    Returns:
        Reason phrase, header lines, and the size of the head.

    """
    return _read_head(_status_line, bytes(data), limit, most)


def _read_head(
    first_line: re.Pattern[bytes], data: bytes, limit: int, most: int
) -> tuple[str, str, int] | None:
    first = first_line.match(data, 0, limit)
    if first is None:
        return None
    lines = _lines.match(data, first.end(), limit)
    assert lines is not None  # it may be empty
    end = lines.end() + 2
    if data[lines.end() : min(end, limit)] != b"\r\n" or lines[0].count(b"\n") > most:
        return None
    return first[1].decode("latin-1"), lines[0].decode("latin-1"), end


def find_upgrade(lines: str) -> UpgradeFields | None:
    """
    Find the headers that open a connection, if it's this that the message is for.

    Args:
        lines: header lines.

    Returns:
        Their values, each of which is there once or not at all.

    """
    if _is_lines(lines) is None:
        return None
    found: dict[str, str | None] = dict.fromkeys(
        (
            "sec-websocket-key",
            "sec-websocket-version",
            "sec-websocket-accept",
            "origin",
            "sec-websocket-extensions",
            "sec-websocket-protocol",
            "upgrade",
            "connection",
        )
    )
    for line in lines.split("\r\n")[:-1]:
        name, _, value = line.partition(": ")
        name = name.lower()
        if name in found:
            if found[name] is not None:
                return None
            found[name] = value
    *fields, upgrade, connection = found.values()
    if upgrade is None or upgrade.lower() != "websocket":
        return None
    if connection is None or connection.lower() not in (
        "upgrade",
        "keep-alive, upgrade",
    ):
        return None
    return tuple(fields)  # type: ignore[return-value]  # six of them


def accept_key(key: str) -> str:
    """
    Return the value of ``Sec-WebSocket-Accept`` that answers a key.

    Args:
        key: value of the ``Sec-WebSocket-Key`` header (:rfc:`6455`, section 4.2.2).
    """
    digest = hashlib.sha1((key + GUID).encode()).digest()
    return base64.b64encode(digest).decode("ascii")


def http_date() -> str:
    """Return the value of the ``Date`` header (:rfc:`9110`, section 5.6.7)."""
    return email.utils.formatdate(usegmt=True)
