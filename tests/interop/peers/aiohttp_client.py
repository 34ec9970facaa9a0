"""``python aiohttp_client.py URI``: the scenarios, with aiohttp's client.

Prints their results as JSON. Its interface has no fragments to send.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp


TEXT = "Hello, κόσμε 👋"
LARGE = bytes((i * 31 + (i >> 8)) % 256 for i in range(2**20))
COMPRESSIBLE = "squeeze me " * 1000


class Scenarios:
    """Each public method is a scenario."""

    def __init__(self, session: aiohttp.ClientSession, uri: str) -> None:
        self._session = session
        self._uri = uri

    def _to(self, path: str, **settings: Any) -> Any:
        return self._session.ws_connect(self._uri + path, max_msg_size=0, **settings)

    async def text(self) -> Any:
        async with self._to("/echo") as peer:
            await peer.send_str(TEXT)
            return await peer.receive_str()

    async def binary(self) -> Any:
        async with self._to("/echo") as peer:
            await peer.send_bytes(bytes(range(256)))
            return (await peer.receive_bytes()).hex()

    async def large(self) -> Any:
        async with self._to("/echo") as peer:
            await peer.send_str("x" * 2**20)
            text_is_equal = await peer.receive_str() == "x" * 2**20
            await peer.send_bytes(LARGE)
            return [text_is_equal, await peer.receive_bytes() == LARGE]

    async def fragments_received(self) -> Any:
        async with self._to("/fragments") as peer:
            return await peer.receive_str()

    async def ping_sent(self) -> Any:
        async with self._to("/echo", autoping=False) as peer:
            await peer.ping(b"are you there?")
            message = await peer.receive()
            assert message.type is aiohttp.WSMsgType.PONG
            return message.data.decode()

    async def ping_received(self) -> Any:
        async with self._to("/ping") as peer:
            return await peer.receive_str()

    async def close_sent(self) -> Any:
        async with self._to("/echo") as peer:
            await peer.close(code=4001, message=b"peer is done")
        async with self._to("/how-closed") as peer:
            return await peer.receive_str()

    async def close_received(self) -> Any:
        async with self._to("/close") as peer:
            message = await peer.receive()
            assert message.type is aiohttp.WSMsgType.CLOSE
            return [message.data, message.extra]

    async def deflate(self) -> Any:
        async with self._to("/echo", compress=15) as peer:
            await peer.send_str(COMPRESSIBLE)
            name = "permessage-deflate" if peer.compress else ""
            return [name, await peer.receive_str() == COMPRESSIBLE]

    async def subprotocol(self) -> Any:
        async with self._to("/echo", protocols=["first", "second"]) as peer:
            return peer.protocol


async def result_of(run: Callable[[], Awaitable[Any]]) -> Any:
    """Run a scenario; an error becomes its result."""
    try:
        async with asyncio.timeout(30):
            return await run()
    except Exception as exc:
        return {"error": repr(exc)}


async def main(uri: str) -> None:
    """Run all scenarios and print their results."""
    names = [name for name in vars(Scenarios) if not name.startswith("_")]
    async with aiohttp.ClientSession() as session:
        scenarios = Scenarios(session, uri)
        results = {name: await result_of(getattr(scenarios, name)) for name in names}
    print(json.dumps(results))


asyncio.run(main(sys.argv[1]))
