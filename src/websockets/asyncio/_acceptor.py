"""What a server does with each connection that comes in.

Owns: the arguments of ``serve()`` about connections; the task of each connection: TLS,
opening handshake, handler, end.
Doesn't know: listening sockets, shutdown (see ``_serving``).

One task runs a connection from the first byte to the last, and one deadline holds for
TLS and the opening handshake together. Nothing is made for a client that is silent, but a
stream; the task starts with the first bytes, and usually gets to the handler at once.
"""

from __future__ import annotations

import asyncio
import ssl as ssl_module
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from ..exceptions import InvalidHandshake
from ._native import DIRECT_WAKE
from ._network import AsyncioStream
from ._timers import Alarm, clock_of, timers_of


if TYPE_CHECKING:
    from .._opening.accept import ProcessRequest, ProcessResponse
    from ._serving import Server
    from .server import ServerConnection


__all__ = ["Acceptor", "ServerStream"]


# Python 3.11 starts tasks in the next turn of the loop.
EAGER: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}


class ServerStream(AsyncioStream):
    """
    A stream that a client has opened.

    Attributes:
        task: Task that runs the connection; :obj:`None` while the client is silent.
        expired: Whether the deadline has passed.
    """

    __slots__ = ("_acceptor", "_alarm", "_deadline", "_started", "expired", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, acceptor: Acceptor) -> None:
        super().__init__(loop)
        self._acceptor = acceptor
        self._alarm: Alarm | None = None
        self._deadline = 0.0
        self._started = False
        self.expired = False
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client."""
        super().connection_made(transport)
        self._acceptor.accept(self)

    def data_received(self, data: bytes) -> None:
        """Keep bytes for :meth:`read`; the first ones start the task."""
        super().data_received(data)
        self.start()

    def eof_received(self) -> bool:
        """Let the task find out, as :meth:`connection_lost` does."""
        keep_open = super().eof_received()
        self.start()
        return keep_open

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wake up whoever waits; nothing more arrives."""
        super().connection_lost(exc)
        self.start()

    def start(self, *, at_once: bool = DIRECT_WAKE) -> None:
        """Start the task, unless it was started."""
        if self._started:
            return
        self._started = True
        coroutine = self._acceptor.run(self)
        if at_once and self._loop.get_task_factory() is None:
            task = asyncio.Task(coroutine, loop=self._loop, **EAGER)
        else:
            task = self._loop.create_task(coroutine)
        # One that began at once may be over.
        self.task = None if task.done() else task

    # the deadline

    def set_deadline(self, deadline: float) -> None:
        """Cancel the task at that time, or let go of the client."""
        self._deadline = deadline
        self._alarm = self._acceptor.timers.set(self, deadline)

    def stop_waiting(self) -> None:
        """Forget the deadline: the opening handshake is over."""
        if self._alarm is not None:
            self._acceptor.timers.cancel(self, self._alarm)
            self._alarm = None

    def _deadline_near(self) -> None:
        self.set_deadline(self._deadline)

    def _deadline_reached(self) -> None:
        self._alarm = None
        self.expired = True
        if self.task is not None:
            self.task.cancel()
        else:
            # The transport says later that the connection is lost.
            self._started = True
            self._acceptor.give_up(self)


class Acceptor:
    """
    Opens connections and runs handlers. Calling it makes a stream, for the event loop.

    Args:
        server: Whose connections these are.
        create_connection: Makes a connection, its protocol in state CONNECTING.
        process_request: See :func:`websockets._opening.accept.accept`.
        process_response: The same.
        server_header: The same.
        ssl: TLS, if the server speaks it.
        tls_options: Arguments of :meth:`asyncio.loop.start_tls`.
        open_timeout: Seconds for TLS and the opening handshake together.
    """

    def __init__(
        self,
        server: Server,
        create_connection: Callable[[], ServerConnection],
        *,
        process_request: ProcessRequest | None,
        process_response: ProcessResponse | None,
        server_header: str | None,
        ssl: ssl_module.SSLContext | None,
        tls_options: Mapping[str, Any],
        open_timeout: float | None,
    ) -> None:
        self.server = server
        self.create_connection = create_connection
        self.process_request = process_request
        self.process_response = process_response
        self.server_header = server_header
        self.ssl = ssl
        self.tls_options = tls_options
        self.open_timeout = open_timeout
        self.loop = asyncio.get_running_loop()
        self.now = clock_of(self.loop)
        self.timers = timers_of(self.loop, self.now)

    def __call__(self) -> ServerStream:
        return ServerStream(self.loop, self)

    def accept(self, stream: ServerStream) -> None:
        """Have a stream wait for its client."""
        close_task = self.server.close_task
        if close_task is not None and close_task.done():
            # It was being accepted while the server closed.
            stream.abort()
            return
        self.server.opening.add(stream)
        if self.open_timeout is not None:
            stream.set_deadline(self.now() + self.open_timeout)
        if self.ssl is not None:
            # What the client says first is for start_tls().
            stream.transport.pause_reading()
        if self.ssl is not None or close_task is not None:
            stream.start(at_once=False)

    def give_up(self, stream: ServerStream) -> None:
        """Let go of a client that was silent for too long."""
        self.server.opening.discard(stream)
        stream.abort()
        self.server.logger.debug("! opening handshake failed: %r", TimeoutError())

    async def run(self, stream: ServerStream) -> None:
        """Run a connection, from TLS to the end."""
        server = self.server
        try:
            connection = await self.open(stream)
        finally:
            stream.stop_waiting()
            server.opening.discard(stream)
        if connection is None:
            return
        # It may stay for days; the stream isn't needed any more.
        del stream
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        server.handler_tasks.add(task)
        try:
            if server._last_words is not None:
                await connection.close(*server._last_words)
                return
            async with connection:
                await server.handler(connection)
        except Exception:
            connection.logger.error("connection handler failed", exc_info=True)
        finally:
            server.handler_tasks.discard(task)

    async def open(self, stream: ServerStream) -> ServerConnection | None:
        """
        Open a connection.

        Returns:
            The connection; :obj:`None` if it didn't open, which is logged. Whatever is
            raised, nothing stays open.
        """
        connection = None
        try:
            if self.ssl is not None:
                await stream.start_tls(self.ssl, server_side=True, **self.tls_options)
            connection = self.create_connection()
            connection.transport = stream.transport
            self.server.all_connections.add(connection)
            await connection.handshake(
                self.process_request, self.process_response, self.server_header
            )
        except BaseException as exc:
            stream.abort()
            failure = None
            if connection is not None:
                failure = connection.protocol.handshake_exc
                self.server.all_connections.discard(connection)
                # This logs "connection closed".
                connection.protocol.receive_eof()
                connection.never_opened()
            if (
                isinstance(exc, (OSError, InvalidHandshake))
                or exc is failure
                or (stream.expired and was_cancelled_once(exc))
            ):
                # The client's business. What there is to say was logged.
                self.server.logger.debug("! opening handshake failed: %r", exc)
            elif isinstance(exc, Exception):
                self.server.logger.error("opening handshake failed", exc_info=True)
            else:
                raise
            return None
        return connection


def was_cancelled_once(exc: BaseException) -> bool:
    """Tell whether an exception stands for one cancellation, which is taken back."""
    task = asyncio.current_task()
    assert task is not None  # that's where the exception comes from
    return isinstance(exc, asyncio.CancelledError) and task.uncancel() == 0
