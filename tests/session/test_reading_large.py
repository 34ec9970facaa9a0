"""Large messages that arrive before anybody waits for them."""

from __future__ import annotations

import pytest

from tests.codec.implementations import footprint
from websockets._codec import serialize_frame
from websockets._session import Session
from websockets.exceptions import ConnectionClosedError
from websockets.protocol import Protocol, Side, State


def client(**options):
    return Session(Protocol(Side.CLIENT, **options), 0)


def feed(session, data, step):
    for i in range(0, len(data), step):
        session.receive_data(data[i : i + step], 0)


@pytest.mark.parametrize("size", [70_000, 1 << 20])
@pytest.mark.parametrize("step", [1000, 65536])
def test_payload_is_gathered_while_nobody_waits(size, step):
    """What has arrived of a large frame isn't held in the reader's buffer."""
    session = client()
    payload = bytes(range(256)) * (size // 256)
    data = serialize_frame(0x82, payload, None)
    feed(session, data[:-1], step)
    assert session._messages._frames.pending == 0
    assert session.pop_message(0) is None
    session.receive_data(data[-1:], 0)
    assert session.pop_message(0) == payload


def test_payload_behind_an_unread_message_stays_raw():
    """Only the message at the head is gathered."""
    session = client()
    session.receive_data(serialize_frame(0x81, b"first", None), 0)
    data = serialize_frame(0x82, b"x" * 70_000, None)
    feed(session, data[:-1], 10_000)
    assert session._messages._frames.pending == len(data) - 1 + len(b"first") + 2
    assert session.pop_message(0) == "first"
    session.receive_data(data[-1:], 0)
    assert session.pop_message(0) == b"x" * 70_000


def test_text_that_is_not_utf_8_fails_in_the_middle_of_the_frame():
    """Text at the head is checked as it arrives, though nobody waits for it."""
    session = client()
    data = serialize_frame(0x81, b"x" * 69_999 + b"\xff", None)
    feed(session, data[:40_000], 10_000)
    assert session.protocol.state is State.OPEN
    session.receive_data(data[40_000:-1] + b"\xff", 0)
    session.connection_lost(0)
    with pytest.raises(ConnectionClosedError, match="1007"):
        session.pop_message(0)


def test_utf_8_error_in_an_unfinished_frame():
    """The connection fails before the frame is complete."""
    session = client()
    data = serialize_frame(0x81, b"\xff" * 70_000, None)
    session.receive_data(data[:100], 0)
    assert session.protocol.state is State.CLOSING
    assert session.protocol.close_sent.code == 1007


def test_gathered_frames_in_the_debug_log(caplog):
    """A frame that was gathered is logged once, whole."""
    with caplog.at_level("DEBUG"):
        session = client()
        data = serialize_frame(0x82, b"x" * 70_000, None)
        feed(session, data, 10_000)
    assert session.pop_message(0) == b"x" * 70_000
    logged = [r.message for r in caplog.records if r.message.startswith("< BINARY")]
    assert len(logged) == 1
    assert "70000 bytes" in logged[0]


@pytest.mark.parametrize("waiting", [True, False])
def test_idle_connections_keep_no_large_buffer(waiting):
    """Once everything was received, nothing is held of what was read from the network."""
    session = client()
    if waiting:
        assert session.pop_message(0) is None
    session.receive_data(serialize_frame(0x82, b"x" * 70_000, None), 0)
    assert session.pop_message(0) == b"x" * 70_000
    assert footprint(session._messages._frames) < 1000
    session.receive_data(serialize_frame(0x8A, b"pong", None) * 2000, 0)
    assert footprint(session._messages._frames) < 1000
    session.receive_data(serialize_frame(0x82, b"y" * 70_000, None), 0)
    assert session.pop_fragment(0) == (b"y" * 70_000, True)
    assert footprint(session._messages._frames) < 1000
