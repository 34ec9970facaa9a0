"""Bytes to frames: the rules and limits, one by one."""

from __future__ import annotations

import pytest

from tests.codec.frame_pieces import (
    BINARY,
    CLOSE,
    CONT,
    FIN,
    KEY,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    frame,
    hex_bytes,
    mask,
    read_all,
    scan_all,
)
from tests.codec.implementations import each_implementation
from websockets._codec import FrameReader
from websockets._codec.rules import RSV
from websockets._codec.rules import RSV1 as RESERVED_RSV1
from websockets.exceptions import PayloadTooBig, ProtocolError, TooManyFragments


implementation = each_implementation("FrameReader")


def reader(data: bytes = b"", *, masked: bool = False, **limits) -> FrameReader:
    made = FrameReader(masked=masked, **limits)
    made.feed(data)
    return made


RFC_EXAMPLES = [
    # RFC 6455 §5.7, in its order.
    ("81 05 | 48 65 6c 6c 6f", False, [(0x81, b"Hello", True)]),
    ("81 85 | 37 fa 21 3d | 7f 9f 4d 51 58", True, [(0x81, b"Hello", True)]),
    (
        "01 03 | 48 65 6c | 80 02 | 6c 6f",
        False,
        [(0x01, b"Hel", True), (0x80, b"lo", True)],
    ),
    ("89 05 | 48 65 6c 6c 6f", False, [(0x89, b"Hello", True)]),
    ("8a 85 | 37 fa 21 3d | 7f 9f 4d 51 58", True, [(0x8A, b"Hello", True)]),
    ("82 7e 01 00" + "7a" * 256, False, [(0x82, b"z" * 256, True)]),
    (
        "82 7f 00 00 00 00 00 01 00 00" + "7a" * 65536,
        False,
        [(0x82, b"z" * 65536, True)],
    ),
]


@pytest.mark.parametrize(("text", "masked", "frames"), RFC_EXAMPLES)
def test_examples_of_the_rfc(text, masked, frames):
    """The examples of RFC 6455 §5.7 are read as it says."""
    assert read_all(reader(hex_bytes(text), masked=masked)) == frames


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 65_537])
def test_edges_of_the_three_forms_of_length(size, masked):
    """A payload is read whole on both sides of 125 and 65,535 bytes."""
    payload = bytes(i % 251 for i in range(size))
    made = reader(frame(FIN | BINARY, payload, masked=masked), masked=masked)
    assert read_all(made) == [(0x82, payload, True)]
    assert made.pending == 0


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("size", [5, 130])
def test_any_cut_of_a_frame(size, masked):
    """A frame cut in two anywhere gives the same payload, unmasked across the cut."""
    payload = bytes(range(size))
    stream = frame(FIN | BINARY, payload, masked=masked)
    for cut in range(len(stream) + 1):
        made = reader(stream[:cut], masked=masked)
        pieces = read_all(made)
        made.feed(stream[cut:])
        pieces += read_all(made)
        assert b"".join(data for _, data, _ in pieces) == payload
        assert [complete for _, _, complete in pieces][-1]
        assert sum(complete for _, _, complete in pieces) == 1


def test_mask_turns_with_the_cut():
    """Payload taken in pieces of 1, 2, 3 and 4 bytes is unmasked with the right bytes."""
    payload = bytes(range(100, 120))
    header = frame(FIN | TEXT, payload, masked=True)[:6]
    for step in (1, 2, 3, 4, 5):
        made = reader(header, masked=True)
        got = b""
        masked_payload = mask(payload)
        for start in range(0, len(payload), step):
            made.feed(masked_payload[start : start + step])
            got += b"".join(data for _, data, _ in read_all(made))
        assert got == payload


def test_payload_is_bytes_whatever_the_buffer_is():
    """Payload is of type bytes, also out of a buffer that grew byte by byte."""
    made = FrameReader(masked=False)
    for byte in frame(FIN | BINARY, b"x" * 40):
        made.feed(bytes([byte]))
    ((_, data, _),) = read_all(made)
    assert type(data) is bytes


