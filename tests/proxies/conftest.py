"""The conversation that every test of a proxy has, and the watch over secrets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.proxies.lab import ECHO_HOST, PASSWORD, USER, Lab, basic
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request


#: What must not show anywhere.
SECRETS = [PASSWORD, basic(USER, PASSWORD).split()[1]]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The laboratory."""
    with Lab() as lab:
        yield lab


@pytest.fixture(autouse=True)
def no_proxy_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of whoever runs the tests names no proxy."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def secrets_stay_secret(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which a secret shows in a log record."""
    caplog.set_level(logging.DEBUG)
    yield
    for record in caplog.get_records("call"):
        for secret in SECRETS:
            assert secret not in record.getMessage()


class Conversation:
    """
    An echo server behind the proxy, and our client in front of it.

    Attributes:
        uri: Of the server, by a name that only the proxies resolve.
        seen: The handshake requests that reached the server.
        settings: Arguments for ``connect()`` that the scheme needs.
    """

    def __init__(self, uri: str, settings: dict[str, Any]) -> None:
        self.uri = uri
        self.seen: list[Request] = []
        self.settings = settings

    async def echo(self, **settings: Any) -> None:
        """Connect, and have a message of 1 MiB echoed both ways."""
        async with connect(self.uri, **self.settings, **settings) as websocket:
            for message in ("through", bytes(2**20)):
                await websocket.send(message)
                assert await websocket.recv() == message


@contextlib.asynccontextmanager
async def conversation(lab: Lab, scheme: str) -> AsyncIterator[Conversation]:
    """Run the server for ``ws`` or ``wss``."""
    client_context: ssl.SSLContext | None = None
    server_context: ssl.SSLContext | None = None
    if scheme == "wss":
        client_context = lab.certificates.client_context()
        server_context = lab.certificates.server_context()

    async def handler(websocket: ServerConnection) -> None:
        assert websocket.request is not None
        held.seen.append(websocket.request)
        async for message in websocket:
            await websocket.send(message)

    async with serve(handler, "127.0.0.1", 0, ssl=server_context) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        settings = {} if client_context is None else {"ssl": client_context}
        held = Conversation(f"{scheme}://{ECHO_HOST}:{port}", settings)
        yield held


class Talk:
    """A face of the library: how tests hold a conversation."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def __call__(self, scheme: str, **settings: Any) -> Request:
        """
        Hold a conversation over a proxy.

        Args:
            scheme: ``"ws"`` or ``"wss"``.
            settings: Arguments for ``connect()``.

        Returns:
            The handshake request that the server saw.
        """

        async def run() -> Request:
            async with asyncio.timeout(30), conversation(self.lab, scheme) as held:
                await held.echo(**settings)
                [request] = held.seen
                return request

        return asyncio.run(run())


@pytest.fixture
def talk(lab: Lab) -> Talk:
    """How to hold a conversation over a proxy."""
    return Talk(lab)
