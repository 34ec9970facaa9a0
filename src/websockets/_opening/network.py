"""What the ceremonies need from a face: byte streams and a way to open them.

Owns: the two interfaces, and :func:`drive`, which runs a ceremony in a thread.
Doesn't know: asyncio, trio, sockets, TLS, the clock.

A face implements :class:`Network` and :class:`Stream`. Time is its business too:
asyncio and trio cancel the ceremony at the deadline; a blocking network keeps the
deadline itself, gives every operation what is left of it, and raises
:exc:`TimeoutError`. The ceremonies answer any exception, at any ``await``, by
aborting every stream that they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from ..typing import PathLike


__all__ = ["Network", "Stream", "drive"]

T = TypeVar("T")


class Stream(Protocol):
    """
    A connected byte stream, before the WebSocket connection takes it over.

    Errors of the network are :exc:`OSError`; :class:`ssl.SSLError` is one.
    One coroutine uses a stream at a time.
    """

    async def read(self, timeout: float | None = None) -> bytes:
        """
        Return the next bytes, ``b""`` at the end of the stream.

        Cancelling loses no bytes. The stream reads a bounded amount ahead.

        Args:
            timeout: Seconds to wait, besides the deadline of the whole ceremony;
                :obj:`None` means that only the deadline counts.

        Raises:
            TimeoutError: Nothing came in time; the stream remains usable.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Send bytes, or hand them to a buffer that :meth:`close` flushes."""
        ...

    async def start_tls(
        self,
        context: Any,
        server_hostname: str | None,
        **options: Any,
    ) -> Stream:
        """
        Run a TLS handshake, as a client, inside this stream.

        A stream may carry TLS already: TLS in TLS is a TLS connection through an
        ``https://`` proxy. Aborting either stream, also while or after the handshake
        failed, releases the connection.

        Args:
            context: An :class:`ssl.SSLContext`.
            server_hostname: Name to verify, also sent as SNI.
            options: ``ssl_handshake_timeout`` and ``ssl_shutdown_timeout``, in
                seconds, as the user gave them; a face that has no use for one rejects
                it before the ceremony.

        Returns:
            The stream inside TLS, maybe the same object. The outer one isn't used
            again, except for :meth:`abort`.
        """
        ...

    def peer_certificate(self) -> bytes:
        """
        Return the certificate of the peer, as DER.

        Returns:
            The certificate with which the peer of the outermost TLS connection, the
            last one started, proved its name; ``b""`` without TLS.
        """
        ...

    async def close(self) -> None:
        """
        End the stream so that the peer gets everything that was written.

        Flush, half-close, discard what the peer still sends until its end of stream,
        then release the connection. (Closing with unread bytes would make TCP reset
        the connection, and the peer may lose the response.)
        """
        ...

    def abort(self) -> None:
        """Release the connection at once, with all below it. Idempotent; never raises."""
        ...


class Network(Protocol):
    """
    A way to open streams.

    Options of the user that concern TCP only (``local_addr``, ``family``, happy
    eyeballs...) are given to the network's constructor, and apply to the first hop,
    be it the server or a proxy.
    """

    async def open_tcp(self, host: str, port: int) -> Stream:
        """Connect to a host name or an IP address (IPv6 without brackets)."""
        ...

    async def open_unix(self, path: PathLike) -> Stream:
        """Connect to a Unix socket."""
        ...

    async def adopt(self, sock: Any) -> Stream:
        """Take over a connected socket, or what the face calls a stream."""
        ...

    async def resolve(self, host: str, ipv4: bool = False) -> tuple[str, ...]:
        """
        Return the IP addresses of a host name, in order of preference.

        Args:
            host: Host name, or IP address, which is returned.
            ipv4: Whether IPv6 addresses are of no use.

        Raises:
            OSError: There's none.
        """
        ...

    async def run_blocking(self, call: Callable[[], T]) -> T:
        """
        Call something that may wait, such as a library that asks a server.

        It runs in a daemon thread, which is abandoned when the ceremony is cancelled or
        the deadline passes: nothing waits for its end, and nobody sees its result.

        Returns:
            What ``call`` returns; its exceptions pass.
        """
        ...

    def default_context(self, alpn_protocols: tuple[str, ...] = ()) -> Any:
        """
        Return a new :class:`ssl.SSLContext` that verifies servers.

        Args:
            alpn_protocols: What to offer by ALPN (RFC 7301); nothing when empty.
        """
        ...


def drive(coro: Coroutine[Any, Any, T]) -> T:
    """
    Run a ceremony over a blocking network, where no ``await`` ever suspends.

    Returns:
        The coroutine's result; its exceptions pass.

    Raises:
        RuntimeError: The coroutine suspended, so some method of the network (or a
            callback of the user) isn't blocking.
    """
    try:
        coro.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coro.close()
    raise RuntimeError("a blocking network suspended")
