"""Loops to run on, servers and clients to talk with."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from tests.faces.clock import JumpingLoop
from tests.loops import LOOPS, OWN_LOOP, PATIENCE
from websockets.asyncio.server import Server, serve


# Made for localhost and 127.0.0.1, and signed by itself.
CERTIFICATE = pathlib.Path(__file__).parents[1] / "opening" / "localhost.pem"

REQUEST = (
    b"GET /path?query HTTP/1.1\r\nHost: localhost\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def run_on(name: str, scenario: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a scenario on one of the loops."""
    factory, debug = OWN_LOOP if name == "own" else LOOPS[name]
    with asyncio.Runner(loop_factory=factory, debug=debug) as runner:
        return runner.run(patiently(scenario()))


def run(scenario: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a scenario on the first of the loops."""
    return run_on("asyncio", scenario)


def run_own(scenario: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a scenario on asyncio's own loop, which it compares something with."""
    return run_on("own", scenario)


def run_jumping(scenario: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a scenario on a loop whose clock jumps to the next timer when all is quiet."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(scenario())


async def patiently(coro: Coroutine[Any, Any, Any]) -> Any:
    """Fail, rather than hang."""
    async with asyncio.timeout(PATIENCE):
        return await coro


def server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


def client_context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=CERTIFICATE)


async def echo(websocket: Any) -> None:
    async for message in websocket:
        await websocket.send(message)


def redirecting(location, status=302):
    """Return a process_request that redirects everything but /end."""

    def process_request(connection, request):
        if request.path == "/end":
            return None
        response = connection.respond(status, "")
        response.headers["Location"] = location
        return response

    return process_request


def port_of(server: Any) -> int:
    return int(server.sockets[0].getsockname()[1])


def uri_of(server: Any, scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{port_of(server)}"


def serving(handler: Any = echo, **kwargs: Any) -> Server:
    return serve(handler, "127.0.0.1", 0, **kwargs)


async def steps(count: int = 5) -> None:
    """Let other tasks go on."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], Any]) -> None:
    """Let other tasks go on until something is true; the scenario's limit holds."""
    while not condition():
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def raw_client(server: Any) -> AsyncIterator[Any]:
    """A client that speaks bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def raw_server(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any],
    **options: Any,
) -> AsyncIterator[int]:
    """A server that speaks bytes, one conversation per connection; gives its port."""
    conversations = set()

    async def converse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        conversations.add(asyncio.current_task())
        try:
            with contextlib.suppress(OSError):
                await talk(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, **options)
    try:
        yield port_of(server)
    finally:
        server.close()
        await asyncio.gather(*conversations)
