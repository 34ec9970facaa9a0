"""Servers: starting, serving, closing."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest

from tests.asyncio.helpers import (
    LOOPS,
    REQUEST,
    client_context,
    echo,
    port_of,
    raw_client,
    run,
    run_jumping,
    run_on,
    server_context,
    serving,
    steps,
    until,
    uri_of,
)
from websockets.asyncio.client import connect, unix_connect
from websockets.asyncio.server import ServerConnection, serve, unix_serve
from websockets.exceptions import (
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidStatus,
    NegotiationError,
)
from websockets.http11 import Response
from websockets.protocol import State
from websockets.server import ServerProtocol


every_loop = pytest.mark.parametrize("loop", LOOPS)


@pytest.fixture(autouse=True)
def info_logs(caplog):
    caplog.set_level(logging.INFO, "websockets.server")


@every_loop
def test_echo(loop, caplog):
    """A client gets its message back; the log tells the story."""

    async def scenario():
        async with serving() as server:
            async with connect(uri_of(server)) as websocket:
                await websocket.send("Hello world!")
                assert await websocket.recv() == "Hello world!"
                (connection,) = server.connections
                assert connection.server is server
                assert connection.state is State.OPEN
            return port_of(server)

    port = run_on(loop, scenario)
    # The client may see the end of the connection before the server does.
    assert sorted(
        r.getMessage() for r in caplog.records if "asyncio" not in r.name
    ) == [
        "connection closed",
        "connection open",
        "server closed",
        "server closing",
        f"server listening on 127.0.0.1:{port}",
    ]


@every_loop
def test_echo_over_tls(loop):
    """The same over TLS."""

    async def scenario():
        async with serving(ssl=server_context()) as server:
            uri = uri_of(server, "wss")
            async with connect(uri, ssl=client_context()) as websocket:
                await websocket.send("Hello world!")
                assert await websocket.recv() == "Hello world!"
                assert websocket.transport.get_extra_info("ssl_object") is not None

    run_on(loop, scenario)


@every_loop
def test_echo_on_a_unix_socket(loop, tmp_path, caplog):
    """The same on a Unix socket, by path or preexisting."""

    async def scenario():
        path = tmp_path / "socket"
        async with unix_serve(echo, path) as server:
            assert server.sockets[0].family is socket.AF_UNIX
            async with unix_connect(path) as websocket:
                await websocket.send("Hello world!")
                assert await websocket.recv() == "Hello world!"
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(str(path))
            async with unix_connect(sock=sock) as websocket:
                await websocket.send("Hello world!")
                assert await websocket.recv() == "Hello world!"

    run_on(loop, scenario)
    assert f"server listening on {tmp_path / 'socket'}" in caplog.text


def test_tls_on_a_unix_socket(tmp_path):
    """With ssl, the URI of unix_connect() is wss://localhost/."""

    async def scenario():
        path = str(tmp_path / "socket")
        async with (
            unix_serve(echo, path, ssl=server_context()),
            unix_connect(path, ssl=client_context()) as websocket,
        ):
            assert websocket.request.headers["Host"] == "localhost"
            assert websocket.transport.get_extra_info("ssl_object") is not None

    run(scenario)


def test_preexisting_listening_socket(tmp_path):
    """sock= is used for listening; a Unix server needs no path then."""

    async def scenario():
        sock = socket.create_server(("127.0.0.1", 0))
        async with serve(echo, sock=sock) as server, connect(uri_of(server)):
            pass
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(tmp_path / "socket"))
        async with unix_serve(echo, sock=sock), unix_connect(tmp_path / "socket"):
            pass

    run(scenario)


@pytest.mark.filterwarnings("ignore:There is no current event loop:DeprecationWarning")
def test_older_style():
    """serve() works without a running loop, and a handler may take the path."""
    paths = []

    async def handler(websocket, path):
        paths.append(path)

    loop = asyncio.new_event_loop()
    try:
        server = loop.run_until_complete(serve(handler, "127.0.0.1", 0))

        async def client():
            async with connect(uri_of(server) + "/path?query") as websocket:
                await websocket.wait_closed()

        loop.run_until_complete(client())
        server.close()
        loop.run_until_complete(server.wait_closed())
    finally:
        loop.close()
    assert paths == ["/path?query"]


def test_server_that_is_not_started():
    """Before it is awaited, there is no server to ask; afterwards, awaiting is idempotent."""

    async def scenario():
        server = serving()
        for use in (server.is_serving, server.get_loop, server.close):
            with pytest.raises(RuntimeError, match="isn't started: await it first"):
                use()
        with pytest.raises(RuntimeError, match="isn't started"):
            await server.wait_closed()
        assert await server is server
        inner = server.server
        assert await server is server
        assert server.server is inner
        assert server.get_loop() is asyncio.get_running_loop()
        server.close()
        server.close()
        await server.wait_closed()
        await server.wait_closed()
        assert not server.is_serving()
        assert server.sockets == ()

    run(scenario)


