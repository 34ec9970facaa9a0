"""A network of blocking sockets, as a face for threads would have, in small.

TLS goes through memory, so that it can run inside TLS.
"""

from __future__ import annotations

import concurrent.futures
import pathlib
import socket
import ssl
from collections.abc import Callable
from typing import Any


#: Key and self-signed certificate for localhost, proxy.test, 127.0.0.1, and ::1.
CERTIFICATE = pathlib.Path(__file__).with_name("localhost.pem")


def server_context() -> ssl.SSLContext:
    """Return the context of a server on localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def client_context() -> ssl.SSLContext:
    """Return a context that trusts that server."""
    return ssl.create_default_context(cafile=CERTIFICATE)


class SocketStream:
    """A stream over a blocking socket."""

    def __init__(
        self, sock: socket.socket, time_left: Callable[[], float] = lambda: 5.0
    ) -> None:
        self.sock = sock
        self.time_left = time_left

    def arm(self, timeout: float | None = None) -> None:
        """Give the next operation what is left of the time."""
        left = self.time_left()
        if timeout is not None:
            left = min(left, timeout)
        if left <= 0:
            raise TimeoutError("timed out during opening handshake")
        self.sock.settimeout(left)

    async def read(self, timeout: float | None = None) -> bytes:
        self.arm(timeout)
        return self.sock.recv(65536)

    async def write(self, data: bytes) -> None:
        self.arm()
        self.sock.sendall(data)

    async def start_tls(
        self, context: Any, server_hostname: str | None, **options: Any
    ) -> TLSStream:
        stream = TLSStream(self, context, server_hostname)
        await stream.handshake()
        return stream

    def peer_certificate(self) -> bytes:
        return b""

    async def close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)
        while await self.read():
            pass
        self.sock.close()

    def abort(self) -> None:
        self.sock.close()


class TLSStream:
    """TLS, on either side, inside another stream."""

    def __init__(
        self,
        below: Any,
        context: ssl.SSLContext,
        server_hostname: str | None = None,
        *,
        server_side: bool = False,
    ) -> None:
        self.below = below
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.incoming, self.outgoing, server_side, server_hostname
        )

    async def run(
        self, step: Callable[..., Any], *args: Any, timeout: Any = None
    ) -> Any:
        """Repeat a step of TLS, moving bytes, until it needs no more of them."""
        while True:
            try:
                result = step(*args)
            except ssl.SSLWantReadError:
                await self.flush()
                data = await self.below.read(timeout)
                self.incoming.write(data) if data else self.incoming.write_eof()
            else:
                await self.flush()
                return result

    async def flush(self) -> None:
        """Write what TLS has to say."""
        if self.outgoing.pending:
            await self.below.write(self.outgoing.read())

    async def handshake(self) -> None:
        try:
            await self.run(self.tls.do_handshake)
        except ssl.SSLError:
            await self.flush()  # the alert
            raise

    async def read(self, timeout: float | None = None) -> bytes:
        try:
            return await self.run(self.tls.read, 65536, timeout=timeout)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def write(self, data: bytes) -> None:
        await self.run(self.tls.write, data)

    start_tls = SocketStream.start_tls

    def peer_certificate(self) -> bytes:
        return self.tls.getpeercert(True) or b""

    async def close(self) -> None:
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            await self.flush()
        await self.below.close()

    def abort(self) -> None:
        self.below.abort()


class BlockingNetwork:
    """
    A network of blocking sockets.

    Args:
        time_left: Called before each operation; returns seconds.
    """

    def __init__(self, time_left: Callable[[], float] = lambda: 5.0) -> None:
        self.time_left = time_left

    async def open_tcp(self, host: str, port: int) -> SocketStream:
        sock = socket.create_connection((host, port), timeout=self.time_left())
        return SocketStream(sock, self.time_left)

    async def open_unix(self, path: Any) -> SocketStream:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(self.time_left())
            sock.connect(path)
        except BaseException:
            sock.close()
            raise
        return SocketStream(sock, self.time_left)

    async def adopt(self, sock: Any) -> SocketStream:
        return SocketStream(sock, self.time_left)

    async def resolve(self, host: str, ipv4: bool = False) -> tuple[str, ...]:
        family = socket.AF_INET if ipv4 else socket.AF_UNSPEC
        found = socket.getaddrinfo(host, None, family, socket.SOCK_STREAM)
        return tuple(str(address[0]) for *_, address in found)

    async def run_blocking(self, call: Callable[[], Any]) -> Any:
        with concurrent.futures.ThreadPoolExecutor() as executor:
            return executor.submit(call).result(self.time_left())

    def default_context(self, alpn_protocols: tuple[str, ...] = ()) -> ssl.SSLContext:
        context = client_context()
        if alpn_protocols:
            context.set_alpn_protocols(list(alpn_protocols))
        return context
