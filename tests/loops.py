"""The event loops that the suite runs on.

WEBSOCKETS_TEST_LOOP=uvloop runs on uvloop what runs on asyncio's own loop otherwise. The
loop whose clock jumps stays: it needs asyncio's selectors.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import pytest


# Seconds; long enough for a loaded machine, and reached only when something hangs. Builds
# with sanitizers take longer.
PATIENCE = float(os.environ.get("WEBSOCKETS_TEST_PATIENCE", "20"))

NewLoop = Callable[[], asyncio.AbstractEventLoop]


def new_uvloop() -> asyncio.AbstractEventLoop:
    uvloop = pytest.importorskip("uvloop")
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


ON_UVLOOP = os.environ.get("WEBSOCKETS_TEST_LOOP") == "uvloop"

new_loop: NewLoop = new_uvloop if ON_UVLOOP else asyncio.SelectorEventLoop

#: How to make a loop, and whether it runs in asyncio's debug mode.
LOOPS: dict[str, tuple[NewLoop, bool]] = {
    "asyncio": (new_loop, False),
    "debug": (new_loop, True),
    "uvloop": (new_uvloop, False),
}

#: asyncio's own loop, whatever the suite runs on: for what is compared with it.
OWN_LOOP: tuple[NewLoop, bool] = (asyncio.SelectorEventLoop, False)
