"""Which proxy the environment and the operating system want."""

from __future__ import annotations

import os
import types

import pytest

from websockets import proxy as public
from websockets._opening.proxies import discovery
from websockets._opening.proxies.discovery import (
    System,
    are_unset,
    find_proxy,
    system_settings,
)
from websockets.uri import parse_uri


def find(uri, *, system=None, **environ):
    parsed = parse_uri(uri)
    return find_proxy(parsed.secure, parsed.host, parsed.port, environ, system)


WS = "ws://h.test/"
WSS = "wss://h.test/"
EVERYTHING = {
    "ws_proxy": "http://ws",
    "wss_proxy": "http://wss",
    "socks_proxy": "socks5://s",
    "https_proxy": "http://s",
    "http_proxy": "http://h",
    "all_proxy": "http://a",
}


def test_order_for_ws():
    """For ws://, variables count in this order."""
    environ = dict(EVERYTHING)
    for name in ["ws_proxy", "socks_proxy", "https_proxy", "http_proxy", "all_proxy"]:
        assert find(WS, **environ) == environ.pop(name)
    assert find(WS, **environ) is None


def test_order_for_wss():
    """For wss://, variables count in this order; http_proxy doesn't count."""
    environ = dict(EVERYTHING)
    for name in ["wss_proxy", "socks_proxy", "https_proxy", "all_proxy"]:
        assert find(WSS, **environ) == environ.pop(name)
    assert find(WSS, **environ) is None


def test_upper_case():
    """Upper case counts when lower case isn't there; an empty variable isn't there."""
    assert find(WSS, HTTPS_PROXY="http://B") == "http://B"
    assert find(WSS, HTTPS_PROXY="http://B", https_proxy="http://b") == "http://b"
    assert find(WSS, HTTPS_PROXY="http://B", https_proxy="") == "http://B"
    assert find(WSS, HTTPS_PROXY="http://B", https_proxy=" ") == "http://B"


def test_empty_variable():
    """An empty variable counts as unset, so the next one counts."""
    assert find(WSS, wss_proxy="", https_proxy="http://b") == "http://b"
    assert find(WSS, wss_proxy="", HTTPS_PROXY="") is None


def test_cgi():
    """HTTP_PROXY isn't trusted in a CGI program, where it's a header of the client."""
    assert find(WS, HTTP_PROXY="http://evil", REQUEST_METHOD="GET") is None
    assert find(WS, http_proxy="http://good", REQUEST_METHOD="GET") == "http://good"
    assert find(WS, HTTP_PROXY="http://good") == "http://good"


@pytest.mark.parametrize(
    ("name", "value", "url"),
    [
        ("https_proxy", "p:8080", "http://p:8080"),
        ("https_proxy", " p:8080 ", "http://p:8080"),
        ("https_proxy", "socks5://p", "socks5://p"),
        ("all_proxy", "socks://p", "socks5h://p"),
        ("socks_proxy", "p:1080", "socks5h://p:1080"),
        ("socks_proxy", "http://p:1080", "socks5h://p:1080"),
        ("socks_proxy", "SOCKS://p:1080", "socks5h://p:1080"),
        ("socks_proxy", "socks4://p:1080", "socks4://p:1080"),
        ("wss_proxy", "https://p", "https://p"),
    ],
)
def test_scheme(name, value, url):
    """A value without a scheme gets one; SOCKS is version 5 with names for the proxy."""
    assert find(WSS, **{name: value}) == url


def test_no_proxy():
    """no_proxy and NO_PROXY except hosts, with or without a port."""
    assert find(WSS, https_proxy="http://b", no_proxy="h.test") is None
    assert find(WSS, https_proxy="http://b", NO_PROXY="h.test") is None
    assert find(WSS, https_proxy="http://b", no_proxy="h.test:443") is None
    assert find(WS, https_proxy="http://b", no_proxy="h.test:443") == "http://b"
    assert find(WSS, https_proxy="http://b", no_proxy="", NO_PROXY="*") is None


def test_this_machine():
    """No proxy serves this machine."""
    assert find("ws://localhost", all_proxy="http://b") is None
    assert find("ws://[::1]", all_proxy="http://b") is None


def system(bypassed=(), **proxies):
    return System(lambda: proxies, lambda host: host in bypassed)


def test_system():
    """The system's settings count when the environment has none for the URI."""
    settings = system(https="http://s:1", http="http://h:1")
    assert find(WSS, system=settings) == "http://s:1"
    assert find(WSS, system=settings, https_proxy="http://e") == "http://e"
    assert find(WSS, system=settings, http_proxy="http://e") == "http://s:1"
    assert find(WS, system=system(socks="http://s:1080")) == "socks5h://s:1080"
    assert find(WS, system=system()) is None


def test_system_exceptions():
    """The system's exceptions count, and so does no_proxy, which hides nothing."""
    settings = system(bypassed=["h.test"], https="http://s:1")
    assert find(WSS, system=settings) is None
    assert find("wss://i.test", system=settings) == "http://s:1"
    assert find("wss://i.test", system=settings, no_proxy="i.test") is None
    assert find("wss://i.test", system=settings, no_proxy="j.test") == "http://s:1"


def test_no_proxy_argument():
    """no_proxy given by the user replaces the environment's, and leaves the system's."""
    environ = {"https_proxy": "http://e", "no_proxy": "h.test"}
    settings = system(bypassed=["i.test"], https="http://s")
    assert find_proxy(True, "h.test", 443, environ, None, "") == "http://e"
    assert find_proxy(True, "i.test", 443, environ, None, "i.test") is None
    assert find_proxy(True, "i.test", 443, {}, settings, "") is None


