"""Streams for the ceremonies of :mod:`websockets._opening`, over asyncio's transports.

Owns: a transport from the moment it connects until a connection takes it over; the
bytes that arrived meanwhile, bounded; TLS, also inside TLS.
Doesn't know: HTTP, proxies, WebSocket, deadlines (the face cancels).

Theory of operation. The stream is the transport's protocol during the ceremony. A
successful ceremony ends with :meth:`AsyncioStream.take_pending`: the connection
becomes the transport's protocol and gets what the stream holds: unread bytes, the
end of the stream, the loss of the connection. Anything else ends with ``close()`` or
``abort()``; the ceremony guarantees that.

:meth:`asyncio.loop.start_tls` gives a new transport, whose protocol is the same
stream, and doesn't call ``connection_made`` again. Until it returns, only the
transport below can be aborted; that is what cancelling does.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import ssl as ssl_module
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..typing import PathLike
from ._connecting import connect_tcp, connect_unix
from ._direct import (
    direct_tls,
    direct_transport,
    is_direct,
    is_plain,
    is_socket,
    method_for,
    over_socket,
)
from ._tls import Tls
from ._waiters import fire, new_waiter


if TYPE_CHECKING:
    from ..speedups import SocketTransport, TlsTransport


__all__ = ["AsyncioNetwork", "AsyncioStream", "stream_below", "stream_over"]

T = TypeVar("T")

# Reading pauses above this many bytes which nobody has read. No ceremony leaves
# more than that unread: requests and responses are limited elsewhere.
READ_AHEAD = 65536


class AsyncioStream(asyncio.Protocol):
    """
    A connected stream, until a WebSocket connection takes it over.

    Implements :class:`websockets._opening.network.Stream`.

    Attributes:
        transport: The current transport; above TLS once TLS is running.
    """

    __slots__ = (
        "_chunks",
        "_eof",
        "_exc",
        "_loop",
        "_lost",
        "_pending",
        "_reading_paused",
        "_tls",
        "_waiter",
        "_writing_paused",
        "transport",
    )

    transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._chunks: list[bytes] = []
        self._pending = 0  # bytes in _chunks
        self._eof = False
        self._lost = False
        self._exc: BaseException | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._tls = False
        self._waiter: asyncio.Future[None] | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start. Not called for the transport that :meth:`start_tls` makes."""
        self.transport = transport  # type: ignore[assignment]  # it's one of a stream

    def data_received(self, data: bytes) -> None:
        """Keep bytes for :meth:`read`."""
        self._chunks.append(data)
        self._pending += len(data)
        if self._pending > READ_AHEAD and not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()
        if self._waiter is not None:
            fire(self._waiter)

    def eof_received(self) -> bool:
        """Keep the transport open for writing, unless it runs TLS, which can't."""
        self._eof = True
        self._wake_up()
        return not self._tls

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wake up whoever waits; nothing more arrives."""
        self._eof = self._lost = True
        self._exc = exc
        self._wake_up()

    def pause_writing(self) -> None:
        """Make :meth:`write` wait."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """Let :meth:`write` return."""
        self._writing_paused = False
        self._wake_up()

    def _wake_up(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _event(self) -> None:
        """Wait until anything at all happens. Callers look again, in a loop."""
        quick = is_socket(self.transport)
        self._waiter = new_waiter(self._loop) if quick else self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    # Stream

    async def read(self, timeout: float | None = None) -> bytes:
        """
        Return the bytes that arrived, ``b""`` at the end of the stream.

        A connection that was reset ends like one that was closed. Cancelling loses
        nothing.

        Raises:
            TimeoutError: Nothing came within ``timeout`` seconds.
        """
        if timeout is not None:
            async with asyncio.timeout(timeout):
                return await self.read()
        while not self._chunks and not self._eof:
            await self._event()
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._resume_reading()
        return data

    def _resume_reading(self) -> None:
        """Read on: there are no unread bytes any more."""
        self._pending = 0
        if self._reading_paused:
            self._reading_paused = False
            if not self._lost:
                self.transport.resume_reading()

    async def write(self, data: bytes) -> None:
        """
        Hand bytes to the transport; wait while it holds too many.

        Raises:
            ConnectionResetError: The connection is lost.
        """
        if not self._lost:
            self.transport.write(data)
        while self._writing_paused and not self._lost:
            await self._event()
        if self._lost:
            raise ConnectionResetError("connection lost while writing") from self._exc

    async def start_tls(
        self,
        context: ssl_module.SSLContext,
        server_hostname: str | None = None,
        *,
        server_side: bool = False,
        **options: Any,
    ) -> AsyncioStream:
        """
        Run a TLS handshake inside this stream.

        Args:
            context: Certificates and rules.
            server_hostname: Name to verify and to send as SNI, on the client side.
            server_side: Whether this is the server.
            options: ``ssl_handshake_timeout`` and ``ssl_shutdown_timeout`` of
                :meth:`asyncio.loop.start_tls`, in seconds.

        Returns:
            This stream, which now carries what TLS carries.

        Raises:
            ConnectionResetError: The server sent something before the handshake,
                which can't be part of it, or the peer closed the connection.
            ssl.SSLError: The handshake failed.
        """
        self._check_clean(server_side)
        options.update(server_side=server_side, server_hostname=server_hostname)
        if is_direct(self.transport):
            make = direct_tls(self._loop)
            if make is not None:
                return await self._start_direct_tls(make, context, options)
            await self._hand_over()
            self._check_clean(server_side)
        below = self.transport
        self._tls = True
        # start_tls() pauses and resumes reading by itself.
        self._reading_paused = False
        handshake: Awaitable[asyncio.Transport | None] = self._loop.start_tls(
            below, self, context, **options
        )
        try:
            if self._chunks:
                handshake = asyncio.ensure_future(handshake)
                # That's for after its first step, which makes a protocol for TLS.
                self._loop.call_soon(self._pass_on)
            transport = await handshake
        except BaseException:
            # start_tls() closes the transport politely, which leaves it to the peer
            # when it goes away.
            below.abort()
            raise
        if transport is None:
            # Python 3.11 and 3.12 return None when the connection is lost just when
            # the handshake completes.
            raise ConnectionResetError("connection lost during the TLS handshake")
        self.transport = transport
        return self

    async def _start_direct_tls(
        self,
        make: type[TlsTransport],
        context: ssl_module.SSLContext,
        options: dict[str, Any],
    ) -> AsyncioStream:
        """Run TLS over a transport of ours, by ourselves."""
        below = cast("SocketTransport | TlsTransport", self.transport)
        chunks, self._chunks, self._pending = self._chunks, [], 0
        self._reading_paused = False
        self._tls = True
        try:
            tls = Tls(make, self._loop, below, self, context, **options)
            self.transport = tls.transport
            await tls.handshake(b"".join(chunks))
        except BaseException:
            below.abort()
            raise
        return self

    def _check_clean(self, server_side: bool) -> None:
        if self._chunks and not server_side:
            raise ConnectionResetError("peer sent data before the TLS handshake")
        if self._eof or self.transport.is_closing():
            raise ConnectionResetError("connection closed before the TLS handshake")

    async def _hand_over(self) -> None:
        """Give the socket to the loop, whose TLS needs a transport of its own."""
        sock = cast("SocketTransport", self.transport)._detach()
        other = AsyncioStream(self._loop)
        try:
            await getattr(self._loop, method_for(sock))(lambda: other, sock=sock)
        except BaseException:
            sock.close()
            raise
        self.transport = other.transport
        chunks, self._eof, self._lost, self._exc = other.take_pending()
        self._chunks += chunks
        self.transport.set_protocol(self)

    def peer_certificate(self) -> bytes:
        """Return the certificate of the peer, as DER; ``b""`` without TLS."""
        tls = self.transport.get_extra_info("ssl_object")
        return b"" if tls is None else tls.getpeercert(True) or b""

    def _pass_on(self) -> None:
        """
        Give TLS what arrived too early: a client begins with its part of the handshake.

        uvloop reads before anything can be done about it. The protocol for TLS is going
        to be called when it has a transport, in the next turn; then it's ready for this.
        """
        chunks, self._chunks, self._pending = self._chunks, [], 0
        tls: Any = self.transport.get_protocol()

        def feed() -> None:
            data = memoryview(b"".join(chunks))
            while data:
                buffer = tls.get_buffer(len(data))
                size = min(len(buffer), len(data))
                buffer[:size] = data[:size]
                tls.buffer_updated(size)
                data = data[size:]

        if hasattr(tls, "get_buffer"):  # else start_tls() has failed at once
            self._loop.call_soon(feed)

    async def close(self) -> None:
        """
        End the stream so that the peer gets everything that was written.

        Flush, half-close, discard what still arrives until the peer's end of stream,
        then release the connection. When cancelled, release it at once.
        """
        try:
            if self.transport.can_write_eof() and not self.transport.is_closing():
                self.transport.write_eof()
                while await self.read():
                    pass
            # TLS has no half-close: the transport says goodbye, and waits for the peer's.
            self.transport.close()
            while not self._lost:
                self._chunks.clear()
                self._resume_reading()
                await self._event()
        except BaseException:
            self.transport.abort()
            raise

    def abort(self) -> None:
        """Release the connection at once. Idempotent."""
        self.transport.abort()

    # the end of the ceremony

    def take_pending(self) -> tuple[list[bytes], bool, bool, BaseException | None]:
        """
        Hand over what arrived and wasn't read.

        The transport gets another protocol in the same step; reading resumes.

        Returns:
            Unread chunks; whether the peer's end of stream was received; whether the
            connection is lost; the exception that says why, if any.
        """
        chunks, self._chunks = self._chunks, []
        self._resume_reading()
        return chunks, self._eof, self._lost, self._exc


class AsyncioNetwork:
    """
    A way to open streams with the running event loop.

    Implements :class:`websockets._opening.network.Network`.

    Args:
        options: Keyword arguments of :meth:`asyncio.loop.create_connection` that
            concern TCP.
    """

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._options: dict[str, Any] = dict(options or {})
        self._factory = functools.partial(AsyncioStream, self._loop)

    async def open_tcp(self, host: str, port: int) -> AsyncioStream:
        """
        Connect to a host name or IP address.

        Raises:
            OSError: Resolving the name or connecting failed.
        """
        direct = direct_transport(self._loop, "create_connection")
        if direct is not None:
            sock = await connect_tcp(self._loop, host, port, **self._options)
            return over_socket(direct, self._loop, sock, self._factory())
        _, stream = await self._loop.create_connection(
            self._factory, host, port, **self._options
        )
        return stream

    async def open_unix(self, path: PathLike) -> AsyncioStream:
        """
        Connect to a Unix socket.

        Raises:
            OSError: Connecting failed.
        """
        direct = direct_transport(self._loop, "create_unix_connection")
        # There are no options for these, which is the loop's to say.
        if direct is not None and not self._options:
            sock = await connect_unix(self._loop, os.fsdecode(path))
            return over_socket(direct, self._loop, sock, self._factory())
        _, stream = await self._loop.create_unix_connection(
            self._factory, os.fsdecode(path), **self._options
        )
        return stream

    async def adopt(self, sock: Any) -> AsyncioStream:
        """
        Take over a connected socket.

        Raises:
            ValueError: The socket isn't a stream socket.
        """
        direct = direct_transport(self._loop, method_for(sock))
        if direct is not None and not self._options and is_plain(sock):
            sock.setblocking(False)
            return over_socket(direct, self._loop, sock, self._factory())
        create = getattr(self._loop, method_for(sock))
        _, stream = await create(self._factory, sock=sock, **self._options)
        return cast(AsyncioStream, stream)

    async def resolve(self, host: str, ipv4: bool = False) -> tuple[str, ...]:
        """
        Return the IP addresses of a host name, in order of preference.

        Raises:
            OSError: There's none.
        """
        family = socket.AF_INET if ipv4 else socket.AF_UNSPEC
        found = await self._loop.getaddrinfo(
            host, None, family=family, type=socket.SOCK_STREAM
        )
        return tuple(str(address[0]) for *_, address in found)

    async def run_blocking(self, call: Callable[[], T]) -> T:
        """
        Call something in a daemon thread. Cancelling abandons it.

        The threads of an executor won't do: the end of the loop waits for them.
        """
        outcome: asyncio.Future[T] = self._loop.create_future()

        def settle(method: Callable[[Any], None], value: Any) -> None:
            if not outcome.done():  # else nobody waits any more
                method(value)

        def run() -> None:
            method: Callable[[Any], None] = outcome.set_result
            value: Any
            try:
                value = call()
            except BaseException as exc:
                method, value = outcome.set_exception, exc
            # An abandoned call may end after the loop.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(settle, method, value)

        threading.Thread(target=run, name="websockets-blocking", daemon=True).start()
        return await outcome

    def default_context(
        self, alpn_protocols: tuple[str, ...] = ()
    ) -> ssl_module.SSLContext:
        """Return a new context that verifies servers with the system's authorities."""
        context = ssl_module.create_default_context()
        if alpn_protocols:
            context.set_alpn_protocols(list(alpn_protocols))
        return context


def stream_over(transport: asyncio.BaseTransport) -> AsyncioStream:
    """
    Become the protocol of a transport that has another one, a connection.

    For programs that give a connection to :meth:`asyncio.loop.create_connection` or
    :meth:`asyncio.loop.create_server` themselves.
    """
    stream = AsyncioStream(asyncio.get_running_loop())
    stream.connection_made(transport)
    stream.transport.set_protocol(stream)
    return stream


def stream_below(transport: asyncio.BaseTransport | None) -> AsyncioStream:
    """
    Return the stream that has a transport before the opening handshake.

    Raises:
        ConnectionResetError: The connection was lost meanwhile.
        RuntimeError: There is none any more.
    """
    protocol = None if transport is None else transport.get_protocol()
    if isinstance(protocol, AsyncioStream):
        return protocol
    if transport is not None and protocol is None:
        # Transports forget their protocol in the end.
        raise ConnectionResetError("connection lost before the opening handshake")
    raise RuntimeError("handshake() needs a transport, and happens once")
