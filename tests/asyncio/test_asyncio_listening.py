"""Servers that accept by themselves look like asyncio's; who uses what."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import resource
import socket
import sys
from typing import Any
from unittest import mock

import pytest

from tests.asyncio.helpers import (
    LOOPS,
    echo,
    port_of,
    raw_client,
    run,
    run_jumping,
    run_on,
    run_own,
    serving,
    steps,
    until,
    uri_of,
)
from tests.asyncio.transports import NATIVE, Plain, needs_native
from websockets.asyncio import _direct, _native, _network
from websockets.asyncio._direct import (
    direct_poller,
    direct_transport,
    origin,
    suits,
    wanted,
)
from websockets.asyncio._listening import RETRY_DELAY, SocketServer, listen
from websockets.asyncio._network import AsyncioNetwork, AsyncioStream
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve, unix_serve


# As asyncio and uvloop put it.
NO_STREAM = r"[Ss]tream [Ss]ocket was expected"

every_loop = pytest.mark.parametrize("loop", LOOPS)


class FakePoller:
    """Stands for what accepts connections, where there is none."""

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)
        self.times: list[float] = []
        self.emptied: Any = None
        self.clients: list[Any] = []

    def accept(self, fileno, limit, factory):
        self.times.append(asyncio.get_running_loop().time())
        if self.errors:
            raise OSError(self.errors.pop(0), "no more")
        with socket.socket(fileno=fileno) as listener:
            sock, _ = listener.accept()
            listener.detach()
        sock.close()

    def transports(self):
        return self.clients

    def close(self, emptied):
        self.emptied = emptied
        if not self.clients:
            emptied()


class FakeTransport:
    """Stands for a connection that a server may close."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def close(self):
        self.calls.append("close")

    def abort(self):
        self.calls.append("abort")


async def fake_server(poller: Any) -> SocketServer:
    loop = asyncio.get_running_loop()
    inner = await loop.create_server(Plain, "127.0.0.1", 0, start_serving=False)
    return SocketServer(inner, poller, Plain, 10)


@every_loop
def test_server_like_that_of_asyncio(loop):
    """Everything that programs do with an asyncio.Server works."""

    async def scenario():
        poller = FakePoller()
        server = await fake_server(poller)
        assert isinstance(server, asyncio.AbstractServer)
        assert server.get_loop() is asyncio.get_running_loop()
        assert not server.is_serving()
        assert len(server.sockets) == 1
        port = port_of(server)
        assert f"{port}" in repr(server)
        await server.start_serving()
        await server.start_serving()
        assert server.is_serving()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        assert poller.times
        poller.clients = [FakeTransport()]
        server.close_clients()
        server.abort_clients()
        assert poller.clients[0].calls == ["close", "abort"]
        server.close()
        server.close()
        assert not server.is_serving()
        assert not server.sockets
        waiting = asyncio.ensure_future(server.wait_closed())
        await steps()
        assert not waiting.done()
        poller.emptied()
        await waiting
        poller.emptied()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(RuntimeError, match="is closed"):
            await server.start_serving()

    run_on(loop, scenario)


@every_loop
def test_serving_forever(loop):
    """serve_forever() starts, lasts until it's cancelled or the server closes, once."""

    async def scenario():
        async with await fake_server(FakePoller()) as server:
            serving = asyncio.ensure_future(server.serve_forever())
            await until(server.is_serving)
            await steps()
            with pytest.raises(RuntimeError, match="already being awaited"):
                await server.serve_forever()
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
            assert not server.is_serving()
            with pytest.raises(RuntimeError, match="is closed"):
                await server.serve_forever()
        async with await fake_server(FakePoller()) as server:
            serving = asyncio.ensure_future(server.serve_forever())
            await until(server.is_serving)
            await steps()
            server.close()
            with pytest.raises(asyncio.CancelledError):
                await serving

    run_on(loop, scenario)


