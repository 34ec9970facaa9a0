"""Streams of the ceremony, over real transports."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import pytest

from tests.asyncio.helpers import (
    LOOPS,
    client_context,
    raw_server,
    run,
    run_jumping,
    run_on,
    server_context,
    serving,
    until,
    uri_of,
)
from websockets.asyncio import _direct, _network
from websockets.asyncio._network import (
    READ_AHEAD,
    AsyncioNetwork,
    AsyncioStream,
    stream_below,
)
from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.protocol import Protocol, Side


every_loop = pytest.mark.parametrize("loop", LOOPS)
every_way = pytest.mark.parametrize("way", ["ours", "handed over", "loop"])


def go(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose who runs TLS: we, the loop over a socket of ours, or the loop alone."""
    if way == "handed over":
        monkeypatch.setattr(_network, "direct_tls", lambda loop: None)
    elif way == "loop":
        monkeypatch.setattr(_direct, "transports", None)


async def stream_pair() -> tuple[AsyncioStream, asyncio.StreamReader, Any]:
    """Return a stream, and both directions of its peer."""
    one, other = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=other)
    return await AsyncioNetwork().adopt(one), reader, writer


async def end(stream: AsyncioStream, writer: asyncio.StreamWriter) -> None:
    stream.abort()
    writer.transport.abort()
    await until(lambda: stream.take_pending()[2])


@every_loop
def test_bytes_pass_both_ways(loop):
    """What one side writes, the other reads; the end of the stream reads as b""."""

    async def scenario():
        stream, reader, writer = await stream_pair()
        await stream.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
        writer.write(b"pong")
        assert await stream.read() == b"pong"
        writer.write_eof()
        assert await stream.read() == b""
        assert await stream.read() == b""
        await end(stream, writer)

    run_on(loop, scenario)


def test_chunks_are_joined():
    """All that has arrived is returned at once."""

    async def scenario():
        stream, _, writer = await stream_pair()
        stream.data_received(b"a")
        stream.data_received(b"b")
        assert await stream.read() == b"ab"
        await end(stream, writer)

    run(scenario)


def test_reading_times_out_and_goes_on():
    """A read that timed out, or was cancelled, loses nothing."""

    async def scenario():
        stream, _, writer = await stream_pair()
        with pytest.raises(TimeoutError):
            await stream.read(timeout=5)
        reading = asyncio.create_task(stream.read())
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        writer.write(b"late")
        assert await stream.read(timeout=5) == b"late"
        await end(stream, writer)

    run_jumping(scenario)


@every_loop
def test_reading_pauses(loop):
    """A stream that nobody reads stops reading from the network, then goes on."""

    async def scenario():
        stream, _, writer = await stream_pair()
        size = 64 * READ_AHEAD
        writer.write(bytes(size))
        await until(lambda: not stream.transport.is_reading())
        received = 0
        while received < size:
            received += len(await stream.read())
        writer.write(bytes(2 * READ_AHEAD))
        await until(lambda: not stream.transport.is_reading())
        chunks, eof, lost, exc = stream.take_pending()
        assert sum(map(len, chunks)) > READ_AHEAD
        assert (eof, lost, exc) == (False, False, None)
        assert stream.transport.is_reading()
        await end(stream, writer)

    run_on(loop, scenario)


def test_what_arrived_survives_the_loss():
    """Bytes that arrived before the connection was lost can be read."""

    async def scenario():
        stream, _, writer = await stream_pair()
        writer.write(bytes(4 * READ_AHEAD))
        await until(lambda: not stream.transport.is_reading())
        stream.abort()
        await until(lambda: stream._lost)
        assert len(await stream.read()) > READ_AHEAD
        assert await stream.read() == b""
        await end(stream, writer)

    run(scenario)


@every_loop
def test_writing_waits_for_the_peer(loop):
    """write() waits while the transport holds too many bytes."""

    async def scenario():
        stream, reader, writer = await stream_pair()
        stream.transport.set_write_buffer_limits(0)
        writing = asyncio.create_task(stream.write(bytes(2**24)))
        await until(lambda: stream._writing_paused)
        assert not writing.done()
        assert len(await reader.readexactly(2**24)) == 2**24
        await writing
        await end(stream, writer)

    run_on(loop, scenario)


