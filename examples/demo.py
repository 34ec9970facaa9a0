"""An echo server, a client that talks to it, and what they exchange.

`make demo` runs it. The server takes any free port of the loopback interface.
"""

import asyncio

import websockets


async def echo(websocket):
    async for message in websocket:
        print(f"server received  {shown(message)}")
        await websocket.send(message)
        print(f"server echoed    {shown(message)}")


def shown(message):
    text = repr(message)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(message)} in all)"


async def main():
    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()[:2]
        print(f"server listens   ws://{host}:{port}")
        async with websockets.connect(f"ws://{host}:{port}") as websocket:
            print(f"client connected to {websocket.response.headers['Server']}")
            for message in [
                "Hello world!",
                "Grüße, 世界",
                b"\x00\x01\x02",
                "la" * 50_000,
            ]:
                await websocket.send(message)
                print(f"client sent      {shown(message)}")
                reply = await websocket.recv()
                print(f"client received  {shown(reply)}")
                if reply != message:
                    raise SystemExit("the echo differs from what was sent")
        print(f"closed           {websocket.close_code}, as agreed")


if __name__ == "__main__":
    asyncio.run(main())
