"""Backpressure both ways: a slow peer slows the sender, a slow reader slows the peer."""

from __future__ import annotations

import asyncio
import socket

import pytest

from websockets.exceptions import ConnectionClosedError
from websockets.protocol import Side, State

from .faces import ASYNCIO, scenario


@scenario(*ASYNCIO)
async def test_send_waits_for_a_slow_peer(face):
    """Above write_limit send() waits; it goes on when the peer reads again."""
    connection, peer = await face.one(Side.SERVER, write_limit=10_000)
    sent = 0

    async def flood():
        nonlocal sent
        for _ in range(1000):
            await connection.send(b"x" * 10_000)
            sent += 1

    task = face.start(flood())
    for _ in range(50):
        await asyncio.sleep(0)
    stalled = sent
    assert stalled < 1000
    # The message that passed the mark, and what the transport hadn't written of it.
    assert 10_000 < connection.buffered_amount <= 20_100
    received = 0
    peer.setblocking(False)
    while received < 1000 * 10_004:
        try:
            received += len(peer.recv(1 << 20))
        except BlockingIOError:
            await asyncio.sleep(0)
    await task
    assert connection.buffered_amount == 0
    peer.close()


@scenario(*ASYNCIO)
async def test_waiting_senders_are_bounded(face):
    """Tasks that send at once wait before they queue, so their messages aren't in memory."""
    connection, peer = await face.one(Side.SERVER, write_limit=10_000)
    tasks = [face.start(connection.send(b"x" * 1_000_000)) for _ in range(20)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert connection.buffered_amount <= 2_000_100
    peer.close()
    for task in tasks:
        with pytest.raises(ConnectionClosedError):
            await task


@scenario(*ASYNCIO)
async def test_send_timeout(face):
    """A message that couldn't be queued within the timeout isn't sent."""
    connection, peer = await face.one(Side.SERVER, write_limit=1000)
    # Queued, and maybe sent; the wait for the peer is what times out.
    with pytest.raises(TimeoutError):
        await connection.send(b"x" * 2_000_000, timeout=0.001)
    assert connection.state is State.OPEN
    before = connection.buffered_amount
    with pytest.raises(TimeoutError):
        await connection.send(b"y", timeout=0.001)
    assert connection.buffered_amount == before
    await connection.pong(timeout := b"control frames still pass")
    assert connection.buffered_amount == before + len(timeout) + 2
    peer.close()


@scenario(*ASYNCIO)
async def test_fragments_wait_for_a_slow_peer(face):
    """A fragmented message obeys write_limit between its frames."""
    connection, peer = await face.one(Side.SERVER, write_limit=1000)
    asked = 0

    def produce():
        nonlocal asked
        for _ in range(100):
            asked += 1
            yield b"x" * 1_000_000

    task = face.start(connection.send(produce()))
    for _ in range(20):
        await asyncio.sleep(0)
    assert asked < 5
    peer.close()
    with pytest.raises(ConnectionClosedError):
        await task
    assert asked < 5


@scenario(*ASYNCIO)
async def test_reading_pauses_for_a_slow_reader(face):
    """Above max_queue frames the peer is slowed down; it goes on as messages are read."""
    client, server = await face.pair(max_queue=4, write_limit=1000)
    sent = 0

    async def flood():
        nonlocal sent
        for i in range(300):
            await client.send(bytes([i % 256]) * 100_000)
            sent += 1

    task = face.start(flood())
    for _ in range(200):
        await asyncio.sleep(0)
    assert sent < 300
    for i in range(300):
        assert (await server.recv())[0] == i % 256
    await task


@scenario(*ASYNCIO)
async def test_backlog_of_small_messages(face):
    """What was read at once is delivered in order, past pauses and resumptions."""
    client, server = await face.pair(max_queue=(8, 2))

    async def flood():
        for i in range(5000):
            await client.send(str(i))

    task = face.start(flood())
    for i in range(5000):
        assert await server.recv() == str(i)
    await task


@scenario(*ASYNCIO)
async def test_sender_lets_others_run(face):
    """A task that only sends doesn't starve the loop."""
    client, server = await face.pair()
    turns = 0
    done = False

    async def other():
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    task = face.start(other())
    for _ in range(4000):
        await client.send(b"x")
    assert turns >= 10
    done = True
    await task


@scenario(*ASYNCIO)
async def test_pongs_to_a_peer_that_does_not_read(face):
    """While output is stuck, pings cost the memory of one pong; the latest is answered."""
    connection, peer = await face.one(Side.CLIENT, write_limit=1000)
    task = face.start(connection.send(b"x" * 4_000_000))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    before = connection.buffered_amount
    assert before > 1000
    peer.setblocking(False)
    for i in range(1000):
        peer.send(b"\x89\x02" + i.to_bytes(2, "big"))
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert connection.buffered_amount == before
    data = bytearray()
    while not task.done() or connection.buffered_amount:
        try:
            data += peer.recv(1 << 20)
        except BlockingIOError:
            await asyncio.sleep(0)
    await task
    data += peer.recv(1 << 20) if len(data) < 4_000_014 + 8 else b""
    pong = data[4_000_014:]
    assert pong[:2] == b"\x8a\x82"
    payload = bytes(a ^ b for a, b in zip(pong[6:8], pong[2:4], strict=True))
    assert payload == (999).to_bytes(2, "big")
    assert len(pong) == 8
    peer.close()


@scenario(*ASYNCIO)
async def test_half_close_comes_after_the_output(face):
    """The end of our side is written behind messages that wait for a slow peer."""
    connection, peer = await face.one(Side.SERVER)
    sending = face.start(connection.send(b"x" * 4_000_000))
    await asyncio.sleep(0)
    closing = face.start(connection.close())
    data = bytearray()
    peer.setblocking(False)
    masked_close = b"\x88\x82\0\0\0\0\x03\xe8"
    answered = False
    while True:
        try:
            chunk = peer.recv(1 << 20)
        except BlockingIOError:
            await asyncio.sleep(0)
            continue
        if not chunk:
            break
        data += chunk
        if not answered and len(data) == 4_000_010 + 4:
            answered = True
            peer.send(masked_close)
    assert data[-4:] == b"\x88\x02\x03\xe8"
    peer.close()
    await closing
    await sending
    assert connection.close_code == 1000


@scenario(*ASYNCIO)
async def test_peer_that_ends_its_side_first_gets_the_output(face):
    """A peer that half-closes after its Close frame still gets what waited for it."""
    connection, peer = await face.one(Side.SERVER)
    sending = face.start(connection.send(b"x" * 4_000_000))
    await asyncio.sleep(0)
    peer.send(b"\x88\x82\0\0\0\0\x03\xe8")
    peer.shutdown(socket.SHUT_WR)
    data = bytearray()
    peer.setblocking(False)
    while True:
        try:
            chunk = peer.recv(1 << 20)
        except BlockingIOError:
            await asyncio.sleep(0)
            continue
        if not chunk:
            break
        data += chunk
    assert data[-4:] == b"\x88\x02\x03\xe8"
    assert len(data) == 4_000_014
    peer.close()
    await connection.wait_closed()
    await sending
