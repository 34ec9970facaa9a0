"""A network in memory, whose peers follow a script.

Every ``await`` of a fake suspends once, so that a test can stop a ceremony there;
:func:`run` goes on, :func:`interrupt` throws.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any

import pytest

from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.streams import StreamReader
from websockets.utils import accept_key


#: What a scripted peer does at a read: send bytes (``b""`` ends the stream), fail, or
#: answer what was written since the last read.
Act = bytes | Exception | Callable[[bytes], bytes]


@types.coroutine
def suspend(label: str) -> Generator[str, None, None]:
    """Give control to whoever runs the coroutine."""
    yield label


def run(coro: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine through all its suspensions."""
    try:
        while True:
            coro.send(None)
    except StopIteration as stop:
        return stop.value


class Cancelled(BaseException):
    """Like asyncio.CancelledError and trio.Cancelled."""


def interrupt(coro: Coroutine[Any, Any, Any], at: int, exc: BaseException) -> str:
    """
    Run a coroutine, and throw an exception at its suspension number ``at``.

    Returns:
        The label of the suspension; "" if the coroutine ended before.
    """
    label = ""
    try:
        for _ in range(at + 1):
            label = coro.send(None)
    except StopIteration:
        return ""
    try:
        coro.throw(exc)
        run(coro)
    except (type(exc), StopIteration):
        pass
    else:
        # Exceptions of the network may be answered; cancellation must get through.
        assert isinstance(exc, Exception), f"cancellation was lost at {label}"
    return label


class FakeStream:
    """A stream to a scripted peer."""

    def __init__(self, network: FakeNetwork, script: Sequence[Act]) -> None:
        self.network = network
        self.script = list(script)
        self.written = b""
        self.unanswered = b""
        self.timeouts: list[float | None] = []

    async def read(self, timeout: float | None = None) -> bytes:
        await suspend("read")
        self.timeouts.append(timeout)
        act = self.script.pop(0)
        question, self.unanswered = self.unanswered, b""
        if isinstance(act, Exception):
            raise act
        return act if isinstance(act, bytes) else act(question)

    async def write(self, data: bytes) -> None:
        await suspend("write")
        assert isinstance(data, bytes)
        self.written += data
        self.unanswered += data
        self.network.log.append("write")

    async def start_tls(
        self, context: Any, server_hostname: str | None, **options: Any
    ) -> FakeStream:
        await suspend("start_tls")
        if isinstance(context, Exception):
            raise context
        self.network.log.append(("tls", context, server_hostname, options))
        inner = FakeStream(self.network, self.script)
        self.network.layers[inner] = self.network.layers[self]
        self.network.streams.append(inner)
        await suspend("start_tls")
        return inner

    def peer_certificate(self) -> bytes:
        return self.network.certificate

    async def close(self) -> None:
        await suspend("close")
        self.network.log.append("close")
        self.network.open.discard(self.network.layers[self])
        if self.script and isinstance(self.script[0], Exception):
            raise self.script.pop(0)

    def abort(self) -> None:
        self.network.log.append("abort")
        self.network.open.discard(self.network.layers[self])


class FakeNetwork:
    """
    A network of scripted peers.

    Args:
        scripts: The script of each connection, in order; an exception refuses it.

    Attributes:
        log: What was done.
        open: Connections that weren't released.
        streams: All streams, those inside TLS included.
        certificate: What all peers have, as DER.
        addresses: What names resolve to.
    """

    def __init__(self, *scripts: Sequence[Act] | Exception) -> None:
        self.scripts = list(scripts)
        self.log: list[Any] = []
        self.open: set[FakeStream] = set()
        self.streams: list[FakeStream] = []
        self.certificate = b""
        self.addresses = {"h.test": ("2001:db8::1", "192.0.2.1")}
        self.layers: dict[FakeStream, FakeStream] = {}

    async def connect(self, *event: Any) -> FakeStream:
        await suspend(event[0])
        self.log.append(event)
        script = self.scripts.pop(0)
        if isinstance(script, Exception):
            raise script
        stream = FakeStream(self, script)
        self.layers[stream] = stream
        self.open.add(stream)
        self.streams.append(stream)
        return stream

    async def open_tcp(self, host: str, port: int) -> FakeStream:
        return await self.connect("tcp", host, port)

    async def open_unix(self, path: Any) -> FakeStream:
        return await self.connect("unix", path)

    async def adopt(self, sock: Any) -> FakeStream:
        return await self.connect("adopt", sock)

    async def resolve(self, host: str, ipv4: bool = False) -> tuple[str, ...]:
        await suspend("resolve")
        self.log.append(("resolve", host, ipv4))
        if host not in self.addresses:
            raise OSError(f"{host} is unknown")
        found = self.addresses[host]
        return tuple(address for address in found if not (ipv4 and ":" in address))

    async def run_blocking(self, call: Callable[[], Any]) -> Any:
        await suspend("run_blocking")
        return call()

    def default_context(self, alpn_protocols: tuple[str, ...] = ()) -> str:
        return "default " + ",".join(alpn_protocols)

    @property
    def written(self) -> list[bytes]:
        """What each stream got."""
        return [stream.written for stream in self.streams]


def parse_request(data: bytes) -> Request:
    """Parse a request, which must be complete."""
    reader = StreamReader()
    reader.feed_data(data)
    parser = Request.parse(reader.read_line)
    with pytest.raises(StopIteration) as info:
        next(parser)
    request = info.value.value
    assert isinstance(request, Request)
    return request


def fields(data: bytes) -> list[tuple[str, str]]:
    """Return the header fields of a request of any kind."""
    head = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")[1:]
    return [(name, value) for name, _, value in (line.partition(": ") for line in head)]


def switch(data: bytes) -> bytes:
    """Answer an upgrade request with the response that opens the connection."""
    key = parse_request(data).headers["Sec-WebSocket-Key"]
    headers = Headers(
        [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", accept_key(key)),
        ]
    )
    return b"HTTP/1.1 101 Switching Protocols\r\n" + headers.serialize()


def redirect(location: str, status: int = 302) -> bytes:
    """Return a response that redirects."""
    return (
        f"HTTP/1.1 {status} Look There\r\n"
        f"Location: {location}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"
