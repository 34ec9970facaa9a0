"""TLS of our own, below streams and connections, and where programs fail."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
import weakref
from functools import partial
from typing import Any

import pytest

from tests.asyncio.helpers import (
    client_context,
    run_on,
    server_context,
    until,
)
from tests.asyncio.tls import (
    Pump,
    TlsPeer,
    connected,
    lost,
    make_tls,
    ours,
    run_kind,
    transport_below,
)
from tests.asyncio.transports import (
    NATIVE,
    Buffered,
    Peer,
    Plain,
    needs_native,
    tcp_pair,
)
from websockets.asyncio import _direct
from websockets.asyncio._network import AsyncioStream
from websockets.asyncio.connection import Connection
from websockets.exceptions import ConnectionClosedError
from websockets.protocol import Protocol, Side


# -- streams


async def stream_and_peer(kind, monkeypatch):
    """Return a stream whose TLS is ours, and the socket of its peer."""
    sock, other = tcp_pair()
    below = await transport_below(kind, sock)
    types = (type(below), None, Pump) if kind == "pump" else NATIVE
    monkeypatch.setattr(_direct, "transports", types)
    stream = AsyncioStream(asyncio.get_running_loop())
    stream.connection_made(below)
    below.set_protocol(stream)
    return stream, other


@ours
def test_streams_of_early_clients(loop, kind, monkeypatch):
    """What a client sends before the server's TLS begins is part of the handshake."""

    async def scenario():
        stream, other = await stream_and_peer(kind, monkeypatch)
        peer = TlsPeer(other, client_context())
        handshake = asyncio.create_task(peer.shake_hands())
        await until(lambda: stream._chunks)
        await stream.start_tls(server_context(), server_side=True)
        await handshake
        await stream.write(b"hello")
        assert await peer.read_all(5) == b"hello"
        await peer.send(peer.sealed(b"world"))
        assert await stream.read() == b"world"
        await peer.send(peer.goodbye())
        await stream.close()
        other.close()

    run_kind(loop, kind, scenario)


@ours
def test_streams_fail(loop, kind, monkeypatch):
    """A handshake that fails, or can't begin, closes the connection."""

    async def scenario():
        stream, other = await stream_and_peer(kind, monkeypatch)
        with pytest.raises(TypeError, match="expected to be an instance of"):
            await stream.start_tls(None, "localhost")
        await until(lambda: stream._lost)
        assert await Peer(other).at_eof()
        other.close()
        stream, other = await stream_and_peer(kind, monkeypatch)
        other.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(ssl.SSLError):
            await stream.start_tls(client_context(), "localhost")
        await until(lambda: stream._lost)
        other.close()

    run_kind(loop, kind, scenario)


@ours
def test_transports_are_aborted_during_the_handshake(loop, kind, monkeypatch):
    """A program that aborts the connection fails its handshake."""

    async def scenario():
        stream, other = await stream_and_peer(kind, monkeypatch)
        handshake = asyncio.create_task(stream.start_tls(client_context(), "localhost"))
        assert (await Peer(other).receive(1)) == b"\x16"
        stream.abort()
        with pytest.raises(ConnectionResetError, match="lost during the TLS handshake"):
            await handshake
        other.close()

    run_kind(loop, kind, scenario)


# -- what only the native transport has


@needs_native
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_much_both_ways_through_tls_in_tls(loop):
    """Two layers of TLS carry megabytes both ways at once, and say goodbye twice."""
    data = bytes(range(256)) * 2**14

    async def end_of(sock, context, **options):
        transport = await transport_below("direct", sock)
        protocol = Plain()
        for _ in range(2):
            early, protocol = protocol.received(), Plain()
            tls = make_tls("direct", transport, protocol, context, **options)
            await tls.handshake(early)
            transport = tls.transport
        transport.set_write_buffer_limits(high=100_000)
        transport.write(data)
        await until(lambda: len(protocol.received()) == len(data))
        transport.close()
        await until(lambda: lost(protocol))
        assert {"pause", "resume"} <= set(protocol.names())
        assert protocol.log[-1] == ("lost", type(None), None)
        return protocol.received()

    async def scenario():
        one, other = tcp_pair()
        ends = await asyncio.gather(
            end_of(one, client_context(), server_hostname="localhost"),
            end_of(other, server_context(), server_side=True),
        )
        assert ends == [data, data]

    run_on(loop, scenario)


