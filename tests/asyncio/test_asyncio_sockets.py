"""Transports of our own: what asyncio's have no counterpart for; pollers."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import os
import socket
import sys
import weakref
from typing import Any

import pytest

from tests.asyncio.helpers import run_on, until
from tests.asyncio.transports import (
    NATIVE,
    Peer,
    Plain,
    accepted_transport,
    connected_socket,
    listening_socket,
    needs_native,
    open_transport,
    tcp_pair,
)


every_loop = pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
pytestmark = needs_native

if NATIVE is not None:
    SocketTransport, Poller, _ = NATIVE


@every_loop
def test_detaching(loop):
    """A socket can be had back; the transport is closed then, and says nothing."""

    async def scenario():
        sock, peer = tcp_pair()
        protocol = Plain()
        transport = await open_transport("direct", sock, protocol)
        transport.write(bytes(2**20))
        with pytest.raises(BlockingIOError, match="bytes wait to be written"):
            transport._detach()
        reading = Peer(peer)
        await reading.receive(2**20)
        await until(lambda: not transport.get_write_buffer_size())
        assert transport._detach() is sock
        assert transport.is_closing()
        assert transport.get_extra_info("sockname") == sock.getsockname()
        assert transport.get_protocol() is None
        transport.abort()
        transport.close()
        with pytest.raises(ConnectionResetError):
            transport._detach()
        await reading.send(b"hello")
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(sock, 10) == b"hello"
        assert protocol.names() == ["made", "pause", "resume"]
        sock.close()
        peer.close()

    run_on(loop, scenario)


@every_loop
def test_detaching_what_was_accepted(loop):
    """A connection that a server accepted can be taken from it."""

    async def scenario():
        protocol = Plain()
        transport, peer, poller = await accepted_transport(protocol)
        assert poller.transports() == [transport]
        sock = transport._detach()
        assert poller.transports() == []
        assert sock.getpeername() == peer.getsockname()
        emptied = []
        poller.close(lambda: emptied.append(True))
        assert emptied == [True]
        sock.close()
        peer.close()

    run_on(loop, scenario)


@every_loop
def test_detaching_before_the_end_is_reported(loop):
    """A transport that is closing has nothing to hand out; the end comes once."""

    async def scenario():
        sock, peer = tcp_pair()
        protocol = Plain()
        transport = await open_transport("direct", sock, protocol)
        transport.close()
        with pytest.raises(ConnectionResetError):
            transport._detach()
        await until(lambda: "lost" in protocol.names())
        peer.close()

    run_on(loop, scenario)


def test_representation():
    """A transport shows its state."""

    async def scenario():
        sock, peer = tcp_pair()
        protocol = Plain()
        transport = await open_transport("direct", sock, protocol)
        fd = sock.fileno()
        assert repr(transport) == f"<SocketTransport fd={fd} open, 0 bytes to write>"
        assert isinstance(transport, asyncio.Transport)
        transport.close()
        assert repr(transport) == f"<SocketTransport fd={fd} closing, 0 bytes to write>"
        await until(protocol.is_lost)
        assert repr(transport) == "<SocketTransport closed>"
        reference = weakref.ref(transport)
        assert reference() is transport
        protocol.transport = transport = None
        assert reference() is None
        peer.close()

    run_on("asyncio", scenario)


def test_unclosed_transports_are_mentioned():
    """A transport that nobody closed warns when it is collected."""

    async def scenario():
        sock, peer = tcp_pair()
        transports = [SocketTransport(asyncio.get_running_loop(), sock)]
        with pytest.warns(ResourceWarning, match="unclosed transport <SocketTransport"):
            transports.clear()
        assert sock.fileno() == -1
        peer.close()

    run_on("asyncio", scenario)


def test_transports_of_a_loop_that_was_closed():
    """A program that forgets everything is told, and leaves nothing open."""

    async def scenario():
        protocol = Plain()
        transport, peer, poller = await accepted_transport(protocol)
        return peer

    peer = run_on("asyncio", scenario)
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        gc.collect()
    peer.setblocking(True)
    assert peer.recv(1) == b""
    peer.close()


def test_descriptors_that_somebody_else_closes():
    """Closing a descriptor behind a server's back costs a connection or two, not more."""

    async def scenario():
        contexts = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: contexts.append(context["exception"])
        )
        crowd = Crowd(1)
        (protocol,) = crowd.protocols
        crowd.peers.append(connected_socket(crowd.listener))
        os.close(int(repr(protocol.transport).split("fd=")[1].split()[0]))
        late = Plain()
        crowd.poller.accept(crowd.listener.fileno(), 1, lambda: late)
        assert late.log == []
        (failure,) = contexts
        assert "was closed by somebody else" in str(failure)
        await crowd.leave()

    run_on("asyncio", scenario)


