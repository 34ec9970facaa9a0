"""What programs override, or put in place of the library's own."""

from __future__ import annotations

import asyncio
import inspect
import socket
from http import HTTPStatus

import pytest

from tests.asyncio.helpers import (
    REQUEST,
    port_of,
    raw_server,
    redirecting,
    run,
    serving,
    until,
    uri_of,
)
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.client import ClientProtocol
from websockets.exceptions import (
    ConnectionClosed,
    ConnectionClosedError,
    InvalidHandshake,
    InvalidStatus,
    SecurityError,
)
from websockets.uri import parse_uri


class Recorded(ClientConnection):
    """A connection that performs its handshake by an overridden method."""

    async def handshake(self, *args, **kwargs):
        await super().handshake(*args, **kwargs)
        self.recorded = True


def test_create_connection():
    """create_connection may be a subclass, or a function."""

    class Mine(ClientConnection):
        pass

    async def scenario():
        async with serving() as server:
            for factory in (Mine, Recorded, lambda *a, **k: Recorded(*a, **k)):
                opener = connect(uri_of(server), create_connection=factory)
                async with opener as websocket:
                    assert isinstance(websocket, Mine) or websocket.recorded
                    await websocket.send("Hello world!")
                    assert await websocket.recv() == "Hello world!"

    run(scenario)


def test_open_tcp_connection_can_be_overridden():
    """A subclass may open connections its own way; redirects and errors work the same."""

    class Counting(connect):
        count = 0

        async def open_tcp_connection(self):
            self.count += 1
            return await super().open_tcp_connection()

    async def scenario():
        async with serving() as end:
            headers = {"Authorization": "Bearer x", "X-Other": "y"}
            target = uri_of(end) + "/end"
            async with serving(process_request=redirecting(target)) as server:
                opener = Counting(uri_of(server), additional_headers=headers)
                async with opener as websocket:
                    assert websocket.request.headers["X-Other"] == "y"
                    assert "Authorization" not in websocket.request.headers
                assert opener.count == 2
                options = {"additional_headers": headers, "port": port_of(server)}
                with pytest.raises(ValueError, match="explicit host or port"):
                    await Counting("ws://127.0.0.1/", **options)
            async with serving(process_request=redirecting("/again")) as server:
                opener = Counting(uri_of(server), additional_headers=headers)
                with pytest.raises(SecurityError, match="more than 10 redirects"):
                    await opener
                assert opener.count == 11
            async with serving(
                process_request=lambda c, r: c.respond(403, "")
            ) as server:
                with pytest.raises(InvalidStatus, match="HTTP 403"):
                    await Counting(uri_of(server))

    run(scenario)


def test_connection_given_to_asyncio():
    """A ClientConnection can be given to asyncio; handshake() opens it then."""

    async def scenario():
        async with serving() as server:
            protocol = ClientProtocol(parse_uri(uri_of(server)))
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: ClientConnection(protocol), "127.0.0.1", port_of(server)
            )
            await connection.handshake({"X-Mine": "1"})
            with pytest.raises(RuntimeError, match="happens once"):
                await connection.handshake()
            assert connection.request.headers["X-Mine"] == "1"
            await connection.send("Hello world!")
            assert await connection.recv() == "Hello world!"
            await connection.close()

    run(scenario)


def test_frames_behind_the_response_are_not_lost():
    """Messages, and even the end of the stream, may come with the response."""

    async def scenario():
        async def talk(reader, writer):
            request = await reader.readuntil(b"\r\n\r\n")
            assert request.startswith(REQUEST[:4])
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
                b"\x81\x05Hello\x88\x02\x03\xe8"
            )

        key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
        async with raw_server(talk) as port:
            uri = f"ws://127.0.0.1:{port}"
            websocket = await connect(uri, additional_headers=key)
            assert await websocket.recv() == "Hello"
            with pytest.raises(ConnectionClosed):
                await websocket.recv()
            await websocket.wait_closed()

    run(scenario)


