"""The session reads: water marks, waiting, streaming, what it does behind unread messages."""

from __future__ import annotations

import pytest

from tests.codec.frame_pieces import frame
from tests.session.pairs import client, pair, read_all, sent_close
from websockets._session import water_marks
from websockets.exceptions import ConcurrencyError, ConnectionClosed


TEXT_A = frame(0x81, b"a")


# (max_queue, high, low)
MARKS = [
    (16, 16, 4),
    (0, 0, 0),
    (1, 1, 0),
    ((16, 8), 16, 8),
    ((16, None), 16, 4),
    ((None, 4), 16, 4),
    ((None, None), None, None),
    (None, None, None),
    ((3, 3), 3, 3),
]


@pytest.mark.parametrize(("value", "high", "low"), MARKS)
def test_water_marks(value, high, low):
    """A setting gives both marks; a missing low mark is a quarter of the high one."""
    assert water_marks("max_queue", value) == (high, low)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((4, -1), "max_queue: low water mark must be positive or zero, not -1"),
        ((4, 5), "max_queue: high water mark 4 must be at least the low one, 5"),
        (-5, "max_queue: low water mark must be positive or zero, not -2"),
    ],
)
def test_water_marks_that_make_no_sense(value, text):
    """Marks below zero or in the wrong order are a ValueError that names them."""
    with pytest.raises(ValueError, match=f"^{text}$"):
        water_marks("max_queue", value)


def test_reading_pauses_above_the_high_mark_and_resumes_at_the_low_one():
    """Frames that nobody takes pause reading above 4; it resumes when 1 is left."""
    session = client(max_queue=4)
    for _ in range(4):
        session.receive_data(TEXT_A, 0)
        assert not session.reading_paused
    session.receive_data(TEXT_A, 0)
    assert session.reading_paused
    for left in (4, 3, 2):
        assert session.pop_message(0) == "a"
        assert session.reading_paused, left
    assert session.pop_message(0) == "a"
    assert not session.reading_paused


def test_fragments_count_as_frames():
    """The marks count frames, so fragments of one message pause reading, too."""
    session = client(max_queue=4)
    session.receive_data(frame(0x01, b"a") + frame(0x00) * 4, 0)
    assert session.reading_paused
    # Whoever waits for the message must get it.
    assert session.pop_message(0) is None
    assert not session.reading_paused
    session.receive_data(frame(0x00) * 10, 0)
    assert not session.reading_paused
    session.receive_data(frame(0x80, b"b"), 0)
    assert session.readable
    assert session.pop_message(0) == "ab"


def test_no_marks():
    """Without marks and max_size, reading never pauses."""
    session = client(max_queue=None, max_size=None)
    session.receive_data(TEXT_A * 1000 + frame(0x82, bytes(2**21)), 0)
    assert not session.reading_paused
    assert len(read_all(session)) == 1001


def test_bytes_read_ahead_are_bounded_by_max_size():
    """Payload that waits pauses reading above max_size, whatever max_queue says."""
    session = client(max_queue=None, max_size=1000)
    session.receive_data(frame(0x82, bytes(600)), 0)
    assert not session.reading_paused
    session.receive_data(frame(0x82, bytes(600)), 0)
    assert session.reading_paused
    assert session.pop_message(0) == bytes(600)
    assert session.reading_paused  # more than half is left
    assert session.pop_message(0) == bytes(600)
    assert not session.reading_paused


def test_who_waits_no_more_restores_the_marks():
    """When the wait for a message is cancelled, the water marks hold again."""
    session = client(max_queue=0)
    assert session.pop_message(0) is None
    session.receive_data(frame(0x01, b"a"), 0)
    assert not session.reading_paused
    session.stop_waiting()
    session.receive_data(frame(0x00, b"b"), 0)
    assert session.reading_paused


def test_pings_behind_unread_messages_are_answered():
    """A ping behind messages that nobody reads is answered at once."""
    session = client()
    session.receive_data(TEXT_A + frame(0x89, b"p") + TEXT_A, 0)
    assert [data[0] for data in session.data_to_send()] == [0x8A]
    assert read_all(session) == ["a", "a"]


def test_a_close_behind_unread_messages_is_noticed():
    """A Close ends sending at once; messages before it stay readable."""
    session = client()
    session.receive_data(TEXT_A * 2 + frame(0x88, b"\x03\xe8bye"), 0)
    assert sent_close(session) == (1000, "bye")
    assert session.pop_message(0) == "a"
    session.receive_eof(0)
    assert session.closed
    assert session.pop_message(0) == "a"
    with pytest.raises(ConnectionClosed, match=r"^received 1000 \(OK\) bye; then sent"):
        session.pop_message(0)


