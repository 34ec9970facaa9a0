"""Drive the HTTP parsers by hand, with bytes that arrive in pieces."""

from __future__ import annotations

import re

from websockets.http11 import Request, Response
from websockets.streams import StreamReader


def exactly(text):
    """Return the pattern that only this text matches."""
    return rf"\A{re.escape(text)}\Z"


class Pending(Exception):
    """The parser wants more bytes."""


def drive(generator, reader, pieces=(), *, eof=False):
    """Feed a generator that reads, and return its result."""
    try:
        next(generator)
        for piece in pieces:
            reader.feed_data(piece)
            next(generator)
        if eof:
            reader.feed_eof()
            next(generator)
    except StopIteration as exc:
        return exc.value
    raise Pending(f"{len(reader.buffer)} bytes in the buffer")


def parse_request(*pieces, eof=False, reader=None):
    """Parse a request from pieces, then perhaps the end of the stream."""
    reader = reader or StreamReader()
    return drive(Request.parse(reader.read_line), reader, pieces, eof=eof)


def parse_response(*pieces, eof=False, proxy=False, reader=None):
    """Parse a response from pieces, then perhaps the end of the stream."""
    reader = reader or StreamReader()
    parser = Response.parse(
        reader.read_line, reader.read_exact, reader.read_to_eof, proxy
    )
    return drive(parser, reader, pieces, eof=eof)


def one_by_one(data):
    """Cut bytes into the smallest pieces."""
    return [bytes([byte]) for byte in data]


def outcome(parse, *pieces, **kwargs):
    """Return what a parser makes of pieces, in a form that can be compared."""
    try:
        message = parse(*pieces, **kwargs)
    except Exception as exc:
        return type(exc), str(exc), repr(exc.__cause__)
    return message, list(message.headers.raw_items())
