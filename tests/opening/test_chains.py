"""Which proxies are used, and chains of them."""

from __future__ import annotations

import pytest

from tests.opening.fakes import TUNNEL, FakeNetwork, fields, run
from tests.opening.test_route import DONE4, DONE5, fail, go, plan
from websockets._opening.progress import Progress
from websockets._opening.route import open_route
from websockets.exceptions import InvalidProxy
from websockets.proxy import Proxy, ProxyHop


# Chains


def test_chain():
    """Each proxy connects to the next one, the last to the server; each has its TLS."""
    network = go(
        "wss://h.test/",
        [TUNNEL, b"\x05\x00", DONE5, TUNNEL],
        proxy=["https://p.test", "socks5h://q.test", Proxy("https://r.test:8443")],
    )
    assert network.log == [
        ("tcp", "p.test", 443),
        ("tls", "default http/1.1", "p.test", {}),
        *["write", "write", "write"],
        ("tls", "default http/1.1", "r.test", {}),
        "write",
        ("tls", "default ", "h.test", {}),
    ]
    assert network.written[1].startswith(b"CONNECT q.test:1080 HTTP/1.1\r\n")
    assert network.written[1].endswith(b"\x05\x01\x00\x03\x06r.test\x20\xfb")
    assert network.written[2].startswith(b"CONNECT h.test:443 HTTP/1.1\r\n")
    assert [hop.url for hop in go.progress.hops] == [
        *["https://p.test:443", "socks5h://q.test:1080", "https://r.test:8443"]
    ]
    assert go.progress.hops[1] == ProxyHop("socks5h://q.test:1080")
    assert dict(go.progress.hops[2].headers) == {}


def test_chain_of_one():
    """A list of one proxy is like the proxy; an empty one is none; tuples will do."""
    assert plan("ws://h", proxy=["http://p"]) == plan("ws://h", proxy="http://p")
    assert plan("ws://h", proxy=("http://p",)) == plan("ws://h", proxy="http://p")
    assert plan("ws://h", proxy=[]) == plan("ws://h", proxy=None)


def test_last_proxy():
    """Arguments about a proxy concern the last one; others have their own."""
    own = Proxy(
        "https://p.test", headers={"X": "p"}, ssl="p's context", server_hostname="pp"
    )
    network = go(
        "ws://h.test/",
        [TUNNEL, TUNNEL],
        proxy=[own, "https://q.test"],
        proxy_headers={"X": "q"},
        proxy_ssl="q's context",
        proxy_server_hostname="qq",
        proxy_tls_options={"ssl_handshake_timeout": 5},
        user_agent_header=None,
    )
    assert network.log[1] == ("tls", "p's context", "pp", {})
    assert network.log[3] == (
        *("tls", "q's context", "qq"),
        {"ssl_handshake_timeout": 5},
    )
    assert [fields(data)[1:] for data in network.written[1:]] == [
        [("X", "p")],
        [("X", "q")],
    ]


def test_arguments_and_proxy():
    """Arguments of connect() come before those of the proxy; headers are joined."""
    own = Proxy(
        "https://p.test",
        headers={"X": "own", "Y": "own"},
        ssl="own context",
        server_hostname="own",
    )
    [hop] = plan("ws://h", proxy=own).hops
    assert (hop.context, hop.server_hostname) == ("own context", "own")
    [hop] = plan(
        "ws://h",
        proxy=own,
        proxy_headers={"x": "new"},
        proxy_ssl="new context",
        proxy_server_hostname="new",
    ).hops
    assert (hop.context, hop.server_hostname) == ("new context", "new")
    assert hop.headers == (("x", "new"), ("Y", "own"))


def test_chain_contradiction():
    """An argument must suit the last proxy, though another would take it."""
    with pytest.raises(ValueError, match="incompatible with a socks5:// proxy"):
        plan("ws://h", proxy=["https://p", "socks5://q"], proxy_ssl="mine")


def test_headers_and_socks():
    """proxy_headers have no place in SOCKS, as with no proxy at all."""
    [hop] = plan("ws://h", proxy="socks5h://p", proxy_headers={"X": "1"}).hops
    assert hop.proxy == Proxy("socks5h://p")


@pytest.mark.parametrize("proxy", [[None], ["http://p", 3], [["http://p"]], [True]])
def test_chain_type(proxy):
    """What isn't a proxy can't be in a chain."""
    with pytest.raises(TypeError, match="proxy must be a str, a Proxy, True, or None"):
        plan("ws://h", proxy=proxy)


# Callables


@pytest.mark.parametrize(
    "answer",
    [None, "http://p", Proxy("http://p"), ["http://p", "http://q"], True],
)
def test_callable(answer, environment):
    """A callable gets the URI, and returns what the argument may be."""
    environment["h.test"] = "http://p"
    asked = []

    def choose(uri):
        asked.append(uri)
        return answer

    assert plan("ws://h.test/a?b", proxy=choose) == plan("ws://h.test/", proxy=answer)
    assert asked == ["ws://h.test/a?b"]