BROKEN = [
    # RFC 6455 §5.2
    *((f"8{opcode:x} 00", "invalid opcode") for opcode in (3, 4, 5, 6, 7)),
    *((f"8{opcode:x} 00", "invalid opcode") for opcode in (11, 12, 13, 14, 15)),
    ("c1 00", "reserved bits must be 0"),
    ("a1 00", "reserved bits must be 0"),
    ("91 00", "reserved bits must be 0"),
    ("c9 00", "reserved bits must be 0"),
    ("81 7e 00 7d", "payload length not minimal: 125 in 2 bytes"),
    (
        "82 7f 00 00 00 00 00 00 ff ff",
        "payload length not minimal: 65535 in 8 bytes",
    ),
    (
        "82 7f 80 00 00 00 00 00 00 00",
        "payload length too large: 9223372036854775808",
    ),
    # RFC 6455 §5.1
    ("81 80", "incorrect masking"),
    # RFC 6455 §5.4
    ("80 00", "unexpected continuation frame"),
    ("00 00", "unexpected continuation frame"),
    ("01 00 | 81 00", "expected a continuation frame"),
    ("02 00 | 02 00", "expected a continuation frame"),
    # RFC 6455 §5.5
    ("09 00", "fragmented control frame"),
    ("89 7e", "control frame too long"),
    ("8a 7f", "control frame too long"),
    ("88 fe", "incorrect masking"),
]


@pytest.mark.parametrize("look_ahead", [False, True])
@pytest.mark.parametrize(("text", "error"), BROKEN)
def test_a_broken_rule(text, error, look_ahead):
    """A broken rule is a ProtocolError as soon as the header shows it."""
    made = reader(hex_bytes(text))
    if look_ahead:
        made.scan()
        assert str(made.error) == error
    with pytest.raises(ProtocolError) as caught:
        read_all(made)
    assert str(caught.value) == error


def test_a_server_demands_masks():
    """A server refuses a frame that isn't masked (RFC 6455 §5.1)."""
    with pytest.raises(ProtocolError, match=r"^incorrect masking$"):
        reader(b"\x81\x00", masked=True).read()


@pytest.mark.parametrize(
    ("reserved", "head", "fine"),
    [
        (RESERVED_RSV1, FIN | RSV1 | TEXT, True),
        (RESERVED_RSV1, FIN | RSV1 | BINARY, True),
        # RFC 7692 §6.1: on the first frame of a message only.
        (RESERVED_RSV1, FIN | RSV1 | PING, False),
        (RESERVED_RSV1, FIN | RSV2 | TEXT, False),
        (RSV, FIN | RSV1 | RSV2 | RSV3 | TEXT, True),
        (RSV, FIN | RSV1 | PONG, True),
    ],
)
def test_reserved_bits_that_extensions_allow(reserved, head, fine):
    """RSV1 passes on first frames with permessage-deflate, all bits with others."""
    made = reader(frame(head))
    made.reserved = reserved
    if fine:
        assert made.read() == (head, b"", True)
    else:
        with pytest.raises(ProtocolError, match=r"^reserved bits must be 0$"):
            made.read()


def test_rsv1_on_a_continuation_frame():
    """RSV1 on a continuation frame is refused, compressed message or not."""
    made = reader(frame(RSV1 | TEXT) + frame(FIN | RSV1 | CONT))
    made.reserved = RESERVED_RSV1
    assert made.read() == (RSV1 | TEXT, b"", True)
    with pytest.raises(ProtocolError, match=r"^reserved bits must be 0$"):
        made.read()


A3 = frame(TEXT, b"aaa")

# (bytes, max_message_size, max_fragment_size, text); texts compared with 17.4.
LIMITS = [
    (frame(0x81, length=5), 4, None, "frame with 5 bytes exceeds limit of 4 bytes"),
    (frame(0x81, length=5), 0, None, "frame with 5 bytes exceeds limit of 0 bytes"),
    (frame(0x81, length=5), None, 4, "frame with 5 bytes exceeds limit of 4 bytes"),
    (frame(0x81, length=5), 4, 3, "frame with 5 bytes exceeds limit of 3 bytes"),
    (frame(0x81, length=5), 3, 4, "frame with 5 bytes exceeds limit of 3 bytes"),
    (
        frame(0x01) + frame(0x80, length=1),
        0,
        None,
        "frame with 1 bytes after reading 0 bytes exceeds limit of 0 bytes",
    ),
    (
        A3 + frame(0x80, length=5),
        7,
        None,
        "frame with 5 bytes after reading 3 bytes exceeds limit of 7 bytes",
    ),
    (
        A3 + frame(0x80, length=5),
        100,
        4,
        "frame with 5 bytes after reading 3 bytes exceeds limit of 7 bytes",
    ),
    (
        A3 + frame(0x80, length=4),
        6,
        4,
        "frame with 4 bytes after reading 3 bytes exceeds limit of 6 bytes",
    ),
    (
        frame(0x82, length=2**62),
        2**20,
        None,
        "frame with 4611686018427387904 bytes exceeds limit of 1048576 bytes",
    ),
]


