"""Clients of others talk to our server."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http
import json
import os
import signal
import tempfile
from collections.abc import Sequence
from typing import Any

import pytest

from tests.daemons import program
from tests.interop.programs import PEERS, node_peer, python_peer
from tests.interop.scenarios import EXPECTED, Paths, our_server
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response


#: What the interface of a client can't do.
CANNOT: dict[str, set[str]] = {
    "websocket-client": {"deflate"},
    "aiohttp": {"fragments_sent", "fragments_counted"},
    "ws": set(),
    "chromium": {"fragments_sent", "fragments_counted", "ping_sent"},
}

CASES = [
    pytest.param(client, scenario, id=f"{client}-{scenario}")
    for client, cannot in CANNOT.items()
    for scenario in EXPECTED
    if scenario not in cannot
]

#: Seconds for all scenarios of one client.
TIME_LIMIT = 90

#: Chromium on a machine without a network, a display, or another user than root.
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


def command(client: str) -> list[str]:
    """Return the command line of a client, without its last argument, the URI."""
    match client:
        case "websocket-client":
            return python_peer("websocket_client.py", "websocket", "websocket-client")
        case "aiohttp":
            return python_peer("aiohttp_client.py", "aiohttp", "aiohttp")
        case "ws":
            return node_peer("node_client.js")
        case _:
            return [program("chromium", "chromium-browser", "google-chrome")]


async def run_program(command: Sequence[str]) -> str:
    """Run a client that prints its results, and return them."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(TIME_LIMIT):
            out, errors = await process.communicate()
    finally:
        await end(process)
    assert process.returncode == 0, errors.decode(errors="replace")[-2000:]
    return out.decode()


async def run_browser(command: Sequence[str], paths: Paths) -> str:
    """Run Chromium until its page has sent the results, and return them."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            command[0],
            *CHROMIUM_FLAGS,
            f"--user-data-dir={profile}",
            *command[1:],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(TIME_LIMIT):
                return await paths.reports.get()
        finally:
            await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """End a process and its children, and reap it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def serve_page(connection: ServerConnection, request: Request) -> Response | None:
    """Answer a browser's requests for the page and its script."""
    name, kind = {
        "/": ("browser.html", "text/html"),
        "/scenarios.js": ("scenarios.js", "text/javascript"),
    }.get(request.path, (None, None))
    if name is None:
        if "Upgrade" in request.headers:
            return None
        return connection.respond(http.HTTPStatus.NOT_FOUND, "not here\n")
    body = (PEERS / name).read_bytes()
    headers = Headers(
        {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
    )
    return Response(200, "OK", headers, body)


@functools.cache
def results_of(client: str) -> dict[str, Any]:
    """Let a client run all of its scenarios against our server."""
    words = command(client)

    async def run() -> str:
        paths = Paths()
        async with our_server(paths, process_request=serve_page) as port:
            if client == "chromium":
                uri = f"http://127.0.0.1:{port}/"
                return await run_browser([*words, uri], paths)
            return await run_program([*words, f"ws://127.0.0.1:{port}"])

    results: dict[str, Any] = json.loads(asyncio.run(run()))
    return results


@pytest.mark.parametrize(("client", "scenario"), CASES)
def test_client_of_others(client: str, scenario: str) -> None:
    """A client of others gets what was agreed from our server."""
    assert results_of(client)[scenario] == EXPECTED[scenario]


@pytest.mark.parametrize("client", CANNOT)
def test_every_scenario_is_run(client: str) -> None:
    """A client runs the scenarios that it is said to be able to run, no fewer."""
    assert results_of(client).keys() == EXPECTED.keys() - CANNOT[client]
