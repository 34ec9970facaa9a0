"""The client's face on asyncio: :class:`connect` and what belongs to it.

Owns: the arguments of :class:`connect`, its deadline, reconnecting; connections seen
from a client.
Doesn't know: how connections open (``_opening.connect``), what they do then
(``connection``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

from .._opening.connect import open_connection, upgrade, upgrade_request
from .._opening.headers import checked_fields, without_credentials
from .._opening.progress import Progress, ProxyHop
from .._opening.redirects import MAX_REDIRECTS, resolve_redirect, same_origin
from .._opening.retry import Retries, retry_message
from .._opening.route import Planner, open_route
from .._opening.settings import ProxyLike, Settings
from .._session import check_settings
from ..client import ClientProtocol, backoff, process_exception
from ..datastructures import HeadersLike
from ..exceptions import SecurityError
from ..extensions.base import ClientExtensionFactory
from ..extensions.permessage_deflate import enable_client_permessage_deflate
from ..headers import validate_subprotocols
from ..http11 import USER_AGENT
from ..protocol import CLIENT, CONNECTING, LOGGERS
from ..typing import LoggerLike, Origin, PathLike, Subprotocol
from ..uri import WebSocketURI, parse_uri
from ._deadline import Deadline
from ._keywords import (
    CLIENT_TCP,
    ROUTE,
    TLS,
    check_names,
    current_arguments,
    take,
    take_prefixed,
)
from ._network import AsyncioNetwork, AsyncioStream, stream_below, stream_over
from .connection import Connection


if TYPE_CHECKING:
    from types import TracebackType


__all__ = ["ClientConnection", "connect", "unix_connect"]


class ClientConnection(Connection):
    """
    A WebSocket connection of a client.

    :class:`connect` makes these. See :class:`~websockets.asyncio.connection.Connection`
    for sending, receiving and closing, and for the arguments.
    """

    protocol: ClientProtocol

    #: Proxies that the connection goes through, nearest first.
    proxy: tuple[ProxyHop, ...] = ()

    async def handshake(
        self,
        additional_headers: HeadersLike | None = None,
        user_agent_header: str | None = USER_AGENT,
    ) -> None:
        """
        Perform the opening handshake (RFC 6455 section 4.1), without redirects.

        :class:`connect` does that. When it raises, or is cancelled, the transport is
        gone.

        Args:
            additional_headers: See :class:`connect`, like the other.
            user_agent_header: The same.

        Raises:
            InvalidHandshake: The connection didn't open.
            OSError: The network failed.
            RuntimeError: There's no transport, or it was called before.
        """
        stream = stream_below(getattr(self, "_transport", None))
        try:
            fields = checked_fields(additional_headers, "additional_headers")
            request = upgrade_request(self.protocol, fields, user_agent_header)
            self.request = request
            self.response = await upgrade(stream, self.protocol, request)
        except BaseException:
            stream.abort()
            raise
        self.attach(stream)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start; before the opening handshake, a stream takes the transport."""
        if self.protocol._state is CONNECTING:
            self.transport = stream_over(transport).transport
        else:
            super().connection_made(transport)


