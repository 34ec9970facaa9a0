"""CONNECT: requests, answers, refusals."""

from __future__ import annotations

import types

import pytest

from tests.opening.fakes import TUNNEL, FakeNetwork, fields, run
from websockets._opening.progress import Progress
from websockets._opening.proxies.dialogue import (
    CERTIFICATE,
    READ,
    RECONNECT,
    Blocking,
    Read,
    converse,
)
from websockets._opening.proxies.http_connect import HTTPHop, connect_request
from websockets._opening.proxies.traces import request_trace
from websockets._opening.route import Journey, ProxyLine, Route
from websockets.datastructures import Headers
from websockets.exceptions import (
    InvalidHeaderValue,
    InvalidProxyMessage,
    InvalidProxyStatus,
    ProxyAuthenticationError,
)
from websockets.proxy import parse_proxy, prepare_connect_request
from websockets.uri import WebSocketURI, parse_uri


PROXY = parse_proxy("http://p.test:3128")


def request(uri="wss://h.test/x", proxy="http://p.test", **kwargs):
    return prepare_connect_request(parse_proxy(proxy), parse_uri(uri), **kwargs)


# Requests


@pytest.mark.parametrize(
    ("uri", "authority"),
    [
        ("ws://h.test/", "h.test:80"),
        ("wss://h.test/", "h.test:443"),
        ("wss://h.test:8443/", "h.test:8443"),
        ("wss://[2001:db8::1]/", "[2001:db8::1]:443"),
        ("wss://münchen.test/", "xn--mnchen-3ya.test:443"),
        ("wss://ann:s3cret@h.test/path?query", "h.test:443"),
    ],
)
def test_authority(uri, authority):
    """The request line and Host have host and port, always, and nothing else."""
    assert request(uri, user_agent_header=None) == (
        f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode()
    )


def test_user_agent():
    """User-Agent is the library's, the given one, or none."""
    assert dict(fields(request()))["User-Agent"].startswith("Python/")
    assert dict(fields(request(user_agent_header="Me/1")))["User-Agent"] == "Me/1"
    assert "User-Agent" not in dict(fields(request(user_agent_header=None)))
    assert "User-Agent" not in dict(fields(request(user_agent_header="")))


@pytest.mark.parametrize("value", ["a\r\nX: y", "\N{EURO SIGN}"])
def test_user_agent_that_cannot_be_sent(value):
    """A User-Agent can't add headers, nor fail while it's encoded."""
    with pytest.raises(InvalidHeaderValue, match="invalid User-Agent header"):
        request(user_agent_header=value)


def test_host_that_cannot_be_sent():
    """A host can't add headers to the request; parse_uri() refuses it already."""
    uri = WebSocketURI(True, "h.test:443 HTTP/1.1\r\nX: y", 443, "", "")
    with pytest.raises(ValueError, match="invalid host"):
        prepare_connect_request(PROXY, uri)


def test_credentials():
    """The user name and password of the proxy's URL become Basic credentials."""
    assert fields(request(proxy="http://u:p%40@p.test", user_agent_header=None)) == [
        ("Host", "h.test:443"),
        ("Proxy-Authorization", "Basic dTpwQA=="),
    ]


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Tenant", "blue"), ("A", "1"), ("X-Tenant", "green")],
        Headers([("X-Tenant", "blue"), ("A", "1"), ("X-Tenant", "green")]),
        iter([("X-Tenant", "blue"), ("A", "1"), ("X-Tenant", "green")]),
    ],
    ids=["list", "Headers", "iterator"],
)
def test_proxy_headers(headers):
    """Headers for the proxy are added in order, duplicates included."""
    assert fields(request(user_agent_header=None, proxy_headers=headers)) == [
        ("Host", "h.test:443"),
        ("X-Tenant", "blue"),
        ("A", "1"),
        ("X-Tenant", "green"),
    ]


def test_proxy_headers_dict():
    """A dict will do."""
    added = fields(request(user_agent_header=None, proxy_headers={"A": "1", "B": "2"}))
    assert added[1:] == [("A", "1"), ("B", "2")]


