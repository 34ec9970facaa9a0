"""Readers, messages and checks of text, used as they aren't meant to be."""

from __future__ import annotations

import array

import pytest

from tests.codec.implementations import each_implementation, native
from websockets._codec import FrameReader, Message, Utf8Validator


implementation = each_implementation("FrameReader", "Message", "Utf8Validator")


def test_a_reader_has_to_be_told_who_masks():
    """`masked` has no default; no other argument is taken."""
    with pytest.raises(TypeError, match=r"missing .*required .*'masked'"):
        FrameReader()
    for wrong in [((True, *[None] * 4), {}), ((), {"masked": True, "other": 1})]:
        with pytest.raises(TypeError):
            FrameReader(*wrong[0], **wrong[1])


@pytest.mark.parametrize(
    "call",
    [
        lambda: Message(),
        lambda: Message(True, False, b"", b""),
        lambda: Message(True, False).append(b""),
        lambda: Message(True, False).append("text", True, False),
        lambda: Message(True, False, 5.5),
        lambda: Utf8Validator(1),
        lambda: Utf8Validator().feed(b""),
        lambda: Utf8Validator().feed("text", True),
        lambda: Utf8Validator().feed(memoryview(b"1234")[::2], True),
        lambda: FrameReader(masked=True).feed(),
    ],
)
def test_wrong_arguments(call):
    """Arguments of another number or type are TypeErrors."""
    with pytest.raises(TypeError):
        call()


@pytest.mark.parametrize(
    "data", [array.array("H", [0x6161, 0x6262]), memoryview(b"aabb").cast("H")]
)
def test_any_buffer_is_text(data):
    """Text may be any contiguous bytes, whatever their items are."""
    validator = Utf8Validator()
    validator.feed(data, False)
    assert validator.position == 4


def test_arguments_have_names():
    """What isn't obvious by its place can be named."""
    message = Message(text=True, compressed=False)
    message.append(data=b"a", end_of_frame=True, final=True)
    assert message.take() == b"a"
    Utf8Validator().feed(data=b"a", final=True)


@pytest.mark.parametrize(
    ("value", "error"),
    [(0x80, ValueError), (0x0F, ValueError), (-1, ValueError), ("x", TypeError)],
)
def test_bits_that_extensions_cannot_have(value, error):
    """The native reader has room for the three reserved bits only."""
    made = native("FrameReader")(masked=True)
    with pytest.raises(error):
        made.reserved = value
    with pytest.raises(AttributeError):
        del made.reserved
    assert made.reserved == 0


def test_limits_of_any_type():
    """A limit that isn't an integer is compared all the same."""
    for size, allowed in [(10, True), (11, False)]:
        made = FrameReader(masked=False, max_message_size=10.5)
        made.feed(bytes([0x82, size]) + bytes(size))
        made.scan()
        assert (made.error is None) is allowed


def test_limits_that_cannot_be_compared():
    """What scan() doesn't expect, it raises; it isn't the peer's error."""
    made = FrameReader(masked=False, max_fragments="many")
    made.feed(b"\x82\x00")
    with pytest.raises(TypeError):
        made.scan()
    assert made.error is None