@needs_native
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_what_transports_know(loop):
    """Programs learn about TLS, and about what is below."""

    async def scenario():
        protocol = Plain()
        transport, peer = await connected("direct", protocol)
        tls = transport.get_extra_info("ssl_object")
        assert isinstance(tls, ssl.SSLObject)
        assert transport.get_extra_info("sslcontext") is tls.context
        assert transport.get_extra_info("peercert") == tls.getpeercert() != {}
        assert transport.get_extra_info("cipher") == tls.cipher()
        assert transport.get_extra_info("compression") is None
        assert transport.get_extra_info("peername") == peer.sock.getsockname()
        assert transport.get_extra_info("socket").fileno() > 0
        assert transport.get_extra_info("other", 1) == 1
        assert transport.get_extra_info(2, 1) == 1
        with pytest.raises(TypeError):
            transport.get_extra_info()
        transport.set_write_buffer_limits(high=1000, low=10)
        assert transport.get_write_buffer_limits() == (10, 1000)
        assert repr(transport).startswith(
            "<TlsTransport open over <SocketTransport fd="
        )
        with pytest.raises(TypeError, match="bytes-like object, not <class 'str'>"):
            transport.write("text")
        with pytest.raises(BufferError):
            transport.write(memoryview(b"abcd")[::2])
        with pytest.raises(RuntimeError, match="opened once"):
            transport.open()
        reference = weakref.ref(transport)
        assert reference() is transport
        transport.abort()
        await until(lambda: lost(protocol))
        assert transport.get_protocol() is None
        transport.set_protocol(protocol)
        assert transport.get_protocol() is None
        assert repr(transport) == "<TlsTransport closed over <SocketTransport closed>>"
        assert transport.get_extra_info("peername") == peer.sock.getsockname()
        # Nobody is there to be told.
        transport.data_received(b"late")
        transport.connection_lost(None)
        transport.pause_writing()
        transport.resume_writing()
        transport.pause_reading()
        transport.resume_reading()
        transport.flush()
        assert transport.eof_received() is False
        del transport, protocol.transport
        await until(lambda: gc.collect() is None or reference() is None)
        peer.sock.close()

    run_on(loop, scenario)


@needs_native
def test_silent_writes_are_mentioned(caplog):
    """Who writes to a closed connection again and again finds it in the log."""

    async def scenario():
        protocol = Plain()
        transport, peer = await connected("direct", protocol)
        transport.abort()
        for _ in range(7):
            transport.write(b"nobody is there")
        await until(lambda: lost(protocol))
        peer.sock.close()

    run_on("asyncio", scenario)
    assert [record.message for record in caplog.records] == [
        "SSL connection is closed"
    ] * 2


def boom(protocol):
    raise RuntimeError("boom")


def nothing(protocol):
    return bytearray()


@needs_native
@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (Plain, "data", "data_received"),
        (Plain, "eof", "eof_received"),
        (Buffered, "data", "buffer_updated"),
        (Buffered, "buffer", "get_buffer"),
        (partial(Buffered, buffer=nothing), "empty", "get_buffer"),
    ],
)
def test_programs_fail(make, name, message):
    """An exception of a protocol is reported, and ends the connection."""

    async def scenario():
        reported = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reported.append(context))
        protocol = make(**{name: boom})
        transport, peer = await connected("direct", protocol)
        await peer.send(peer.sealed(b"data") + peer.goodbye())
        await until(lambda: lost(protocol))
        assert len(reported) == 1
        assert message in reported[0]["message"]
        assert reported[0]["transport"] is transport
        assert protocol.log[-1][1] is RuntimeError
        peer.sock.close()

    run_on("asyncio", scenario)


