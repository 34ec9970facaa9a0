"""The body of a proxy's refusal.

Owns: where a body ends (RFC 9112 section 6.3), and how much of it is kept.
Doesn't know: what it's for. A tunnel has no body, whatever its headers say.
"""

from __future__ import annotations

import re
from collections.abc import Generator

from ...datastructures import Headers
from ...streams import StreamReader


__all__ = ["read_body"]

# A size, and extensions that nobody uses; 16 digits hold any size that exists.
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?\r?\n")
MAX_LINE = 8192


def read_body(
    reader: StreamReader,
    headers: Headers,
    body: bytearray,
    limit: int,
) -> Generator[None, None, bool]:
    """
    Read a body, whatever its framing, into ``body``.

    The bytes appear in ``body`` as they're read, for a caller who stops waiting.

    Returns:
        Whether the body was read to its end and the connection can go on. It cannot
        when the body lasts until the connection closes, when it's larger than
        ``limit`` bytes, or when it's malformed.

    Raises:
        EOFError: The connection was closed. It's the end of some bodies.
    """
    encodings = ",".join(headers.get_all("Transfer-Encoding"))
    if encodings:
        if encodings.rpartition(",")[2].strip().lower() == "chunked":
            return (yield from read_chunks(reader, body, limit))
        length = None
    else:
        length = content_length(headers)
    while length is None or len(body) < length:
        body += yield from reader.read_exact(1)
        body += reader.take()
        if len(body) > limit:
            del body[limit:]
            return False
    return len(body) == length


def content_length(headers: Headers) -> int | None:
    """Return the announced length; :obj:`None` if the close of the connection ends it."""
    lengths = set(headers.get_all("Content-Length"))
    length = lengths.pop().strip() if len(lengths) == 1 else ""
    # Digits, not too many: int() takes signs, spaces and underscores too.
    return int(length) if re.fullmatch("[0-9]{1,18}", length) else None


def read_chunks(
    reader: StreamReader,
    body: bytearray,
    limit: int,
) -> Generator[None, None, bool]:
    """Read a chunked body (RFC 9112 section 7.1), with extensions and trailers."""
    while True:
        line = yield from reader.read_line(MAX_LINE)
        match = CHUNK_SIZE.fullmatch(line)
        if match is None:
            return False
        size = int(match[1], 16)
        if size == 0:
            break
        room = limit - len(body)
        body += yield from reader.read_exact(min(size, room))
        if size > room:
            return False
        if (yield from reader.read_line(2)).strip(b"\r\n"):
            return False
    while (yield from reader.read_line(MAX_LINE)).strip(b"\r\n"):
        limit -= MAX_LINE  # trailers count as if they were long, so they end
        if limit < 0:
            return False
    return True
