"""The server's face on asyncio: :func:`serve` and what belongs to it.

Owns: the arguments of :func:`serve`, and connections seen from a server.
Doesn't know: how connections open (``_opening.accept``), what they do then
(``connection``), how a server starts and stops (``_serving``).
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl as ssl_module
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from .._handshake import check_origins
from .._opening.accept import accept
from .._session import check_settings
from ..extensions.base import ServerExtensionFactory
from ..extensions.permessage_deflate import enable_server_permessage_deflate
from ..headers import validate_subprotocols
from ..http11 import SERVER, Request, Response
from ..protocol import CONNECTING
from ..server import ServerProtocol
from ..typing import LoggerLike, Origin, PathLike, StatusLike, Subprotocol
from ._acceptor import Acceptor
from ._auth import basic_auth
from ._broadcast import broadcast
from ._handlers import add_headers, one_argument
from ._keywords import SERVER_LISTENING, check_names, current_arguments, take
from ._listening import listen
from ._network import stream_below, stream_over
from ._serving import Server
from .connection import Connection


if TYPE_CHECKING:
    ProcessRequest = Callable[
        ["ServerConnection", Request], Awaitable[Response | None] | Response | None
    ]
    ProcessResponse = Callable[
        ["ServerConnection", Request, Response],
        Awaitable[Response | None] | Response | None,
    ]


__all__ = [
    "Server",
    "ServerConnection",
    "basic_auth",
    "broadcast",
    "serve",
    "unix_serve",
]

# They live next door to keep files short.
for _public in (Server, basic_auth, broadcast):
    _public.__module__ = __name__


class ServerConnection(Connection):
    """
    A WebSocket connection of a server, as handlers get it.

    :func:`serve` makes these. See :class:`~websockets.asyncio.connection.Connection` for
    sending, receiving and closing.

    Args:
        protocol: Sans-I/O connection.
        server: Server that accepted the connection.
        ping_interval: See :func:`serve`, like the others.
        ping_timeout: The same.
        close_timeout: The same.
        max_queue: The same.
        write_limit: The same.

    Attributes:
        server: Server that accepted the connection.
        username: Name of the user, if :func:`basic_auth` let them in.
    """

    __slots__ = ("server",)

    protocol: ServerProtocol
    username: str

    def __init__(
        self,
        protocol: ServerProtocol,
        server: Server,
        *,
        ping_interval: float | None = 20,
        ping_timeout: float | None = 20,
        close_timeout: float | None = 10,
        max_queue: int | tuple[int | None, int | None] | None = 16,
        write_limit: int | tuple[int, int | None] = 2**15,
    ) -> None:
        super().__init__(
            protocol,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=close_timeout,
            max_queue=max_queue,
            write_limit=write_limit,
        )
        self.server = server

    def respond(self, status: StatusLike, text: str) -> Response:
        """
        Make a plain HTTP response, for ``process_request`` or ``process_response``.

        You can change it, for example add headers, before you return it.

        Args:
            status: Status code.
            text: Body, sent as ``text/plain`` in UTF-8.

        Raises:
            ValueError: HTTP defines no such status code.
        """
        return self.protocol.reject(status, text)

    async def handshake(
        self,
        process_request: ProcessRequest | None = None,
        process_response: ProcessResponse | None = None,
        server_header: str | None = SERVER,
    ) -> None:
        """
        Perform the opening handshake (RFC 6455 section 4.2).

        :func:`serve` does that. When it raises, or is cancelled, the transport is gone.

        Args:
            process_request: See :func:`serve`, like the others.
            process_response: The same.
            server_header: The same.

        Raises:
            InvalidHandshake: The connection didn't open.
            OSError: The network failed.
            RuntimeError: There's no transport, or it was called before.
        """
        stream = stream_below(getattr(self, "_transport", None))
        await accept(
            stream,
            self.protocol,
            self,
            process_request=process_request,
            process_response=process_response,
            server_header=server_header,
            shutting_down=self._shutting_down,
        )
        self.attach(stream)

    def _shutting_down(self) -> bool:
        return self.server.close_task is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start; before the opening handshake, a stream takes the transport."""
        if self.protocol._state is CONNECTING:
            self.transport = stream_over(transport).transport
        else:
            super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End; the server forgets the connection."""
        super().connection_lost(exc)
        self.server.all_connections.discard(self)


def serve(
    handler: Callable[..., Awaitable[None]],
    host: str | Sequence[str] | None = None,
    port: int | None = None,
    *,
    # WebSocket
    origins: Sequence[Origin | re.Pattern[str] | None] | None = None,
    extensions: Sequence[ServerExtensionFactory] | None = None,
    subprotocols: Sequence[Subprotocol] | None = None,
    select_subprotocol: (
        Callable[[ServerConnection, Sequence[Subprotocol]], Subprotocol | None] | None
    ) = None,
    compression: str | None = "deflate",
    # HTTP
    process_request: ProcessRequest | None = None,
    process_response: ProcessResponse | None = None,
    server_header: str | None = SERVER,
    # Timeouts
    open_timeout: float | None = 10,
    ping_interval: float | None = 20,
    ping_timeout: float | None = 20,
    close_timeout: float | None = 10,
    # Limits
    max_size: int | tuple[int | None, int | None] | None = 2**20,
    max_queue: int | tuple[int | None, int | None] | None = 16,
    write_limit: int | tuple[int, int | None] = 2**15,
    # Customization
    logger: LoggerLike | None = None,
    create_connection: Callable[..., ServerConnection] | None = None,
    **kwargs: Any,
) -> Server:
    """
    Start a WebSocket server.

    Each client that connects gets a task, which performs the opening handshake, calls
    the handler with the connection, and closes the connection when the handler is done:
    with code 1000 when it returns, with code 1011 when it raises, which is logged. ::

        async def echo(websocket):
            async for message in websocket:
                await websocket.send(message)

        async with serve(echo, "localhost", 8765) as server:
            await server.serve_forever()

    Leaving the context closes the server. It can be awaited instead, also later than
    it's made: ``server = await serve(...)``, then ``server.close()``.

    Args:
        handler: Coroutine function that gets the connection; the path of the request,
            too, if it wants two arguments.
        host: Interfaces to listen on; see :meth:`asyncio.loop.create_server`.
        port: TCP port to listen on; 0 for any, see :attr:`Server.sockets`.
        origins: Acceptable values of the ``Origin`` header, as strings or as regular
            expressions that match it whole; :obj:`None` in the list accepts requests
            without. Others get HTTP 403. By default the header isn't checked. Check it
            if browsers bring cookies (RFC 6455 section 10.2).
        extensions: Extensions to accept, in order of preference.
        subprotocols: Subprotocols to accept, in order of preference. A client that
            offers none of them gets HTTP 400.
        select_subprotocol: Function that gets the connection and the client's
            subprotocols, and returns one or :obj:`None`, or raises
            :exc:`~websockets.exceptions.NegotiationError`.
        compression: ``"deflate"`` accepts permessage-deflate (RFC 7692), :obj:`None`
            doesn't.
        process_request: Function or coroutine function that gets the connection and
            the request; it may return a response, see
            :meth:`ServerConnection.respond`, which is sent instead of opening the
            connection. When it raises, the client gets HTTP 500.
        process_response: Function or coroutine function that gets the connection, the
            request, and the response; it may change the response or return another.
        server_header: Value of the ``Server`` header; :obj:`None` omits it.
        open_timeout: Seconds for the opening handshake, TLS included; then the
            connection is dropped. :obj:`None` disables it, here and below.
        ping_interval: Seconds between keepalive pings.
        ping_timeout: Seconds to wait for the pong; then the connection fails with 1011.
        close_timeout: Seconds for the closing handshake and the end of TCP.
        max_size: Bytes that a message may have, after decompression; or a pair of the
            limits of messages and of frames. :obj:`None` disables a limit, here and below.
        max_queue: Frames that may wait to be read before reading from the network
            pauses; or a pair of the high and the low water mark.
        write_limit: Bytes that may wait to be sent before ``send()`` waits; or a pair.
        logger: Logger for the server and its connections; default:
            ``websockets.server``.
        create_connection: Makes connections, with the arguments of
            :class:`ServerConnection`; usually a subclass of it.
        kwargs: More arguments of :meth:`asyncio.loop.create_server`: ``sock``, ``ssl``,
            ``backlog``, ``reuse_port``, ``start_serving``... With ``ssl``, an
            :class:`ssl.SSLContext`, ``ssl_handshake_timeout`` is ``open_timeout`` and
            ``ssl_shutdown_timeout`` is ``close_timeout``, if they aren't given.

    Raises:
        OSError: Listening failed, when the server is awaited.
        TypeError: An argument has a wrong type, or isn't known.
        ValueError: An argument has a wrong value.
    """
    kwargs = current_arguments(kwargs, {"extra_headers", "timeout"})
    if "additional_headers" in kwargs:
        process_response = add_headers(
            kwargs.pop("additional_headers"), process_response
        )
    close_timeout = kwargs.pop("close_timeout", close_timeout)
    ssl, tls_options = tls_arguments(kwargs, open_timeout, close_timeout)
    unix = kwargs.pop("unix", False)
    listening = take(kwargs, SERVER_LISTENING | ({"path"} if unix else set()))
    check_names(serve, kwargs, SERVER_LISTENING)
    if not unix:
        listening = {"host": host, "port": port, **listening}
    elif listening.get("path") is not None:
        listening["path"] = os.fsdecode(listening["path"])

    # Mistakes show here, not with the first client.
    if subprotocols is not None:
        validate_subprotocols(subprotocols)
    check_origins(origins)
    check_settings(
        max_size=max_size,
        max_queue=max_queue,
        write_limit=write_limit,
        open_timeout=open_timeout,
        ping_interval=ping_interval,
        ping_timeout=ping_timeout,
        close_timeout=close_timeout,
    )
    if compression == "deflate":
        extensions = enable_server_permessage_deflate(extensions)
    elif compression is not None:
        raise ValueError(f"unsupported compression: {compression}")

    def make_connection() -> ServerConnection:
        select: Callable[[Any, Sequence[Subprotocol]], Subprotocol | None] | None = None
        if (choose := select_subprotocol) is not None:
            # The protocol calls it with itself.
            select = lambda _, offered: choose(connection, offered)  # noqa: E731 - short
        protocol = ServerProtocol(
            origins=origins,
            extensions=extensions,
            subprotocols=subprotocols,
            select_subprotocol=select,
            max_size=max_size,
            logger=logger,
        )
        connection: ServerConnection = (create_connection or ServerConnection)(
            protocol,
            server,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=close_timeout,
            max_queue=max_queue,
            write_limit=write_limit,
        )
        return connection

    async def create_server() -> asyncio.Server:
        acceptor = Acceptor(
            server,
            make_connection,
            process_request=process_request,
            process_response=process_response,
            server_header=server_header,
            ssl=ssl,
            tls_options=tls_options,
            open_timeout=open_timeout,
        )
        return await listen(acceptor, unix=unix, **listening)

    server = Server(create_server, one_argument(handler), logger)
    server.close_timeout = close_timeout
    return server


def tls_arguments(
    kwargs: dict[str, Any],
    open_timeout: float | None,
    close_timeout: float | None,
) -> tuple[ssl_module.SSLContext | None, dict[str, Any]]:
    """Remove the arguments about TLS, and return them, checked and complete."""
    ssl = kwargs.pop("ssl", None)
    options = take(kwargs, {"ssl_handshake_timeout", "ssl_shutdown_timeout"})
    if ssl is None:
        for name, value in options.items():
            if value is not None:
                raise ValueError(f"{name} is only meaningful with ssl")
        return None, {}
    if not isinstance(ssl, ssl_module.SSLContext):
        raise TypeError("ssl argument must be an SSLContext or None")
    return ssl, {
        "ssl_handshake_timeout": open_timeout,
        "ssl_shutdown_timeout": close_timeout,
        **options,
    }


def unix_serve(
    handler: Callable[..., Awaitable[None]],
    path: PathLike | None = None,
    **kwargs: Any,
) -> Server:
    """
    Start a WebSocket server on a Unix socket.

    This is useful behind a reverse proxy on the same machine.

    Args:
        handler: See :func:`serve`.
        path: Path of the socket; not needed with ``sock``.
        kwargs: The other arguments of :func:`serve`, except ``host`` and ``port``.
    """
    return serve(handler, unix=True, path=path, **kwargs)
