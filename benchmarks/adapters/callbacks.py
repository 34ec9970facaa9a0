"""
picows by its callbacks: a listener is told of frames, and sends without waiting.

Owns: that API. Doesn't know: its coroutines, see ``coroutines``.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any

import picows
from picows import WSListener, WSMsgType, ws_connect, ws_create_server

from .base import LARGE, UNLIMITED, Adapter, Clock, Figures, different


class Callbacks(Adapter):
    """``ws_connect`` and ``ws_create_server``."""

    def __init__(self) -> None:
        super().__init__()
        self.servers: list[Any] = []

    def version(self) -> str:
        """Return the version of the library."""
        return str(picows.__version__)

    @staticmethod
    def options(
        deflate: bool = False,
        tls: ssl.SSLContext | None = None,
        unlimited: bool = False,
    ) -> dict[str, Any]:
        """Translate options of a scenario."""
        if deflate:
            raise NotImplementedError("picows has no compression for callbacks")
        options: dict[str, Any] = {}
        if tls is not None:
            options["ssl_context"] = tls
        if unlimited:
            options["max_frame_size"] = UNLIMITED
        return options

    async def round_trips(
        self, url: str, message: Any, secs: float, warm: float, **options: Any
    ) -> Figures:
        """Send the next message when the last one is back."""
        done: asyncio.Future[Figures] = asyncio.get_running_loop().create_future()
        clock = time.perf_counter

        class Client(WSListener):
            def on_ws_connected(self, transport: Any) -> None:
                self.measured: Clock | None = None
                self.latencies: list[float] = []
                self.sent_at = clock()
                self.end = self.sent_at + warm
                transport.send(WSMsgType.BINARY, message)

            def on_ws_frame(self, transport: Any, frame: Any) -> None:
                frame.get_payload_as_bytes()
                received_at = clock()
                if self.measured is not None:
                    self.latencies.append(received_at - self.sent_at)
                self.sent_at = received_at
                if received_at > self.end:
                    if self.measured is not None:
                        count = len(self.latencies)
                        done.set_result(self.measured.figures(count, self.latencies))
                        transport.disconnect()
                        return
                    self.measured = Clock()
                    self.sent_at = clock()
                    self.end = self.sent_at + secs
                transport.send(WSMsgType.BINARY, message)

        transport, _ = await ws_connect(Client, url, **self.options(**options))
        figures = await done
        await transport.wait_disconnected()
        return figures

    async def receive(self, url: str, count: int, **options: Any) -> Figures:
        """Receive as many messages as come for one of ours; the second time counts."""
        done: asyncio.Future[Figures] = asyncio.get_running_loop().create_future()

        class Client(WSListener):
            def on_ws_connected(self, transport: Any) -> None:
                self.turns = 2
                self.begin(transport)

            def begin(self, transport: Any) -> None:
                self.left = count
                self.measured = Clock()
                transport.send(WSMsgType.TEXT, b"go")

            def on_ws_frame(self, transport: Any, frame: Any) -> None:
                frame.get_payload_as_bytes()
                self.left -= 1
                if self.left:
                    return
                self.turns -= 1
                if self.turns:
                    self.begin(transport)
                else:
                    done.set_result(self.measured.figures(count))
                    transport.disconnect()

        transport, _ = await ws_connect(Client, url, **self.options(**options))
        figures = await done
        await transport.wait_disconnected()
        return figures

    async def send(self, url: str, message: Any, count: int, **options: Any) -> Figures:
        """Send messages, waiting when the transport says so; the second time counts."""
        loop = asyncio.get_running_loop()

        class Client(WSListener):
            def on_ws_connected(self, transport: Any) -> None:
                self.writable: asyncio.Future[None] | None = None
                self.answer: asyncio.Future[None] = loop.create_future()

            def on_ws_frame(self, transport: Any, frame: Any) -> None:
                self.answer.set_result(None)

            def pause_writing(self) -> None:
                self.writable = loop.create_future()

            def resume_writing(self) -> None:
                if self.writable is not None:
                    self.writable.set_result(None)
                self.writable = None

        transport, client = await ws_connect(Client, url, **self.options(**options))
        for _ in range(2):
            client.answer = loop.create_future()
            measured = Clock()
            for _ in range(count):
                transport.send(WSMsgType.BINARY, message)
                if client.writable is not None:
                    await client.writable
            await client.answer
            figures = measured.figures(count)
        transport.disconnect()
        await transport.wait_disconnected()
        return figures

    async def connects(self, url: str, secs: float, **options: Any) -> Figures:
        """Open and close connections, one after the other."""
        options = self.options(**options)

        class Client(WSListener):
            def on_ws_frame(self, transport: Any, frame: Any) -> None:
                # The answer to our Close: there is nothing else that the peer sends.
                transport.disconnect()

        count = 0
        measured = Clock()
        end = time.perf_counter() + secs
        while time.perf_counter() < end:
            transport, _ = await ws_connect(Client, url, **options)
            transport.send_close(1000)
            await transport.wait_disconnected()
            count += 1
        return measured.figures(count)

    async def serve(
        self, kind: str, size: int, *, deflate: bool, tls: ssl.SSLContext | None
    ) -> int:
        """Start a server."""
        adapter = self
        self.options(deflate)
        members: set[Any] = set()
        texts = different(size)

        class Server(WSListener):
            def on_ws_connected(self, transport: Any) -> None:
                adapter.count(+1)
                members.add(transport)
                self.left = 0

            def on_ws_disconnected(self, transport: Any) -> None:
                adapter.count(-1)
                members.discard(transport)

            def on_ws_frame(self, transport: Any, frame: Any) -> None:
                if frame.msg_type == WSMsgType.CLOSE:
                    transport.send_close(
                        frame.get_close_code(), frame.get_close_message()
                    )
                    transport.disconnect()
                else:
                    self.on_message(transport, frame)

        class Echo(Server):
            def on_message(self, transport: Any, frame: Any) -> None:
                transport.send(frame.msg_type, frame.get_payload_as_bytes())

        class Count(Server):
            def on_message(self, transport: Any, frame: Any) -> None:
                message = frame.get_payload_as_bytes()
                if not self.left:
                    self.left = int(message)
                    return
                self.left -= 1
                if not self.left:
                    transport.send(WSMsgType.TEXT, b"END")

        class Broadcast(Server):
            def on_message(self, transport: Any, frame: Any) -> None:
                message = frame.get_payload_as_bytes()
                for _ in range(int(message)):
                    transport.send(WSMsgType.TEXT, LARGE.encode())
                if message == b"0":
                    payload = next(texts).encode()
                    for member in members:
                        member.send(WSMsgType.TEXT, payload)

        kinds = {"echo": Echo, "count": Count, "broadcast": Broadcast}
        listener = kinds[kind]
        server = await ws_create_server(
            lambda request: listener(),
            "127.0.0.1",
            0,
            ssl=tls,
        )
        self.servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def rounds(self, url: str, message: bytes, count: int) -> None:
        """Make so many round trips and nothing else."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        class Client(WSListener):
            def on_ws_connected(self, transport: Any) -> None:
                self.left = count
                transport.send(WSMsgType.BINARY, message)

            def on_ws_frame(self, transport: Any, frame: Any) -> None:
                frame.get_payload_as_bytes()
                self.left -= 1
                if self.left:
                    transport.send(WSMsgType.BINARY, message)
                else:
                    done.set_result(None)

        await ws_connect(Client, url, **self.options())
        await done
