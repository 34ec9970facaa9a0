"""Frames and close codes (RFC 6455 §5 and §7.4).

Owns: what a frame is, which frames and close codes are legal by themselves, how a frame
looks in a log.
Doesn't know: the order of frames (that's the protocol), masking and the layout of bytes
(that's the codec), what an extension does to a payload.

Connections don't make a :class:`Frame` for every message: the codec's reader and writer
carry bytes past this module. :meth:`Frame.parse` and :meth:`Frame.serialize` serve programs
that want frames one by one, and extensions other than permessage-deflate.
"""

from __future__ import annotations

import codecs
import dataclasses
import enum
import os
import re
import secrets
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from ._codec import apply_mask, serialize_frame
from ._codec.rules import check_length, compressed_allowance
from .exceptions import PayloadTooBig, ProtocolError
from .typing import BytesLike


if TYPE_CHECKING:
    from .extensions.base import Extension


__all__ = ["Close", "CloseCode", "Frame", "Opcode"]


class Opcode(enum.IntEnum):
    """Opcodes: what a frame is for (RFC 6455 §5.2)."""

    CONT, TEXT, BINARY = 0x00, 0x01, 0x02
    CLOSE, PING, PONG = 0x08, 0x09, 0x0A


CONT = Opcode.CONT
TEXT = Opcode.TEXT
BINARY = Opcode.BINARY
CLOSE = Opcode.CLOSE
PING = Opcode.PING
PONG = Opcode.PONG

DATA_OPCODES = CONT, TEXT, BINARY
CTRL_OPCODES = CLOSE, PING, PONG


class CloseCode(enum.IntEnum):
    """
    Close codes: why a connection ends (RFC 6455 §7.4.1 and the IANA registry).

    1005, 1006 and 1015 never stand in a Close frame: they tell what was missing.
    """

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    # 1004 is reserved.
    NO_STATUS_RCVD = 1005
    ABNORMAL_CLOSURE = 1006
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015


CLOSE_CODE_EXPLANATIONS: dict[int, str] = {
    CloseCode.NORMAL_CLOSURE: "OK",
    CloseCode.GOING_AWAY: "going away",
    CloseCode.PROTOCOL_ERROR: "protocol error",
    CloseCode.UNSUPPORTED_DATA: "unsupported data",
    CloseCode.NO_STATUS_RCVD: "no status received [internal]",
    CloseCode.ABNORMAL_CLOSURE: "abnormal closure [internal]",
    CloseCode.INVALID_DATA: "invalid frame payload data",
    CloseCode.POLICY_VIOLATION: "policy violation",
    CloseCode.MESSAGE_TOO_BIG: "message too big",
    CloseCode.MANDATORY_EXTENSION: "mandatory extension",
    CloseCode.INTERNAL_ERROR: "internal error",
    CloseCode.SERVICE_RESTART: "service restart",
    CloseCode.TRY_AGAIN_LATER: "try again later",
    CloseCode.BAD_GATEWAY: "bad gateway",
    CloseCode.TLS_HANDSHAKE: "TLS handshake failure [internal]",
}

# Codes that may stand in a Close frame, besides 3000 to 4999.
EXTERNAL_CLOSE_CODES: set[int] = {
    code
    for code in CloseCode
    if code
    not in (
        CloseCode.NO_STATUS_RCVD,
        CloseCode.ABNORMAL_CLOSURE,
        CloseCode.TLS_HANDSHAKE,
    )
}

# Codes of connections that ended as they should.
OK_CLOSE_CODES: set[int] = {
    CloseCode.NORMAL_CLOSURE,
    CloseCode.GOING_AWAY,
    CloseCode.NO_STATUS_RCVD,
}


def explain_close_code(code: int) -> str:
    """Return what a close code means, in a few words, for logs and exceptions."""
    if 3000 <= code < 4000:
        return "registered"
    if 4000 <= code < 5000:
        return "private use"
    return CLOSE_CODE_EXPLANATIONS.get(code, "unknown")


