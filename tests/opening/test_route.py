"""The way to one URI."""

from __future__ import annotations

import re

import pytest

from tests.opening.fakes import TUNNEL, FakeNetwork, fields, run
from websockets._opening.progress import Progress
from websockets._opening.route import Planner, open_route
from websockets._opening.settings import DEFAULT, Settings
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidProxy, InvalidProxyStatus
from websockets.proxy import parse_proxy
from websockets.uri import parse_uri


DONE4 = b"\x00\x5a\x00\x00\x00\x00\x00\x00"
DONE5 = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\xd2"


def go(uri, *scripts, opened=0, **kwargs):
    """Go a route; return the network."""
    network = FakeNetwork(*(scripts or [[]]))
    go.progress = Progress()
    stream = run(open_route(network, plan(uri, **kwargs), go.progress))
    assert stream is network.streams[-1]
    assert network.open == {network.streams[opened]}
    return network


def plan(uri, **kwargs):
    """Plan a route, without going it."""
    settings = Settings(create_protocol=ClientProtocol, **kwargs)
    return run(Planner(settings).plan(FakeNetwork(), uri, parse_uri(uri)))


# Without proxy


def test_tcp():
    """ws:// is TCP to the host and port of the URI."""
    assert go("ws://h.test:81/").log == [("tcp", "h.test", 81)]
    assert go("ws://[::1]/").log == [("tcp", "::1", 80)]


def test_tls():
    """wss:// is TLS over that, with the default context and the name of the URI."""
    assert go("wss://h.test/").log == [
        ("tcp", "h.test", 443),
        ("tls", "default ", "h.test", {}),
    ]
    assert go("wss://h.test/", ssl=True).log[1][1] == "default "


def test_tls_arguments():
    """Context, name and options are the user's."""
    options = {"ssl_handshake_timeout": 5}
    network = go(
        "wss://h.test/", ssl="mine", server_hostname="g.test", tls_options=options
    )
    assert network.log[1:] == [("tls", "mine", "g.test", options)]
    assert go("wss://h.test/", server_hostname="").log[1][2] == ""


def test_host_and_port():
    """The user's host and port replace the URI's, but not the name to verify."""
    assert go("ws://h.test/", host="g.test").log == [("tcp", "g.test", 80)]
    assert go("ws://h.test/", port=81).log == [("tcp", "h.test", 81)]
    assert go("wss://h.test/", host="192.0.2.1", port=8443).log == [
        ("tcp", "192.0.2.1", 8443),
        ("tls", "default ", "h.test", {}),
    ]


def test_unix():
    """A Unix socket is opened by path, with TLS for wss://."""
    assert go("ws://h.test/", unix=True, path="/s").log == [("unix", "/s")]
    assert go("wss://h.test/", unix=True, path="/s").log == [
        ("unix", "/s"),
        ("tls", "default ", "h.test", {}),
    ]


def test_sock():
    """A preexisting socket, Unix or not, is adopted, with TLS for wss://."""
    assert go("ws://h.test/", sock="sock").log == [("adopt", "sock")]
    assert go("ws://h.test/", sock="sock", unix=True).log == [("adopt", "sock")]
    assert go("wss://h.test/", sock="sock").log[1][0] == "tls"


@pytest.mark.parametrize(
    ("uri", "kwargs", "text"),
    [
        ("ws://h", {"ssl": True}, "ssl argument is incompatible with a ws:// URI"),
        ("ws://h", {"ssl": "mine"}, "ssl argument is incompatible with a ws:// URI"),
        ("wss://h", {"ssl": None}, "ssl=None is incompatible with a wss:// URI"),
        ("wss://h", {"ssl": False}, "ssl=False is incompatible with a wss:// URI"),
        (
            "ws://h",
            {"server_hostname": "h"},
            "server_hostname is only meaningful with ssl",
        ),
        (
            "ws://h",
            {"sock": "s", "host": "h"},
            "host and port cannot be combined with sock",
        ),
        (
            "ws://h",
            {"sock": "s", "port": 1},
            "host and port cannot be combined with sock",
        ),
        ("ws://h", {"sock": "s", "path": "/s"}, "path and sock cannot be combined"),
        ("ws://h", {"unix": True}, "no path and no sock were specified"),
    ],
)
def test_contradictions(uri, kwargs, text):
    """Arguments that contradict each other or the URI are a ValueError."""
    with pytest.raises(ValueError, match=re.escape(text)) as info:
        plan(uri, **kwargs)
    assert str(info.value) == text


def test_ssl_none():
    """ssl=None is right for ws://."""
    assert plan("ws://h", ssl=None).context is None
    assert plan("ws://h", ssl=DEFAULT).context is None
    assert repr(DEFAULT) == "DEFAULT"


# With proxies


