"""The session pings: keepalive, latency, and when a silent peer is given up."""

from __future__ import annotations

import logging

import pytest

from tests.codec.frame_pieces import frame
from tests.session.pairs import client, pair, read_all, sent_close
from websockets._session.pings import MAX_UNANSWERED
from websockets.exceptions import ConcurrencyError, ConnectionClosed, ProtocolError


TEXT_A = frame(0x81, b"a")
FAILED = (1011, "keepalive ping timeout")


def sent_pings(session) -> list[bytes]:
    """Return the payloads of pings that a client's session sends now; they get written."""
    payloads = []
    for data in session.data_to_send():
        session.written += len(data)
        if data[0] == 0x89:
            payloads.append(bytes(b ^ data[2 + i % 4] for i, b in enumerate(data[6:])))
    return payloads


def test_pings_go_out_at_each_interval():
    """A session pings every ping_interval seconds, counted from its start."""
    session = client(start=100, ping_interval=20, ping_timeout=None)
    assert session.next_deadline() == 120
    session.deadline_reached(119.9)
    assert sent_pings(session) == []
    session.deadline_reached(120)
    assert len(sent_pings(session)[0]) == 4
    assert session.next_deadline() == 140
    # Late timers don't make up for what they missed.
    session.deadline_reached(200)
    assert len(sent_pings(session)) == 1
    assert session.next_deadline() == 220


def test_no_keepalive():
    """ping_interval=None pings never."""
    session = client(ping_interval=None)
    assert session.next_deadline() is None


def test_keepalive_measures_the_latency():
    """The pong for a keepalive ping gives the latency, and moves no deadline."""
    joined = pair(ping_interval=20, ping_timeout=10)
    session = joined.client
    session.deadline_reached(20)
    assert session.next_deadline() == 30
    joined.deliver(20.5)
    assert session.latency == 0.5
    assert session.next_deadline() == 40
    assert joined.server.latency == 0


def test_a_silent_peer_is_dropped():
    """A peer that ignores a ping for ping_timeout seconds gets close code 1011."""
    session = client(ping_interval=20, ping_timeout=10, close_timeout=5)
    session.deadline_reached(20)
    session.data_to_send()
    session.deadline_reached(29.9)
    assert sent_close(session) is None
    session.deadline_reached(30)
    assert sent_close(session) == FAILED
    assert session.next_deadline() == 35
    session.deadline_reached(35)
    assert session.aborted
    session.connection_lost(35)
    (end,) = read_all(session)
    assert str(end) == (
        "sent 1011 (internal error) keepalive ping timeout; no close frame received"
    )
    assert end.__notes__ == ["no pong within 10 seconds of a keepalive ping"]


def test_bytes_received_extend_the_deadline_of_a_pong():
    """Inbound bytes show that the peer lives, while our output moves on."""
    session = client(ping_interval=20, ping_timeout=10)
    session.deadline_reached(20)
    sent_pings(session)
    session.receive_data(TEXT_A, 28)
    session.deadline_reached(30)
    assert sent_close(session) is None
    assert session.next_deadline() == 38
    session.deadline_reached(38)
    assert sent_close(session) == FAILED


def test_bytes_received_are_no_excuse_when_our_output_is_stuck():
    """When none of our output left, inbound bytes don't help; a note tells so."""
    session = client(ping_interval=20, ping_timeout=10)
    session.deadline_reached(20)
    session.data_to_send()  # and the system takes nothing
    session.receive_data(TEXT_A, 28)
    session.deadline_reached(30)
    assert sent_close(session) == FAILED
    assert session._notes == [
        "no pong within 10 seconds of a keepalive ping; "
        "bytes were received meanwhile, but none could be sent"
    ]


def test_pings_go_out_while_reading_is_paused():
    """While we don't read, pings go out, and the peer isn't blamed for unread pongs."""
    session = client(ping_interval=20, ping_timeout=10, max_queue=0)
    session.receive_data(TEXT_A, 0)
    assert session.reading_paused
    for now in range(20, 1000, 10):
        session.deadline_reached(now)
    assert len(sent_pings(session)) == 49
    assert sent_close(session) is None


def test_who_resumes_reading_gets_a_full_timeout():
    """A reader that resumes just before the deadline gets a full ping_timeout."""
    session = client(ping_interval=20, ping_timeout=10, max_queue=0)
    session.receive_data(TEXT_A, 1)
    session.deadline_reached(20)  # paused before the ping
    session.pop_message(29.99)
    assert not session.reading_paused
    session.deadline_reached(30)
    assert sent_close(session) is None
    session.deadline_reached(40)
    assert sent_close(session) == FAILED


def test_reading_paused_after_the_ping():
    """The same holds when reading was paused after the ping, and resumed meanwhile."""
    session = client(ping_interval=20, ping_timeout=10, max_queue=0)
    session.deadline_reached(20)
    session.receive_data(TEXT_A, 21)
    session.pop_message(25)
    session.deadline_reached(30)
    assert sent_close(session) is None
    session.deadline_reached(40)
    assert sent_close(session) == FAILED


