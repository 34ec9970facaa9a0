"""Frames, one by one: parsing, serializing, rules (RFC 6455 §5)."""

from __future__ import annotations

import secrets

import hypothesis.strategies as st
import pytest
from hypothesis import given

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import (
    CLOSE_CODE_EXPLANATIONS,
    CTRL_OPCODES,
    DATA_OPCODES,
    EXTERNAL_CLOSE_CODES,
    OK_CLOSE_CODES,
    CloseCode,
    Frame,
    Opcode,
)


CONT, TEXT, BINARY, CLOSE, PING, PONG = Opcode

MASK = bytes.fromhex("37fa213d")


class Stream:
    """A stream of bytes, and the generator function that reads from it."""

    def __init__(self, data):
        self.data = data
        self.position = 0

    def read_exact(self, size):
        while len(self.data) - self.position < size:
            yield
        self.position += size
        return self.data[self.position - size : self.position]


def parse(data, *, mask=False, **options):
    """Parse a frame that is there as a whole; return it and what is left."""
    stream = Stream(bytes.fromhex(data) if isinstance(data, str) else data)
    parser = Frame.parse(stream.read_exact, mask=mask, **options)
    with pytest.raises(StopIteration) as stopped:
        next(parser)
    return stopped.value.value, stream.data[stream.position :]


def needs_more(data, **options):
    """Tell whether the parser waits for more bytes."""
    parser = Frame.parse(Stream(bytes.fromhex(data)).read_exact, **options)
    return next(parser) is None


# -- values


def test_opcodes():
    """RFC 6455 §5.2 defines six opcodes: three for data, three for control."""
    assert [int(opcode) for opcode in Opcode] == [0, 1, 2, 8, 9, 10]
    assert DATA_OPCODES == (CONT, TEXT, BINARY)
    assert CTRL_OPCODES == (CLOSE, PING, PONG)


def test_close_codes():
    """All but three codes may stand in a frame; three say that all went well."""
    assert [int(code) for code in CloseCode] == [
        *range(1000, 1004),
        *range(1005, 1016),
    ]
    assert set(CloseCode) - EXTERNAL_CLOSE_CODES == {1005, 1006, 1015}
    assert {1000, 1001, 1005} == OK_CLOSE_CODES
    assert set(CLOSE_CODE_EXPLANATIONS) == set(CloseCode)


# -- bytes

FRAMES = [
    # RFC 6455 §5.7, the examples.
    ("81 05 48656c6c6f", Frame(TEXT, b"Hello")),
    ("01 03 48656c", Frame(TEXT, b"Hel", fin=False)),
    ("80 02 6c6f", Frame(CONT, b"lo")),
    ("89 05 48656c6c6f", Frame(PING, b"Hello")),
    # Nothing in it.
    ("81 00", Frame(TEXT, b"")),
    ("00 00", Frame(CONT, b"", fin=False)),
    ("88 00", Frame(CLOSE, b"")),
    ("8a 00", Frame(PONG, b"")),
    # The three forms of the length, at their limits.
    ("82 7d" + 125 * "fe", Frame(BINARY, 125 * b"\xfe")),
    ("82 7e 007e" + 126 * "fe", Frame(BINARY, 126 * b"\xfe")),
    ("82 7e ffff" + 65535 * "fe", Frame(BINARY, 65535 * b"\xfe")),
    ("82 7f 0000000000010000" + 65536 * "fe", Frame(BINARY, 65536 * b"\xfe")),
    # The longest control frame.
    ("89 7d" + 125 * "fe", Frame(PING, 125 * b"\xfe")),
]


@pytest.mark.parametrize(("data", "frame"), FRAMES, ids=range(len(FRAMES)))
def test_frames(data, frame):
    """Bytes and frames are two forms of the same."""
    assert frame.serialize(mask=False) == bytes.fromhex(data)
    assert parse(bytes.fromhex(data) + b"rest") == (frame, b"rest")


def test_masked_frame(monkeypatch):
    """RFC 6455 §5.7: a masked frame; the mask is drawn when the frame is serialized."""
    monkeypatch.setattr(secrets, "token_bytes", lambda size: MASK[:size])
    data = bytes.fromhex("81 85 37fa213d 7f9f4d5158")
    assert Frame(TEXT, b"Hello").serialize(mask=True) == data
    assert parse(data, mask=True) == (Frame(TEXT, b"Hello"), b"")


@pytest.mark.parametrize("wrap", [bytearray, memoryview])
@pytest.mark.parametrize("mask", [False, True])
def test_other_kinds_of_bytes(wrap, mask):
    """Payloads may be any kind of bytes."""
    data = Frame(BINARY, wrap(b"Hello")).serialize(mask=mask)
    assert parse(bytearray(data), mask=mask)[0] == Frame(BINARY, b"Hello")


