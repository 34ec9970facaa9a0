"""The deadlines that connections of a loop share timers for."""

from __future__ import annotations

import asyncio
import gc
import weakref
from unittest import mock

import pytest

from tests.asyncio.helpers import run_jumping
from tests.asyncio.test_asyncio_shortcuts import talking
from tests.faces.clock import JumpingLoop
from websockets.asyncio._timers import HORIZON, STEP, Timers, known, timers_of


class Sleeper:
    """Somebody with a deadline, who notes when the methods are called."""

    def __init__(self, timers: Timers, loop: asyncio.AbstractEventLoop) -> None:
        self.timers = timers
        self.loop = loop
        self.near: list[float] = []
        self.reached: list[float] = []

    def set(self, deadline: float) -> None:
        self.deadline = deadline
        self.alarm = self.timers.set(self, deadline)

    def cancel(self) -> None:
        self.timers.cancel(self, self.alarm)

    def _deadline_near(self) -> None:
        self.near.append(self.loop.time())
        self.set(self.deadline)

    def _deadline_reached(self) -> None:
        self.reached.append(self.loop.time())


class Night:
    """A loop whose clock jumps, and those who sleep in it."""

    def __init__(self) -> None:
        self.loop = JumpingLoop()
        self.timers = timers_of(self.loop, self.loop.time)

    def sleeper(self, deadline: float) -> Sleeper:
        sleeper = Sleeper(self.timers, self.loop)
        sleeper.set(self.loop.time() + deadline)
        return sleeper

    def run(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def scheduled(self) -> int:
        """Return the number of timers that the loop has."""
        return len([timer for timer in self.loop._scheduled if not timer.cancelled()])


@pytest.fixture
def night():
    night = Night()
    yield night
    night.loop.close()


@pytest.mark.parametrize("seconds", [-1, 0, 0.1, 2 * STEP, 1, 20, 2.5 * HORIZON])
def test_deadlines_are_exact(night, seconds):
    """However far ahead a deadline is, its method is called then, and once."""
    sleeper = night.sleeper(seconds)
    night.run(max(seconds, 0) + 1)
    (reached,) = sleeper.reached
    assert reached == pytest.approx(sleeper.deadline + max(-seconds, 0), abs=0.05)


def test_many_deadlines_share_a_timer(night):
    """A thousand connections with deadlines far ahead take one timer of the loop."""
    sleepers = [night.sleeper(20 + i / 1000) for i in range(1000)]
    assert night.scheduled() == 1
    night.run(22)
    assert all(len(sleeper.reached) == 1 for sleeper in sleepers)
    assert night.scheduled() == 0


def test_deadlines_in_any_order(night):
    """A deadline that comes before all others moves the timer."""
    sleepers = [night.sleeper(seconds) for seconds in (30, 10, 20, 5, 40)]
    night.run(12)
    assert [len(sleeper.reached) for sleeper in sleepers] == [0, 1, 0, 1, 0]
    night.run(30)
    assert [len(sleeper.reached) for sleeper in sleepers] == [1] * 5


@pytest.mark.parametrize("seconds", [0.1, 5])
def test_cancelled_deadlines(night, seconds):
    """After cancel() no method is called, and nobody is kept alive."""
    sleepers = [night.sleeper(seconds) for _ in range(2)]
    for sleeper in sleepers:
        sleeper.cancel()
    night.run(seconds + 1)
    assert not any(sleeper.near or sleeper.reached for sleeper in sleepers)
    ended = weakref.ref(sleepers.pop())
    del sleeper
    gc.collect()
    assert ended() is None


def test_deadline_far_ahead_is_looked_at_again(night):
    """The number of sets is bounded: nobody waits for more than a minute in one."""
    sleeper = night.sleeper(100 * HORIZON)
    night.run(HORIZON + 1)
    assert len(sleeper.near) == 1
    assert sleeper.reached == []


def test_timers_end_with_their_loop():
    """Nothing keeps a loop that nobody uses any more, not even deadlines left in it."""
    loop = JumpingLoop()
    ended = weakref.ref(loop)
    sleeper = Sleeper(timers_of(loop, loop.time), loop)
    sleeper.set(loop.time() + 20)
    assert timers_of(loop, loop.time) is sleeper.timers
    loop.close()
    del loop, sleeper
    gc.collect()
    assert ended() is None
    assert len([timers for timers in known.values() if timers() is not None]) == 0


@pytest.mark.parametrize(("seconds", "alarms"), [(0, 1), (5, 1), (15, 2)])
def test_closing_soon_needs_no_other_alarm(seconds, alarms):
    """The first alarm, for keepalive, is early enough; closing takes as long as it may."""

    async def scenario():
        loop = asyncio.get_running_loop()
        with mock.patch.object(
            Timers, "set", autospec=True, side_effect=Timers.set
        ) as set_:
            async with talking(ping_interval=20, close_timeout=10) as (connection, _):
                await asyncio.sleep(seconds)
                start = loop.time()
                closing = asyncio.ensure_future(connection.close())
                await asyncio.sleep(0)
                assert set_.call_count == alarms
                await closing
                assert loop.time() - start == pytest.approx(10, abs=0.05)

    run_jumping(scenario)


@pytest.mark.parametrize("close_timeout", [0.1, 10, 30, None])
def test_keepalive_is_due_when_it_is_due(close_timeout):
    """Whatever the first alarm is good for, pings leave after ping_interval."""

    async def scenario():
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with talking(close_timeout=close_timeout) as (connection, peer):
            peer.setblocking(False)
            await loop.sock_recv(peer, 100)
            assert loop.time() - start == pytest.approx(20, abs=0.05)
            connection.abort()

    run_jumping(scenario)
