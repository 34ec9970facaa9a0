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

While a timer of the loop is pending, each of its turns computes how long it may wait, and
the system sets a timer for that and takes it down. So where it can be, the one timer is a
descriptor that the loop watches. It stays when the last connection has gone, since the
next may come soon, until its time has come; and ends with the loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
import types
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ._direct import direct_timer


if TYPE_CHECKING:
    from ..speedups import TimerFd


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

    __slots__ = (
        "__weakref__",
        "_first",
        "_loop",
        "_now",
        "_pending",
        "_sets",
        "_timer",
        "_watched",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, now: Callable[[], float]
    ) -> None:
        self._loop = loop
        self._now = now
        self._sets: dict[int, set[Sleeper]] = {}
        # Whether a timer is set, and the set that it was made for.
        self._pending = False
        self._first = 0
        # The loop's own; or one that it watches, whose descriptor is closed with the loop.
        self._timer: asyncio.TimerHandle | None = None
        self._watched: weakref.ReferenceType[TimerFd] | None = None

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
            if not self._pending or number < self._first:
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
        """Have :meth:`_fire` called when a set begins."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._first = number
        watched = self._watch()
        if watched is not None:
            watched.set(number * STEP)
        else:
            delay = max(number * STEP - now, 0)
            self._timer = self._loop.call_later(delay, self._fire)
        self._pending = True

    def _watch(self) -> TimerFd | None:
        """Return a timer that the loop watches, if there can be one."""
        if not goes_by_system_clock(self._loop, self._now):
            self._unwatch()
            return None
        watched = None if self._watched is None else self._watched()
        if watched is not None:
            return watched
        make = direct_timer(self._loop)
        if make is None:
            return None
        try:
            watched = make()
            # In an empty context: it serves connections of many.
            contextvars.Context().run(
                self._loop.add_reader, watched.fileno(), self._expired, watched
            )
        except OSError:
            # There's no descriptor to spare: the loop's own timer has to do.
            return None
        self._watched = weakref.ref(watched)
        return watched

    def _unwatch(self) -> None:
        watched = None if self._watched is None else self._watched()
        if watched is not None:
            self._watched = None
            self._loop.remove_reader(watched.fileno())

    def _expired(self, watched: TimerFd) -> None:
        """Go on when the time has come of the timer that the loop watches."""
        # Another callback in this turn of the loop may have set it again.
        if watched.expired():
            self._fire()

    def _fire(self) -> None:
        self._timer = None
        self._pending = False
        # The loop fires timers up to one tick of its clock too early.
        current = max(int(self._now() / STEP), self._first)
        for number in sorted(number for number in self._sets if number <= current):
            for sleeper in self._sets.pop(number):
                sleeper._deadline_near()
        if self._sets:
            self._start(min(self._sets), self._now())
        else:
            self._unwatch()


# Connections keep the timers alive, and so does a loop that has a timer of theirs.
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
        or getattr(loop.time, "__func__", None) is asyncio.BaseEventLoop.time
    )


def goes_by_system_clock(
    loop: asyncio.AbstractEventLoop, now: Callable[[], float]
) -> bool:
    """Tell whether a loop and its connections go by a clock that timers of the system have."""
    # Programs that test what depends on time put functions of their own in place.
    return (
        now is time.monotonic
        and isinstance(now, types.BuiltinFunctionType)
        and has_known_clock(loop)
    )


def timers_of(loop: asyncio.AbstractEventLoop, now: Callable[[], float]) -> Timers:
    """Return the timers that all connections of a loop share."""
    reference = known.get(loop)
    timers = None if reference is None else reference()
    if timers is None:
        timers = Timers(loop, now)
        known[loop] = weakref.ref(timers)
    return timers
