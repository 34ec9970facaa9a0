"""Transports of our own do what asyncio's do: the same script, the same calls."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from tests.asyncio.helpers import run_on, until
from tests.asyncio.transports import (
    Buffered,
    Peer,
    Plain,
    accepted_transport,
    needs_native,
    open_transport,
    tcp_pair,
)
from tests.loops import ON_UVLOOP


pytestmark = pytest.mark.skipif(
    ON_UVLOOP, reason="it compares with asyncio's own loop, and runs on both already"
)

MUCH = bytes(range(256)) * 2**12  # 1 MiB: more than the system takes at once


def raise_error(protocol):
    raise ZeroDivisionError


def close(protocol):
    protocol.transport.close()


def abort(protocol):
    protocol.transport.abort()


def keep_open(protocol):
    return True


# Each script gets a transport, its protocol and the peer; what follows is the reactions
# of the protocol. The connection has to be lost in the end.


async def read_and_close(transport, protocol, peer):
    await peer.send(b"hello")
    await until(lambda: protocol.received() == b"hello")
    transport.close()


async def read_much(transport, protocol, peer):
    sending = asyncio.create_task(peer.send(MUCH))
    await until(lambda: len(protocol.received()) == len(MUCH))
    await sending
    assert protocol.received() == MUCH
    transport.close()


async def peer_ends(transport, protocol, peer):
    await peer.send(b"hello")
    peer.end()


async def peer_ends_first(transport, protocol, peer):
    peer.end()
    await until(lambda: "eof" in protocol.names())
    transport.write(b"still here")
    assert await peer.receive(10) == b"still here"
    transport.close()


async def peer_resets(transport, protocol, peer):
    peer.reset()


async def peer_resets_while_we_write(transport, protocol, peer):
    transport.write(MUCH)
    peer.reset()


async def peer_resets_while_much_waits(transport, protocol, peer):
    transport.pause_reading()
    transport.write(MUCH)
    peer.reset()


async def end_towards_nobody(transport, protocol, peer):
    transport.pause_reading()
    peer.reset()
    with pytest.raises(OSError, match="not connected"):
        transport.write_eof()
    transport.close()


async def write_to_nobody(transport, protocol, peer):
    transport.pause_reading()
    peer.reset()
    while not transport.is_closing():
        transport.write(b"hello")
        await asyncio.sleep(0)


async def close_twice(transport, protocol, peer):
    transport.close()
    transport.close()
    transport.abort()


async def close_with_unsent_bytes(transport, protocol, peer):
    transport.write(MUCH)
    transport.close()
    assert transport.is_closing()
    assert not transport.is_reading()
    assert await peer.receive(len(MUCH)) == MUCH
    assert await peer.at_eof()


async def abort_with_unsent_bytes(transport, protocol, peer):
    transport.write(MUCH)
    transport.abort()
    transport.write(b"more")
    assert transport.get_write_buffer_size() == 0


async def abort_while_closing(transport, protocol, peer):
    transport.write(MUCH)
    transport.close()
    transport.abort()


async def pause_and_resume(transport, protocol, peer):
    assert transport.is_reading()
    transport.pause_reading()
    transport.pause_reading()
    assert not transport.is_reading()
    await peer.send(b"hello")
    for _ in range(3):
        await asyncio.sleep(0)
    protocol.note("resuming")
    transport.resume_reading()
    transport.resume_reading()
    await until(lambda: protocol.received() == b"hello")
    transport.pause_reading()
    transport.resume_reading()
    await peer.send(b"again")
    await until(lambda: protocol.received() == b"helloagain")
    transport.close()
    transport.resume_reading()
    transport.pause_reading()


async def write_much(transport, protocol, peer):
    transport.write(MUCH)
    assert transport.get_write_buffer_size() > 65536
    transport.write(b"end")
    assert await peer.receive(len(MUCH) + 3) == MUCH + b"end"
    await until(lambda: "resume" in protocol.names())
    assert transport.get_write_buffer_size() == 0
    transport.close()


async def write_many(transport, protocol, peer):
    transport.write(MUCH)
    for size in range(500):
        transport.write(bytes(size))
        transport.write(bytearray(size))
    transport.writelines([b"on", memoryview(b"e"), bytearray(b" two")])
    total = len(MUCH) + 2 * sum(range(500)) + 7
    assert (await peer.receive(total))[-7:] == b"one two"
    transport.writelines([b"three", b" four"])
    assert await peer.receive(10) == b"three four"
    transport.close()


async def limits(transport, protocol, peer):
    assert transport.get_write_buffer_limits() == (16384, 65536)
    transport.set_write_buffer_limits(high=2**30)
    transport.write(MUCH)
    protocol.note("limit")
    transport.set_write_buffer_limits(high=1000)
    assert transport.get_write_buffer_limits() == (250, 1000)
    transport.set_write_buffer_limits(low=100)
    assert transport.get_write_buffer_limits() == (100, 400)
    transport.set_write_buffer_limits(1000, 500)
    assert transport.get_write_buffer_limits() == (500, 1000)
    transport.set_write_buffer_limits()
    for high, low in (1, 2), (1, -1):
        with pytest.raises(ValueError, match="must be >= 0"):
            transport.set_write_buffer_limits(high, low)
    await peer.receive(len(MUCH))
    await until(lambda: "resume" in protocol.names())
    transport.close()


async def end_our_side(transport, protocol, peer):
    assert transport.can_write_eof()
    transport.write(b"bye")
    transport.write_eof()
    transport.write_eof()
    with pytest.raises(RuntimeError, match="after write_eof"):
        transport.write(b"more")
    assert await peer.receive(3) == b"bye"
    assert await peer.at_eof()
    await peer.send(b"hello")
    peer.end()


async def end_our_side_later(transport, protocol, peer):
    transport.write(MUCH)
    transport.write_eof()
    assert await peer.receive(len(MUCH)) == MUCH
    assert await peer.at_eof()
    transport.close()
    transport.write_eof()


async def wrong_writes(transport, protocol, peer):
    transport.write(b"")
    for data in "text", None, 1:
        with pytest.raises(TypeError):
            transport.write(data)
    transport.close()
    transport.write(b"late")


async def change_protocols(transport, protocol, peer):
    await peer.send(b"one")
    await until(lambda: protocol.received() == b"one")
    assert transport.get_protocol() is protocol
    other = Buffered() if isinstance(protocol, Plain) else Plain()
    other.log = protocol.log
    transport.set_protocol(other)
    assert transport.get_protocol() is other
    await peer.send(b"two" * 100)
    await until(lambda: len(other.received()) == 303)
    transport.close()


async def just_wait(transport, protocol, peer):
    await peer.send(b"hello")


async def fill(transport, protocol, peer):
    transport.write(MUCH)


async def fill_and_read(transport, protocol, peer):
    transport.write(MUCH)
    with contextlib.suppress(ConnectionResetError, AssertionError):
        await peer.receive(len(MUCH))
    transport.close()


SCRIPTS = [
    (read_and_close, {}),
    (read_much, {}),
    (peer_ends, {}),
    (peer_ends, {"eof": raise_error}),
    (peer_ends, {"eof": close}),
    (peer_ends, {"eof": abort}),
    (peer_ends_first, {"eof": keep_open}),
    (peer_resets, {}),
    (peer_resets_while_we_write, {}),
    (peer_resets_while_much_waits, {}),
    (end_towards_nobody, {}),
    (write_to_nobody, {}),
    (close_twice, {}),
    (close_with_unsent_bytes, {}),
    (abort_with_unsent_bytes, {}),
    (abort_while_closing, {}),
    (pause_and_resume, {}),
    (write_much, {}),
    (write_many, {}),
    (limits, {}),
    (end_our_side, {}),
    (end_our_side_later, {}),
    (wrong_writes, {}),
    (change_protocols, {}),
    (just_wait, {"data": close}),
    (just_wait, {"data": abort}),
    (just_wait, {"data": raise_error}),
    (just_wait, {"made": close}),
    (just_wait, {"made": abort}),
    (fill, {"pause": abort}),
    (fill_and_read, {"pause": close}),
    (fill_and_read, {"pause": raise_error}),
    (fill_and_read, {"resume": close}),
    (fill_and_read, {"resume": abort}),
    (fill_and_read, {"resume": raise_error}),
    (read_and_close, {"lost": raise_error}),
]


def perform(kind, loop, script, make, reactions):
    """Run a script; return what the protocol and the loop's handler were told."""

    async def scenario():
        sock, peer_sock = tcp_pair()
        peer = Peer(peer_sock)
        protocol = make(**reactions)

        def handle(loop, context):
            protocol.log.append((context["message"], type(context["exception"])))

        asyncio.get_running_loop().set_exception_handler(handle)
        if kind == "accepted":
            sock.close()
            peer.sock.close()
            transport, peer_sock, poller = await accepted_transport(protocol)
            peer = Peer(peer_sock)
        else:
            transport = await open_transport(kind, sock, protocol)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            await script(transport, protocol, peer)
        await until(lambda: "lost" in protocol.names())
        await asyncio.sleep(0)
        peer.sock.close()
        if kind == "accepted":
            assert poller.transports() == []
            poller.close(lambda: None)
        assert transport.is_closing()
        return protocol.log

    log = run_on(loop, scenario)
    # Which callback failed is part of the text, with its arguments.
    return [entry if entry[0][:9] != "Exception" else ("Exception",) for entry in log]