def test_a_timer_that_was_held_up():
    """A timer that fires late, as after a blocked loop, gives a full ping_timeout."""
    session = client(ping_interval=20, ping_timeout=10)
    session.deadline_reached(20)
    session.deadline_reached(35)
    assert sent_close(session) is None
    session.deadline_reached(45)
    assert sent_close(session) == FAILED


def test_a_pong_for_a_later_ping_serves():
    """A pong acknowledges all earlier pings; another ping in flight has its deadline."""
    session = client(ping_interval=4, ping_timeout=10)
    for now in (4, 8, 12):
        session.deadline_reached(now)
    first, second, third = sent_pings(session)
    session.receive_data(frame(0x8A, second), 13)
    assert session.latency == 5
    session.receive_data(frame(0x8A, first), 13)  # too late to matter
    assert session.latency == 5
    session.deadline_reached(14)
    assert sent_close(session) is None
    session.receive_data(frame(0x8A, third), 14.5)
    assert session.pings.pong_due is None


def test_unanswered_pings_are_bounded():
    """While nobody reads, only some keepalive pings are remembered."""
    session = client(ping_interval=1, ping_timeout=None)
    session.ping(b"mine", 0, lambda result: None)
    for now in range(1, 100):
        session.deadline_reached(now)
    assert len(session.pings._in_flight) == MAX_UNANSWERED + 1
    assert b"mine" in session.pings._in_flight


# -- pings of the program


def test_a_ping_and_its_pong():
    """A ping's callback gets the latency, when the pong comes."""
    joined = pair()
    results = []
    joined.client.ping(b"x", 1, results.append)
    joined.client.ping(None, 2, results.append)
    joined.deliver(4)
    assert results == [3, 2]
    assert joined.client.latency == 2
    joined.lose()
    assert results == [3, 2]


def test_a_pong_resolves_earlier_pings():
    """A pong for a later ping resolves earlier ones, each with its own latency."""
    session = client()
    results = []
    for now, data in ((1, b"a"), (2, b"b"), (3, b"c")):
        session.ping(data, now, results.append)
    session.receive_data(frame(0x8A, b"b") + frame(0x8A, b"unknown"), 5)
    assert results == [4, 3]
    session.receive_data(frame(0x8A, b"a"), 6)
    assert results == [4, 3]


def test_two_pings_with_the_same_payload():
    """A payload in flight can't be sent again, until it was answered."""
    session = client()
    session.ping(b"x", 0, lambda result: None)
    with pytest.raises(ConcurrencyError, match="already waiting for a pong"):
        session.ping(b"x", 0, lambda result: None)
    session.receive_data(frame(0x8A, b"x"), 0)
    session.ping(b"x", 0, lambda result: None)


def test_a_ping_that_cannot_be_sent():
    """A ping that is refused isn't in flight, and its callback isn't called."""
    session = client()
    with pytest.raises(ProtocolError, match="control frame too long"):
        session.ping(b"x" * 126, 0, lambda result: pytest.fail("called"))
    session.connection_lost(0)
    with pytest.raises(Exception, match="connection is closed"):
        session.ping(b"x", 0, lambda result: pytest.fail("called"))


def test_random_payloads_differ(monkeypatch):
    """A random payload that is in flight already is drawn again."""
    draws = iter([1, 1, 2])
    monkeypatch.setattr("random.getrandbits", lambda bits: next(draws))
    session = client()
    session.ping(None, 0, lambda result: None)
    session.ping(None, 0, lambda result: None)
    assert sent_pings(session) == [b"\0\0\0\1", b"\0\0\0\2"]


def test_pings_in_flight_when_the_connection_ends():
    """Each ping in flight gets an exception of its own, once."""
    session = client()
    results = []
    session.ping(b"a", 0, results.append)
    session.ping(b"b", 0, results.append)
    session.receive_eof(1)
    session.connection_lost(2)
    assert len(results) == 2
    assert results[0] is not results[1]
    for exc in results:
        assert isinstance(exc, ConnectionClosed)
        assert isinstance(exc.__cause__, EOFError)


def test_unsolicited_pongs():
    """pong() sends a pong; one that nobody waits for is ignored."""
    joined = pair()
    joined.client.pong(b"hello")
    joined.deliver()
    assert joined.server.latency == 0
    assert read_all(joined.server) == []


def test_keepalive_in_the_debug_log(caplog):
    """Keepalive is logged at DEBUG, in 17.4's words: sent, received, timed out."""
    caplog.set_level(logging.DEBUG)
    session = client(ping_interval=20, ping_timeout=10)
    session.deadline_reached(20)
    (payload,) = sent_pings(session)
    session.receive_data(frame(0x8A, payload), 21)
    session.ping(b"mine", 22, lambda result: None)
    session.receive_data(frame(0x8A, b"mine"), 23)
    session.deadline_reached(40)
    session.deadline_reached(50)
    marked = [r.message for r in caplog.records if r.message[0] in "%-"]
    assert marked == [
        "% sent keepalive ping",
        "% received keepalive pong",
        "% sent keepalive ping",
        "- timed out waiting for keepalive pong",
    ]
