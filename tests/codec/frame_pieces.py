"""Frames for tests: built from bytes, and cut again by a parser of the obvious kind.

The parser is the oracle of the property tests. It has all the bytes at once, looks at one
frame after the other, and shares no code with the library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from websockets.exceptions import PayloadTooBig, ProtocolError, TooManyFragments


KEY = bytes.fromhex("37 fa 21 3d")

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10


def mask(data: bytes, key: bytes = KEY) -> bytes:
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(data))


def frame(
    head: int,
    payload: bytes = b"",
    *,
    masked: bool = False,
    width: int | None = None,
    length: int | None = None,
) -> bytes:
    """
    Return a frame.

    Args:
        head: first byte.
        payload: payload, not masked.
        masked: whether to mask it with :data:`KEY`.
        width: bytes of the longer length, when it isn't to be the shortest form.
        length: length announced, when it isn't to be that of the payload.

    """
    if length is None:
        length = len(payload)
    if width is None:
        width = 0 if length < 126 else 2 if length < 65_536 else 8
    marker = {0: length, 2: 126, 8: 127}[width]
    header = bytes([head, marker | (0x80 if masked else 0)])
    if width:
        header += length.to_bytes(width, "big")
    return header + (KEY + mask(payload) if masked else payload)


@dataclass
class Parsed:
    """What a stream holds."""

    #: First byte and payload of data frames, and where each of them ends.
    data: list[tuple[int, bytes]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    #: The same for control frames.
    control: list[tuple[int, bytes]] = field(default_factory=list)
    #: Number of data frames of complete messages, after each position where one ends.
    complete: list[tuple[int, int]] = field(default_factory=list)
    error: Exception | None = None

    def complete_at(self, position: int) -> int:
        """Return how many data frames belong to messages that end before a position."""
        return max((n for end, n in self.complete if end <= position), default=0)


def parse(
    stream: bytes,
    *,
    masked: bool,
    max_message: int | None = None,
    max_fragment: int | None = None,
    max_fragments: int | None = None,
) -> Parsed:
    """Cut a stream that ends after a frame, or in a frame that is legal so far."""
    parsed = Parsed()
    rest = stream
    size = fragments = 0
    open_message = False
    while len(rest) >= 2:
        head, second = rest[0], rest[1]
        opcode, fin = head & 0x0F, bool(head & FIN)
        length, start = second & 0x7F, 2
        if opcode not in (CONT, TEXT, BINARY, CLOSE, PING, PONG):
            return fail(parsed, ProtocolError("invalid opcode"))
        if bool(second & 0x80) != masked:
            return fail(parsed, ProtocolError("incorrect masking"))
        if head & 0x70:
            return fail(parsed, ProtocolError("reserved bits must be 0"))
        if opcode >= 8 and length > 125:
            return fail(parsed, ProtocolError("control frame too long"))
        if opcode >= 8 and not fin:
            return fail(parsed, ProtocolError("fragmented control frame"))
        if opcode == CONT and not open_message:
            return fail(parsed, ProtocolError("unexpected continuation frame"))
        if opcode in (TEXT, BINARY) and open_message:
            return fail(parsed, ProtocolError("expected a continuation frame"))
        width = {126: 2, 127: 8}.get(length, 0)
        if width:
            length, start = int.from_bytes(rest[2 : 2 + width], "big"), 2 + width
        if opcode < 8:
            if opcode != CONT:
                size = fragments = 0
            fragments += 1
            if max_fragments is not None and fragments > max_fragments:
                return fail(parsed, TooManyFragments(max_fragments))
            limits = [] if max_fragment is None else [max_fragment]
            if max_message is not None:
                limits.append(max_message - size)
            if limits and length > min(limits):
                before = size if opcode == CONT else None
                return fail(parsed, PayloadTooBig(length, min(limits), before))
        key = rest[start : start + 4] if masked else bytes(4)
        start += 4 if masked else 0
        if len(rest) < start + length:
            break
        item = (head, mask(rest[start : start + length], key))
        rest = rest[start + length :]
        if opcode < 8:
            size += length
            open_message = not fin
            parsed.data.append(item)
            parsed.ends.append(len(stream) - len(rest))
            if fin:
                parsed.complete.append((len(stream) - len(rest), len(parsed.data)))
        else:
            parsed.control.append(item)
            if opcode == CLOSE:
                break
    return parsed


def fail(parsed: Parsed, error: Exception) -> Parsed:
    parsed.error = error
    return parsed


def read_all(reader: Any) -> list[tuple[int, bytes, bool]]:
    """Take what is there."""
    pieces = []
    while (piece := reader.read()) is not None:
        pieces.append(piece)
    return pieces


def scan_all(reader: Any) -> list[tuple[int, bytes]]:
    """Look at what is there."""
    found = []
    while part := reader.scan():
        found += part
    return found


def hex_bytes(text: str) -> bytes:
    """Return bytes from hexadecimal digits; white space and ``|`` separate."""
    return bytes.fromhex(text.replace("|", " "))
