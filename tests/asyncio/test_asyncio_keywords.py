"""Keyword arguments: wrong ones, older ones."""

from __future__ import annotations

import functools
import warnings

import pytest

from tests.asyncio.helpers import echo, run, serving, uri_of
from websockets.asyncio.client import connect, unix_connect
from websockets.asyncio.server import serve, unix_serve
from websockets.server import ServerProtocol


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ping_intervall", "'ping_intervall'; did you mean 'ping_interval'?"),
        ("proxy_header", "'proxy_header'; did you mean 'proxy_headers'?"),
        ("server_hostnam", "'server_hostnam'; did you mean 'server_hostname'?"),
        ("klass", "'klass'; did you mean 'create_connection'?"),
        ("xyzzy", "'xyzzy'"),
        ("kwarg", "'kwarg'"),
    ],
)
def test_wrong_keyword_of_connect(name, text):
    """A keyword that nobody knows is named, with the one that was meant."""
    with pytest.raises(TypeError) as raised:
        connect("ws://localhost/", **{name: 1})
    assert str(raised.value) == f"connect() got an unexpected keyword argument {text}"


def test_wrong_keyword_of_serve():
    """The same goes for serve(), and for path= without a Unix socket."""
    with pytest.raises(TypeError, match=r"serve\(\) got .* 'orgins'; .* 'origins'\?"):
        serve(echo, "localhost", 0, orgins=[])
    with pytest.raises(TypeError, match=r"serve\(\) got .* 'path'"):
        serve(echo, "localhost", 0, path="/")


@pytest.mark.parametrize("call", [connect, lambda *a, **k: unix_connect("/", *a, **k)])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("extra_headers", "extra_headers is deprecated; use additional_headers"),
        ("timeout", "timeout is deprecated; use close_timeout"),
        ("loop", "loop is deprecated and ignored: the running event loop is used"),
        ("read_limit", "read_limit is deprecated and ignored: max_queue and max_size"),
    ],
)
def test_older_keywords_warn_once(call, name, text):
    """A keyword of former versions works, with one warning where it's used."""
    with pytest.warns(DeprecationWarning, match=text) as caught:
        call("ws://localhost/", **{name: None})
    (warning,) = caught
    assert warning.filename == __file__


def test_older_keywords_of_serve_warn_once():
    """serve() and unix_serve() know the same ones."""
    for call in (serve, unix_serve):
        with pytest.warns(DeprecationWarning, match="loop is deprecated") as caught:
            call(echo, loop=None)
        assert [warning.filename for warning in caught] == [__file__]


def test_extra_headers_are_sent():
    """extra_headers= adds headers to the request and to the response."""

    async def scenario():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            server = serving(extra_headers={"X-Server": "s"}, timeout=5)
            client = {"extra_headers": {"X-Client": "c"}, "timeout": 5}
            async with server, connect(uri_of(server), **client) as websocket:
                assert websocket.close_timeout == 5
                assert websocket.request.headers["X-Client"] == "c"
                assert websocket.response.headers["X-Server"] == "s"
                (connection,) = server.connections
                assert connection.close_timeout == 5

    run(scenario)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"compression": "lzma"}, ValueError, "unsupported compression: lzma"),
        ({"subprotocols": "chat"}, TypeError, "subprotocols must be a list, not a str"),
        ({"subprotocols": ["a b"]}, ValueError, "invalid subprotocol: a b"),
        ({"max_queue": (1, 2)}, ValueError, "max_queue"),
        ({"write_limit": -1}, ValueError, "write_limit"),
        ({"max_queue": "9"}, TypeError, "max_queue must be a number or None, not str"),
        ({"max_size": "9"}, TypeError, "max_size must be a number or None, not str"),
        ({"max_size": (1, "9")}, TypeError, "max_size must be a number or None, not"),
        ({"max_size": (1, 2, 3)}, ValueError, "expected a pair, not 3 values"),
        ({"max_size": -1}, ValueError, "max_size must be positive or zero, not -1"),
        ({"open_timeout": "9"}, TypeError, "open_timeout must be a number or None"),
        (
            {"open_timeout": float("nan")},
            ValueError,
            "open_timeout must be a number or",
        ),
        ({"close_timeout": float("nan")}, ValueError, "close_timeout must be a num"),
        ({"ping_interval": "9"}, TypeError, "ping_interval must be a number or None"),
        ({"ping_timeout": "9"}, TypeError, "ping_timeout must be a number or None"),
        ({"close_timeout": "9"}, TypeError, "close_timeout must be a number or None"),
    ],
)
def test_wrong_values_show_at_once(options, error, text):
    """Mistakes are found before anything is opened."""
    for call in (
        lambda **k: connect("ws://localhost/", **k),
        lambda **k: serve(echo, **k),
    ):
        with pytest.raises(error, match=text):
            call(**options)


@pytest.mark.parametrize("call", [functools.partial(serve, echo), ServerProtocol])
def test_origins_are_a_list(call):
    """A string is refused: any part of it would pass for an origin."""
    with pytest.raises(TypeError, match=r"^origins must be a list, not a str$"):
        call(origins="https://example.com")


def test_wrong_tls_arguments_of_serve():
    """ssl must be a context; its options need it."""
    with pytest.raises(TypeError, match="ssl argument must be an SSLContext or None"):
        serve(echo, ssl=True)
    with pytest.raises(ValueError, match="ssl_handshake_timeout is only meaningful"):
        serve(echo, ssl_handshake_timeout=1)
    serve(echo, ssl_handshake_timeout=None)
