"""Servers: closing, gracefully and in bounded time."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest

from tests.asyncio.helpers import (
    LOOPS,
    REQUEST,
    raw_client,
    run,
    run_jumping,
    run_on,
    serving,
    steps,
    until,
    uri_of,
)
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import (
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidMessage,
    ProtocolError,
)
from websockets.protocol import State


every_loop = pytest.mark.parametrize("loop", LOOPS)


@pytest.fixture(autouse=True)
def info_logs(caplog):
    caplog.set_level(logging.INFO, "websockets.server")


@every_loop
def test_closing_tells_clients(loop):
    """close() closes connections with its code and reason, and awaits handlers."""

    async def scenario():
        ended = []

        async def handler(websocket):
            await websocket.wait_closed()
            await steps()
            ended.append(websocket.close_code)

        server = await serving(handler)
        websocket = await connect(uri_of(server))
        server.close(code=1012, reason="bye")
        with pytest.raises(ConnectionClosedError, match="service restart"):
            await websocket.recv()
        assert websocket.close_reason == "bye"
        await server.wait_closed()
        assert ended == [1012]

    run_on(loop, scenario)


def test_closing_checks_its_arguments():
    """A reserved code and a long reason show at once, and nothing is closed."""

    async def scenario():
        async with serving() as server:
            with pytest.raises(ProtocolError):
                server.close(code=1006)
            with pytest.raises(ProtocolError):
                server.close(reason="é" * 62)
            assert server.is_serving()

    run(scenario)


def test_closing_spares_connections():
    """close(close_connections=False) waits until clients leave."""

    async def scenario():
        server = await serving()
        async with connect(uri_of(server)) as websocket:
            server.close(close_connections=False)
            await steps(20)
            await websocket.send("still here")
            assert await websocket.recv() == "still here"
            assert not server.is_serving()
        await server.wait_closed()
        assert websocket.close_code == 1000

    run(scenario)


def test_handshakes_during_shutdown_get_503():
    """A request that arrives while the server closes is refused."""

    async def scenario():
        server = await serving()
        async with raw_client(server) as (reader, writer):
            await until(lambda: server.opening)
            server.close()
            await steps()
            writer.write(REQUEST)
            response = await reader.read()
            assert response.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
            assert response.endswith(b"\r\n\r\nServer is shutting down.\n")
        await server.wait_closed()

    run(scenario)


def test_connection_that_opens_during_shutdown_is_closed():
    """A connection that was promised before close() is closed without calling the handler."""

    async def scenario():
        called = []

        async def handler(websocket):
            called.append(websocket)

        class Slow(ServerConnection):
            async def handshake(self, *args, **kwargs):
                await super().handshake(*args, **kwargs)
                self.server.close()

        server = await serving(handler, create_connection=Slow)
        websocket = await connect(uri_of(server))
        with pytest.raises(ConnectionClosedOK, match="1001"):
            await websocket.recv()
        await server.wait_closed()
        assert not called

    run(scenario)


def test_silent_clients_cannot_hold_up_shutdown():
    """A client that never sends a request is dropped close_timeout after close()."""

    async def scenario():
        server = await serving(open_timeout=None, close_timeout=5)
        async with raw_client(server) as (reader, _):
            await until(lambda: server.opening)
            start = server.get_loop().time()
            server.close()
            assert await reader.read() == b""
            await server.wait_closed()
            assert 5 <= server.get_loop().time() - start < 6

    run_jumping(scenario)


def test_clients_that_ignore_closing_cannot_hold_up_shutdown():
    """A client that doesn't answer a Close is dropped close_timeout after close()."""

    async def scenario():
        server = await serving(close_timeout=5, ping_interval=None)
        async with raw_client(server) as (reader, writer):
            writer.write(REQUEST)
            await reader.readuntil(b"\r\n\r\n")
            await until(lambda: server.connections)
            start = server.get_loop().time()
            server.close()
            assert await reader.read() == b"\x88\x02\x03\xe9"
            await server.wait_closed()
            assert server.get_loop().time() - start < 6

    run_jumping(scenario)


def test_clients_that_leave_the_response_unread_cannot_hold_up_shutdown():
    """A connection whose response can't be sent isn't open yet, and ends in time."""

    async def scenario():
        def swell(connection, request, response):
            response.headers["X-Large"] = "x" * 2**24

        server = await serving(process_response=swell, close_timeout=5)
        async with raw_client(server) as (reader, writer):
            reader._transport.pause_reading()
            writer.write(REQUEST)
            await until(lambda: [c for c in server.all_connections if c.response])
            (connection,) = server.all_connections
            assert connection.state is State.OPEN
            assert not server.connections
            broadcast([connection], "too early")
            waiting = asyncio.create_task(connection.wait_closed())
            server.close()
            await server.wait_closed()
            await waiting

    run_jumping(scenario)


def test_closing_in_a_callback():
    """close() in process_request drops the connection, and doesn't wait for itself."""

    async def scenario():
        async def process_request(connection, request):
            await connection.close()
            await steps()

        async with serving(process_request=process_request) as server:
            with pytest.raises((InvalidMessage, OSError)):
                await connect(uri_of(server))

    run(scenario)


def test_shutdown_without_deadline_awaits_openings():
    """Without close_timeout, shutdown waits for clients as long as open_timeout lets it."""

    async def scenario():
        server = await serving(open_timeout=20, close_timeout=None)
        async with raw_client(server) as (reader, _):
            await until(lambda: server.opening)
            server.close()
            assert await reader.read() == b""
            await server.wait_closed()

    run_jumping(scenario)


def test_cancelled_handlers_cannot_leave_connections():
    """A handler that was cancelled twice leaves its connection to the server's shutdown."""

    async def scenario():
        server = await serving(close_timeout=5, ping_interval=None)
        async with raw_client(server) as (reader, writer):
            writer.write(REQUEST)
            await reader.readuntil(b"\r\n\r\n")
            await until(lambda: server.handler_tasks)
            (task,) = server.handler_tasks
            task.cancel()
            await steps()
            task.cancel()
            await asyncio.wait([task])
            assert len(server.all_connections) == 1
            server.close(close_connections=False)
            await server.wait_closed()
            assert not server.all_connections

    run_jumping(scenario)


def test_connections_accepted_after_shutdown_are_dropped():
    """A connection that asyncio hands over when all is done is aborted."""

    async def scenario():
        acceptors = []
        server = serving()
        create_server = asyncio.get_running_loop().create_server

        async def spy(factory, *args, **kwargs):
            acceptors.append(factory)
            return await create_server(factory, *args, **kwargs)

        asyncio.get_running_loop().create_server = spy
        async with server:
            pass
        one, other = socket.socketpair()
        with other:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_connection(acceptors[0], sock=one)
            assert transport.is_closing()
            await steps()
            # uvloop has closed the descriptor, and forgets to tell the object.
            one.detach()

    run(scenario)