@needs_native
@pytest.mark.parametrize("make", [Plain, Buffered])
@pytest.mark.parametrize("kind", ["direct", "accepted"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    ("script", "reactions"),
    SCRIPTS,
    ids=[
        "-".join(
            [script.__name__, *(f"{k}_{v.__name__}" for k, v in reactions.items())]
        )
        for script, reactions in SCRIPTS
    ],
)
def test_the_same_script_makes_the_same_calls(loop, kind, make, script, reactions):
    """A protocol can't tell a transport of ours from asyncio's."""
    expected = perform("loop", "asyncio", script, make, reactions)
    if "resume" in reactions and expected[-1] == ("Exception",):
        # asyncio's report the end twice when they are aborted in the middle of writing.
        expected.pop()
    assert perform(kind, loop, script, make, reactions) == expected
    assert [entry[0] for entry in expected].count("lost") == 1


@needs_native
@pytest.mark.parametrize(
    "buffer",
    [raise_error, lambda _: bytearray(), lambda _: b"read-only", lambda _: None],
)
def test_buffers_that_do_not_work(buffer):
    """A protocol without a proper buffer loses its connection, and the loop is told."""
    logs = [
        perform(kind, "asyncio", just_wait, Buffered, {"buffer": buffer})
        for kind in ("loop", "direct")
    ]
    for log in logs:
        assert [entry[0] for entry in log][-1] == "lost"
        assert "Fatal" in log[1][0]


@needs_native
def test_the_buffer_comes_too_late():
    """Nothing is read any more when asking for a buffer closes the transport."""

    def close_instead(protocol):
        protocol.transport.close()
        return bytearray(100)

    log = perform("direct", "asyncio", just_wait, Buffered, {"buffer": close_instead})
    assert [entry[0] for entry in log] == ["made", "lost"]


@needs_native
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("make", [Plain, Buffered])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", ["data", "eof", "pause", "resume"])
def test_what_stops_the_loop_is_not_handled(loop, make, stop, name):
    """KeyboardInterrupt and SystemExit reach whoever runs the loop."""

    def react(protocol):
        del protocol.reactions[name]
        raise stop

    async def scenario():
        sock, peer_sock = tcp_pair()
        peer = Peer(peer_sock)
        protocol = make(**{name: react})
        protocols.append(protocol)
        transport = await open_transport("direct", sock, protocol)
        try:
            await peer.send(b"hello")
            peer.end()
            with contextlib.suppress(stop):
                transport.write(MUCH)
            await peer.receive(len(MUCH))
            await until(lambda: "lost" in protocol.names())
        finally:
            transport.abort()
            await until(lambda: "lost" in protocol.names())
            peer.sock.close()

    protocols = []
    if name == "pause":  # the writer gets it
        run_on(loop, scenario)
    else:
        with pytest.raises(stop):
            run_on(loop, scenario)
    assert name in protocols[0].names()


@needs_native
@pytest.mark.parametrize("family", ["unix", "ipv4", "ipv6"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_addresses(loop, family, tmp_path):
    """Addresses are as asyncio tells them, also after the connection is gone."""

    async def scenario():
        if family == "unix":
            address = str(tmp_path / "socket")
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(address)
            listener.listen()
        else:
            host = "127.0.0.1" if family == "ipv4" else "::1"
            kind = socket.AF_INET if family == "ipv4" else socket.AF_INET6
            listener = socket.create_server((host, 0), family=kind)
            address = listener.getsockname()
        with listener:
            found = []
            for kind in ("loop", "direct"):
                sock = socket.socket(listener.family)
                sock.connect(address)
                protocol = Plain()
                transport = await open_transport(kind, sock, protocol)
                peer, _ = listener.accept()
                info = transport.get_extra_info
                assert info("peername") == address
                if family == "unix":
                    assert info("sockname") == ""
                else:
                    assert info("sockname") == peer.getpeername()
                assert info("sslcontext") is None
                assert info("unheard", 5) == 5
                assert info(5, default=6) == 6
                view = info("socket")
                assert view.fileno() == sock.fileno()
                assert view.family == sock.family
                assert view.gettimeout() == 0
                names = info("peername"), info("sockname")
                transport.abort()
                await until(lambda p=protocol: "lost" in p.names())
                assert (info("peername"), info("sockname")) == names
                assert view.fileno() == -1
                assert sock.fileno() == -1
                peer.close()
                found.append(names[0])
        assert found == [address, address]

    run_on(loop, scenario)


@needs_native
def test_abstract_addresses():
    """Names that aren't paths are bytes."""

    async def scenario():
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("")  # the system chooses a name
            listener.listen()
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(listener.getsockname())
            protocol = Plain()
            transport = await open_transport("direct", sock, protocol)
            name = transport.get_extra_info("peername")
            assert name == listener.getsockname()
            assert name[0] == 0
            transport.abort()
            await until(lambda: "lost" in protocol.names())

    run_on("asyncio", scenario)


@needs_native
def test_sockets_of_accepted_connections():
    """An accepted connection has a socket for Python once it's asked for."""

    async def scenario():
        protocol = Plain()
        transport, peer, poller = await accepted_transport(protocol)
        sock = transport.get_extra_info("socket")
        assert sock.getpeername() == peer.getsockname()
        assert sock.gettimeout() == 0
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        transport.close()
        await until(lambda: "lost" in protocol.names())
        assert transport.get_extra_info("peername") == peer.getsockname()
        assert transport.get_extra_info("sockname") == peer.getpeername()
        assert transport.get_extra_info("socket") is None
        peer.close()
        poller.close(lambda: None)

    run_on("asyncio", scenario)


@needs_native
def test_silent_writes_are_mentioned(caplog):
    """Who writes to a lost connection again and again is warned, as by asyncio."""

    async def scenario():
        sock, peer = tcp_pair()
        peer.close()
        protocol = Plain()
        transport = await open_transport("direct", sock, protocol)
        transport.abort()
        for _ in range(4):
            transport.write(b"hello")
        assert caplog.messages == []
        transport.write(b"hello")
        assert caplog.messages == ["socket.send() raised exception."]
        await until(lambda: "lost" in protocol.names())
        transport.write(b"hello")
        assert len(caplog.messages) == 2

    run_on("asyncio", scenario)