@pytest.mark.parametrize(
    ("platform", "suffix"), [("darwin", "macosx_sysconf"), ("win32", "registry")]
)
def test_system_functions(monkeypatch, platform, suffix):
    """The functions of urllib that don't look at the environment are used."""
    fake = types.SimpleNamespace(
        **{f"getproxies_{suffix}": "get", f"proxy_bypass_{suffix}": "bypass"}
    )
    monkeypatch.setattr(
        discovery.importlib, "import_module", {"urllib.request": fake}.get
    )
    assert system_settings(platform) == ("get", "bypass")


def test_no_system():
    """Other systems have no settings that are known."""
    assert system_settings("linux") is None


def test_get_proxy(monkeypatch):
    """get_proxy() reads the environment when it's called."""
    for name in EVERYTHING:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr(discovery, "system_settings", lambda platform: None)
    assert public.get_proxy(parse_uri(WSS)) is None
    monkeypatch.setenv("https_proxy", "http://b:8080")
    assert public.get_proxy(parse_uri(WSS)) == "http://b:8080"
    assert public.get_proxy(WSS) == "http://b:8080"
    assert public.get_proxy(WSS, "h.test") is None
    assert public.get_proxy(WSS, ["i.test", "h.test"]) is None
    monkeypatch.setenv("no_proxy", "h.test")
    assert public.get_proxy(WSS) is None
    assert public.get_proxy(WSS, "") == "http://b:8080"


def test_an_environment_without_proxies_is_left_alone(monkeypatch):
    """One look tells that no variable is set, and notices those that are set later."""
    for name in EVERYTHING:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    assert are_unset(os.environ)
    for name in EVERYTHING:
        for spelling in (name, name.upper()):
            monkeypatch.setenv(spelling, "")
            assert not are_unset(os.environ)
            monkeypatch.delenv(spelling)
    assert are_unset(os.environ)


@pytest.mark.parametrize("inside", [None, {"_data": {}}, {"_data": (), "encodekey": 1}])
def test_an_environment_of_another_kind_is_searched(inside):
    """What isn't built like os.environ is asked for each variable."""
    environ = {} if inside is None else types.SimpleNamespace(**inside)
    assert not are_unset(environ)


# The table of what implementations make of no_proxy: here's what we do. Each row is a
# value, a URI, and whether it's reached directly.
TABLE = [
    ("example.com", "ws://www.example.com/", True),
    (".example.com", "ws://example.com/", True),
    ("*.example.com", "ws://www.example.com/", True),
    ("*.example.com", "ws://example.com/", False),
    ("example.com:443", "wss://example.com:443/", True),
    ("example.com:443", "wss://example.com/", True),
    ("example.com:443", "wss://example.com:444/", False),
    ("EXAMPLE.COM", "ws://example.com/", True),
    ("example.com", "ws://EXAMPLE.COM/", True),
    ("example.com.", "ws://example.com/", True),
    ("example.com", "ws://example.com./", True),
    ("a.test example.com", "ws://example.com/", True),
    ("192.0.2.1:18765", "ws://192.0.2.1:18765/", True),
    ("192.0.2.1:18765", "ws://192.0.2.1:18766/", False),
    ("127.0.0.1:18765", "ws://127.0.0.1:18765/", True),
    ("10.0.0.0/8", "ws://10.1.2.3/", True),
    ("10.0.0.0/8", "ws://11.1.2.3/", False),
    ("[::1]", "ws://[::1]/", True),
    ("[2001:db8::1]", "ws://[2001:db8::1]/", True),
    ("fd00::/8", "ws://[fd00::1]/", True),
    ("fd00::/8", "ws://[2001:db8::1]/", False),
    ("0:0:0:0:0:0:0:1", "ws://[::1]/", True),
    ("2001:db8:0:0:0:0:0:1", "ws://[2001:db8::1]/", True),
    ("xn--mnchen-3ya.test", "ws://m\u00fcnchen.test/", True),
    ("m\u00fcnchen.test", "ws://m\u00fcnchen.test/", True),
    ("m\u00fcnchen.test", "ws://xn--mnchen-3ya.test/", True),
    ("10.*", "ws://10.1.2.3/", True),
    ("10.", "ws://10.1.2.3/", False),
    ("", "ws://localhost/", True),
    ("", "ws://a.localhost/", True),
    ("", "ws://127.0.0.1/", True),
    ("", "ws://[::1]/", True),
    ("", "ws://169.254.1.1/", True),
    ("", "ws://[fe80::1]/", True),
    ("", "ws://example.com/", False),
    ("<-loopback>", "ws://localhost/", False),
    ("<-loopback>", "ws://127.0.0.1/", False),
    ("<local>", "ws://intranet/", True),
    ("<local>", "ws://intranet.test/", False),
    ("*", "ws://example.com/", True),
]


@pytest.mark.parametrize(("rules", "uri", "direct"), TABLE)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_table(monkeypatch, name, rules, uri, direct):
    """Each row holds for the environment, and for an argument."""
    for variable in [*EVERYTHING, "no_proxy"]:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    monkeypatch.setenv("all_proxy", "http://p.test:8080")
    expected = None if direct else "http://p.test:8080"
    assert public.get_proxy(uri, rules) == expected
    monkeypatch.setenv(name, rules)
    assert public.get_proxy(uri) == expected
