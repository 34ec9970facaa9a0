"""Clients: connecting, redirects, reconnecting."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl

import pytest

from tests.asyncio.helpers import (
    LOOPS,
    client_context,
    echo,
    port_of,
    raw_server,
    redirecting,
    run,
    run_jumping,
    run_on,
    server_context,
    serving,
    steps,
    uri_of,
)
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.asyncio.server import unix_serve
from websockets.datastructures import Headers
from websockets.exceptions import (
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
    SecurityError,
)
from websockets.http11 import Response
from websockets.uri import parse_uri


every_loop = pytest.mark.parametrize("loop", LOOPS)


# Three ways to connect


@every_loop
def test_awaited(loop):
    """Awaiting gives a connection, which knows request and response."""

    async def scenario():
        async with serving() as server:
            websocket = await connect(uri_of(server) + "/path", origin="https://a.b")
            assert isinstance(websocket, ClientConnection)
            assert websocket.request.path == "/path"
            assert websocket.request.headers["Origin"] == "https://a.b"
            assert websocket.response.status_code == 101
            await websocket.close()

    run_on(loop, scenario)


def test_context_manager_closes():
    """Leaving the context closes with 1000, leaving it by an exception with 1011."""

    async def scenario():
        async with serving() as server:
            opener = connect(uri_of(server))
            async with opener as websocket:
                pass
            assert websocket.close_code == 1000
            with contextlib.suppress(KeyError):
                async with opener as websocket:
                    raise KeyError
            assert websocket.close_code == 1011

    run(scenario)


def test_iterator_connects_again():
    """Each iteration closes the previous connection; leaving the loop closes the last."""

    async def scenario():
        async with serving() as server:
            websockets = []
            connections = connect(uri_of(server)).__aiter__()
            async with contextlib.aclosing(connections):
                async for websocket in connections:
                    websockets.append(websocket)
                    await websocket.send("Hello world!")
                    assert await websocket.recv() == "Hello world!"
                    if len(websockets) == 3:
                        break
            assert [websocket.close_code for websocket in websockets] == [1000] * 3

    run(scenario)


def test_iterator_backs_off(caplog):
    """Temporary failures are retried after growing delays, which are logged."""
    caplog.set_level(logging.INFO, "websockets.client")

    async def scenario():
        failures = 3

        def process_request(connection, request):
            nonlocal failures
            failures -= 1
            return connection.respond(503, "") if failures >= 0 else None

        made = []

        def delays():
            made.append("series")
            yield from (1.0, 20.0, 300.0)

        async with serving(process_request=process_request) as server:
            opener = connect(uri_of(server), reconnect_delays=delays)
            start = server.get_loop().time()
            async for _ in opener:
                break
            assert 321 <= server.get_loop().time() - start < 322
            assert made == ["series"]

    run_jumping(scenario)
    text = "seconds: websockets.exceptions.InvalidStatus: server rejected"
    assert [
        r.getMessage().split(text)[0] for r in caplog.records if text in r.message
    ] == [
        "connect failed; reconnecting in 1.0 ",
        "connect failed; reconnecting in 20.0 ",
        "connect failed; reconnecting in 300.0 ",
    ]


def test_iterator_raises_other_failures():
    """Failures that process_exception doesn't forgive end the loop."""

    async def scenario():
        async with serving(process_request=lambda c, r: c.respond(403, "")) as server:
            with pytest.raises(InvalidStatus, match="HTTP 403"):
                await anext(aiter(connect(uri_of(server))))
            replaced = KeyError("mine")
            opener = connect(uri_of(server), process_exception=lambda exc: replaced)
            with pytest.raises(KeyError) as raised:
                await anext(aiter(opener))
            assert isinstance(raised.value.__cause__, InvalidStatus)

    run(scenario)


