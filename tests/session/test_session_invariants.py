"""Invariants of the design, as far as they hold below the faces; named by number."""

from __future__ import annotations

import ast
import pathlib
import random
import tracemalloc

import pytest

import websockets
from tests.codec.frame_pieces import frame
from tests.session.pairs import client, pair, read_all, server
from websockets.exceptions import ConnectionClosed
from websockets.protocol import CLOSED


KIB = 1024
SOURCES = pathlib.Path(websockets.__file__).parent


def test_invariant_1_no_clock_below_the_faces():
    """The session and all below import no clock, and run at any time, in any origin."""
    paths = [*SOURCES.glob("_session/*.py"), *SOURCES.glob("_codec/*.py")]
    paths += [SOURCES / name for name in ("protocol.py", "_sending.py", "_messages.py")]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in getattr(node, "names", [])]
            if isinstance(node, ast.Import | ast.ImportFrom):
                assert not {"time", "datetime"} & {getattr(node, "module", ""), *names}
    for start in (-1e9, 0.0, 1e12):
        session = client(start=start)
        assert session.next_deadline() == start + 20
        session.deadline_reached(start + 20)
        assert session.next_deadline() == start + 40
        session.deadline_reached(start + 40)
        session.close(start + 41)
        session.deadline_reached(start + 51)
        assert session.aborted


def test_invariant_5_messages_keep_their_order():
    """Messages are compressed when queued and written in that order, whole or not at all."""
    joined = pair(compressed=True, max_queue=None)
    rng = random.Random(5)
    sent = []
    for i in range(200):
        message = str(i) * rng.randrange(1, 200)
        joined.client.send_message(message, compress=rng.choice([None, True, False]))
        sent.append(message)
        if rng.random() < 0.1:
            joined.client.pong(b"between")
    with pytest.raises(TypeError):
        joined.client.send_message(42)
    joined.client.send_message("last")
    joined.deliver()
    assert read_all(joined.server) == [*sent, "last"]


def test_invariant_6_asking_again_loses_nothing():
    """Asking for a message, giving up, and asking again loses nothing, at any byte."""
    stream = frame(0x01, "é".encode() * 3) + frame(0x89) + frame(0x80, b"!") * 1
    stream += frame(0x82, bytes(200))
    for give_up in (False, True):
        session = client()
        messages = []
        for i in range(len(stream)):
            session.receive_data(stream[i : i + 1], i)
            if (message := session.pop_message(i)) is not None:
                messages.append(message)
            elif give_up:
                session.stop_waiting()
        assert messages == ["ééé!", bytes(200)]


ENDS = {
    "eof": lambda session: session.receive_eof(1),
    "lost": lambda session: session.connection_lost(1, OSError("gone")),
    "close": lambda session: session.close(1),
    "fail": lambda session: session.fail(1, 1011),
    "close received": lambda session: session.receive_data(frame(0x88), 1),
    "error": lambda session: session.receive_data(frame(0x81, b"a") + b"\x83\x00", 1),
    "keepalive": lambda session: [session.deadline_reached(t) for t in (20, 40)],
}


@pytest.mark.parametrize("way", ENDS)
@pytest.mark.parametrize("then", ["eof", "lost"])
def test_invariant_7_one_way_to_die(way, then):
    """Every path to CLOSED resolves each ping once, chains a cause, leaves no deadline."""
    session = client()
    results = []
    for payload in (b"1", b"2"):
        session.ping(payload, 0, results.append)
    ENDS[way](session)
    assert session.protocol.state is CLOSED or not results
    ENDS[then](session)
    session.connection_lost(50)
    session.receive_eof(51)
    assert session.closed
    assert len(results) == 2
    assert len({id(result) for result in results}) == 2
    assert all(isinstance(result, ConnectionClosed) for result in results)
    end = read_all(session)[-1]
    # Our own decision to fail needs no cause, nor does a regular end.
    assert (end.__cause__ is None) is (
        then == "eof" and way in ("close received", "fail", "keepalive")
    )
    assert session.next_deadline() is None
    assert session.readable


