"""Proxy and parse_proxy: a proxy's address."""

from __future__ import annotations

import dataclasses

import pytest

from websockets.exceptions import InvalidProxy
from websockets.proxy import Proxy, parse_proxy


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://p.test", Proxy("http", "p.test", 80)),
        ("http://p.test/", Proxy("http", "p.test", 80)),
        ("https://p.test", Proxy("https", "p.test", 443)),
        ("socks5h://p.test", Proxy("socks5h", "p.test", 1080)),
        ("socks5://p.test", Proxy("socks5", "p.test", 1080)),
        ("socks4a://p.test", Proxy("socks4a", "p.test", 1080)),
        ("socks4://p.test:9050", Proxy("socks4", "p.test", 9050)),
        ("HTTP://P.Test:3128", Proxy("http", "p.test", 3128)),
        ("p.test:3128", Proxy("http", "p.test", 3128)),
        ("p.test", Proxy("http", "p.test", 80)),
        ("u:pw@p.test:3128", Proxy("http", "p.test", 3128, "u", "pw")),
        (" http://p.test:3128\n", Proxy("http", "p.test", 3128)),
        ("http://[::1]:3128", Proxy("http", "::1", 3128)),
        ("http://[fe80::1%25eth0]", Proxy("http", "fe80::1%eth0", 80)),
        ("http://münchen.test", Proxy("http", "xn--mnchen-3ya.test", 80)),
        ("http://u:p%40s%3As@p.test", Proxy("http", "p.test", 80, "u", "p@s:s")),
        ("http://CORP%5Cann:ü@p.test", Proxy("http", "p.test", 80, "CORP\\ann", "ü")),
        ("http://u@p.test", Proxy("http", "p.test", 80, "u", None)),
        ("http://u:@p.test", Proxy("http", "p.test", 80, "u", "")),
        ("http://:pw@p.test", Proxy("http", "p.test", 80, "", "pw")),
    ],
)
def test_valid(url, proxy):
    """A URL of a proxy has these parts, decoded, with these defaults."""
    assert parse_proxy(url) == proxy


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (
            "ftp://p.test",
            "ftp://p.test isn't a valid proxy: scheme ftp isn't supported",
        ),
        ("//p.test", "//p.test isn't a valid proxy: scheme  isn't supported"),
        ("http://", "http:// isn't a valid proxy: hostname isn't provided"),
        ("", " isn't a valid proxy: hostname isn't provided"),
        ("http://p.test/x", "http://p.test/x isn't a valid proxy: path is meaningless"),
        (
            "http://p.test?q",
            "http://p.test?q isn't a valid proxy: query is meaningless",
        ),
        (
            "http://p.test#f",
            "http://p.test#f isn't a valid proxy: fragment is meaningless",
        ),
    ],
)
def test_invalid(url, text):
    """A URL that isn't one of a proxy is refused with the reason."""
    with pytest.raises(InvalidProxy) as info:
        parse_proxy(url)
    assert str(info.value) == text
    assert isinstance(info.value, ValueError)


@pytest.mark.parametrize(
    "url",
    [
        "http://ann:s3cret@p.test:99999",
        "http://ann:s3cret@p.test:port",
        "http://ann:s3/cret@p.test",
        "http://ann:s3cret@[::1",
        "http://ann:s3cret@p test",
        "http://ann:s3cret@p.test\r\nX: y",
        f"http://ann:s3cret@{'ü' * 70}.test",
        "http://ann:s3cret@p.test/path",
    ],
)
def test_secrets_in_errors(url):
    """Whatever is wrong with a URL, the error doesn't show its user name and password."""
    with pytest.raises(InvalidProxy) as info:
        parse_proxy(url)
    shown = str(info.value) + repr(info.value) + repr(info.value.__cause__)
    assert "s3" not in shown
    assert "cret" not in shown
    assert info.value.__cause__ is None


def test_user_info():
    """user_info is what Basic credentials are made of."""
    assert Proxy("http", "p", 80).user_info is None
    assert Proxy("http", "p", 80, "u", "pw").user_info == ("u", "pw")
    assert Proxy("http", "p", 80, "u").user_info == ("u", "")


