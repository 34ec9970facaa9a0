"""Clients behind proxies: chains, certificates, deadlines, cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest

from tests.asyncio.helpers import (
    CERTIFICATE,
    LOOPS,
    client_context,
    raw_server,
    run,
    run_jumping,
    run_on,
    server_context,
    serving,
    steps,
    uri_of,
)
from tests.asyncio.proxying import proxying
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ProxyError, ProxyTimeout
from websockets.proxy import Proxy, ProxyHop


every_loop = pytest.mark.parametrize("loop", LOOPS)

CHAINS = [
    ["http"],
    ["https"],
    ["socks5"],
    ["socks5h"],
    ["https", "https"],
    ["https", "socks5h", "http"],
]


@pytest.fixture(autouse=True)
def nothing_is_discovered(monkeypatch):
    """The environment of whoever runs the tests names no proxy."""
    monkeypatch.setattr("websockets._opening.choice.discover_proxy", lambda *args: None)


@contextlib.asynccontextmanager
async def behind(kinds, scheme="wss"):
    """A server behind proxies; gives URI and arguments for connect()."""
    tls = server_context() if scheme == "wss" else None
    async with serving(ssl=tls) as server, proxying(*kinds) as urls:
        contexts = {"ssl": client_context()} if tls else {}
        context = client_context()
        chain = [
            Proxy(url, ssl=context if url.startswith("https") else None) for url in urls
        ]
        yield uri_of(server, scheme), {"proxy": chain, **contexts}


@every_loop
@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("kinds", CHAINS, ids="+".join)
def test_through(loop, scheme, kinds):
    """Messages go through proxies of each kind; the connection tells which ones."""

    async def scenario():
        async with behind(kinds, scheme) as (uri, options):
            async with connect(uri, **options) as websocket:
                await websocket.send("through")
                assert await websocket.recv() == "through"
            assert [hop.url for hop in websocket.proxy] == list(
                map(str, options["proxy"])
            )
            assert [hop.auth for hop in websocket.proxy] == [
                "password" if "socks" in kind else None for kind in kinds
            ]
            for hop in websocket.proxy:
                assert hop.headers is None or hop.headers["Via"] == "here"

    run_on(loop, scenario)


def test_no_proxy():
    """A connection without proxies tells so."""

    async def scenario():
        async with serving() as server, connect(uri_of(server)) as websocket:
            assert websocket.proxy == ()

    run(scenario)


def test_overridden_connection():
    """Also when programs make connections of their own."""

    class Custom(ClientConnection):
        async def handshake(self, *args, **kwargs):
            await super().handshake(*args, **kwargs)

    async def scenario():
        async with behind(["http"]) as (uri, options):
            options["create_connection"] = Custom
            async with connect(uri, **options) as websocket:
                assert isinstance(websocket, Custom)
                assert websocket.proxy == (ProxyHop(*one_hop(options, websocket)),)
        async with (
            serving() as server,
            connect(uri_of(server), create_connection=Custom) as websocket,
        ):
            assert websocket.proxy == ()

    def one_hop(options, websocket):
        return str(options["proxy"][0]), None, websocket.proxy[0].headers

    run(scenario)


@every_loop
def test_client_certificate(loop):
    """Each proxy gets the certificate of its own context."""

    async def scenario():
        async with behind(["https+certificate", "https"]) as (uri, options):
            near, far = options["proxy"]
            context = client_context()
            context.load_cert_chain(CERTIFICATE)
            near = Proxy(str(near), ssl=context)
            async with connect(uri, **{**options, "proxy": [near, far]}) as websocket:
                assert len(websocket.proxy) == 2

    run_on(loop, scenario)


def test_no_client_certificate():
    """A proxy that wants a certificate and gets none is named by the error."""

    async def scenario():
        async with behind(["https+certificate", "http"]) as (uri, options):
            # TLS 1.3 tells only when the first answer is awaited.
            with pytest.raises((OSError, ProxyError)) as raised:
                await connect(uri, **options)
            assert str(options["proxy"][0]) in raised.value.__notes__[0]

    run(scenario)


def test_callable():
    """A callable chooses the proxy for a URI."""

    async def scenario():
        async with behind(["http"], "ws") as (uri, options):
            chain = options["proxy"]
            options["proxy"] = {uri: chain}.__getitem__
            async with connect(uri, **options) as websocket:
                assert len(websocket.proxy) == 1

    run(scenario)


def test_proxy_auth():
    """proxy_auth is for the last proxy."""

    async def scenario():
        async with behind(["http", "socks5h"], "ws") as (uri, options):
            near, far = options["proxy"]
            options["proxy"] = [near, str(far)]
            async with connect(
                uri, proxy_auth=("ann", "s3cret"), **options
            ) as websocket:
                assert [hop.auth for hop in websocket.proxy] == [None, "password"]

    run(scenario)


# Deadlines


@pytest.mark.parametrize(
    ("scheme", "said", "doing"),
    [
        ("http", b"", "asking the proxy http://{} to connect to h.test:80"),
        ("http", b"HTTP/1.1 200", "asking the proxy http://{} to connect to h.test:80"),
        ("https", b"", "performing a TLS handshake with https://{}"),
        ("socks5h", b"", "asking the proxy socks5h://{} to connect to h.test:80"),
        (
            "socks5h",
            b"\x05\x00",
            "asking the proxy socks5h://{} to connect to h.test:80",
        ),
    ],
)
def test_timeout(scheme, said, doing):
    """A proxy that doesn't answer in time is a ProxyTimeout, which says what it did."""

    async def scenario():
        async def talk(reader, writer):
            writer.write(said)
            while await reader.read(2**16):
                pass

        async with raw_server(talk) as port:
            with pytest.raises(ProxyTimeout) as raised:
                await connect(
                    "ws://h.test",
                    open_timeout=5,
                    proxy=f"{scheme}://ann:s3cret@127.0.0.1:{port}",
                )
            address = f"127.0.0.1:{port}"
            assert str(raised.value) == "timed out during opening handshake"
            assert raised.value.__notes__ == ["while " + doing.format(address)]
            assert raised.value.proxy == f"{scheme}://{address}"
            assert raised.value.hop == 1

    run_jumping(scenario)


