"""
Libraries with the asyncio API of websockets: this one, websockets 17.4, picows.

Owns: that API. Doesn't know: which of them it is.
"""

from __future__ import annotations

import importlib
import ssl
from typing import Any

from .base import LARGE, UNLIMITED, Adapter, Connection, different


class Coroutines(Adapter):
    """``connect``, ``serve`` and ``broadcast`` of a package."""

    def __init__(self, package: str) -> None:
        super().__init__()
        self.package = importlib.import_module(package)
        self.client = importlib.import_module(f"{package}.asyncio.client")
        self.server = importlib.import_module(f"{package}.asyncio.server")
        self.broadcast = self.server.broadcast
        exceptions = importlib.import_module(f"{package}.exceptions")
        self.closed: type[Exception] = exceptions.ConnectionClosed
        #: Servers, which end when nobody holds them.
        self.servers: list[Any] = []

    def version(self) -> str:
        """Return the version of the library."""
        root = importlib.import_module(self.package.__name__.partition(".")[0])
        return str(root.__version__)

    async def connect(
        self,
        url: str,
        *,
        text: bool = False,
        deflate: bool = False,
        tls: ssl.SSLContext | None = None,
        unlimited: bool = False,
    ) -> Connection:
        """Open a connection."""
        options: dict[str, Any] = {"max_size": UNLIMITED} if unlimited else {}
        if tls is not None:
            options["ssl"] = tls
        compression = "deflate" if deflate else None
        connection = await self.client.connect(url, compression=compression, **options)
        return Connection(
            connection.send, connection.recv, connection.close, connection
        )

    async def serve(
        self, kind: str, size: int, *, deflate: bool, tls: ssl.SSLContext | None
    ) -> int:
        """Start a server."""
        handlers = {"echo": self.echo, "count": self.count_messages}
        talk = handlers.get(kind) or self.call(size)

        async def handler(websocket: Any) -> None:
            self.count(+1)
            try:
                await talk(websocket)
            except self.closed:
                pass
            finally:
                self.count(-1)

        server = await self.server.serve(
            handler,
            "127.0.0.1",
            0,
            compression="deflate" if deflate else None,
            ssl=tls,
        )
        self.servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def echo(self, websocket: Any) -> None:
        """Send back what comes."""
        async for message in websocket:
            await websocket.send(message)

    async def count_messages(self, websocket: Any) -> None:
        """Take a number, and that many messages."""
        while True:
            number = int(await websocket.recv())
            for _ in range(number):
                await websocket.recv()
            await websocket.send("END")

    def call(self, size: int) -> Any:
        """Make the handler of a server that broadcasts."""
        members = set()
        texts = different(size)

        async def handler(websocket: Any) -> None:
            members.add(websocket)
            try:
                async for message in websocket:
                    for _ in range(int(message)):
                        self.broadcast({websocket}, LARGE)
                    if message == "0":
                        self.broadcast(members, next(texts))
            finally:
                members.discard(websocket)

        return handler
