"""Our client talks to servers of others."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemons import first_line, running
from tests.interop.programs import node_peer, python_peer
from tests.interop.scenarios import EXPECTED, OurClient


#: What the interface of a server can't do: neither tells how many fragments it got.
CANNOT = {
    "aiohttp": {"fragments_received", "fragments_counted"},
    "ws": {"fragments_counted"},
}

CASES = [
    pytest.param(server, scenario, id=f"{server}-{scenario}")
    for server, cannot in CANNOT.items()
    for scenario in EXPECTED
    if scenario not in cannot
]


def command(server: str) -> list[str]:
    """Return the command line of a server."""
    if server == "aiohttp":
        return python_peer("aiohttp_server.py", "aiohttp", "aiohttp")
    return node_peer("node_server.js")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A function that returns the URI of a server, started when first asked for."""
    uris: dict[str, str] = {}
    folder = tmp_path_factory.mktemp("servers")
    with contextlib.ExitStack() as stack:

        def uri_of(server: str) -> str:
            if server not in uris:
                log = folder / f"{server}.log"
                process = stack.enter_context(
                    running(command(server), log=log, stdout=subprocess.PIPE)
                )
                uris[server] = f"ws://127.0.0.1:{first_line(process, log)}"
            return uris[server]

        yield uri_of


@pytest.mark.parametrize(("server", "scenario"), CASES)
def test_server_of_others(servers: Any, server: str, scenario: str) -> None:
    """Our client gets what was agreed from a server of others."""
    result = asyncio.run(OurClient(servers(server)).run(scenario))
    assert result == EXPECTED[scenario]
