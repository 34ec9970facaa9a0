"""The timer that a loop watches like a socket, in the place of one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import time
import weakref

import pytest

from tests.asyncio.helpers import run_on, run_own, serving, uri_of
from tests.asyncio.test_asyncio_timers import Sleeper
from tests.loops import LOOPS
from websockets.asyncio import _direct, _timers
from websockets.asyncio._direct import direct_timer
from websockets.asyncio._timers import Timers, clock_of, has_known_clock, timers_of
from websockets.asyncio.client import connect


class Bell:
    """A timer that the test lets expire."""

    latest: weakref.ReferenceType[Bell]

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe2(os.O_NONBLOCK)
        self.deadlines: list[float] = []
        Bell.latest = weakref.ref(self)

    def __del__(self) -> None:
        os.close(self.reading)
        os.close(self.writing)

    def fileno(self) -> int:
        return self.reading

    def set(self, deadline: float) -> None:
        self.deadlines.append(deadline)

    def expired(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            return bool(os.read(self.reading, 1))
        return False

    def ring(self) -> None:
        os.write(self.writing, b"!")


@pytest.fixture
def bells(monkeypatch):
    """Have loops watch what the test lets expire."""
    monkeypatch.setattr(_timers, "direct_timer", lambda loop: Bell)


def own_timers(loop):
    """Return the timers that asyncio's loop has itself."""
    return [timer for timer in loop._scheduled if not timer.cancelled()]


def test_loops_have_no_timer_of_their_own():
    """With connections that are idle, asyncio's loop has nothing to compute."""

    async def scenario():
        loop = asyncio.get_running_loop()
        if direct_timer(loop) is None:
            pytest.skip("needs the extension, on Linux, and its transports")
        before = own_timers(loop)
        async with serving() as server, connect(uri_of(server)) as websocket:
            await websocket.send("hello")
            assert await websocket.recv() == "hello"
            assert own_timers(loop) == before

    run_own(scenario)


def deadlines(loop, *seconds):
    timers = timers_of(loop, clock_of(loop))
    sleepers = [Sleeper(timers, loop) for _ in seconds]
    for sleeper, each in zip(sleepers, seconds, strict=True):
        sleeper.set(time.monotonic() + each)
    return timers, sleepers


@pytest.mark.parametrize("name", LOOPS)
def test_deadlines_by_the_timer_of_the_system(monkeypatch, name):
    """They come in time, in any order; the timer ends with the last of them."""
    monkeypatch.setattr(_timers, "STEP", 0.001)

    async def scenario():
        loop = asyncio.get_running_loop()
        timers, sleepers = deadlines(loop, 0.012, 0.004, 0.008)
        while not all(sleeper.reached for sleeper in sleepers):
            await asyncio.sleep(0)
        assert timers._watched is None
        for sleeper in sleepers:
            assert sleeper.near
            # Loops fire a little early; uvloop's clock ticks in milliseconds.
            assert sleeper.reached[0] > sleeper.deadline - 0.005

    run_on(name, scenario)


@pytest.mark.parametrize("name", LOOPS)
def test_a_deadline_for_all_that_are_watched(bells, name):
    """The timer is set for the first deadline, and again when it has passed."""

    async def scenario():
        loop = asyncio.get_running_loop()
        timers, (later, first, last) = deadlines(loop, 20, 10, 30)
        bell = Bell.latest()
        begins = [sleeper.alarm * _timers.STEP for sleeper in (later, first)]
        assert bell.deadlines == begins
        bell.ring()
        while not first.near:
            await asyncio.sleep(0)
        assert not later.near
        assert not last.near
        assert bell.deadlines[-1] == first.alarm * _timers.STEP
        for sleeper in (later, first, last):
            sleeper.cancel()
        # A connection may follow soon.
        assert timers._watch() is bell
        bell.ring()
        gone = weakref.ref(bell)
        del bell
        while gone() is not None:
            await asyncio.sleep(0)

    run_on(name, scenario)


