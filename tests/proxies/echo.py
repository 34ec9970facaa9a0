"""The server behind the proxies, as a program: it echoes, and tells what it was asked.

    python -m tests.proxies.echo CERTIFICATE KEY

prints the ports of ``ws`` and ``wss``, each on 127.0.0.1 and ::1. The first message of
every connection is the header fields of the handshake request, as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import sys

from websockets.asyncio.server import ServerConnection, serve


async def handler(websocket: ServerConnection) -> None:
    """Tell what was asked; echo."""
    assert websocket.request is not None
    await websocket.send(json.dumps(list(websocket.request.headers.raw_items())))
    async for message in websocket:
        await websocket.send(message)


async def main(certificate: str, key: str) -> None:
    """Run both servers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with contextlib.AsyncExitStack() as stack:
        ports = []
        for tls in (None, context):
            server = await stack.enter_async_context(
                serve(handler, "127.0.0.1", 0, ssl=tls)
            )
            port = next(iter(server.sockets)).getsockname()[1]
            ports.append(port)
            with contextlib.suppress(OSError):  # a machine without IPv6
                await stack.enter_async_context(serve(handler, "::1", port, ssl=tls))
        print(*ports, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