@needs_native
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_stops_the_loop_is_not_handled(stop):
    """KeyboardInterrupt and SystemExit reach who runs the loop."""

    def raise_it(protocol):
        raise stop

    protocol = Plain(data=raise_it)
    with contextlib.closing(asyncio.SelectorEventLoop()) as loop:
        transport, peer = loop.run_until_complete(connected("direct", protocol))
        loop.run_until_complete(peer.send(peer.sealed(b"data")))
        with pytest.raises(stop):
            loop.run_until_complete(until(lambda: lost(protocol)))
        loop.run_until_complete(until(lambda: lost(protocol)))
        peer.sock.close()


def closing(protocol):
    protocol.transport.close()
    return bytearray(10)


@needs_native
@pytest.mark.parametrize("name", ["data", "buffer", "eof"])
def test_programs_close_in_between(name):
    """Closing is safe wherever a protocol is called."""

    async def scenario():
        protocol = Buffered(**{name: closing})
        protocol.size = 3
        transport, peer = await connected("direct", protocol)
        await peer.send(peer.sealed(b"abcdef") + peer.sealed(b"ghi"))
        await asyncio.sleep(0)
        await peer.send(peer.goodbye())
        await until(lambda: lost(protocol))
        expected = {"data": b"abc", "buffer": b"", "eof": b"abcdefghi"}
        assert protocol.received() == expected[name]
        assert protocol.log[-1] == ("lost", type(None), None)
        peer.sock.close()

    run_on("asyncio", scenario)


@needs_native
def test_writing_during_the_handshake():
    """A transport isn't one before the handshake is over."""

    async def scenario():
        sock, other = tcp_pair()
        below = await transport_below("direct", sock)
        options = {"server_hostname": "localhost"}
        tls = make_tls("direct", below, Plain(), client_context(), **options)
        with pytest.raises(RuntimeError, match="during the TLS handshake"):
            tls.transport.write(b"data")
        with pytest.raises(TypeError, match="needs a transport of ours"):
            make_tls("direct", None, Plain(), client_context(), **options)
        with pytest.raises(TypeError):
            NATIVE[2]()
        with pytest.raises(TypeError):
            tls.transport.data_received("text")
        tls.transport.close()
        assert below.is_closing()
        await asyncio.sleep(0)
        other.close()

    run_on("asyncio", scenario)


# Of application data; nobody decrypts it.
RECORD = b"\x17\x03\x03\x00\x01x"


class BrokenEngine:
    """Stands for an SSLObject that breaks its word."""

    def __init__(self, tls, outgoing):
        self.tls, self.outgoing = tls, outgoing
        self.result: Any = None

    def read(self, *args):
        return self.result

    def write(self, data):
        return self.result

    def pending(self):
        return self.result


@needs_native
@pytest.mark.parametrize("result", [-1, 10**6, "text", None])
def test_engines_that_break_their_word(result):
    """Numbers that can't be end the connection, as do other errors of TLS."""

    async def scenario(use):
        reported = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reported.append(context))
        sock, other = tcp_pair()
        below = await transport_below("direct", sock)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        engine = BrokenEngine(None, outgoing)
        engine.result = result
        protocol = Plain()
        transport = NATIVE[2](
            loop, below, protocol, engine, engine, incoming, outgoing, Silent()
        )
        below.set_protocol(transport)
        transport.open()
        use(transport)
        await until(lambda: lost(protocol))
        assert len(reported) == 1
        other.close()

    run_on("asyncio", lambda: scenario(lambda transport: transport.write(b"data")))
    if result != "text":
        run_on(
            "asyncio",
            lambda: scenario(lambda transport: transport.data_received(RECORD)),
        )


class Silent:
    """A driver that does nothing."""

    def lost(self, exc):
        pass


@needs_native
@pytest.mark.parametrize("end", ["resume", "close"])
def test_the_stream_ends_while_nobody_reads(end):
    """What has come before the end is delivered, unless the program closes."""

    async def scenario():
        protocol = Plain()
        transport, peer = await connected("direct", protocol)
        transport.pause_reading()
        transport.data_received(peer.sealed(b"last words"))
        assert transport.eof_received() is True
        if end == "close":
            transport.close()
        else:
            transport.resume_reading()
            transport.pause_reading()
            transport.resume_reading()
            transport.pause_reading()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert protocol.received() == b""
            transport.resume_reading()
        await until(lambda: lost(protocol))
        expected = (
            ["made", "lost"] if end == "close" else ["made", "data", "eof", "lost"]
        )
        assert protocol.names() == expected
        peer.sock.close()

    run_on("asyncio", scenario)


