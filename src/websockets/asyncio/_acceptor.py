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
import math
import ssl as ssl_module
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

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

    __slots__ = ("_acceptor", "_started", "expired", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, acceptor: Acceptor) -> None:
        super().__init__(loop)
        self._acceptor = acceptor
        self._started = False
        self.expired = False
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client."""
        self.transport = transport  # type: ignore[assignment]  # it's one of a stream
        self._acceptor.accept(self)

    def data_received(self, data: bytes) -> None:
        """Keep bytes for :meth:`read`; the first ones start the task."""
        super().data_received(data)
        if not self._started:
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

    def expire(self) -> None:
        """Cancel the task, or let go of a client that was silent for too long."""
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

    All streams have the same time, so the first that came is the first whose time is up:
    one alarm is set, for a deadline that isn't later than any other.
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
        self.open_timeout = math.inf if open_timeout is None else open_timeout
        self.loop = asyncio.get_running_loop()
        self.now = clock_of(self.loop)
        self.timers = timers_of(self.loop, self.now)
        self._alarm: Alarm | None = None
        self._alarm_at = 0.0
        assert server._closed is not None  # it's starting
        server._closed.add_done_callback(self._stop)

    def __call__(self) -> ServerStream:
        return ServerStream(self.loop, self)

    def accept(self, stream: ServerStream) -> None:
        """Have a stream wait for its client."""
        server = self.server
        close_task = server.close_task
        if close_task is not None and close_task.done():
            # It was being accepted while the server closed.
            stream.abort()
            return
        server.opening[stream] = self.now() + self.open_timeout
        if self._alarm is None and self.open_timeout < math.inf:
            self._set_alarm()
        if self.ssl is not None:
            # What the client says first is for start_tls().
            stream.transport.pause_reading()
        if self.ssl is not None or close_task is not None:
            stream.start(at_once=False)

    def _set_alarm(self) -> None:
        """Set the alarm for the stream that has waited for the longest time."""
        self._alarm = None
        for stream, deadline in self.server.opening.items():
            # Those whose time was over may still be here: it takes a task time to end.
            if not stream.expired:
                self._alarm = self.timers.set(self, deadline)
                self._alarm_at = deadline
                break

    def _deadline_near(self) -> None:
        self._set_alarm()

    def _deadline_reached(self) -> None:
        # The loop fires timers up to one tick of its clock too early.
        now = max(self.now(), self._alarm_at)
        late = []
        for stream, deadline in self.server.opening.items():
            if deadline > now:
                break
            if not stream.expired:
                late.append(stream)
        try:
            for stream in late:
                stream.expire()
        finally:
            # A program's logger may raise: the others have their turn all the same.
            self._set_alarm()

    def _stop(self, closed: asyncio.Future[None]) -> None:
        """Forget the alarm: the server is closed, and no stream is left."""
        if self._alarm is not None:
            self.timers.cancel(self, self._alarm)
            self._alarm = None

    def give_up(self, stream: ServerStream) -> None:
        """Let go of a client that was silent for too long."""
        del self.server.opening[stream]
        stream.abort()
        self.server.logger.debug("! opening handshake failed: %r", TimeoutError())

    async def run(self, stream: ServerStream) -> None:
        """Run a connection, from TLS to the end."""
        server = self.server
        connection = None
        try:
            if self.ssl is not None:
                await stream.start_tls(self.ssl, server_side=True, **self.tls_options)
            connection = self.create_connection()
            connection.transport = stream.transport
            server.all_connections.add(connection)
            await connection.handshake(
                self.process_request, self.process_response, self.server_header
            )
        except BaseException as exc:
            # Nothing stays open.
            if not self._failed(stream, connection, exc):
                raise
            return
        finally:
            server.opening.pop(stream, None)
        # It may stay for days; the stream isn't needed any more.
        del stream
        task = asyncio.current_task()
        assert task is not None  # this is a coroutine
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

    def _failed(
        self,
        stream: ServerStream,
        connection: ServerConnection | None,
        exc: BaseException,
    ) -> bool:
        """Drop a connection that didn't open; tell whether that is all there is to do."""
        server = self.server
        stream.abort()
        failure = None
        if connection is not None:
            failure = connection.protocol.handshake_exc
            server.all_connections.discard(connection)
            # This logs "connection closed".
            connection.protocol.receive_eof()
            connection.never_opened()
        if (
            isinstance(exc, (OSError, InvalidHandshake))
            or exc is failure
            or (stream.expired and was_cancelled_once(exc))
        ):
            # The client's business. What there is to say was logged.
            server.logger.debug("! opening handshake failed: %r", exc)
        elif isinstance(exc, Exception):
            server.logger.error("opening handshake failed", exc_info=True)
        else:
            return False
        return True


def was_cancelled_once(exc: BaseException) -> bool:
    """Tell whether an exception stands for one cancellation, which is taken back."""
    task = asyncio.current_task()
    assert task is not None  # that's where the exception comes from
    return isinstance(exc, asyncio.CancelledError) and task.uncancel() == 0
