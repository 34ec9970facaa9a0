"""Native shortcuts where several things happen at once: no message and no wake-up is lost.

Each test holds for the twin, too, which takes no shortcuts.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import socket
import ssl
import threading

import pytest

from tests.asyncio.helpers import (
    client_context,
    port_of,
    run_on,
    server_context,
    serving,
    steps,
    uri_of,
)
from tests.asyncio.test_asyncio_shortcuts import TEXT, talking
from tests.loops import LOOPS
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


loops = pytest.mark.parametrize("loop", LOOPS)


@loops
def test_fragments_behind_the_end_of_a_message(loop):
    """Who receives in a loop gets the message after one that arrived in two parts."""

    async def scenario():
        async with talking() as (connection, _):

            async def receive():
                return [await connection.recv() for _ in range(3)]

            task = asyncio.create_task(receive())
            await steps()
            running = asyncio.get_running_loop()
            running.call_soon(connection.data_received, TEXT[:4])
            await steps()
            running.call_soon(
                connection.data_received, TEXT[4:] + b"\x01\x01a\x80\x01b" + TEXT
            )
            await steps(20)
            assert task.done()
            assert task.result() == ["hello", "ab", "hello"]

    run_on(loop, scenario)


@loops
def test_data_that_a_task_hands_to_a_connection_of_its_own(loop):
    """A task may play the transport, whoever made the connection."""

    async def scenario():
        async with serving() as server, connect(uri_of(server)) as websocket:
            task = asyncio.create_task(websocket.recv())
            await steps()
            websocket.data_received(TEXT)
            assert await task == "hello"

    run_on(loop, scenario)


@loops
def test_iteration_calls_a_recv_put_in_place(loop):
    """A program that replaces recv() of one connection changes iteration, too."""

    async def replacement():
        return "replaced"

    async def scenario():
        async with talking() as (connection, _):
            connection.recv = replacement
            assert await anext(connection) == "replaced"

    run_on(loop, scenario)


@loops
def test_an_answer_in_a_burst_before_the_transport_is_closed(loop):
    """A message that was sent leaves, though the program hangs up right after it."""

    async def scenario():
        async with talking() as (connection, peer):

            async def receive():
                assert await connection.recv() == "hello"
                await connection.send(b"bye")
                connection.transport.close()

            task = asyncio.create_task(receive())
            await steps()
            peer.send(TEXT + TEXT)
            await task
            await connection.wait_closed()
            assert len(peer.recv(100)) == 6 + len(b"bye")

    run_on(loop, scenario)


@loops
def test_closing_when_more_has_arrived(loop):
    """Messages that arrived before the program closes the connection can be received."""

    async def scenario():
        async with talking() as (connection, peer):
            received = []

            async def receive():
                received.append(await connection.recv())
                closing = asyncio.create_task(connection.close())
                connection._session.close(0.0)
                with contextlib.suppress(ConnectionClosed):
                    while True:
                        received.append(await connection.recv())
                await closing

            task = asyncio.create_task(receive())
            await steps()
            peer.send(TEXT + TEXT + b"\x01\x01a\x80\x01b")
            await steps(20)
            peer.close()
            await task
            assert received == ["hello", "hello", "ab"]

    run_on(loop, scenario)


class Distracted(ssl.SSLObject):
    """TLS that lets a server in another thread read a lot, before it decrypts."""

    port = 0

    def read(self, *args):
        if self.port:
            with (
                socket.create_connection(("127.0.0.1", self.port), 20) as other,
                # It hangs up in the middle, sometimes.
                contextlib.suppress(OSError),
            ):
                other.sendall(b"GET /" + 60000 * b"x")
                while other.recv(65536):
                    pass
        return super().read(*args)


@loops
def test_tls_while_another_thread_reads(loop):
    """Two loops in two threads don't share memory that either still needs."""
    ports = []
    ready = threading.Event()
    stopping = []

    async def other():
        async with serving() as server:
            ports.append(port_of(server))
            stop = asyncio.Event()
            stopping.append((asyncio.get_running_loop(), stop))
            ready.set()
            await stop.wait()

    async def scenario():
        context = client_context()
        context.sslobject_class = Distracted
        async with (
            serving(ssl=server_context()) as server,
            connect(uri_of(server, "wss"), ssl=context, compression=None) as websocket,
        ):
            message = 100000 * b"m"
            Distracted.port = ports[0]
            await websocket.send(message)
            assert await websocket.recv() == message
            Distracted.port = 0

    thread = threading.Thread(target=run_on, args=(loop, other))
    thread.start()
    try:
        assert ready.wait(20)
        run_on(loop, scenario)
    finally:
        Distracted.port = 0
        for other_loop, stop in stopping:
            other_loop.call_soon_threadsafe(stop.set)
        thread.join()


@loops
def test_context_variables_of_a_server(loop):
    """Each connection has what they were when the server was started."""
    variable = contextvars.ContextVar("variable", default="outside")
    seen = []

    def process_request(connection, request):
        seen.append(variable.get())
        variable.set("connection")

    async def handler(websocket):
        seen.append(variable.get())

    async def scenario():
        variable.set("server")
        async with serving(handler, process_request=process_request) as server:
            variable.set("client")
            for _ in range(2):
                async with connect(uri_of(server)) as websocket:
                    await websocket.wait_closed()
            assert variable.get() == "client"

    run_on(loop, scenario)
    assert seen == ["server", "connection"] * 2
