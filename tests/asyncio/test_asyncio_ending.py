"""How tasks wait, and go on when a connection opens or ends, in as few turns as possible."""

from __future__ import annotations

import asyncio
import gc
import sys
import types
from typing import Any

import pytest

from tests.asyncio.helpers import LOOPS, run_on, run_own, serving, steps, until, uri_of
from tests.asyncio.test_asyncio_shortcuts import talking
from tests.loops import PATIENCE
from tests.native.test_misuse import fresh_module
from websockets.asyncio import _direct, _native, _waiters, _waiting
from websockets.asyncio._native import choose_waiter
from websockets.asyncio._waiters import Waiters, fire, new_waiter
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed, ConnectionClosedError


Waiter: Any = choose_waiter()
needs_waiter = pytest.mark.skipif(Waiter is None, reason="futures are used")
every_loop = pytest.mark.parametrize("loop", LOOPS)


async def wait_for(waiter: Any, log: list[str]) -> None:
    await waiter
    log.append("on")


# -- what one waits for


@needs_waiter
def test_waiters_need_asyncio():
    """The native code has to know which task is running."""
    with pytest.raises(RuntimeError, match=r"after bind\(\)"):
        fresh_module().Waiter(None)
    with pytest.raises(TypeError):
        Waiter()


@every_loop
def test_futures_are_fired_in_their_turn(loop):
    """In debug mode and without native code, tasks wait for futures."""

    async def scenario():
        asyncio.get_running_loop().set_debug(True)
        waiter = new_waiter(asyncio.get_running_loop())
        assert isinstance(waiter, asyncio.Future)
        log: list[str] = []
        task = asyncio.create_task(wait_for(waiter, log))
        await steps(1)
        fire(waiter)
        fire(waiter)
        assert log == []
        await task

    run_on(loop, scenario)


class Fired(asyncio.Future):
    """What native code would give, as far as it matters here."""

    def __init__(self, loop):
        super().__init__(loop=loop)

    def fire(self):
        self.set_result(None)


def test_what_is_waited_for(monkeypatch):
    """It's native, if there's native code."""
    monkeypatch.setattr(_native, "DIRECT_WAKE", False)
    assert choose_waiter() is None
    monkeypatch.setattr(_native, "DIRECT_WAKE", True)
    monkeypatch.setattr(_native, "NATIVE", False)
    assert choose_waiter() is _waiting.Waiter
    monkeypatch.setattr(_native, "NATIVE", True)
    speedups = types.SimpleNamespace(Waiter=Fired)
    monkeypatch.setitem(sys.modules, "websockets.speedups", speedups)
    assert choose_waiter() is Fired
    monkeypatch.setattr(_waiters, "Waiter", Fired)

    async def scenario():
        waiter = new_waiter(asyncio.get_running_loop())
        assert type(waiter) is Fired
        fire(waiter)
        assert waiter.done()

    run_own(scenario)


class Exiting(Fired):
    """What the first task that is run at once does to the others, played by the waiter."""

    def fire(self):
        super().fire()
        raise SystemExit


def test_everybody_is_woken_when_one_exits(monkeypatch):
    """Those who are left go on when the loop runs again."""
    monkeypatch.setattr(_waiters, "Waiter", Exiting)

    async def scenario():
        loop = asyncio.get_running_loop()
        waiters = Waiters()
        log: list[str] = []
        tasks = [
            asyncio.create_task(wait_for(waiters.wait(loop), log)) for _ in range(3)
        ]
        await steps(1)
        with pytest.raises(SystemExit):
            waiters.fire()
        assert log == []
        await asyncio.gather(*tasks)
        assert log == ["on"] * 3

    run_own(scenario)


@every_loop
def test_everybody_is_fired(loop):
    """Several may wait for the same; those who come later wait for the next time."""

    async def scenario():
        loop = asyncio.get_running_loop()
        waiters = Waiters()
        waiters.fire()
        log: list[str] = []
        tasks = [
            asyncio.create_task(wait_for(waiters.wait(loop), log)) for _ in range(3)
        ]
        await steps(1)
        loop.call_soon(waiters.fire)
        await asyncio.gather(*tasks)
        assert log == ["on"] * 3

    run_on(loop, scenario)


# -- the end of a connection


class Held(Connection):
    """A connection whose transport is going to tell about the end."""

    _ending = True


@every_loop
def test_the_transport_tells_when_all_is_over(loop):
    """Who waits for the end goes on when the transport has let go of everything."""

    async def scenario():
        async with talking(Held) as (connection, _):
            waiting = asyncio.create_task(connection.wait_closed())
            await steps()
            connection.abort()
            await steps()
            assert not waiting.done()
            connection._ended()
            await waiting

    run_on(loop, scenario)


@every_loop
def test_the_socket_is_closed_when_a_task_goes_on(loop):
    """What close() waits for includes the socket, on both sides."""
    closed = []

    async def handler(websocket):
        sock = websocket.transport.get_extra_info("socket")
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
        closed.append((sock.fileno(), len(websocket.server.all_connections)))

    async def scenario():
        async with serving(handler) as server:
            connection = await connect(uri_of(server))
            sock = connection.transport.get_extra_info("socket")
            await connection.close()
            assert sock.fileno() == -1
        assert closed == [(-1, 0)]

    run_on(loop, scenario)


