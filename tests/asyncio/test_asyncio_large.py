"""Large messages to peers that take their time."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import sys
import tracemalloc
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from tests.asyncio.helpers import run, run_own, until
from tests.faces.faces import AsyncioFace
from tests.loops import LOOPS
from tests.native.allocations import QUIET, needs_failures, without_memory
from websockets._codec import NATIVE
from websockets.asyncio._direct import is_direct
from websockets.protocol import Protocol, Side


SIZE = 3_000_001

MESSAGES = {
    "bytes": bytes(range(256)) * (SIZE // 256) + b"!",
    "text": "x" * SIZE,
    "text beyond ASCII": "ß" * (SIZE // 2),
    "bytearray": bytearray(b"a" * SIZE),
    "memoryview": memoryview(b"m" * SIZE),
}


@contextlib.asynccontextmanager
async def waiting(side: Side, message: Any) -> AsyncIterator[tuple[Any, Any, Any]]:
    """Give a connection that sends a message, the peer's socket, and the task."""
    ours, peer = socket.socketpair()
    peer.setblocking(False)
    connection = await AsyncioFace(*LOOPS["asyncio"]).connect(ours, Protocol(side))
    task = asyncio.create_task(connection.send(message))
    await until(lambda: connection.buffered_amount > SIZE // 2)
    try:
        yield connection, peer, task
    finally:
        peer.close()
        connection.abort()
        await connection.wait_closed()
        await asyncio.gather(task, return_exceptions=True)


async def receive(side: Side, peer: socket.socket, count: int) -> list[bytes]:
    """Return the payloads of frames from one side, byte by byte as the other reads them."""
    protocol = Protocol(
        Side.SERVER if side is Side.CLIENT else Side.CLIENT, max_size=None
    )
    frames: list[Any] = []
    while len(frames) < count:
        protocol.receive_data(await asyncio.get_running_loop().sock_recv(peer, 100_000))
        frames += protocol.events_received()
    return [frame.data for frame in frames]


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("kind", MESSAGES)
def test_large_message_to_a_slow_peer(side, kind):
    """It arrives as it was when it was sent, and what follows arrives after it."""
    message = MESSAGES[kind]
    expected = message.encode() if isinstance(message, str) else bytes(message)

    async def scenario():
        async with waiting(side, message) as (connection, peer, task):
            if kind == "bytearray":
                message[:] = bytes(SIZE)
            following = asyncio.create_task(connection.send(b"following"))
            assert await receive(side, peer, 2) == [expected, b"following"]
            await task
            await following
            assert connection.buffered_amount == 0

    run(scenario)


@pytest.mark.parametrize("side", Side)
def test_what_waits_is_not_copied(side):
    """A message that nobody can change waits where it is, and no longer than it has to."""
    message = bytes(SIZE)

    async def scenario():
        tracemalloc.start()
        try:
            async with waiting(side, message) as (connection, _, _):
                if NATIVE and is_direct(connection.transport):
                    assert tracemalloc.get_traced_memory()[0] < SIZE / 2
        finally:
            tracemalloc.stop()

    references = sys.getrefcount(message)
    run(scenario)
    gc.collect()
    assert sys.getrefcount(message) == references


@needs_failures
@pytest.mark.parametrize("alone", [True, False], ids=["one", "all"])
def test_no_memory_to_go_on_with_it(alone):
    """When the rest of a frame can't be masked, the connection ends, if it can."""
    message = bytes(SIZE)

    async def scenario():
        loop = asyncio.get_running_loop()
        reports: list[Any] = []
        loop.set_exception_handler(
            lambda _, context: reports.append(context["exception"])
        )
        number = quiet = 0
        while quiet < QUIET:
            async with waiting(Side.CLIENT, message) as (connection, peer, task):
                if not is_direct(connection.transport):
                    pytest.skip("asyncio's transports get the frame at once")
                await receive_some(peer)
                step = writing_step(loop, connection.transport)
                # Without memory to report it either, the loop is told, which tries again.
                raised = without_memory(step, number, number + 1 if alone else 0)
                assert connection.transport.is_closing() == bool(reports)
                quiet = 0 if raised or reports else quiet + 1
                assert all(type(report) is MemoryError for report in reports)
                reports.clear()
                number += 1
        assert number > QUIET

    run_own(scenario)


async def receive_some(peer: socket.socket) -> None:
    """Read until the socket is empty."""
    with contextlib.suppress(BlockingIOError):
        while True:
            peer.recv(100_000)


def writing_step(loop: Any, transport: Any) -> Any:
    """Return what the loop does when a socket can be written to."""
    descriptor = transport.get_extra_info("socket").fileno()
    _, writer = loop._selector.get_key(descriptor).data
    return partial(writer._callback, *writer._args)