def test_proxy_headers_win():
    """A header of the user replaces the library's, in its place, in any case."""
    headers = [
        ("proxy-authorization", "Bearer t"),
        ("USER-AGENT", "Me/1"),
        ("X", "1"),
        ("Host", "other"),
    ]
    assert fields(request(proxy="http://u:p@p.test", proxy_headers=headers)) == [
        ("Host", "other"),
        ("USER-AGENT", "Me/1"),
        ("proxy-authorization", "Bearer t"),
        ("X", "1"),
    ]


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\rb", "a\0b"])
def test_control_characters(value):
    """A line break or NUL in a value is refused; the error names the header."""
    with pytest.raises(InvalidHeaderValue, match="X-Tenant") as info:
        request(proxy_headers={"X-Tenant": value})
    assert info.value.__notes__ == ["while checking proxy_headers"]


@pytest.mark.parametrize("name", ["Proxy-Authorization", "X-Token"])
def test_control_characters_in_secret(name):
    """The error doesn't show credentials, whatever the header is called."""
    with pytest.raises(InvalidHeaderValue) as info:
        request(proxy_headers={name: "Basic s3cret\n"})
    assert "s3cret" not in str(info.value) + repr(info.value)
    assert info.value.__context__ is None


@pytest.mark.parametrize("name", ["X\r\nY", "", "X Y", "X:"])
def test_names(name):
    """A name that isn't a token is refused."""
    with pytest.raises(ValueError, match="invalid header name"):
        request(proxy_headers={name: "1"})


@pytest.mark.parametrize("headers", [42, {"X": b"1"}, [("X", None)]])
def test_types(headers):
    """What isn't headers is refused."""
    with pytest.raises(TypeError) as info:
        request(proxy_headers=headers)
    assert info.value.__notes__ == ["while checking proxy_headers"]


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
def test_no_body(name):
    """Headers that announce a body are refused: what follows would be taken for it."""
    with pytest.raises(ValueError, match=f"proxy_headers cannot contain {name}"):
        request(proxy_headers={name: "5"})


# Answers


def tunnel(*script, proxy=PROXY):
    """Ask a scripted proxy for a tunnel; return the response and the stream."""
    network = FakeNetwork(script)
    traced = tunnel.traced = []

    async def exchange():
        stream = await network.open_tcp(proxy.host, proxy.port)
        try:
            line = types.SimpleNamespace(stream=stream, trace=traced.extend)
            opened = await converse(line, HTTPHop(proxy).tunnel("h.test", 443))
            assert opened.scheme is None
            return opened.response
        finally:
            assert (
                stream.written
                == b"CONNECT h.test:443 HTTP/1.1\r\nHost: h.test:443\r\n\r\n"
            )
            tunnel.timeouts = stream.timeouts

    return run(exchange())


@pytest.mark.parametrize(
    "answer",
    [
        TUNNEL,
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 201 Created\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\nHTTP/1.1 103 x\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
    ],
)
def test_tunnel(answer):
    """Any 2xx opens a tunnel, whatever its headers announce; most of 1xx is skipped."""
    response = tunnel(answer)
    assert 200 <= response.status_code < 300
    assert response.body == b""


def test_pieces():
    """The answer may come in pieces of any size."""
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: y\r\n\r\n"
    pieces = [answer[i : i + 1] for i in range(len(answer))]
    assert tunnel(*pieces).headers["X"] == "y"
    assert set(tunnel.timeouts) == {None}


