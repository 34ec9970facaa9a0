"""The incremental check of text."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from tests.codec.implementations import each_implementation
from websockets._codec import Utf8Validator, utf8


implementation = each_implementation("Utf8Validator")


def first_error(data):
    """Return how many bytes of ``data`` are the beginning of some UTF-8 text.

    None when all of them are, by the table of RFC 3629 §4.
    """
    ranges = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF)}
    ranges[0xF4] = (0x80, 0x8F)
    needed, low, high = 0, 0x80, 0xBF
    for index, byte in enumerate(data):
        if needed:
            if not low <= byte <= high:
                return index
            needed, low, high = needed - 1, 0x80, 0xBF
        elif byte >= 0x80:
            if not 0xC2 <= byte <= 0xF4:
                return index
            needed = 1 + (byte >= 0xE0) + (byte >= 0xF0)
            low, high = ranges.get(byte, (0x80, 0xBF))
    return None


def check(pieces):
    """Feed the pieces of one message; return how many were accepted."""
    validator = Utf8Validator()
    for index, piece in enumerate(pieces):
        try:
            validator.feed(piece, index == len(pieces) - 1)
        except UnicodeDecodeError:
            return index
    return len(pieces)


TEXT = "a\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff".encode()


def test_every_kind_of_character_byte_by_byte():
    """Text passes however it is cut, single bytes and empty pieces included."""
    pieces = [TEXT[i : i + 1] for i in range(len(TEXT))]
    assert check(pieces) == len(pieces)
    assert check([b"", TEXT[:5], b"", TEXT[5:], b""]) == 5


@pytest.mark.parametrize("data", [b"", b"\xc3\xa9", bytearray(b"x"), memoryview(b"x")])
def test_one_piece(data):
    """A message of one piece passes, empty or of any bytes-like type."""
    Utf8Validator().feed(data, True)


@pytest.mark.parametrize(
    ("data", "position", "reason"),
    [
        # Never in UTF-8: continuation without a start, overlong, beyond U+10FFFF.
        (b"ab\x80", 2, "invalid start byte"),
        (b"ab\xc0", 2, "invalid start byte"),
        (b"ab\xc1", 2, "invalid start byte"),
        (b"ab\xf5", 2, "invalid start byte"),
        (b"ab\xff", 2, "invalid start byte"),
        # Decided by the second byte, although more would follow.
        (b"ab\xe0\x9f", 2, "invalid continuation byte"),
        (b"ab\xed\xa0", 2, "invalid continuation byte"),
        (b"ab\xed\xbf", 2, "invalid continuation byte"),
        (b"ab\xf0\x8f", 2, "invalid continuation byte"),
        (b"ab\xf4\x90", 2, "invalid continuation byte"),
        (b"ab\xf4\x80\x41", 2, "invalid continuation byte"),
    ],
    ids=lambda value: value.hex() if isinstance(value, bytes) else None,
)
def test_an_error_shows_at_its_first_byte(data, position, reason):
    """What can't become UTF-8 is refused at once, however it is cut."""
    for cut in range(len(data)):
        validator = Utf8Validator()
        validator.feed(data[:cut], False)
        with pytest.raises(UnicodeDecodeError) as raised:
            validator.feed(data[cut:], False)
        assert (raised.value.encoding, raised.value.reason) == ("utf-8", reason)
        assert raised.value.start == position
        assert raised.value.end > position


@pytest.mark.parametrize("data", [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x92"])
def test_a_message_ends_inside_a_character(data):
    """The last character must be whole when the message is."""
    validator = Utf8Validator()
    validator.feed(b"text" + data, False)
    with pytest.raises(UnicodeDecodeError, match="unexpected end of data") as raised:
        validator.feed(b"", True)
    assert raised.value.start == 4


def test_a_message_after_a_message():
    """After the end of a message positions count from zero again."""
    validator = Utf8Validator()
    validator.feed(b"text", True)
    with pytest.raises(UnicodeDecodeError) as raised:
        validator.feed(b"t\xff", True)
    assert raised.value.start == 1


def test_characters_across_slices(monkeypatch):
    """Text longer than a slice passes when slices cut its characters."""
    monkeypatch.setattr(utf8, "SLICE", 7)
    text = TEXT * 10
    assert check([text]) == 1
    validator = Utf8Validator()
    with pytest.raises(UnicodeDecodeError) as raised:
        validator.feed(text + b"\xff" + text, False)
    assert raised.value.start == len(text)


def test_an_error_keeps_no_message_alive():
    """The exception holds the offending bytes, not the message around them."""
    with pytest.raises(UnicodeDecodeError) as raised:
        Utf8Validator().feed(b"secret" * 1000 + b"\xff" + b"secret", False)
    assert raised.value.object == b"\xff"


@given(st.lists(st.binary(max_size=6)), st.integers(0, 1))
@example([b"\xed", b"\xa0", b"\x80"], 0)
def test_any_bytes_in_any_pieces(pieces, after):
    """The piece with the first impossible byte is the one that is refused."""
    pieces = [TEXT] * after + pieces
    position = first_error(b"".join(pieces))
    validator = Utf8Validator()
    fed = 0
    for piece in pieces:
        if position is not None and position < fed + len(piece):
            with pytest.raises(UnicodeDecodeError):
                validator.feed(piece, False)
            break
        validator.feed(piece, False)
        fed += len(piece)


@given(st.text())
def test_any_text_in_single_bytes(text):
    """Whatever Python encodes passes."""
    data = text.encode()
    assert check([data[i : i + 1] for i in range(len(data))] + [b""]) == len(data) + 1
