"""The peer of the measurements speaks WebSocket, as a server and as a load."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys

import pytest

from benchmarks.messages import frames, write_frames
from benchmarks.processes import CERTIFICATE, ROOT, compile_peer
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve


pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("cc") is None,
    reason="the peer needs epoll and a compiler",
)


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    return compile_peer(tmp_path_factory.mktemp("peer"))


@pytest.mark.parametrize("tls", [[], ["-DWITH_TLS"]])
def test_no_compiler_warns(tls) -> None:
    """It is clean C11, with TLS and without."""
    if tls and not pathlib.Path("/usr/include/openssl/ssl.h").exists():
        pytest.skip("OpenSSL's headers aren't here")
    sources = sorted(ROOT.glob("benchmarks/peer/*.c"))
    strict = ["cc", "-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*strict, *tls, *sources], check=True)


@contextlib.asynccontextmanager
async def running(peer, *words):
    """Run the peer; at the end it ends by itself, because its input does."""
    process = await asyncio.create_subprocess_exec(
        *(peer, *words), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def answer(process):
    return json.loads(await asyncio.wait_for(process.stdout.readline(), 10))


def with_server(peer, tmp_path, talk):
    """Run a conversation with the peer's server, which has one flood ready."""
    flood = write_frames(tmp_path / "flood", frames(65536, masked=False))

    async def main():
        async with running(peer, "serve", flood) as process:
            await talk(await answer(process))

    asyncio.run(main())


def test_the_server_echoes(peer, tmp_path) -> None:
    """Messages of any size come back, pings are answered, and it closes in order."""

    async def talk(ports):
        url = f"ws://127.0.0.1:{ports['ws']}/echo"
        async with connect(url, compression=None) as websocket:
            for size in (0, 1, 125, 126, 65535, 65536, 2**20):
                message = bytes(index % 251 for index in range(size))
                await websocket.send(message)
                assert await websocket.recv() == message
            await websocket.send("Hello!")
            assert await websocket.recv() == "Hello!"
            await (await websocket.ping())
        assert websocket.close_code == 1000

    with_server(peer, tmp_path, talk)


def test_the_server_echoes_compressed_messages(peer, tmp_path) -> None:
    """It doesn't look into them."""

    async def talk(ports):
        async with connect(f"ws://127.0.0.1:{ports['ws']}/echo") as websocket:
            for _ in range(3):
                await websocket.send("Hello! " * 1000)
                assert await websocket.recv() == "Hello! " * 1000

    with_server(peer, tmp_path, talk)


def test_the_server_floods_and_counts(peer, tmp_path) -> None:
    """As many messages as were asked for come, or are counted."""

    async def talk(ports):
        base = f"ws://127.0.0.1:{ports['ws']}"
        async with connect(f"{base}/flood/0?50", compression=None) as websocket:
            for _ in range(2):
                await websocket.send("go")
                received = [await websocket.recv() for _ in range(50)]
                assert {len(message) for message in received} == {65536}
                assert len(set(received)) == 16
        async with connect(f"{base}/count?3", compression=None) as websocket:
            for _ in range(6):
                await websocket.send("x")
            assert [await websocket.recv() for _ in range(2)] == ["END"] * 2

    with_server(peer, tmp_path, talk)


def test_the_server_echoes_bytes(peer, tmp_path) -> None:
    """There is a port without WebSocket."""

    async def talk(ports):
        reader, writer = await asyncio.open_connection("127.0.0.1", ports["raw"])
        writer.write(b"x" * 300000)
        assert await reader.readexactly(300000) == b"x" * 300000
        writer.close()
        await writer.wait_closed()

    with_server(peer, tmp_path, talk)


def test_tls(peer) -> None:
    """It is there when OpenSSL was found, and works then."""
    done = subprocess.run([peer, "tls"], stdout=subprocess.PIPE, check=True)
    if done.stdout.strip() == b"0":
        pytest.skip("OpenSSL's headers aren't here")
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    settings.check_hostname = False
    settings.verify_mode = ssl.CERT_NONE

    async def main():
        async with running(peer, "serve", f"tls={CERTIFICATE}") as process:
            ports = await answer(process)
            url = f"wss://127.0.0.1:{ports['wss']}/echo"
            async with connect(url, ssl=settings) as websocket:
                await websocket.send(b"x" * 100000)
                assert await websocket.recv() == b"x" * 100000

    asyncio.run(main())


def with_load(peer, handler, *words, begin=False):
    """Run a load on a server of ours; return what it reports."""

    async def main():
        async with serve(handler, "127.0.0.1", 0, compression=None) as server:
            port = server.sockets[0].getsockname()[1]
            where = (f"port={port}", f"pid={os.getpid()}")
            async with running(peer, *words, *where) as process:
                first = await answer(process)
                if not begin:
                    return first
                process.stdin.write(b"begin\n")
                return await answer(process)

    return asyncio.run(main())


async def echo(websocket):
    async for message in websocket:
        await websocket.send(message)


def test_a_load_of_round_trips(peer, tmp_path) -> None:
    """Every connection has its turns, and latencies are taken."""
    path = write_frames(tmp_path / "frames", frames(64, masked=True))
    words = ("echo", f"frames={path}", "conns=5", "warm=1", "ms=5")
    report = with_load(peer, echo, *words)
    assert report["n"] >= 25
    assert 0 < report["p50"] <= report["p99"] < report["secs"]
    # A frame of 64 bytes without mask is 66 bytes long.
    assert report["bytes"] == 66 * report["n"]
    assert report["cpu"] > 0


def test_a_load_of_messages(peer, tmp_path) -> None:
    """It announces and sends as many as it was told, and waits until they are counted."""
    announced = []

    async def count(websocket):
        while True:
            announced.append(int(await websocket.recv()))
            for _ in range(announced[-1]):
                assert len(await websocket.recv()) == 64
            await websocket.send("END")

    path = write_frames(tmp_path / "frames", frames(64, masked=True))
    report = with_load(peer, count, "count", f"frames={path}", "n=3000")
    assert announced == [301, 3000]
    assert report["n"] == 3000


def test_a_load_of_a_broadcast(peer) -> None:
    """One connection asks, all receive; one that stalls doesn't count."""
    members = set()
    asked = []

    async def handler(websocket):
        members.add(websocket)
        async for message in websocket:
            asked.append(message)
            if message == "0":
                for member in members:
                    await member.send("x" * 100)

    words = ("broadcast", "conns=10", "rounds=3", "warm=1", "stalled=1")
    report = with_load(peer, handler, *words, begin=True)
    assert sorted(asked) == ["0"] * 4 + ["4"]
    assert (report["n"], report["bytes"]) == (30, 30 * 102)


def test_a_load_of_handshakes(peer) -> None:
    """Connections are opened and closed as RFC 6455 says."""
    codes = []

    async def handler(websocket):
        await websocket.wait_closed()
        codes.append(websocket.close_code)

    report = with_load(peer, handler, "connect", "n=20")
    assert report["n"] == 20
    assert codes == [1000] * 26
