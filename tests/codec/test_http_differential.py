"""The HTTP parsers against two others: h11, and llhttp, which is Node's (httptools).

What both accept with the same result, we accept with that result; what we accept, they
accept. Where that isn't so, it is on purpose: the tables of this module are the complete
list of differences, and each test fails when it meets one that isn't there.
"""

from __future__ import annotations

import re

import h11
import httptools
import hypothesis.strategies as st
import pytest
from hypothesis import assume, example, given

from tests.codec.http_pieces import Pending, parse_request, parse_response
from websockets.exceptions import SecurityError


class Refused(Exception):
    """A parser doesn't accept the message, or waits for more of it."""


def normalize(items):
    """Make headers comparable; llhttp leaves spaces at the end of a value."""
    return [
        (name.decode("latin-1").lower(), value.decode("latin-1").strip("\t "))
        for name, value in items
    ]


def same(result, other):
    """Compare results, but for what h11 rewrites: equal lengths, and the coding's case."""

    def rewrite(result):
        *head, items = result
        length = {
            part.strip()
            for name, value in items
            if name == "content-length"
            for part in value.split(",")
        }
        coding = [
            (name, value.lower())
            for name, value in items
            if name == "transfer-encoding"
        ]
        others = [
            item
            for item in items
            if item[0] not in {"content-length", "transfer-encoding"}
        ]
        return head, length, coding, others

    return rewrite(result) == rewrite(other)


def attempt(parse, raw):
    """Return what a parser makes of a message, or why it refuses."""
    try:
        return parse(raw)
    except Refused as exc:
        return exc


def accepted(result):
    return not isinstance(result, Refused)


def ours(parse, raw, **kwargs):
    try:
        return parse(raw, **kwargs)
    except (EOFError, ValueError, NotImplementedError, SecurityError, Pending) as exc:
        raise Refused(f"{type(exc).__name__}: {exc}") from exc


# -- requests


def our_request(raw):
    request = ours(parse_request, raw)
    items = [(k.encode(), v.encode("latin-1")) for k, v in request.headers.raw_items()]
    return request.method, request.path, request.protocol, normalize(items)


def h11_request(raw):
    connection = h11.Connection(h11.SERVER)
    try:
        connection.receive_data(raw)
        event = connection.next_event()
    except h11.RemoteProtocolError as exc:
        raise Refused(str(exc)) from exc
    if not isinstance(event, h11.Request):
        raise Refused(str(event))
    return (
        event.method.decode(),
        event.target.decode(),
        f"HTTP/{event.http_version.decode()}",
        normalize(event.headers.raw_items()),
    )


class Collector:
    """Collect what httptools calls back with, for the first message only."""

    def __init__(self):
        self.url = self.reason = self.body = b""
        self.items = []
        self.head = self.complete = False
        self.result = None

    def on_url(self, data):
        self.url += data

    def on_status(self, data):
        if not self.head:
            self.reason += data

    def on_header(self, name, value):
        if not self.head:
            self.items.append((name, value))

    def on_headers_complete(self):
        self.head = True

    def on_body(self, data):
        if not self.complete:
            self.body += data

    def on_message_complete(self):
        self.complete = True


def feed_httptools(parser, collector, raw, wanted):
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        collector.complete = True
    except httptools.HttpParserError as exc:
        # What follows the message isn't HTTP: it doesn't matter.
        if not getattr(collector, wanted):
            raise Refused(str(exc)) from exc


def httptools_request(raw):
    collector = Collector()
    parser = httptools.HttpRequestParser(collector)
    feed_httptools(parser, collector, raw, "head")
    if not collector.head:
        raise Refused("incomplete")
    return (
        parser.get_method().decode(),
        collector.url.decode("latin-1"),
        f"HTTP/{parser.get_http_version()}",
        normalize(collector.items),
    )


def values(result, name):
    return [value for key, value in result[-1] if key == name]


# What both others accept and we refuse, by our exception.
REFUSED_REQUESTS = {
    # Only these versions have one meaning for what we parse. ServerProtocol refuses 1.0
    # too, but programs may answer health checks in it.
    r"ValueError: unsupported protocol; expected HTTP/1.1 or HTTP/1.0": "versions",
    # A request that opens a WebSocket connection has no body.
    r"ValueError: unsupported request body": "body",
    r"NotImplementedError: transfer codings": "body",
}

# What we accept and h11 refuses.
H11_REFUSES_REQUESTS = {
    "hosts are checked by ServerProtocol, which can answer": lambda result: (
        len(values(result, "host")) != 1
    ),
}