def test_callable_type():
    """What it returns is checked; what it raises passes."""
    with pytest.raises(TypeError, match="proxy must be"):
        plan("ws://h", proxy=lambda uri: plan)
    with pytest.raises(InvalidProxy):
        plan("ws://h", proxy=lambda uri: "ftp://p")
    with pytest.raises(LookupError):
        plan("ws://h", proxy=lambda uri: {}[uri])


# no_proxy


def test_no_proxy_argument(environment):
    """no_proxy concerns proxies that are discovered, not those that are given."""
    environment["h.test"] = "http://p"
    assert plan("ws://h.test", no_proxy="h.test").hops == ()
    assert plan("ws://h.test", no_proxy=["h.test"]).hops == ()
    assert len(plan("ws://h.test", no_proxy=[]).hops) == 1
    assert len(plan("ws://h.test", proxy="http://p", no_proxy="h.test").hops) == 1


def test_no_proxy_type():
    """A rule that isn't a text is a TypeError."""
    with pytest.raises(TypeError, match="no_proxy rules are str, not int"):
        plan("ws://h", no_proxy=["a", 3])


# Authentication with SOCKS


def test_socks_auth():
    """proxy_auth can be the user name and password of a SOCKS proxy."""
    network = go(
        "ws://h.test/",
        [b"\x05\x02", b"\x01\x00", DONE5],
        proxy="socks5h://old:old@p.test",
        proxy_auth=("ann", "s3cret"),
    )
    assert b"\x01\x03ann\x06s3cret" in network.written[0]
    assert go.progress.hops[0].auth == "password"


def test_socks_auth_of_proxy():
    """So can the auth of a proxy; a function gets the proxy."""
    asked = []

    def choose(proxy):
        asked.append(proxy)
        return ["ann", "s3cret"]

    proxy = Proxy("socks4a://p.test", auth=choose)
    network = go("ws://h.test/", [DONE4], proxy=[proxy])
    assert b"ann\x00h.test" in network.written[0]
    assert asked == [proxy]
    assert go.progress.hops[0].auth == "username"


def test_socks_and_other_auth():
    """Other kinds of authentication are for HTTP, and have no place in SOCKS."""
    [hop] = plan("ws://h", proxy="socks5://p", proxy_auth="current-user").hops
    assert hop.proxy.user_info is None


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("auth", ["ann", ("ann",), ("ann", None), 3])
def test_auth_type(scheme, auth):
    """What isn't a way to authenticate is found before anything is opened."""
    with pytest.raises(TypeError, match="proxy_auth must be a pair"):
        plan("ws://h", proxy=f"{scheme}://p", proxy_auth=auth)
    with pytest.raises(TypeError, match="proxy_auth must be a pair"):
        plan("ws://h", proxy=Proxy(f"{scheme}://p", auth=lambda proxy: auth))


# Failures


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ([], "connecting to the proxy http://p.test:80 (proxy 1 of 2)"),
        (
            [b""],
            "asking the proxy http://p.test:80 to connect to q.test:443 (proxy 1 of 2)",
        ),
        (
            [TUNNEL],
            "performing a TLS handshake with https://q.test:443 (proxy 2 of 2)",
        ),
        (
            [TUNNEL, b""],
            "asking the proxy https://q.test:443 to connect to [2001:db8::1]:80 "
            "(proxy 2 of 2)",
        ),
    ],
)
def test_notes(script, text):
    """A note says which proxy an error is about, and what it was asked."""
    tls = OSError("TLS") if "TLS" in text else "context"
    exc = fail(
        "ws://[2001:db8::1]",
        script or OSError("refused"),
        Exception,
        proxy=["http://u:s3cret@p.test", "https://u:s3cret@q.test"],
        proxy_ssl=tls,
    )
    assert exc.__notes__ == [f"while {text}"]
    if not isinstance(exc, OSError):
        number = 1 if "1 of 2" in text else 2
        assert exc.hop == number
        assert exc.proxy == ["http://p.test:80", "https://q.test:443"][number - 1]


def test_server_failure():
    """An error of the server behind a proxy has no note about the proxy."""
    exc = fail("wss://h.test", [TUNNEL], OSError, proxy="http://p", ssl=OSError("TLS"))
    assert not hasattr(exc, "__notes__")


def test_chain_again():
    """A new connection to a proxy leads through those before it."""
    network = FakeNetwork(
        [TUNNEL, b"\x05\x00", b"\x05\x05\x00"], [TUNNEL, b"\x05\x00", DONE5]
    )
    route = plan("ws://h.test", proxy=["http://p", "socks5://q"])
    progress = Progress()
    stream = run(open_route(network, route, progress))
    assert stream is network.streams[1]
    assert network.open == {stream}
    assert [hop.url for hop in progress.hops] == ["http://p:80", "socks5://q:1080"]


def test_chain_again_fails():
    """When it can't be made, the note is about the proxy that's the reason."""
    network = FakeNetwork([TUNNEL, b"\x05\x00", b"\x05\x05\x00"], OSError("refused"))
    route = plan("ws://h.test", proxy=["http://p", "socks5://q"])
    with pytest.raises(OSError, match="refused") as info:
        run(open_route(network, route))
    assert info.value.__notes__ == [
        "while connecting to the proxy http://p:80 (proxy 1 of 2)"
    ]
    assert not network.open
