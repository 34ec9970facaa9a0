"""Proxies that work, as coroutines: CONNECT, in clear and inside TLS, and SOCKS5."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from tests.asyncio.helpers import CERTIFICATE, raw_server, server_context


Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


async def pump(reader: Reader, writer: Writer) -> None:
    """Move bytes one way, until the end."""
    try:
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def relay(reader: Reader, writer: Writer, host: str, port: int) -> None:
    """Move bytes both ways between a client and a server."""
    there, to_there = await asyncio.open_connection(host, port)
    ways = [pump(reader, to_there), pump(there, writer)]
    await asyncio.gather(*ways, return_exceptions=True)
    with contextlib.suppress(OSError):
        await to_there.wait_closed()


async def http(reader: Reader, writer: Writer) -> None:
    """Be a proxy that understands CONNECT."""
    try:
        request = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return
    host, _, port = request.split()[1].decode().rpartition(":")
    writer.write(b"HTTP/1.1 200 OK\r\nVia: here\r\n\r\n")
    await relay(reader, writer, host, int(port))


def demanding_context() -> ssl.SSLContext:
    """Return a context for clients that have a certificate."""
    context = server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(CERTIFICATE)
    return context


async def socks5(reader: Reader, writer: Writer) -> None:
    """Be a SOCKS5 proxy, for user name and password."""
    try:
        await reader.readexactly(4)  # version and two methods
        writer.write(b"\x05\x02")
        await reader.readexactly(1)
        for _ in ("user name", "password"):
            await counted(reader)
        writer.write(b"\x01\x00")
        *_, kind = await reader.readexactly(4)
        if kind == 1:
            host = ".".join(map(str, await reader.readexactly(4)))
        else:
            host = (await counted(reader)).decode()
        port = int.from_bytes(await reader.readexactly(2))
    except asyncio.IncompleteReadError:
        return
    writer.write(b"\x05\x00\x00\x01" + bytes(6))
    await relay(reader, writer, host, port)


async def counted(reader: Reader) -> bytes:
    """Read bytes behind their count."""
    [size] = await reader.readexactly(1)
    return await reader.readexactly(size)


KINDS: dict[str, tuple[Callable[[Reader, Writer], Coroutine[Any, Any, None]], Any]] = {
    "http": (http, None),
    "https": (http, server_context()),
    "https+certificate": (http, demanding_context()),
    "socks5": (socks5, None),
    "socks5h": (socks5, None),
}


@contextlib.asynccontextmanager
async def proxying(*kinds: str) -> AsyncIterator[list[str]]:
    """Proxies of these kinds; gives their URLs."""
    async with contextlib.AsyncExitStack() as stack:
        urls = []
        for kind in kinds:
            talk, tls = KINDS[kind]
            port = await stack.enter_async_context(raw_server(talk, ssl=tls))
            user = "ann:s3cret@" if "socks" in kind else ""
            urls.append(f"{kind.partition('+')[0]}://{user}127.0.0.1:{port}")
        yield urls