def test_iterator_can_be_replaced(monkeypatch):
    """Programs subclass connect, and patch its methods."""

    async def scenario():
        async def once(self):
            yield await self

        monkeypatch.setattr(connect, "__aiter__", once)
        async with serving() as server:
            async for websocket in connect(uri_of(server)):
                await websocket.close()

    run(scenario)


# Addresses and TLS


def test_localhost_is_resolved():
    """A host name works; so does another host than that of the URI."""

    async def scenario():
        async with serving() as server:
            port = port_of(server)
            async with connect(f"ws://localhost:{port}", family=socket.AF_INET):
                pass
            opener = connect("ws://server.invalid/", host="127.0.0.1", port=port)
            async with opener as websocket:
                assert websocket.request.headers["Host"] == "server.invalid"

    run(scenario)


@every_loop
@pytest.mark.parametrize("family", ["AF_INET", "AF_UNIX"])
def test_connected_socket(loop, family, tmp_path):
    """sock= is used, whatever its family."""

    async def scenario():
        if family == "AF_INET":
            server, address = serving(), None
        else:
            address = str(tmp_path / "socket")
            server = unix_serve(echo, address)
        async with server:
            sock = socket.socket(getattr(socket, family))
            sock.connect(address or ("127.0.0.1", port_of(server)))
            async with connect("ws://localhost/", sock=sock) as websocket:
                await websocket.send("Hello world!")
                assert await websocket.recv() == "Hello world!"

    run_on(loop, scenario)


def test_tls_arguments(monkeypatch):
    """ssl, server_hostname and timeouts are used; by default servers are verified."""

    async def scenario():
        async with serving(ssl=server_context()) as server:
            uri = uri_of(server, "wss")
            for options in ({}, {"ssl": True}):
                with pytest.raises(ssl.SSLCertVerificationError):
                    await connect(uri, **options)
            options = {
                "ssl": client_context(),
                "server_hostname": "localhost",
                "ssl_handshake_timeout": 5,
                "ssl_shutdown_timeout": 5,
            }
            async with connect(uri, **options):
                pass
            options["server_hostname"] = "elsewhere.invalid"
            with pytest.raises(ssl.SSLCertVerificationError, match="elsewhere"):
                await connect(uri, **options)

    run(scenario)


@pytest.mark.parametrize(
    ("uri", "options", "text"),
    [
        ("ws://a", {"ssl": True}, "ssl argument is incompatible with a ws:// URI"),
        ("wss://a", {"ssl": None}, "ssl=None is incompatible with a wss:// URI"),
        ("ws://a", {"server_hostname": "b"}, "server_hostname is only meaningful"),
        ("ws://a", {"unix": True}, "no path and no sock were specified"),
    ],
)
def test_contradictions(uri, options, text):
    """Arguments that contradict each other, or the URI, are refused."""

    async def scenario():
        with pytest.raises(ValueError, match=text):
            await connect(uri, **options)

    run(scenario)


def test_invalid_uri():
    """The URI is checked when connect() is called."""
    with pytest.raises(InvalidURI, match="scheme isn't ws or wss"):
        connect("http://localhost/")
    with pytest.raises(InvalidURI, match="fragment identifier is meaningless"):
        connect("ws://localhost/#fragment")


def test_unix_connect_has_a_uri():
    """The URI of unix_connect() follows from ssl, unless it's given."""
    assert unix_connect("/s").uri == "ws://localhost/"
    assert unix_connect("/s", ssl=client_context()).uri == "wss://localhost/"
    assert unix_connect("/s", "ws://example.com/").uri == "ws://example.com/"


# Deadline and cancellation


def test_open_timeout():
    """After open_timeout, TimeoutError is raised, and the connection dropped."""

    async def scenario():
        async def talk(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            assert await reader.read() == b""

        async with raw_server(talk) as port:
            with pytest.raises(TimeoutError) as raised:
                await connect(f"ws://127.0.0.1:{port}", open_timeout=5, proxy=None)
            assert str(raised.value) == "timed out during opening handshake"

    run_jumping(scenario)


def test_timeouts_of_the_system_pass(monkeypatch):
    """A timeout of TCP isn't mistaken for open_timeout."""

    async def scenario():
        error = TimeoutError(110, "Connection timed out")

        async def create_connection(*args, **kwargs):
            raise error

        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "create_connection", create_connection)
        with pytest.raises(TimeoutError) as raised:
            await connect("ws://127.0.0.1:1")
        assert raised.value is error

    run(scenario)