def test_timeout_of_server():
    """A server that doesn't answer in time, behind a proxy, is a TimeoutError."""

    async def scenario():
        async def talk(reader, writer):
            await reader.read(2**16)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while await reader.read(2**16):
                pass

        async with raw_server(talk) as port:
            with pytest.raises(TimeoutError) as raised:
                await connect("ws://h.test", proxy=f"http://127.0.0.1:{port}")
            assert type(raised.value) is TimeoutError

    run_jumping(scenario)


# Cancellation


@pytest.mark.parametrize("kinds", CHAINS, ids="+".join)
def test_cancelled(kinds):
    """Cancelling, after whatever number of steps of the loop, leaves nothing behind."""

    async def scenario():
        async with behind(kinds) as (uri, options):
            count = 0
            while True:
                task = asyncio.create_task(connect(uri, **options).connect())
                await steps(count)
                task.cancel()
                try:
                    websocket = await task
                except asyncio.CancelledError:
                    count += 1 + count // 8
                else:
                    await websocket.close()
                    break
            assert count > 5

    run(scenario)


# Logs


def test_trace(caplog):
    """DEBUG logs show the dialogue with each proxy, to the logger of the user."""

    async def scenario():
        async with behind(["http", "socks5h"], "ws") as (uri, options):
            logger = logging.getLogger("mine")
            async with connect(
                uri, logger=logger, proxy_headers={"X-Token": "t0ken"}, **options
            ):
                pass

    caplog.set_level(logging.DEBUG)
    run(scenario)
    texts = [record.getMessage() for record in caplog.records if record.name == "mine"]
    assert any(text.startswith("> CONNECT 127.0.0.1:") for text in texts)
    assert "< Via: here" in texts
    assert "< SOCKS5 reply 0" in texts
    assert not any("s3cret" in text or "t0ken" in text for text in texts)
