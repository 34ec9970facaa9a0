"""Echo client for the Autobahn Testsuite: ``python echo_client.py URI AGENT``.

Asks the fuzzing server how many cases there are, runs each of them on a connection
of its own, then makes it write its report under the name AGENT.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def count_cases(uri: str) -> int:
    """Return the number of cases that the fuzzing server wants to run."""
    async with connect(f"{uri}/getCaseCount", proxy=None) as websocket:
        return int(await websocket.recv())


async def run_case(uri: str, case: int, agent: str) -> None:
    """Send every message of one case back, until the connection ends."""
    try:
        async with connect(
            f"{uri}/runCase?case={case}&agent={agent}",
            proxy=None,
            max_size=None,  # group 9 sends messages of 16 MiB
            ping_interval=None,  # the suite is single-threaded and may be busy for long
        ) as websocket:
            async for message in websocket:
                await websocket.send(message)
    except ConnectionClosed:
        # Most cases break the protocol: the suite judges how we closed.
        pass


async def update_reports(uri: str, agent: str) -> None:
    """Make the fuzzing server write its reports, and wait until it has."""
    async with connect(f"{uri}/updateReports?agent={agent}", proxy=None) as websocket:
        await websocket.wait_closed()


async def main(uri: str, agent: str) -> None:
    """Run all cases in order."""
    for case in range(1, await count_cases(uri) + 1):
        await run_case(uri, case, agent)
    await update_reports(uri, agent)


if __name__ == "__main__":
    # Every case that breaks the protocol would log; errors of ours must show.
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(main(sys.argv[1], sys.argv[2]))
