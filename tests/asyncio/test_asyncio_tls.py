"""TLS of our own does what asyncio's does."""

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
    patiently,
    run_jumping,
    run_on,
    server_context,
    until,
)
from tests.asyncio.tls import (
    Pump,
    TlsPeer,
    context_of,
    make_tls,
    open_tls,
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


every_loop = pytest.mark.parametrize("loop", ["asyncio", "debug", "uvloop"])
every_version = pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
# The one in Python needs the inside of asyncio's transports.
ours = pytest.mark.parametrize(
    ("loop", "kind"),
    [
        pytest.param("asyncio", "direct", marks=needs_native),
        pytest.param("uvloop", "direct", marks=needs_native),
        ("selector", "pump"),
    ],
)


class Viewed(Buffered):
    """A protocol with a buffer in the one form that asyncio's TLS understands."""

    def get_buffer(self, sizehint):
        self.buffer = memoryview(bytearray(1000))
        return self.buffer


async def connected(
    kind: str,
    protocol: Any,
    version: str = "TLSv1_3",
    server: bool = False,
    **options: Any,
) -> tuple[Any, TlsPeer]:
    """Return a transport and its peer, after the handshake."""
    sock, other = tcp_pair()
    peer = TlsPeer(other, context_of(version, not server), server_side=not server)
    if server:
        options["server_side"] = True
    transport, _ = await asyncio.gather(
        open_tls(kind, sock, protocol, context_of(version, server), **options),
        peer.shake_hands(),
    )
    return transport, peer


def run_selector(scenario):
    """Run a scenario on asyncio's own loop, whatever the suite runs on."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(patiently(scenario()))


def run_kind(loop, kind, scenario):
    """Run a scenario on a loop that suits the kind of transport."""
    return run_selector(scenario) if kind == "pump" else run_on(loop, scenario)


def lost(protocol: Any) -> bool:
    return "lost" in protocol.names()


# -- scripts: what happens to a connection


async def talk(transport, peer, protocol):
    transport.write(b"")
    transport.write(b"hello")
    transport.write(bytearray(b", "))
    transport.write(memoryview(b"world"))
    transport.writelines([b"!", b"!"])
    assert await peer.read_all(14) == b"hello, world!!"
    await peer.send(peer.sealed(b"one") + peer.sealed(b"two"))
    await until(lambda: protocol.received() == b"onetwo")
    await peer.send(peer.goodbye())


async def byte_by_byte(transport, peer, protocol):
    for byte in peer.sealed(b"slow") + peer.sealed(b"ly") + peer.goodbye():
        await peer.send(bytes([byte]))
        await asyncio.sleep(0)


async def much(transport, peer, protocol):
    await peer.send(peer.sealed(bytes(range(256)) * 4096))
    await until(lambda: len(protocol.received()) == 2**20)
    await peer.send(peer.goodbye())


async def silence_of_the_peer(transport, peer, protocol):
    await peer.send(peer.sealed(b"last words"))
    peer.end()


async def reset(transport, peer, protocol):
    await peer.send(peer.sealed(b"last words"))
    await until(lambda: protocol.received())
    peer.reset()


async def close(transport, peer, protocol):
    transport.write(b"last words")
    transport.close()
    assert transport.is_closing()
    assert await peer.read_all(10) == b"last words"
    assert await peer.read() == b""
    await peer.send(peer.goodbye())


async def abort(transport, peer, protocol):
    transport.abort()
    assert transport.is_closing()
    with pytest.raises((OSError, ssl.SSLError)):
        await peer.read()


async def garbage(transport, peer, protocol):
    await peer.send(peer.sealed(b"last words"))
    await until(lambda: protocol.received())
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def damage(transport, peer, protocol):
    sealed = bytearray(peer.sealed(b"important"))
    sealed[-1] ^= 1
    await peer.send(sealed)


async def pausing(transport, peer, protocol):
    transport.pause_reading()
    assert not transport.is_reading()
    await peer.send(peer.sealed(bytes(60_000)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert protocol.received() == b""
    transport.resume_reading()
    assert protocol.received() == b""
    await until(lambda: len(protocol.received()) == 60_000)
    assert transport.is_reading()
    await peer.send(peer.goodbye())


async def pausing_at_the_end(transport, peer, protocol):
    def pause(protocol):
        protocol.transport.pause_reading()

    protocol.reactions["data"] = pause
    await peer.send(peer.sealed(bytes(100)) + peer.sealed(b"more") + peer.goodbye())
    peer.end()
    await until(lambda: protocol.received())
    for _ in range(20):
        await asyncio.sleep(0)
    while not lost(protocol):
        transport.resume_reading()
        await asyncio.sleep(0)


async def slow_peer(transport, peer, protocol):
    transport.set_write_buffer_limits(high=100_000)
    for _ in range(40):
        transport.write(bytes(200_001))
    assert transport.get_write_buffer_size() > 100_000
    assert await peer.read_all(40 * 200_001) == bytes(40 * 200_001)
    await until(lambda: "resume" in protocol.names())
    assert transport.get_write_buffer_size() == 0
    await peer.send(peer.goodbye())


SCRIPTS = [
    talk,
    byte_by_byte,
    much,
    silence_of_the_peer,
    reset,
    close,
    abort,
    garbage,
    damage,
    pausing,
    pausing_at_the_end,
    slow_peer,
]


async def play(kind, script, make, version, server):
    """Return what a protocol is told while a script is played."""
    protocol = make()
    transport, peer = await connected(kind, protocol, version, server)
    assert transport.get_protocol() is protocol
    assert not transport.can_write_eof()
    with pytest.raises(NotImplementedError):
        transport.write_eof()
    await script(transport, peer, protocol)
    await until(lambda: lost(protocol))
    transport.write(b"too late")
    peer.sock.close()
    # After close(), asyncio tells about the peer's goodbye, and we don't.
    return [entry for entry in protocol.log if script is not close or entry[0] != "eof"]


@ours
@every_version
@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_same_script_makes_the_same_calls(loop, kind, script, server, version):
    """Protocols can't tell TLS of ours from asyncio's."""
    make = Viewed if kind == "direct" and server else Plain

    async def calls(kind):
        return await play(kind, script, make, version, server)

    expected = run_selector(lambda: calls("loop"))
    assert run_kind(loop, kind, lambda: calls(kind)) == expected


# -- the handshake


async def failure(kind, server, react, **options):
    """Return what the handshake with a peer that misbehaves raises."""
    sock, other = tcp_pair()
    peer = TlsPeer(other, context_of("TLSv1_3", not server), server_side=not server)
    if server:
        options["server_side"] = True
    opening = asyncio.create_task(
        open_tls(kind, sock, Plain(), context_of("TLSv1_3", server), **options)
    )
    await react(peer, opening)
    await asyncio.wait([opening])
    other.close()
    assert sock.fileno() == -1
    if opening.cancelled():
        return asyncio.CancelledError
    return type(opening.exception())


async def be_garbage(peer, opening):
    await peer.pull()
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def end_at_once(peer, opening):
    peer.end()


async def end_in_between(peer, opening):
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.do_handshake()
    await peer.flush()
    await peer.pull()
    peer.end()


async def reset_in_between(peer, opening):
    await peer.pull()
    peer.reset()


async def be_cancelled(peer, opening):
    await peer.pull()
    opening.cancel()


@pytest.mark.parametrize(
    ("server", "react"),
    [
        (False, be_garbage),
        (False, end_at_once),
        (False, end_in_between),
        (False, reset_in_between),
        (False, be_cancelled),
        (True, end_at_once),
        (True, end_in_between),
    ],
)
@ours
def test_handshakes_fail_alike(loop, kind, server, react):
    """What goes wrong in a handshake raises what asyncio raises; nothing stays open."""
    expected = run_selector(lambda: failure("loop", server, react))
    found = run_kind(loop, kind, lambda: failure(kind, server, react))
    assert found is expected


@ours
def test_certificates_are_verified(loop, kind):
    """A certificate of somebody else ends the handshake, and the peer learns why."""

    async def scenario():
        sock, other = tcp_pair()
        peer = TlsPeer(other, context_of("TLSv1_3", True), server_side=True)
        context = ssl.create_default_context()
        opening = asyncio.create_task(open_tls(kind, sock, Plain(), context))
        await peer.shake_hands_in_part()
        with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
            await opening
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            await peer.shake_hands()
        other.close()

    run_kind(loop, kind, scenario)


@ours
def test_wrong_arguments(loop, kind):
    """Contexts and timeouts are checked."""

    async def scenario():
        sock, other = tcp_pair()
        below = await transport_below(kind, sock)
        context = client_context()
        with pytest.raises(TypeError, match="expected to be an instance of"):
            make_tls(kind, below, Plain(), None)
        for name in ("ssl_handshake_timeout", "ssl_shutdown_timeout"):
            with pytest.raises(ValueError, match=f"{name} should be a positive number"):
                make_tls(kind, below, Plain(), context, **{name: 0})
        below.abort()
        await asyncio.sleep(0)
        other.close()

    run_kind(loop, kind, scenario)


@pytest.mark.parametrize("kind", ["pump", pytest.param("direct", marks=needs_native)])
def test_handshakes_take_too_long(kind):
    """A peer that says nothing is given up."""

    async def scenario():
        sock, other = tcp_pair()
        with pytest.raises(ConnectionAbortedError, match="longer than 7 seconds"):
            await open_tls(
                kind, sock, Plain(), client_context(), ssl_handshake_timeout=7
            )
        await asyncio.sleep(0)
        other.close()

    run_jumping(scenario)


@pytest.mark.parametrize("kind", ["pump", pytest.param("direct", marks=needs_native)])
def test_goodbyes_take_too_long(kind):
    """A peer that doesn't say goodbye is given up; what it sends is forgotten."""

    async def scenario():
        protocol = Plain()
        transport, peer = await connected(kind, protocol, ssl_shutdown_timeout=7)
        transport.close()
        await peer.send(peer.sealed(b"more"))
        await until(lambda: lost(protocol))
        assert protocol.log == [("made",), ("lost", TimeoutError, None)]
        peer.sock.close()

    run_jumping(scenario)


async def garbage_at_the_end(peer):
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def end_without_goodbye(peer):
    peer.end()


@pytest.mark.parametrize(
    ("react", "error"),
    [(garbage_at_the_end, ssl.SSLError), (end_without_goodbye, type(None))],
)
@ours
def test_goodbyes_fail(loop, kind, react, error):
    """The connection is closed, whatever answers the goodbye."""

    async def scenario():
        protocol = Plain()
        transport, peer = await connected(kind, protocol)
        transport.close()
        await react(peer)
        await until(lambda: lost(protocol))
        assert [entry[:2] for entry in protocol.log] == [("made",), ("lost", error)]
        peer.sock.close()

    run_kind(loop, kind, scenario)


@ours
def test_broken_tls_says_no_goodbye(loop, kind):
    """Closing gives up when TLS is in no state to say goodbye."""

    async def scenario():
        protocol = Plain()
        transport, peer = await connected(kind, protocol)
        transport.pause_reading()
        transport.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        transport.close()
        await until(lambda: lost(protocol))
        assert protocol.log == [("made",), ("lost", ssl.SSLError, 1)]
        peer.sock.close()

    run_kind(loop, kind, scenario)


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
            lambda: scenario(
                lambda transport: transport.data_received(b"\x17\x03\x03")
            ),
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


@needs_native
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_messages_before_damage_arrive(loop, monkeypatch):
    """A connection gets what came in order, then fails with the error of TLS."""
    frame = b"\x81\x05hello"

    async def scenario():
        stream, other = await stream_and_peer("direct", monkeypatch)
        peer = TlsPeer(other, server_context(), server_side=True)
        await asyncio.gather(
            stream.start_tls(client_context(), "localhost"), peer.shake_hands()
        )
        connection = Connection(Protocol(Side.CLIENT))
        connection.attach(stream)
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