def test_protocols_fail_after_they_detached(monkeypatch):
    """An exception is reported somewhere when the transport has no loop any more."""

    def detach_and_fail(protocol):
        sockets.append(protocol.transport._detach())
        raise ZeroDivisionError

    async def scenario():
        sock, peer = tcp_pair()
        await open_transport("direct", sock, Plain(data=detach_and_fail))
        peer.send(b"hello")
        await until(lambda: reported)
        peer.close()

    sockets: list[Any] = []
    reported = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda args: reported.append(args.exc_type)
    )
    run_on("asyncio", scenario)
    assert reported == [ZeroDivisionError]
    sockets.pop().close()


def test_programs_fail_when_the_last_connection_has_gone():
    """What a poller's close() was to call may raise."""

    def fail():
        raise ZeroDivisionError

    async def scenario():
        poller = Poller(asyncio.get_running_loop())
        with pytest.raises(ZeroDivisionError):
            poller.close(fail)

    run_on("asyncio", scenario)


def test_the_module_is_given_back():
    """An interpreter that ends leaves nothing of the module behind."""

    def load():
        spec = importlib.util.find_spec("websockets.speedups")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        types = module.load_transports()
        assert module.load_transports() == types
        assert types[0] is not SocketTransport
        gc.collect()  # it looks at everything

    load()
    gc.collect()
    before = sys.getrefcount(asyncio.BufferedProtocol)
    load()
    gc.collect()
    after = sys.getrefcount(asyncio.BufferedProtocol)
    assert after == before


def test_wrong_sockets():
    """What can't be a transport is refused, and left alone."""

    async def scenario():
        loop = asyncio.get_running_loop()
        with pytest.raises(TypeError):
            SocketTransport(loop)
        with pytest.raises(AttributeError):
            SocketTransport(loop, object())

        class Silly:
            def fileno(self):
                return "no number"

        with pytest.raises(TypeError):
            SocketTransport(loop, Silly())
        with socket.socket() as closed:
            pass
        with pytest.raises(OSError, match="Bad file descriptor"):
            SocketTransport(loop, closed)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as sock:
            with pytest.raises(ValueError, match="unsupported address family: 16"):
                SocketTransport(loop, sock)
            assert sock.fileno() >= 0

    run_on("asyncio", scenario)


def test_sockets_without_a_peer():
    """A peer that is gone before the transport is made has no address."""

    async def scenario():
        with socket.socket() as sock:
            transport = SocketTransport(asyncio.get_running_loop(), sock)
            assert transport.get_extra_info("peername") is None
            assert transport._detach() is sock

    run_on("asyncio", scenario)


def test_transports_are_made_and_started_once():
    """Who starts a transport twice hasn't understood it."""

    async def scenario():
        sock, peer = tcp_pair()
        protocol = Plain()
        transport = await open_transport("direct", sock, protocol)
        with pytest.raises(RuntimeError, match="started once"):
            transport.start(protocol)
        with pytest.raises(RuntimeError, match="made once"):
            transport.__init__(asyncio.get_running_loop(), sock)
        transport.abort()
        await until(lambda: "lost" in protocol.names())
        peer.close()

    run_on("asyncio", scenario)


