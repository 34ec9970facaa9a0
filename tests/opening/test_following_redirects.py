"""The client's ceremony, when the server redirects."""

from __future__ import annotations

import pytest

from tests.opening.ceremonies import connect, refused, requested
from tests.opening.fakes import (
    TUNNEL,
    fields,
    redirect,
    switch,
)
from websockets.datastructures import Headers
from websockets.exceptions import (
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
    SecurityError,
)


def test_redirects():
    """Redirects are followed, each on a new connection; the old one is released."""
    opened, network = connect(
        "ws://h.test/a", [redirect("/b")], [redirect("http://g.test:81/c")], [switch]
    )
    assert requested(network) == ["/a", "/b", "/c"]
    assert [event for event in network.log if event[0] == "tcp"] == [
        ("tcp", "h.test", 80),
        ("tcp", "h.test", 80),
        ("tcp", "g.test", 81),
    ]
    assert opened.uri == "ws://g.test:81/c"
    assert opened.protocol.uri.host == "g.test"
    assert network.open == {network.streams[-1]}


def test_redirect_to_tls():
    """A redirect may lead to wss://."""
    opened, network = connect("ws://h.test/", [redirect("https://h.test/")], [switch])
    assert network.log[-2] == ("tls", "default ", "h.test", {})
    assert opened.uri == "wss://h.test/"


def test_redirect_limit():
    """max_redirects are followed, and no more."""
    scripts = [[redirect(f"/{n}")] for n in range(11)]
    _, network = connect("ws://h.test/", *scripts[:10], [switch])
    assert requested(network) == ["/", *(f"/{n}" for n in range(10))]
    exc, _ = refused("ws://h.test/", *scripts, exception=SecurityError)
    assert str(exc) == "more than 10 redirects"
    assert isinstance(exc.__cause__, InvalidStatus)
    exc, _ = refused("ws://h.test/", *scripts[:1], max_redirects=0)
    assert str(exc) == "more than 0 redirects"


def test_same_origin_redirect():
    """Within an origin, credentials are kept."""
    _, network = connect(
        "ws://u:p@h.test/",
        [redirect("/b")],
        [switch],
        additional_headers={"Cookie": "c", "X": "1"},
    )
    sent = dict(fields(network.written[1]))
    assert sent["Authorization"] == "Basic dTpw"
    assert sent["Cookie"] == "c"
    assert sent["X"] == "1"


@pytest.mark.parametrize(
    "location",
    ["ws://g.test/", "ws://h.test:81/", "wss://h.test/", "http://g.test/", "//g.test/"],
)
def test_cross_origin_redirect(location):
    """Credentials are dropped at the first other origin, for good."""
    _, network = connect(
        "ws://u:p@h.test/",
        [redirect(location)],
        [redirect("wss://h.test/back")],
        [switch],
        additional_headers={
            "cookie": "c",
            "Authorization": "Bearer t",
            "Proxy-Authorization": "Basic x",
            "X": "1",
        },
    )
    for written in [data for data in network.written if data][1:]:
        sent = Headers(fields(written))
        assert "Cookie" not in sent
        assert "Authorization" not in sent
        assert "Proxy-Authorization" not in sent
        assert sent["X"] == "1"


def test_credentials_in_location():
    """User name and password of the new URI are used for the new origin."""
    _, network = connect("ws://u:p@h.test/", [redirect("ws://v:q@g.test/")], [switch])
    assert dict(fields(network.written[1]))["Authorization"] == "Basic djpx"


@pytest.mark.parametrize(
    ("uri", "kwargs", "location", "text"),
    [
        (
            "ws://h.test/",
            {"sock": "sock"},
            "/b",
            "cannot follow redirect to ws://h.test/b with a preexisting socket",
        ),
        (
            "ws://h.test/",
            {"unix": True, "path": "/s"},
            "ws://g.test/",
            "cannot follow cross-origin redirect to ws://g.test/ with a Unix socket",
        ),
        (
            "ws://h.test/",
            {"host": "i.test"},
            "ws://g.test/",
            "cannot follow cross-origin redirect to ws://g.test/ "
            "with an explicit host or port",
        ),
        (
            "ws://h.test/",
            {"port": 81},
            "ws://g.test/",
            "cannot follow cross-origin redirect to ws://g.test/ "
            "with an explicit host or port",
        ),
    ],
)
def test_redirect_refused(uri, kwargs, location, text):
    """A redirect that the arguments rule out is a ValueError, caused by the response."""
    exc, _ = refused(uri, [redirect(location)], exception=ValueError, **kwargs)
    assert str(exc) == text
    assert isinstance(exc.__cause__, InvalidStatus)


