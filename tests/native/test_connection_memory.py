"""Connections without memory: what is raised is MemoryError, and the peer gets no garbage."""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import Any

import pytest

from tests.asyncio.helpers import run
from tests.faces.faces import AsyncioFace
from tests.loops import LOOPS
from tests.native.allocations import QUIET, needs_failures, without_memory
from websockets.exceptions import ConnectionClosed


pytestmark = [
    needs_failures,
    # asyncio's transports end a connection that can't write, and log it as fatal.
    pytest.mark.skipif(
        os.environ.get("WEBSOCKETS_TRANSPORT") == "asyncio", reason="not our sockets"
    ),
]

TEXT = "schöne Grüße" * 400
LARGE = bytes(200_000)


def fails(call: Any, number: int, alone: bool) -> bool:
    """Tell whether the first step of a call raises MemoryError, if allocations fail."""
    step = partial(call.send, None)
    try:
        return without_memory(step, number, number + 1 if alone else 0)
    except StopIteration:
        return False
    finally:
        with contextlib.suppress(RuntimeError):
            call.close()


@pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
@pytest.mark.parametrize("message", ["short", TEXT, LARGE, bytearray(70)], ids=len)
@pytest.mark.parametrize("alone", [True, False], ids=["one", "all"])
def test_sending(message, alone, deflate):
    """A message that couldn't be sent isn't, or the connection fails; others arrive."""

    async def scenario():
        face = AsyncioFace(*LOOPS["asyncio"])
        number = quiet = 0
        while quiet < QUIET:
            client, server = await face.pair(deflate=deflate)
            # Contexts are made in Python, which crashes without memory.
            await client.send("warm " * 100)
            await server.recv()
            failed = fails(client.send(message), number, alone)
            quiet = 0 if failed else quiet + 1
            number += 1
            received = []
            with contextlib.suppress(ConnectionClosed):
                await client.send("the next")
                while not received or received[-1] != "the next":
                    received.append(await server.recv())
            assert received in ([message, "the next"], ["the next"], [message], [])
            if not failed:
                assert received == [message, "the next"]
            for connection in client, server:
                connection.abort()
                await connection.wait_closed()
            face.connections.clear()

    run(scenario)


@pytest.mark.parametrize("alone", [True, False], ids=["one", "all"])
def test_waiting(alone):
    """A call that couldn't wait raises MemoryError; the next one can wait."""

    async def scenario():
        face = AsyncioFace(*LOOPS["asyncio"])
        number = quiet = 0
        client, server = await face.pair()
        while quiet < QUIET:
            failed = fails(server.recv(), number, alone)
            quiet = 0 if failed else quiet + 1
            number += 1
            await client.send("hello")
            assert await server.recv() == "hello"
        await client.close()

    run(scenario)
