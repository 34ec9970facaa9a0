"""Invariant: whenever a ceremony is stopped, nothing stays open (design.md, 6 and 8)."""

from __future__ import annotations

import types

import pytest

from tests.opening.fakes import (
    TUNNEL,
    Cancelled,
    FakeNetwork,
    interrupt,
    redirect,
    suspend,
    switch,
)
from tests.opening.test_accept import GOOD
from websockets._opening.accept import accept
from websockets._opening.connect import open_connection
from websockets._opening.proxies import pac as pac_module
from websockets._opening.settings import Settings
from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.proxy import PAC, BearerAuth, ProxyAuth, parse_proxy
from websockets.server import ServerProtocol


ASKING = b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm=x\r\n"
REFUSED = b"HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\n"

TOKEN = b"HTTP/1.1 407 More\r\nProxy-Authenticate: NTLM dG9r\r\n"


class Legs(ProxyAuth):
    """NTLM, as far as anybody outside can see."""

    schemes = ("ntlm",)
    connection_bound = blocking = True

    def flow(self, hop):
        yield None
        yield "NTLM one"
        yield "NTLM three"


BARE = b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: NTLM\r\nContent-Length: 3\r\n\r\n"
LEGS = [
    *[BARE + b"why", TOKEN + b"Content-Length: 3\r\n\r\n", b"wh", b"y"],
    *[TUNNEL, switch],
]

CLIENTS = {
    "ws": ("ws://h.test", {}, [[switch]]),
    "wss": ("wss://h.test", {}, [[b"HTTP/1.1 403 No\r\n\r\n", b"x", b""]]),
    "unix": ("wss://h.test", {"unix": True, "path": "/s"}, [[switch]]),
    "sock": ("wss://h.test", {"sock": "sock"}, [[switch]]),
    "proxy": ("ws://h.test", {"proxy": "http://p"}, [[b"HTTP/1.1 2", b""]]),
    "tunnel": ("wss://h.test", {"proxy": "http://p"}, [[TUNNEL, switch]]),
    "https proxy": ("wss://h.test", {"proxy": "https://p"}, [[TUNNEL, switch]]),
    "socks4": (
        "ws://h.test",
        {"proxy": "socks4://p"},
        [[b"\x00\x5a", bytes(6), switch]],
    ),
    "socks5": (
        "wss://h.test",
        {"proxy": "socks5://u:p@p"},
        [
            [b"\x05\x02", b"\x01\x00", b"\x05\x05\x00"],
            [b"\x05", b"\x02", b"\x01\x00", b"\x05\x00\x00\x01" + bytes(6), switch],
        ],
    ),
    "chain": (
        "wss://h.test",
        {"proxy": ["https://p", "socks5h://q", "http://r"]},
        [
            [
                *[TUNNEL, b"\x05\x00", b"\x05\x00\x00\x01" + bytes(6)],
                *[TUNNEL, switch],
            ]
        ],
    ),
    "chain again": (
        "ws://h.test",
        {"proxy": ["http://p", "socks4://q"]},
        [[TUNNEL, b"\x00\x5b"], [TUNNEL, b"\x00\x5a" + bytes(6), switch]],
    ),
    "authenticated https proxy": (
        "wss://h.test",
        {"proxy": "https://p", "proxy_auth": ("ann", "s3cret")},
        [
            [ASKING + b"Connection: close\r\nContent-Length: 3\r\n\r\n", b"why"],
            [TUNNEL, switch],
        ],
    ),
    "blocking": (
        "ws://h.test",
        {"proxy": ["socks5h://q", "http://p"], "proxy_auth": BearerAuth(lambda: "t")},
        [
            [
                *[b"\x05\x00", b"\x05\x00\x00\x01" + bytes(6)],
                *[TUNNEL, switch],
            ]
        ],
    ),
    "legs": ("ws://h.test", {"proxy": "http://p", "proxy_auth": Legs()}, [LEGS, LEGS]),
    "legs in a chain": (
        "wss://h.test",
        {"proxy": ["socks5h://q", "https://p"], "proxy_auth": Legs()},
        [[b"\x05\x00", b"\x05\x00\x00\x01" + bytes(6), *LEGS]] * 2,
    ),
    "PAC": ("ws://h.test", {"proxy": PAC("FindProxyForURL")}, [[TUNNEL, switch]] * 2),
    "refused": ("ws://h.test", {"proxy": "http://p"}, [[REFUSED, b"w", b"hy"]]),
    "redirect": (
        "ws://h.test",
        {},
        [[redirect("/a")], [redirect("wss://g.test")], [switch]],
    ),
}


