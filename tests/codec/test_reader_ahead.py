"""Bytes to frames: looking ahead, dropping, stopping, and where a stream ends."""

from __future__ import annotations

import pytest

from tests.codec.frame_pieces import frame, hex_bytes, read_all, scan_all
from tests.codec.implementations import each_implementation
from websockets._codec import FrameReader
from websockets._codec.reader import MAX_FOUND
from websockets.exceptions import PayloadTooBig, ProtocolError


implementation = each_implementation("FrameReader")

TEXT_A = frame(0x81, b"a")
PING_1, PING_2 = frame(0x89, b"1"), frame(0x89, b"2")


def reader(data: bytes = b"", **options) -> FrameReader:
    made = FrameReader(masked=False, **options)
    made.feed(data)
    return made


def test_scan_reports_control_frames_once():
    """A control frame that scan() reported isn't taken by read(), nor reported again."""
    made = reader(TEXT_A + PING_1 + TEXT_A + PING_2)
    assert made.scan() == [(0x89, b"1"), (0x89, b"2")]
    assert made.scan() == []
    assert read_all(made) == [(0x81, b"a", True)] * 2


def test_scan_starts_where_read_stands():
    """scan() doesn't report a control frame that read() has taken."""
    made = reader(PING_1 + TEXT_A + PING_2)
    assert made.read() == (0x89, b"1", True)
    assert made.scan() == [(0x89, b"2")]


def test_scan_behind_an_unfinished_frame():
    """scan() goes on behind a frame of which read() took a part."""
    message = frame(0x81, b"abcdef")
    made = reader(message[:4])
    assert made.read() == (0x81, b"ab", False)
    made.feed(message[4:] + PING_1)
    assert made.scan() == [(0x89, b"1")]
    assert made.read() == (0x81, b"cdef", True)
    assert made.read() is None


def test_ahead_counts_data_frames_not_taken():
    """`ahead` is the number of data frames scanned and not taken, unfinished ones too."""
    made = reader(frame(0x01, b"a") + frame(0x80, b"b") + PING_1 + TEXT_A[:2])
    assert made.ahead == 0
    made.scan()
    assert made.ahead == 3
    made.read()
    assert made.ahead == 2
    made.feed(TEXT_A[2:])
    read_all(made)
    assert made.ahead == 0


def test_scan_returns_control_frames_in_bounded_lists():
    """One scan returns at most MAX_FOUND control frames; the next goes on behind them."""
    made = reader(PING_1 * (MAX_FOUND + 1))
    assert len(made.scan()) == MAX_FOUND
    assert made.unscanned
    assert len(made.scan()) == 1
    assert made.scan() == []


def test_an_error_waits_for_its_turn():
    """read() raises what scan() found only after the frames before it."""
    made = reader(TEXT_A + PING_1 + TEXT_A + b"\x83\x00")
    assert made.scan() == [(0x89, b"1")]
    assert str(made.error) == "invalid opcode"
    assert made.read() == (0x81, b"a", True)
    assert made.read() == (0x81, b"a", True)
    with pytest.raises(ProtocolError, match=r"^invalid opcode$"):
        made.read()


def test_an_error_that_the_mask_does_not_matter_for():
    """A header that scan() refused is refused by read(), though its mask never comes."""
    made = FrameReader(masked=True, max_message_size=10)
    made.feed(frame(0x81, bytes(11), masked=True)[:4])
    made.scan()
    made.feed(bytes(20))
    with pytest.raises(PayloadTooBig, match="frame with 11 bytes exceeds limit"):
        made.read()


def test_nothing_is_kept_after_an_error():
    """Bytes that follow what is wrong are ignored; it is found once."""
    made = reader(TEXT_A + b"\x83\x00")
    made.scan()
    made.feed(bytes(1000))
    assert made.pending == len(TEXT_A) + 2
    assert not made.unscanned
    assert made.scan() == []


@pytest.mark.parametrize("drop", ["drop", "stop"])
def test_complete_messages_outlive_a_drop(drop):
    """drop() and stop() keep complete messages, and nothing of others."""
    made = reader(TEXT_A + frame(0x01, b"x") + frame(0x80, b"y") + frame(0x01, b"z"))
    made.scan()
    getattr(made, drop)()
    made.feed(frame(0x80, b"!") + TEXT_A)
    made.scan()
    assert read_all(made) == [
        (0x81, b"a", True),
        (0x01, b"x", True),
        (0x80, b"y", True),
    ]
    assert made.pending == 0


@pytest.mark.parametrize("drop", ["drop", "stop"])
def test_messages_taken_in_part_end_there(drop):
    """The rest of a message taken in part is dropped, if it hasn't arrived."""
    for data in (frame(0x01, b"x"), frame(0x81, b"xyz")[:3]):
        made = reader(data)
        assert made.read() is not None
        getattr(made, drop)()
        assert not made.pending
        made.feed(b"yz" + TEXT_A)
        made.scan()
        assert made.read() is None


