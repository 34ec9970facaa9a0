"""The buffer that the HTTP parsers read from."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.codec.http_pieces import Pending, drive
from websockets.exceptions import SecurityError
from websockets.streams import StreamReader


@pytest.fixture
def reader():
    return StreamReader()


def read_line(reader, m=100):
    return reader.read_line(m)


def read_exact(reader, n=100):
    return reader.read_exact(n)


def read_to_eof(reader, m=100):
    return reader.read_to_eof(m)


def at_eof(reader):
    return reader.at_eof()


@pytest.mark.parametrize("read", [read_line, read_exact, read_to_eof, at_eof])
def test_reading_waits_while_it_cannot_be_answered(reader, read):
    """Every method yields while the stream is open and what it wants isn't there."""
    with pytest.raises(Pending):
        drive(read(reader), reader, [b""])


def test_read_line_returns_bytes_up_to_the_line_feed(reader):
    """A line ends with LF, whatever comes before it, and the next line stays."""
    reader.feed_data(b"spam\r\negg\nbacon")
    assert drive(read_line(reader), reader) == b"spam\r\n"
    assert drive(read_line(reader), reader) == b"egg\n"
    assert reader.take() == b"bacon"


def test_read_line_reassembles_pieces(reader):
    """A line may arrive byte by byte."""
    assert drive(read_line(reader), reader, [b"s", b"p", b"a", b"m\n"]) == b"spam\n"


def test_read_line_fails_at_the_end_of_the_stream(reader):
    """A line without LF isn't a line."""
    with pytest.raises(EOFError) as raised:
        drive(read_line(reader), reader, [b"spam"], eof=True)
    assert str(raised.value) == "stream ends after 4 bytes, before end of line"


@pytest.mark.parametrize("m", [4, 5])
def test_read_line_counts_the_line_feed_in_the_limit(reader, m):
    """Five bytes, LF included, fit in a limit of five and not in one of four."""
    reader.feed_data(b"spam\n")
    if m == 5:
        assert drive(reader.read_line(m), reader) == b"spam\n"
    else:
        with pytest.raises(RuntimeError) as raised:
            drive(reader.read_line(m), reader)
        assert str(raised.value) == "read 5 bytes, expected no more than 4 bytes"


def test_read_line_fails_before_the_end_of_a_line_that_is_too_long(reader):
    """The exception, of the caller's type, doesn't wait for the line to end."""
    with pytest.raises(SecurityError) as raised:
        drive(reader.read_line(4, SecurityError), reader, [b"spam", b"s"])
    assert str(raised.value) == "read 5 bytes, expected no more than 4 bytes"


def test_read_line_searches_each_byte_once(reader):
    """A line that comes in one-byte pieces isn't searched from its start each time."""
    starts = []

    class Buffer(bytearray):
        def find(self, sub, start=0, *args):
            starts.append(start)
            return super().find(sub, start, *args)

    reader.buffer = Buffer()
    drive(read_line(reader), reader, [b"s", b"p", b"a", b"m", b"\n"])
    assert starts == [0, 0, 1, 2, 3, 4]


def test_read_exact_returns_that_many_bytes(reader):
    """What follows stays in the buffer."""
    assert drive(reader.read_exact(4), reader, [b"sp", b"amegg"]) == b"spam"
    assert reader.take() == b"egg"


def test_read_exact_fails_at_the_end_of_the_stream(reader):
    """Fewer bytes than asked for aren't returned."""
    with pytest.raises(EOFError) as raised:
        drive(reader.read_exact(5), reader, [b"spam"], eof=True)
    assert str(raised.value) == "stream ends after 4 bytes, expected 5 bytes"


def test_read_to_eof_returns_everything(reader):
    """It returns when the stream ends, not before."""
    assert drive(reader.read_to_eof(8), reader, [b"spam", b"eggs"], eof=True) == (
        b"spameggs"
    )


@pytest.mark.parametrize("eof", [False, True])
def test_read_to_eof_obeys_its_limit(reader, eof):
    """The limit holds whether the stream ended already or goes on."""
    reader.feed_data(b"spam")
    if eof:
        reader.feed_eof()
    with pytest.raises(SecurityError) as raised:
        drive(reader.read_to_eof(3, SecurityError), reader)
    assert str(raised.value) == "read 4 bytes, expected no more than 3 bytes"


def test_at_eof_tells_whether_something_is_left(reader):
    """It is false while the buffer has a byte, and true after the last at the end."""
    assert drive(at_eof(reader), reader, [b"s"]) is False
    reader.feed_eof()
    assert drive(at_eof(reader), reader) is False
    reader.take()
    assert drive(at_eof(reader), reader) is True


def test_nothing_comes_after_the_end(reader):
    """Neither bytes nor another end can follow the end of the stream."""
    reader.feed_eof()
    for feed in (lambda: reader.feed_data(b"spam"), reader.feed_eof):
        with pytest.raises(EOFError) as raised:
            feed()
        assert str(raised.value) == "stream ended"


def test_discard_forgets_the_buffer_only(reader):
    """Discarding drops the bytes and keeps the end of the stream."""
    reader.feed_data(b"spam")
    reader.feed_eof()
    reader.discard()
    assert reader.take() == b""
    assert drive(at_eof(reader), reader) is True


def test_take_removes_what_it_returns(reader):
    """Bytes are handed over once."""
    reader.feed_data(b"spam")
    assert reader.take() == b"spam"
    assert reader.take() == b""


def test_take_head_returns_lines_before_an_empty_one(reader):
    """The empty line is removed too; what follows stays."""
    reader.feed_data(b"a\r\nb\r\n\r\nc")
    assert reader.take_head(8) == b"a\r\nb\r\n"
    assert reader.take() == b"c"


@pytest.mark.parametrize(
    ("data", "m"),
    [
        (b"a\r\nb\r\n\r\nc", 7),  # the empty line ends with the eighth byte
        (b"a\r\nb\r\n\r", 8),
        (b"", 8),
    ],
)
def test_take_head_leaves_an_incomplete_head_alone(reader, data, m):
    """Without an empty line within the limit, the buffer doesn't change."""
    reader.feed_data(data)
    assert reader.take_head(m) is None
    assert reader.take() == data


@given(st.binary(), st.integers(0, 50), st.data())
def test_reading_loses_nothing(data, n, cuts):
    """What was read and what is left make up what was received, however it is cut."""
    reader, pieces, rest = StreamReader(), [], data
    while rest:
        size = cuts.draw(st.integers(1, len(rest)))
        pieces.append(rest[:size])
        rest = rest[size:]
    try:
        read = drive(reader.read_exact(n), reader, pieces)
    except Pending:
        assert n > len(data)
        read = b""
    taken = bytes(read) + reader.take()
    assert data.startswith(taken)
    assert len(taken) >= min(n, len(data))
