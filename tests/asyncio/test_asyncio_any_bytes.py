"""Shortcuts on any bytes: a connection that takes them does what one without them does."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import hypothesis.strategies as st
from hypothesis import given

from tests.asyncio.helpers import run
from tests.codec.frame_pieces import frame
from websockets._codec import NATIVE
from websockets.asyncio.connection import Connection
from websockets.exceptions import ConcurrencyError, ConnectionClosed
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import Protocol, Side


class Watched(Protocol):
    """Whoever wants to see each frame gets no shortcuts."""

    def send_frame(self, frame: Any) -> None:
        super().send_frame(frame)


class Wire(asyncio.Transport):
    """A transport to nowhere, which notes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False
        self.paused = False
        self.protocol: Any = None

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def write_eof(self) -> None:
        self.written += b"<end>"

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closing

    def set_write_buffer_limits(self, high: Any = None, low: Any = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close


class End:
    """One of the two connections, and what a program got out of it."""

    def __init__(
        self, kind: type[Protocol], limits: Any, queue: Any, deflate: bool
    ) -> None:
        protocol = kind(Side.SERVER, max_size=limits)
        if deflate:
            protocol.extensions = [PerMessageDeflate(False, False, 12, 12)]
        self.connection = Connection(protocol, max_queue=queue, ping_interval=None)
        self.wire = Wire()
        self.wire.protocol = self.connection
        self.connection.connection_made(self.wire)
        self.got: list[Any] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.senders: list[asyncio.Task[None]] = []

    def receive(self, data: bytes, into_buffer: bool) -> None:
        """Deliver bytes, the way some transports do it, or the way the others do."""
        if self.wire.closing:
            return
        if not into_buffer:
            self.connection.data_received(data)
            return
        while data and not self.wire.closing:
            buffer = self.connection.get_buffer(-1)
            part, data = data[: len(buffer)], data[len(buffer) :]
            buffer[: len(part)] = part
            del buffer
            self.connection.buffer_updated(len(part))

    async def attempt(self, decode: bool | None, way: str) -> None:
        try:
            if way == "recv":
                self.got.append(await self.connection.recv(decode))
            elif way == "next":
                self.got.append(await anext(self.connection))
            else:
                async for part in self.connection.recv_streaming(decode):
                    self.got.append(("part", part))
                self.got.append("end")
        except (ConnectionClosed, ConcurrencyError, StopAsyncIteration) as exc:
            self.got.append((type(exc), str(exc)))

    def start(self, decode: bool | None, way: str) -> None:
        if all(task.done() for task in self.tasks):
            self.tasks = [asyncio.ensure_future(self.attempt(decode, way))]

    async def deliver(self, payload: bytes) -> None:
        try:
            await self.connection.send(payload)
        except ConnectionClosed as exc:
            self.got.append((type(exc), str(exc)))

    def send(self, payload: bytes) -> None:
        self.senders.append(asyncio.ensure_future(self.deliver(payload)))

    def cancel(self) -> None:
        for task in self.tasks:
            task.cancel()

    def state(self) -> Any:
        connection, wire = self.connection, self.wire
        return (
            self.got,
            [task.done() for task in self.tasks],
            wire.written,
            wire.closing,
            connection.state,
            connection.close_code,
            connection.close_reason,
        )

    async def finish(self) -> None:
        self.wire.close()
        await asyncio.gather(*self.tasks, *self.senders, return_exceptions=True)
        await self.connection.wait_closed()


def compress(payload: bytes) -> bytes:
    """Compress a message without what came before (RFC 7692 §7.2.1)."""
    engine = zlib.compressobj(wbits=-12)
    return (engine.compress(payload) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4]


TEXTS = [b"", b"a", "schön".encode(), b"x" * 130, b"y" * 700]
LARGE = [b"z" * 70_000, "öäü".encode() * 30_000]
BROKEN = [b"\xff", b"ab\xc3", b"\xed\xa0\x80"]

payloads = st.sampled_from(TEXTS)
plain = st.tuples(st.sampled_from([0x81, 0x82]), payloads)
large = st.tuples(st.sampled_from([0x81, 0x82]), st.sampled_from(LARGE))
compressed = st.tuples(
    st.sampled_from([0xC1, 0xC2, 0xC1, 0x41]),
    st.sampled_from([*TEXTS, LARGE[0], BROKEN[0]]).map(compress),
)
control = st.tuples(st.sampled_from([0x89, 0x8A]), st.sampled_from([b"", b"ping"]))
wrong = st.one_of(
    st.tuples(st.sampled_from([0x81, 0x01]), st.sampled_from(BROKEN)),
    st.tuples(st.integers(0, 255), payloads),
    st.just((0x88, b"\x03\xe8bye")),
)
# Messages of several frames, with a control frame between them or not.
fragmented = st.builds(
    lambda opcode, parts, between: [
        (opcode, parts[0]),
        *between,
        *((0x00, part) for part in parts[1:-1]),
        (0x80, parts[-1]),
    ],
    st.sampled_from([0x01, 0x02]),
    st.lists(payloads, min_size=2, max_size=4),
    st.lists(control, max_size=1),
)
usual = st.lists(plain, min_size=1, max_size=3)
frames = st.lists(
    st.one_of(
        usual,
        usual,
        fragmented,
        st.one_of(large, compressed, control, wrong).map(lambda item: [item]),
    ),
    max_size=8,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("bytes"), st.integers(1, 500), st.booleans()),
        st.tuples(st.just("bytes"), st.integers(1, 100_000), st.booleans()),
        st.tuples(
            st.just("start"),
            st.sampled_from([None, None, True, False]),
            st.sampled_from(["recv", "recv", "recv", "next", "stream"]),
        ),
        st.tuples(st.just("cancel")),
        st.tuples(st.just("send"), payloads),
    ),
    max_size=30,
)


@given(
    frames,
    steps,
    st.sampled_from([2**20, 2**20, 1_000, None]),
    st.sampled_from([16, 16, 2, None]),
    st.booleans(),
)
def test_any_bytes(frames, steps, limit, queue, deflate):
    """Messages, errors and what is written are the same, whatever comes when."""
    data = b"".join(
        frame(head, payload, masked=True) for part in frames for head, payload in part
    )

    async def scenario() -> None:
        ends = [End(kind, limit, queue, deflate) for kind in (Protocol, Watched)]
        assert [end.connection._fast for end in ends] == [NATIVE, False]
        rest = data
        last = [("bytes", len(data) + 1, True), *[("start", None, "recv")] * 4]
        for step in [*steps, *last]:
            for end in ends:
                if step[0] == "bytes":
                    end.receive(rest[: step[1]], step[2])
                elif step[0] == "start":
                    end.start(step[1], step[2])
                elif step[0] == "send":
                    end.send(step[1])
                else:
                    end.cancel()
            if step[0] == "bytes":
                rest = rest[step[1] :]
            for _ in range(8):
                await asyncio.sleep(0)
            assert ends[0].state() == ends[1].state()
        for end in ends:
            await end.finish()

    run(scenario)
