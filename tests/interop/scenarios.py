"""What is said in every conversation, and what must come out of it.

Every server here offers the same paths, and every client the same scenarios, each of
which returns something that JSON can carry:

text (``/echo``)
    sends TEXT, returns the echo
binary (``/echo``)
    sends all 256 bytes, returns the echo in hex
large (``/echo``)
    sends 1 MiB as text, then as binary; are the echoes equal?
fragments_sent (``/echo``)
    sends FRAGMENTS as one message, returns the echo
fragments_counted (``/count``)
    the same, and our server answers with their number
fragments_received (``/fragments``)
    returns the message that arrives in fragments
ping_sent (``/echo``)
    sends a ping, returns the payload of the pong
ping_received (``/ping``)
    returns what the server sends once its ping was answered
close_sent (``/echo``, ``/how-closed``)
    closes with PEER_CLOSE, then asks which close the server saw
close_received (``/close``)
    returns the code and reason of the server
deflate (``/echo``)
    returns the extension's name; is the echo of a compressible message equal?
subprotocol (``/echo``)
    offers SUBPROTOCOLS, returns the chosen one
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol


TEXT = "Hello, κόσμε 👋"
BINARY = bytes(range(256))
LARGE = bytes((i * 31 + (i >> 8)) % 256 for i in range(2**20))
FRAGMENTS = ["one, ", "two, ", "three"]
PING = "are you there?"
PEER_CLOSE = (4001, "peer is done")
SERVER_CLOSE = (4002, "server is done")
COMPRESSIBLE = "squeeze me " * 1000
SUBPROTOCOLS = [Subprotocol("first"), Subprotocol("second")]

#: What each scenario must return.
EXPECTED: dict[str, Any] = {
    "text": TEXT,
    "binary": BINARY.hex(),
    "large": [True, True],
    "fragments_sent": "one, two, three",
    "fragments_counted": "3",
    "fragments_received": "one, two, three",
    "ping_sent": PING,
    "ping_received": "pong",
    "close_sent": "4001 peer is done",
    "close_received": [4002, "server is done"],
    "deflate": ["permessage-deflate", True],
    "subprotocol": "second",
}


# -- our server ----------------------------------------------------------------


class Paths:
    """Our server's side of every scenario."""

    def __init__(self) -> None:
        self.closed: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()
        self.reports: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, websocket: ServerConnection) -> None:
        """Do what the path says."""
        assert websocket.request is not None
        path = websocket.request.path.split("?")[0]
        with contextlib.suppress(ConnectionClosed):
            await getattr(self, path[1:].replace("-", "_"))(websocket)

    async def echo(self, websocket: ServerConnection) -> None:
        """Send every message back; remember how the connection ended."""
        with contextlib.suppress(ConnectionClosed):
            async for message in websocket:
                await websocket.send(message)
        await websocket.wait_closed()
        if websocket.close_code == PEER_CLOSE[0]:
            await self.closed.put((websocket.close_code, websocket.close_reason))

    async def count(self, websocket: ServerConnection) -> None:
        """Answer a message with the number of its fragments."""
        fragments = [fragment async for fragment in websocket.recv_streaming()]
        await websocket.send(str(len(fragments)))
        await websocket.wait_closed()

    async def fragments(self, websocket: ServerConnection) -> None:
        """Send a fragmented message."""
        await websocket.send(FRAGMENTS)
        await websocket.wait_closed()

    async def ping(self, websocket: ServerConnection) -> None:
        """Say when the peer has answered a ping."""
        await (await websocket.ping())
        await websocket.send("pong")
        await websocket.wait_closed()

    async def close(self, websocket: ServerConnection) -> None:
        """Close first."""
        await websocket.close(*SERVER_CLOSE)

    async def how_closed(self, websocket: ServerConnection) -> None:
        """Tell how an echo was closed by its peer."""
        code, reason = await self.closed.get()
        await websocket.send(f"{code} {reason}")
        await websocket.wait_closed()

    async def report(self, websocket: ServerConnection) -> None:
        """Take the report of a peer that can't print one."""
        async for message in websocket:
            assert isinstance(message, str)
            await self.reports.put(message)