@pytest.mark.parametrize("way", ENDS)
def test_invariant_8_every_phase_has_a_deadline(way):
    """From any end on, somebody who does nothing but wait for deadlines gets an abort."""
    session = client()
    ENDS[way](session)
    if session._over:
        return  # there is no transport any more
    steps = 0
    while not session.aborted:
        deadline = session.next_deadline()
        assert deadline is not None
        session.deadline_reached(deadline)
        steps += 1
        assert steps < 10
    assert session.next_deadline() is None


# -- invariant 9: memory

HALF = 64 * KIB


def flood(unit: bytes, total: int) -> bytes:
    return unit * (total // len(unit) + 1)


HOSTILE = {
    "messages of one byte": (flood(frame(0x81, b"x"), HALF), 0),
    "empty messages": (flood(frame(0x81), HALF // 4), 0),
    "one large frame": (frame(0x82, bytes(16 * KIB)), 0),
    "fragments of one byte": (frame(0x01, b"x") + flood(frame(0, b"x"), HALF // 4), 0),
    "empty fragments": (frame(0x01) + flood(frame(0), HALF // 4), 0),
    "pings": (flood(frame(0x89), HALF // 2), 0),
    "pongs": (flood(frame(0x8A), HALF // 2), 0),
    "large pings": (flood(frame(0x89, bytes(125)), HALF), 0),
    "pings behind a message": (frame(0x81, b"x") + flood(frame(0x89), HALF // 2), 0),
    "bytes after an error": (frame(0x81, b"x") + b"\x83" + bytes(1024 * KIB), 0),
    "one frame, byte by byte": (frame(0x82, bytes(8 * KIB)), 1),
    "pings, byte by byte": (flood(frame(0x89), 4 * KIB), 1),
}


@pytest.mark.parametrize("waiting", [False, True])
@pytest.mark.parametrize("closing", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_invariant_9_memory_is_bounded_by_max_size(name, waiting, closing):
    """Whatever a peer sends, a connection holds at most 2.5 x max_size + 256 KiB."""
    data, step = HOSTILE[name]
    max_size = 16 * KIB
    step = step or 64 * KIB
    chunks = [data[i : i + step] for i in range(0, len(data), step)]
    session = client(max_size=max_size)
    if closing:
        session.close(0)
        session.data_to_send()
    elif waiting:
        session.pop_message(0)
    tracemalloc.start()
    try:
        for chunk in chunks:
            if session.reading_paused:
                break
            session.receive_data(chunk, 0)
            session.data_to_send()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * max_size + 256 * KIB


@pytest.mark.parametrize("compressed", [False, True])
def test_invariant_9_handing_over_a_message(compressed):
    """Assembling and decoding a message of max_size takes 2.5 x max_size besides it."""
    max_size = 1024 * KIB
    sender = server(compressed=compressed)
    text = "".join(random.Random(9).choices("abcdefgh", k=max_size))
    sender.send_message(text)
    data = b"".join(sender.data_to_send())
    session = client(max_size=max_size, compressed=compressed)
    session.pop_message(0)
    chunks = [data[i : i + 1000] for i in range(0, len(data), 1000)]
    tracemalloc.start()
    try:
        for chunk in chunks:
            session.receive_data(chunk, 0)
        message = session.pop_message(0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert message == text
    assert peak - max_size < 2.5 * max_size + 256 * KIB


def test_invariant_9_payload_read_ahead():
    """Payload read ahead is at most max_size and a chunk, whatever max_queue says."""
    session = client(max_size=100 * KIB, max_queue=None)
    while not session.reading_paused:
        session.receive_data(frame(0x82, bytes(10 * KIB)), 0)
        assert session._messages.held <= 110 * KIB + 64
