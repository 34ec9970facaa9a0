"""What connections leave in their event loop, which runs everything else, too."""

from __future__ import annotations

import asyncio
import gc

import pytest

from tests.asyncio.helpers import (
    client_context,
    run_own,
    server_context,
    serving,
    uri_of,
)
from websockets.asyncio.client import connect


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_no_dict_is_made_for_the_loop(secure):
    """CPython 3.11 and 3.12 find attributes slowly once somebody has seen __dict__."""
    server_tls = server_context() if secure else None
    client_tls = client_context() if secure else None

    async def scenario():
        async with (
            serving(ssl=server_tls) as server,
            connect(uri_of(server, "wss" if secure else "ws"), ssl=client_tls) as ws,
        ):
            await ws.send("hello")
            assert await ws.recv() == "hello"
        kept = gc.get_referents(asyncio.get_running_loop())
        assert not [
            each for each in kept if isinstance(each, dict) and "_ready" in each
        ]

    run_own(scenario)