async def connecting(network, uri, settings):
    """Perform the client's ceremony; release the connection when that succeeds."""
    try:
        opened = await open_connection(network, uri, settings)
    except (OSError, WebSocketException):
        pass
    else:
        opened.stream.abort()


@pytest.fixture
def script(monkeypatch):
    """A PAC file names two proxies, without a process."""
    answer = (parse_proxy("http://p"), parse_proxy("http://q"))
    monkeypatch.setattr(pac_module.Inquiry, "run", lambda inquiry: answer)


@pytest.mark.usefixtures("script")
@pytest.mark.parametrize(
    "exception", [Cancelled, OSError, ConnectionResetError, TimeoutError]
)
@pytest.mark.parametrize("name", CLIENTS)
def test_client_interrupted(name, exception):
    """A client's ceremony that's stopped, at any await, leaves nothing open."""
    uri, kwargs, scripts = CLIENTS[name]
    settings = Settings(**{"proxy": None, "create_protocol": ClientProtocol, **kwargs})
    labels = []
    while True:
        network = FakeNetwork(*scripts)
        network.addresses["h.test"] = ("192.0.2.1", "192.0.2.2")
        coro = connecting(network, uri, settings)
        label = interrupt(coro, len(labels), exception())
        assert network.open == set()
        # Whatever happened, a password is proved once.
        assert b"".join(network.written).count(b"NTLM three") <= 1
        if not label:
            break
        labels.append(label)
    # The test looked at what it claims to look at.
    assert labels[0] in {"tcp", "unix", "adopt", "run_blocking"}
    assert {"write", "read"} <= set(labels)
    tls = name == "redirect" or uri.startswith("wss") or "https" in name
    assert ("start_tls" in labels) == tls
    assert ("run_blocking" in labels) == (
        name in {"blocking", "legs", "legs in a chain", "PAC"}
    )
    assert ("resolve" in labels) == (name in {"socks4", "socks5", "chain again"})


@pytest.mark.parametrize("exception", [Cancelled, OSError])
@pytest.mark.parametrize(
    "request_", [GOOD, GOOD.replace(b"GET", b"PUT"), b"junk\r\n\r\n"]
)
def test_server_interrupted(request_, exception):
    """A server's ceremony that's stopped, at any await, leaves nothing open."""

    async def process_request(connection, request):
        await suspend("process_request")

    async def process_response(connection, request, response):
        await suspend("process_response")

    labels = []
    while True:
        network = FakeNetwork([request_[:9], request_[9:]])

        async def ceremony(network=network):
            stream = await network.open_tcp("client", 1)
            connection = types.SimpleNamespace(request=None, response=None)
            try:
                await accept(
                    stream,
                    ServerProtocol(),
                    connection,
                    process_request=process_request,
                    process_response=process_response,
                )
            except (OSError, WebSocketException):
                pass
            else:
                stream.abort()

        label = interrupt(ceremony(), len(labels), exception())
        assert network.open == set()
        if not label:
            break
        labels.append(label)
    assert {"read", "write"} <= set(labels)
    assert ("process_response" in labels) == (request_ != b"junk\r\n\r\n")
    assert ("close" in labels) == (request_ != GOOD)