@pytest.mark.parametrize("proxy", ["http://p.test:3128", parse_proxy("p.test:3128")])
def test_http_proxy(proxy):
    """ws:// goes through a tunnel to the host and port of the URI."""
    network = go("ws://h.test/", [TUNNEL], proxy=proxy, user_agent_header="Me/1")
    assert network.log == [("tcp", "p.test", 3128), "write"]
    assert network.written == [
        b"CONNECT h.test:80 HTTP/1.1\r\nHost: h.test:80\r\nUser-Agent: Me/1\r\n\r\n"
    ]


def test_tls_in_tunnel():
    """wss:// is TLS with the server inside the tunnel."""
    network = go("wss://h.test/", [TUNNEL], proxy="http://p.test:3128", ssl="mine")
    assert network.log == [
        ("tcp", "p.test", 3128),
        "write",
        ("tls", "mine", "h.test", {}),
    ]
    assert network.written[0].startswith(b"CONNECT h.test:443 HTTP/1.1\r\n")
    assert network.written[1] == b""


def test_https_proxy():
    """An https:// proxy gets TLS of its own: its context, its name, HTTP/1.1 by ALPN."""
    network = go("wss://h.test/", [TUNNEL], proxy="https://p.test")
    assert network.log == [
        ("tcp", "p.test", 443),
        ("tls", "default http/1.1", "p.test", {}),
        "write",
        ("tls", "default ", "h.test", {}),
    ]
    assert network.written[0] == b""


def test_https_proxy_arguments():
    """proxy_ssl and the like concern the proxy only."""
    network = go(
        "ws://h.test/",
        [TUNNEL],
        proxy="https://p.test",
        proxy_ssl="mine",
        proxy_server_hostname="q.test",
        proxy_tls_options={"ssl_handshake_timeout": 5},
    )
    assert network.log[1:] == [
        ("tls", "mine", "q.test", {"ssl_handshake_timeout": 5}),
        "write",
    ]
    assert go("ws://h", [TUNNEL], proxy="https://p", proxy_ssl=True).log[1][1] == (
        "default http/1.1"
    )


def test_proxy_headers():
    """The proxy gets its headers."""
    network = go(
        "ws://h.test/",
        [TUNNEL],
        proxy="http://u:p@p.test",
        user_agent_header=None,
        proxy_headers={"X": "1"},
    )
    assert fields(network.written[0])[1:] == [
        ("Proxy-Authorization", "Basic dTpw"),
        ("X", "1"),
    ]


def test_proxy_with_explicit_host():
    """The tunnel leads to the user's host and port."""
    network = go("ws://h.test/", [TUNNEL], proxy="http://p", host="g.test", port=81)
    assert network.written[0].startswith(b"CONNECT g.test:81 HTTP/1.1\r\n")


def test_discovery(environment):
    """proxy=True looks for a proxy for the host; there may be none."""
    environment["h.test"] = "http://p.test:3128"
    assert go("ws://h.test/", [TUNNEL]).log[0] == ("tcp", "p.test", 3128)
    assert go("ws://g.test/").log == [("tcp", "g.test", 80)]


def test_no_proxy(environment):
    """proxy=None ignores settings; so do Unix sockets and preexisting sockets."""
    environment["h.test"] = "http://p.test:3128"
    assert go("ws://h.test/", proxy=None).log == [("tcp", "h.test", 80)]
    assert go("ws://h.test/", unix=True, path="/s").log == [("unix", "/s")]
    assert go("ws://h.test/", sock="sock", proxy="http://p").log == [("adopt", "sock")]


@pytest.mark.parametrize(
    ("proxy", "kwargs", "text"),
    [
        (
            "http://p",
            {"proxy_ssl": True},
            "proxy_ssl argument is incompatible with an http:// proxy",
        ),
        (
            "socks5://p",
            {"proxy_ssl": True},
            "proxy_ssl argument is incompatible with a socks5:// proxy",
        ),
        (
            "https://p",
            {"proxy_ssl": None},
            "proxy_ssl=None is incompatible with an https:// proxy",
        ),
        (
            "http://p",
            {"proxy_server_hostname": "p"},
            "proxy_server_hostname is only meaningful with proxy_ssl",
        ),
    ],
)
def test_proxy_contradictions(proxy, kwargs, text):
    """Arguments that contradict the proxy's URL are a ValueError."""
    with pytest.raises(ValueError, match=re.escape(text)) as info:
        plan("ws://h", proxy=proxy, **kwargs)
    assert str(info.value) == text


def test_proxy_ssl_none():
    """proxy_ssl=None is right for an http:// proxy."""
    assert plan("ws://h", proxy="http://p", proxy_ssl=None).hops[0].context is None


@pytest.mark.parametrize("proxy", [3, False, b"http://p"])
def test_proxy_type(proxy):
    """A proxy of another type is a TypeError."""
    with pytest.raises(TypeError, match="proxy must be a str, a Proxy, True, or None"):
        plan("ws://h", proxy=proxy)


def test_invalid_proxy():
    """A URL that isn't one of a proxy is refused before anything is opened."""
    with pytest.raises(InvalidProxy, match="scheme ftp isn't supported"):
        plan("ws://h", proxy="ftp://p")


