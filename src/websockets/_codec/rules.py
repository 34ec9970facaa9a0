"""What one frame header may say (RFC 6455 §5.2 to §5.5): rules as functions.

Owns: the rules, and the texts of the errors when they are broken.
Doesn't know: buffers, who reads.
"""

from __future__ import annotations

from ..exceptions import PayloadTooBig, ProtocolError


__all__ = [
    "RSV",
    "RSV1",
    "check_head",
    "check_length",
    "check_size",
    "compressed_allowance",
    "missing_part",
    "without_control",
]

FIN = 0x80
RSV1 = 0x40
RSV = 0x70
CONTROL = 0x08

# RFC 6455 §5.2: everything else is reserved.
OPCODES = frozenset([0x0, 0x1, 0x2, 0x8, 0x9, 0xA])

# RFC 6455 §5.2 and §5.5: bytes before a payload, bytes of a control frame's payload.
MAX_HEADER = 14
MAX_CONTROL = 125


def check_head(
    head: int, second: int, in_message: bool, masked: bool, reserved: int
) -> None:
    """
    Apply the rules of RFC 6455 §5.2, §5.4 and §5.5 to the first two bytes.

    Args:
        head: first byte.
        second: second byte.
        in_message: whether a fragmented message is being received.
        masked: whether the peer must mask its frames.
        reserved: bits that extensions allow: :data:`RSV1` for permessage-deflate;
            :data:`RSV` on any frame, when extensions check them.

    """
    opcode = head & 0x0F
    if opcode not in OPCODES:
        raise ProtocolError("invalid opcode")
    # RFC 6455 §5.1: a client masks all its frames, a server none.
    if (second > 0x7F) is not masked:
        raise ProtocolError("incorrect masking")
    # RFC 7692 §6.1: RSV1 stands on the first frame of a message only.
    allowed = reserved if reserved == RSV or opcode in (1, 2) else 0
    if head & RSV & ~allowed:
        raise ProtocolError("reserved bits must be 0")
    if opcode & CONTROL:
        # RFC 6455 §5.5
        if second & 0x7F > 125:
            raise ProtocolError("control frame too long")
        if not head & FIN:
            raise ProtocolError("fragmented control frame")
    elif opcode == 0:
        if not in_message:
            raise ProtocolError("unexpected continuation frame")
    elif in_message:
        raise ProtocolError("expected a continuation frame")


def check_length(length: int, width: int) -> None:
    """Apply RFC 6455 §5.2: minimal number of bytes, most significant bit 0."""
    if length < (126 if width == 2 else 0x10000):
        raise ProtocolError(f"payload length not minimal: {length} in {width} bytes")
    if length >> 63:
        raise ProtocolError(f"payload length too large: {length}")


def compressed_allowance(limit: int) -> int:
    """
    Return how long a compressed message may be when its content may have ``limit`` bytes.

    What doesn't compress grows a little: zlib's own bound for the worst of its settings
    is an eighth and a few bytes more (``deflateBound()`` in zlib).
    """
    return limit + (limit >> 3) + (limit >> 6) + 64


def check_size(
    length: int,
    current: int,
    in_message: bool,
    compressed: bool,
    limits: tuple[int | None, int | None],
) -> None:
    """
    Refuse a data frame by the length in its header, before its payload is buffered.

    Args:
        length: length of the payload.
        current: bytes in earlier frames of its message.
        in_message: whether there are such frames.
        compressed: whether its message is compressed: then what it inflates to is checked
            when it is inflated, and what is much too long for that already here.
        limits: limits on a message and on one frame, in bytes; :obj:`None` for no limit.

    """
    message, fragment = limits
    limit = None if message is None else message - current
    if fragment is not None and (limit is None or fragment < limit):
        limit = fragment
    if limit is None or length <= limit:
        return
    if compressed:
        # The limits hold for what it inflates to, and are applied there.
        whole = None if message is None else compressed_allowance(message) - current
        part = None if fragment is None else compressed_allowance(fragment)
        if (whole is None or length <= whole) and (part is None or length <= part):
            return
    error = PayloadTooBig(length, limit)
    error.set_current_size(current if in_message else None)
    raise error


def missing_part(buf: bytes | bytearray, start: int) -> tuple[int, int] | None:
    """
    Tell what the unfinished frame at ``start`` lacks.

    Returns:
        How many bytes are there of the part that isn't complete (the first two bytes, a
        longer length, the mask, the payload), and how many it has.

    """
    # A frame with more than that isn't unfinished, for who asks.
    data = buf[start : start + MAX_HEADER + MAX_CONTROL]
    if len(data) < 2:
        return (len(data), 2) if data else None
    length = data[1] & 0x7F
    parts = [2, 4] if data[1] & 0x80 else [2]
    if length > 125:
        parts.insert(1, 2 if length == 126 else 8)
    for part in parts:
        if len(data) < part:
            return len(data), part
        data = data[part:]
    return len(data), length


def without_control(buf: bytes | bytearray, masked: bool) -> bytes:
    """Return the data frames of legal frames, of which the last may be unfinished."""
    kept = bytearray()
    pos = 0
    while pos < len(buf):
        length = buf[pos + 1] & 0x7F
        end = pos + (6 if masked else 2)
        if length > 125:
            width = 2 if length == 126 else 8
            length = int.from_bytes(buf[pos + 2 : pos + 2 + width], "big")
            end += width
        end += length
        if not buf[pos] & CONTROL:
            kept += buf[pos:end]
        pos = end
    return bytes(kept)
