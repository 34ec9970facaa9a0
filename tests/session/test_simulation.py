"""Two sessions over a hostile network, seeded: any chunks, delays, an end at any point.

The network never reorders bytes. Everything else may happen, and time is a number, so a
run is the same each time; a failure is reproduced by its seed.
"""

from __future__ import annotations

import random

import pytest

from tests.session.pairs import make
from websockets._session import Session
from websockets.exceptions import ConnectionClosed
from websockets.protocol import CLIENT, OPEN, SERVER


class Side:
    """A session, its program, and the bytes on their way to it."""

    def __init__(self, rng: random.Random, session: Session) -> None:
        self.rng = rng
        self.session = session
        self.inbound = bytearray()
        self.inbound_ends = False
        self.eof_seen = False
        self.lost = False
        self.sent: list[str | bytes] = []
        self.received: list[str | bytes] = []
        self.end: ConnectionClosed | None = None
        self.pings_sent = 0
        self.pings_resolved = 0
        self.fragments: list[str] | None = None
        self.sender_open = True

    def program(self, now: float) -> None:
        """Do something that a program may do."""
        rng, session = self.rng, self.session
        choice = rng.random()
        if choice < 0.35:
            self.receive(now)
        elif session.protocol.state is not OPEN:
            return
        elif choice < 0.6 and self.fragments is None:
            message: str | bytes = rng.choice(["é", "text", ""]) * rng.randrange(60)
            if rng.random() < 0.5:
                message = rng.randbytes(rng.choice([0, 3, 125, 126, 2000]))
            session.send_message(message, compress=rng.choice([None, True, False]))
            self.sent.append(message)
        elif choice < 0.75:
            self.send_fragment()
        elif choice < 0.85:
            self.pings_sent += 1
            session.ping(None, now, self.resolve)
        elif choice < 0.9:
            session.set_congested(rng.random() < 0.3)
        elif choice < 0.91 and self.fragments is None:
            session.close(now, rng.choice([1000, 1001, 4000]))

    def resolve(self, result: float | BaseException) -> None:
        self.pings_resolved += 1

    def send_fragment(self) -> None:
        fin = self.rng.random() < 0.4
        first = self.fragments is None
        part = self.rng.choice(["", "ab", "é" * 30])
        self.session.send_fragment(part, first=first, fin=fin)
        self.fragments = [*(self.fragments or []), part]
        if fin:
            self.sent.append("".join(self.fragments))
            self.fragments = None

    def receive(self, now: float) -> None:
        if self.end is not None:
            return
        try:
            message = self.session.pop_message(now)
        except ConnectionClosed as exc:
            self.end = exc
            return
        if message is not None:
            self.received.append(message)
        elif self.rng.random() < 0.5:
            self.session.stop_waiting()

    def write_to(self, peer: Side) -> None:
        for data in self.session.data_to_send():
            self.session.written += len(data)
            if not self.lost and not peer.inbound_ends:
                if data:
                    peer.inbound += data
                else:
                    peer.inbound_ends = True

    def network(self, now: float) -> None:
        """Deliver some bytes, or the end."""
        if self.eof_seen or self.session.reading_paused:
            return
        if self.inbound:
            size = self.rng.choice([1, 2, 3, 7, 50, 1000, 100_000])
            data = bytes(self.inbound[:size])
            del self.inbound[:size]
            self.session.receive_data(data, now)
        elif self.inbound_ends:
            self.eof_seen = True
            self.session.receive_eof(now)

    def lose(self, now: float, cause: BaseException | None = None) -> None:
        self.lost = True
        self.session.connection_lost(now, cause)


class World:
    """Both sides and the clock."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        options = {
            "compressed": rng.random() < 0.5,
            "ping_interval": rng.choice([None, 1, 5]),
            "ping_timeout": rng.choice([None, 2, 30]),
            "close_timeout": rng.choice([1, 10]),
            "max_queue": rng.choice([None, 0, 2, 16]),
            "max_size": rng.choice([10_000, (10_000, 5000), None]),
        }
        self.now = rng.choice([-5.0, 0.0, 1e9])
        self.sides = [
            Side(rng, make(side, start=self.now, **options))
            for side in (CLIENT, SERVER)
        ]
        self.cut_at = rng.choice([None, rng.randrange(600)])

    def pump(self, side: Side, peer: Side) -> None:
        """Do what a face does after each call."""
        side.write_to(peer)
        if side.session.aborted and not side.lost:
            side.lose(self.now)
            side.inbound.clear()
            peer.inbound_ends = True
        elif side.eof_seen and not side.lost and side.session.closed:
            side.lose(self.now)
            peer.inbound_ends = True

    def step(self, programs: bool) -> None:
        rng = self.rng
        first = rng.randrange(2)
        for side, peer in ((first, 1 - first), (1 - first, first)):
            one, other = self.sides[side], self.sides[peer]
            if programs and rng.random() < 0.8:
                one.program(self.now)
                self.pump(one, other)
            if rng.random() < 0.7 and not one.lost:
                one.network(self.now)
                self.pump(one, other)
            due = one.session.next_deadline()
            if due is not None and due <= self.now and not one.lost:
                one.session.deadline_reached(self.now)
                self.pump(one, other)
        self.now += rng.choice([0, 0, 0.01, 0.2])

    def run(self) -> None:
        for i in range(600):
            self.step(programs=True)
            if i == self.cut_at:
                for side in self.sides:
                    if not side.lost:
                        side.lose(self.now, ConnectionResetError("cut"))
        for side in self.sides:
            side.session.close(self.now)
        for _ in range(3000):
            for side in self.sides:
                side.receive(self.now)
            self.step(programs=False)
            if all(side.lost and side.end is not None for side in self.sides):
                return
        raise AssertionError("it doesn't end")


@pytest.mark.parametrize("seed", range(120))
def test_a_hostile_network(seed):
    """Messages arrive in order, none is lost before a Close, and both sides end."""
    world = World(seed)
    world.run()
    for one, other in (world.sides, world.sides[::-1]):
        assert one.session.closed
        assert one.session.next_deadline() is None
        assert one.pings_resolved == one.pings_sent
        assert one.received == other.sent[: len(one.received)]
        rcvd = one.session.protocol.close_rcvd
        answered = one.session.protocol.close_rcvd_then_sent
        if rcvd is not None and answered:
            # The peer closed first: all that it sent before its Close has arrived.
            assert one.received == other.sent
        parser_exc = one.session.protocol.parser_exc
        assert parser_exc is None or isinstance(parser_exc, EOFError)