def test_socks_by_name():
    """socks5h:// and socks4a:// leave the name to the proxy."""
    network = go("ws://h.test/", [b"\x05\x00", DONE5], proxy="socks5h://p.test")
    assert network.log == [("tcp", "p.test", 1080), "write", "write"]
    assert network.written == [b"\x05\x01\x00\x05\x01\x00\x03\x06h.test\x00\x50"]
    network = go("wss://h.test/", [DONE4], proxy="socks4a://ann@p.test:9050")
    assert network.log == [
        ("tcp", "p.test", 9050),
        "write",
        ("tls", "default ", "h.test", {}),
    ]
    assert network.written[0] == b"\x04\x01\x01\xbb\x00\x00\x00\x01ann\x00h.test\x00"


def test_socks_by_address():
    """socks5:// and socks4:// get an address, the latter IPv4."""
    network = go("ws://h.test/", [b"\x05\x00", DONE5], proxy="socks5://p.test")
    assert network.log[1] == ("resolve", "h.test", False)
    assert network.written[0][6:7] == b"\x04"
    network = go("ws://h.test/", [DONE4], proxy="socks4://p.test")
    assert network.log[1] == ("resolve", "h.test", True)
    assert network.written == [b"\x04\x01\x00\x50\xc0\x00\x02\x01\x00"]


def test_socks_next_address():
    """The next address is tried, by a new connection, when the proxy can't reach one."""
    network = go(
        "ws://h.test/",
        [b"\x05\x00", b"\x05\x04\x00"],
        [b"\x05\x00", DONE5],
        proxy="socks5://p.test",
        opened=1,
    )
    tcp = ("tcp", "p.test", 1080)
    assert network.log == [
        tcp,
        ("resolve", "h.test", False),
        *["write", "write", "abort"],
        tcp,
        *["write", "write"],
    ]


def test_socks_unknown_name():
    """A name that isn't known here is an OSError; nothing stays open."""
    exc = fail("ws://g.test", [], OSError, proxy="socks5://p.test")
    assert str(exc) == "g.test is unknown"


def test_socks_mistake():
    """Credentials that SOCKS can't carry are found before anything is opened."""
    with pytest.raises(ValueError, match="SOCKS5 allows 255 bytes"):
        plan("ws://h", proxy="socks5://" + "u" * 256 + "@p")


def test_proxy_header_mistake():
    """A header that can't go to a proxy is found before anything is opened."""
    with pytest.raises(ValueError, match="Content-Length"):
        plan("ws://h", proxy="http://p", proxy_headers={"Content-Length": "1"})


def test_secrets_not_shown():
    """The repr of settings and routes shows no header."""
    settings = Settings(
        create_protocol=ClientProtocol,
        additional_headers={"X": "s3cret"},
        proxy="http://ann:s3cret@p",
        proxy_headers={"X": "s3cret"},
        proxy_auth=("ann", "s3cret"),
    )
    route = run(Planner(settings).plan(FakeNetwork(), "ws://h", parse_uri("ws://h")))
    assert "s3cret" not in repr(route) + repr(settings)


# Failures


def fail(uri, script, exception, **kwargs):
    """Go a route that fails; return the exception."""
    network = FakeNetwork(script)
    route = plan(uri, **kwargs)
    with pytest.raises(exception) as info:
        run(open_route(network, route))
    assert not network.open
    fail.log = network.log
    return info.value


def test_connection_refused():
    """An error of TCP passes; a note tells when it's the proxy's."""
    exc = fail("ws://h.test", OSError("refused"), OSError)
    assert not hasattr(exc, "__notes__")
    exc = fail("ws://h.test", OSError("refused"), OSError, proxy="http://u:p@p.test")
    assert exc.__notes__ == ["while connecting to the proxy http://p.test:80"]


def test_tls_failure():
    """An error of TLS passes; a note tells when it's the proxy's; nothing stays open."""
    exc = fail("wss://h.test", [], OSError, ssl=OSError("TLS"))
    assert not hasattr(exc, "__notes__")
    exc = fail(
        "wss://h.test", [], OSError, proxy="https://p.test", proxy_ssl=OSError("TLS")
    )
    assert exc.__notes__ == ["while performing a TLS handshake with https://p.test:443"]
    fail("wss://h.test", [TUNNEL], OSError, proxy="https://p", ssl=OSError("TLS"))


def test_refused_by_proxy():
    """After a refusal nothing more is written: the request would go to the proxy."""
    exc = fail(
        "ws://h.test",
        [b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"],
        InvalidProxyStatus,
        proxy="http://p.test",
    )
    assert exc.__notes__ == [
        "http://p.test:80 offers no scheme; no credentials given",
        "while asking the proxy http://p.test:80 to connect to h.test:80",
    ]
    assert fail.log == [("tcp", "p.test", 80), "write", "abort"]
