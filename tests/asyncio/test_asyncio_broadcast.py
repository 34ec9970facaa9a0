"""Broadcasting: one message, many connections."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random

import pytest

from tests.asyncio.helpers import REQUEST, raw_client, run, serving, until, uri_of
from websockets.asyncio import _broadcast
from websockets.asyncio.client import connect
from websockets.asyncio.server import broadcast
from websockets.exceptions import ConcurrencyError, ConnectionClosedError
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
)
from websockets.protocol import State


LARGE = "".join(random.Random(1).choices("abcdef ", k=3000))


@contextlib.asynccontextmanager
async def audience(*clients, **options):
    """Give a server's connections and their clients, in the same order."""

    async def handler(websocket):
        await websocket.wait_closed()

    async with (
        serving(handler, **options) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        pairs = []
        known = set()
        for client in clients:
            websocket = await stack.enter_async_context(
                connect(uri_of(server), **client)
            )
            await until(lambda: server.connections - known)
            (connection,) = server.connections - known
            known.add(connection)
            pairs.append((connection, websocket))
        yield [c for c, _ in pairs], [w for _, w in pairs]


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("message", ["text", b"binary", LARGE, LARGE.encode()])
def test_everybody_gets_the_message(compression, message):
    """Messages of any kind arrive, among messages sent otherwise."""

    async def scenario():
        clients = [{"compression": compression}] * 3
        async with audience(*clients) as (connections, websockets):
            for _ in range(2):
                await connections[0].send(LARGE)
                broadcast(connections, message)
                await connections[0].send(LARGE)
            for websocket in websockets[1:]:
                assert [await websocket.recv() for _ in range(2)] == [message] * 2
            for _ in range(2):
                for expected in (LARGE, message, LARGE):
                    assert await websockets[0].recv() == expected

    run(scenario)


def test_types_are_overridden():
    """text= chooses the type of the frame; bytearray and memoryview are bytes."""

    async def scenario():
        async with audience({}) as (connections, (websocket,)):
            broadcast(connections, b"abc", text=True)
            broadcast(connections, "abc", text=False)
            broadcast(connections, bytearray(b"abc"))
            broadcast(connections, memoryview(b"abc"))
            received = [await websocket.recv() for _ in range(4)]
            assert received == ["abc", b"abc", b"abc", b"abc"]
            for wrong in (None, 1, ["abc"], {"a": "b"}):
                with pytest.raises(TypeError, match="data must be str or bytes"):
                    broadcast(connections, wrong)

    run(scenario)


def test_compression_happens_once_per_group(monkeypatch):
    """A large message is compressed once for all who agree on the parameters."""

    async def scenario():
        shared = []
        deflate_shared = PerMessageDeflate.deflate_shared

        def spy(self, data, fresh):
            shared.append((self.local_max_window_bits, fresh))
            return deflate_shared(self, data, fresh)

        monkeypatch.setattr(PerMessageDeflate, "deflate_shared", spy)
        small = ClientPerMessageDeflateFactory(server_max_window_bits=10)
        one = ClientPerMessageDeflateFactory(server_max_window_bits=9)
        clients = [{}, {}, {"extensions": [small]}, {"extensions": [small]}]
        clients += [{"extensions": [one]}, {"compression": None}]
        async with audience(*clients) as (connections, websockets):
            broadcast(connections, LARGE)
            assert shared == [(12, True), (10, True), (9, True)]
            broadcast(connections, "small")
            assert shared[3:] == [(12, False), (10, False), (9, False)]
            for websocket in websockets:
                assert await websocket.recv() == LARGE
                assert await websocket.recv() == "small"

    run(scenario)


def test_clients_broadcast_too():
    """Frames of clients are masked, each with a key of its own."""

    async def scenario():
        clients = [{}, {}, {"compression": None}]
        async with audience(*clients) as (connections, websockets):
            for message in (LARGE, "small"):
                broadcast(websockets, message)
                for connection in connections:
                    assert await connection.recv() == message

    run(scenario)


def test_unusual_connections_get_the_message():
    """Overridden methods are called, and frames are logged at DEBUG."""

    async def scenario():
        async with audience({}, {}) as (connections, websockets):
            frames = []
            send_frame = connections[0].protocol.send_frame
            connections[0].protocol.send_frame = lambda frame: (
                frames.append(frame.opcode),
                send_frame(frame),
            )
            connections[1].protocol.debug = True
            broadcast(connections, LARGE)
            assert len(frames) == 1
            for websocket in websockets:
                assert await websocket.recv() == LARGE
            connections[1].protocol.debug = False

    run(scenario)


def test_closed_connections_are_skipped_silently(caplog):
    """Connections that aren't open don't matter."""

    async def scenario():
        async with audience({}) as (connections, websockets):
            await websockets[0].close()
            broadcast(connections + websockets, "anybody?", raise_exceptions=True)

    run(scenario)
    assert "skipped" not in caplog.text


def test_fragmented_messages_are_not_interrupted(caplog):
    """A connection in the middle of a message is skipped, with a warning or an exception."""

    async def scenario():
        async with audience({}) as (connections, websockets):
            go_on = asyncio.Event()

            async def fragments():
                yield "a"
                await go_on.wait()
                yield "b"

            sending = asyncio.create_task(connections[0].send(fragments()))
            await until(lambda: connections[0].protocol.expect_continuation_frame)
            broadcast(connections, "x")
            with pytest.raises(ExceptionGroup, match="skipped broadcast") as raised:
                broadcast(connections, "x", raise_exceptions=True)
            (exc,) = raised.value.exceptions
            assert isinstance(exc, ConcurrencyError)
            go_on.set()
            await sending
            assert await websockets[0].recv() == "ab"

    run(scenario)
    assert "skipped broadcast: sending a fragmented message" in caplog.text


@pytest.mark.parametrize("deflate", [True, False])
def test_failures_concern_one_connection(caplog, monkeypatch, deflate):
    """When writing fails on one connection, the others get the message."""

    async def scenario():
        clients = [{}, {}, {}] if deflate else [{"compression": None}] * 3
        async with audience(*clients) as (connections, websockets):

            def fail(data):
                raise ZeroDivisionError("mine")

            monkeypatch.setattr(connections[1], "send_prepared", fail)
            monkeypatch.setattr(_broadcast, "native", None)
            broadcast(connections, LARGE)
            with pytest.raises(ExceptionGroup, match="skipped broadcast") as raised:
                broadcast(connections, LARGE, raise_exceptions=True)
            (exc,) = raised.value.exceptions
            assert isinstance(exc, RuntimeError)
            assert str(exc) == "failed to write message"
            assert isinstance(exc.__cause__, ZeroDivisionError)
            for websocket in (websockets[0], websockets[2]):
                assert await websocket.recv() == LARGE

    run(scenario)
    expected = "skipped broadcast: failed to write message: ZeroDivisionError: mine"
    assert expected in caplog.text


def test_failure_of_a_single_connection(caplog, monkeypatch):
    """The same, when it's alone in its group."""

    async def scenario():
        async with audience({}) as (connections, _):
            monkeypatch.setattr(connections[0], "send_prepared", lambda data: 1 / 0)
            broadcast(connections, LARGE)

    run(scenario)
    assert "failed to write message: ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("when_slow", ["skip", "abort"])
def test_slow_connections(when_slow, caplog):
    """A connection with too many unsent bytes misses the message, or is dropped."""

    async def handler(websocket):
        await websocket.wait_closed()

    async def scenario():
        caplog.set_level(logging.WARNING, "websockets.server")
        async with serving(handler, close_timeout=0.1) as server:
            async with raw_client(server) as (reader, writer):
                writer.write(REQUEST)
                await reader.readuntil(b"\r\n\r\n")
                await until(lambda: server.connections)
                (connection,) = server.connections
                reader._transport.pause_reading()
                message = bytes(2**20)
                while connection.buffered_amount <= 2**22:
                    broadcast([connection], message, unsent_limit=None)
                before = connection.buffered_amount
                broadcast(
                    [connection], message, unsent_limit=2**22, when_slow=when_slow
                )
                assert connection.buffered_amount <= before
                state = State.OPEN if when_slow == "skip" else State.CLOSED
                assert connection.state is state
                with (
                    pytest.raises(ExceptionGroup)
                    if when_slow == "skip"
                    else (contextlib.nullcontext())
                ):
                    broadcast(
                        [connection], b"", unsent_limit=2**22, raise_exceptions=True
                    )
                connection.abort()
                with pytest.raises(ConnectionClosedError):
                    await connection.recv()
            return before

    before = run(scenario)
    expected = (
        f"skipped broadcast: {before} unsent bytes exceed unsent_limit of 4194304"
    )
    assert expected in caplog.text