class Failing(ClientConnection):
    """A connection of a program that makes a mistake."""

    def connection_lost(self, exc):
        super().connection_lost(exc)
        raise LookupError("mistake")


@every_loop
def test_a_mistake_at_the_end(loop):
    """The loop's handler is told, and nobody waits in vain."""
    told = []

    async def scenario():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context))
        async with serving() as server:
            connection = await connect(uri_of(server), create_connection=Failing)
            await connection.close()
            assert connection.close_code == 1000
            await steps()

    run_on(loop, scenario)
    assert [str(context["exception"]) for context in told] == ["mistake"]
    assert all("Exception in callback" in context["message"] for context in told)


class Interrupting(ClientConnection):
    """A connection that is interrupted at its end."""

    def connection_lost(self, exc):
        super().connection_lost(exc)
        raise KeyboardInterrupt


def test_an_interruption_at_the_end():
    """It stops the loop, as everywhere; who waits goes on when the loop does."""

    async def talk(server):
        connection = await connect(uri_of(server), create_connection=Interrupting)
        await connection.close()

    async def start():
        return await serving()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(start())
    task = loop.create_task(talk(server))
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    loop.run_until_complete(task)
    server.close()
    loop.run_until_complete(server.wait_closed())
    loop.close()


async def exit_when_lost(connection, receiving):
    """Stop the program when a connection ends."""
    if receiving:
        with pytest.raises(ConnectionClosed):
            await connection.recv()
    else:
        await connection.wait_closed()
    raise SystemExit("lost")


@pytest.mark.parametrize("receiving", [False, True])
def test_who_stops_the_loop_at_the_end(receiving):
    """Others who wait for the same end aren't forgotten: they go on when the loop does."""

    async def start():
        server = await serving()
        return server, await connect(uri_of(server))

    async def drop():
        await steps()
        for peer in server.connections:
            peer.abort()
        await asyncio.Event().wait()

    async def finish():
        async with asyncio.timeout(PATIENCE):
            await waiting

    loop = asyncio.new_event_loop()
    server, connection = loop.run_until_complete(start())
    exiting = loop.create_task(exit_when_lost(connection, receiving))
    waiting = loop.create_task(connection.wait_closed())
    dropping = loop.create_task(drop())
    with pytest.raises(SystemExit, match="lost"):
        loop.run_until_complete(dropping)
    assert not waiting.done()
    loop.run_until_complete(finish())
    with pytest.raises(SystemExit):
        exiting.result()
    dropping.cancel()
    server.close()
    loop.run_until_complete(server.wait_closed())
    loop.close()


@every_loop
@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe9"])
def test_iteration_ends_when_the_peer_closes(payload, loop):
    """Messages before a regular Close are iterated over; then it's over, for good."""

    async def scenario():
        async with talking() as (connection, peer):
            waiting = asyncio.ensure_future(anext(connection))
            await steps(1)
            peer.send(b"\x81\x01a\x81\x01b" + bytes((0x88, len(payload))) + payload)
            assert await waiting == "a"
            peer.close()
            await connection.wait_closed()
            assert [message async for message in connection] == ["b"]
            for _ in range(2):
                with pytest.raises(StopAsyncIteration):
                    await anext(connection)

    run_on(loop, scenario)


@every_loop
@pytest.mark.parametrize(
    "data",
    [b"\x88\x02\x03\xf3", b"\x81\x01\xff\x88\x00", b"\x01\x01a", b""],
    ids=["an error's code", "bad text", "half a message", "no Close"],
)
def test_iteration_that_fails(data, loop):
    """When the connection ends in another way, iterating raises the reason, every time."""

    async def scenario():
        async with talking() as (connection, peer):
            peer.send(data)
            peer.close()
            await connection.wait_closed()
            for _ in range(2):
                with pytest.raises(ConnectionClosedError):
                    await anext(connection)

    run_on(loop, scenario)


@pytest.mark.skipif(
    _direct.transports is None or Waiter is None, reason="it's about native transports"
)
def test_turns_of_the_loop():
    """A task goes on where the response, or the end, arrives: no turn is spent on it."""

    async def scenario():
        loop = asyncio.get_running_loop()
        async with serving() as server:
            plain = asyncio.Event()
            turns = 0

            def count():
                nonlocal turns
                turns += 1
                if not plain.is_set():
                    loop.call_soon(count)

            connection = await connect(uri_of(server))
            arrived = []
            original = connection.connection_lost

            def lost(exc):
                arrived.append(turns)
                original(exc)

            connection.connection_lost = lost
            loop.call_soon(count)
            await connection.close()
            assert arrived == [turns]
            plain.set()

    run_own(scenario)


@every_loop
def test_connections_leave_no_garbage(loop):
    """What's over is freed at once: a collector would have to look at all objects for it."""

    async def scenario():
        async with serving() as server:

            async def talk():
                async with connect(uri_of(server)) as connection:
                    await connection.send("hello")
                    await connection.recv()
                    await (await connection.ping())

            await talk()
            await until(lambda: not server.handler_tasks)
            gc.collect()
            gc.disable()
            try:
                await talk()
                await until(lambda: not server.handler_tasks)
                gc.set_debug(gc.DEBUG_SAVEALL)
                gc.collect()
                left = {type(each).__module__ for each in gc.garbage}
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()
        assert not [name for name in left if name.startswith("websockets")]

    run_on(loop, scenario)
