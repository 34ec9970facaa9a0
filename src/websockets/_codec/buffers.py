"""Parts of buffers.

Owns: how a part is copied out of a buffer, once; how a buffer grows.
Doesn't know: frames.
"""

from __future__ import annotations


__all__ = ["cut", "join"]

# More unread bytes than this many times the next chunk are kept in a bytearray, which
# grows in place; fewer are joined with the chunk, which keeps the fast type.
JOIN_FACTOR = 4


def cut(buf: bytes | bytearray, start: int, end: int) -> bytes:
    """Return a part of a buffer; copy it once, whatever the type of the buffer."""
    if type(buf) is bytes:
        return buf[start:end]
    # The buffer is going to be resized: let go of it here, not when it's collected.
    with memoryview(buf) as view, view[start:end] as part:
        return bytes(part)


def join(buf: bytes | bytearray, pos: int, data: bytes) -> bytes | bytearray:
    """Return a buffer without what is before a position, and with more bytes; use it up."""
    if type(buf) is bytes:
        if len(buf) - pos <= JOIN_FACTOR * len(data):
            return buf[pos:] + data
        buf = bytearray(buf)
    assert isinstance(buf, bytearray)  # or it was bytes
    del buf[:pos]
    buf += data
    return buf
