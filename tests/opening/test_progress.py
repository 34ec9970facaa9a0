"""How far a ceremony came: deadlines and logs."""

from __future__ import annotations

import logging

import pytest

from tests.opening.fakes import TUNNEL, FakeNetwork
from tests.opening.test_route import DONE5, plan
from websockets._opening.progress import Progress, ProxyHop
from websockets._opening.route import open_route
from websockets.datastructures import Headers
from websockets.exceptions import ProxyTimeout


CHAIN = ["https://u:s3cret@p.test", "socks5h://u:s3cret@q.test"]
CONNECTING = "while connecting to the proxy https://p.test:443 (proxy 1 of 2)"
TLS = "while performing a TLS handshake with https://p.test:443 (proxy 1 of 2)"
FIRST = (
    "while asking the proxy https://p.test:443 to connect to q.test:1080 (proxy 1 of 2)"
)
SECOND = (
    "while asking the proxy socks5h://q.test:1080 to connect to h.test:443 "
    "(proxy 2 of 2)"
)


def stop(awaits, progress):
    """Go a way until it has awaited that often; return what it was doing."""
    network = FakeNetwork([TUNNEL, b"\x05\x02", b"\x01\x00", DONE5])
    route = plan("wss://h.test", proxy=CHAIN)
    coro = open_route(network, route, progress)
    for _ in range(awaits):
        label = coro.send(None)
    coro.close()
    assert not network.open
    return label


@pytest.mark.parametrize(
    ("awaits", "label", "note"),
    [
        (1, "tcp", CONNECTING),
        (2, "start_tls", TLS),
        (3, "start_tls", TLS),
        (4, "write", FIRST),
        (5, "read", FIRST),
        (6, "write", SECOND),
        (7, "read", SECOND),
        (8, "write", SECOND),
        (9, "read", SECOND),
        (10, "write", SECOND),
        (11, "read", SECOND),
        (12, "start_tls", None),
    ],
)
def test_timed_out(awaits, label, note):
    """A deadline is a ProxyTimeout that says which proxy and what, or TimeoutError."""
    progress = Progress()
    assert stop(awaits, progress) == label
    exc = progress.timed_out()
    assert str(exc) == "timed out during opening handshake"
    if note is None:
        assert type(exc) is TimeoutError
        assert not hasattr(exc, "__notes__")
    else:
        assert type(exc) is ProxyTimeout
        assert isinstance(exc, TimeoutError)
        assert exc.__notes__ == [note]
        assert (exc.proxy, exc.hop) == (
            ("socks5h://q.test:1080", 2)
            if note is SECOND
            else ("https://p.test:443", 1)
        )


def test_trace(caplog):
    """At level DEBUG the dialogues are logged, without credentials."""
    caplog.set_level(logging.DEBUG)
    stop(12, Progress())
    assert [record.getMessage() for record in caplog.records] == [
        "= connecting to the proxy https://p.test:443",
        "= performing a TLS handshake with https://p.test:443",
        "= asking the proxy https://p.test:443 to connect to q.test:1080",
        "> CONNECT q.test:1080 HTTP/1.1",
        "> Host: q.test:1080",
        caplog.records[5].getMessage(),
        "> Proxy-Authorization: ***",
        "< HTTP/1.1 200 Connection established",
        "= asking the proxy socks5h://q.test:1080 to connect to h.test:443",
        "> SOCKS5 methods [0, 2]",
        "< SOCKS5 method 2",
        "> SOCKS5 user name *** password ***",
        "< SOCKS5 status 0",
        "> SOCKS5 CONNECT h.test port 443",
        "< SOCKS5 reply 0",
    ]
    assert caplog.records[5].getMessage().startswith("> User-Agent: ")
    assert {record.name for record in caplog.records} == {"websockets.client"}


def test_no_trace(caplog):
    """At level INFO nothing is logged; a logger can be given."""
    caplog.set_level(logging.INFO)
    stop(12, Progress(logging.getLogger("mine")))
    assert not caplog.records
    caplog.set_level(logging.DEBUG)
    stop(1, Progress(logging.getLogger("mine")))
    assert [record.name for record in caplog.records] == ["mine"]


def test_hop():
    """The repr of a hop shows no header."""
    hop = ProxyHop("http://p:80", "basic", Headers({"X": "s3cret"}))
    assert repr(hop) == "ProxyHop(url='http://p:80', auth='basic')"
