"""TLS to test: transports of several kinds, and a peer that shows every record."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

import pytest

from tests.asyncio.helpers import client_context, patiently, run_on, server_context
from tests.asyncio.transports import NATIVE, Buffered, Peer, needs_native, tcp_pair
from websockets.asyncio._tls import Tls


class Pump(asyncio.Transport):
    """What the native transport does, in short, over any transport."""

    def __init__(
        self, loop, below, protocol, ssl_object, engine, incoming, outgoing, driver
    ):
        super().__init__()
        self.loop, self.below, self.protocol = loop, below, protocol
        self.tls, self.engine, self.driver = ssl_object, engine, driver
        self.incoming, self.outgoing = incoming, outgoing
        self.phase = "opening"
        self.paused = self.closing = self.ended = False

    # for the driver

    def open(self):
        self.phase = "open"
        self.process()

    def flush(self):
        data = self.outgoing.read()
        if data:
            self.below.write(data)

    def discard(self):
        try:
            while self.engine.read(65536):
                pass
        except ssl.SSLWantReadError:
            return False
        return True

    def fail(self, exc):
        self.closing = True
        self.below._force_close(exc)

    # for the transport below

    def data_received(self, data):
        self.incoming.write(data)
        if self.phase == "open":
            self.process()
        elif self.phase != "lost":
            self.driver.advance()

    def process(self):
        data = b""
        while self.phase == "open" and not self.paused:
            try:
                data = self.engine.read(65536)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError as exc:
                self.flush()
                self.fail(exc)
                break
            if not data:
                self.protocol.eof_received()
                self.close()
                break
            self.protocol.data_received(data)
        self.flush()

    def eof_received(self):
        self.ended = True
        if self.phase == "open" and self.paused:
            return True
        if self.phase == "open":
            self.end()
        else:
            self.driver.end()
        return False

    def end(self):
        self.protocol.eof_received()
        self.phase, self.closing = "closing", True

    def connection_lost(self, exc):
        self.phase, self.closing = "lost", True
        self.driver.lost(exc)
        self.protocol.connection_lost(exc)

    def pause_writing(self):
        self.protocol.pause_writing()

    def resume_writing(self):
        self.protocol.resume_writing()

    # for programs

    def get_extra_info(self, name, default=None):
        if name == "ssl_object":
            return self.tls
        return self.below.get_extra_info(name, default)

    def get_protocol(self):
        return self.protocol

    def set_protocol(self, protocol):
        self.protocol = protocol

    def is_closing(self):
        return self.closing

    def close(self):
        if not self.closing:
            self.closing, self.phase = True, "closing"
            self.driver.close()

    def abort(self):
        self.closing = True
        self.below.abort()

    def write(self, data):
        if not self.closing:
            self.engine.write(data)
            self.flush()

    def can_write_eof(self):
        return False

    def is_reading(self):
        return not self.paused and not self.closing

    def pause_reading(self):
        self.paused = True
        self.below.pause_reading()

    def resume_reading(self):
        self.paused = False
        self.loop.call_soon(self.go_on)

    def go_on(self):
        self.process()
        if self.ended and self.phase == "open":
            self.end()
            self.below.close()
        else:
            self.below.resume_reading()

    def get_write_buffer_size(self):
        return self.below.get_write_buffer_size()

    def set_write_buffer_limits(self, high=None, low=None):
        self.below.set_write_buffer_limits(high, low)


def context_of(version: str, server: bool) -> ssl.SSLContext:
    """Return a context for one version of TLS."""
    context = server_context() if server else client_context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    return context


async def transport_below(kind: str, sock: Any) -> Any:
    """Return a transport for the handshake to begin with."""
    loop = asyncio.get_running_loop()
    if kind == "direct":
        assert NATIVE is not None
        sock.setblocking(False)
        transport = NATIVE[0](loop, sock)
        transport.start(asyncio.Protocol())
        return transport
    below, _ = await loop.create_connection(asyncio.Protocol, sock=sock)
    return below


def make_tls(kind: str, below: Any, protocol: Any, *args: Any, **options: Any) -> Tls:
    """Return the driver of a TLS connection."""
    make: Any = Pump if NATIVE is None or kind == "pump" else NATIVE[2]
    loop = asyncio.get_running_loop()
    return Tls(make, loop, below, protocol, *args, **options)


async def open_tls(
    kind: str, sock: Any, protocol: Any, context: ssl.SSLContext, **options: Any
) -> Any:
    """
    Return a transport that runs TLS over a socket.

    It's ours ("direct"), that above ("pump"), or the loop's ("loop").
    """
    loop = asyncio.get_running_loop()
    if not options.get("server_side"):
        options["server_hostname"] = "localhost"
    if kind == "loop":
        below, _ = await loop.create_connection(asyncio.Protocol, sock=sock)
        transport = await loop.start_tls(below, protocol, context, **options)
        assert transport is not None
        protocol.connection_made(transport)
        return transport
    below = await transport_below(kind, sock)
    try:
        tls = make_tls(kind, below, protocol, context, **options)
        protocol.connection_made(tls.transport)
        await tls.handshake()
    except BaseException:
        below.abort()
        raise
    return tls.transport


class TlsPeer(Peer):
    """The other side: TLS in slow motion."""

    def __init__(self, sock: Any, context: ssl.SSLContext, **options: Any) -> None:
        super().__init__(sock)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        if not options.get("server_side"):
            options["server_hostname"] = "localhost"
        self.tls = context.wrap_bio(self.incoming, self.outgoing, **options)

    async def flush(self) -> None:
        await self.send(self.outgoing.read())

    async def pull(self) -> None:
        """Get something from the network."""
        data = await self.loop.sock_recv(self.sock, 65536)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    async def shake_hands(self) -> None:
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.flush()
                await self.pull()
            else:
                return await self.flush()

    async def shake_hands_in_part(self) -> None:
        """Say one thing in the handshake."""
        await self.pull()
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        await self.flush()

    def sealed(self, data: bytes) -> bytes:
        """Return data as TLS sends it."""
        self.tls.write(data)
        return self.outgoing.read()

    def goodbye(self) -> bytes:
        """Return the end of data as TLS sends it."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self.outgoing.read()

    async def read(self) -> bytes:
        """Return data; none at the goodbye."""
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                await self.pull()

    async def read_all(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            data += await self.read()
        return bytes(data)


every_loop = pytest.mark.parametrize("loop", ["asyncio", "debug", "uvloop"])
every_version = pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
# The one in Python needs the inside of asyncio's transports.
ours = pytest.mark.parametrize(
    ("loop", "kind"),
    [
        pytest.param("asyncio", "direct", marks=needs_native),
        pytest.param("uvloop", "direct", marks=needs_native),
        ("selector", "pump"),
    ],
)


class Viewed(Buffered):
    """A protocol with a buffer in the one form that asyncio's TLS understands."""

    def get_buffer(self, sizehint):
        self.buffer = memoryview(bytearray(1000))
        return self.buffer


async def connected(
    kind: str,
    protocol: Any,
    version: str = "TLSv1_3",
    server: bool = False,
    **options: Any,
) -> tuple[Any, TlsPeer]:
    """Return a transport and its peer, after the handshake."""
    sock, other = tcp_pair()
    peer = TlsPeer(other, context_of(version, not server), server_side=not server)
    if server:
        options["server_side"] = True
    transport, _ = await asyncio.gather(
        open_tls(kind, sock, protocol, context_of(version, server), **options),
        peer.shake_hands(),
    )
    return transport, peer


def run_selector(scenario):
    """Run a scenario on asyncio's own loop, whatever the suite runs on."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(patiently(scenario()))


def run_kind(loop, kind, scenario):
    """Run a scenario on a loop that suits the kind of transport."""
    return run_selector(scenario) if kind == "pump" else run_on(loop, scenario)


def lost(protocol: Any) -> bool:
    return "lost" in protocol.names()
