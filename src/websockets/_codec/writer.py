"""Frames to bytes (RFC 6455 §5.2).

Owns: the layout of a frame on the wire.
Doesn't know: whether the frame is legal, and where its mask comes from.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from . import apply_mask


if TYPE_CHECKING:
    from ..typing import BytesLike


__all__ = ["serialize_frame"]


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
    size = len(payload)
    masked = 0 if mask is None else 0x80
    if size < 126:
        header = pack_7(head, masked | size)
    elif size < 65536:
        header = pack_16(head, masked | 126, size)
    else:
        header = pack_64(head, masked | 127, size)
    # Adding from the left copies the payload once, and takes less time than a join.
    if mask is None:
        return header + payload
    return header + mask + apply_mask(payload, mask)
