"""What a connection takes is given back: objects, references, memory, however it ends.

Each scenario runs on one server, over and over. Objects that are leaked each time show in
every window of a few runs; caches that fill up show in some. WEBSOCKETS_LEAK_RUNS says how
many runs a window has: 3 for the suite, `make leaks` takes more.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import ctypes
import gc
import itertools
import logging
import os
import socket
import struct
import sys
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import websockets
from tests.asyncio.helpers import (
    REQUEST,
    port_of,
    run,
    serving,
    steps,
    until,
    uri_of,
)
from websockets._codec import NATIVE
from websockets._codec.mask import table
from websockets.asyncio.client import connect
from websockets.asyncio.server import broadcast
from websockets.exceptions import ConnectionClosed


try:
    from websockets import speedups
except ImportError:
    speedups = None

RUNS = int(os.environ.get("WEBSOCKETS_LEAK_RUNS", "3"))
WINDOWS = 3

# What is a leak, per run. Counts of bytes change for reasons of Python's own; whatever is
# smaller than this is in a block.
LEAST = {"bytes": 500, "malloc": 2_000}

# Never freed, so code that forgets to release them, or does it twice, isn't noticed by
# their absence. From 3.12 on, some have no count any more.
SHARED = [
    *(None, True, False, "", b"", 0, 1000, 1006, ()),
    *(str, bytes, bytearray, memoryview, int, tuple, list, dict, type),
    *(asyncio, websockets, socket.socket, asyncio.Task, asyncio.Future),
    *(MemoryError, StopIteration, StopAsyncIteration, asyncio.CancelledError),
    *(vars(websockets.exceptions)[name] for name in websockets.exceptions.__all__),
    *(vars(speedups).values() if speedups is not None else ()),
]


# Tracebacks that are printed warm up caches of Python for a long time.
SILENT = logging.getLogger("tests.silent")
SILENT.setLevel(logging.CRITICAL + 1)


pytestmark = pytest.mark.skipif(
    not NATIVE, reason="all of it but the codec runs with native code as well"
)


class MallInfo2(ctypes.Structure):
    """What mallinfo2(3) of glibc returns."""

    names = (
        "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    )
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]


libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p


def malloced() -> int:
    """Return how many bytes malloc(3) has given, where it tells."""
    try:
        mallinfo2 = libc.mallinfo2
    except AttributeError:
        return 0
    mallinfo2.restype = MallInfo2
    info = mallinfo2()
    return int(info.uordblks + info.hblkhd)


# The cache of types' attributes keeps names that C code made for a moment.
clear_cache = getattr(sys, "_clear_internal_caches", sys._clear_type_cache)


async def usage() -> dict[str, int]:
    """Return what this process uses now, by kind."""
    loop = asyncio.get_running_loop()
    for _ in range(200):
        # asyncio forgets cancelled timers when there are many.
        loop.call_later(1_000, print).cancel()
    await asyncio.sleep(0)
    clear_cache()
    gc.collect()
    found = {
        "blocks": sys.getallocatedblocks(),
        "objects": len(gc.get_objects()),
        "bytes": tracemalloc.get_traced_memory()[0],
        "malloc": malloced(),
        "references": sum(map(sys.getrefcount, SHARED)),
    }
    if hasattr(sys, "gettotalrefcount"):
        found["all references"] = sys.gettotalrefcount()
    return found


async def leaks(work: Callable[[], Awaitable[None]]) -> dict[str, list[int]]:
    """Return by how much the kinds of usage that change with every window did."""
    # A cache that was filling up isn't any more when one looks longer.
    return await growth(work, RUNS) and await growth(work, 5 * RUNS)


async def leaves_nothing(
    talk: Any, server_options: dict[str, Any], **options: Any
) -> None:
    """Have a conversation again and again, and look for what stays."""
    scheme = "wss" if "ssl" in options else "ws"
    async with serving(serve_client, logger=SILENT, **server_options) as server:

        async def once():
            async with connect(uri_of(server, scheme), **options) as client:
                assert await client.recv() == "hello"
                await talk(client)
            for connection in server.connections if talk in STUCK else ():
                connection.abort()
            await until(lambda: not server.handler_tasks)

        assert await leaks(once) == {}


async def growth(
    work: Callable[[], Awaitable[None]], runs: int
) -> dict[str, list[int]]:
    """Return these changes, for windows of so many runs."""
    kinds = list(await usage())
    # Made before, so that keeping the numbers takes nothing.
    usages = [array.array("q", bytes(8 * len(kinds))) for _ in range(WINDOWS + 1)]
    for numbers in usages:
        for _ in range(runs):
            await work()
        for index, number in enumerate((await usage()).values()):
            numbers[index] = number
    found = {}
    for kind, numbers in zip(kinds, zip(*usages, strict=True), strict=True):
        changes = [after - before for before, after in itertools.pairwise(numbers)]
        least = runs * LEAST.get(kind, 1)
        # Negative changes are references released twice.
        if min(changes) >= least or max(changes) <= -least:
            found[kind] = changes
    return found


@pytest.fixture(autouse=True)
def traced_memory() -> Iterator[None]:
    """Count the bytes of everything that Python's allocators give."""
    for key in range(256):
        # The twin keeps these for ever.
        table(key)
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


