"""Masking of payloads (RFC 6455 §5.3), in Python.

Owns: the specification that ``native/mask.c`` follows.
Doesn't know: frames, where masks come from, that there is native code.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from ..typing import BytesLike


__all__ = ["apply_mask"]


# Up to this many bytes, one XOR of two long integers is fastest; above, one table
# per byte of the mask. They cross between 256 bytes and 1 KiB.
SMALL = 512


def apply_mask(data: BytesLike, mask: BytesLike) -> bytes:
    """
    Apply the XOR mask of RFC 6455 §5.3 to data; do it again to remove it.

    Args:
        data: Payload, any object with a buffer.
        mask: Four bytes.

    Returns:
        As many bytes as ``data`` has.

    Raises:
        TypeError: If an argument isn't a bytes-like object.
        ValueError: If ``mask`` isn't four bytes long.

    """
    if not isinstance(data, (bytes, bytearray)):
        data = bytes(memoryview(data))
    if not isinstance(mask, (bytes, bytearray)):
        mask = bytes(memoryview(mask))
    if len(mask) != 4:
        raise ValueError("mask must contain 4 bytes")

    size = len(data)
    if size <= SMALL:
        # Multiplying repeats the mask in less time than another long integer is made.
        count = (size + 3) >> 2
        key = int.from_bytes(mask, "little") * ones(count)
        masked = (int.from_bytes(data, "little") ^ key).to_bytes(4 * count, "little")
        return masked[:size]

    parts = bytearray(data)
    for index in range(4):
        parts[index::4] = parts[index::4].translate(table(mask[index]))
    return bytes(parts)


@functools.cache  # some 40 KiB, when all sizes occur
def ones(count: int) -> int:
    """Return as many numbers of four bytes in one, each of which is 1."""
    return int.from_bytes(b"\1\0\0\0" * count, "little")


@functools.cache  # at most 64 KiB: there are 256 tables
def table(key: int) -> bytes:
    """Return the bytes that replace the bytes 0 to 255 under one byte of a mask."""
    return bytes([byte ^ key for byte in range(256)])
