"""SSLObjects of a program's own, see SSLContext.sslobject_class, that do more than TLS."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any, ClassVar

import pytest

from tests.asyncio.helpers import client_context, run_on, server_context
from tests.asyncio.transports import Plain, needs_native
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


class Meddling(ssl.SSLObject):
    """Does something to a connection when it has decrypted data for it."""

    todo: ClassVar[list[Any]] = []

    def read(self, *args: Any) -> Any:
        data = super().read(*args)
        if self.todo:
            self.todo.pop()()
        return data


@contextlib.asynccontextmanager
async def meddled_with() -> Any:
    """Give a connection whose peer sends back what it gets."""
    context = client_context()
    context.sslobject_class = Meddling

    async def echo(websocket: Any) -> None:
        with contextlib.suppress(ConnectionClosed):
            await websocket.send(await websocket.recv())

    async with serve(echo, "localhost", 0, ssl=server_context()) as server:
        port = server.sockets[0].getsockname()[1]
        connection = await connect(
            f"wss://localhost:{port}", ssl=context, compression=None
        )
        yield connection
        connection.abort()


@needs_native
def test_replacing_the_protocol():
    """What was decrypted for the one before still is its."""

    async def scenario():
        async with meddled_with() as connection:
            other = Plain()
            replace = connection.transport.set_protocol
            Meddling.todo = [lambda: replace(other)]
            await connection.send(b"message")
            assert await connection.recv() == b"message"
            assert Meddling.todo == []
            assert connection.transport.get_protocol() is other

    run_on("asyncio", scenario)


@needs_native
@pytest.mark.parametrize("what", ["abort", "close"])
def test_ending_the_connection(what):
    """It ends, as it does when anybody else ends it."""

    async def scenario():
        async with meddled_with() as connection:
            Meddling.todo = [getattr(connection.transport, what)]
            await connection.send(b"message")
            with contextlib.suppress(ConnectionClosed):
                assert await connection.recv() == b"message"
            await connection.wait_closed()
            assert Meddling.todo == []

    run_on("asyncio", scenario)
