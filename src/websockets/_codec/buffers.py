"""Parts of buffers.

Owns: how a part is copied out of a buffer, once.
Doesn't know: frames.
"""

from __future__ import annotations


__all__ = ["cut"]


def cut(buf: bytes | bytearray, start: int, end: int) -> bytes:
    """Return a part of a buffer; copy it once, whatever the type of the buffer."""
    if type(buf) is bytes:
        return buf[start:end]
    # The buffer is going to be resized: let go of it here, not when it's collected.
    with memoryview(buf) as view, view[start:end] as part:
        return bytes(part)