def test_frames_that_came_with_the_handshake():
    """Bytes that the protocol got before the session are scanned at its start."""
    from websockets._session import Session
    from websockets.protocol import CLIENT, Protocol

    protocol = Protocol(CLIENT)
    protocol.lazy = True
    protocol.receive_data(TEXT_A + frame(0x89))
    session = Session(protocol, 0)
    assert [data[0] for data in session.data_to_send()] == [0x8A]
    assert session.pop_message(0) == "a"


def test_a_connection_that_only_sends_never_pauses():
    """Pings and pongs for years don't fill the buffer when nobody receives."""
    for data in (b"", TEXT_A):
        session = client(max_size=10_000, ping_interval=None)
        session.receive_data(data, 0)
        for i in range(3000):
            session.receive_data(frame(0x89, b"keep") + frame(0x8A, b"alive"), i)
            assert len(session.data_to_send()) == 1
        assert not session.reading_paused


def test_deferred_pongs():
    """While too much output waits, only the latest ping is answered, afterwards."""
    session = client()
    session.set_congested(True)
    session.receive_data(frame(0x89, b"1") + frame(0x89, b"2"), 0)
    assert session.data_to_send() == []
    session.set_congested(False)
    assert len(session.data_to_send()) == 1
    session.set_congested(False)
    assert session.data_to_send() == []


def test_a_flood_of_pings_in_one_chunk():
    """Pings beyond some hundreds in one chunk are answered by the pong for the latest."""
    session = pair().server
    pings = [frame(0x89, str(i).encode(), masked=True) for i in range(3000)]
    session.receive_data(b"".join(pings), 0)
    pongs = session.data_to_send()
    assert len(pongs) < 700
    assert pongs[0] == frame(0x8A, b"0")
    assert pongs[-1] == frame(0x8A, b"2999")
    session.receive_data(pings[0], 0)
    assert session.data_to_send() == [frame(0x8A, b"0")]


def test_a_flood_of_pings_before_the_message_that_is_waited_for():
    """The latest of many pings is answered, though the message behind them is what counts."""
    session = client()
    assert session.pop_message(0) is None
    pings = [frame(0x89, str(i).encode()) for i in range(3000)]
    session.receive_data(b"".join([*pings, frame(0x81, b"message")]), 0)
    assert session.data_to_send()[-1].startswith(b"\x8a\x84")
    assert not session.protocol.defer_pongs
    assert session.pop_message(0) == "message"


# -- streaming


def test_streaming_frame_by_frame():
    """pop_fragment() gives each frame as it arrives, and tells which is the last."""
    session = client()
    assert session.pop_fragment(0) is None
    session.receive_data(frame(0x01, b"caf\xc3"), 0)
    assert session.readable
    assert session.pop_fragment(0) == ("caf", False)
    assert session.pop_fragment(0) is None
    assert not session.readable
    session.receive_data(frame(0x80, b"\xa9"), 0)
    assert session.pop_fragment(0) == ("é", True)


def test_recv_in_the_middle_of_a_stream():
    """A message streamed in part can't be received whole; the rest can be streamed."""
    session = client()
    session.receive_data(frame(0x01, b"a") + frame(0x80, b"b") + TEXT_A, 0)
    assert session.pop_fragment(0) == ("a", False)
    session.stop_streaming()
    with pytest.raises(
        ConcurrencyError, match="call recv_streaming to receive the rest"
    ):
        session.pop_message(0)
    assert session.pop_fragment(0) == ("b", True)
    session.stop_streaming()
    assert session.pop_message(0) == "a"


def test_a_stream_given_up_before_its_first_frame():
    """Streaming that got nothing leaves the message to recv()."""
    session = client()
    assert session.pop_fragment(0) is None
    session.stop_waiting()
    session.stop_streaming()
    session.receive_data(frame(0x01, b"a"), 0)
    assert not session.readable
    session.receive_data(frame(0x80, b"b"), 0)
    assert session.pop_message(0) == "ab"


def test_streaming_ends_with_the_connection():
    """Frames that arrived are streamed; then the end of the connection is raised."""
    session = client()
    session.receive_data(frame(0x01, b"a") + frame(0x00, b"b"), 0)
    assert session.pop_fragment(0) == ("a", False)
    session.connection_lost(0)
    assert session.pop_fragment(0) == ("b", False)
    with pytest.raises(ConnectionClosed):
        session.pop_fragment(0)


# -- compression


def test_compressed_messages_wait_compressed():
    """A message of 1 MiB of zeros waits as a few KiB, and is inflated when it is read."""
    joined = pair(compressed=True, max_queue=None)
    for _ in range(20):
        joined.server.send_message(bytes(2**20))
    joined.deliver()
    session = joined.client
    assert not session.reading_paused
    assert session._messages.held < 40 * 1024
    assert read_all(session) == [bytes(2**20)] * 20