def test_writing_to_a_lost_connection_fails():
    """write() raises when the connection is lost, also while it waits."""

    async def scenario():
        stream, _, writer = await stream_pair()
        stream.transport.set_write_buffer_limits(0)
        writing = asyncio.create_task(stream.write(bytes(2**24)))
        await until(lambda: stream._writing_paused)
        stream.abort()
        with pytest.raises(ConnectionResetError, match="lost while writing"):
            await writing
        with pytest.raises(ConnectionResetError, match="lost while writing"):
            await stream.write(b"more")
        await end(stream, writer)

    run(scenario)


@every_loop
def test_closing_delivers_what_was_written(loop):
    """close() flushes, and waits for the peer's end of stream while ignoring bytes."""

    async def scenario():
        stream, reader, writer = await stream_pair()
        await stream.write(b"goodbye")
        closing = asyncio.create_task(stream.close())
        assert await reader.read() == b"goodbye"
        writer.write(bytes(2 * READ_AHEAD))
        await writer.drain()
        assert not closing.done()
        writer.close()
        await closing
        assert stream.take_pending()[2]
        await writer.wait_closed()

    run_on(loop, scenario)


def test_closing_is_cancelled():
    """A cancelled close() drops the connection at once."""

    async def scenario():
        stream, reader, writer = await stream_pair()
        closing = asyncio.create_task(stream.close())
        assert await reader.read() == b""
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await until(lambda: stream.take_pending()[2])
        await end(stream, writer)

    run(scenario)


@every_loop
def test_resolve(loop):
    """resolve() returns the addresses of a host, only IPv4 ones if asked."""

    async def scenario():
        network = AsyncioNetwork()
        assert await network.resolve("127.0.0.1") == ("127.0.0.1",)
        assert await network.resolve("::1") == ("::1",)
        assert "127.0.0.1" in await network.resolve("localhost", ipv4=True)
        with pytest.raises(socket.gaierror):
            await network.resolve("::1", ipv4=True)

    run_on(loop, scenario)


@every_loop
def test_tls_in_tls(loop):
    """TLS runs inside TLS, as through an https:// proxy; close() says goodbye."""

    async def scenario():
        async def talk(reader, writer):
            # The second handshake comes as data of the first connection.
            inner = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = server_context().wrap_bio(*inner, server_side=True)
            while True:
                try:
                    data = tls.read(100)
                except ssl.SSLWantReadError:
                    writer.write(inner[1].read())
                    inner[0].write(await reader.read(2**16))
                else:
                    if not data:  # the client says goodbye
                        return
                    tls.write(data.upper())
                    writer.write(inner[1].read())

        async with raw_server(talk, ssl=server_context()) as port:
            stream = await AsyncioNetwork().open_tcp("127.0.0.1", port)
            context = client_context()
            for _ in range(2):
                stream = await stream.start_tls(context, "localhost")
            await stream.write(b"hello")
            assert await stream.read() == b"HELLO"
            await stream.close()

    run_on(loop, scenario)


def test_tls_needs_a_clean_start():
    """Bytes or the end of the stream before a TLS handshake fail it."""

    async def scenario():
        context = client_context()
        stream, _, writer = await stream_pair()
        stream.data_received(b"too early")
        with pytest.raises(ConnectionResetError, match="sent data before the TLS"):
            await stream.start_tls(context, "localhost")
        await stream.read()
        writer.write_eof()
        assert await stream.read() == b""
        with pytest.raises(ConnectionResetError, match="closed before the TLS"):
            await stream.start_tls(context, "localhost")
        await end(stream, writer)

    run(scenario)


def test_tls_loses_the_connection_in_the_last_moment(monkeypatch):
    """start_tls() of Python 3.11 may return None; that's an error of the network."""

    async def scenario():
        stream, _, writer = await stream_pair()

        async def start_tls(*args, **kwargs):
            return None

        monkeypatch.setattr(asyncio.get_running_loop(), "start_tls", start_tls)
        with pytest.raises(ConnectionResetError, match="during the TLS handshake"):
            await stream.start_tls(client_context(), "localhost")
        await end(stream, writer)

    run(scenario)