opcodes = st.sampled_from(Opcode)


@given(opcode=opcodes, data=st.binary(max_size=125), mask=st.booleans())
def test_round_trip(opcode, data, mask):
    """What is serialized is parsed, for all opcodes, masked or not."""
    frame = Frame(opcode, data)
    assert parse(frame.serialize(mask=mask), mask=mask) == (frame, b"")


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("size", [0, 10, 300, 65536])
def test_byte_by_byte(mask, size):
    """The parser waits for each byte, and needs none beyond the frame."""
    data = Frame(BINARY, bytes(size)).serialize(mask=mask)
    stream = Stream(b"")
    parser = Frame.parse(stream.read_exact, mask=mask)
    assert next(parser) is None
    for end in range(1, len(data)):
        stream.data = data[:end]
        assert next(parser) is None
    stream.data = data
    with pytest.raises(StopIteration) as stopped:
        next(parser)
    assert stopped.value.value == Frame(BINARY, bytes(size))


def test_end_of_stream():
    """An error of the stream passes through."""

    def read_exact(size):
        yield
        raise EOFError("stream ends")

    parser = Frame.parse(read_exact, mask=False)
    next(parser)
    with pytest.raises(EOFError, match="stream ends"):
        next(parser)


# -- rules


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_reserved_opcodes(opcode):
    """RFC 6455 §5.2: unknown opcodes fail the connection, before their payload arrives."""
    for head in (opcode, 0x80 | opcode):
        with pytest.raises(ProtocolError) as raised:
            parse(bytes([head, 5]))
        assert str(raised.value) == "invalid opcode"
        assert raised.value.__suppress_context__


@pytest.mark.parametrize("mask", [False, True])
def test_wrong_masking(mask):
    """RFC 6455 §5.1: clients mask, servers don't."""
    data = Frame(TEXT, b"Hello").serialize(mask=not mask)
    with pytest.raises(ProtocolError, match=r"^incorrect masking$"):
        parse(data[:2], mask=mask)


@pytest.mark.parametrize("head", [0xC1, 0xA1, 0x91, 0xF1, 0xC0, 0xC8, 0xA9, 0x9A])
def test_reserved_bits(head):
    """RFC 6455 §5.2: reserved bits are 0 without extensions; that's seen in the header."""
    with pytest.raises(ProtocolError, match=r"^reserved bits must be 0$"):
        parse(bytes([head, 5]))


@pytest.mark.parametrize("opcode", CTRL_OPCODES)
def test_long_control_frames(opcode):
    """RFC 6455 §5.5: control frames have at most 125 bytes; that's seen in the header."""
    for length in (126, 127):
        with pytest.raises(ProtocolError, match=r"^control frame too long$"):
            parse(bytes([0x80 | opcode, length]))
    with pytest.raises(ProtocolError, match=r"^control frame too long$"):
        Frame(opcode, bytes(126)).serialize(mask=False)
    Frame(opcode, bytes(125)).check()


@pytest.mark.parametrize("opcode", CTRL_OPCODES)
def test_fragmented_control_frames(opcode):
    """RFC 6455 §5.5: control frames aren't fragmented; that's seen in the header."""
    with pytest.raises(ProtocolError, match=r"^fragmented control frame$"):
        parse(bytes([opcode, 5]))
    with pytest.raises(ProtocolError, match=r"^fragmented control frame$"):
        Frame(opcode, b"", fin=False).serialize(mask=False)


@pytest.mark.parametrize("bit", ["rsv1", "rsv2", "rsv3"])
def test_reserved_bits_of_outgoing_frames(bit):
    """A program can't set reserved bits, whatever extensions there are."""
    frame = Frame(TEXT, b"", **{bit: True})
    for extensions in (None, [], [PerMessageDeflate(False, False, 15, 15)]):
        with pytest.raises(ProtocolError, match=r"^reserved bits must be 0$"):
            frame.serialize(mask=False, extensions=extensions)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("82 7e 0000", "payload length not minimal: 0 in 2 bytes"),
        ("82 7e 007d", "payload length not minimal: 125 in 2 bytes"),
        ("82 7f 000000000000007e", "payload length not minimal: 126 in 8 bytes"),
        ("82 7f 000000000000ffff", "payload length not minimal: 65535 in 8 bytes"),
        (
            "82 7f 8000000000000000",
            "payload length too large: 9223372036854775808",
        ),
    ],
)
def test_lengths(data, text):
    """RFC 6455 §5.2: lengths take the fewest bytes, and their first bit is 0."""
    for options in ({}, {"max_size": 10}):
        with pytest.raises(ProtocolError) as raised:
            parse(data, **options)
        assert str(raised.value) == text


