"""``python aiohttp_server.py``: the paths of ``../scenarios.py``, with aiohttp.

Prints its port. Its interface has no fragments to send.
"""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web


closed: asyncio.Queue[str] = asyncio.Queue()


async def opened(request: web.Request, autoping: bool = True) -> web.WebSocketResponse:
    """Accept the connection."""
    peer = web.WebSocketResponse(
        protocols=("second",), max_msg_size=0, autoping=autoping, autoclose=True
    )
    await peer.prepare(request)
    return peer


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Send every message back; remember how the connection ended."""
    peer = await opened(request)
    while True:
        message = await peer.receive()
        if message.type is WSMsgType.TEXT:
            await peer.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await peer.send_bytes(message.data)
        else:
            break
    if message.data == 4001:
        await closed.put(f"{message.data} {message.extra}")
    return peer


async def ping(request: web.Request) -> web.WebSocketResponse:
    """Say when the client has answered a ping."""
    peer = await opened(request, autoping=False)
    await peer.ping(b"still there?")
    if (await peer.receive()).type is WSMsgType.PONG:
        await peer.send_str("pong")
    await peer.receive()
    return peer


async def close(request: web.Request) -> web.WebSocketResponse:
    """Close first."""
    peer = await opened(request)
    await peer.close(code=4002, message=b"server is done")
    return peer


async def how_closed(request: web.Request) -> web.WebSocketResponse:
    """Tell how an echo was closed by its client."""
    peer = await opened(request)
    await peer.send_str(await closed.get())
    await peer.receive()
    return peer


async def main() -> None:
    """Serve until this process is ended."""
    app = web.Application()
    app.router.add_get("/echo", echo)
    app.router.add_get("/ping", ping)
    app.router.add_get("/close", close)
    app.router.add_get("/how-closed", how_closed)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