def test_surplus():
    """Bytes after the answer are refused: nobody may speak before the client."""
    with pytest.raises(InvalidProxyMessage) as info:
        tunnel(TUNNEL + b"HTTP/1.1 101 Switching Protocols\r\n")
    assert str(info.value) == "proxy sent 34 bytes after its response"


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ([b""], EOFError),
        ([b"HTTP/1.1 2", b""], EOFError),
        ([b"HTTP/1.1 200 OK\r\nX: y", b""], EOFError),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", b""], EOFError),
        ([ConnectionResetError("reset")], EOFError),
        ([b"SSH-2.0-OpenSSH\r\n\r\n"], ValueError),
        ([b"HTTP/2.0 200 OK\r\n\r\n"], ValueError),
        ([b"HTTP/1.1 200 OK\r\n broken\r\n\r\n"], ValueError),
        ([b"HTTP/1.1 200 " + b"x" * 9000], Exception),
        ([b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"], Exception),
    ],
)
def test_not_http(script, cause):
    """Anything but an HTTP response, of a sane size, is an InvalidProxyMessage."""
    with pytest.raises(InvalidProxyMessage) as info:
        tunnel(*script)
    assert str(info.value) == "did not receive a valid HTTP response from proxy"
    assert isinstance(info.value.__cause__, cause)


def test_network_error():
    """Errors of the network that don't end the stream pass."""
    with pytest.raises(TimeoutError):
        tunnel(TimeoutError())


# Refusals


@pytest.mark.parametrize("status", [101, 301, 400, 401, 403, 407, 500, 502, 503, 504])
def test_refused(status):
    """Any other status is a refusal, an exception that is also a ValueError."""
    with pytest.raises(ValueError, match="rejected") as info:
        tunnel(f"HTTP/1.1 {status} No\r\nContent-Length: 3\r\n\r\nwhy".encode())
    kind = ProxyAuthenticationError if status == 407 else InvalidProxyStatus
    assert type(info.value) is kind
    assert str(info.value) == f"proxy rejected connection: HTTP {status}"
    assert info.value.response.status_code == status
    assert info.value.response.body == b"why"


REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\n"
CHUNKED = REFUSED + b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH = REFUSED + b"Content-Length: 10\r\n\r\n"