class connect:
    """
    Connect to a WebSocket server.

    Await it to get a connection, or use it as an asynchronous context manager, which
    also closes the connection::

        async with connect("wss://example.com/chat") as websocket:
            await websocket.send("Hello world!")
            print(await websocket.recv())

    Or use it as an asynchronous iterator, which connects again and again::

        async for websocket in connect("wss://example.com/chat"):
            try:
                async for message in websocket:
                    ...
            except ConnectionClosed:
                continue

    Each iteration closes the connection of the previous one. When connecting fails with
    an error that ``process_exception`` considers temporary, it waits and tries again,
    with growing delays, which are logged. Other errors are raised, and end the loop.

    Redirects are followed. Cancelling leaves nothing open.

    Args:
        uri: URI of the server, ``ws://`` or ``wss://``. A user name and a password in
            it are sent as ``Authorization: Basic``.
        origin: Value of the ``Origin`` header.
        extensions: Extensions to offer, in order of preference.
        subprotocols: Subprotocols to offer, in order of preference.
        compression: ``"deflate"`` offers permessage-deflate (RFC 7692), :obj:`None`
            doesn't.
        additional_headers: Headers of the request. They replace those of the same name
            that are sent anyway.
        user_agent_header: Value of the ``User-Agent`` header; :obj:`None` omits it.
        proxy: :obj:`True` uses the proxy of the environment or the operating system;
            a URL or a :class:`~websockets.proxy.Proxy` uses that proxy; a list of these
            goes through all, nearest first; :obj:`None` uses none; a PAC object of
            :mod:`websockets.proxy` asks a PAC file. A callable gets the URI.
        proxy_auth: How to authenticate to the proxy, the last one of a list: a pair of
            user name and password, ``"current-user"`` for who is logged in, or an
            object of :mod:`websockets.proxy`. A callable gets the proxy.
        proxy_headers: Headers for the same proxy, which the server doesn't get. They
            replace those of the same name that are sent anyway.
        no_proxy: Hosts that need no discovered proxy, instead of the variable.
        process_exception: Function that tells what to do when connecting fails in an
            ``async for``: it returns :obj:`None` to try again, or an exception to raise.
        open_timeout: Seconds for everything until the connection is open: TCP, proxy,
            TLS, redirects. :obj:`None` disables it, here and below.
        ping_interval: Seconds between keepalive pings.
        ping_timeout: Seconds to wait for the pong; then the connection fails with 1011.
        close_timeout: Seconds for the closing handshake and the end of TCP.
        reconnect_delays: Function that returns an iterator of seconds to wait, for an
            ``async for``; called anew after every success.
        max_size: Bytes that a message may have, after decompression; or a pair of the
            limits of messages and of frames. :obj:`None` disables a limit, here and below.
        max_queue: Frames that may wait to be read before reading from the network
            pauses; or a pair of the high and the low water mark.
        write_limit: Bytes that may wait to be sent before ``send()`` waits; or a pair.
        logger: Logger for the connection; default: ``websockets.client``.
        create_connection: Makes connections, with the arguments of
            :class:`ClientConnection`; usually a subclass of it.
        kwargs: More arguments of :meth:`asyncio.loop.create_connection`:

            * ``ssl``: :class:`ssl.SSLContext` for a ``wss://`` URI; the default verifies
              the server with the authorities of the system, and so does :obj:`True`;
            * ``server_hostname``, ``ssl_handshake_timeout``, ``ssl_shutdown_timeout``;
            * ``proxy_ssl``, ``proxy_server_hostname``, ``proxy_ssl_handshake_timeout``,
              ``proxy_ssl_shutdown_timeout``: the same for an ``https://`` proxy;
            * ``host`` and ``port``: where to connect to, instead of the URI;
            * ``sock``: a connected socket;
            * ``local_addr``, ``family``, ``happy_eyeballs_delay``... for TCP, to the
              proxy if there's one.

    Raises:
        InvalidURI: The URI isn't valid.
        InvalidProxy: The URL of the proxy isn't valid.
        InvalidHandshake: The server or a proxy didn't agree.
        OSError: The network failed.
        TimeoutError: ``open_timeout`` passed; a
            :exc:`~websockets.exceptions.ProxyTimeout` while a proxy was being waited for.
        TypeError: An argument has a wrong type, or isn't known.
        ValueError: An argument has a wrong value.
    """

    def __init__(
        self,
        uri: str,
        *,
        # WebSocket
        origin: Origin | None = None,
        extensions: Sequence[ClientExtensionFactory] | None = None,
        subprotocols: Sequence[Subprotocol] | None = None,
        compression: str | None = "deflate",
        # HTTP
        additional_headers: HeadersLike | None = None,
        user_agent_header: str | None = USER_AGENT,
        proxy: ProxyLike = True,
        proxy_auth: Any = None,
        proxy_headers: HeadersLike | None = None,
        no_proxy: str | Sequence[str] | None = None,
        process_exception: Callable[[Exception], Exception | None] = process_exception,
        # Timeouts
        open_timeout: float | None = 10,
        ping_interval: float | None = 20,
        ping_timeout: float | None = 20,
        close_timeout: float | None = 10,
        reconnect_delays: Callable[[], Generator[float, None, None]] = backoff,
        # Limits
        max_size: int | tuple[int | None, int | None] | None = 2**20,
        max_queue: int | tuple[int | None, int | None] | None = 16,
        write_limit: int | tuple[int, int | None] = 2**15,
        # Customization
        logger: LoggerLike | None = None,
        create_connection: Callable[..., ClientConnection] | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            kwargs = current_arguments(kwargs, {"extra_headers", "timeout"})
            additional_headers = kwargs.pop("additional_headers", additional_headers)
            close_timeout = kwargs.pop("close_timeout", close_timeout)
        #: URI of the server; during a redirect, the URI that was redirected to.
        self.uri = uri
        #: The same, parsed.
        self.ws_uri = parse_uri(uri)
        self.additional_headers = additional_headers
        self.user_agent_header = user_agent_header
        self.process_exception = process_exception
        self.open_timeout = open_timeout
        self.reconnect_delays = reconnect_delays
        self.logger: LoggerLike = logger or LOGGERS[CLIENT]

        self._start()

        # Mistakes show here, not while connecting.
        if subprotocols is not None:
            validate_subprotocols(subprotocols)
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
            extensions = enable_client_permessage_deflate(extensions)
        elif compression is not None:
            raise ValueError(f"unsupported compression: {compression}")
        route: dict[str, Any] = {}
        self._tcp: dict[str, Any] = {}
        if kwargs:
            route = take(kwargs, ROUTE)
            self._tcp = take(kwargs, CLIENT_TCP)
            route["tls_options"] = take_prefixed(kwargs, "")
            route["proxy_tls_options"] = take_prefixed(kwargs, "proxy_")
            check_names(connect, kwargs, ROUTE | CLIENT_TCP | TLS)

        def create_protocol(ws_uri: WebSocketURI) -> ClientProtocol:
            return ClientProtocol(
                ws_uri,
                origin=origin,
                extensions=extensions,
                subprotocols=subprotocols,
                max_size=max_size,
                logger=logger,
            )

        def make_connection(protocol: ClientProtocol) -> ClientConnection:
            return (create_connection or ClientConnection)(
                protocol,
                ping_interval=ping_interval,
                ping_timeout=ping_timeout,
                close_timeout=close_timeout,
                max_queue=max_queue,
                write_limit=write_limit,
            )

        self._make_connection = make_connection
        self._custom = (
            create_connection is not None
            and getattr(create_connection, "handshake", None)
            is not ClientConnection.handshake
        )
        self._settings = Settings(
            create_protocol=create_protocol,
            additional_headers=additional_headers,
            user_agent_header=user_agent_header,
            proxy=proxy,
            proxy_auth=proxy_auth,
            proxy_headers=proxy_headers,
            no_proxy=no_proxy,
            **route,
        )

    # redirects

    def process_redirect(self, exc: Exception) -> Exception | str:
        """
        Tell what to do when the opening handshake failed.

        Override it to follow other redirects, or none: ``return exc``.

        Args:
            exc: Why it failed.

        Returns:
            The URI to connect to, or an exception to raise. By default, 300, 301, 302,
            303, 307 and 308 are followed, at most 10 times, from ``ws://`` to ``wss://``
            but never back; not with ``sock``; with ``host``, ``port`` or a Unix socket
            only to the same origin. Credentials stay with their origin.
        """
        settings = self._settings
        return resolve_redirect(
            exc,
            self.uri,
            preexisting=settings.sock is not None,
            unix=settings.unix,
            explicit=settings.host is not None or settings.port is not None,
        )

    def _process_redirect(self, exc: Exception, uri: str) -> Exception | str:
        """Call the method that may be overridden, and go where it says."""
        verdict = self.process_redirect(exc)
        if isinstance(verdict, str):
            self.ws_uri = parse_uri(verdict)
            self.uri = verdict
        return verdict

    # await connect(...)

    def __await__(self) -> Generator[Any, None, ClientConnection]:
        """Connect, and return the connection."""
        return self.connect().__await__()

    async def connect(self) -> ClientConnection:
        """
        Connect, once.

        Raises:
            TimeoutError: It took longer than ``open_timeout``.
            Exception: See :class:`connect`.
        """
        origin = self.uri, self.ws_uri
        self._start()
        deadline = Deadline(self.open_timeout)
        try:
            with deadline:
                return await self._connect()
        except TimeoutError as exc:
            if deadline.expired:
                raise self._progress.timed_out() from exc
            raise  # TCP has timeouts of its own
        finally:
            # A redirect holds for one connection.
            self.uri, self.ws_uri = origin

    def _start(self) -> None:
        """Forget the ceremony before."""
        self._planner: Planner | None = None
        self._progress = Progress(self.logger)

    async def _connect(self) -> ClientConnection:
        if self._custom or type(self).open_tcp_connection is not open_tcp_connection:
            return await self._connect_custom()
        opened = await open_connection(
            AsyncioNetwork(self._tcp),
            self.uri,
            self._settings,
            self._process_redirect,
            self._progress,
            self.ws_uri,
        )
        connection = self._make_connection(opened.protocol)
        connection.request = opened.request
        connection.response = opened.response
        if opened.proxies:
            connection.proxy = opened.proxies
        assert isinstance(opened.stream, AsyncioStream)  # the network makes no others
        connection.attach(opened.stream)
        return connection

    async def _connect_custom(self) -> ClientConnection:
        """Do the same by methods that programs may override."""
        headers = self.additional_headers
        redirects = 0
        while True:
            connection = await self.open_tcp_connection()
            try:
                try:
                    await connection.handshake(headers, self.user_agent_header)
                except BaseException:
                    connection.transport.abort()
                    raise
            except Exception as exc:
                previous = self.ws_uri
                verdict = self._process_redirect(exc, self.uri)
                if verdict is exc:
                    raise
                if isinstance(verdict, Exception):
                    raise verdict from exc
                if redirects == MAX_REDIRECTS:
                    raise SecurityError(f"more than {MAX_REDIRECTS} redirects") from exc
            else:
                return connection
            redirects += 1
            if not same_origin(previous, self.ws_uri):
                fields = checked_fields(headers, "additional_headers")
                headers = without_credentials(fields)

    async def open_tcp_connection(self) -> ClientConnection:
        """
        Connect by TCP, through a proxy and with TLS as the case may be.

        Returns:
            A connection whose opening handshake is to be performed.

        Raises:
            Exception: See :class:`connect`.
        """
        network = AsyncioNetwork(self._tcp)
        if self._planner is None:
            self._planner = Planner(self._settings)
        route = await self._planner.plan(network, self.uri, self.ws_uri)
        protocol = self._settings.create_protocol(self.ws_uri)
        connection = self._make_connection(protocol)
        stream = await open_route(network, route, self._progress)
        assert isinstance(stream, AsyncioStream)  # the network makes no others
        connection.transport = stream.transport
        if self._progress.hops:
            connection.proxy = self._progress.hops
        return connection

    # async with connect(...)

    async def __aenter__(self) -> ClientConnection:
        self.connection = await self
        return self.connection

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.connection.__aexit__(exc_type, exc_value, traceback)
        finally:
            del self.connection

    # async for websocket in connect(...)

    async def __aiter__(self) -> AsyncIterator[ClientConnection]:
        """Connect again and again; see :class:`connect`."""
        retries = Retries(self.process_exception, self.reconnect_delays)
        while True:
            try:
                connection = await self
            except Exception as exc:
                delay = retries.failed(exc)
                self.logger.info("%s", retry_message(exc, delay))
                await asyncio.sleep(delay)
                continue
            retries.succeeded()
            try:
                yield connection
            finally:
                await connection.close()


# To tell whether a subclass overrides it, or a test patches it.
open_tcp_connection = connect.open_tcp_connection


def unix_connect(
    path: PathLike | None = None,
    uri: str | None = None,
    **kwargs: Any,
) -> connect:
    """
    Connect to a WebSocket server on a Unix socket.

    Args:
        path: Path of the socket; not needed with ``sock``.
        uri: URI of the server; its host is sent to the server, and with ``wss://``,
            verified. The default is ``ws://localhost/``, or ``wss://localhost/`` with
            ``ssl``.
        kwargs: The other arguments of :class:`connect`.
    """
    if uri is None:
        uri = "ws://localhost/" if kwargs.get("ssl") is None else "wss://localhost/"
    return connect(uri, unix=True, path=path, **kwargs)
