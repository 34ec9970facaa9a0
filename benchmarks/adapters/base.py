"""
What an adapter does, and the scenarios for libraries with coroutines.

Owns: the loops that are measured. Doesn't know: any library.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from ..messages import trades


#: What a peer that stalls is sent at once.
LARGE = "x" * 2**20

#: Limit of the scenarios whose messages are larger than what libraries take by default.
UNLIMITED = 2**27

Figures = dict[str, float]


def different(size: int) -> Iterator[str]:
    """Return texts, again and again; too many for a compressor to remember the first."""
    return itertools.cycle([trades(size, seed) for seed in range(64)])


class Clock:
    """Wall clock and CPU clock of this process, read together."""

    def __init__(self) -> None:
        self.cpu = time.process_time()
        self.start = time.perf_counter()

    def figures(self, count: int, latencies: list[float] | None = None) -> Figures:
        """Say what ``count`` messages took."""
        result = {
            "secs": time.perf_counter() - self.start,
            "cpu": time.process_time() - self.cpu,
            "n": float(count),
        }
        if latencies:
            latencies.sort()
            result["p50"] = latencies[len(latencies) // 2]
            result["p99"] = latencies[-1 - len(latencies) // 100]
        return result


class Connection:
    """A client's connection: what a program would call, without a layer over it."""

    def __init__(
        self,
        send: Callable[[Any], Awaitable[Any]],
        receive: Callable[[], Awaitable[Any]],
        close: Callable[[], Awaitable[Any]],
        messages: AsyncIterator[Any],
    ) -> None:
        self.send = send
        self.receive = receive
        self.close = close
        self.messages = messages


class Adapter:
    """
    A library under measurement.

    Libraries with coroutines have :meth:`connect` and :meth:`serve`; others have scenarios
    of their own in place of those below.
    """

    def __init__(self) -> None:
        #: How many connections servers have now.
        self.open = 0
        self.changed = asyncio.Event()

    def version(self) -> str:
        """Return the version of the library."""
        raise NotImplementedError

    async def connect(
        self,
        url: str,
        *,
        text: bool = False,
        deflate: bool = False,
        tls: ssl.SSLContext | None = None,
        unlimited: bool = False,
    ) -> Connection:
        """
        Open a connection with the library's defaults, except for what is asked for.

        With ``text``, ``send`` takes :class:`str`, else :class:`bytes`.
        """
        raise NotImplementedError

    async def serve(
        self, kind: str, size: int, *, deflate: bool, tls: ssl.SSLContext | None
    ) -> int:
        """
        Start a server that lasts as long as this process, and return its port.

        Kinds are ``echo``; ``count``: a number N, N messages, then the server says so; and
        ``broadcast``: on ``0``, everybody gets a text of ``size``, on a number the one
        who sent it gets that many large messages.
        """
        raise NotImplementedError

    # What is left of a scenario ends before the next one begins ----------------------

    def count(self, change: int) -> None:
        """Count a connection of a server that came or went."""
        self.open += change
        self.changed.set()

    async def settle(self, connections: int) -> None:
        """Wait until servers have this many connections."""
        while self.open != connections:
            self.changed.clear()
            await self.changed.wait()

    # Scenarios -------------------------------------------------------------------

    async def round_trips(
        self, url: str, message: Any, secs: float, warm: float, **options: Any
    ) -> Figures:
        """Send a message and wait for it to come back, again and again."""
        connection = await self.connect(url, **options)
        send, receive, clock = connection.send, connection.receive, time.perf_counter
        end = clock() + warm
        while clock() < end:
            await send(message)
            await receive()
        latencies: list[float] = []
        add = latencies.append
        measured = Clock()
        sent_at = clock()
        end = sent_at + secs
        while sent_at < end:
            await send(message)
            await receive()
            received_at = clock()
            add(received_at - sent_at)
            sent_at = received_at
        figures = measured.figures(len(latencies), latencies)
        await connection.close()
        return figures

    async def receive(self, url: str, count: int, **options: Any) -> Figures:
        """Receive as many messages as come for one of ours; the second time counts."""
        connection = await self.connect(url, text=True, **options)
        for _ in range(2):
            left = count
            measured = Clock()
            await connection.send("go")
            async for _message in connection.messages:
                left -= 1
                if not left:
                    break
            figures = measured.figures(count)
        await connection.close()
        return figures

    async def send(self, url: str, message: Any, count: int, **options: Any) -> Figures:
        """Send messages to a peer that counts them; the second time counts."""
        text = isinstance(message, str)
        connection = await self.connect(url, text=text, **options)
        send = connection.send
        for _ in range(2):
            measured = Clock()
            for _ in range(count):
                await send(message)
            await connection.receive()
            figures = measured.figures(count)
        await connection.close()
        return figures

    async def connects(self, url: str, secs: float, **options: Any) -> Figures:
        """Open and close connections, one after the other."""
        for _ in range(3):
            await (await self.connect(url, **options)).close()
        count = 0
        measured = Clock()
        end = time.perf_counter() + secs
        while time.perf_counter() < end:
            await (await self.connect(url, **options)).close()
            count += 1
        return measured.figures(count)

    async def rounds(self, url: str, message: bytes, count: int) -> None:
        """Make so many round trips and nothing else, for who counts instructions."""
        connection = await self.connect(url)
        send, receive = connection.send, connection.receive
        for _ in range(count):
            await send(message)
            await receive()