@every_way
@every_loop
def test_tls_client_is_early(loop, way, monkeypatch):
    """A client's part of the TLS handshake may arrive before the server's begins."""

    go(way, monkeypatch)

    async def scenario():
        stream, reader, writer = await stream_pair()
        client = asyncio.create_task(
            writer.start_tls(client_context(), server_hostname="localhost")
        )
        await until(lambda: stream._chunks)
        await stream.start_tls(server_context(), server_side=True)
        await client
        writer.write(b"hello")
        assert await stream.read() == b"hello"
        await stream.write(b"world")
        assert await reader.readexactly(5) == b"world"
        await end(stream, writer)

    run_on(loop, scenario)


@every_way
@every_loop
def test_tls_fails_at_once_though_the_client_is_early(loop, way, monkeypatch):
    """Wrong use of TLS is reported, whatever has arrived; the connection is dropped."""

    go(way, monkeypatch)

    async def scenario():
        stream, _, writer = await stream_pair()
        writer.write(b"hello")
        await until(lambda: stream._chunks)
        with pytest.raises(TypeError):
            await stream.start_tls(None, server_side=True)
        await end(stream, writer)

    run_on(loop, scenario)


@every_loop
def test_tls_ends_behind_the_handshake(loop):
    """A peer that says goodbye before the takeover is heard, and TCP is closed."""

    async def scenario():
        async def talk(reader, writer):
            writer.write(b"\x81\x05hello\x88\x02\x03\xe8")

        async with raw_server(talk, ssl=server_context()) as port:
            stream = await AsyncioNetwork().open_tcp("127.0.0.1", port)
            await stream.start_tls(client_context(), "localhost")
            await until(lambda: stream._eof)
            connection = Connection(Protocol(Side.CLIENT))
            connection.attach(stream)
            assert await connection.recv() == "hello"
            await connection.wait_closed()
            assert connection.close_code == 1000

    run_on(loop, scenario)


def test_tls_transport_is_closed_by_the_program():
    """A program that closes the transport itself, even twice, gets a closed connection."""

    async def scenario():
        async with serving(ssl=server_context()) as server:
            uri = uri_of(server, "wss")
            async with connect(uri, ssl=client_context(), proxy=None) as websocket:
                websocket.transport.close()
                websocket.transport.close()
                await websocket.wait_closed()

    run(scenario)


@every_loop
def test_tls_is_cancelled(loop):
    """Cancelling a TLS handshake drops the connection, though the peer is silent."""

    async def scenario():
        async def talk(reader, writer):
            hello = await reader.read(2**16)
            assert hello[:1] == b"\x16"
            handshake.cancel()
            assert await reader.read() == b""

        async with raw_server(talk) as port:
            stream = await AsyncioNetwork().open_tcp("127.0.0.1", port)
            handshake = asyncio.create_task(stream.start_tls(client_context(), "a.b"))
            with pytest.raises(asyncio.CancelledError):
                await handshake

    run_on(loop, scenario)


def test_default_context_verifies():
    """The default context verifies servers, and offers protocols if it's told to."""

    async def scenario():
        network = AsyncioNetwork()
        for context in (network.default_context(), network.default_context(("a",))):
            assert context.verify_mode is ssl.CERT_REQUIRED
            assert context.check_hostname

    run(scenario)


@every_loop
def test_streams_are_found_by_their_transport(loop):
    """A transport leads to its stream, until another protocol has it, or it is lost."""

    async def scenario():
        stream, _, writer = await stream_pair()
        assert stream_below(stream.transport) is stream
        with pytest.raises(RuntimeError, match="needs a transport"):
            stream_below(writer.transport)
        with pytest.raises(RuntimeError, match="needs a transport"):
            stream_below(None)
        await end(stream, writer)
        with pytest.raises(ConnectionResetError, match="before the opening handshake"):
            stream_below(stream.transport)

    run_on(loop, scenario)