@pytest.mark.parametrize("drop", ["drop", "stop"])
def test_messages_taken_in_part_that_are_complete(drop):
    """The rest of a message taken in part is kept, if it has arrived."""
    made = reader(frame(0x01, b"x"))
    assert made.read() == (0x01, b"x", True)
    made.feed(frame(0x80, b"y") + TEXT_A + frame(0x01, b"z"))
    made.scan()
    getattr(made, drop)()
    assert read_all(made) == [(0x80, b"y", True), (0x81, b"a", True)]


def test_control_frames_after_a_drop():
    """drop() doesn't hide control frames to come, inside dropped messages or not."""
    made = reader(TEXT_A)
    made.scan()
    made.drop()
    found = []
    for data in (frame(0x01, b"b"), PING_1, frame(0x80, b"c"), TEXT_A, PING_2):
        for byte in data:
            made.feed(bytes([byte]))
            found += made.scan()
    assert found == [(0x89, b"1"), (0x89, b"2")]
    assert (made.error, read_all(made)) == (None, [(0x81, b"a", True)])


def test_drop_twice_is_drop_once():
    """A second drop() changes nothing."""
    made = reader(TEXT_A)
    made.scan()
    made.drop()
    made.feed(TEXT_A)
    made.drop()
    made.scan()
    assert read_all(made) == [(0x81, b"a", True)]


def test_errors_after_a_drop():
    """scan() finds errors in dropped bytes; read() doesn't raise them."""
    made = reader(TEXT_A)
    made.scan()
    made.drop()
    made.feed(b"\x83\x00")
    made.scan()
    assert str(made.error) == "invalid opcode"
    assert read_all(made) == [(0x81, b"a", True)]
    assert made.pending == 0


def test_close_after_a_drop():
    """A Close ends the scan after drop(), and is reported once."""
    made = reader(TEXT_A)
    made.scan()
    made.drop()
    made.feed(frame(0x01, b"b") + frame(0x88) + b"\xff\xff")
    assert scan_all(made) == [(0x88, b"")]
    assert read_all(made) == [(0x81, b"a", True)]


def test_nothing_follows_what_was_cleared():
    """clear() forgets everything, here and to come."""
    made = reader(TEXT_A + frame(0x01, b"b"))
    made.scan()
    made.read()
    made.clear()
    made.feed(TEXT_A)
    assert made.scan() == []
    assert made.read() is None
    assert (made.pending, made.ahead) == (0, 0)


# Where a stream ends, and what is missing there: bytes there, bytes due.
ENDS = [
    ("", False, None),
    ("81 00", False, None),
    ("81", False, (1, 2)),
    ("81 02", False, (0, 2)),
    ("81 02 61", False, (1, 2)),
    ("81 7e", False, (0, 2)),
    ("81 7e 00", False, (1, 2)),
    ("81 7e 0080", False, (0, 128)),
    ("81 7e 0080 61", False, (1, 128)),
    ("81 7f", False, (0, 8)),
    ("81 7f 00000000", False, (4, 8)),
    ("81 7f 0000000000010000", False, (0, 65536)),
    ("01 02 6161", False, None),
    ("01 02 6161 | 89", False, (1, 2)),
    ("01 02 6161 | 89 02", False, (0, 2)),
    ("01 02 6161 | 89 02 61", False, (1, 2)),
    ("88 02 03", False, (1, 2)),
    ("81 85", True, (0, 4)),
    ("81 85 aabbcc", True, (3, 4)),
    ("81 85 aabbccdd", True, (0, 5)),
    ("81 85 aabbccdd 01", True, (1, 5)),
    ("81 fe 00", True, (1, 2)),
    ("89 82 aabbccdd 01", True, (1, 2)),
]


@pytest.mark.parametrize("how", ["read", "scan", "scan and read", "read and scan"])
@pytest.mark.parametrize(("text", "masked", "missing"), ENDS)
def test_end_inside_a_frame(text, masked, missing, how):
    """Where a stream ends, the incomplete part of the frame is measured as 17.4 does."""
    made = FrameReader(masked=masked)
    for byte in hex_bytes(text):
        made.feed(bytes([byte]))
        for step in how.split(" and "):
            {"read": read_all, "scan": scan_all}[step](made)
    assert made.unfinished() == missing


@pytest.mark.parametrize(("text", "masked", "missing"), ENDS)
def test_end_behind_messages_that_nobody_took(text, masked, missing):
    """The same holds behind complete messages that wait, and after drop()."""
    made = FrameReader(masked=masked)
    made.feed(frame(0x81, b"waits", masked=masked) + hex_bytes(text))
    made.scan()
    assert made.unfinished() == missing
    made.drop()
    assert made.unfinished() == missing


def test_messages_taken_while_dropped_bytes_arrive():
    """After drop(), messages can be taken while more comes and is dropped."""
    made = reader(TEXT_A + frame(0x01, b"x") + frame(0x80, b"y"))
    made.scan()
    made.drop()
    assert made.read() == (0x81, b"a", True)
    made.feed(TEXT_A[:2])
    assert made.scan() == []
    assert made.read() == (0x01, b"x", True)
    made.feed(TEXT_A[2:] + PING_1)
    assert made.scan() == [(0x89, b"1")]
    assert read_all(made) == [(0x80, b"y", True)]
