"""
No WebSocket at all: an asyncio protocol over TCP, which sends as many bytes.

Owns: what a library on the transports of a loop cannot fall below. Doesn't know: frames.
"""

from __future__ import annotations

import asyncio
import platform
import ssl
import time
import urllib.parse
from typing import Any

from .base import Adapter, Clock, Figures


BUFFER = 256 * 1024


class Client(asyncio.BufferedProtocol):
    """Sends a message when all bytes of the last one are back."""

    def __init__(
        self, message: bytes, secs: float, warm: float, done: asyncio.Future[Figures]
    ) -> None:
        self.message, self.secs, self.done = message, secs, done
        self.buffer = memoryview(bytearray(BUFFER))
        self.missing = len(message)
        self.measured: Clock | None = None
        self.latencies: list[float] = []
        self.sent_at = time.perf_counter()
        self.end = self.sent_at + warm

    def connection_made(self, transport: Any) -> None:
        """Send the first message."""
        self.transport = transport
        transport.write(self.message)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Receive into the same memory again and again."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Send the next message, or end."""
        self.missing -= nbytes
        if self.missing:
            return
        self.missing = len(self.message)
        received_at = time.perf_counter()
        if self.measured is not None:
            self.latencies.append(received_at - self.sent_at)
        self.sent_at = received_at
        if received_at > self.end:
            if self.measured is not None:
                count = len(self.latencies)
                self.done.set_result(self.measured.figures(count, self.latencies))
                self.transport.close()
                return
            self.measured = Clock()
            self.sent_at = time.perf_counter()
            self.end = self.sent_at + self.secs
        self.transport.write(self.message)


class Rounds(asyncio.BufferedProtocol):
    """Makes round trips and nothing else."""

    def __init__(self, message: bytes, count: int, done: asyncio.Future[None]) -> None:
        self.message, self.left, self.done = message, count, done
        self.buffer = memoryview(bytearray(BUFFER))

    def connection_made(self, transport: Any) -> None:
        """Send the first message."""
        self.transport = transport
        transport.write(self.message)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Receive into the same memory again and again."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Send the next message, or end."""
        self.left -= 1
        if self.left:
            self.transport.write(self.message)
        else:
            self.done.set_result(None)


class Echo(asyncio.BufferedProtocol):
    """Sends back what comes."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.buffer = memoryview(bytearray(BUFFER))

    def connection_made(self, transport: Any) -> None:
        """Count."""
        self.transport = transport
        self.adapter.count(+1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count."""
        self.adapter.count(-1)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Receive into the same memory again and again."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Send it back."""
        self.transport.write(bytes(self.buffer[:nbytes]))


class RawTcp(Adapter):
    """``create_connection`` and ``create_server`` of the loop."""

    def version(self) -> str:
        """Return the version of Python, whose library it is."""
        return platform.python_version()

    async def round_trips(
        self, url: str, message: Any, secs: float, warm: float, **options: Any
    ) -> Figures:
        """Send bytes and wait until as many are back."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Figures] = loop.create_future()
        address = urllib.parse.urlsplit(url)
        assert address.port is not None
        await loop.create_connection(
            lambda: Client(message, secs, warm, done), "127.0.0.1", address.port
        )
        return await done

    async def serve(
        self, kind: str, size: int, *, deflate: bool, tls: ssl.SSLContext | None
    ) -> int:
        """Start a server that echoes."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Echo(self), "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def rounds(self, url: str, message: bytes, count: int) -> None:
        """Make so many round trips and nothing else."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        address = urllib.parse.urlsplit(url)
        assert address.port is not None
        await loop.create_connection(
            lambda: Rounds(message, count, done), "127.0.0.1", address.port
        )
        await done
