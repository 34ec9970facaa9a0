"""Echo server for the Autobahn Testsuite: ``python echo_server.py [port]``.

Prints the port it listens on, then serves until it is ended.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


async def echo(websocket: ServerConnection) -> None:
    """Send every message back, until either side ends the connection."""
    try:
        async for message in websocket:
            await websocket.send(message)
    except ConnectionClosed:
        # Most cases break the protocol: the suite judges how we closed.
        pass


async def main(port: int) -> None:
    """Serve on loopback until this process is ended."""
    async with serve(
        echo,
        "127.0.0.1",
        port,
        max_size=None,  # group 9 sends messages of 16 MiB
        ping_interval=None,  # the suite is single-threaded and may be busy for long
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    # Every case that breaks the protocol would log; errors of ours must show.
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
