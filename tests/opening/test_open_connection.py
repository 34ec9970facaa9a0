"""The client's ceremony, over a network in memory."""

from __future__ import annotations

import functools

import pytest

from tests.opening.ceremonies import connect, refused
from tests.opening.fakes import (
    TUNNEL,
    FakeNetwork,
    fields,
    redirect,
    switch,
)
from websockets.client import ClientProtocol
from websockets.exceptions import (
    InvalidHeaderValue,
    InvalidMessage,
    InvalidProxyMessage,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
)
from websockets.protocol import State


# Success


def test_open():
    """The ceremony ends with an open protocol, request, response, and the stream."""
    opened, network = connect("ws://h.test/path?query", [switch])
    assert opened.stream is network.streams[0]
    assert network.open == {opened.stream}
    assert opened.protocol.state is State.OPEN
    assert opened.request.path == "/path?query"
    assert opened.response.status_code == 101
    assert opened.uri == "ws://h.test/path?query"
    assert opened.proxies == ()
    assert network.log == [("tcp", "h.test", 80), "write"]


def test_pieces():
    """The response may come in pieces."""

    def first(data):
        answer = switch(data)
        stream.script[:0] = [answer[i : i + 1] for i in range(1, len(answer))]
        return answer[:1]

    network = FakeNetwork([first])
    stream = None
    original = network.connect

    async def remember(*event):
        nonlocal stream
        stream = await original(*event)
        return stream

    network.connect = remember
    opened, _ = connect("ws://h.test/", network=network)
    assert opened.protocol.state is State.OPEN


def test_frames_after_response():
    """Bytes behind the response stay in the protocol, unparsed."""
    frame = b"\x81\x02Hi"
    opened, _ = connect("ws://h.test/", [lambda data: switch(data) + frame])
    assert opened.protocol.lazy
    assert opened.protocol.events_received() == []


def test_tls_and_proxy():
    """Proxy, TLS with the proxy, TLS with the server, handshake: in this order."""
    opened, network = connect(
        "wss://h.test/", [TUNNEL, switch], proxy="https://u:p@p.test"
    )
    assert network.log == [
        ("tcp", "p.test", 443),
        ("tls", "default http/1.1", "p.test", {}),
        "write",
        ("tls", "default ", "h.test", {}),
        "write",
    ]
    assert opened.stream is network.streams[2]
    assert [hop.url for hop in opened.proxies] == ["https://p.test:443"]


# Headers


HEADERS = [
    "Host",
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
]


def headers_of(uri="ws://h.test/", **kwargs):
    """Return the header fields of the upgrade request."""
    return fields(connect(uri, [switch], **kwargs)[1].written[0])


def test_header_order():
    """The library's headers come first, then the user's, then User-Agent."""
    sent = headers_of(
        additional_headers=[("X", "1"), ("A", "2"), ("X", "3")],
        user_agent_header="Me/1",
    )
    assert [name for name, _ in sent] == [*HEADERS, "X", "A", "X", "User-Agent"]


def test_user_agent():
    """User-Agent is the library's, the given one, the user's header, or none."""
    assert dict(headers_of())["User-Agent"].startswith("Python/")
    assert dict(headers_of(user_agent_header="Me/1"))["User-Agent"] == "Me/1"
    assert [name for name, _ in headers_of(user_agent_header=None)] == HEADERS
    assert [name for name, _ in headers_of(user_agent_header="")] == HEADERS
    sent = headers_of(additional_headers={"user-agent": "Me/2"})
    assert [value for name, value in sent if name.lower() == "user-agent"] == ["Me/2"]


@pytest.mark.parametrize(
    "name", ["Host", "Origin", "Authorization", "Sec-WebSocket-Version"]
)
def test_replaced_header(name):
    """A header of the user replaces the library's of the same name, in its place."""
    options = {
        "uri": "ws://u:p@h.test/",
        "create_protocol": functools.partial(ClientProtocol, origin="http://o.test"),
    }
    usual = [field[0] for field in headers_of(**options)]
    sent = headers_of(additional_headers={name.lower(): "mine"}, **options)
    assert [field[0] for field in sent] == [
        name.lower() if field == name else field for field in usual
    ]
    assert dict(sent)[name.lower()] == "mine"


def test_key():
    """A Sec-WebSocket-Key of the user is the one that the response is compared with."""
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    sent = headers_of(additional_headers={"Sec-WebSocket-Key": key})
    assert dict(sent)["Sec-WebSocket-Key"] == key


def test_two_keys():
    """Two keys are a mistake, found before anything is opened."""
    key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    exc, network = refused(
        "ws://h.test/", exception=ValueError, additional_headers=[key, key]
    )
    assert str(exc) == "additional_headers contain 2 Sec-WebSocket-Key"
    assert network.log == []


@pytest.mark.parametrize(
    ("argument", "headers", "exception"),
    [
        ("additional_headers", {"X": "a\r\nb"}, InvalidHeaderValue),
        ("additional_headers", {"X\r\n": "a"}, ValueError),
        ("additional_headers", {"X": b"a"}, TypeError),
        ("additional_headers", 42, TypeError),
        ("proxy_headers", {"X": "a\r\nb"}, InvalidHeaderValue),
    ],
)
def test_invalid_headers(argument, headers, exception):
    """Wrong headers are found before anything is opened; a note names the argument."""
    exc, network = refused(
        "ws://h.test/", exception=exception, proxy=None, **{argument: headers}
    )
    assert network.log == []
    assert exc.__notes__ == [f"while checking {argument}"]


