"""What a server does with each connection that comes in.

Owns: the arguments of ``serve()`` about connections; the task of each connection: TLS,
opening handshake, handler, end.
Doesn't know: listening sockets, shutdown (see ``_serving``).

One task runs a connection from the first byte to the last, and one deadline holds for
TLS and the opening handshake together.
"""

from __future__ import annotations

import asyncio
import ssl as ssl_module
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from ..exceptions import InvalidHandshake
from ._network import AsyncioStream


if TYPE_CHECKING:
    from .._opening.accept import ProcessRequest, ProcessResponse
    from ._serving import Server
    from .server import ServerConnection


__all__ = ["Acceptor", "ServerStream"]


class ServerStream(AsyncioStream):
    """A stream that a client has opened."""

    __slots__ = ("_acceptor",)

    def __init__(self, loop: asyncio.AbstractEventLoop, acceptor: Acceptor) -> None:
        super().__init__(loop)
        self._acceptor = acceptor

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the task of the connection."""
        super().connection_made(transport)
        self._acceptor.accept(self)


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

    def __call__(self) -> ServerStream:
        return ServerStream(self.loop, self)

    def accept(self, stream: ServerStream) -> None:
        """Start the task of a connection."""
        close_task = self.server.close_task
        if close_task is not None and close_task.done():
            # It was being accepted while the server closed.
            stream.abort()
            return
        if self.ssl is not None:
            # What the client says first is for start_tls().
            stream.transport.pause_reading()
        self.loop.create_task(self.run(stream))

    async def run(self, stream: ServerStream) -> None:
        """Run a connection, from TLS to the end."""
        server = self.server
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        server.opening_tasks.add(task)
        try:
            connection = await self.open(stream)
        finally:
            server.opening_tasks.discard(task)
        if connection is None:
            return
        # It may stay for days; the stream isn't needed any more.
        del stream
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
            async with asyncio.timeout(self.open_timeout):
                if self.ssl is not None:
                    await stream.start_tls(
                        self.ssl, server_side=True, **self.tls_options
                    )
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
            if isinstance(exc, (OSError, InvalidHandshake)) or exc is failure:
                # The client's business. What there is to say was logged.
                self.server.logger.debug("! opening handshake failed: %r", exc)
            elif isinstance(exc, Exception):
                self.server.logger.error("opening handshake failed", exc_info=True)
            else:
                raise
            return None
        return connection