@dataclasses.dataclass(slots=True)
class Frame:
    """
    A WebSocket frame (RFC 6455 §5.2), its payload not masked.

    Attributes:
        opcode: what the frame is for.
        data: payload.
        fin: the FIN bit: whether this frame ends its message.
        rsv1: the RSV1 bit; permessage-deflate marks compressed messages with it.
        rsv2: the RSV2 bit.
        rsv3: the RSV3 bit.

    ``str(frame)`` is the form used in logs, cut to :attr:`MAX_LOG_SIZE` characters of payload.
    """

    opcode: Opcode
    data: BytesLike
    fin: bool = True
    rsv1: bool = False
    rsv2: bool = False
    rsv3: bool = False

    #: Characters of payload shown in logs (environment variable WEBSOCKETS_MAX_LOG_SIZE).
    MAX_LOG_SIZE: ClassVar[int] = int(os.environ.get("WEBSOCKETS_MAX_LOG_SIZE", "75"))

    def __str__(self) -> str:
        data = bytes(self.data)
        shown, kind = describe_payload(self.opcode, data, self.fin, self.MAX_LOG_SIZE)
        details = [kind] if kind else []
        details.append(f"{len(data)} byte{'' if len(data) == 1 else 's'}")
        if not self.fin:
            details.append("continued")
        return f"{self.opcode.name} {shown} [{', '.join(details)}]"

    @classmethod
    def parse(
        cls,
        read_exact: Callable[[int], Generator[None, None, bytes | bytearray]],
        *,
        mask: bool,
        max_size: int | None = None,
        extensions: Sequence[Extension] | None = None,
    ) -> Generator[None, None, Frame]:
        """
        Parse a frame.

        This is a generator-based coroutine: it yields :obj:`None` whenever ``read_exact``
        does, that is when more bytes are needed, and returns the frame.

        Args:
            read_exact: generator-based coroutine that reads that many bytes.
            mask: whether the frame must be masked: true on servers (RFC 6455 §5.1).
            max_size: limit on the payload of a data frame, in bytes, before and after the
                extensions; :obj:`None` for no limit. Control frames have their own, 125.
            extensions: extensions in the order of their negotiation; they decode in
                reverse.

        Raises:
            EOFError: if the stream ends in the middle of the frame.
            PayloadTooBig: if the payload exceeds ``max_size``, from the length in the header.
            ProtocolError: if the frame isn't legal.

        """
        head, second = yield from read_exact(2)
        try:
            opcode = Opcode(head & 0x0F)
        except ValueError:
            raise ProtocolError("invalid opcode") from None
        if (second > 0x7F) != mask:
            raise ProtocolError("incorrect masking")
        fin = head > 0x7F
        rsv1, rsv2, rsv3 = head & 0x40 != 0, head & 0x20 != 0, head & 0x10 != 0

        # What can be refused now is refused before its payload arrives.
        length = second & 0x7F
        if not extensions:
            check_reserved_bits(rsv1, rsv2, rsv3)
        if opcode in CTRL_OPCODES:
            check_control_frame(length, fin)
        if length > 125:
            width = 2 if length == 126 else 8
            length = int.from_bytes((yield from read_exact(width)), "big")
            check_length(length, width)
        if max_size is not None and opcode in DATA_OPCODES:
            # Bytes that don't compress take a little more than they hold.
            limit = compressed_allowance(max_size) if extensions else max_size
            if length > limit:
                raise PayloadTooBig(length, max_size)

        data: BytesLike
        if mask:
            mask_bytes = yield from read_exact(4)
            data = apply_mask((yield from read_exact(length)), mask_bytes)
        else:
            data = yield from read_exact(length)

        frame: Frame = cls(opcode, data, fin, rsv1, rsv2, rsv3)
        if extensions:
            for extension in reversed(extensions):
                frame = extension.decode(frame, max_size=max_size)
            frame.check()
            if max_size is not None and frame.opcode in DATA_OPCODES:
                size = len(frame.data)
                if size > max_size:
                    raise PayloadTooBig(size, max_size)
        return frame

    def serialize(
        self,
        *,
        mask: bool,
        extensions: Sequence[Extension] | None = None,
    ) -> bytes:
        """
        Return the bytes of the frame.

        Args:
            mask: whether to mask the payload: true on clients (RFC 6455 §5.1). The mask
                comes from :func:`secrets.token_bytes`.
            extensions: extensions in the order of their negotiation, in which they encode.

        Raises:
            ProtocolError: if the frame isn't legal before the extensions encode it.

        """
        self.check()
        frame: Frame = self
        if extensions:
            for extension in extensions:
                frame = extension.encode(frame)
        bits = frame.fin << 3 | frame.rsv1 << 2 | frame.rsv2 << 1 | frame.rsv3
        mask_bytes = secrets.token_bytes(4) if mask else None
        return serialize_frame(bits << 4 | frame.opcode, frame.data, mask_bytes)

    def check(self) -> None:
        """
        Check what makes a frame legal by itself, once extensions have decoded it.

        Raises:
            ProtocolError: if a reserved bit is set, or if a control frame is fragmented or
                too long (RFC 6455 §5.2 and §5.5).

        """
        check_reserved_bits(self.rsv1, self.rsv2, self.rsv3)
        if self.opcode in CTRL_OPCODES:
            check_control_frame(len(self.data), self.fin)


def check_reserved_bits(rsv1: bool, rsv2: bool, rsv3: bool) -> None:
    """Apply RFC 6455 §5.2: reserved bits are 0, unless an extension gives them a meaning."""
    if rsv1 or rsv2 or rsv3:
        raise ProtocolError("reserved bits must be 0")


def check_control_frame(length: int, fin: bool) -> None:
    """Apply RFC 6455 §5.5; a length of 126 or 127 may be the marker in the header."""
    if length > 125:
        raise ProtocolError("control frame too long")
    if not fin:
        raise ProtocolError("fragmented control frame")