def test_representations():
    """Neither repr() nor str() of a proxy shows user name and password."""
    proxy = Proxy("http", "::1", 3128, "ann", "s3cret")
    assert repr(proxy) == (
        "Proxy(scheme='http', host='::1', port=3128, username='***', password='***')"
    )
    assert str(proxy) == "http://[::1]:3128"
    assert repr(Proxy("https", "p", 443)) == (
        "Proxy(scheme='https', host='p', port=443, username=None, password=None)"
    )
    assert str(Proxy("https", "p", 443)) == "https://p:443"


def test_constructor():
    """A proxy is made from a URL, or from its parts as in 17.4."""
    proxy = Proxy("http", "p.test", 3128, "u", "pw")
    assert Proxy("http://u:pw@p.test:3128") == proxy
    assert Proxy(url="u:pw@p.test:3128") == proxy
    assert (
        Proxy(scheme="http", host="p.test", port=3128, username="u", password="pw")
        == proxy
    )
    assert proxy.auth is None
    assert proxy.headers == ()
    assert proxy.ssl is None
    assert proxy.server_hostname is None
    with pytest.raises(InvalidProxy, match="scheme ftp isn't supported"):
        Proxy("ftp://p")


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        (("http", "p"), {}),
        (("http",), {"port": 80}),
        (("http", "p", 80), {"url": "http://p"}),
    ],
)
def test_constructor_arguments(args, kwargs):
    """Neither a URL nor its parts, or both, are a TypeError."""
    with pytest.raises(TypeError, match="takes a URL, or a scheme, a host, and a port"):
        Proxy(*args, **kwargs)


def test_options():
    """A proxy can have its own credentials, headers, context, and name."""
    proxy = Proxy(
        "https://p.test",
        auth=("u", "s3cret"),
        headers={"X": "s3cret"},
        ssl="context",
        server_hostname="q.test",
    )
    assert proxy.auth == ("u", "s3cret")
    assert proxy.headers == (("X", "s3cret"),)
    assert repr(proxy) == (
        "Proxy(scheme='https', host='p.test', port=443, username=None, password=None, "
        "auth='***', headers='***', ssl='context', server_hostname='q.test')"
    )
    assert proxy != Proxy("https://p.test")
    assert hash(Proxy("http://p", auth={})) == hash(Proxy("http://p"))


@pytest.mark.parametrize(
    ("url", "kwargs", "text"),
    [
        (
            "http://p",
            {"ssl": True},
            "ssl argument is incompatible with an http:// proxy",
        ),
        (
            "socks5://p",
            {"server_hostname": "p"},
            "server_hostname argument is incompatible with a socks5:// proxy",
        ),
        (
            "https://p",
            {"ssl": False},
            "ssl=False is incompatible with an https:// proxy",
        ),
        (
            "socks4://p",
            {"headers": {"X": "1"}},
            "headers argument is incompatible with a socks4:// proxy",
        ),
    ],
)
def test_contradicting_options(url, kwargs, text):
    """Options that don't suit the scheme are a ValueError."""
    with pytest.raises(ValueError, match="incompatible") as info:
        Proxy(url, **kwargs)
    assert str(info.value) == text


def test_invalid_headers():
    """Headers are checked at once."""
    with pytest.raises(ValueError, match="invalid header name"):
        Proxy("http://p", headers={"X Y": "1"})
    with pytest.raises(TypeError):
        Proxy("http://p", headers=42)


def test_value():
    """A proxy is a value: it compares, hashes, and doesn't change."""
    assert len({Proxy("http", "p", 80), Proxy("http", "p", 80)}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        Proxy("http", "p", 80).port = 81


def test_bytes_in_credentials():
    """Percent-encoded bytes that aren't UTF-8 survive."""
    proxy = parse_proxy("http://u:%ff@p.test")
    assert proxy.password.encode(errors="surrogateescape") == b"\xff"
