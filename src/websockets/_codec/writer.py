"""Frames to bytes (RFC 6455 §5.2).

Owns: the layout of a frame on the wire.
Doesn't know: whether the frame is legal, and where its mask comes from.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from .mask import apply_mask


if TYPE_CHECKING:
    from ..typing import BytesLike


__all__ = ["serialize_frame", "serialize_in_pieces"]

# Bytes of payload that share an object with the header when a large frame is cut: enough
# for the first packets, and a multiple of the mask's size.
FIRST_PIECE = 16384


# The three forms of a header: payloads up to 125 bytes, up to 65535, and larger.
pack_7 = struct.Struct("!BB").pack
pack_16 = struct.Struct("!BBH").pack
pack_64 = struct.Struct("!BBQ").pack


def serialize_frame(head: int, payload: BytesLike, mask: BytesLike | None) -> bytes:
    """
    Return the bytes of one frame.

    Args:
        head: The first byte: FIN, RSV1, RSV2, RSV3 and the opcode.
        payload: What the frame carries, after extensions.
        mask: Four unpredictable bytes, for a frame that a client sends;
            :obj:`None` for one that a server sends (RFC 6455 §5.1).

    Raises:
        ValueError: If ``mask`` isn't four bytes long.

    """
    if isinstance(payload, memoryview):
        # Its len() counts items, which may be wider than a byte, and a view with
        # strides can't be joined.
        payload = payload.cast("B") if payload.c_contiguous else payload.tobytes()
    header = frame_header(head, len(payload), mask)
    # Adding from the left copies the payload once, and takes less time than a join.
    if mask is None:
        return header + payload
    return header + mask + apply_mask(payload, mask)


def serialize_in_pieces(head: int, payload: BytesLike, mask: BytesLike) -> list[bytes]:
    """
    Return the bytes of one large frame, masked, in two objects.

    Masking makes a new object anyway. Joining a header to it would make another one, and
    for a mebibyte the system takes longer to provide its pages than to copy it.

    Args:
        head: See :func:`serialize_frame`.
        payload: See :func:`serialize_frame`.
        mask: See :func:`serialize_frame`.

    Raises:
        ValueError: If ``mask`` isn't four bytes long.

    """
    view = memoryview(payload)
    view = view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
    first = apply_mask(view[:FIRST_PIECE], mask)
    header = frame_header(head, len(view), mask)
    return [header + mask + first, apply_mask(view[FIRST_PIECE:], mask)]


def frame_header(head: int, size: int, mask: BytesLike | None) -> bytes:
    """Return the header of a frame, up to its mask."""
    masked = 0 if mask is None else 0x80
    if size < 126:
        return pack_7(head, masked | size)
    if size < 65536:
        return pack_16(head, masked | 126, size)
    return pack_64(head, masked | 127, size)
