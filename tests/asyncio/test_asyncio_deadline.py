"""The deadline of what a task does: the same as asyncio's, for less."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.asyncio.helpers import run, run_jumping
from websockets.asyncio._deadline import Deadline


@asynccontextmanager
async def ours(seconds: float | None) -> Any:
    """Use ours like asyncio's."""
    deadline = Deadline(seconds)
    with deadline:
        yield lambda: deadline.expired


@asynccontextmanager
async def theirs(seconds: float | None) -> Any:
    """Use asyncio's, which says what is right."""
    async with asyncio.timeout(seconds) as deadline:
        yield deadline.expired


@pytest.fixture(params=[ours, theirs])
def timeout(request):
    return request.param


async def outcome(
    timeout: Callable[[float | None], Any], seconds: Any, work: Any
) -> Any:
    """Tell how it ends, when, and what the task is left with."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    begun = loop.time()
    result: Any = None
    try:
        async with timeout(seconds):
            result = await work()
    except (Exception, asyncio.CancelledError) as exc:
        result = type(exc), type(exc.__cause__)
    return result, round(loop.time() - begun, 1), task.cancelling()


@pytest.mark.parametrize("seconds", [None, 3, 0.2, 100, float("inf")])
def test_what_ends_in_time(timeout, seconds):
    """Nothing happens, then or later."""

    async def scenario():
        result = await outcome(timeout, seconds, lambda: asyncio.sleep(0.1, "done"))
        assert result == ("done", 0.1, 0)
        await asyncio.sleep(200)

    run_jumping(scenario)


@pytest.mark.parametrize("seconds", [0.2, 3, 100])
def test_what_takes_too_long(timeout, seconds):
    """It is cancelled at that time, and TimeoutError comes of it."""

    async def scenario():
        result = await outcome(timeout, seconds, lambda: asyncio.sleep(1000))
        assert result == ((TimeoutError, asyncio.CancelledError), seconds, 0)

    run_jumping(scenario)


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_time_at_all(timeout, seconds):
    """It is cancelled when it waits for the first time."""

    async def scenario():
        result = await outcome(timeout, seconds, lambda: asyncio.sleep(0))
        assert result == ((TimeoutError, asyncio.CancelledError), 0, 0)
        assert await outcome(timeout, seconds, instant) == ("instant", 0, 0)
        await asyncio.sleep(1)

    async def instant():
        return "instant"

    run_jumping(scenario)


def test_errors_pass(timeout):
    """Also those that come of being cancelled."""

    async def stubborn():
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            raise LookupError from None

    async def scenario():
        assert await outcome(timeout, 3, stubborn) == ((LookupError, type(None)), 3, 0)

    run_jumping(scenario)


def test_who_does_not_want_to_be_cancelled(timeout):
    """What ignores it goes on to its end, and the task is as it was."""

    async def stubborn():
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            await asyncio.sleep(2)
        return "late"

    async def scenario():
        assert await outcome(timeout, 3, stubborn) == ("late", 5, 0)

    run_jumping(scenario)


@pytest.mark.parametrize("after", [1, 3])
def test_cancelling_passes(timeout, after):
    """Somebody else cancels the task, before or at the same time."""

    async def scenario():
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(outcome(timeout, 3, lambda: asyncio.sleep(1000)))
        loop.call_later(after, task.cancel)
        result, _, cancelling = await task
        assert result == (asyncio.CancelledError, type(None))
        assert cancelling == 1

    run_jumping(scenario)


def test_who_was_cancelled_before(timeout):
    """A task that goes on after being cancelled has deadlines like any other."""

    async def scenario():
        async def go_on():
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                return await outcome(timeout, 3, lambda: asyncio.sleep(1000))

        task = asyncio.create_task(go_on())
        await asyncio.sleep(1)
        task.cancel()
        result = await task
        assert result == ((TimeoutError, asyncio.CancelledError), 3, 1)

    run_jumping(scenario)


def test_it_needs_a_task(timeout):
    """Something has to be cancelled."""

    async def scenario():
        raised = asyncio.get_running_loop().create_future()

        def without_task() -> None:
            try:
                timeout(3).__aenter__().send(None)
            except RuntimeError as exc:
                raised.set_result(str(exc))

        asyncio.get_running_loop().call_soon(without_task)
        assert "task" in await raised

    run(scenario)


def test_it_tells_that_it_expired(timeout):
    """Other errors of that type come from elsewhere."""

    async def scenario():
        with pytest.raises(TimeoutError):
            async with timeout(3) as expired:
                raise TimeoutError
        assert not expired()
        with pytest.raises(TimeoutError):
            async with timeout(3) as expired:
                await asyncio.sleep(1000)
        assert expired()

    run_jumping(scenario)


def test_nothing_stays():
    """When it's over, nobody holds it, nor the task."""

    async def scenario():
        async def work():
            with Deadline(60):
                await asyncio.sleep(0)

        task = asyncio.create_task(work())
        await task
        gone = weakref.ref(task)
        del task
        await asyncio.sleep(0)
        assert gone() is None

    gc.disable()
    try:
        run(scenario)
    finally:
        gc.enable()