# What a connection does -------------------------------------------------------


async def text(client: Any) -> None:
    for message in "hello", "", "schöne Grüße", "x" * 200, "é" * 40_000:
        await client.send(message)
        assert await client.recv() == message


async def binary(client: Any) -> None:
    for message in b"hello", bytearray(b"\x00" * 200), memoryview(b"\xff" * 70_000):
        await client.send(message)
        assert await client.recv() == message
    await client.send("text")
    assert await client.recv(decode=False) == b"text"


async def fragments(client: Any) -> None:
    await client.send(["many ", "small ", "", "pieces", "x" * 5_000])
    assert len(await client.recv()) == 5_017
    await client.send([b"1", b"2", b"3" * 70_000])
    assert len([piece async for piece in client.recv_streaming()]) >= 1


async def large(client: Any) -> None:
    message = os.urandom(300_000)
    await client.send(message)
    assert await client.recv() == message
    await client.send(["large", "é" * 150_000])
    assert len(await client.recv()) == 150_005


async def burst(client: Any) -> None:
    for number in range(50):
        await client.send(str(number))
    for number in range(50):
        assert await client.recv() == str(number)


async def iteration(client: Any) -> None:
    await client.send("one")
    async for message in client:
        if message != "one":
            break
        await client.send("two")


async def pings(client: Any) -> None:
    assert await (await client.ping()) >= 0
    await client.ping(b"nobody waits")
    await client.pong("unasked")
    (await client.ping()).cancel()
    await (await client.ping("last"))


async def unread(client: Any) -> None:
    for _ in range(40):
        await client.send("x" * 100)
    await client.recv()


async def cancelled_receive(client: Any) -> None:
    waiting = asyncio.create_task(client.recv())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.recv(), 0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(aiter(client)), 0)
    await client.send("still there")
    assert await client.recv() == "still there"


async def cancelled_send(client: Any) -> None:
    """Fill the network until a send waits; cancel it, and one behind it."""
    await client.send("stop")
    await client.recv()
    while True:
        first = asyncio.create_task(client.send(bytes(500_000), compress=False))
        await steps()
        if not first.done():
            break
    second = asyncio.create_task(client.send("behind"))
    await steps()
    for task in first, second:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    client.abort()


async def wrong_use(client: Any) -> None:
    for message in 5, {"a": "b"}, [1], ["text", b"bytes"]:
        with pytest.raises((TypeError, ConnectionClosed)):
            await client.send(message)


async def two_receivers(client: Any) -> None:
    first = asyncio.create_task(client.recv())
    await asyncio.sleep(0)
    with pytest.raises(websockets.exceptions.ConcurrencyError):
        await client.recv()
    await client.close()
    with pytest.raises(ConnectionClosed):
        await first


async def aborted(client: Any) -> None:
    await client.send("lost")
    receiving = asyncio.create_task(client.recv())
    await asyncio.sleep(0)
    client.abort()
    with pytest.raises(ConnectionClosed):
        await receiving


async def closed_by_the_server(client: Any) -> None:
    await client.send("close")
    with pytest.raises(ConnectionClosed):
        await client.recv()
    with pytest.raises(ConnectionClosed):
        await client.send("too late")


async def aborted_by_the_server(client: Any) -> None:
    await client.send("abort")
    with pytest.raises(ConnectionClosed):
        await client.recv()


async def too_big(client: Any) -> None:
    await client.send("x" * (2**20 + 1))
    with pytest.raises(ConnectionClosed):
        await client.recv()


async def own_failure(client: Any) -> None:
    await client.send("fail")
    with pytest.raises(ConnectionClosed):
        await client.recv()


CONVERSATIONS = [
    *(text, binary, fragments, large, burst, iteration, pings, unread),
    *(cancelled_receive, cancelled_send, wrong_use, two_receivers, aborted),
    *(closed_by_the_server, aborted_by_the_server, too_big, own_failure),
]


# The server doesn't notice that the client has gone: it reads no further.
STUCK = [cancelled_send]