# What we accept and httptools refuses.
METHODS = {"GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"}
HTTPTOOLS_REFUSES_REQUESTS = {
    "it knows methods by name": lambda result: result[0] not in METHODS,
    "it knows a few forms of targets": lambda result: (
        not re.match(r"/|\*|https?://[a-z0-9.:-]+([/?]|$)", result[1])
    ),
    "it wants one length; two of zero are no body either": lambda result: (
        len(values(result, "content-length")) > 1
    ),
}

HOST = b"Host: h"
LINES = [
    b"GET / HTTP/1.1", b"GET /chat?a=b HTTP/1.1", b"HEAD * HTTP/1.0", b"get / HTTP/1.1",
    b"GET http://h:80/ HTTP/1.1", b"GET a HTTP/1.1", b"GET /a#b HTTP/1.1", b"FOO / HTTP/1.1",
    b"GET /{}|^<>`\" HTTP/1.1", b"GET ?a HTTP/1.1", b"GET  / HTTP/1.1", b"GET /  HTTP/1.1",
    b"GET / HTTP/1.1 ", b" GET / HTTP/1.1", b"GET / HTTP/0.9", b"GET / HTTP/1.2",
    b"GET / HTTP/2.0", b"GET / HTTP/1.10", b"GET / HTTP/01.1", b"GET / http/1.1", b"GET /",
    b"GET / ICE/1.0", b"PRI * HTTP/2.0", b"GET /\xe9 HTTP/1.1", b"GET /\x00 HTTP/1.1",
    b"GET /\x7f HTTP/1.1", b"GET /\t HTTP/1.1", b"GET /\r HTTP/1.1", b"", b"\r\nGET / HTTP/1.1",
    b"GET / HTTP/1.1\n",
]  # fmt: skip
HEADERS = [
    HOST, b"Host:", b"host: a, b", b"A: b", b"A:b", b"A:", b"A: \t b\tc \t", b"a_b: \"c",
    b"A: \xe9", b"Content-Length: 0", b"Connection: Upgrade", b"Upgrade: websocket",
    b"Connection: close, x", b"Expect: 100-continue", b"A : b", b" A: b", b" folded",
    b"\tfolded", b"A", b": b", b"A(: b", b"A\xe9: b", b"A b: c", b"A\tb: c", b"A\r: b",
    b"A: \x00", b"A: \x01", b"A: \x7f", b"A: b\rc", b"A: b\x0bc", b"A: b\nB: c", b"A: b\n",
    b"A: b\r", b"\r", b"\n", b"Content-Length: 1", b"Content-Length: 00",
    b"Content-Length: +0", b"Content-Length: 0, 0", b"Content-Length:", b"Content-Length: x",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
]  # fmt: skip


def requests(line, headers):
    return b"\r\n".join([line, *headers, b"", b""])


@st.composite
def mutated(draw, messages):
    """Change a byte of a message, sometimes."""
    raw = draw(messages)
    if draw(st.booleans()):
        position = draw(st.integers(0, len(raw) - 1))
        size = draw(st.integers(0, 1))
        byte = draw(
            st.sampled_from([b"\r", b"\n", b" ", b"\t", b"\0", b"\x7f", b":", b","])
        )
        raw = raw[:position] + byte + raw[position + size :]
    return raw


# Most messages have one fault; several would hide one another.
some_requests = mutated(
    st.one_of(
        st.builds(
            requests, st.just(LINES[0]), st.lists(st.sampled_from(HEADERS), max_size=3)
        ),
        st.builds(
            lambda header: requests(LINES[0], [HOST, header]), st.sampled_from(HEADERS)
        ),
        st.builds(lambda line: requests(line, [HOST]), st.sampled_from(LINES)),
    )
)


def check_request(raw):
    """Fail if the parsers disagree in a way that isn't in the tables."""
    mine = attempt(our_request, raw)
    others = {
        "h11": (attempt(h11_request, raw), H11_REFUSES_REQUESTS),
        "httptools": (attempt(httptools_request, raw), HTTPTOOLS_REFUSES_REQUESTS),
    }
    check(mine, others, REFUSED_REQUESTS)


def check(mine, others, refusals):
    results = [result for result, _ in others.values()]
    if accepted(mine):
        for name, (result, differences) in others.items():
            if accepted(result):
                assert same(result, mine), (name, result, mine)
            else:
                reasons = [why for why, holds in differences.items() if holds(mine)]
                assert reasons, f"{name} refuses {mine}: {result}"
    elif all(map(accepted, results)) and same(*results):
        assert any(re.match(pattern, str(mine)) for pattern in refusals), str(mine)


@pytest.mark.parametrize("line", LINES)
def test_nasty_request_lines(line):
    """No line makes the parsers disagree in an unknown way."""
    check_request(requests(line, [HOST]))