def test_transports_without_a_socket():
    """A transport that has no socket behaves like one that is closed."""
    transport = SocketTransport.__new__(SocketTransport)
    transport.write(b"hello")
    transport.writelines([b"hello"])
    transport.write_eof()
    transport.pause_reading()
    transport.resume_reading()
    transport.set_write_buffer_limits(0)
    transport.abort()
    transport.close()
    assert transport.is_closing()
    assert transport.get_protocol() is None
    assert transport.get_extra_info("socket") is None
    assert transport.get_extra_info("sockname") is None
    assert transport.get_extra_info("peername") is None
    with pytest.raises(ConnectionResetError):
        transport._detach()
    with pytest.raises(RuntimeError, match="started once"):
        transport.start(Plain())


def test_starting_fails():
    """An exception of connection_made() is for whoever starts the transport."""

    def fail(protocol):
        raise ZeroDivisionError

    async def scenario():
        sock, peer = tcp_pair()
        protocol = Plain(made=fail)
        with pytest.raises(ZeroDivisionError):
            await open_transport("direct", sock, protocol)
        protocol.transport.abort()
        await until(lambda: "lost" in protocol.names())
        peer.close()

    run_on("asyncio", scenario)


class Crowd:
    """Connections that one poller has accepted, and their peers."""

    def __init__(self, size: int) -> None:
        self.poller = Poller(asyncio.get_running_loop())
        self.listener = listening_socket()
        self.peers: list[Any] = []
        self.protocols: list[Any] = []
        for _ in range(size):
            self.join(Plain())

    def join(self, protocol: Any) -> None:
        self.peers.append(connected_socket(self.listener))
        self.accept(protocol)

    def accept(self, protocol: Any) -> None:
        self.protocols.append(protocol)
        self.poller.accept(self.listener.fileno(), 1, lambda: protocol)

    async def leave(self) -> None:
        for protocol in self.protocols:
            protocol.transport.abort()
        await until(lambda: all("lost" in p.names() for p in self.protocols))
        assert self.poller.transports() == []
        self.poller.close(lambda: None)
        self.listener.close()
        for peer in self.peers:
            peer.close()


@every_loop
def test_connections_close_each_other(loop):
    """Closing connections whose events wait in the same batch is safe."""

    async def scenario():
        crowd = Crowd(50)

        def close_others(protocol):
            for other in crowd.protocols:
                if other is not protocol:
                    other.transport.abort()

        for protocol, peer in zip(crowd.protocols, crowd.peers, strict=True):
            protocol.reactions["data"] = close_others
            peer.send(b"hello")
        await until(lambda: any(p.received() for p in crowd.protocols))
        await until(
            lambda: [p.names()[-1] for p in crowd.protocols].count("lost") == 49
        )
        assert sum(bool(p.received()) for p in crowd.protocols) == 1
        await crowd.leave()

    run_on(loop, scenario)


@every_loop
def test_descriptors_are_used_again_at_once(loop):
    """An event of a connection isn't taken for one of who has its descriptor then."""

    async def scenario():
        crowd = Crowd(2)
        one, two = crowd.protocols
        late = Plain()
        crowd.peers.append(connected_socket(crowd.listener))

        def replace(protocol):
            other = two if protocol is one else one
            if "lost" in other.names() or late.transport is not None:
                return
            fd = other.transport.get_extra_info("socket").fileno()
            other.transport._detach().close()
            crowd.accept(late)
            assert late.transport.get_extra_info("socket").fileno() == fd

        for protocol, peer in zip([one, two], crowd.peers, strict=False):
            protocol.reactions["data"] = replace
            peer.send(b"hello")
        await until(lambda: late.transport is not None)
        await asyncio.sleep(0)
        assert late.names() == ["made"]
        for protocol in one, two:
            if protocol.transport.get_protocol() is None:
                protocol.note("lost")
        await crowd.leave()

    run_on(loop, scenario)


