"""Ping bookkeeping and keepalive (RFC 6455 §5.5.2, §5.5.3).

Owns: pings in flight, latency, the next keepalive deadline, the verdict on a silent peer.
Doesn't know: the clock (time is an argument), frames, the transport.
Rule: a pong acknowledges its ping and every earlier one.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from ..exceptions import ConcurrencyError


__all__ = ["Done", "Pings"]

#: Called once: with the latency in seconds, or with the reason why no pong will come.
Done = Callable[["float | BaseException"], None]

# A timer that fires later than this was held up: by a blocked loop, or a machine asleep.
LATE = 1.0

# Keepalive pings remembered while none is answered, as when nobody reads for hours.
MAX_UNANSWERED = 8


class Pings:
    """
    Pings of one connection.

    Args:
        now: seconds, monotonic.
        interval: seconds between keepalive pings; :obj:`None` sends none.
        timeout: seconds to wait for a pong; :obj:`None` waits for ever.

    """

    __slots__ = (
        "_blind",
        "_in_flight",
        "_written",
        "interval",
        "latency",
        "ping_due",
        "pong_due",
        "received_at",
        "timeout",
    )

    def __init__(
        self, now: float, interval: float | None, timeout: float | None
    ) -> None:
        self.interval = interval
        self.timeout = timeout
        self.latency = 0.0
        self.ping_due = None if interval is None else now + interval
        self.pong_due: float | None = None
        #: When bytes were last received.
        self.received_at = now
        # Most connections have no ping in flight most of the time.
        self._in_flight: dict[bytes, tuple[float, Done | None]] | None = None
        # Whether pongs may have been out of sight since pong_due was set.
        self._blind = False
        # Bytes that had been written when the ping behind pong_due was queued.
        self._written = 0

    def add(self, data: bytes | None, now: float, done: Done | None) -> bytes:
        """
        Register a ping; return its payload.

        Args:
            data: payload; :obj:`None` for a random one.
            now: seconds, monotonic.
            done: called when the ping is acknowledged or can't be any more; :obj:`None`
                for a keepalive ping.

        Raises:
            ConcurrencyError: if a ping with the same payload is in flight.

        """
        if self._in_flight is None:
            self._in_flight = {}
        if data is None:
            data = random.getrandbits(32).to_bytes(4, "big")
            while data in self._in_flight:
                data = random.getrandbits(32).to_bytes(4, "big")
        elif data in self._in_flight:
            raise ConcurrencyError("already waiting for a pong with the same data")
        self._in_flight[data] = (now, done)
        return data

    def forget(self, data: bytes) -> None:
        """Undo :meth:`add` for a ping that couldn't be sent."""
        assert self._in_flight is not None
        del self._in_flight[data]

    def keepalive(self, now: float, paused: bool, written: int) -> bytes:
        """
        Register the keepalive ping that is due; return its payload.

        Args:
            now: seconds, monotonic.
            paused: whether bytes of the peer are left unread.
            written: bytes that the system has taken from us so far.

        """
        data = self.add(None, now, None)
        assert self._in_flight is not None
        assert self.interval is not None
        unanswered = [key for key, (_, done) in self._in_flight.items() if done is None]
        if len(unanswered) > MAX_UNANSWERED:
            # A pong for a later one serves as well.
            del self._in_flight[unanswered[0]]
        self.ping_due = now + self.interval
        if self.pong_due is None and self.timeout is not None:
            self.pong_due = now + self.timeout
            self._blind = paused
            self._written = written
        return data

    def acknowledge(self, data: bytes, now: float) -> bool:
        """Process a pong; tell whether it answers a keepalive ping."""
        pings = self._in_flight
        if pings is None or data not in pings:
            return False
        keepalive = False
        # RFC 6455 §5.5.3: a peer may answer only the latest ping.
        while True:
            first = next(iter(pings))
            sent_at, done = pings.pop(first)
            if first == data:
                # The latency of earlier ones would count the time until a later ping.
                self.latency = now - sent_at
            if done is None:
                keepalive = True
            else:
                done(now - sent_at)
            if first == data:
                break
        if not any(done is None for _, done in pings.values()):
            self.pong_due = None
        return keepalive

    def out_of_sight(self) -> None:
        """Note that bytes of the peer were left unread: a pong may be among them."""
        self._blind = True

    def overdue(self, now: float, paused: bool, written: int) -> bool:
        """
        Tell whether the peer is silent, at ``pong_due``; else, move it.

        Args:
            now: seconds, monotonic.
            paused: whether bytes of the peer are left unread.
            written: bytes that the system has taken from us so far.

        """
        assert self.pong_due is not None
        assert self.timeout is not None
        if paused or self._blind or now - self.pong_due > LATE:
            # We didn't look. Whoever reads again gets a full timeout.
            self._blind = paused
            self.pong_due = now + self.timeout
            return False
        # Inbound bytes show that the peer lives, and explain a late pong. They don't help
        # when none of our output left: then our ping isn't among what it received.
        extended = self.received_at + self.timeout
        if extended > now and written > self._written:
            self.pong_due = extended
            return False
        return True

    def complaint(self, now: float) -> str:
        """Say what was waited for, when :meth:`overdue` has found the peer silent."""
        text = f"no pong within {self.timeout} seconds of a keepalive ping"
        if self.received_at + (self.timeout or 0) > now:
            text += "; bytes were received meanwhile, but none could be sent"
        return text

    def stop(self) -> None:
        """End keepalive; pings in flight can still be answered."""
        self.ping_due = self.pong_due = None

    def fail(self, make_exception: Callable[[], BaseException]) -> None:
        """End keepalive; resolve all pings in flight with an exception."""
        self.ping_due = self.pong_due = None
        pings, self._in_flight = self._in_flight, None
        if pings:
            for _, done in pings.values():
                if done is not None:
                    done(make_exception())
