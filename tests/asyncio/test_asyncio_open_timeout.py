"""Servers: the time that clients have to open a connection, of many clients at once."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref

from tests.asyncio.helpers import (
    REQUEST,
    port_of,
    run_jumping,
    serving,
    steps,
    until,
)


async def lifetime(server, request=b""):
    """Connect, say something, and return the time until the server ends it."""
    loop = server.get_loop()
    start = loop.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    writer.write(request)
    while await reader.read(1000):
        pass
    writer.close()
    return loop.time() - start


async def in_turn(server, *requests):
    """Have clients connect 3 seconds one after the other; return their lifetimes."""
    clients = []
    for request in requests:
        clients.append(asyncio.create_task(lifetime(server, request)))
        await asyncio.sleep(3)
    return await asyncio.gather(*clients)


def test_each_client_has_its_own_deadline():
    """Clients that are silent are dropped when their time is over, one by one."""

    async def scenario():
        async with serving(open_timeout=10) as server:
            lifetimes = await in_turn(server, b"", b"", b"G", b"")
            assert all(10 <= each < 10.1 for each in lifetimes)
            assert not server.opening
            # The next one comes when there was none for a while.
            await asyncio.sleep(100)
            assert 10 <= await lifetime(server) < 10.1

    run_jumping(scenario)


def test_deadlines_after_that_of_a_client_in_time():
    """Clients behind one that opened a connection have all of their time, and no more."""

    async def handler(websocket):
        await asyncio.sleep(50)

    async def scenario():
        async with serving(handler, open_timeout=10, ping_interval=None) as server:
            first, *others = await in_turn(server, REQUEST, b"", REQUEST, b"")
            assert first >= 50
            assert 10 <= others[0] < 10.1
            assert 10 <= others[2] < 10.1

    run_jumping(scenario)


def test_a_task_that_takes_time_to_end_holds_nobody_up():
    """The deadline of a client holds while a callback for another one ignores its own."""

    async def scenario():
        going_on = asyncio.Event()

        async def process_request(connection, request):
            while not going_on.is_set():
                try:
                    await going_on.wait()
                except asyncio.CancelledError:
                    cancelled.append(server.get_loop().time())
            raise asyncio.CancelledError

        cancelled = []
        async with serving(process_request=process_request, open_timeout=10) as server:
            first = asyncio.create_task(lifetime(server, REQUEST))
            await asyncio.sleep(1)
            second = asyncio.create_task(lifetime(server, REQUEST))
            await asyncio.sleep(1)
            assert 10 <= await lifetime(server) < 10.1
            assert len(cancelled) == 2
            # Nothing else is going to happen to the two.
            await asyncio.sleep(100)
            assert len(cancelled) == 2
            going_on.set()
            await asyncio.gather(first, second)
            await until(lambda: not server.opening)

    run_jumping(scenario)


def test_a_closed_server_leaves_no_deadline():
    """Nothing keeps a server when it is closed, though a deadline was far ahead."""

    async def scenario():
        server = await serving(open_timeout=1000)
        client = asyncio.create_task(lifetime(server, b"GET nonsense\r\n\r\n"))
        assert await client < 1
        opening = server.opening
        await until(lambda: not opening)
        server.close()
        await server.wait_closed()
        await steps()
        ended = weakref.ref(server)
        del server, client
        gc.collect()
        assert ended() is None

    run_jumping(scenario)


def test_an_error_of_a_logger_keeps_nobody_else_open():
    """When telling about one client fails, the others' deadlines hold, then and later."""

    class Failing(logging.LoggerAdapter):
        def debug(self, message, *args, **kwargs):
            if "handshake failed" in message:
                raise RuntimeError("disk full")

    async def scenario():
        told = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: told.append(str(context["exception"]))
        )
        logger = Failing(logging.getLogger("websockets.server"), {})
        async with serving(open_timeout=10, logger=logger) as server:
            clients = [lifetime(server), lifetime(server)]
            assert all(10 <= each < 10.1 for each in await asyncio.gather(*clients))
            assert 10 <= await lifetime(server) < 10.1
        assert told == ["disk full"] * 3

    run_jumping(scenario)