async def serve_client(websocket: Any) -> None:
    """Echo; and end in the ways that some messages ask for."""
    broadcast([websocket], "hello")
    async for message in websocket:
        if message == "close":
            await websocket.close(1001, "as you like")
        elif message == "abort":
            websocket.abort()
        elif message == "fail":
            websocket.transport.write(b"\xff\xff")
        elif message == "stop":
            await websocket.send("this was the last")
            await websocket.wait_closed()
        else:
            await websocket.send(message)


@pytest.mark.parametrize(
    ("talk", "compression"),
    [
        *((talk, None) for talk in CONVERSATIONS),
        *((talk, "deflate") for talk in (text, fragments, large, cancelled_receive)),
    ],
    ids=lambda value: getattr(value, "__name__", value or "plain"),
)
def test_a_conversation_leaves_nothing(talk, compression):
    """Whatever a connection has done, nothing of it stays."""

    run(lambda: leaves_nothing(talk, {}, compression=compression))


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_broadcast_leaves_nothing(compression):
    """Messages for all, shared compressors and those who leave them are given back."""

    async def scenario():
        async with serving(serve_client, logger=SILENT) as server:

            async def once():
                async with contextlib.AsyncExitStack() as stack:
                    clients = [
                        await stack.enter_async_context(
                            connect(uri_of(server), compression=compression)
                        )
                        for _ in range(3)
                    ]
                    for message in ("small", "large" * 300, "small"):
                        broadcast(server.connections, message)
                        await next(iter(server.connections)).send("for one")
                    for client in clients:
                        while await client.recv() != "large" * 300:
                            pass
                await until(lambda: not server.handler_tasks)

            assert await leaks(once) == {}

    run(scenario)


RESET = struct.pack("ii", 1, 0)


BREAKS = [
    b"",
    REQUEST[:30],
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x16\x03\x01",
    REQUEST,
    REQUEST + b"\x81\x00",  # not masked
    REQUEST + b"\x83\x80\x00\x00\x00\x00",  # no such opcode
    REQUEST + b"\x81\x82\x00\x00\x00\x00\xff\xff",  # not UTF-8
    REQUEST + b"\x01\x82\x00\x00\x00\x00\xc3\xa9",  # never finished
    REQUEST + b"\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00123",
    REQUEST + b"\x82\xff\xff\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00",
    REQUEST + b"\x89\x82\x00\x00\x00\x00hi" * 5,
    REQUEST + b"\x88\x82\x00\x00\x00\x00\x03\xe8",
    REQUEST + b"\x88\x81\x00\x00\x00\x00\x03",
    REQUEST + b"\xc2\x83\x00\x00\x00\x00\xff\xff\xff",  # not compressed
]


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
def test_clients_that_break_off_leave_nothing(reset):
    """Nor does anything stay of clients that are wrong, or go away without a word."""

    async def scenario():
        loop = asyncio.get_running_loop()
        deflate = b"13\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        async with serving(serve_client, logger=SILENT) as server:

            async def once():
                for data in BREAKS:
                    sock = socket.create_connection(("127.0.0.1", port_of(server)))
                    with sock:
                        sock.setblocking(False)
                        sent = data.replace(b"13\r\n\r\n", deflate)
                        await loop.sock_sendall(sock, sent)
                        if data.startswith(REQUEST):
                            assert await loop.sock_recv(sock, 1000)
                        if reset:
                            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                await steps()
                await until(lambda: not (server.opening or server.handler_tasks))

            assert await leaks(once) == {}

    run(scenario)


def test_a_refused_connection_leaves_nothing():
    """Nor of connections that couldn't be opened."""

    async def scenario():
        with contextlib.closing(socket.socket()) as unused:
            unused.bind(("127.0.0.1", 0))
            uri = f"ws://127.0.0.1:{unused.getsockname()[1]}"

            async def once():
                with pytest.raises(OSError, match="onnect"):
                    await connect(uri)

            assert await leaks(once) == {}

    run(scenario)


@pytest.mark.parametrize("kind", ["objects", "references", "bytes", "malloc"])
def test_a_leak_is_found(kind):
    """What is lost at each run shows in the counts."""
    kept = []

    async def once():
        if kind == "objects":
            kept.append([])
        elif kind == "references":
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(ConnectionClosed))
        elif kind == "bytes":
            kept.append(bytes(1_000))
        else:
            kept.append(libc.malloc(5_000))

    before = malloced()
    found = asyncio.run(leaks(once))
    if kind == "malloc" and malloced() == before:
        pytest.skip("malloc doesn't tell here")
    assert kind in found
