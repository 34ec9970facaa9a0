"""A WebSocket server on asyncio, from listening to closed.

Owns: the listening sockets, by way of :class:`asyncio.Server`; the set of connections;
the tasks that run them; graceful shutdown.
Doesn't know: how a connection opens (see ``_acceptor``), what happens on it.

Shutdown, in this order: stop listening; refuse opening handshakes with a 503; close
connections; give up, after ``close_timeout``, on whoever hasn't even sent a request;
wait for the handlers, however long they take.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Generator, Iterable
from typing import TYPE_CHECKING, Any

from ..frames import Close, CloseCode, Frame, Opcode
from ..protocol import OPEN
from ..utils import get_socket_name


if TYPE_CHECKING:
    from types import TracebackType

    from ..typing import LoggerLike
    from ._acceptor import ServerStream
    from .server import ServerConnection


__all__ = ["Server"]


class Server:
    """
    A WebSocket server, as :func:`serve` returns it.

    Await it to start listening, or use it as an asynchronous context manager, which
    also closes it::

        async with serve(handler, "localhost", 8765) as server:
            await server.serve_forever()

    It can be made before an event loop runs; it belongs to the loop that starts it.
    Like everything in :mod:`asyncio`, it isn't thread-safe.

    Args:
        create_server: Coroutine function that starts listening.
        handler: Coroutine function that runs each connection, once it's open.
        logger: Logger of this server; default: ``websockets.server``.

    Attributes:
        all_connections: Connections from the request on, to the end of TCP.
        handler_tasks: Tasks that run handlers.
    """

    def __init__(
        self,
        create_server: Callable[[], Coroutine[Any, Any, asyncio.Server]],
        handler: Callable[[ServerConnection], Coroutine[Any, Any, None]],
        logger: LoggerLike | None = None,
    ) -> None:
        self.create_server = create_server
        self.handler = handler
        if logger is None:
            logger = logging.getLogger("websockets.server")
        self.logger = logger
        self.all_connections: set[ServerConnection] = set()
        self.handler_tasks: set[asyncio.Task[Any]] = set()
        #: Task that closes the server, from :meth:`close` on.
        self.close_task: asyncio.Task[None] | None = None
        #: Connections whose opening handshake isn't over, or hasn't begun, in the order in
        #: which they came; and when their time is over.
        self.opening: OrderedDict[ServerStream, float] = OrderedDict()
        # How long opening handshakes may go on after close().
        self.close_timeout: float | None = 10
        # What connections are closed with that open after close(); None: they go on.
        self._last_words: tuple[int, str] | None = None
        self._server: asyncio.Server | None = None
        self._closed: asyncio.Future[None] | None = None

    # starting

    def __await__(self) -> Generator[Any, None, Server]:
        """Start listening, unless it does. Cancelling leaves nothing open."""
        return self._start().__await__()

    async def __aenter__(self) -> Server:
        return await self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        await self.wait_closed()

    async def _start(self) -> Server:
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
            try:
                self._server = await self.create_server()
            except BaseException:
                self._closed = None
                raise
            if self._server.is_serving():
                self._log_sockets()
        return self

    def _log_sockets(self) -> None:
        for sock in self.sockets:
            self.logger.info("server listening on %s", get_socket_name(sock))

    @property
    def server(self) -> asyncio.Server:
        """
        The :class:`asyncio.Server` that listens.

        Raises:
            RuntimeError: The server isn't started.
        """
        if self._server is None:
            raise RuntimeError("the server isn't started: await it first")
        return self._server

    async def start_serving(self) -> None:
        """Start accepting connections, for ``serve(..., start_serving=False)``."""
        if not self.server.is_serving():
            await self.server.start_serving()
            self._log_sockets()

    async def serve_forever(self) -> None:
        """
        Serve until the server is closed.

        Cancelling closes the server, waits until it's closed, and raises
        :exc:`asyncio.CancelledError`.
        """
        await self.start_serving()
        try:
            await self.wait_closed()
        except asyncio.CancelledError:
            self.close()
            await self.wait_closed()
            raise

    # information

    @property
    def connections(self) -> set[ServerConnection]:
        """Connections that are open now; a new set at each call."""
        return {
            connection
            for connection in self.all_connections
            # The response that opens it may not have left yet.
            if connection.state is OPEN and connection.attached
        }

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """Sockets that listen; none once the server is closed."""
        return tuple(self.server.sockets)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop of the server."""
        return self.server.get_loop()

    def is_serving(self) -> bool:
        """Tell whether the server accepts connections."""
        return self.server.is_serving()

    # closing

    def close(
        self,
        close_connections: bool = True,
        code: CloseCode | int = CloseCode.GOING_AWAY,
        reason: str = "",
    ) -> None:
        """
        Close the server: it stops listening at once, the rest happens in a task.

        Opening handshakes are refused with HTTP 503. Open connections are closed; every
        TCP connection is gone within ``close_timeout``, whatever peers do. Then handlers
        are awaited: those that receive or send get
        :exc:`~websockets.exceptions.ConnectionClosed`. Wait for it all with
        :meth:`wait_closed`. Calling it again has no effect.

        Args:
            close_connections: :obj:`False` lets connections go on until handlers or
                clients end them.
            code: Close code (RFC 6455 section 7.4).
            reason: Close reason, at most 123 bytes of UTF-8.

        Raises:
            ProtocolError: The code is reserved or the reason too long.
        """
        # Mistakes show here, not in a task.
        Frame(Opcode.CLOSE, Close(code, reason).serialize()).check()
        if self.close_task is None:
            loop = self.get_loop()
            if close_connections:
                self._last_words = code, reason
            self.close_task = loop.create_task(self._close())

    async def wait_closed(self) -> None:
        """
        Wait until the server is closed and all handlers have ended.

        It doesn't close the server by itself. Cancelling is safe.
        """
        assert self.server is not None  # or it raises
        assert self._closed is not None
        await asyncio.shield(self._closed)

    async def _close(self) -> None:
        self.logger.info("server closing")
        self.server.close()
        timer = None
        if self.close_timeout is not None:
            timer = self.get_loop().call_later(self.close_timeout, self._stop_opening)
        try:
            if self._last_words is not None:
                await wait_for_all(
                    asyncio.create_task(connection.close(*self._last_words))
                    for connection in self.connections
                )
            # From here on there's something to wait for, and to cancel.
            for stream in tuple(self.opening):
                stream.start()
            while tasks := self._opening_tasks() | self.handler_tasks:
                await asyncio.wait(tasks)
            # Handlers may have been cancelled while they were closing connections.
            for connection in tuple(self.all_connections):
                connection.abort()
                await connection.wait_closed()
        finally:
            if timer is not None:
                timer.cancel()
            assert self._closed is not None  # close() needs a server that's started
            self._closed.set_result(None)
            self.logger.info("server closed")

    def _stop_opening(self) -> None:
        for task in self._opening_tasks():
            task.cancel()

    def _opening_tasks(self) -> set[asyncio.Task[Any]]:
        """Return the tasks of opening handshakes."""
        return {stream.task for stream in self.opening if stream.task is not None}


async def wait_for_all(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Wait until tasks end, whatever they raise."""
    await asyncio.gather(*tasks, return_exceptions=True)