def select_subprotocol(
    connection: ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    """Choose the second of two, so that the order of offers isn't the reason."""
    return SUBPROTOCOLS[1] if SUBPROTOCOLS[1] in offered else None


ProcessRequest = Callable[[ServerConnection, Request], Response | None]


@contextlib.asynccontextmanager
async def our_server(
    paths: Paths | None = None,
    process_request: ProcessRequest | None = None,
    port: int = 0,
) -> AsyncIterator[int]:
    """Serve every path on 127.0.0.1; the value is the port."""
    async with serve(
        paths or Paths(),
        "127.0.0.1",
        port,
        select_subprotocol=select_subprotocol,
        process_request=process_request,
    ) as server:
        yield next(iter(server.sockets)).getsockname()[1]


# -- our client ----------------------------------------------------------------


class OurClient:
    """
    Our client's side of every scenario.

    Args:
        uri: The server, without a path.
        settings: Arguments for every ``connect()``.
    """

    def __init__(self, uri: str, **settings: Any) -> None:
        self.uri = uri
        self.settings = {"proxy": None, **settings}

    def connect(self, path: str, **settings: Any) -> connect:
        """Return ``connect()`` to a path."""
        return connect(self.uri + path, **self.settings, **settings)

    async def run(self, scenario: str) -> Any:
        """Run one scenario and return its result."""
        run: Callable[[], Awaitable[Any]] = getattr(self, scenario)
        async with asyncio.timeout(30):
            return await run()

    async def text(self) -> Any:
        async with self.connect("/echo") as websocket:
            await websocket.send(TEXT)
            return await websocket.recv()

    async def binary(self) -> Any:
        async with self.connect("/echo") as websocket:
            await websocket.send(BINARY)
            echo = await websocket.recv()
            assert isinstance(echo, bytes)
            return echo.hex()

    async def large(self) -> Any:
        async with self.connect("/echo") as websocket:
            return [
                await self.echoes(websocket, "x" * 2**20),
                await self.echoes(websocket, LARGE),
            ]

    async def echoes(self, websocket: ClientConnection, message: str | bytes) -> bool:
        """Send a message, and tell whether the same comes back."""
        await websocket.send(message)
        return await websocket.recv() == message

    async def fragments_sent(self) -> Any:
        async with self.connect("/echo") as websocket:
            await websocket.send(FRAGMENTS)
            return await websocket.recv()

    async def fragments_received(self) -> Any:
        async with self.connect("/fragments") as websocket:
            return await websocket.recv()

    async def ping_sent(self) -> Any:
        async with self.connect("/echo") as websocket:
            await (await websocket.ping(PING))
            return PING

    async def ping_received(self) -> Any:
        async with self.connect("/ping") as websocket:
            return await websocket.recv()

    async def close_sent(self) -> Any:
        async with self.connect("/echo") as websocket:
            await websocket.close(*PEER_CLOSE)
        async with self.connect("/how-closed") as websocket:
            return await websocket.recv()

    async def close_received(self) -> Any:
        async with self.connect("/close") as websocket:
            await websocket.wait_closed()
            return [websocket.close_code, websocket.close_reason]

    async def deflate(self) -> Any:
        async with self.connect("/echo") as websocket:
            assert websocket.response is not None
            extension = websocket.response.headers["Sec-WebSocket-Extensions"]
            equal = await self.echoes(websocket, COMPRESSIBLE)
            return [extension.split(";")[0], equal]

    async def subprotocol(self) -> Any:
        async with self.connect("/echo", subprotocols=SUBPROTOCOLS) as websocket:
            return websocket.subprotocol
