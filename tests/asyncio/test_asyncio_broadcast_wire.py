"""Broadcasting to peers that inflate with exactly the window agreed."""

from __future__ import annotations

import contextlib
import random

import pytest

from tests.asyncio.helpers import REQUEST, raw_client, run, serving, until
from tests.codec.engines import NAMES, StrictReader, engine_named
from websockets.asyncio import _broadcast
from websockets.asyncio.server import broadcast
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory


TEXT = "".join(random.Random(1).choices("abcdef ", k=3000))


class StrictPeer:
    """
    A client of a few lines.

    Args:
        reader, writer: the connection.
        bits: window bits of the server; None for no compression.
        fresh: the server takes no context over.

    """

    def __init__(self, reader, writer, bits, fresh):
        self.stream = reader
        self.writer = writer
        self.bits, self.fresh = bits, fresh
        self.inflater = None if bits is None else StrictReader(bits, fresh)
        self.compressed = 0

    async def open(self):
        """Shake hands; the server must agree to all we ask for."""
        offer = b""
        if self.bits is not None:
            offer = b"permessage-deflate; server_max_window_bits=%d" % self.bits
            if self.fresh:
                offer += b"; server_no_context_takeover"
            offer = b"Sec-WebSocket-Extensions: " + offer + b"\r\n"
        self.writer.write(REQUEST.removesuffix(b"\r\n") + offer + b"\r\n")
        response = await self.stream.readuntil(b"\r\n\r\n")
        assert b"HTTP/1.1 101" in response
        assert (b"server_max_window_bits=%d" % (self.bits or 0) in response) is (
            self.bits is not None
        )
        assert (b"server_no_context_takeover" in response) is self.fresh

    async def receive(self):
        """Return the next message."""
        compressed, pieces, fin = None, [], False
        while not fin:
            head, size = await self.stream.readexactly(2)
            if size == 126:
                size = int.from_bytes(await self.stream.readexactly(2), "big")
            if compressed is None:
                compressed = bool(head & 0x40)
            else:
                assert head & 0x4F == 0, "RFC 7692 §6.1: RSV1 is on the first frame"
            pieces.append(await self.stream.readexactly(size))
            fin = bool(head & 0x80)
        data = b"".join(pieces)
        if compressed:
            self.compressed += 1
            data = self.inflater.receive(data)
        return data.decode()


@contextlib.asynccontextmanager
async def audience(engine, kinds):
    """Give connections of a server, and their strict peers, in the same order."""

    async def handler(websocket):
        await websocket.wait_closed()

    factory = ServerPerMessageDeflateFactory(
        compress_settings={"memLevel": 5}, engine=engine
    )
    async with (
        serving(handler, extensions=[factory], close_timeout=0.1) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        connections, peers = [], []
        known = set()
        for kind in kinds:
            streams = await stack.enter_async_context(raw_client(server))
            peer = StrictPeer(*streams, *kind)
            await peer.open()
            await until(lambda: server.connections - known)
            connections += server.connections - known
            known.update(server.connections)
            peers.append(peer)
        yield connections, peers
        for connection in connections:
            connection.abort()


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("name", [None, *NAMES])
def test_shared_messages_among_others(name, native, monkeypatch):
    """Strict peers read messages for all, among their own: whole, in fragments, empty."""
    if not native:
        monkeypatch.setattr(_broadcast, "native", None)
    engine = name and engine_named(name)
    windows = [(bits, fresh) for bits in range(9, 16) for fresh in (False, True)]
    # Several of a kind share; one of a kind doesn't.
    kinds = [*windows, *windows[:-2], (None, False), (None, False)]

    async def scenario():
        async with audience(engine, kinds) as (connections, peers):
            everything = [[] for _ in peers]

            async def send(number, message):
                await connections[number].send(message)
                everything[number].append(
                    message if isinstance(message, str) else "".join(message)
                )

            def send_all(message):
                broadcast(connections, message, raise_exceptions=True)
                for expected in everything:
                    expected.append(message)

            for round_ in range(3):
                send_all(TEXT)
                for number in range(len(peers)):
                    if (number + round_) % 3:
                        await send(number, TEXT)
                        await send(number, "")
                    await send(number, [TEXT[:900], "", TEXT[900:], f"{number}"])
                send_all(TEXT)
                send_all("small")
                send_all(TEXT + f"{round_}")
                send_all("")
                for number in range(0, len(peers), 2):
                    await send(number, f"{round_} small " + TEXT)
            for peer, expected in zip(peers, everything, strict=True):
                for message in expected:
                    assert await peer.receive() == message
                # Of those for all, empty ones aren't compressed.
                count = 0 if peer.bits is None else len(expected) - 3
                assert peer.compressed == count

    run(scenario)
