"""Connections of which a poller or a loop reports what is new, and that once."""

from __future__ import annotations

import array
import asyncio
import errno
import gc
import os
import socket
import weakref
from functools import partial

import pytest

from tests.asyncio.helpers import run_on, until
from tests.asyncio.transports import (
    NATIVE,
    Buffered,
    Peer,
    Plain,
    accepted_transport,
    connected_socket,
    listening_socket,
    needs_native,
    open_transport,
    tcp_pair,
)
from tests.loops import LOOPS, PATIENCE


every_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
every_protocol = pytest.mark.parametrize("make", [Plain, Buffered])
pytestmark = needs_native

if NATIVE is not None:
    Poller = NATIVE[1]


async def turns():
    """Let the loop look for events, more often than any of them needs."""
    for _ in range(5):
        await asyncio.sleep(0)


async def received(protocol, size):
    """Wait until a protocol has got so many bytes."""
    await until(lambda: len(protocol.received()) >= size)
    assert len(protocol.received()) == size


def pause(protocol):
    protocol.transport.pause_reading()


@every_loop
@every_protocol
def test_the_end_comes_with_bytes(loop, make):
    """Both are reported at the same time, and both are read."""

    async def scenario():
        protocol = make()
        transport, peer, poller = await accepted_transport(protocol)
        peer.sendall(b"hello")
        peer.shutdown(socket.SHUT_WR)
        await until(protocol.is_lost)
        assert protocol.received() == b"hello"
        assert protocol.names() == ["made", "data", "eof", "lost"]
        peer.close()
        poller.close(lambda: None)

    run_on(loop, scenario)


@every_loop
@every_protocol
@pytest.mark.parametrize("size", [5, 100, 1000])
@pytest.mark.parametrize("accepted", [True, False])
def test_an_error_comes_with_bytes(loop, make, size, accepted):
    """A connection that was reset ends, whoever watches it."""

    async def scenario():
        protocol = make()
        if accepted:
            _, peer, poller = await accepted_transport(protocol)
        else:
            sock, peer = tcp_pair()
            await open_transport("direct", sock, protocol)
        await turns()
        peer.sendall(bytes(size))
        Peer(peer).reset()
        await until(protocol.is_lost)
        assert protocol.log[-1] == ("lost", ConnectionResetError, errno.ECONNRESET)
        if accepted:
            poller.close(lambda: None)

    run_on(loop, scenario)


@every_loop
@pytest.mark.parametrize("end", ["pause", "write", "abort"])
def test_bytes_come_without_an_error(loop, end):
    """A loop that tells about errors once is asked again, as long as that has a sense."""

    async def scenario():
        sock, peer_sock = tcp_pair()
        peer = Peer(peer_sock)
        protocol = Plain()
        transport = await open_transport("direct", sock, protocol)
        running = asyncio.get_running_loop()
        due = running.time() + 0.4
        await peer.send(b"hello")
        await received(protocol, 5)
        if end == "pause":
            transport.pause_reading()
            await peer.send(b"hello")
            await until(lambda: running.time() > due)
            transport.resume_reading()
            await received(protocol, 10)
        elif end == "write":
            transport.write(b"hello")
            assert await peer.receive(5) == b"hello"
            await peer.send(b"hello")
            await received(protocol, 10)
        transport.abort()
        await until(protocol.is_lost)
        peer.sock.close()
        # No timer keeps it.
        ended = weakref.ref(transport)
        del transport, protocol.transport
        gc.collect()
        assert ended() is None

    run_on(loop, scenario)


@every_loop
@every_protocol
def test_urgent_bytes_among_others(loop, make):
    """A read stops in front of urgent data, and what follows is read nevertheless."""

    async def scenario():
        protocol = make()
        transport, peer, poller = await accepted_transport(protocol)
        peer.sendall(b"before")
        peer.send(b"!", socket.MSG_OOB)
        peer.sendall(b"after")
        await received(protocol, 11)
        assert protocol.received() == b"beforeafter"
        transport.abort()
        peer.close()
        poller.close(lambda: None)

    run_on(loop, scenario)


