"""What a task waits for, native or not, has what tasks use of a future."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

from tests.asyncio.helpers import LOOPS, run_on, steps
from tests.asyncio.test_asyncio_shortcuts import talking
from websockets.asyncio._native import choose_waiter
from websockets.asyncio._waiting import DONE, Waiter


KINDS = [Waiter]
if choose_waiter() not in {None, Waiter}:
    KINDS.append(choose_waiter())

every_kind = pytest.mark.parametrize("kind", KINDS)
every_loop = pytest.mark.parametrize("loop", LOOPS)


async def wait_for(waiter: Any, log: list[object]) -> None:
    await waiter
    log.append("on")


@every_kind
@every_loop
def test_a_task_goes_on_within_the_callback(kind, loop):
    """It runs in its own context, and who fires goes on when it waits again."""
    variable = contextvars.ContextVar("variable", default="outside")

    async def wait(waiter, log):
        variable.set("inside")
        await waiter
        log.append(variable.get())

    async def scenario():
        loop = asyncio.get_running_loop()
        waiter = kind(loop)
        log: list[object] = []
        task = asyncio.create_task(wait(waiter, log))
        await steps(1)
        assert not waiter.done()
        loop.call_soon(lambda: (waiter.fire(), log.append(variable.get())))
        await task
        assert log == ["inside", "outside"]
        assert waiter.done()
        assert not waiter.cancelled()
        assert waiter.result() is None
        assert await waiter is None

    run_on(loop, scenario)


@every_kind
@every_loop
def test_firing_within_a_task(kind, loop):
    """One task doesn't run inside another."""

    async def scenario():
        waiter = kind(asyncio.get_running_loop())
        log: list[object] = []
        task = asyncio.create_task(wait_for(waiter, log))
        await steps(1)
        waiter.fire()
        waiter.fire()
        assert log == []
        log.append("fired")
        await task
        assert log == ["fired", "on"]

    run_on(loop, scenario)


@every_kind
def test_firing_without_a_running_loop(kind):
    """The task runs when the loop does."""
    loop = asyncio.new_event_loop()
    waiter = kind(loop)
    log: list[object] = []
    task = loop.create_task(wait_for(waiter, log))
    loop.run_until_complete(steps(1))
    waiter.fire()
    loop.run_until_complete(task)
    assert log == ["on"]
    loop.close()


@every_kind
@every_loop
def test_firing_before_anybody_waits(kind, loop):
    """Who comes later doesn't wait."""

    async def scenario():
        loop = asyncio.get_running_loop()
        waiter = kind(loop)
        waiter.fire()
        await waiter
        called = loop.create_future()
        waiter.add_done_callback(called.set_result)
        assert not called.done()
        assert await called is waiter

    run_on(loop, scenario)


@every_kind
@every_loop
def test_firing_in_the_context_of_the_task(kind, loop):
    """A context can't be entered twice: the task has its turn."""

    async def scenario():
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        waiter = kind(loop)
        log: list[object] = []
        task = loop.create_task(wait_for(waiter, log), context=context)
        await steps(1)
        loop.call_soon(lambda: (waiter.fire(), log.append("fired")), context=context)
        await task
        assert log == ["fired", "on"]

    run_on(loop, scenario)


@every_kind
@every_loop
def test_a_result_is_set_once(kind, loop):
    """It's like a future in that; the task that waits has its turn."""

    async def scenario():
        waiter = kind(asyncio.get_running_loop())
        log: list[object] = []
        task = asyncio.create_task(wait_for(waiter, log))
        await steps(1)
        waiter.set_result(None)
        assert log == []
        with pytest.raises(asyncio.InvalidStateError):
            waiter.set_result(None)
        await task
        assert log == ["on"]

    run_on(loop, scenario)


@every_kind
@every_loop
@pytest.mark.parametrize("message", [(), ("why",)])
def test_cancelling(kind, loop, message):
    """The exception has the message, if there is one."""

    async def scenario():
        waiter = kind(asyncio.get_running_loop())
        task = asyncio.create_task(wait_for(waiter, []))
        await steps(1)
        task.cancel(*message)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert waiter.cancelled()
        assert not waiter.cancel()
        with pytest.raises(asyncio.CancelledError) as raised:
            waiter.result()
        assert raised.value.args == message
        with pytest.raises(asyncio.CancelledError) as raised:
            await waiter
        assert raised.value.args == message

    run_on(loop, scenario)


@every_kind
@every_loop
def test_misusing(kind, loop):
    """It's for one task, and over once."""

    async def scenario():
        loop = asyncio.get_running_loop()
        waiter = kind(loop)
        assert waiter.get_loop() is loop
        with pytest.raises(asyncio.InvalidStateError, match="not set"):
            waiter.result()
        waiter.add_done_callback(print)
        with pytest.raises(RuntimeError, match="waiting for this already"):
            waiter.add_done_callback(repr)
        assert waiter.remove_done_callback(repr) == 0
        assert waiter.remove_done_callback(print) == 1
        assert waiter.remove_done_callback(print) == 0
        waiter.set_result(None)
        with pytest.raises(asyncio.InvalidStateError, match="already set"):
            waiter.set_result(None)

    run_on(loop, scenario)


@every_loop
@pytest.mark.parametrize("at_once", [False, True])
def test_receiving_in_python(loop, at_once):
    """Where there's no native form of recv(), its task is run at once, too, or isn't."""

    async def receive(connection, log):
        while True:
            log.append(await connection.recv())

    async def scenario():
        async with talking(logged=True) as (connection, _):
            log: list[object] = []

            def arrive(data):
                connection._receive(data, at_once)
                log.append("arrived")

            running = asyncio.get_running_loop()
            task = asyncio.create_task(receive(connection, log))
            await steps(1)
            running.call_soon(arrive, b"\x82\x01x\x82\x01y")
            await steps(2)
            expected = [b"x", b"y", "arrived"]
            if not at_once or running.get_debug() or choose_waiter() is None:
                expected = ["arrived", b"x", b"y"]
            assert log == expected
            task.cancel()
            await asyncio.wait([task])

    run_on(loop, scenario)


def test_what_tasks_are_woken_with():
    """It's a future that is done; cancelling tasks and tracing programs may ask it."""
    assert DONE.result() is None
    assert DONE.get_loop().get_debug() is False