def test_accepting_pauses_without_descriptors():
    """A server that runs out of something tells the loop, and tries again in a second."""

    async def scenario():
        contexts = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: contexts.append(context))
        poller = FakePoller(errno.EMFILE, errno.ENOMEM)
        server = await fake_server(poller)
        await server.start_serving()
        sock = socket.create_connection(("127.0.0.1", port_of(server)))
        await until(lambda: len(poller.times) == 1)
        await asyncio.sleep(2 * RETRY_DELAY + 0.5)  # this loop's clock jumps
        assert len(poller.times) == 3
        assert poller.times[1] - poller.times[0] >= RETRY_DELAY
        assert poller.times[2] - poller.times[1] >= RETRY_DELAY
        assert [context["exception"].errno for context in contexts] == [
            errno.EMFILE,
            errno.ENOMEM,
        ]
        assert contexts[0]["message"] == "socket.accept() out of system resource"
        assert contexts[0]["socket"].getsockname()[1] == port_of(server)
        sock.close()
        poller.errors = [errno.ENFILE]
        sock = socket.create_connection(("127.0.0.1", port_of(server)))
        await until(lambda: len(contexts) == 3)
        server.close()
        sock.close()

    run_jumping(scenario)


def test_other_errors_are_the_loops():
    """Errors that don't pass are reported, and the server goes on."""

    async def scenario():
        contexts = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: contexts.append(context))
        poller = FakePoller(errno.EINVAL)
        server = await fake_server(poller)
        await server.start_serving()
        with socket.create_connection(("127.0.0.1", port_of(server))):
            await until(lambda: len(poller.times) == 2)
        assert contexts[0]["exception"].errno == errno.EINVAL
        server.close()

    run(scenario)


@needs_native
def test_running_out_of_descriptors(caplog):
    """A server without descriptors survives, and serves who waited."""

    async def scenario():
        async with serving(echo) as server:
            sock = socket.create_connection(("127.0.0.1", port_of(server)))
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (sock.fileno() + 1, limits[1]))
            try:
                await until(lambda: "out of system resource" in caplog.text)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            sock.close()
            async with connect(uri_of(server)) as websocket:
                await websocket.send("hello")
                assert await websocket.recv() == "hello"

    contexts = []

    async def quiet():
        loop = asyncio.get_running_loop()

        def handle(loop, context):
            contexts.append(context)
            caplog.handler.stream.write(context["message"])

        loop.set_exception_handler(handle)
        await scenario()

    run_jumping(quiet)
    assert contexts[0]["exception"].errno == errno.EMFILE


@needs_native
@every_loop
def test_serving_starts_later(loop):
    """With start_serving=False connections are refused until serving starts."""

    async def scenario():
        server = await listen(
            Plain, unix=False, host="127.0.0.1", port=0, start_serving=False
        )
        assert not server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port_of(server))
        await server.start_serving()
        async with raw_client(server):
            pass
        server.close()
        await server.wait_closed()

    run_on(loop, scenario)


@pytest.mark.parametrize("start_serving", [False, True])
@pytest.mark.parametrize("poller", [None, FakePoller])
def test_who_listens(monkeypatch, poller, start_serving):
    """Without what accepts connections, the loop does."""

    async def scenario():
        found = None if poller is None else (FakeDirect, lambda loop: poller())
        monkeypatch.setattr(_direct, "transports", found)
        server = await listen(
            Plain, unix=False, host="127.0.0.1", port=0, start_serving=start_serving
        )
        assert isinstance(server, asyncio.Server if poller is None else SocketServer)
        assert server.is_serving() == start_serving
        server.close()
        await server.wait_closed()

    run_own(scenario)


def test_listening_fails(monkeypatch):
    """A server that can't start to serve leaves nothing open."""

    def fail(*args):
        raise OSError(errno.EMFILE, "no more")

    async def scenario():
        monkeypatch.setattr(_direct, "transports", (FakeDirect, lambda _: FakePoller()))
        monkeypatch.setattr("websockets.asyncio._listening.os.dup", fail)
        with pytest.raises(OSError, match="no more"):
            await listen(Plain, unix=False, host="127.0.0.1", port=0)

    run(scenario)


@every_loop
def test_unix_sockets_are_removed(loop, tmp_path):
    """Closing a server removes its socket's file where asyncio's server does."""

    async def scenario():
        path = tmp_path / "socket"
        async with unix_serve(echo, path) as server:
            assert path.exists()
            assert server.sockets[0].family == socket.AF_UNIX
        return path.exists()

    remains = run_on(loop, scenario)
    if loop != "uvloop":
        assert remains == (sys.version_info < (3, 13))


@every_loop
def test_several_servers_share_a_port(loop):
    """Options of listening sockets arrive."""

    async def scenario():
        async with serving(reuse_port=True) as one:
            other = await serve(echo, "127.0.0.1", port_of(one), reuse_port=True)
            assert port_of(one) == port_of(other)
            other.close()
            await other.wait_closed()

    run_on(loop, scenario)


