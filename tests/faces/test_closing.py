"""How connections end."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from websockets.asyncio.connection import Connection
from websockets.exceptions import (
    ConnectionClosedError,
    ConnectionClosedOK,
    ProtocolError,
)
from websockets.protocol import Protocol, Side, State

from .faces import ASYNCIO, scenario


@scenario()
async def test_close_handshake(face):
    """Both ends learn the code and the reason, and who began."""
    client, server = await face.pair()
    task = face.start(client.close(3000, "bye"))
    with pytest.raises(ConnectionClosedError) as raised:
        await server.recv()
    await task
    assert str(raised.value) == (
        "received 3000 (registered) bye; then sent 3000 (registered) bye"
    )
    with pytest.raises(ConnectionClosedError) as raised:
        await client.recv()
    assert str(raised.value) == (
        "sent 3000 (registered) bye; then received 3000 (registered) bye"
    )
    for end in (client, server):
        assert end.state is State.CLOSED
        assert (end.close_code, end.close_reason) == (3000, "bye")


@scenario()
async def test_server_closes(face):
    """A server can close, too."""
    client, server = await face.pair()
    task = face.start(server.close(1001))
    with pytest.raises(ConnectionClosedOK):
        await client.recv()
    await task
    assert client.close_code == 1001


@scenario()
async def test_both_close_at_once(face):
    """Close frames that cross are fine."""
    client, server = await face.pair()
    tasks = [face.start(client.close(1000, "c")), face.start(server.close(1000, "s"))]
    for task in tasks:
        await task
    assert client.state is State.CLOSED
    assert server.state is State.CLOSED


@scenario()
async def test_close_is_idempotent(face):
    """Closing a closed connection does nothing."""
    client, server = await face.pair()
    task = face.start(client.close())
    await server.wait_closed()
    await task
    await client.close(1001, "again")
    await client.wait_closed()
    assert client.close_code == 1000


@scenario()
async def test_sending_after_close(face):
    """Sending on a closed connection raises, and says how it was closed."""
    client, server = await face.pair()
    task = face.start(client.close())
    await server.wait_closed()
    await task
    for end in (client, server):
        with pytest.raises(ConnectionClosedOK, match=r"1000 \(OK\)"):
            await end.send("too late")


@scenario()
async def test_pending_pings_end_with_the_connection(face):
    """A ping without a pong raises when the connection is closed."""
    client, server = await face.pair()
    server.protocol.defer_pongs = True  # a peer whose pongs don't come
    pong = await client.ping()
    closing = face.start(server.close())
    with pytest.raises(ConnectionClosedOK):
        await pong
    await closing


@scenario(*ASYNCIO)
async def test_sending_while_closing(face):
    """send(), ping() and pong() wait for the end of a closing connection, then raise."""
    connection, peer = await face.one()
    closing = face.start(connection.close())
    await asyncio.sleep(0)
    assert connection.state is State.CLOSING
    tasks = [
        face.start(connection.send("x")),
        face.start(connection.send(["x"])),
        face.start(connection.ping()),
        face.start(connection.pong()),
    ]
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    peer.close()
    for task in tasks:
        with pytest.raises(ConnectionClosedError, match="no close frame received"):
            await task
    await closing


@scenario(*ASYNCIO)
async def test_wrong_close_codes(face):
    """A code or a reason that can't be sent is refused; the connection lives on."""
    client, server = await face.pair()
    for code, reason, text in [
        (999, "", "invalid status code"),
        (1005, "", "invalid status code"),
        (1000, "x" * 124, "control frame too long"),
    ]:
        with pytest.raises(ProtocolError, match=text):
            await client.close(code, reason)
        assert client.state is State.OPEN
    await client.send("alive")
    assert await server.recv() == "alive"


@scenario(*ASYNCIO)
async def test_abort(face):
    """abort() drops the connection at once, with code 1006; again, it does nothing."""
    client, server = await face.pair()
    receiving = face.start(client.recv())
    await asyncio.sleep(0)
    client.abort()
    assert client.state is State.CLOSED
    assert client.close_code == 1006
    for coro in (receiving, client.send("x"), client.ping(), server.recv()):
        with pytest.raises(
            ConnectionClosedError, match="no close frame received or sent"
        ):
            await coro
    client.abort()
    assert client.buffered_amount == 0