@pytest.mark.parametrize("opcode", DATA_OPCODES)
def test_max_size(opcode):
    """A payload may be as long as the limit; a longer one is refused from its header."""
    frame = Frame(opcode, bytes(1000))
    data = frame.serialize(mask=False)
    assert parse(data, max_size=1000) == (frame, b"")
    with pytest.raises(PayloadTooBig) as raised:
        parse(data[:4], max_size=999)
    assert str(raised.value) == "frame with 1000 bytes exceeds limit of 999 bytes"


def test_max_size_of_control_frames():
    """Control frames have a limit of their own."""
    frame = Frame(PING, bytes(125))
    assert parse(frame.serialize(mask=False), max_size=1) == (frame, b"")


def test_no_payload_is_read_before_the_mask():
    """Where the masking key is missing, the parser waits for it."""
    assert needs_more("82 80", mask=True)
    assert needs_more("82 85 37fa21", mask=True)


# -- extensions


class Tag(Extension):
    """Append a byte to the payload of data frames, and mark them by a reserved bit."""

    def __init__(self, byte, bit):
        self.byte = byte
        self.bit = bit

    def encode(self, frame):
        if frame.opcode in CTRL_OPCODES:
            return frame
        return self.changed(frame, frame.data + self.byte, True)

    def decode(self, frame, *, max_size=None):
        if frame.opcode in CTRL_OPCODES:
            return frame
        assert frame.data.endswith(self.byte)
        assert getattr(frame, self.bit)
        return self.changed(frame, frame.data[:-1], False)

    def changed(self, frame, data, value):
        bits = {bit: getattr(frame, bit) for bit in ("fin", "rsv1", "rsv2", "rsv3")}
        return Frame(frame.opcode, data, **(bits | {self.bit: value}))


def test_order_of_extensions():
    """RFC 6455 §9.1: extensions encode in order, and decode in reverse."""
    extensions = [Tag(b"1", "rsv2"), Tag(b"2", "rsv3")]
    frame = Frame(TEXT, b"Hello")
    data = frame.serialize(mask=False, extensions=extensions)
    assert data == b"\xb1\x07Hello12"
    assert parse(data, extensions=extensions) == (frame, b"")
    ping = Frame(PING, b"Hello")
    assert ping.serialize(mask=False, extensions=extensions) == b"\x89\x05Hello"
    assert parse(b"\x89\x05Hello", extensions=extensions) == (ping, b"")


def test_bits_that_no_extension_decodes():
    """A reserved bit that is left after the extensions fails the connection."""
    for head in (0xA1, 0xC9):
        with pytest.raises(ProtocolError, match=r"^reserved bits must be 0$"):
            parse(
                bytes([head, 0]), extensions=[PerMessageDeflate(False, False, 15, 15)]
            )


def test_max_size_with_extensions():
    """The limit holds for the decoded payload; what is encoded may be a little longer."""
    deflate = PerMessageDeflate(False, False, 15, 15, {"level": 0})
    frame = Frame(BINARY, bytes(1000))
    data = frame.serialize(mask=False, extensions=[deflate])
    assert len(data) > 1004
    fresh = PerMessageDeflate(False, False, 15, 15)
    assert parse(data, max_size=1000, extensions=[fresh]) == (frame, b"")
    fresh = PerMessageDeflate(False, False, 15, 15)
    with pytest.raises(PayloadTooBig, match=r"^frame exceeds limit of 999 bytes$"):
        parse(data, max_size=999, extensions=[fresh])
    with pytest.raises(PayloadTooBig) as raised:
        parse("82 7e 07d0", max_size=1000, extensions=[fresh])
    assert str(raised.value) == "frame with 2000 bytes exceeds limit of 1000 bytes"


def test_max_size_of_frames_that_an_extension_leaves():
    """A frame that isn't compressed gets no allowance, and a control frame needs none."""
    deflate = PerMessageDeflate(False, False, 15, 15)
    options = {"max_size": 1, "extensions": [deflate]}
    with pytest.raises(PayloadTooBig) as raised:
        parse("82 02 0000", **options)
    assert str(raised.value) == "frame with 2 bytes exceeds limit of 1 bytes"
    assert parse("82 01 00", **options) == (Frame(BINARY, b"\x00"), b"")
    assert parse("89 02 0000", **options) == (Frame(PING, b"\x00\x00"), b"")


@pytest.mark.parametrize("opcode", Opcode)
def test_frames_compare_by_value(opcode):
    """Two frames with the same content are equal; order and defaults of fields are fixed."""
    assert Frame(opcode, b"") == Frame(opcode, b"", True, False, False, False)
    assert Frame(opcode, b"") != Frame(opcode, b"1")