def test_the_environment_chooses():
    """WEBSOCKETS_TRANSPORT takes two values; others are mistakes that are named."""
    assert wanted("")
    assert wanted("direct")
    assert not wanted("asyncio")
    with pytest.raises(ValueError, match="must be asyncio or direct, not 'uvloop'"):
        wanted("uvloop")


@pytest.mark.parametrize("native", [False, True])
def test_what_the_extension_offers(monkeypatch, native):
    """Without the extension, and where it has none, there are no transports of ours."""
    monkeypatch.setattr(_native, "NATIVE", native)
    module = "websockets.speedups"
    monkeypatch.setitem(sys.modules, module, None)
    assert _native.native_transports() is None
    assert _native.native_timer() is None

    class Speedups:
        TimerFd = 4

        @staticmethod
        def load_transports():
            return 1, 2, 3

    monkeypatch.setitem(sys.modules, module, Speedups)
    assert _native.native_transports() == ((1, 2, 3) if native else None)
    assert _native.native_timer() == (4 if native else None)


class Subclass(asyncio.SelectorEventLoop):
    """A loop that changes something else."""

    __module__ = "program"

    def time(self):
        return super().time()


class Overriding(asyncio.SelectorEventLoop):
    """A loop whose servers are different."""

    __module__ = "program"

    def create_server(self, *args, **kwargs):
        return super().create_server(*args, **kwargs)


class Foreign(asyncio.AbstractEventLoop):
    """A loop that nobody knows."""

    __module__ = "program"

    def create_server(self, *args, **kwargs):
        raise NotImplementedError


def test_known_loops_are_used_directly():
    """Loops have to be known, and who overrides a method wants it called."""
    for factory, _ in LOOPS.values():
        loop = factory()
        assert suits(loop, "create_server")
        assert suits(loop, "create_unix_connection")
        loop.close()
    with contextlib.closing(Subclass()) as loop:
        assert suits(loop, "create_server")
        loop.create_server = None
        assert not suits(loop, "create_server")
        assert suits(loop, "create_connection")
    with contextlib.closing(Overriding()) as loop:
        assert not suits(loop, "create_server")
        assert suits(loop, "create_connection")
    assert not suits(Foreign(), "create_server")


@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_what_is_patched_on_a_class_of_loops(name, monkeypatch):
    """Tests of programs put mocks there, or wrappers that claim to be the original."""
    with contextlib.closing(LOOPS[name][0]()) as loop:
        original = type(loop).create_server
        cls = type("Patched", (type(loop),), {})

    def wrapper(self, *args, **kwargs):
        return original(self, *args, **kwargs)

    with contextlib.closing(cls()) as loop:
        assert suits(loop, "create_server")
        for replacement in (
            mock.AsyncMock(),
            functools.wraps(asyncio.BaseEventLoop.create_server)(wrapper),
        ):
            with monkeypatch.context() as patch:
                patch.setattr(cls, "create_server", replacement)
                assert not suits(loop, "create_server")
            assert suits(loop, "create_server")
        assert not suits(loop, "create_something")


def test_where_functions_come_from():
    """What a function says about itself may be copied from another."""
    copy = functools.wraps(asyncio.BaseEventLoop.create_server)(lambda: None)
    assert origin(asyncio.BaseEventLoop.create_server) == "asyncio.base_events"
    assert origin(copy) == __name__
    assert origin(str.join) == "builtins"
    assert origin(mock.AsyncMock()) is None


def test_who_gets_which_transports(monkeypatch):
    """There are transports of ours where there are some, and the loop is known."""
    with contextlib.closing(asyncio.SelectorEventLoop()) as loop:
        monkeypatch.setattr(_direct, "transports", None)
        assert direct_transport(loop, "create_connection") is None
        assert direct_poller(loop, "create_server") is None
        assert _direct.direct_tls(loop) is None
        assert not _direct.is_direct(asyncio.Transport())
        fakes = asyncio.Transport, FakePoller, FakeTls
        monkeypatch.setattr(_direct, "transports", fakes)
        assert direct_transport(loop, "create_connection") is asyncio.Transport
        assert _direct.direct_tls(loop) is FakeTls
        assert isinstance(direct_poller(loop, "create_server"), FakePoller)
        assert _direct.is_direct(asyncio.Transport())
        assert _direct.is_direct(FakeTls())
        loop.create_server = loop.create_connection = loop.start_tls = None
        assert direct_transport(loop, "create_connection") is None
        assert direct_poller(loop, "create_server") is None
        assert _direct.direct_tls(loop) is None


class FakeTls:
    """Stands for TLS of ours."""