@scenario(*ASYNCIO)
async def test_abort_before_the_connection_is_open(face):
    """abort() and close() work before the opening handshake is over."""
    calls = []

    class Transport(asyncio.Transport):
        """Stands for the transport of a connection that is being opened."""

        def abort(self):
            calls.append("abort")

    connection = Connection(Protocol(Side.SERVER, state=State.CONNECTING))
    connection.transport = Transport()
    connection.abort()
    await connection.close()
    assert calls == ["abort", "abort"]


@scenario(*ASYNCIO)
async def test_context_manager(face):
    """Leaving the context closes with 1000, or with 1011 when it was left by an error."""
    client, server = await face.pair()
    async with client as same:
        assert same is client
    assert server.protocol.close_rcvd.code == 1000
    client, server = await face.pair()
    with pytest.raises(ZeroDivisionError):
        async with client:
            raise ZeroDivisionError
    assert server.protocol.close_rcvd.code == 1011


@scenario(*ASYNCIO)
async def test_iteration_ends_or_raises(face):
    """Iteration ends in silence when the connection closed normally, and raises otherwise."""
    client, server = await face.pair()
    closing = face.start(client.close(1001))
    assert [x async for x in server] == []
    await closing
    client, server = await face.pair()
    closing = face.start(client.close(1011))
    with pytest.raises(ConnectionClosedError):
        async for _ in server:
            raise AssertionError
    await closing


@scenario(*ASYNCIO)
async def test_peer_that_vanishes(face):
    """The end of the stream without a Close frame is an error, its cause chained."""
    for side in Side:
        connection, peer = await face.one(side)
        peer.close()
        with pytest.raises(ConnectionClosedError) as raised:
            await connection.recv()
        assert isinstance(raised.value.__cause__, EOFError)
        assert connection.close_code == 1006


@scenario(*ASYNCIO)
async def test_connection_reset(face):
    """A reset connection is an error, its cause chained."""
    listener = socket.create_server(("127.0.0.1", 0))
    sock = socket.create_connection(listener.getsockname())
    peer, _ = listener.accept()
    listener.close()
    connection = await face.connect(sock, Protocol(Side.CLIENT))
    await connection.send("unread data makes the reset sure")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    with pytest.raises(ConnectionClosedError) as raised:
        await connection.recv()
    assert isinstance(raised.value.__cause__, ConnectionResetError)


@scenario("jumping")
async def test_close_timeout(face):
    """A peer that doesn't answer a Close is dropped after close_timeout."""
    connection, peer = await face.one(close_timeout=7)
    start = connection.loop.time()
    await connection.close()
    assert 7 <= connection.loop.time() - start < 8
    with pytest.raises(
        ConnectionClosedError, match=r"sent 1000 \(OK\); no close"
    ) as raised:
        await connection.recv()
    assert isinstance(raised.value.__cause__, TimeoutError)
    peer.close()


@scenario("jumping")
async def test_cancelling_close(face):
    """Cancelling close() stops the wait, and the connection goes on closing."""
    connection, peer = await face.one(close_timeout=7)
    task = face.start(connection.close())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert connection.state is State.CLOSING
    await connection.wait_closed()
    assert connection.close_code == 1006
    peer.close()


@scenario("jumping")
async def test_keepalive_timeout(face):
    """A silent peer gets code 1011 after ping_interval and ping_timeout."""
    connection, peer = await face.one(
        ping_interval=20, ping_timeout=10, close_timeout=1
    )
    start = connection.loop.time()
    with pytest.raises(ConnectionClosedError, match="keepalive ping timeout") as raised:
        await connection.recv()
    assert 30 <= connection.loop.time() - start < 32
    assert raised.value.__notes__ == ["no pong within 10 seconds of a keepalive ping"]
    peer.close()


@scenario("jumping")
async def test_keepalive_keeps_connections_alive(face):
    """Two connections that nobody uses stay open for hours, and know their latency."""
    client, server = await face.pair()
    await asyncio.sleep(7200)
    assert client.state is State.OPEN
    assert server.state is State.OPEN
    assert client.latency > 0
    assert server.latency > 0
