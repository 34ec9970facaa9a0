"""Servers with so many connections that what one of them needs is fetched before."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from tests.asyncio.helpers import (
    LOOPS,
    client_context,
    run_on,
    server_context,
    serving,
    until,
    uri_of,
)
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


COUNT = 80

every_loop = pytest.mark.parametrize("loop", LOOPS)


@contextlib.asynccontextmanager
async def clients(server, tls=False):
    """Give connections to a server that were opened at the same time."""
    scheme = "wss" if tls else "ws"
    options = {"ssl": client_context()} if tls else {}
    uri = uri_of(server, scheme)
    websockets = await asyncio.gather(
        *(connect(uri, close_timeout=0.1, **options) for _ in range(COUNT))
    )
    yield websockets
    for websocket in websockets:
        websocket.abort()


@every_loop
@pytest.mark.parametrize("tls", [False, True])
def test_everybody_is_answered(loop, tls):
    """Messages that arrive together are answered, each to who sent it."""

    async def scenario():
        options = {"ssl": server_context()} if tls else {}
        async with serving(**options) as server, clients(server, tls) as websockets:
            for turn in range(3):
                for number, websocket in enumerate(websockets):
                    await websocket.send(f"{turn} {number}")
                for number, websocket in enumerate(websockets):
                    assert await websocket.recv() == f"{turn} {number}"

    run_on(loop, scenario)


@every_loop
def test_others_end_while_their_messages_wait(loop):
    """A handler may abort connections from which something has arrived already."""

    async def handler(websocket):
        with contextlib.suppress(ConnectionClosed):
            message = await websocket.recv()
            for connection in server.connections - {websocket}:
                connection.abort()
            await websocket.send(message)

    async def scenario():
        nonlocal server
        async with serving(handler) as server, clients(server) as websockets:
            for websocket in websockets:
                await websocket.send("Hello")
            results = await asyncio.gather(
                *(websocket.recv() for websocket in websockets), return_exceptions=True
            )
            assert results.count("Hello") == 1
            closed = [isinstance(each, ConnectionClosed) for each in results]
            assert closed.count(True) == COUNT - 1

    server = None
    run_on(loop, scenario)


@every_loop
def test_handlers_that_do_not_receive(loop):
    """What arrives for somebody who doesn't wait for it is kept."""

    async def handler(websocket):
        await started.wait()
        await websocket.send(await websocket.recv())

    async def scenario():
        nonlocal started
        started = asyncio.Event()
        async with serving(handler) as server, clients(server) as websockets:
            for number, websocket in enumerate(websockets):
                await websocket.send(str(number))
            started.set()
            for number, websocket in enumerate(websockets):
                assert await websocket.recv() == str(number)

    started = None
    run_on(loop, scenario)


@every_loop
def test_no_task_waits(loop):
    """What a program that drives calls itself wants to be called may be any function."""

    async def handler(websocket):
        await websocket.send(await websocket.recv())
        call = websocket.recv().__await__()
        waiting = next(call)
        waiting._asyncio_future_blocking = False
        waiting.add_done_callback(bytes.maketrans)  # a static method
        ready.append(websocket)
        await stop.wait()
        try:
            next(call)
        except StopIteration as end:
            await websocket.send(end.value)

    async def scenario():
        nonlocal stop
        stop = asyncio.Event()
        errors = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: errors.append(context["exception"])
        )
        async with serving(handler) as server, clients(server) as websockets:
            for websocket in websockets:
                await websocket.send("Hello")
            for websocket in websockets:
                assert await websocket.recv() == "Hello"
            await until(lambda: len(ready) == COUNT)
            for number, websocket in enumerate(websockets):
                await websocket.send(str(number))
            await until(lambda: len(errors) == COUNT)
            assert {type(error) for error in errors} == {TypeError}
            stop.set()
            for number, websocket in enumerate(websockets):
                assert await websocket.recv() == str(number)

    ready: list[Any] = []
    stop = None
    run_on(loop, scenario)


@every_loop
def test_tasks_of_another_class(loop):
    """What they say about their coroutine isn't asked for."""

    class Task(asyncio.Task):
        def get_coro(self):
            asked.append(self)
            return super().get_coro()

    async def scenario():
        asyncio.get_running_loop().set_task_factory(
            lambda loop, coro, **options: Task(coro, loop=loop, **options)
        )
        async with serving() as server, clients(server) as websockets:
            for turn in range(3):
                for websocket in websockets:
                    await websocket.send(f"{turn}")
                for websocket in websockets:
                    assert await websocket.recv() == f"{turn}"
            assert asked == []

    asked: list[Any] = []
    run_on(loop, scenario)