@dataclasses.dataclass(slots=True)
class Close:
    """
    Code and reason of a Close frame (RFC 6455 §5.5.1).

    Attributes:
        code: close code.
        reason: close reason.

    """

    code: CloseCode | int
    reason: str

    def __str__(self) -> str:
        described = f"{int(self.code)} ({explain_close_code(self.code)})"
        return f"{described} {self.reason}" if self.reason else described

    @classmethod
    def parse(cls, data: BytesLike) -> Self:
        """
        Parse the payload of a Close frame.

        An empty payload gives the code 1005, for "no code" (RFC 6455 §7.1.5).

        Raises:
            ProtocolError: if the payload is one byte, or the code may not be sent.
            UnicodeDecodeError: if the reason isn't UTF-8; positions count from its start.

        """
        payload = bytes(data)
        if not payload:
            return cls(CloseCode.NO_STATUS_RCVD, "")
        if len(payload) == 1:
            raise ProtocolError("close frame too short")
        close = cls(int.from_bytes(payload[:2], "big"), str(payload[2:], "utf-8"))
        close.check()
        return close

    def serialize(self) -> bytes:
        """
        Return the payload of a Close frame.

        Raises:
            ProtocolError: if the code may not be sent.
            UnicodeEncodeError: if the reason has surrogates.

        """
        self.check()
        return self.code.to_bytes(2, "big") + self.reason.encode()

    def check(self) -> None:
        """
        Check that the code may stand in a Close frame (RFC 6455 §7.4).

        Raises:
            ProtocolError: if it may not.

        """
        code = self.code
        if code not in EXTERNAL_CLOSE_CODES and not 3000 <= code < 5000:
            raise ProtocolError("invalid status code")


# -- logs

# White space and printable ASCII.
match_printable = re.compile(rb"[\t-\r -~]*").fullmatch


def describe_payload(
    opcode: Opcode, data: bytes, fin: bool, limit: int
) -> tuple[str, str | None]:
    """
    Return how a log shows a payload, and a word on its kind where the opcode doesn't tell.

    Text is quoted, other bytes are in hexadecimal, a Close is spelled out. Long payloads are
    judged by their ends: a log line costs the same for 1 KiB and 1 GiB.
    """
    # What a reader expects: no word for text in Text and Close, nor for bytes in Binary.
    text_kind = None if opcode in (TEXT, CLOSE) else "text"
    if not data:
        return "''", None
    if opcode is CLOSE:
        try:
            shown = str(Close.parse(data))
        except (ProtocolError, UnicodeDecodeError):
            pass
        else:
            return shorten(shown, limit), text_kind
    elif opcode in CTRL_OPCODES:
        if match_printable(data):
            return shorten(repr(data.decode()), limit), text_kind
    else:
        text = decode_ends(data, opcode is not CONT, fin, 4 * limit)
        if text is not None:
            shown = repr(text)
            # Escapes for control characters mean binary. Text that has "\x" of its own
            # is rare, and shown as well as the other bytes are.
            if "\\x" not in shown:
                return shorten(shown, limit), text_kind
    return shorten_hex(data, limit), None if opcode is BINARY else "binary"


def decode_ends(
    data: bytes, whole_start: bool, whole_end: bool, limit: int
) -> str | None:
    """
    Decode UTF-8, skipping the middle of what is longer than ``limit`` bytes.

    Args:
        data: bytes, of a frame that may begin or end inside a character.
        whole_start: whether it must begin with a character.
        whole_end: whether it must end with one.
        limit: number of bytes to look at.

    Returns:
        Text, with U+FFFD for parts of characters; :obj:`None` if it isn't UTF-8.

    """
    if len(data) <= limit:
        return decode_part(data, whole_start, whole_end)
    # Two thirds from the start and one from the end, as shorten() will cut.
    start = 2 * limit // 3
    first = decode_part(data[:start], whole_start, False)
    last = decode_part(data[start - limit :], False, whole_end)
    return None if first is None or last is None else first + last


def decode_part(data: bytes, whole_start: bool, whole_end: bool) -> str | None:
    """Decode UTF-8 as :func:`decode_ends` does, without skipping anything."""
    stray = 0
    if not whole_start:
        # Of a character of four bytes, three may stand in this part.
        while stray < min(3, len(data)) and data[stray] & 0xC0 == 0x80:
            stray += 1
    try:
        text, used = codecs.utf_8_decode(data[stray:], "strict", whole_end)
    except UnicodeDecodeError:
        return None
    return "\ufffd" * stray + text + ("\ufffd" if stray + used < len(data) else "")


def shorten(text: str, limit: int) -> str:
    """Cut text to ``limit`` characters, from the middle; two thirds of the rest lead."""
    if len(text) <= limit:
        return text
    third = max((limit - 3) // 3, 1)
    return f"{text[: 2 * third]}...{text[-third:]}"


def shorten_hex(data: bytes, limit: int) -> str:
    """Show bytes in hexadecimal, cut as by :func:`shorten`."""
    count = (limit + 1) // 3
    if len(data) <= count:
        return data.hex(" ")
    third = max((count - 1) // 3, 1)
    return f"{data[: 2 * third].hex(' ')} ... {data[-third:].hex(' ')}"