@pytest.mark.parametrize("header", HEADERS)
def test_nasty_headers_in_requests(header):
    """No header does, be it the only one, the last or in between."""
    check_request(requests(LINES[0], [header]))
    check_request(requests(LINES[0], [HOST, header]))
    check_request(requests(LINES[0], [header, HOST]))


@given(some_requests)
@example(requests(LINES[0], []))
def test_generated_requests(raw):
    """Nor does a combination of them, with a wrong byte somewhere."""
    check_request(raw)


# -- responses


def our_response(raw):
    response = ours(parse_response, raw, eof=True)
    items = [(k.encode(), v.encode("latin-1")) for k, v in response.headers.raw_items()]
    return response.status_code, response.reason_phrase, response.body, normalize(items)


def h11_response(raw):
    connection = h11.Connection(h11.CLIENT)
    # It allows a 101 only when the request asked for an upgrade.
    headers = [("Host", "h"), ("Upgrade", "websocket"), ("Connection", "upgrade")]
    connection.send(h11.Request(method="GET", target="/", headers=headers))
    connection.send(h11.EndOfMessage())
    body = b""
    try:
        connection.receive_data(raw)
        connection.receive_data(b"")
        head = event = connection.next_event()
        if not isinstance(head, (h11.Response, h11.InformationalResponse)):
            raise Refused(str(head))
        while not isinstance(event, (h11.InformationalResponse, h11.EndOfMessage)):
            event = connection.next_event()
            if isinstance(event, h11.Data):
                body += event.data
    except h11.RemoteProtocolError as exc:
        raise Refused(str(exc)) from exc
    reason = head.reason.decode("latin-1")
    return head.status_code, reason, body, normalize(head.headers.raw_items())


def httptools_response(raw):
    collector = Collector()
    parser = httptools.HttpResponseParser(collector)
    feed_httptools(parser, collector, raw, "complete")
    result = (
        parser.get_status_code(),
        collector.reason.decode("latin-1"),
        collector.body,
        normalize(collector.items),
    )
    # It can't be told that the stream ended.
    delimited = {"content-length", "transfer-encoding"}.intersection(dict(result[-1]))
    if not collector.head or (delimited and not collector.complete):
        raise Refused("incomplete")
    return result


REFUSED_RESPONSES = {
    # RFC 9112 §4: the space before the reason phrase isn't optional.
    r"ValueError: invalid HTTP status line: HTTP/1.1 [0-9]{3}$": "space",
    # A server that doesn't speak HTTP/1.1 can't upgrade.
    r"ValueError: unsupported protocol; expected HTTP/1.1": "versions",
    # RFC 9110 §15: status codes from 100 to 599 are valid.
    r"ValueError: invalid status code; expected 100": "codes",
    # RFC 9112 §4: no control characters, which end up in terminals.
    r"ValueError: invalid HTTP reason phrase: ": "reason phrase",
}

# RFC 9112 §6.3: what delimits a body makes all else irrelevant; the others look at it
# nevertheless. There is no second response that could be smuggled.
IGNORED_FRAMING = {
    "lengths and codings don't matter where there is no body": lambda result: (
        (result[0] < 200 or result[0] in {204, 304})
        and (values(result, "content-length") or values(result, "transfer-encoding"))
    ),
    "lengths don't matter where there are chunks": lambda result: (
        values(result, "content-length") and values(result, "transfer-encoding")
    ),
}

H11_REFUSES_RESPONSES = {**IGNORED_FRAMING}

HTTPTOOLS_REFUSES_RESPONSES = {
    **IGNORED_FRAMING,
    # We ignore them, if they are text.
    "it parses extensions of chunks": lambda result: result[1] == "Extended",
}

