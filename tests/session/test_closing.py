"""The session closes: in all orders, within its deadlines, with the cause chained."""

from __future__ import annotations

import pytest

from tests.codec.frame_pieces import frame
from tests.session.pairs import client, pair, read_all, sent_close, server
from websockets.exceptions import (
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidState,
    ProtocolError,
)


TEXT_A = frame(0x81, b"a")


def the_end(session) -> Exception:
    (end,) = read_all(session)
    return end


@pytest.mark.parametrize("starter", ["client", "server"])
def test_either_side_closes(starter):
    """Either side starts the closing handshake; both are closed with the same code."""
    joined = pair()
    other = {"client": "server", "server": "client"}[starter]
    getattr(joined, starter).close(0, 1001, "bye")
    joined.deliver()
    joined.lose()
    first, second = the_end(getattr(joined, starter)), the_end(getattr(joined, other))
    assert isinstance(first, ConnectionClosedOK)
    assert str(first) == (
        "sent 1001 (going away) bye; then received 1001 (going away) bye"
    )
    assert str(second) == (
        "received 1001 (going away) bye; then sent 1001 (going away) bye"
    )
    for session in (joined.client, joined.server):
        assert session.closed
        assert session.next_deadline() is None


def test_both_sides_close_at_once():
    """When both Close frames cross, each side took the other's for an answer."""
    joined = pair()
    joined.client.close(0, 1000)
    joined.server.close(0, 1001)
    joined.deliver()
    joined.lose()
    assert (
        str(the_end(joined.client)) == "sent 1000 (OK); then received 1001 (going away)"
    )
    assert (
        str(the_end(joined.server)) == "sent 1001 (going away); then received 1000 (OK)"
    )


def test_closing_twice_is_closing_once():
    """close() does nothing on a connection that is closing or closed."""
    session = client()
    session.close(0)
    session.close(1, 1011)
    session.fail(2, 1002)
    assert sent_close(session) == (1000, "")
    assert len(session.data_to_send()) == 1
    session.connection_lost(3)
    session.close(4)
    assert session.data_to_send() == [b""]
    assert session.next_deadline() is None


def test_messages_arriving_after_our_close_are_dropped():
    """After our Close, messages that are complete stay readable; others are dropped."""
    session = client(max_queue=0)
    session.receive_data(TEXT_A + frame(0x01, b"b"), 0)
    assert session.reading_paused
    session.close(0)
    assert not session.reading_paused
    session.receive_data(frame(0x80, b"c") + TEXT_A * 100 + frame(0x88), 1)
    assert not session.reading_paused
    session.connection_lost(2)
    first, end = read_all(session)
    assert (first, type(end)) == ("a", ConnectionClosedOK)


def test_pings_are_answered_while_closing():
    """A ping that comes between the two Close frames is answered."""
    session = client()
    session.close(0)
    session.receive_data(frame(0x89, b"p"), 0)
    assert [data[0] for data in session.data_to_send()] == [0x88, 0x8A]


def test_a_close_that_is_never_answered():
    """close_timeout after close(), the transport is to be aborted; the cause says so."""
    session = client(close_timeout=10)
    session.close(5)
    assert session.next_deadline() == 15
    session.deadline_reached(14)
    assert not session.aborted
    session.deadline_reached(15)
    assert session.aborted
    assert session.next_deadline() is None
    session.connection_lost(15)
    end = the_end(session)
    assert str(end) == "sent 1000 (OK); no close frame received"
    assert isinstance(end.__cause__, TimeoutError)
    assert str(end.__cause__) == "timed out while closing connection"


def test_a_peer_that_does_not_end_tcp():
    """The same deadline covers the end of TCP after both Close frames."""
    session = client(close_timeout=10)
    session.receive_data(frame(0x88, b"\x03\xe8"), 3)
    session.receive_data(b"more", 8)
    assert session.next_deadline() == 13
    session.deadline_reached(13)
    assert session.aborted
    session.connection_lost(13)
    assert str(the_end(session)) == "received 1000 (OK); then sent 1000 (OK)"


def test_output_that_does_not_drain_after_eof():
    """After EOF, the transport has close_timeout to write what is left."""
    session = server(close_timeout=10)
    session.receive_eof(1)
    assert session.closed
    assert session.next_deadline() == 11
    session.deadline_reached(11)
    assert session.aborted