@every_loop
def test_many_connections_at_once(loop):
    """More connections than a batch has room for are all served."""

    async def scenario():
        crowd = Crowd(300)
        for peer in crowd.peers:
            peer.send(b"hello")
        await until(lambda: all(p.received() == b"hello" for p in crowd.protocols))
        assert len(crowd.poller.transports()) == 300
        await crowd.leave()

    run_on(loop, scenario)


def test_what_stops_the_loop_leaves_the_rest_for_later():
    """KeyboardInterrupt in one connection loses nothing of the others."""

    def stop(protocol):
        del protocol.reactions["data"]
        raise KeyboardInterrupt

    async def scenario():
        crowd = Crowd(3)
        crowds.append(crowd)
        for protocol, peer in zip(crowd.protocols, crowd.peers, strict=True):
            protocol.reactions["data"] = stop
            peer.send(b"hello")
        await until(lambda: False)

    async def go_on():
        (crowd,) = crowds
        await until(lambda: all(p.received() == b"hello" for p in crowd.protocols))
        await crowd.leave()

    crowds: list[Crowd] = []
    loop = asyncio.SelectorEventLoop()
    task = loop.create_task(scenario())
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(task)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.run_until_complete(go_on())
    loop.close()


@every_loop
@pytest.mark.parametrize("where", ["factory", "made"])
def test_programs_fail_while_a_connection_is_accepted(loop, where):
    """A protocol that can't be made costs its connection, which the loop reports."""

    def fail(protocol=None):
        raise ZeroDivisionError

    async def scenario():
        contexts = []
        asyncio.get_running_loop().set_exception_handler(
            lambda loop, context: contexts.append(context)
        )
        poller = Poller(asyncio.get_running_loop())
        with listening_socket() as listener:
            peer = connected_socket(listener)
            factory = fail if where == "factory" else lambda: Plain(made=fail)
            poller.accept(listener.fileno(), 1, factory)
        assert poller.transports() == []
        (context,) = contexts
        assert "transport creation" in context["message"]
        assert isinstance(context["exception"], ZeroDivisionError)
        assert context["transport"].is_closing()
        assert ("protocol" in context) == (where == "made")
        peer.setblocking(True)
        assert peer.recv(1) == b""
        peer.close()
        poller.close(lambda: None)
        with pytest.raises(RuntimeError, match="closed before"):
            poller.close(lambda: None)

    run_on(loop, scenario)


def test_programs_stop_while_a_connection_is_accepted():
    """KeyboardInterrupt passes, and the connection is closed."""

    def stop():
        raise KeyboardInterrupt

    async def scenario():
        poller = Poller(asyncio.get_running_loop())
        with listening_socket() as listener:
            peer = connected_socket(listener)
            with pytest.raises(KeyboardInterrupt):
                poller.accept(listener.fileno(), 1, stop)
        peer.setblocking(True)
        assert peer.recv(1) == b""
        peer.close()
        poller.close(lambda: None)

    run_on("asyncio", scenario)


def test_accepting_fails():
    """Errors of accept() are for the caller; nobody there isn't one."""

    async def scenario():
        poller = Poller(asyncio.get_running_loop())
        with listening_socket() as listener:
            poller.accept(listener.fileno(), 10, Plain)
        with pytest.raises(OSError, match="Bad file descriptor"):
            poller.accept(listener.fileno(), 10, Plain)
        with pytest.raises(TypeError):
            poller.accept()
        with pytest.raises(TypeError):
            Poller()
        poller.close(lambda: None)

    run_on("asyncio", scenario)


def test_the_last_connection_has_gone():
    """A poller tells that it has no connections any more, once it is closed."""

    async def scenario():
        protocol = Plain()
        transport, peer, poller = await accepted_transport(protocol)
        emptied = []
        poller.close(lambda: emptied.append(True))
        assert emptied == []
        transport.close()
        await until(lambda: emptied)
        assert "lost" in protocol.names()
        peer.close()

    run_on("asyncio", scenario)
