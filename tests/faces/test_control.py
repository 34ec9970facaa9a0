"""Pings, pongs and what can be read off a connection."""

from __future__ import annotations

import asyncio
import logging
import uuid

import pytest

from websockets.exceptions import ConcurrencyError, ProtocolError
from websockets.protocol import State

from .faces import ASYNCIO, scenario


@scenario()
async def test_ping(face):
    """Awaiting what ping() returned waits for the pong, and gives the latency."""
    client, server = await face.pair()
    for end in (client, server):
        latency = await (await end.ping())
        assert latency == end.latency > 0


@scenario()
async def test_ping_behind_unread_messages(face):
    """A ping is answered though nobody reads the messages before it."""
    client, server = await face.pair()
    for i in range(10):
        await client.send(str(i))
    await (await client.ping(b"behind"))
    assert await server.recv() == "0"


@scenario()
async def test_pong_acknowledges_earlier_pings(face):
    """The pong for the latest ping acknowledges all of them."""
    client, server = await face.pair()
    pongs = [await client.ping(bytes([i])) for i in range(3)]
    for pong in pongs:
        assert await pong > 0


@scenario()
async def test_ping_with_the_same_payload(face):
    """A payload that waits for its pong can't be used again."""
    client, server = await face.pair()
    server.protocol.defer_pongs = True
    await client.ping(b"twice")
    with pytest.raises(
        ConcurrencyError, match="already waiting for a pong with the same data"
    ):
        await client.ping(b"twice")


@scenario(*ASYNCIO)
async def test_payloads(face):
    """Payloads may be text or bytes-like, of at most 125 bytes."""
    client, server = await face.pair()
    for data in ("é", b"\xff", bytearray(b"a"), memoryview(b"b"), b"x" * 125):
        assert await (await client.ping(data)) > 0
        await client.pong(data)
    await client.pong()
    for method in (client.ping, client.pong):
        with pytest.raises(TypeError, match="data must be str or bytes-like"):
            await method(1)
        with pytest.raises(ProtocolError, match="control frame too long"):
            await method(b"x" * 126)
    # The payload that was too long isn't remembered.
    assert await (await client.ping()) > 0


@scenario(*ASYNCIO)
async def test_pong_that_nobody_awaits(face):
    """What ping() returned can be cancelled, and the pong still sets the latency."""
    client, server = await face.pair()
    (await client.ping(b"1")).cancel()
    assert await (await client.ping(b"2")) > 0
    assert client.latency > 0


@scenario(*ASYNCIO)
async def test_attributes(face):
    """What can be read off a connection."""
    client, server = await face.pair()
    assert isinstance(client.id, uuid.UUID)
    assert client.id != server.id
    assert client.state is State.OPEN
    assert client.subprotocol is None
    assert client.request is None
    assert client.response is None
    assert client.close_code is None
    assert client.close_reason is None
    assert client.local_address == client.transport.get_extra_info("sockname")
    assert client.remote_address == client.transport.get_extra_info("peername")
    assert client.loop is asyncio.get_running_loop()


@scenario("asyncio")
async def test_logger(face):
    """Log records carry the connection; the logger can be replaced."""
    client, server = await face.pair()
    assert client.logger is client.logger
    assert client.logger.extra["websocket"].id == client.id
    client.logger = logging.getLogger("mine")
    assert client.logger.name == "mine"


@scenario("asyncio")
async def test_older_attributes(face):
    """Names of versions before 14 work, and warn."""
    from websockets.datastructures import Headers
    from websockets.http11 import Request, Response

    client, server = await face.pair()
    for name in ("path", "request_headers", "response_headers"):
        with pytest.deprecated_call(match=f"connection.{name} is deprecated"):
            assert getattr(client, name) is None
    client.request = Request("/path", Headers(A="b"))
    client.response = Response(101, "Switching Protocols", Headers(C="d"))
    for name, value in [
        ("path", "/path"),
        ("request_headers", client.request.headers),
        ("response_headers", client.response.headers),
        ("open", True),
        ("closed", False),
    ]:
        with pytest.deprecated_call(match=f"connection.{name} is deprecated"):
            assert getattr(client, name) == value
