"""The faces of the library, as the scenarios of this folder see them.

A scenario is written once, against :class:`Face`; a face that joins ``FACES`` runs
them all.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple, Protocol

from websockets.asyncio.client import connect
from websockets.datastructures import Headers


#: Seconds for a whole conversation, on a busy machine.
LIMIT = 30


class Visit(NamedTuple):
    """
    What a conversation left.

    Attributes:
        headers: Of the handshake request, as the server saw them.
        proxies: ``connection.proxy``.
        shown: What the connection shows of itself.
    """

    headers: Headers
    proxies: tuple[Any, ...]
    shown: str


class Face(Protocol):
    """A face of the library."""

    def visit(self, uri: str, **settings: Any) -> Visit:
        """Connect, and have a message of 1 MiB echoed; ``settings`` are connect()'s."""
        ...


class AsyncioFace:
    """:mod:`websockets.asyncio`."""

    def visit(self, uri: str, **settings: Any) -> Visit:
        async def conversation() -> Visit:
            async with asyncio.timeout(LIMIT), connect(uri, **settings) as websocket:
                headers = Headers(json.loads(await websocket.recv()))
                for message in ("through", bytes(2**20)):
                    await websocket.send(message)
                    assert await websocket.recv() == message
                return Visit(headers, getattr(websocket, "proxy", ()), repr(websocket))

        return asyncio.run(conversation())


FACES: dict[str, type[Face]] = {"asyncio": AsyncioFace}