@pytest.mark.parametrize("look_ahead", [False, True])
@pytest.mark.parametrize(("data", "message", "fragment", "text"), LIMITS)
def test_limits_on_sizes(data, message, fragment, text, look_ahead):
    """A frame over a limit is refused by its header; the text names size and limit."""
    made = reader(data, max_message_size=message, max_fragment_size=fragment)
    if look_ahead:
        made.scan()
        assert str(made.error) == text
    with pytest.raises(PayloadTooBig) as caught:
        read_all(made)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("data", "message", "fragment"),
    [
        (frame(0x81, b"aaaa"), 4, None),
        (frame(0x81, b"aaaa"), 4, 4),
        (A3 + frame(0x80, b"aaaa"), 7, 4),
        (A3 + frame(0x80, b"aaaa"), None, 4),
        (A3 + frame(0x80), 3, 3),
        (frame(0x81, b"aaaa") * 3, 4, None),
        (frame(0x89, b"aaaaaa"), 4, 4),
    ],
)
def test_sizes_at_the_limit(data, message, fragment):
    """What is as large as a limit passes; control frames have no limit but their own."""
    made = reader(data, max_message_size=message, max_fragment_size=fragment)
    scan_all(made)
    read_all(made)
    assert made.error is None


def test_limits_on_compressed_frames():
    """A compressed frame may be a little longer than its content is allowed to be."""
    for sizes, message, fragment, fine in [
        ([1000], 1000, None, True),
        ([1000 + 1000 // 8], 1000, None, True),
        ([1000 + 1000 // 2], 1000, None, False),
        ([600, 600], 1000, None, True),
        ([600, 900], 1000, None, False),
        ([600, 700], None, 500, False),
        ([550, 550], None, 500, True),
    ]:
        heads = [RSV1 | BINARY] + [CONT] * (len(sizes) - 1)
        heads[-1] |= FIN
        data = b"".join(
            frame(head, bytes(n)) for head, n in zip(heads, sizes, strict=True)
        )
        for look_ahead in (False, True):
            made = reader(data, max_message_size=message, max_fragment_size=fragment)
            made.reserved = RESERVED_RSV1
            if look_ahead:
                made.scan()
                assert (made.error is None) is fine
            if fine:
                assert len(read_all(made)) == len(sizes)
            else:
                limit = 1000 if message is not None else 600 + 500
                with pytest.raises(PayloadTooBig, match=f"limit of {limit} bytes"):
                    read_all(made)


@pytest.mark.parametrize("look_ahead", [False, True])
def test_limit_on_the_number_of_fragments(look_ahead):
    """A message may have max_fragments frames, not one more."""
    fine = frame(TEXT) + frame(CONT) + frame(FIN | CONT)
    made = reader(fine * 2 + frame(TEXT) + frame(CONT) * 3, max_fragments=3)
    if look_ahead:
        made.scan()
        assert isinstance(made.error, TooManyFragments)
    for _ in range(9):
        assert made.read() is not None
    with pytest.raises(TooManyFragments):
        made.read()


def test_control_frames_between_fragments():
    """Control frames are taken in their place, and don't interrupt a message."""
    made = reader(frame(TEXT, b"a") + frame(FIN | PING, b"p") + frame(FIN | CONT, b"b"))
    assert read_all(made) == [
        (0x01, b"a", True),
        (0x89, b"p", True),
        (0x80, b"b", True),
    ]


def test_a_control_frame_waits_until_it_is_complete():
    """A control frame isn't taken in parts."""
    stream = frame(FIN | PING, b"abc", masked=True)
    made = FrameReader(masked=True)
    for byte in stream[:-1]:
        made.feed(bytes([byte]))
        assert made.read() is None
    made.feed(stream[-1:])
    assert made.read() == (0x89, b"abc", True)


@pytest.mark.parametrize("look_ahead", [False, True])
def test_nothing_follows_a_close(look_ahead):
    """Bytes after a Close are ignored (RFC 6455 §5.5.1), garbage included."""
    made = reader(frame(FIN | CLOSE) + b"\xff" * 10)
    if look_ahead:
        assert scan_all(made) == [(0x88, b"")]
        assert read_all(made) == []
    else:
        assert read_all(made) == [(0x88, b"", True)]
        assert scan_all(made) == []
    made.feed(b"\xff" * 10)
    assert (made.pending, read_all(made), made.error) == (0, [], None)


def test_key_is_the_example_of_the_rfc():
    """The helper of these tests masks as RFC 6455 §5.7 does."""
    assert frame(0x81, b"Hello", masked=True) == hex_bytes(RFC_EXAMPLES[1][0])
    assert hex_bytes("37 fa 21 3d") == KEY