class FakeDirect(asyncio.Transport):
    """Stands for a transport of ours, which gives its socket away."""

    def __init__(self, loop, sock):
        super().__init__()
        self.sock = sock
        self.gone = False

    def start(self, protocol):
        protocol.connection_made(self)

    def is_closing(self):
        return self.gone

    def _detach(self):
        self.gone = True
        return self.sock

    def abort(self):
        self.gone = True
        self.sock.close()


@every_loop
@pytest.mark.parametrize("found", [None, (FakeDirect, FakePoller, FakeTls)])
def test_streams_over_sockets(loop, tmp_path, monkeypatch, found):
    """Addresses, paths and sockets lead to transports of ours, or of the loop."""

    async def end(stream):
        ours = type(stream.transport) is FakeDirect
        assert ours == (found is not None)
        stream.abort()
        await until(lambda: ours or stream.take_pending()[2])

    async def scenario():
        monkeypatch.setattr(_direct, "transports", found)
        network = AsyncioNetwork()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            stream = await network.open_tcp(*listener.getsockname())
            await end(stream)
        path = tmp_path / "socket"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            stream = await network.open_unix(path)
            await end(stream)
        one, other = socket.socketpair()
        stream = await network.adopt(one)
        assert one.gettimeout() == 0
        await end(stream)
        other.close()

    run_on(loop, scenario)


@every_loop
def test_sockets_that_are_left_to_the_loop(loop, monkeypatch):
    """Subclasses of sockets may do anything, and other sockets are the loop's matter."""

    class Socket(socket.socket):
        pass

    async def scenario():
        monkeypatch.setattr(_direct, "transports", (FakeDirect, FakePoller, FakeTls))
        one, other = socket.socketpair()
        special = Socket(fileno=one.detach())
        stream = await AsyncioNetwork().adopt(special)
        assert type(stream.transport) is not FakeDirect
        stream.abort()
        await until(lambda: stream.take_pending()[2])
        other.close()
        sock = socket.socket(type=socket.SOCK_DGRAM)
        with pytest.raises(ValueError, match=NO_STREAM):
            await AsyncioNetwork().adopt(sock)
        sock.close()

    run_on(loop, scenario)


def test_a_transport_cannot_be_made(monkeypatch):
    """A connected socket is closed when there's no transport for it."""

    class Failing:
        def __init__(self, loop, sock):
            raise MemoryError

    async def scenario():
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        with pytest.raises(MemoryError):
            _direct.over_socket(Failing, loop, one, Plain())
        assert one.fileno() == -1
        other.close()

    run(scenario)


@every_loop
def test_the_loop_takes_a_socket_over(loop, monkeypatch):
    """TLS of the loop needs a transport of the loop; what fails leaves nothing open."""

    async def scenario():
        monkeypatch.setattr(_direct, "transports", (FakeDirect, FakePoller, FakeTls))
        # As if the program had overridden start_tls().
        monkeypatch.setattr(_network, "direct_tls", lambda loop: None)
        one, other = socket.socketpair()
        stream = AsyncioStream(asyncio.get_running_loop())
        FakeDirect(None, one).start(stream)
        one.setblocking(False)
        other.send(b"hello")
        with pytest.raises(TypeError):  # None is no context, which comes later
            await stream.start_tls(None, server_side=True)
        assert type(stream.transport) is not FakeDirect
        await until(lambda: stream.take_pending()[2])
        other.close()

        one, other = socket.socketpair(type=socket.SOCK_DGRAM)
        stream = AsyncioStream(asyncio.get_running_loop())
        FakeDirect(None, one).start(stream)
        with pytest.raises(ValueError, match=NO_STREAM):
            await stream.start_tls(None, server_side=True)
        assert one.fileno() == -1
        other.close()

    run_on(loop, scenario)


@needs_native
@every_loop
def test_connections_have_transports_of_ours(loop, monkeypatch):
    """Both ends of an ordinary connection do their own input and output."""
    assert NATIVE is not None
    monkeypatch.setattr(_direct, "transports", NATIVE)

    async def scenario():
        async def handler(websocket):
            assert type(websocket.transport) is NATIVE[0]
            await echo(websocket)

        async with serving(handler) as server, connect(uri_of(server)) as websocket:
            assert type(websocket.transport) is NATIVE[0]
            await websocket.send("hello")
            assert await websocket.recv() == "hello"
            clients = server.server._poller.transports()
            assert len(clients) == 1

    run_on(loop, scenario)