@pytest.mark.parametrize(
    ("script", "body"),
    [
        ([REFUSED + b"Content-Length: 0\r\n\r\n"], b""),
        ([LENGTH + b"0123456789"], b"0123456789"),
        ([LENGTH, b"01234", b"56789"], b"0123456789"),
        ([LENGTH, b"01234", b""], b"01234"),
        ([LENGTH, b"01234", TimeoutError()], b"01234"),
        ([LENGTH, b"01234", ConnectionResetError()], b"01234"),
        ([LENGTH, TimeoutError()], b""),
        ([REFUSED + b"\r\n", b"01234", b""], b"01234"),
        ([REFUSED + b"\r\n", b"01234", TimeoutError()], b"01234"),
        ([REFUSED + b"Content-Length: +5\r\n\r\n", b"01234", b""], b"01234"),
        ([REFUSED + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n01", b""], b"01"),
        ([REFUSED + b"Transfer-Encoding: gzip\r\n\r\n", b"01234", b""], b"01234"),
        ([CHUNKED + b"5\r\n01234\r\n3;x=y\r\n567\r\n0\r\n\r\n"], b"01234567"),
        ([CHUNKED + b"5\r\n01234\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n"], b"01234"),
        ([CHUNKED, b"5\r", b"\n012", b"34\r", b"\n0", b"\r\n", b"\r\n"], b"01234"),
        ([CHUNKED + b"5\r\n01234\r\n", b""], b"01234"),
        ([CHUNKED + b"5\r\n01234\r\n", TimeoutError()], b"01234"),
        ([CHUNKED + b"5\r\n01234\r\nz\r\n"], b"01234"),
        ([CHUNKED + b"5\r\n0123456789\r\n"], b"01234"),
        ([CHUNKED + b"2\r\n01x\n"], b"01"),
        ([CHUNKED + b"1" * 9000], b""),
        ([CHUNKED + b"0\r\n" + b"X: y\r\n" * 20], b""),
    ],
)
def test_body(script, body):
    """The refusal's body is there, as far as it came, however it's framed."""
    with pytest.raises(InvalidProxyStatus) as info:
        tunnel(*script)
    assert info.value.response.body == body


@pytest.mark.parametrize(
    "head",
    [
        REFUSED + b"\r\n",
        REFUSED + b"Content-Length: 100000\r\n\r\n",
        CHUNKED + b"186a0\r\n",
    ],
)
def test_body_limit(head):
    """No more than 64 KiB of the body are kept."""
    with pytest.raises(InvalidProxyStatus) as info:
        tunnel(head, *[b"x" * 10_000] * 7)
    assert info.value.response.body == b"x" * 65_536


def test_chunks_limit():
    """The limit holds for many small chunks too."""
    with pytest.raises(InvalidProxyStatus) as info:
        tunnel(CHUNKED + b"1000\r\n" + (b"x" * 4096 + b"\r\n1000\r\n") * 17)
    assert info.value.response.body == b"x" * 65_536


def test_trace():
    """The log shows requests and responses, without what may be a secret."""
    with pytest.raises(InvalidProxyStatus):
        tunnel(
            b"HTTP/1.1 102 Processing\r\n\r\n",
            REFUSED
            + b"Proxy-Authenticate: NTLM s3cret==, Negotiate s3cret, Basic realm=x\r\n"
            + b"Set-Cookie: s3cret\r\nContent-Length: 0\r\n\r\n",
        )
    assert tunnel.traced == [
        "> CONNECT h.test:443 HTTP/1.1",
        "> Host: h.test:443",
        "< HTTP/1.1 102 Processing",
        "< HTTP/1.1 407 Proxy Authentication Required",
        "< Proxy-Authenticate: NTLM ***, Negotiate ***, Basic realm=x",
        "< Set-Cookie: ***",
        "< Content-Length: 0",
    ]
    request = connect_request(
        PROXY, "h", 80, (("user-agent", "Me/1"), ("X-Token", "s3cret"))
    )
    assert request_trace(request).lines[2:] == ("> user-agent: Me/1", "> X-Token: ***")


def test_patience():
    """The status may take as long as the deadline lets it; the body, a second."""
    with pytest.raises(InvalidProxyStatus):
        tunnel(b"HTTP/1.1 407 No\r\n", b"\r\n", b"sorry", TimeoutError())
    assert tunnel.timeouts == [None, None, 1.0, 1.0]


# Dialogues


def test_translation():
    """A dialogue can answer an error of the stream with another step."""
    network = FakeNetwork([OSError("first"), b"second"])

    def stubborn():
        try:
            yield Read(5.0)
        except OSError:
            return (yield Read())

    async def exchange():
        line = types.SimpleNamespace(stream=await network.open_tcp("h", 1))
        return await converse(line, stubborn())

    assert run(exchange()) == b"second"
    assert network.streams[0].timeouts == [5.0, None]


def test_steps():
    """A dialogue gets what it asks for, on a new connection after a Reconnect."""
    network = FakeNetwork([b"old"], [b"new"])
    network.certificate = b"DER"
    route = Route(host="h", port=1, hops=(HTTPHop(PROXY),))

    def curious():
        answers = [(yield READ), (yield CERTIFICATE)]
        yield RECONNECT
        return [*answers, (yield READ), (yield Blocking(lambda: 6 * 7))]

    async def exchange():
        journey = Journey(network, route, Progress())
        line = ProxyLine(journey, 0, await network.open_tcp("p.test", 3128))
        answers = await converse(line, curious())
        line.stream.abort()
        return answers

    assert run(exchange()) == [b"old", b"DER", b"new", 42]
    tcp = ("tcp", "p.test", 3128)
    assert network.log == [tcp, "abort", tcp, "abort"]


def test_user_agent_of_connect_itself_is_checked():
    """What connect() sends to a proxy is checked like what prepare_connect_request() makes."""
    hop = HTTPHop(parse_proxy("http://p.test:8080"), user_agent_header="Me\r\nX: y")
    with pytest.raises(InvalidHeaderValue, match="invalid User-Agent header"):
        next(hop.tunnel("server.test", 443))