@every_loop
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_cancelling_leaves_nothing(loop, scheme):
    """Cancelling connect() after any number of steps leaves no socket and no task."""

    async def scenario():
        tls = scheme == "wss"
        options = {"ssl": client_context()} if tls else {}
        async with serving(ssl=server_context() if tls else None) as server:
            count = 0
            while True:
                opening = asyncio.create_task(
                    connect(uri_of(server, scheme), **options).connect()
                )
                await steps(count)
                if opening.done():
                    await (await opening).close()
                    return
                opening.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await opening
                count += 1

    run_on(loop, scenario)


def test_failures_leave_nothing():
    """A server that doesn't speak HTTP, or goes away, fails the handshake."""

    async def scenario():
        async def garbage(reader, writer):
            writer.write(b"220 smtp.invalid ESMTP\r\n")
            assert await reader.read()

        async with raw_server(garbage) as port:
            with pytest.raises(InvalidMessage):
                await connect(f"ws://127.0.0.1:{port}")

        async def gone(reader, writer):
            await reader.readuntil(b"\r\n\r\n")

        async with raw_server(gone) as port:
            with pytest.raises(InvalidMessage) as raised:
                await connect(f"ws://127.0.0.1:{port}")
            assert isinstance(raised.value.__cause__, EOFError)

    run(scenario)


# Redirects


def test_redirects_are_followed():
    """Relative and absolute redirects work; the original URI stays."""

    async def scenario():
        async with serving() as end:
            target = uri_of(end).replace("ws", "http") + "/end"
            async with serving(process_request=redirecting(target)) as server:
                opener = connect(uri_of(server) + "/start")
                async with opener as websocket:
                    assert websocket.request.path == "/end"
                    assert websocket.remote_address[1] == port_of(end)
                assert opener.uri == uri_of(server) + "/start"
                assert opener.ws_uri == parse_uri(opener.uri)

    run(scenario)


def test_redirects_are_limited():
    """More than ten redirects in a row are refused."""

    async def scenario():
        async with serving(process_request=redirecting("/again")) as server:
            with pytest.raises(SecurityError, match="more than 10 redirects"):
                await connect(uri_of(server))

    run(scenario)


def test_process_redirect_can_be_overridden():
    """A subclass may follow no redirects, or others; it sees the current URI."""

    class Never(connect):
        def process_redirect(self, exc):
            return exc

    class Elsewhere(connect):
        def process_redirect(self, exc):
            assert isinstance(exc, InvalidStatus)
            return self.uri + "end"

    async def scenario():
        async with serving(process_request=redirecting("/end")) as server:
            with pytest.raises(InvalidStatus, match="HTTP 302"):
                await Never(uri_of(server))
            async with Elsewhere(uri_of(server) + "/") as websocket:
                assert websocket.request.path == "/end"

    run(scenario)


def test_process_redirect_tells_what_is_allowed():
    """With a host, a port, a socket, only redirects to the same origin are followed."""

    def verdict(location, **options):
        exc = InvalidStatus(Response(302, "Found", Headers(Location=location)))
        return connect("ws://a.b/", **options).process_redirect(exc)

    assert verdict("/c") == "ws://a.b/c"
    assert verdict("/c", host="c.d") == "ws://a.b/c"
    for options in ({"host": "c.d"}, {"port": 81}, {"unix": True, "path": "/s"}):
        assert isinstance(verdict("ws://e.f/", **options), ValueError)
    with socket.socket() as sock:
        assert isinstance(verdict("/c", sock=sock), ValueError)