@pytest.mark.parametrize("name", LOOPS)
def test_a_timer_that_was_set_again(bells, name):
    """Nobody is told of a deadline when the time of an earlier one has passed."""

    async def scenario():
        timers, (sleeper,) = deadlines(asyncio.get_running_loop(), 20)
        timers._expired(Bell.latest())
        assert not sleeper.near

    run_on(name, scenario)


@pytest.mark.parametrize("factory", [LOOPS["asyncio"][0], LOOPS["uvloop"][0]])
def test_timers_end_when_their_loop_is_closed(bells, factory):
    """Then the descriptor is closed, whoever has a deadline left."""
    loop = factory()
    timers, _sleepers = deadlines(loop, 20)
    assert Bell.latest() is not None
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert Bell.latest() is None
    assert timers is timers_of(loop, clock_of(loop))


def test_timers_end_with_a_loop_that_was_not_closed(bells):
    """Nothing keeps a loop that nobody uses any more."""
    loop = asyncio.SelectorEventLoop()
    gone = weakref.ref(loop)
    deadlines(loop, 20)
    del loop
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        gc.collect()
    assert gone() is None
    assert Bell.latest() is None


@pytest.mark.parametrize("name", LOOPS)
def test_no_descriptor_to_spare(monkeypatch, name):
    """The loop's own timer does as well."""

    def make():
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(_timers, "STEP", 0.001)
    monkeypatch.setattr(_timers, "direct_timer", lambda loop: make)

    async def scenario():
        timers, sleepers = deadlines(asyncio.get_running_loop(), 0.008, 0.004)
        assert timers._timer is not None
        while not all(sleeper.reached for sleeper in sleepers):
            await asyncio.sleep(0)

    run_on(name, scenario)


def test_a_clock_put_in_place(monkeypatch, bells):
    """A program that plays with time plays with deadlines, too."""

    async def scenario():
        loop = asyncio.get_running_loop()
        timers, (sleeper,) = deadlines(loop, 20)
        monotonic = time.monotonic
        with monkeypatch.context() as patch:
            patch.setattr(time, "monotonic", lambda: monotonic() + 1)
            timers.set(Sleeper(timers, loop), monotonic() + 10)
            assert Bell.latest() is None
            assert timers._timer is not None
            later = Timers(loop, time.monotonic)
            later.set(Sleeper(later, loop), time.monotonic() + 10)
            assert later._timer is not None
            later._timer.cancel()
        timers.set(sleeper, monotonic() + 5)
        assert Bell.latest() is not None
        assert timers._timer is None

    run_own(scenario)


def test_a_clock_of_one_loop():
    """It may be the loop's class that has a clock of its own, or the loop."""
    with contextlib.closing(asyncio.SelectorEventLoop()) as loop:
        assert has_known_clock(loop)
        assert clock_of(loop) is time.monotonic
        loop.time = lambda: 1.0
        assert not has_known_clock(loop)
        assert clock_of(loop)() == 1


class OwnWatching(asyncio.SelectorEventLoop):
    """A loop that watches descriptors in its own way."""

    def add_reader(self, *args):
        super().add_reader(*args)


def test_a_loop_that_watches_as_usual(monkeypatch):
    """It watches the timers that there are."""
    monkeypatch.setattr(_direct, "timer", Bell)
    with contextlib.closing(asyncio.SelectorEventLoop()) as loop:
        assert direct_timer(loop) is Bell


def test_a_loop_that_watches_in_its_own_way(monkeypatch):
    """It has a timer of its own."""
    monkeypatch.setattr(_direct, "timer", Bell)
    with contextlib.closing(OwnWatching()) as loop:
        assert direct_timer(loop) is None
        timers, _ = deadlines(loop, 20)
        assert timers._watched is None
        assert timers._timer is not None
        timers._timer.cancel()
