"""Large messages of one size, which native code expects: whatever comes in their place."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from tests.asyncio.helpers import run, steps
from tests.codec.frame_pieces import frame
from tests.faces.faces import AsyncioFace
from tests.loops import LOOPS
from websockets.exceptions import ConnectionClosed
from websockets.protocol import Protocol, Side


SIZE = 40_000
USUAL = b"u" * SIZE
OTHER = b"o" * SIZE

#: First bytes of frames, payloads, and where the stream is cut.
STREAMS: dict[str, tuple[list[tuple[int, bytes]], list[int]]] = {
    "as expected": ([(0x82, OTHER)] * 3, [SIZE + 8, 2 * SIZE + 16]),
    "at once": ([(0x82, OTHER), (0x81, b"text"), (0x82, OTHER), (0x82, b"end")], []),
    "a flood": ([(0x82, bytes([n]) * SIZE) for n in range(9)], []),
    "a flood with others": (
        [(0x82, OTHER), (0x89, b"ping"), (0x81, b"text"), (0x82, b"o" * 5000)] * 4,
        [5 * SIZE],
    ),
    "in halves": ([(0x82, OTHER)] * 2, [SIZE // 2, SIZE + 3]),
    "header first": ([(0x82, OTHER)] * 2, [4, 8]),
    "half a header": ([(0x82, OTHER)] * 2, [1, 3]),
    "one byte of it": ([(0x82, OTHER)] * 2, [9, SIZE]),
    "ping": ([(0x89, b"ping"), (0x82, OTHER)], [10]),
    "text": ([(0x81, OTHER), (0x82, OTHER)], []),
    "a first fragment": ([(0x02, OTHER), (0x80, OTHER), (0x82, OTHER)], []),
    "smaller": ([(0x82, OTHER[1:]), (0x82, OTHER[1:]), (0x82, OTHER[1:])], []),
    "larger": ([(0x82, OTHER + b"o")] * 3, [SIZE + 1]),
    "little": ([(0x82, b"o"), (0x82, b""), (0x82, OTHER)], []),
    "close": ([(0x88, b"\x03\xe8bye"), (0x82, OTHER)], []),
    "close behind": ([(0x82, OTHER), (0x88, b"\x03\xe8bye")], []),
    "reserved bit": ([(0xC2, OTHER)], []),
}


class LargeEnough(Protocol):
    """A protocol with another limit."""

    def __init__(self, side: Side) -> None:
        super().__init__(side, max_size=2**21)


class Watched(Protocol):
    """Whoever wants to see each frame gets no shortcuts."""

    def send_frame(self, frame: Any) -> None:
        super().send_frame(frame)


async def receive(kind: type[Protocol], side: Side, chunks: list[bytes]) -> list[Any]:
    """Return what a program receives that waits while chunks arrive one by one."""
    face = AsyncioFace(*LOOPS["asyncio"])
    sock, peer = socket.socketpair()
    connection = await face.connect(sock, kind(side))
    peer.setblocking(False)
    received: list[Any] = []

    async def collect() -> None:
        try:
            while True:
                received.append(await connection.recv())
        except ConnectionClosed as exc:
            received.append(str(exc))

    collecting = asyncio.create_task(collect())
    loop = asyncio.get_running_loop()
    for chunk in chunks:
        await steps()
        await loop.sock_sendall(peer, chunk)
    await steps(20)
    connection.abort()
    await collecting
    await connection.wait_closed()
    peer.close()
    return received


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = [*places, len(stream)]
    return [stream[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def same(side: Side, chunks: list[bytes], masked: bool) -> list[Any]:
    """Assert that expecting messages changes nothing; return what was received."""
    first = frame(0x82, USUAL, masked=masked)

    async def scenario() -> list[Any]:
        chunked = [first, first, *chunks]
        received = await receive(Protocol, side, chunked)
        assert received == await receive(Watched, side, chunked)
        return received

    received = run(scenario)
    assert received[:2] == [USUAL, USUAL]
    return received[2:]


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("name", STREAMS)
def test_what_comes(name, side):
    """After two messages of one size, another one or anything else is received."""
    frames, places = STREAMS[name]
    masked = side is Side.SERVER
    stream = b"".join(frame(*each, masked=masked) for each in frames)
    received = same(side, cut(stream, places), masked)
    if name == "as expected":
        assert received[:3] == [OTHER] * 3


def test_the_header_is_wrong():
    """A header that would be expected of the other side fails the connection."""
    received = same(Side.CLIENT, [frame(0x82, OTHER, masked=True)], False)
    assert "1002" in received[0]


@pytest.mark.parametrize("size", [262_000, 262_134, 262_135, 400_000, 1_100_000])
def test_very_large(size):
    """Messages as large as what is read at a time, or larger, arrive whole."""

    async def scenario():
        payload = bytes(size)
        chunks = [frame(0x82, payload)] * 3 + [frame(0x81, b"end")]
        received = await receive(LargeEnough, Side.CLIENT, chunks)
        assert received[:4] == [payload, payload, payload, "end"]

    run(scenario)
