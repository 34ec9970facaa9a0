"""Transports to compare, protocols that write down what they are told, and peers."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest

from websockets.asyncio._native import native_transports


# What there is to test without the extension is choices, not transports.
NATIVE = native_transports()
needs_native = pytest.mark.skipif(NATIVE is None, reason="needs the extension")


class Recorder:
    """A protocol that notes every call, and then does what a test asks it to do."""

    def __init__(self, **reactions: Callable[[Any], Any]) -> None:
        self.reactions = reactions
        self.log: list[tuple[Any, ...]] = []
        self.transport: Any = None

    def note(self, name: str, *details: Any) -> Any:
        if name == "data" and self.log and self.log[-1][0] == "data":
            # How bytes are divided is nobody's business.
            self.log[-1][1].extend(details[0])
        elif name == "data":
            self.log.append(("data", bytearray(details[0])))
        else:
            self.log.append((name, *details))
        reaction = self.reactions.get(name)
        return None if reaction is None else reaction(self)

    def names(self) -> list[str]:
        return [entry[0] for entry in self.log]

    def is_lost(self) -> bool:
        return "lost" in self.names()

    def received(self) -> bytes:
        return b"".join(entry[1] for entry in self.log if entry[0] == "data")

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.note("made")

    def eof_received(self) -> Any:
        return self.note("eof")

    def connection_lost(self, exc: Any) -> None:
        self.note("lost", type(exc), getattr(exc, "errno", None))

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")


class Plain(Recorder, asyncio.Protocol):
    """One that gets bytes objects."""

    def data_received(self, data: bytes) -> None:
        self.note("data", data)


class Buffered(Recorder, asyncio.BufferedProtocol):
    """One that has a buffer, of 100 bytes."""

    size = 100

    def get_buffer(self, sizehint: int) -> Any:
        buffer = self.reactions.get("buffer")
        self.buffer = bytearray(self.size) if buffer is None else buffer(self)
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        # Slicing a bytearray without memory makes CPython complain about exports.
        self.note("data", bytes(self.buffer)[:nbytes])


class Peer:
    """The other side: a socket that does what it's told."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)
        self.loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.sock, data)

    async def receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            chunk = await self.loop.sock_recv(self.sock, size - len(data))
            assert chunk, f"the stream ended after {len(data)} bytes"
            data += chunk
        return data

    async def at_eof(self) -> bool:
        return await self.loop.sock_recv(self.sock, 1) == b""

    def end(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.sock.close()


def small_buffers(sock: socket.socket) -> None:
    """Have the system take few bytes; it would take megabytes by itself."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)


def listening_socket() -> socket.socket:
    """Return a socket whose connections have small buffers."""
    listener = socket.socket()
    small_buffers(listener)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    listener.setblocking(False)
    return listener


def connected_socket(listener: socket.socket) -> socket.socket:
    """Return a socket connected to another, with small buffers."""
    sock = socket.socket()
    small_buffers(sock)
    sock.connect(listener.getsockname())
    return sock


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Return two ends of a TCP connection."""
    with listening_socket() as listener:
        one = connected_socket(listener)
        other, _ = listener.accept()
    one.setblocking(False)
    return one, other


async def open_transport(kind: str, sock: socket.socket, protocol: Any) -> Any:
    """Return a transport over a socket: ours, or the loop's."""
    loop = asyncio.get_running_loop()
    if kind == "direct":
        assert NATIVE is not None
        transport = NATIVE[0](loop, sock)
        transport.start(protocol)
        return transport
    transport, _ = await loop.create_connection(lambda: protocol, sock=sock)
    return transport


async def accepted_transport(protocol: Any) -> tuple[Any, socket.socket, Any]:
    """Return a transport that a poller has accepted, its peer, and the poller."""
    assert NATIVE is not None
    poller = NATIVE[1](asyncio.get_running_loop())
    with listening_socket() as listener:
        peer = connected_socket(listener)
        poller.accept(listener.fileno(), 1, lambda: protocol)
    return protocol.transport, peer, poller