@every_loop
def test_descriptors_among_bytes(loop, tmp_path):
    """A read from a Unix socket stops where they were passed; what follows is read, too."""

    async def scenario():
        protocol = Plain()
        poller = Poller(asyncio.get_running_loop())
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "socket"))
            listener.listen()
            listener.setblocking(False)
            peer = socket.socket(socket.AF_UNIX)
            peer.connect(str(tmp_path / "socket"))
            poller.accept(listener.fileno(), 1, lambda: protocol)
        passed = array.array("i", [peer.fileno()])
        peer.sendall(b"before")
        peer.sendmsg([b"with"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
        peer.sendall(b"after")
        peer.shutdown(socket.SHUT_WR)
        await until(protocol.is_lost)
        assert protocol.received() == b"beforewithafter"
        peer.close()
        poller.close(lambda: None)

    run_on(loop, scenario)


@every_loop
def test_more_than_is_read_at_a_time(loop):
    """What an event brought is read in several turns, if need be."""

    async def scenario():
        data = os.urandom(20_000)
        protocol = Buffered()
        transport, peer, poller = await accepted_transport(protocol)
        peer.sendall(data)
        await received(protocol, len(data))
        assert protocol.received() == data
        transport.abort()
        peer.close()
        poller.close(lambda: None)

    run_on(loop, scenario)


@every_loop
@pytest.mark.parametrize("count", [250, 5000])
def test_reading_is_paused_in_between(loop, count):
    """What is left when a protocol pauses waits until it resumes."""

    async def scenario():
        protocol = Buffered(data=pause)
        transport, peer, poller = await accepted_transport(protocol)
        peer.sendall(bytes(count))
        for done in range(100, count + 100, 100):
            await received(protocol, min(done, count))
            await turns()
            await received(protocol, min(done, count))
            transport.resume_reading()
        transport.abort()
        peer.close()
        poller.close(lambda: None)

    run_on(loop, scenario)


@every_loop
def test_bytes_arrive_while_reading_is_paused(loop):
    """They are read when it's resumed, and so is the end."""

    async def scenario():
        protocol = Plain()
        transport, peer, poller = await accepted_transport(protocol)
        for number in range(1, 4):
            transport.pause_reading()
            peer.sendall(b"hello")
            await turns()
            assert len(protocol.received()) == 5 * (number - 1)
            transport.resume_reading()
            await received(protocol, 5 * number)
        transport.pause_reading()
        peer.shutdown(socket.SHUT_WR)
        await turns()
        assert protocol.names() == ["made", "data"]
        transport.resume_reading()
        await until(protocol.is_lost)
        peer.close()
        poller.close(lambda: None)

    run_on(loop, scenario)


@every_loop
@pytest.mark.parametrize("paused", [False, True])
def test_writing_waits_meanwhile(loop, paused):
    """A connection is read while it can't write, and after that."""

    async def scenario():
        protocol = Plain()
        transport, peer_sock, poller = await accepted_transport(protocol)
        peer = Peer(peer_sock)
        for number in range(1, 4):
            transport.write(bytes(2**20))
            assert transport.get_write_buffer_size()
            if paused:
                transport.pause_reading()
            await peer.send(b"hello")
            await turns()
            assert len(protocol.received()) == 10 * number - (10 if paused else 5)
            await peer.receive(2**20)
            await until(lambda: not transport.get_write_buffer_size())
            await peer.send(b"hello")
            transport.resume_reading()
            await received(protocol, 10 * number)
        transport.abort()
        peer.sock.close()
        poller.close(lambda: None)

    run_on(loop, scenario)


@every_loop
def test_what_is_left_when_the_loop_stops(loop):
    """Events that came together with the one that stops the loop aren't lost."""

    def stop(protocol):
        del protocol.reactions["data"]
        raise KeyboardInterrupt

    def itself(protocol):
        return protocol

    async def begin():
        poller = Poller(asyncio.get_running_loop())
        with listening_socket() as listener:
            for protocol in protocols:
                peers.append(connected_socket(listener))
                poller.accept(listener.fileno(), 1, partial(itself, protocol))
        return poller

    async def go_on():
        async with asyncio.timeout(PATIENCE):
            await until(lambda: all(len(each.received()) == 300 for each in protocols))
        for protocol in protocols:
            protocol.transport.abort()
        poller.close(lambda: None)

    peers = []
    protocols = [Buffered(), Buffered(data=stop), Buffered(), Plain()]
    factory, debug = LOOPS[loop]
    with asyncio.Runner(loop_factory=factory, debug=debug) as runner:
        poller = runner.run(begin())
        for peer in peers:
            peer.sendall(bytes(300))
        running = runner.get_loop()
        handle = running.call_later(PATIENCE, running.stop)
        with pytest.raises(KeyboardInterrupt):
            running.run_forever()
        handle.cancel()
        # uvloop goes on with what it has begun.
        if isinstance(running, asyncio.SelectorEventLoop):
            assert len(protocols[1].received()) == 100
        runner.run(go_on())
    for peer in peers:
        peer.close()