def test_downgrade():
    """wss:// never leads to ws://."""
    exc, _ = refused(
        "wss://h.test/", [redirect("ws://h.test/")], exception=SecurityError
    )
    assert str(exc) == "cannot follow redirect to non-secure URI ws://h.test/"


def test_hook():
    """process_redirect gets every failure of the handshake, with the URI, and decides."""
    calls = []

    def process_redirect(exc, uri):
        calls.append((type(exc), uri))
        return f"{uri}x"

    _, network = connect(
        "ws://h.test/a",
        [b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"],
        [b""],
        [switch],
        process_redirect=process_redirect,
    )
    assert calls == [
        (InvalidStatus, "ws://h.test/a"),
        (InvalidMessage, "ws://h.test/ax"),
    ]
    assert requested(network) == ["/a", "/ax", "/axx"]


def test_hook_refuses():
    """process_redirect may refuse every redirect."""
    exc, _ = refused(
        "ws://h.test/",
        [redirect("/b")],
        exception=InvalidStatus,
        process_redirect=lambda exc, uri: exc,
    )
    assert exc.response.status_code == 302
    assert exc.__cause__ is None


def test_hook_cannot_carry_credentials():
    """Credentials stay with their origin, whatever process_redirect decides."""
    _, network = connect(
        "ws://u:p@h.test/",
        [b""],
        [switch],
        additional_headers={"Cookie": "c"},
        process_redirect=lambda exc, uri: "ws://g.test/",
    )
    assert not {"Cookie", "Authorization"} & set(dict(fields(network.written[1])))


def test_hook_returns_nonsense():
    """A URI that isn't one is an InvalidURI; nothing stays open."""
    refused(
        "ws://h.test/",
        [b""],
        exception=InvalidURI,
        process_redirect=lambda exc, uri: "x",
    )


def test_proxy_auth_of_redirect(environment):
    """Credentials for one proxy aren't for another; a function may give it its own."""
    environment["h.test"] = "socks5h://p.test"
    environment["g.test"] = "socks5h://q.test"
    password, none = b"\x05\x02", b"\x05\x00"
    done = b"\x05\x00\x00\x01" + bytes(6)
    scripts = [
        [password, b"\x01\x00", done, redirect("ws://f.test/")],
        [redirect("/again", 307)],
        [redirect("ws://h.test/b")],
        [password, b"\x01\x00", done, redirect("ws://g.test/")],
        [none, done, switch],
    ]
    opened, network = connect("ws://h.test/a", *scripts, proxy_auth=("ann", "s3cret"))
    assert [hop.auth for hop in opened.proxies] == [None]
    assert [b"s3cret" in data for data in network.written] == [
        *[True, False, False, True, False]
    ]
    scripts[-1] = [password, b"\x01\x00", done, switch]
    opened, network = connect(
        "ws://h.test/a", *scripts, proxy_auth=lambda proxy: ("ann", proxy.host)
    )
    assert [hop.auth for hop in opened.proxies] == ["password"]
    assert b"q.test" in network.written[-1]


def test_proxy_of_redirect(environment):
    """Each URI has its proxy; what one proxy may know, another one may not."""
    environment["h.test"] = "http://p.test"
    environment["g.test"] = "http://q.test"
    secret = {"Proxy-Authorization": "Basic x", "X": "1"}
    opened, network = connect(
        "ws://h.test/a",
        [TUNNEL, redirect("/b")],
        [TUNNEL, redirect("ws://g.test/")],
        [TUNNEL, switch],
        proxy_headers=secret,
        user_agent_header=None,
    )
    proxied = [
        fields(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n") for data in network.written
    ]
    assert proxied[0][1:] == proxied[1][1:] == list(secret.items())
    assert proxied[2][1:] == [("X", "1")]
    assert opened.proxies[0].url == "http://q.test:80"
