"""The faces that scenarios run on.

A scenario is a coroutine function that takes a face. It gets connections from
``face.pair()`` and runs things side by side by ``face.start()``; it never sleeps. Threads
run it with ``drive()``, because nothing that it awaits there ever suspends.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.loops import LOOPS
from websockets._opening.network import drive
from websockets.asyncio._direct import direct_transport, over_socket
from websockets.asyncio.connection import Connection
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import Protocol, Side

from .clock import JumpingLoop
from .threads import PATIENCE, ThreadedConnection


Scenario = Callable[..., Coroutine[Any, Any, None]]


def protocols(
    max_size: Any = 2**20, deflate: bool = False
) -> tuple[Protocol, Protocol]:
    """Return the two ends of a connection whose opening handshake is over."""
    client = Protocol(Side.CLIENT, max_size=max_size)
    server = Protocol(Side.SERVER, max_size=max_size)
    if deflate:
        client.extensions = [PerMessageDeflate(False, False, 12, 12)]
        server.extensions = [PerMessageDeflate(False, False, 12, 12)]
    return client, server


class AsyncioFace:
    """asyncio, on a loop of choice; on sockets of ours where the library has them."""

    def __init__(
        self,
        new_loop: Callable[[], asyncio.AbstractEventLoop],
        debug: bool,
        direct: bool = True,
    ) -> None:
        self.new_loop = new_loop
        self.debug = debug
        self.direct = direct
        self.connections: list[Connection] = []

    def run(self, scenario: Scenario, **kwargs: Any) -> None:
        async def bounded() -> None:
            try:
                await scenario(self, **kwargs)
            finally:
                for connection in self.connections:
                    connection.abort()
                    await connection.wait_closed()

        with asyncio.Runner(debug=self.debug, loop_factory=self.new_loop) as runner:
            runner.run(bounded())

    async def connect(
        self, sock: socket.socket, protocol: Protocol, **options: Any
    ) -> Any:
        loop = asyncio.get_running_loop()
        make = direct_transport(loop, "create_connection") if self.direct else None
        if make is None:
            _, connection = await loop.create_connection(
                lambda: Connection(protocol, **options), sock=sock
            )
        else:
            sock.setblocking(False)
            connection = over_socket(make, loop, sock, Connection(protocol, **options))
        self.connections.append(connection)
        return connection

    async def pair(
        self, max_size: Any = 2**20, deflate: bool = False, **options: Any
    ) -> tuple[Any, Any]:
        """Return a client and a server connected by a socket pair."""
        client, server = protocols(max_size, deflate)
        one, other = socket.socketpair()
        return await self.connect(one, client, **options), await self.connect(
            other, server, **options
        )

    async def one(
        self, side: Side = Side.CLIENT, **options: Any
    ) -> tuple[Any, socket.socket]:
        """Return a connection and the socket of its peer, which the test plays."""
        sock, peer = socket.socketpair()
        peer.settimeout(PATIENCE)
        connection = await self.connect(sock, Protocol(side), **options)
        return connection, peer

    def start(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(coro)


class ThreadsFace:
    """Threads, on the test driver."""

    def __init__(self) -> None:
        self.connections: list[ThreadedConnection] = []

    def run(self, scenario: Scenario, **kwargs: Any) -> None:
        try:
            drive(scenario(self, **kwargs))
        finally:
            for connection in self.connections:
                connection.drop()
            for connection in self.connections:
                connection.join()

    async def pair(
        self, max_size: Any = 2**20, deflate: bool = False, **options: Any
    ) -> tuple[Any, Any]:
        client, server = protocols(max_size, deflate)
        one, other = socket.socketpair()
        pair = (
            ThreadedConnection(one, client, **options),
            ThreadedConnection(other, server, **options),
        )
        self.connections += pair
        return pair

    def start(self, coro: Coroutine[Any, Any, Any]) -> ThreadTask:
        return ThreadTask(coro)


class ThreadTask:
    """A coroutine that never suspends, in a thread; awaited, it is joined."""

    def __init__(self, coro: Coroutine[Any, Any, Any]) -> None:
        self.coro = coro
        self.result: Any = None
        self.exception: BaseException | None = None
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self) -> None:
        try:
            self.result = drive(self.coro)
        except Exception as exc:
            self.exception = exc

    def __await__(self) -> Any:
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive(), "the scenario hangs"
        if self.exception is not None:
            raise self.exception
        return self.result
        yield  # makes this a generator, as awaitables need


FACES: dict[str, Callable[[], Any]] = {
    "asyncio": lambda: AsyncioFace(*LOOPS["asyncio"]),
    "asyncio-transports": lambda: AsyncioFace(*LOOPS["asyncio"], direct=False),
    "asyncio-debug": lambda: AsyncioFace(*LOOPS["debug"]),
    "uvloop": lambda: AsyncioFace(*LOOPS["uvloop"]),
    "threads": ThreadsFace,
    # Only for what takes time: the kinds of loop above wait for real.
    "jumping": lambda: AsyncioFace(JumpingLoop, debug=False),
}

ASYNCIO = ("asyncio", "asyncio-transports", "asyncio-debug", "uvloop")
EVERYWHERE = (*ASYNCIO, "threads")


def scenario(*names: str) -> Callable[[Scenario], Callable[..., None]]:
    """Make a test of a scenario, one per face."""

    def decorate(function: Scenario) -> Callable[..., None]:
        @pytest.mark.parametrize("face", names or EVERYWHERE)
        @functools.wraps(function)
        def test(face: str, **kwargs: Any) -> None:
            FACES[face]().run(function, **kwargs)

        # pytest asks for what the scenario takes.
        del test.__wrapped__  # type: ignore[attr-defined]
        return test

    return decorate
