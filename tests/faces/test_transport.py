"""The side of a connection that faces asyncio: taking over, and callbacks in odd orders."""

from __future__ import annotations

import asyncio
import socket

import pytest

from websockets.asyncio._network import AsyncioStream
from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.protocol import Protocol, Side, State

from .faces import ASYNCIO, scenario


# A Close frame from a server: 1000, no reason.
CLOSE = b"\x88\x02\x03\xe8"


async def stream_and_peer(face):
    """Return what serves the opening handshake, and the socket of its peer."""
    sock, peer = socket.socketpair()
    loop = asyncio.get_running_loop()
    _, stream = await loop.create_connection(lambda: AsyncioStream(loop), sock=sock)
    return stream, peer


def take_over(face, stream):
    connection = Connection(Protocol(Side.CLIENT))
    connection.attach(stream)
    face.connections.append(connection)
    return connection


@scenario(*ASYNCIO)
async def test_bytes_behind_the_handshake(face):
    """Frames that arrived together with the handshake aren't lost."""
    stream, peer = await stream_and_peer(face)
    peer.send(b"\x81\x05hello")
    while not stream._chunks:
        await asyncio.sleep(0)
    connection = take_over(face, stream)
    assert await connection.recv() == "hello"
    peer.close()


@scenario(*ASYNCIO)
async def test_end_of_stream_behind_the_handshake(face):
    """A peer that has ended its side before the takeover is noticed."""
    stream, peer = await stream_and_peer(face)
    peer.send(b"\x81\x05hello" + CLOSE)
    peer.shutdown(socket.SHUT_WR)
    while not stream._eof:
        await asyncio.sleep(0)
    connection = take_over(face, stream)
    assert await connection.recv() == "hello"
    await connection.wait_closed()
    assert connection.close_code == 1000
    peer.close()


@scenario(*ASYNCIO)
async def test_connection_lost_behind_the_handshake(face):
    """A connection lost before the takeover is closed after it, the cause chained."""
    stream, peer = await stream_and_peer(face)
    peer.close()
    stream.abort()
    while not stream._lost:
        await asyncio.sleep(0)
    connection = take_over(face, stream)
    assert connection.state is State.CLOSED
    with pytest.raises(ConnectionClosedError, match="no close frame received or sent"):
        await connection.send("too late")


@scenario(*ASYNCIO)
async def test_streaming_on_a_closed_connection(face):
    """recv_streaming() on a closed connection raises, as recv() does."""
    client, server = await face.pair()
    closing = face.start(client.close())
    with pytest.raises(ConnectionClosed):
        await server.recv_streaming().__anext__()
    await closing


@scenario("asyncio")
async def test_settings_can_be_read(face):
    """The keepalive settings are attributes."""
    client, server = await face.pair(ping_interval=1, ping_timeout=2, close_timeout=3)
    assert (client.ping_interval, client.ping_timeout, client.close_timeout) == (
        1,
        2,
        3,
    )


@scenario(*ASYNCIO)
async def test_send_within_its_timeout(face):
    """A send that makes it in time returns like any other."""
    client, server = await face.pair()
    await client.send("x", timeout=5)
    assert await server.recv() == "x"


@scenario("asyncio")
async def test_callbacks_after_the_end(face):
    """A transport may still say that it can write, after the end: nothing is written."""
    client, server = await face.pair()
    closing = face.start(client.close())
    await server.wait_closed()
    await closing
    client.resume_writing()
    await asyncio.sleep(0)
    client._output.resume()
    client._output.write(b"nothing")
    assert client._output.unsent == 0


@scenario("asyncio")
async def test_fragments_on_a_connection_that_closes_meanwhile(face):
    """A fragmented message stops when the connection closes between its frames."""
    client, server = await face.pair()

    def produce():
        yield "a"
        client.abort()
        yield "b"
        raise AssertionError("asked for more")

    with pytest.raises(ConnectionClosedError):
        await client.send(produce())


@scenario("asyncio")
async def test_waiter_cancelled_and_woken_at_once(face):
    """A task cancelled in the turn in which it is woken doesn't disturb the others."""
    client, server = await face.pair()
    tasks = [face.start(client.wait_closed()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    client._losers.wake()
    for _ in range(3):
        await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [False, True, False]
    client.abort()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [
        type(None),
        asyncio.CancelledError,
        type(None),
    ]


@scenario("asyncio")
async def test_fragments_of_a_connection_that_closes_after_the_last(face):
    """A fragmented message isn't ended on a connection that closes after its last frame."""
    client, server = await face.pair()

    def produce():
        yield "a"
        client.abort()

    with pytest.raises(ConnectionClosedError):
        await client.send(produce())
