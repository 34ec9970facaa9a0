"""While a proxy or a PAC file keeps connect() waiting, the event loop goes on.

For asyncio only: the other faces have no event loop, or wait as it does.
"""

from __future__ import annotations

import asyncio
import importlib.util
import time
from typing import Any

import pytest

from tests.daemons import missing
from tests.proxies.conftest import Script, Talk
from tests.proxies.lab import PASSWORD, USER
from websockets.asyncio.client import connect
from websockets.proxy import PAC


#: Seconds that the loop may stand still; machines of CI services do, too.
STANDSTILL = 0.5


async def longest_standstill(*args: Any, **settings: Any) -> float:
    """Return the longest time between two turns of the loop while connecting fails."""
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        last = time.monotonic()
        while True:
            await asyncio.sleep(0.01)
            now = time.monotonic()
            longest, last = max(longest, now - last), now

    beating = asyncio.create_task(beat())
    try:
        with pytest.raises(Exception):  # noqa: B017, PT011  (others test what)
            await connect(*args, **settings)
    finally:
        beating.cancel()
        await asyncio.wait([beating])
    return longest


def test_pac(talk: Talk) -> None:
    """A PAC file that runs for ever stops nothing."""
    if importlib.util.find_spec("pypac") is None:
        missing("pypac")
    pac = PAC("function FindProxyForURL(url, host) { for (;;) {} }", timeout=1)
    standstill = asyncio.run(longest_standstill(talk.uri("ws"), proxy=pac))
    assert standstill < STANDSTILL


def test_cancelled_pac(talk: Talk) -> None:
    """Cancelling doesn't wait for the PAC file."""
    pac = PAC("function FindProxyForURL(url, host) { for (;;) {} }", timeout=60)

    async def run() -> None:
        task = asyncio.create_task(connect(talk.uri("ws"), proxy=pac).__aenter__())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    start = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - start < 5


def test_ntlm(script: Script, talk: Talk) -> None:
    """Importing pyspnego and computing NTLM's answers stops nothing."""
    proxy = script(auth=["ntlm"], always_407=True)
    standstill = asyncio.run(
        longest_standstill(
            talk.uri("ws"), proxy=proxy.url(), proxy_auth=(USER, PASSWORD)
        )
    )
    assert standstill < STANDSTILL


@pytest.mark.parametrize("after", [0.0, 0.005, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("auth", ["digest-sha256", "ntlm"])
def test_cancelled(script: Script, talk: Talk, auth: str, after: float) -> None:
    """Cancelling at some moment of the legs leaves nothing behind."""
    proxy = script(auth=[auth], fragment=True, body=2000)

    async def run() -> None:
        opening = connect(
            talk.uri("ws"), proxy=proxy.url(), proxy_auth=(USER, PASSWORD)
        )
        task = asyncio.create_task(opening.__aenter__())
        await asyncio.sleep(after)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and task.exception() is None:
            await task.result().close()

    asyncio.run(run())
