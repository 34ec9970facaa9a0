"""Cancelling anything that waits loses nothing (invariant 6)."""

from __future__ import annotations

import asyncio

import pytest

from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.protocol import Side, State

from .faces import ASYNCIO, scenario


async def cancel(task):
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@scenario(*ASYNCIO)
async def test_invariant_6_recv(face):
    """A cancelled recv() loses no message, whenever the cancellation comes."""
    client, server = await face.pair()
    received = []
    for i in range(50):
        task = face.start(server.recv())
        await asyncio.sleep(0)
        await client.send(str(i))
        # The message arrives after zero to three turns of the loop.
        for _ in range(i % 4):
            await asyncio.sleep(0)
        task.cancel()
        try:
            received.append(await task)
        except asyncio.CancelledError:
            received.append(await server.recv())
    assert received == [str(i) for i in range(50)]


@scenario(*ASYNCIO)
async def test_invariant_6_recv_in_the_middle_of_a_message(face):
    """A recv() cancelled between two frames of a message loses none of them."""
    client, server = await face.pair()
    for cut in range(3):
        for i in range(3):
            if i == cut:
                task = face.start(server.recv())
                await asyncio.sleep(0)
            opcode = Opcode.CONT if i else Opcode.TEXT
            client.protocol.send_data(opcode, b"abc"[i : i + 1], fin=i == 2)
            await client.ping()
            if i == cut:
                await asyncio.sleep(0)
                task.cancel()
        try:
            message = await task
        except asyncio.CancelledError:
            message = await server.recv()
        assert message == "abc"


@scenario(*ASYNCIO)
async def test_invariant_6_recv_streaming(face):
    """A cancelled recv_streaming() loses no frame: the next one goes on."""
    client, server = await face.pair()

    async def first_two():
        fragments = []
        stream = server.recv_streaming()
        try:
            async for fragment in stream:
                fragments.append(fragment)
        except asyncio.CancelledError:
            return fragments

    task = face.start(first_two())
    await asyncio.sleep(0)
    client.protocol.send_data(Opcode.TEXT, b"a", fin=False)
    client.protocol.send_data(Opcode.CONT, b"b", fin=False)
    await (await client.ping())
    task.cancel()
    assert await task == ["a", "b"]
    client.protocol.send_data(Opcode.CONT, b"c", fin=True)
    await client.ping()
    assert [x async for x in server.recv_streaming()] == ["c"]
    await client.send("next")
    assert await server.recv() == "next"


@scenario(*ASYNCIO)
async def test_streaming_cancelled_before_the_first_frame(face):
    """A recv_streaming() cancelled before the first frame leaves the message to recv()."""
    client, server = await face.pair()
    task = face.start(server.recv_streaming().__anext__())
    await asyncio.sleep(0)
    await cancel(task)
    await client.send("hello")
    assert await server.recv() == "hello"


@scenario(*ASYNCIO)
async def test_cancelled_recv_obeys_the_water_mark_again(face):
    """After a cancelled recv(), reading stops at max_queue even within a message."""
    client, server = await face.pair(max_queue=4)
    task = face.start(server.recv())
    await asyncio.sleep(0)
    await cancel(task)

    async def endless():
        while True:
            yield b"x" * 1000

    sending = face.start(client.send(endless()))
    for _ in range(3000):
        await asyncio.sleep(0)
    assert client.buffered_amount > 0
    await cancel(sending)


@scenario(*ASYNCIO)
async def test_invariant_5_fragmented_send(face):
    """A cancelled fragmented send fails the connection; it isn't left open and unusable."""
    client, server = await face.pair()

    async def slow():
        yield "a"
        await asyncio.get_running_loop().create_future()

    task = face.start(client.send(slow()))
    other = face.start(client.send("other"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not other.done()
    await cancel(task)
    assert client.state is not State.OPEN
    assert client.protocol.close_sent.code == 1011
    with pytest.raises(ConnectionClosed):
        await other


@scenario(*ASYNCIO)
async def test_invariant_5_order_of_tasks(face):
    """A message sent during a fragmented one waits for its end; both arrive whole."""
    client, server = await face.pair()
    go = asyncio.Event()

    async def slow():
        yield "a"
        await go.wait()
        yield "b"

    first = face.start(client.send(slow()))
    for _ in range(3):
        await asyncio.sleep(0)
    second = face.start(client.send("second"))
    third = face.start(client.send(["th", "ird"]))
    await asyncio.sleep(0)
    go.set()
    for task in (first, second, third):
        await task
    assert [await server.recv() for _ in range(3)] == ["ab", "second", "third"]


@scenario(*ASYNCIO)
async def test_close_during_a_fragmented_send(face):
    """close() in the middle of a message can't end it well, and says so."""
    client, server = await face.pair()

    async def slow():
        yield "a"
        await asyncio.get_running_loop().create_future()

    task = face.start(client.send(slow()))
    for _ in range(3):
        await asyncio.sleep(0)
    closing = face.start(client.close())
    with pytest.raises(
        ConnectionClosed, match=r"1011 .* close during fragmented message"
    ):
        await server.recv()
    await closing
    await cancel(task)


@scenario(*ASYNCIO)
async def test_invariant_6_send(face):
    """Cancelling a send() that waits for the peer affects no other task."""
    connection, peer = await face.one(Side.SERVER, write_limit=1000)
    first = face.start(connection.send(b"x" * 2_000_000))
    second = face.start(connection.send(b"second"))
    third = face.start(connection.send(b"third"))
    for _ in range(3):
        await asyncio.sleep(0)
    await cancel(second)
    data = bytearray()
    peer.setblocking(False)
    while not (first.done() and third.done()):
        try:
            data += peer.recv(1 << 20)
        except BlockingIOError:
            await asyncio.sleep(0)
    await first
    await third
    peer.setblocking(True)
    while not data.endswith(b"third"):
        data += peer.recv(1 << 20)
    assert b"second" not in data
    peer.close()


@scenario(*ASYNCIO)
async def test_invariant_7_everything_ends_once(face):
    """When a connection dies, everybody who waits is told, once, with the cause."""
    connection, peer = await face.one(write_limit=1000)
    ping = await connection.ping()
    tasks = [
        face.start(connection.recv()),
        face.start(connection.send(b"x" * 4_000_000)),
        face.start(connection.send(b"waits")),
        face.start(connection.close()),
        face.start(connection.wait_closed()),
    ]
    for _ in range(3):
        await asyncio.sleep(0)
    peer.close()
    results = await asyncio.gather(ping, *tasks, return_exceptions=True)
    assert [type(result).__name__ for result in results] == [
        "ConnectionClosedError",
        "ConnectionClosedError",
        "ConnectionClosedError",
        "ConnectionClosedError",
        "NoneType",
        "NoneType",
    ]
    for result in results:
        if result is not None:
            assert result.__cause__ is not None
