"""
aiohttp: WebSocket as a part of an HTTP client and an HTTP server.

Owns: that API. Doesn't know: what is measured.
"""

from __future__ import annotations

import ssl
import zlib
from typing import Any

import aiohttp
from aiohttp import web

from .base import LARGE, UNLIMITED, Adapter, Connection, different


class SameLevel:
    """
    The standard module, at the level that all others compress with.

    aiohttp asks for the fastest level, which cannot be set. What is measured is the
    library, and not how much somebody wants to compress.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(zlib, name)

    @staticmethod
    def compressobj(**settings: Any) -> Any:
        """Make a compressor of level 6."""
        return zlib.compressobj(**{**settings, "level": 6})


class Aiohttp(Adapter):
    """``ClientSession.ws_connect`` and ``web.WebSocketResponse``."""

    def __init__(self) -> None:
        super().__init__()
        same: Any = SameLevel()
        aiohttp.set_zlib_backend(same)
        self.session: aiohttp.ClientSession | None = None
        self.runners: list[web.AppRunner] = []

    def version(self) -> str:
        """Return the version of the library."""
        return str(aiohttp.__version__)

    async def connect(
        self,
        url: str,
        *,
        text: bool = False,
        deflate: bool = False,
        tls: ssl.SSLContext | None = None,
        unlimited: bool = False,
    ) -> Connection:
        """Open a connection, in the one session that aiohttp wants programs to have."""
        options: dict[str, Any] = {"max_msg_size": UNLIMITED} if unlimited else {}
        if tls is not None:
            options["ssl"] = tls
        if self.session is None:
            self.session = aiohttp.ClientSession()
        websocket = await self.session.ws_connect(
            url, compress=15 if deflate else 0, **options
        )

        send = websocket.send_str if text else websocket.send_bytes
        return Connection(send, websocket.receive, websocket.close, websocket)

    async def serve(
        self, kind: str, size: int, *, deflate: bool, tls: ssl.SSLContext | None
    ) -> int:
        """Start a server."""
        members: set[web.WebSocketResponse] = set()
        texts = different(size)

        async def echo(websocket: web.WebSocketResponse) -> None:
            async for message in websocket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    await websocket.send_str(message.data)
                else:
                    await websocket.send_bytes(message.data)

        async def count_messages(websocket: web.WebSocketResponse) -> None:
            while True:
                first = await websocket.receive()
                if first.type is not aiohttp.WSMsgType.TEXT:
                    return
                for _ in range(int(first.data)):
                    await websocket.receive()
                await websocket.send_str("END")

        async def broadcast(websocket: web.WebSocketResponse) -> None:
            members.add(websocket)
            try:
                async for message in websocket:
                    for _ in range(int(message.data)):
                        await websocket.send_str(LARGE)
                    if message.data == "0":
                        text = next(texts)
                        for member in list(members):
                            await member.send_str(text)
            finally:
                members.discard(websocket)

        talk = {"echo": echo, "count": count_messages, "broadcast": broadcast}[kind]

        async def handler(request: web.Request) -> web.WebSocketResponse:
            websocket = web.WebSocketResponse(compress=deflate)
            await websocket.prepare(request)
            self.count(+1)
            try:
                await talk(websocket)
            except ConnectionError:
                pass
            finally:
                self.count(-1)
            return websocket

        application = web.Application()
        application.router.add_get("/", handler)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        self.runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        port: int = runner.addresses[0][1]
        return port