STATUS_LINES = [
    b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not \t Found", b"HTTP/1.1 503 ", b"HTTP/1.1 200",
    b"HTTP/1.1 101 X", b"HTTP/1.1 100 X", b"HTTP/1.1 103 X", b"HTTP/1.1 204 X",
    b"HTTP/1.1 205 X", b"HTTP/1.1 304 X", b"HTTP/1.1 302 \xe9", b"HTTP/1.0 200 OK",
    b"HTTP/1.2 200 OK", b"HTTP/2.0 200 OK", b"http/1.1 200 OK", b"HTTP/1.1  200 OK",
    b"HTTP/1.1 200  OK", b"HTTP/1.1 200\tOK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK",
    b"HTTP/1.1 099 OK", b"HTTP/1.1 600 OK", b"HTTP/1.1 +20 OK", b"HTTP/1.1 2_0 OK",
    b"HTTP/1.1 abc OK", b"HTTP/1.1 200 \x00", b"HTTP/1.1 200 \x01", b"HTTP/1.1 200 \x7f",
    b"HTTP/1.1 200 O\rK", b"\r\nHTTP/1.1 200 OK", b"", b"SSH-2.0-x",
]  # fmt: skip
FRAMING = [
    b"Content-Length: 8", b"Content-Length: 0", b"Content-Length: 08", b"Content-Length: 9",
    b"Content-Length: 7", b"Content-Length: +8", b"Content-Length: 8_0",
    b"Content-Length: 8, 8", b"Content-Length: 8\r\nContent-Length: 8", b"Content-Length:",
    b"Content-Length: 8\r\nContent-Length: 7", b"Content-Length: " + b"9" * 20,
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Transfer-Encoding: identity",
    b"Transfer-Encoding: Chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 8", b"Connection: close",
    b"Connection: upgrade\r\nUpgrade: websocket",
]  # fmt: skip
BODIES = [
    b"spameggs", b"8\r\nspameggs\r\n0\r\n\r\n", b"4\r\nspam\r\n4\r\neggs\r\n0\r\n\r\n",
    b"4\r\nspam\r\n0\r\nA: b\r\n\r\n", b"04\r\nspam\r\n00\r\n\r\n",
    b"A\r\nspam\r\neggs\r\n0\r\n\r\n", b"", b"0\r\n\r\n", b"0x4\r\nspam\r\n0\r\n\r\n",
    b"4 \r\nspam\r\n0\r\n\r\n", b"4\t\r\nspam\r\n0\r\n\r\n", b"-4\r\nspam\r\n0\r\n\r\n",
    b"4\r\nspams\r\n0\r\n\r\n", b"4\nspam\r\n0\r\n\r\n", b"4\r\nspam\n0\r\n\r\n",
    b"4\r\nspam0\r\n\r\n", b"4\r\nspam\r\n0\r\n", b"4\r\nspam\r\n", b"\r\nspam",
    b"4\r\nspam\r\n0\r\nbad\r\n\r\n", b"4\r\nspam\r\n0\r\nA : b\r\n\r\n",
    b"4\r\nspam\r\n0\r\n\n", b"4\r\nspam\r\n0\r\nA: b\r\n c\r\n\r\n", b"F" * 17 + b"\r\n",
]  # fmt: skip
EXTENSIONS = [
    b";a",
    b";a=b",
    b';a="b;c"',
    b";",
    b"; a",
    b";;",
    b";a b",
    b";\x00",
    b";\xe9",
]


def responses(line, headers, body):
    return b"\r\n".join([line, *headers, b"", body])


some_responses = mutated(
    st.one_of(
        st.builds(
            responses,
            st.just(STATUS_LINES[0]),
            st.lists(st.sampled_from(FRAMING + HEADERS), max_size=2),
            st.sampled_from(BODIES),
        ),
        st.builds(
            responses,
            st.sampled_from(STATUS_LINES),
            st.lists(st.sampled_from(FRAMING), max_size=1),
            st.sampled_from(BODIES),
        ),
    )
)


def check_response(raw):
    mine = attempt(our_response, raw)
    others = {
        "h11": (attempt(h11_response, raw), H11_REFUSES_RESPONSES),
        "httptools": (attempt(httptools_response, raw), HTTPTOOLS_REFUSES_RESPONSES),
    }
    check(mine, others, REFUSED_RESPONSES)


@pytest.mark.parametrize("line", STATUS_LINES)
def test_nasty_status_lines(line):
    """No line makes the parsers disagree in an unknown way, whatever delimits the body."""
    check_response(responses(line, [], b"spameggs"))
    check_response(responses(line, [b"Content-Length: 8"], b"spameggs"))


@pytest.mark.parametrize("header", HEADERS)
def test_nasty_headers_in_responses(header):
    """No header does."""
    check_response(responses(STATUS_LINES[0], [header, b"A: b"], b"spameggs"))


@pytest.mark.parametrize("framing", FRAMING)
@pytest.mark.parametrize("body", BODIES)
def test_nasty_bodies(framing, body):
    """No pair of a way to delimit a body and a body does."""
    check_response(responses(STATUS_LINES[0], [framing], body))


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_nasty_chunk_extensions(extension):
    """Extensions that aren't well formed are ignored; h11 agrees, httptools doesn't."""
    body = b"4" + extension + b"\r\nspam\r\n0\r\n\r\n"
    line = b"HTTP/1.1 200 Extended"
    check_response(responses(line, [b"Transfer-Encoding: chunked"], body))


@given(some_responses)
def test_generated_responses(raw):
    """Nor does a combination of them, with a wrong byte somewhere."""
    # A byte that falls into an extension of a chunk is another test.
    assume(b";" not in raw)
    check_response(raw)
