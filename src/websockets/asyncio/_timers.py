"""Deadlines of many connections, for the price of a few timers of the event loop.

Owns: which connections have a deadline far ahead, sorted coarsely; the one timer of the
loop that stands for all of them.
Doesn't know: what deadlines are for; who moves them (see ``_io``).

Nearly all deadlines are for keepalive, seconds ahead, and most of them are never reached
as they were set: connections close, deadlines move. A timer of the loop takes a quarter
of a kilobyte, and work to be made and to be cancelled. So a deadline that is far ahead
only puts its connection into a set, one for each quarter of a second. When that begins,
its connections are told that their deadline is near, and those that still want it set a
timer of the loop. So deadlines are exact, whatever the sets are.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable
from typing import Protocol, TypeAlias


__all__ = ["Alarm", "Timers", "clock_of", "has_known_clock", "timers_of"]

# Seconds that each set stands for.
STEP = 0.25

# Deadlines farther ahead than this are looked at again before: it bounds the number of sets.
HORIZON = 60.0

#: What stands for a deadline: the number of a set, or a timer of the loop.
Alarm: TypeAlias = int | asyncio.TimerHandle


class Sleeper(Protocol):
    """Who has a deadline."""

    def _deadline_near(self) -> None:
        """Look at the deadline again: it's near, or was so far that nobody knows."""
        ...

    def _deadline_reached(self) -> None:
        """Do what there is to do."""
        ...


class Timers:
    """
    Deadlines of one event loop.

    Args:
        loop: event loop.
        now: its clock, as connections read it.

    """

    __slots__ = ("__weakref__", "_first", "_loop", "_now", "_sets", "_timer")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, now: Callable[[], float]
    ) -> None:
        self._loop = loop
        self._now = now
        self._sets: dict[int, set[Sleeper]] = {}
        # The loop's timer, and the set that it was made for.
        self._timer: asyncio.TimerHandle | None = None
        self._first = 0

    def set(self, sleeper: Sleeper, deadline: float) -> Alarm:
        """
        Have a method of the sleeper called: which one, see :class:`Sleeper`.

        Args:
            sleeper: who has the deadline; one at a time.
            deadline: when, by the clock.

        Returns:
            What :meth:`cancel` needs, until one of the methods is called.

        """
        now = self._now()
        if deadline - now < 2 * STEP:
            return self._loop.call_later(
                max(deadline - now, 0), sleeper._deadline_reached
            )
        number = int(min(deadline, now + HORIZON) / STEP)
        members = self._sets.get(number)
        if members is not None:
            members.add(sleeper)
        else:
            self._sets[number] = {sleeper}
            if self._timer is None or number < self._first:
                self._start(number, now)
        return number

    def cancel(self, sleeper: Sleeper, alarm: Alarm) -> None:
        """Forget a deadline, given what :meth:`set` returned."""
        if not isinstance(alarm, int):
            alarm.cancel()
            return
        members = self._sets[alarm]
        members.discard(sleeper)
        if not members:
            # The timer, if it was made for this set, fires for nothing once.
            del self._sets[alarm]

    def _start(self, number: int, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._first = number
        self._timer = self._loop.call_later(max(number * STEP - now, 0), self._fire)

    def _fire(self) -> None:
        self._timer = None
        # The loop fires timers up to one tick of its clock too early.
        current = max(int(self._now() / STEP), self._first)
        for number in sorted(number for number in self._sets if number <= current):
            for sleeper in self._sets.pop(number):
                sleeper._deadline_near()
        if self._sets:
            self._start(min(self._sets), self._now())


# Connections keep the timers alive, and the timers keep the loop.
known: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, weakref.ReferenceType[Timers]
] = weakref.WeakKeyDictionary()


def clock_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """Return the function that tells the time to connections of a loop."""
    return time.monotonic if has_known_clock(loop) else loop.time


def has_known_clock(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether connections of a loop go by :func:`time.monotonic`."""
    # asyncio's loops do, too. uvloop's clock ticks in milliseconds, too coarse for
    # latencies.
    return (
        not isinstance(loop, asyncio.BaseEventLoop)
        or type(loop).time is asyncio.BaseEventLoop.time
    )


def timers_of(loop: asyncio.AbstractEventLoop, now: Callable[[], float]) -> Timers:
    """Return the timers that all connections of a loop share."""
    reference = known.get(loop)
    timers = None if reference is None else reference()
    if timers is None:
        timers = Timers(loop, now)
        known[loop] = weakref.ref(timers)
    return timers