def test_starting_fails():
    """When listening fails, the exception is raised, and starting can be tried again."""

    async def scenario():
        sock = socket.create_server(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        server = serve(echo, "127.0.0.1", port)
        with pytest.raises(OSError, match="address already in use"):
            await server
        sock.close()
        async with server:
            assert server.is_serving()

    run(scenario)


def test_start_serving_later(caplog):
    """start_serving=False listens without accepting."""

    async def scenario():
        async with serving(start_serving=False) as server:
            assert not server.is_serving()
            assert "listening" not in caplog.text
            await server.start_serving()
            await server.start_serving()
            assert server.is_serving()
            assert caplog.text.count("server listening on") == 1

    run(scenario)


def test_serve_forever():
    """serve_forever() ends when the server is closed."""

    async def scenario():
        server = await serving()
        serving_task = asyncio.create_task(server.serve_forever())
        await steps()
        assert not serving_task.done()
        server.close()
        assert await serving_task is None

    run(scenario)


def test_serve_forever_is_cancelled():
    """Cancelling serve_forever() closes the server, and waits until that's done."""

    async def scenario():
        server = await serving()
        websocket = await connect(uri_of(server))
        serving_task = asyncio.create_task(server.serve_forever())
        await steps()
        serving_task.cancel()
        with pytest.raises(ConnectionClosedOK, match=r"1001 \(going away\)"):
            await websocket.recv()
        with pytest.raises(asyncio.CancelledError):
            await serving_task
        assert not server.all_connections
        assert not server.handler_tasks

    run(scenario)


@every_loop
@pytest.mark.parametrize("tls", [False, True])
def test_open_timeout_covers_everything(loop, tls, caplog):
    """A client that connects and says nothing is dropped at the deadline, TLS or not."""

    async def scenario():
        options = {"ssl": server_context()} if tls else {}
        async with serving(open_timeout=0.05, **options) as server:
            async with raw_client(server) as (reader, _):
                assert await reader.read() == b""
            await until(lambda: not server.opening)
            assert not server.all_connections

    run_on(loop, scenario)
    assert "ERROR" not in caplog.text


def test_silent_clients_have_no_task():
    """A client that says nothing takes a stream, until it says something or leaves."""

    async def scenario():
        tasks = len(asyncio.all_tasks())
        async with serving(open_timeout=None) as server:
            async with raw_client(server) as (_, writer):
                await until(lambda: server.opening)
                [stream] = server.opening
                assert stream.task is None
                assert len(asyncio.all_tasks()) == tasks
                writer.write(b"G")
                await until(lambda: stream.task is not None)
            await until(lambda: not server.opening)
            async with raw_client(server):
                await until(lambda: server.opening)
            await until(lambda: not server.opening)

    run(scenario)


@every_loop
def test_a_task_factory_makes_the_tasks(loop):
    """A task factory of the program makes the tasks of connections, if there is one."""

    async def scenario():
        made = []

        def factory(loop, coro, **kwargs):
            made.append(coro.__qualname__)
            return asyncio.Task(coro, loop=loop, **kwargs)

        asyncio.get_running_loop().set_task_factory(factory)
        async with serving(echo) as server, connect(uri_of(server)) as websocket:
            await websocket.send("a")
            assert await websocket.recv() == "a"
        assert "Acceptor.run" in made

    run_on(loop, scenario)


def test_cancelling_while_the_deadline_passes():
    """A task that somebody else cancels, too, is cancelled."""

    async def scenario():
        waiting = asyncio.Event()
        tasks = []

        async def process_request(connection, request):
            tasks.append(asyncio.current_task())
            try:
                await waiting.wait()
            except asyncio.CancelledError:
                tasks[0].cancel()
                raise

        async with serving(process_request=process_request, open_timeout=1) as server:
            async with raw_client(server) as (reader, writer):
                writer.write(REQUEST)
                assert await reader.read() == b""
            await until(lambda: not server.opening)
        assert tasks[0].cancelled()

    run_jumping(scenario)


def test_open_timeout_covers_tls_and_request_together():
    """TLS doesn't start the time anew."""

    async def scenario():
        options = {"ssl": server_context(), "open_timeout": 10}
        async with serving(**options) as server:
            start = server.get_loop().time()
            reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
            await asyncio.sleep(8)
            await writer.start_tls(client_context(), server_hostname="localhost")
            assert await reader.read() == b""
            assert 10 <= server.get_loop().time() - start < 11
            writer.close()

    run_jumping(scenario)


def test_tls_failure_is_quiet(caplog):
    """A client that doesn't speak TLS, or distrusts us, isn't the server's mistake."""

    async def scenario():
        async with serving(ssl=server_context()) as server:
            async with raw_client(server) as (reader, writer):
                writer.write(b"GET / HTTP/1.1\r\n\r\n")
                await reader.read()
            await until(lambda: not server.opening)

    run(scenario)
    assert "ERROR" not in caplog.text


def test_handler_failure(caplog):
    """When the handler raises, the client gets 1011, and the log the traceback."""

    async def handler(websocket):
        raise ValueError("oops")

    async def scenario():
        async with serving(handler) as server, connect(uri_of(server)) as websocket:
            with pytest.raises(ConnectionClosedError, match=r"1011 \(internal error\)"):
                await websocket.recv()

    run(scenario)
    (record,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert record.getMessage() == "connection handler failed"
    assert record.exc_info[0] is ValueError


def test_process_request_and_response():
    """Callbacks see the connection and its transport, and may answer by themselves."""

    def process_request(connection, request):
        assert connection.remote_address[0] == "127.0.0.1"
        if request.path == "/healthz":
            return connection.respond(200, "OK\n")
        return None

    async def process_response(connection, request, response):
        response.headers["X-Path"] = request.path

    async def scenario():
        options = {
            "process_request": process_request,
            "process_response": process_response,
        }
        async with serving(**options) as server:
            with pytest.raises(InvalidStatus) as raised:
                await connect(uri_of(server) + "/healthz")
            assert raised.value.response.body == b"OK\n"
            async with connect(uri_of(server) + "/path") as websocket:
                assert websocket.response.headers["X-Path"] == "/path"

    run(scenario)


def test_select_subprotocol():
    """select_subprotocol gets the connection, and what the client offers."""

    def select_subprotocol(connection, subprotocols):
        assert isinstance(connection, ServerConnection)
        if "chat" not in subprotocols:
            raise NegotiationError("no chat")
        return "chat"

    async def scenario():
        options = {"select_subprotocol": select_subprotocol, "subprotocols": ["chat"]}
        async with serving(**options) as server:
            offer = ["superchat", "chat"]
            async with connect(uri_of(server), subprotocols=offer) as websocket:
                assert websocket.subprotocol == "chat"
            with pytest.raises(InvalidStatus, match="HTTP 400"):
                await connect(uri_of(server), subprotocols=["superchat"])

    run(scenario)


def test_mistakes_of_the_program_are_logged(caplog):
    """When making a connection fails, the client is dropped, and the log tells why."""

    def create_connection(*args, **kwargs):
        raise KeyError("mine")

    async def scenario():
        async with serving(create_connection=create_connection) as server:
            with pytest.raises(Exception, match="valid HTTP response"):
                await connect(uri_of(server))

    run(scenario)
    (record,) = [r for r in caplog.records if r.levelname == "ERROR"]
    assert record.getMessage() == "opening handshake failed"
    assert record.exc_info[0] is KeyError


def test_mistakes_in_callbacks_are_logged_once(caplog):
    """An exception of select_subprotocol gives a 500 and one record."""

    def select_subprotocol(connection, subprotocols):
        raise KeyError("mine")

    async def scenario():
        async with serving(select_subprotocol=select_subprotocol) as server:
            with pytest.raises(InvalidStatus, match="HTTP 500"):
                await connect(uri_of(server), compression=None)
            await until(lambda: not server.opening)

    run(scenario)
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == [
        "opening handshake failed"
    ]


def test_connection_given_to_asyncio():
    """A ServerConnection can be given to asyncio; handshake() opens it then."""

    async def scenario():
        async with serving() as server:
            loop = asyncio.get_running_loop()
            one, other = socket.socketpair()
            _, connection = await loop.create_connection(
                lambda: ServerConnection(ServerProtocol(), server), sock=one
            )
            opening = asyncio.create_task(connection.handshake(server_header="x"))
            async with connect("ws://localhost/", sock=other) as websocket:
                await opening
                with pytest.raises(RuntimeError, match="happens once"):
                    await connection.handshake()
                assert websocket.response.headers["Server"] == "x"
                await connection.send("Hello world!")
                assert await websocket.recv() == "Hello world!"

    run(scenario)


def test_logger_and_compression():
    """The logger serves connections, too; without compression, none is accepted."""

    async def scenario():
        logger = logging.getLogger("mine")
        async with serving(logger=logger, compression=None) as server:
            assert server.logger is logger
            async with connect(uri_of(server), logger=logger) as websocket:
                (connection,) = server.connections
                assert connection.protocol.logger is logger
                assert websocket.protocol.logger is logger
                assert "Sec-WebSocket-Extensions" not in websocket.response.headers

    run(scenario)


def test_forced_101_opens_the_connection():
    """A callback that returns a 101 opens the connection, whatever the rules say."""

    def process_response(connection, request, response):
        return Response(101, "Switching Protocols", response.headers)

    async def scenario():
        options = {"process_response": process_response, "origins": ["https://a.b"]}
        async with serving(**options) as server, raw_client(server) as (reader, writer):
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 ")
            await until(lambda: server.connections)

    run(scenario)