def test_many_connections_at_once():
    """Connections open side by side."""

    async def scenario():
        async with serving() as server:
            opener = connect(uri_of(server))
            websockets = await asyncio.gather(*(opener.connect() for _ in range(20)))
            await until(lambda: len(server.connections) == 20)
            await asyncio.gather(*(websocket.close() for websocket in websockets))

    run(scenario)


def test_refused_connection():
    """Errors of the network are OSError."""

    async def scenario():
        with socket.create_server(("127.0.0.1", 0)) as sock:
            port = sock.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            await connect(f"ws://127.0.0.1:{port}")
        with pytest.raises(FileNotFoundError):
            await unix_connect("/nonexistent/socket")

    run(scenario)


def test_handshake_failures_are_of_one_family():
    """Whatever the server answers, it's InvalidHandshake."""

    async def scenario():
        async with serving(subprotocols=["chat"]) as server:
            with pytest.raises(InvalidHandshake):
                await connect(uri_of(server))

    run(scenario)


def test_send_frame_is_replaced_while_the_connection_is_open():
    """Each frame passes a function that a program has put there, until it's removed."""

    async def scenario():
        async with serving() as server, connect(uri_of(server)) as websocket:
            protocol, seen = websocket.protocol, []
            await websocket.send("before")
            original = protocol.send_frame

            def record(frame):
                seen.append(bytes(frame.data))
                original(frame)

            protocol.send_frame = record
            assert protocol.send_frame is record
            await websocket.send("small")
            await websocket.send(b"x" * 5000)
            del protocol.send_frame
            await websocket.send("after")
            assert seen == [b"small", b"x" * 5000]
            assert [await websocket.recv() for _ in range(4)] == [
                *("before", "small", b"x" * 5000, "after")
            ]

    run(scenario)
    assert inspect.isfunction(ClientProtocol.send_frame)


@pytest.mark.parametrize(
    ("name", "value", "size"),
    [
        ("max_message_size", 4999, None),
        ("max_message_size", None, 2**20 + 1),
        ("max_fragment_size", 4999, None),
        ("max_fragment_size", 5000, 5000),
        # Numbers of any kind.
        ("max_message_size", HTTPStatus.OK, None),
    ],
)
def test_limits_change_while_the_connection_is_open(name, value, size):
    """What a compressed message may inflate to is what the protocol says then."""

    async def scenario():
        async with (
            serving(max_size=None) as server,
            connect(uri_of(server)) as websocket,
        ):
            await websocket.send("x" * 5000)
            assert await websocket.recv() == "x" * 5000
            setattr(websocket.protocol, name, value)
            await websocket.send("x" * (size or 5000))
            if size:
                assert await websocket.recv() == "x" * size
            else:
                with pytest.raises(
                    ConnectionClosed, match=f"exceeds limit of {value:d} "
                ):
                    await websocket.recv()

    run(scenario)


def test_no_program_takes_the_socket_away():
    """Transports have no way to end without a word to who waits, as asyncio's haven't."""

    async def scenario():
        async with serving() as server, connect(uri_of(server)) as websocket:
            assert not hasattr(websocket.transport, "detach")
            assert not hasattr(websocket.transport.get_extra_info("socket"), "detach")

    run(scenario)


def test_exception_at_the_end_can_be_overridden():
    """A subclass of the protocol may find an end wrong that is fine for the library."""

    class Strict(ClientProtocol):
        @property
        def close_exc(self):
            exc = super().close_exc
            return ConnectionClosedError(exc.rcvd, exc.sent, exc.rcvd_then_sent)

    def strict(protocol, **options):
        protocol.__class__ = Strict
        return ClientConnection(protocol, **options)

    async def scenario():
        async with serving(lambda websocket: websocket.send("all")) as server:
            connection = await connect(uri_of(server), create_connection=strict)
            await connection.wait_closed()
            assert await anext(connection) == "all"
            assert not connection.protocol._ended_well
            for _ in range(2):
                with pytest.raises(ConnectionClosedError, match="received 1000"):
                    await anext(connection)

    run(scenario)
