"""Frames into one message: its pieces, the ends of its frames, the check of its text."""

from __future__ import annotations

import tracemalloc

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.codec.implementations import each_implementation
from websockets._codec import Message
from websockets._codec.message import MAX_ENDS, SMALL_PIECE


implementation = each_implementation("Message")


def binary(*parts: bytes) -> Message:
    """Return a complete message, a frame a part."""
    message = Message(False, False)
    for i, part in enumerate(parts):
        message.append(part, True, i == len(parts) - 1)
    return message


BIG = bytes(SMALL_PIECE)


@pytest.mark.parametrize(
    "parts",
    [
        (b"",),
        (b"a",),
        (b"", b"", b""),
        (b"a", b"b", b"c"),
        (b"a", b"", b"c"),
        (b"", b"a", b""),
        (BIG, b"a", b"b", BIG, b"c"),
        (b"a", BIG, BIG, b"b"),
    ],
)
def test_the_payload_of_a_message(parts):
    """take() returns the payload of all frames, as bytes, and forgets it."""
    message = binary(*parts)
    assert message.complete
    assert message.size == sum(map(len, parts))
    assert message.frames == len(parts)
    data = message.take()
    assert type(data) is bytes
    assert data == b"".join(parts)
    assert message.size == message.frames == 0


def test_a_payload_in_one_piece_is_not_copied():
    """The payload of a message that arrives in one piece is handed on as it is."""
    data = bytes(100)
    assert binary(data).take() is data


def test_a_frame_in_pieces():
    """Pieces of a frame add up, and count as one frame once it is complete."""
    message = Message(False, False)
    message.append(b"ab", False, False)
    assert (message.frames, message.size, message.complete) == (0, 2, False)
    message.append(b"cd", True, True)
    assert (message.frames, message.size, message.complete) == (1, 4, True)
    assert message.take() == b"abcd"


def test_a_single_piece_that_is_small_is_bytes():
    """Small pieces are collected in a bytearray, which never leaves."""
    message = Message(False, False)
    message.append(b"", False, False)
    message.append(b"ab", True, False)
    assert type(message.take_fragment()) is bytes
    message.append(b"", False, False)
    message.append(b"cd", True, True)
    assert message.take_fragment() == b"cd"


def fragments(message: Message) -> list[bytes]:
    taken = []
    while (data := message.take_fragment()) is not None:
        taken.append(data)
        if message.exhausted:
            break
    return taken


def test_frames_of_a_message_one_by_one():
    """take_fragment() returns the payload of each frame, empty ones too."""
    message = binary(b"a", b"", b"bc")
    assert not message.streamed
    assert not message.exhausted
    assert fragments(message) == [b"a", b"", b"bc"]
    assert message.streamed
    assert message.exhausted


def test_frames_as_they_arrive():
    """take_fragment() returns None while the next frame is incomplete."""
    message = Message(False, False)
    assert message.take_fragment() is None
    assert not message.streamed
    message.append(b"a", True, False)
    message.append(b"b", False, False)
    assert message.frames == 1
    assert message.take_fragment() == b"a"
    assert message.take_fragment() is None
    assert message.size == 1
    assert not message.exhausted
    message.append(b"c", True, True)
    assert message.take_fragment() == b"bc"
    assert message.exhausted


def test_frames_queued_while_others_wait():
    """Frames that arrive while earlier ones wait come out behind them."""
    message = Message(False, False)
    message.append(b"a", True, False)
    message.append(b"b", True, False)
    assert message.take_fragment() == b"a"
    message.append(b"c", True, True)
    assert message.frames == 2
    assert fragments(message) == [b"b", b"c"]


def test_ends_of_very_many_frames_are_joined():
    """Beyond MAX_ENDS frames that wait, the next ones come out as one."""
    message = Message(False, False)
    for _ in range(MAX_ENDS + 10):
        message.append(b"x", True, False)
    message.append(b"y", True, True)
    assert message.frames == MAX_ENDS + 1
    taken = fragments(message)
    assert taken[:MAX_ENDS] == [b"x"] * MAX_ENDS
    assert taken[MAX_ENDS:] == [b"x" * 10 + b"y"]


# (pieces; None: fine, or position and reason of the error). RFC 6455 §8.1, RFC 3629.
TEXTS = [
    ([b"caf\xc3", b"\xa9"], None),
    ([b"\xf0\x9f", b"\x98", b"\x80"], None),
    ([b"ok", b"\xff"], (2, "invalid start byte")),
    ([b"ok\xc3", b"("], (2, "invalid continuation byte")),
    ([b"\xf4", b"\x90"], (0, "invalid continuation byte")),
    ([b"\xed", b"\xa0"], (0, "invalid continuation byte")),
    ([b"ok", b"\xc3"], (2, "unexpected end of data")),
]


@pytest.mark.parametrize(("pieces", "error"), TEXTS)
def test_text_is_checked_as_it_arrives(pieces, error):
    """Text that can't be UTF-8 is an error at the piece that shows it."""
    message = Message(True, False)
    for piece in pieces[:-1]:
        message.append(piece, False, False)
    if error is None:
        message.append(pieces[-1], True, True)
        assert message.checked
        assert message.take() == b"".join(pieces)
    else:
        with pytest.raises(UnicodeDecodeError) as caught:
            message.append(pieces[-1], True, True)
        assert (caught.value.start, caught.value.reason) == error


def test_text_in_one_piece_is_left_to_whoever_decodes():
    """Text in one piece, compressed text and binary messages aren't checked here."""
    for message in (Message(True, False), Message(False, False), Message(True, True)):
        message.append(b"\xff", True, True)
        assert not message.checked
    for message in (Message(False, False), Message(True, True)):
        message.append(b"\xff", False, False)
        message.append(b"\xff", True, True)
        assert not message.checked


def test_a_last_empty_frame_completes_the_check():
    """A final frame without payload shows that a character stopped short."""
    message = Message(True, False)
    message.append(b"", False, False)
    message.append(b"", True, True)
    assert message.take() == b""
    message = Message(True, False)
    message.append(b"\xc3", True, False)
    assert message.take_fragment() == b"\xc3"
    with pytest.raises(UnicodeDecodeError):
        message.append(b"", True, True)


@given(
    st.lists(st.tuples(st.binary(max_size=5), st.booleans()), max_size=12),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_any_frames_and_any_moment_to_take_them(pieces, moments):
    """However frames arrive and are taken, all their payloads come out in order."""
    message = Message(False, False)
    taken, expected, current = [], [], b""
    for (data, end), take in zip(pieces, moments, strict=False):
        message.append(data, end, False)
        current += data
        if end:
            expected.append(current)
            current = b""
        if take and (fragment := message.take_fragment()) is not None:
            taken.append(fragment)
    message.append(b"last", True, True)
    expected.append(current + b"last")
    taken += fragments(message)
    assert taken == expected


@pytest.mark.parametrize("size", [1, 100, SMALL_PIECE - 1, SMALL_PIECE])
def test_a_message_in_many_pieces_costs_about_its_size(size):
    """Pieces of any size cost about their bytes, complete frames or not."""
    data = bytes(size)
    total = 64 * 1024
    for end_of_frame in (False, True):
        tracemalloc.start()
        message = Message(False, False)
        for _ in range(total // size):
            message.append(data, end_of_frame, False)
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        ends = 48 * min(MAX_ENDS, total // size) if end_of_frame else 0
        assert used < 1.2 * total + ends + 4096