@pytest.mark.parametrize("uri", ["http://h.test/", "ws://h.test/#fragment", "ws://"])
def test_invalid_uri(uri):
    """A URI that isn't a WebSocket URI is refused before anything is opened."""
    _, network = refused(uri, exception=InvalidURI)
    assert network.log == []


def test_headers_for_proxy_and_server():
    """The proxy gets nothing that's for the server, and the server nothing of its."""
    _, network = connect(
        "ws://ann:web@h.test/path",
        [TUNNEL, switch],
        proxy="http://bob:door@p.test",
        proxy_headers={"X-Proxy": "1", "Cookie": "door"},
        additional_headers={"X-Server": "1", "Cookie": "web"},
    )
    written = network.written[0]
    end = written.index(b"\r\n\r\n") + 4
    for_proxy = [name for name, _ in fields(written[:end])]
    for_server = [name for name, _ in fields(written[end:])]
    assert for_proxy == [
        "Host",
        "User-Agent",
        "Proxy-Authorization",
        "X-Proxy",
        "Cookie",
    ]
    assert "X-Server" in for_server
    assert not {"X-Proxy", "Proxy-Authorization"} & set(for_server)
    assert b"web" not in written[:end].replace(b"websockets/", b"")
    assert b"door" not in written[end:]


# Failures


@pytest.mark.parametrize(
    "script",
    [
        [b""],
        [b"HTTP/1.1 1", b""],
        [b"SSH-2.0\r\n\r\n"],
        [ConnectionResetError("reset")],
    ],
)
def test_not_http(script):
    """An end of the stream, a reset, and anything but HTTP are an InvalidMessage."""
    exc, _ = refused("ws://h.test/", script, exception=InvalidMessage)
    assert str(exc) == "did not receive a valid HTTP response"
    is_eof = script[-1] != b"SSH-2.0\r\n\r\n"
    assert isinstance(exc.__cause__, EOFError if is_eof else ValueError)


def test_reset_note():
    """A note tells a reset from a close."""
    exc, _ = refused("ws://h.test/", [ConnectionResetError("reset")])
    assert exc.__notes__ == ["ConnectionResetError: reset"]


def test_late_reset():
    """A reset while the body of a refusal is read is an end of the body."""
    exc, _ = refused(
        "ws://h.test/", [b"HTTP/1.1 403 No\r\n\r\nwhy", ConnectionResetError("reset")]
    )
    assert isinstance(exc, InvalidStatus)
    assert exc.response.body == b"why"


@pytest.mark.parametrize("failure", [TimeoutError("late"), OSError("unplugged")])
def test_network_failure(failure):
    """Other errors of the network pass."""
    exc, _ = refused("ws://h.test/", [failure], exception=OSError)
    assert exc is failure


def test_refused():
    """A refusal is an InvalidStatus, with the body."""
    exc, network = refused(
        "ws://h.test/", [b"HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nwhy"]
    )
    assert str(exc) == "server rejected WebSocket connection: HTTP 403"
    assert exc.response.body == b"why"
    assert network.log == [("tcp", "h.test", 80), "write", "abort"]


def test_refused_by_proxy():
    """A proxy's refusal is a ValueError with the status in its text; a second try works."""
    script = [b"HTTP/1.1 407 Authenticate\r\nContent-Length: 0\r\n\r\n"]
    exc, network = refused(
        "wss://h.test/", script, exception=ValueError, proxy="http://p.test"
    )
    assert isinstance(exc, InvalidProxyStatus)
    assert str(exc) == "proxy rejected connection: HTTP 407"
    assert network.log[1:] == ["write", "abort"]

    _, network = connect(
        "wss://h.test/",
        [TUNNEL, switch],
        proxy="http://p.test",
        proxy_headers=[("Proxy-Authorization", "Basic dTpw")],
    )
    assert ("Proxy-Authorization", "Basic dTpw") in fields(network.written[0])


def test_proxy_failures_are_not_redirects():
    """A proxy's redirect isn't followed: only the server's are."""
    exc, _ = refused(
        "ws://h.test/",
        [redirect("ws://g.test/")],
        proxy="http://p.test",
        process_redirect=lambda exc, uri: pytest.fail("called"),
    )
    assert str(exc) == "proxy rejected connection: HTTP 302"
    exc, _ = refused("ws://h.test/", [b""], proxy="http://p.test")
    assert isinstance(exc, InvalidProxyMessage)


def test_failing_protocol():
    """What the user's factory raises passes, and nothing was opened."""

    def create_protocol(uri):
        raise RuntimeError("no")

    _, network = refused(
        "ws://h.test/", exception=RuntimeError, create_protocol=create_protocol
    )
    assert network.log == []


def test_proxy_authorization_among_the_headers_for_the_server(caplog):
    """Credentials for the proxy in additional_headers aren't shown to the server."""
    headers = {"Proxy-Authorization": "Basic c2VjcmV0", "X-Mine": "kept"}
    opened, _ = connect(
        "wss://h.test/",
        [TUNNEL, switch],
        proxy="http://p.test",
        additional_headers=headers,
    )
    assert "Proxy-Authorization" not in opened.request.headers
    assert opened.request.headers["X-Mine"] == "kept"
    (record,) = (r for r in caplog.records if r.levelname == "WARNING")
    assert "proxy_headers" in record.getMessage()
    assert "c2VjcmV0" not in caplog.text


def test_proxy_authorization_without_a_proxy():
    """Without a proxy the header is sent: the server may be a reverse proxy."""
    headers = {"Proxy-Authorization": "Basic c2VjcmV0"}
    opened, _ = connect(
        "ws://h.test/", [switch], proxy=None, additional_headers=headers
    )
    assert opened.request.headers["Proxy-Authorization"] == "Basic c2VjcmV0"