def test_without_close_timeout():
    """close_timeout=None waits for ever."""
    session = client(close_timeout=None)
    session.close(0)
    assert session.next_deadline() is None


def test_closing_in_the_middle_of_a_fragmented_message():
    """close() inside a message that is being sent fails the connection with 1011."""
    session = client()
    session.send_fragment("a", first=True, fin=False)
    session.close(0)
    assert sent_close(session) == (1011, "close during fragmented message")


@pytest.mark.parametrize(("code", "reason"), [(1005, ""), (999, ""), (1000, "x" * 124)])
def test_close_codes_and_reasons_that_cannot_be_sent(code, reason):
    """A reserved code, or a reason over 123 bytes, changes nothing."""
    session = client()
    with pytest.raises(ProtocolError):
        session.close(0, code, reason)
    assert session.protocol.close_sent is None
    assert session.data_to_send() == []
    session.close(0)


def test_the_cause_of_a_lost_connection():
    """The error that ended the transport is the cause; the first one stays."""
    session = client()
    reset = ConnectionResetError("reset by peer")
    session.connection_lost(0, reset)
    session.connection_lost(0, BrokenPipeError())
    end = the_end(session)
    assert isinstance(end, ConnectionClosedError)
    assert str(end) == "no close frame received or sent"
    assert end.__cause__ is reset


def test_eof_in_the_middle_of_a_frame():
    """EOF inside a frame is the cause, and says what was missing."""
    session = client()
    session.receive_data(TEXT_A + frame(0x81, b"abc")[:4], 0)
    session.connection_lost(0)
    first, end = read_all(session)
    assert first == "a"
    assert str(end.__cause__) == "stream ends after 2 bytes, expected 3 bytes"


def test_each_exception_is_a_new_one():
    """Everybody who waits gets an exception of their own, with the same cause."""
    session = client()
    session.connection_lost(0, OSError("gone"))
    one, other = session.exception(), session.exception()
    assert one is not other
    assert one.__cause__ is other.__cause__


def test_failing_the_connection():
    """fail() sends the code, ignores what comes, and has a deadline."""
    session = server(close_timeout=10)
    session.fail(2, 1011, "oops")
    assert session.data_to_send() == [frame(0x88, b"\x03\xf3oops"), b""]
    assert session.next_deadline() == 12
    session.receive_data(b"\xff" * 100, 3)
    session.receive_eof(4)
    session.connection_lost(4)
    assert str(the_end(session)) == (
        "sent 1011 (internal error) oops; no close frame received"
    )


# -- sending


@pytest.mark.parametrize(
    ("data", "text", "received"),
    [
        ("é", None, "é"),
        ("é", True, "é"),
        ("é", False, "é".encode()),
        (b"ab", None, b"ab"),
        (b"ab", True, "ab"),
        (bytearray(b"ab"), None, b"ab"),
        (memoryview(b"ab"), False, b"ab"),
    ],
)
def test_types_of_messages(data, text, received):
    """str goes as text and bytes as binary, unless text= says otherwise; whole or cut."""
    joined = pair()
    joined.client.send_message(data, text=text)
    joined.client.send_fragment(data, first=True, fin=False, text=text)
    joined.client.send_fragment(data, first=False, fin=True)
    joined.deliver()
    assert read_all(joined.server) == [received, received * 2]


def test_compression_is_a_choice_per_message():
    """compress= holds for one message, in one frame or in several."""
    session = server(compressed=True)
    session.send_message("a" * 100)
    session.send_message("a" * 100, compress=False)
    session.send_fragment("a", first=True, fin=False, compress=False)
    session.send_fragment("b", first=False, fin=True)
    heads = [data[0] for data in session.data_to_send()]
    assert heads == [0xC1, 0x81, 0x01, 0x80]


def test_sending_on_a_connection_that_closes():
    """Nothing is queued after a Close; the error names the state."""
    session = client()
    session.close(0)
    session.data_to_send()
    with pytest.raises(InvalidState, match="connection is closing"):
        session.send_message("late")
    session.connection_lost(0)
    session.data_to_send()
    with pytest.raises(InvalidState, match="connection is closed"):
        session.send_message("late")
    assert session.data_to_send() == []
