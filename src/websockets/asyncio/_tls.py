"""TLS over transports of ours: how it begins and how it ends.

Owns: the handshake and the goodbye, with their timeouts, as asyncio's TLS does them.
Doesn't know: data. In between, native code moves it (see ``native/tls.h``), which calls
the methods of :class:`Tls` that don't begin with an underscore: its "driver".
"""

from __future__ import annotations

import asyncio
import ssl as ssl_module
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from ..speedups import SocketTransport, TlsTransport


__all__ = ["Tls"]

# asyncio's, in seconds.
HANDSHAKE_TIMEOUT = 60.0
SHUTDOWN_TIMEOUT = 30.0


class Tls:
    """
    The two ends of a TLS connection.

    Args:
        make: The type of the transport.
        loop: Event loop.
        below: Where encrypted bytes come from and go to.
        protocol: Whose transport it is.
        context: Certificates and rules.
        server_side: Whether this is the server.
        server_hostname: Name to verify and to send as SNI, on the client side.
        ssl_handshake_timeout: Seconds; default: those of asyncio.
        ssl_shutdown_timeout: Seconds; default: those of asyncio.

    Attributes:
        transport: The transport. Not to be used before :meth:`handshake` returns, except
            for ``abort()``.

    Raises:
        TypeError: There's no context.
        ValueError: A timeout isn't positive, or the context and the name don't fit.
    """

    __slots__ = (
        "_below",
        "_handshake_timeout",
        "_loop",
        "_opened",
        "_shutdown_timeout",
        "_ssl_object",
        "_timer",
        "transport",
    )

    def __init__(
        self,
        make: type[TlsTransport],
        loop: asyncio.AbstractEventLoop,
        below: SocketTransport | TlsTransport,
        protocol: asyncio.BaseProtocol,
        context: ssl_module.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None:
        if not isinstance(context, ssl_module.SSLContext):
            raise TypeError(
                "sslcontext is expected to be an instance of ssl.SSLContext, "
                f"got {context!r}"
            )
        self._handshake_timeout = seconds(
            "ssl_handshake_timeout", ssl_handshake_timeout, HANDSHAKE_TIMEOUT
        )
        self._shutdown_timeout = seconds(
            "ssl_shutdown_timeout", ssl_shutdown_timeout, SHUTDOWN_TIMEOUT
        )
        incoming, outgoing = ssl_module.MemoryBIO(), ssl_module.MemoryBIO()
        tls: Any = context.wrap_bio(
            incoming,
            outgoing,
            server_side=server_side,
            server_hostname=(server_hostname or None) if not server_side else None,
        )
        self._loop = loop
        self._below: Any = below  # it takes a protocol that isn't an asyncio.Protocol
        self._ssl_object = tls
        # A Python call less, each time.
        plain = type(tls) is ssl_module.SSLObject
        engine = getattr(tls, "_sslobj", tls) if plain else tls
        self._opened: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.transport = make(
            loop, below, protocol, tls, engine, incoming, outgoing, self
        )

    # the beginning

    async def handshake(self, early: bytes = b"") -> None:
        """
        Run the handshake; then data flows.

        Args:
            early: What has arrived already.

        Raises:
            ConnectionAbortedError: It took too long.
            ConnectionResetError: The peer closed the connection.
            OSError: The connection was lost.
            ssl.SSLError: The handshake failed.
        """
        self._opened = self._loop.create_future()
        self._timer = self._loop.call_later(
            self._handshake_timeout, self._take_too_long
        )
        try:
            self._below.set_protocol(self.transport)
            if early:
                self.transport.data_received(early)
            else:
                self.advance()
            self._below.resume_reading()
            await self._opened
        finally:
            self._opened = None
            self._stop_timer()

    def _take_step(self) -> None:
        try:
            self._ssl_object.do_handshake()
        except ssl_module.SSLWantReadError:
            self.transport.flush()
        except Exception as exc:
            # The peer learns why.
            self.transport.flush()
            self._fail(exc)
        else:
            self.transport.flush()
            self._settle(None)
            self.transport.open()

    def _take_too_long(self) -> None:
        self._fail(
            ConnectionAbortedError(
                "SSL handshake is taking longer than "
                f"{self._handshake_timeout} seconds: aborting the connection"
            )
        )

    def _fail(self, exc: Exception) -> None:
        self.transport.fail(exc)
        self._settle(exc)

    def _settle(self, exc: BaseException | None) -> None:
        """Tell whoever waits for the handshake."""
        opened = self._opened
        if opened is None or opened.done():
            return
        if exc is None:
            opened.set_result(None)
        else:
            opened.set_exception(exc)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # the end

    def close(self) -> None:
        """Say goodbye, and wait for the peer's."""
        self._stop_timer()
        self._timer = self._loop.call_later(self._shutdown_timeout, self._give_up)
        try:
            # Nobody reads any more, and TLS can't look for a goodbye behind other data.
            finished = self._discard()
            try:
                self._ssl_object.unwrap()
                finished = True
            except ssl_module.SSLWantReadError:
                pass
        except ssl_module.SSLError as exc:
            self.transport.flush()
            self.transport.fail(exc)
            return
        self.transport.flush()
        if finished:
            self._finish()
        else:
            self._below.resume_reading()

    def _discard(self) -> bool:
        """Forget what has come; return whether the peer has said goodbye."""
        try:
            return self.transport.discard()
        except ssl_module.SSLZeroReturnError:  # after ours, it's an error
            return True

    def _finish(self) -> None:
        self._stop_timer()
        self._below.close()

    def _give_up(self) -> None:
        self.transport.fail(TimeoutError("SSL shutdown timed out"))

    # what the transport tells, outside of the open connection

    def advance(self) -> None:
        """Bytes are there."""
        if self._opened is not None:
            self._take_step()
        elif self._discard():
            self._finish()

    def end(self) -> None:
        """Nothing more will come."""
        if self._opened is not None:
            self._fail(
                ConnectionResetError("connection closed during the TLS handshake")
            )
        else:
            self._finish()

    def lost(self, exc: BaseException | None) -> None:
        """The connection is closed."""
        self._stop_timer()
        if exc is None:
            exc = ConnectionResetError("connection lost during the TLS handshake")
        self._settle(exc)


def seconds(name: str, value: float | None, default: float) -> float:
    """
    Return a timeout.

    Raises:
        ValueError: It isn't positive.
    """
    if value is None:
        return default
    if value <= 0:
        raise ValueError(f"{name} should be a positive number, got {value}")
    return value