@needs_native
def test_reading_goes_on_after_what_waited():
    """What came before a pause, and after it, is delivered in order."""

    async def scenario():
        protocol = Plain()
        transport, peer = await connected("direct", protocol)
        transport.pause_reading()
        transport.data_received(peer.sealed(b"one"))
        transport.resume_reading()
        await peer.send(peer.sealed(b"two"))
        await until(lambda: protocol.received() == b"onetwo")
        transport.abort()
        await until(lambda: lost(protocol))
        peer.sock.close()

    run_on("asyncio", scenario)


async def client_and_peer(monkeypatch) -> tuple[Connection, TlsPeer, Any]:
    """Return a client over TLS, its peer, and the peer's socket."""
    stream, other = await stream_and_peer("direct", monkeypatch)
    peer = TlsPeer(other, server_context(), server_side=True)
    await asyncio.gather(
        stream.start_tls(client_context(), "localhost"), peer.shake_hands()
    )
    connection = Connection(Protocol(Side.CLIENT))
    connection.attach(stream)
    return connection, peer, other


@needs_native
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_messages_before_damage_arrive(loop, monkeypatch):
    """A connection gets what came in order, then fails with the error of TLS."""
    frame = b"\x81\x05hello"

    async def scenario():
        connection, peer, other = await client_and_peer(monkeypatch)
        await connection.send("text")
        assert connection.buffered_amount == 0
        await peer.send(peer.sealed(frame) + b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert await connection.recv() == "hello"
        with pytest.raises(ConnectionClosedError) as info:
            await connection.recv()
        assert isinstance(info.value.__cause__, ssl.SSLError)
        await connection.wait_closed()
        other.close()

    run_on(loop, scenario)


class TalkingEngine(BrokenEngine):
    """Has an answer to what isn't data, and no data."""

    def read(self, *args):
        self.outgoing.write(b"answer")
        raise ssl.SSLWantReadError


@needs_native
def test_what_tls_has_to_say_leaves_at_once():
    """Records that aren't data may be answered, which doesn't wait for a write."""

    async def scenario():
        sock, other = tcp_pair()
        below = await transport_below("direct", sock)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        engine = TalkingEngine(None, outgoing)
        protocol = Plain()
        transport = NATIVE[2](
            asyncio.get_running_loop(),
            *(below, protocol, engine, engine, incoming, outgoing, Silent()),
        )
        below.set_protocol(transport)
        transport.open()
        transport.data_received(RECORD)
        assert await Peer(other).receive(6) == b"answer"
        transport.abort()
        await until(lambda: lost(protocol))
        other.close()

    run_on("asyncio", scenario)


# The first of two messages; it fills a record.
FULL = b"\x82\x7e\x3f\xfc" + bytes(16380)


@needs_native
@pytest.mark.parametrize("then", ["read", "close"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_programs_use_a_transport_that_calls_them(loop, then, monkeypatch):
    """Records that wait come before those that a program brings, and before the end."""

    async def scenario():
        connection, peer, other = await client_and_peer(monkeypatch)
        transport = connection.transport
        data = peer.sealed(FULL) + peer.sealed(b"\x81\x06second")
        data += peer.goodbye() if then == "close" else b""
        third = peer.sealed(b"\x81\x05third") if then == "read" else b""
        asyncio.get_running_loop().call_soon(lambda: transport.data_received(data))
        assert len(await connection.recv()) == 16380
        if then == "close":
            transport.close()
            await until(lambda: connection._lost)
        else:
            transport.data_received(third)
            assert await connection.recv() == "second"
            assert await connection.recv() == "third"
            connection.abort()
        await connection.wait_closed()
        other.close()

    run_on(loop, scenario)
