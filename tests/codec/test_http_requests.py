"""HTTP requests: the grammar, the limits, and pieces of any size."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from tests.codec.http_pieces import (
    Pending,
    drive,
    exactly,
    one_by_one,
    outcome,
    parse_request,
)
from websockets.datastructures import Headers
from websockets.exceptions import (
    HeaderLineTooLong,
    RequestLineTooLong,
    TooManyHeaders,
)
from websockets.http11 import Request
from websockets.streams import StreamReader


# RFC 6455 §1.2
REQUEST = (
    b"GET /chat HTTP/1.1\r\n"
    b"Host: server.example.com\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Origin: http://example.com\r\n"
    b"Sec-WebSocket-Protocol: chat, superchat\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"\r\n"
)

both_ways = pytest.mark.parametrize(
    "cut", [lambda data: [data], one_by_one], ids=["whole", "bytes"]
)


def get(*lines):
    """Make a GET request of header lines."""
    return b"\r\n".join([b"GET / HTTP/1.1", *lines, b"", b""])


@both_ways
def test_request_has_the_parts_that_were_sent(cut):
    """Method, target, version and headers, with their case and order, are all there."""
    request = parse_request(*cut(REQUEST))
    assert request.method == "GET"
    assert request.path == "/chat"
    assert request.protocol == "HTTP/1.1"
    assert list(request.headers.raw_items()) == [
        ("Host", "server.example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Origin", "http://example.com"),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
        ("Sec-WebSocket-Version", "13"),
    ]


@both_ways
def test_what_follows_the_request_stays(cut):
    """The parser stops behind the empty line."""
    reader = StreamReader()
    drive(Request.parse(reader.read_line), reader, cut(get()))
    reader.feed_data(b"frames")
    assert reader.take() == b"frames"


@pytest.mark.parametrize(
    ("line", "method", "path", "protocol"),
    [
        (b"GET / HTTP/1.0", "GET", "/", "HTTP/1.0"),
        (b"HEAD /health HTTP/1.1", "HEAD", "/health", "HTTP/1.1"),
        (b"get / HTTP/1.1", "get", "/", "HTTP/1.1"),
        (b"M-SEARCH * HTTP/1.1", "M-SEARCH", "*", "HTTP/1.1"),
        (b"GET http://h/ HTTP/1.1", "GET", "http://h/", "HTTP/1.1"),
        (b"CONNECT h:80 HTTP/1.1", "CONNECT", "h:80", "HTTP/1.1"),
        (b"GET /a?b=%20#~ HTTP/1.1", "GET", "/a?b=%20#~", "HTTP/1.1"),
    ],
)
def test_any_method_and_target_is_for_the_caller_to_judge(line, method, path, protocol):
    """Only the form of a request line matters to the parser."""
    request = parse_request(line + b"\r\n\r\n")
    assert (request.method, request.path, request.protocol) == (method, path, protocol)


HEADERS = [
    (b"A: b", ("A", "b")),
    (b"A:b", ("A", "b")),
    (b"A:", ("A", "")),
    (b"A: \t b\tc d \t ", ("A", "b\tc d")),
    (b"A: b:c", ("A", "b:c")),
    (b"A: \xe9", ("A", "\xe9")),
    (b"!#$%&'*+-.^_`|~09AZaz: !~", ("!#$%&'*+-.^_`|~09AZaz", "!~")),
]


@both_ways
@pytest.mark.parametrize(("line", "item"), HEADERS)
def test_header_is_split_at_its_first_colon(line, item, cut):
    """Spaces and tabs around a value aren't part of it; bytes above 0x7F are Latin-1."""
    request = parse_request(*cut(get(b"Before: 1", line, b"After: 2")))
    assert list(request.headers.raw_items()) == [("Before", "1"), item, ("After", "2")]


UNSUPPORTED = "unsupported protocol; expected HTTP/1.1 or HTTP/1.0: "

BAD_REQUESTS = [
    # Request lines
    (b"\r\n", "invalid HTTP request line: "),
    (b"GET /\r\n", "invalid HTTP request line: GET /"),
    (b"\x16\x03\x01\x02\xe9\r\n", "invalid HTTP request line: \x16\x03\x01\x02\\xe9"),
    (b"GET / HTTP/0.9\r\n", UNSUPPORTED + "GET / HTTP/0.9"),
    (b"GET / HTTP/1.2\r\n", UNSUPPORTED + "GET / HTTP/1.2"),
    (b"GET / http/1.1\r\n", UNSUPPORTED + "GET / http/1.1"),
    (b"GET / HTTP/1.1 \r\n", UNSUPPORTED + "GET / HTTP/1.1 "),
    (b"GET  / HTTP/1.1\r\n", UNSUPPORTED + "GET  / HTTP/1.1"),
    (b"GET /a b HTTP/1.1\r\n", UNSUPPORTED + "GET /a b HTTP/1.1"),
    (b"PRI * HTTP/2.0\r\n", UNSUPPORTED + "PRI * HTTP/2.0"),
    (b" / HTTP/1.1\r\n", "invalid HTTP method: "),
    (b"G@T / HTTP/1.1\r\n", "invalid HTTP method: G@T"),
    (b"G\xe9T / HTTP/1.1\r\n", "invalid HTTP method: G\\xe9T"),
    (b"GET  HTTP/1.1\r\n", "invalid HTTP request target: "),
    (b"GET /\x00 HTTP/1.1\r\n", "invalid HTTP request target: /\x00"),
    (b"GET /\x7f HTTP/1.1\r\n", "invalid HTTP request target: /\x7f"),
    (b"GET /\t HTTP/1.1\r\n", "invalid HTTP request target: /\t"),
    (b"GET /\r HTTP/1.1\r\n", "invalid HTTP request target: /\r"),
    (b"GET /\xe9 HTTP/1.1\r\n", "invalid HTTP request target: /\\xe9"),
    (b"GET / HTTP/1.1\n", "line without CRLF"),
    # Headers
    (b"GET / HTTP/1.1\r\nA\r\n", "invalid HTTP header line: A"),
    (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n", "invalid HTTP header line:  c"),
    (b"GET / HTTP/1.1\r\nA: b\r\n c: d\r\n", "invalid HTTP header name:  c"),
    (b"GET / HTTP/1.1\r\nA : b\r\n", "invalid HTTP header name: A "),
    (b"GET / HTTP/1.1\r\n: b\r\n", "invalid HTTP header name: "),
    (b"GET / HTTP/1.1\r\nA(: b\r\n", "invalid HTTP header name: A("),
    (b"GET / HTTP/1.1\r\n\xc9: b\r\n", "invalid HTTP header name: \\xc9"),
    (b"GET / HTTP/1.1\r\nA: \x00\r\n", "invalid HTTP header value: \x00"),
    (b"GET / HTTP/1.1\r\nA: b\x0bc\x0c\r\n", "invalid HTTP header value: b\x0bc\x0c"),
    (b"GET / HTTP/1.1\r\nA: \xe9\x7f\r\n", "invalid HTTP header value: \\xe9\x7f"),
    (b"GET / HTTP/1.1\r\nA: b\rc\r\n", "invalid HTTP header value: b\rc"),
    (b"GET / HTTP/1.1\r\nA: b\nC: d\r\n", "line without CRLF"),
    (b"GET / HTTP/1.1\r\nA: b\n\r\n", "line without CRLF"),
    # Bodies
    (b"GET / HTTP/1.1\r\nContent-Length: 2\r\n", "unsupported request body"),
    (b"GET / HTTP/1.1\r\nContent-Length: 00\r\n", "unsupported request body"),
    (b"GET / HTTP/1.1\r\nContent-Length: +0\r\n", "unsupported request body"),
    (b"GET / HTTP/1.1\r\nContent-Length: 0, 0\r\n", "unsupported request body"),
    (b"GET / HTTP/1.1\r\nContent-Length:\r\n", "unsupported request body"),
    (b"GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 1\r\n", "unsupported request body"),
]  # fmt: skip


@both_ways
@pytest.mark.parametrize(("head", "text"), BAD_REQUESTS)
def test_malformed_request_is_refused(head, text, cut):
    """The exception says which part isn't well formed, however the bytes arrive."""
    with pytest.raises(ValueError, match=exactly(text)):
        parse_request(*cut(head + b"\r\n"))


@both_ways
@pytest.mark.parametrize("coding", [b"chunked", b"identity", b""])
def test_transfer_codings_are_refused(coding, cut):
    """A request with a Transfer-Encoding header has a body, which isn't supported."""
    with pytest.raises(NotImplementedError) as raised:
        parse_request(*cut(get(b"Transfer-Encoding: " + coding)))
    assert str(raised.value) == "transfer codings aren't supported"


def test_empty_body_may_be_announced():
    """A length of zero, even twice, isn't a body."""
    request = parse_request(get(b"Content-Length: 0", b"Content-Length: 0"))
    assert request.headers.get_all("Content-Length") == ["0", "0"]


def test_value_of_a_secret_header_is_not_shown():
    """An exception about a header that holds credentials masks its value."""
    with pytest.raises(ValueError, match=exactly("invalid HTTP header value: ***")):
        parse_request(get(b"authorization: Basic c2VjcmV0\x00"))


# -- limits


def line_of(size, start, end=b"\r\n"):
    """Make a line of exactly that many bytes."""
    return start + b"x" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize("size", [8192, 8193])
@pytest.mark.parametrize("complete", [True, False])
def test_request_line_has_at_most_8192_bytes(size, complete):
    """CRLF counts; it doesn't matter whether the whole request is there."""
    line = line_of(size, b"GET /", b" HTTP/1.1\r\n")
    pieces = [line + b"\r\n"] if complete else [line, b"\r\n"]
    if size == 8192:
        assert len(parse_request(*pieces).path) == 8192 - len("GET  HTTP/1.1\r\n")
    else:
        with pytest.raises(RequestLineTooLong) as raised:
            parse_request(*pieces)
        assert str(raised.value) == "read 8193 bytes, expected no more than 8192 bytes"


@pytest.mark.parametrize("size", [8192, 8193])
def test_header_line_has_at_most_8192_bytes(size):
    """CRLF counts."""
    data = b"GET / HTTP/1.1\r\n" + line_of(size, b"A: ") + b"\r\n"
    if size == 8192:
        assert len(parse_request(data).headers["A"]) == 8192 - len("A: \r\n")
    else:
        with pytest.raises(HeaderLineTooLong) as raised:
            parse_request(data)
        assert str(raised.value) == "read 8193 bytes, expected no more than 8192 bytes"


@pytest.mark.parametrize("line", [b"GET /", b"GET / HTTP/1.1\r\nA: "])
def test_line_that_does_not_end_is_refused_at_the_limit(line):
    """A peer can't fill the memory with a line."""
    pieces = itertools.chain([line], itertools.repeat(b"x" * 1000, 9))
    with pytest.raises((RequestLineTooLong, HeaderLineTooLong)):
        parse_request(*pieces)


@both_ways
@pytest.mark.parametrize("number", [128, 129])
@pytest.mark.parametrize(
    "line", [b"A: b", b"A-long-name: and a value of fifty-nine bytes"]
)
def test_there_are_at_most_128_headers(number, line, cut):
    """The limit is on lines, not on names."""
    data = get(*[line] * number)
    if number == 128:
        assert len(list(parse_request(*cut(data)).headers.raw_items())) == 128
    else:
        with pytest.raises(TooManyHeaders) as raised:
            parse_request(*cut(data))
        assert str(raised.value) == "expected no more than 128 headers"


@both_ways
def test_the_first_fault_counts(cut):
    """A malformed header before the limit is what is wrong, not the limit."""
    with pytest.raises(ValueError, match="invalid HTTP header name: A "):
        parse_request(*cut(get(b"A : b", *[b"A: b"] * 128)))


@both_ways
def test_the_limit_comes_before_later_faults(cut):
    """A malformed header beyond the limit isn't looked at."""
    with pytest.raises(TooManyHeaders):
        parse_request(*cut(get(*[b"A: b"] * 128, b"A : b")))


# -- the end of the stream


@pytest.mark.parametrize(
    ("data", "text", "size"),
    [
        (b"", "HTTP request line", 0),
        (b"GET", "HTTP request line", 3),
        (b"GET / HTTP/1.1\r\n", "HTTP headers", 0),
        (b"GET / HTTP/1.1\r\nA: b\r\nC", "HTTP headers", 1),
    ],
)
def test_connection_closed_in_a_request(data, text, size):
    """The exception says what was being read; its cause says how far it got."""
    with pytest.raises(EOFError) as raised:
        parse_request(data, eof=True)
    assert str(raised.value) == f"connection closed while reading {text}"
    assert str(raised.value.__cause__) == (
        f"stream ends after {size} bytes, before end of line"
    )


def test_incomplete_request_is_waited_for():
    """Nothing is returned before the empty line."""
    with pytest.raises(Pending):
        parse_request(REQUEST[:-1])


# -- pieces


request_lines = st.sampled_from(
    [b"GET / HTTP/1.1", b"POST /a HTTP/1.0", b"GET /\x00 HTTP/1.1", b"GET", b"", b"\n"]
)
header_lines = st.sampled_from(
    [line for line, _ in HEADERS]
    + [b"A", b" folded", b"A :b", b"\xe9: b", b"A: \x00", b"A: \n", b"A: b\n", b"\r"]
    + [b"Content-Length: 0", b"Content-Length: 1", b"Transfer-Encoding: chunked"]
    + [b"Long: " + b"x" * 8184, b"Long: " + b"x" * 8185]
)


@given(request_lines, st.lists(header_lines, max_size=4), st.booleans(), st.data())
@example(b"GET / HTTP/1.1", [b"A: b"] * 129, True, None)
def test_pieces_make_no_difference(line, lines, complete, data):
    """A request that arrives whole, in pieces or byte by byte gives the same result."""
    raw = b"\r\n".join([line, *lines, b"", b""])
    raw = raw if complete else raw[:-1]
    cut = data.draw(st.integers(0, len(raw))) if data else 20
    whole = outcome(parse_request, raw, eof=True)
    assert outcome(parse_request, raw[:cut], raw[cut:], eof=True) == whole
    assert outcome(parse_request, *one_by_one(raw), eof=True) == whole


@pytest.mark.parametrize(
    "value",
    [
        b" " * 8000 + b"\x00",
        b"a " * 4000 + b"\x00",
        b"a" + b"\t " * 4000 + b"\x00",
    ],
)
def test_value_made_to_provoke_backtracking_is_refused(value):
    """It gets the same answer as any other value; the expression is possessive."""
    with pytest.raises(ValueError, match="invalid HTTP header value"):
        parse_request(get(b"A:" + value))


# -- seams


def test_program_can_bring_its_own_read_line():
    """Any generator function that returns lines will do."""
    lines = iter(REQUEST.splitlines(keepends=True))

    def read_line(m, exc_type):
        yield
        return next(lines)

    parser = Request.parse(read_line)
    with pytest.raises(StopIteration) as raised:
        while True:
            next(parser)
    assert raised.value.value == parse_request(REQUEST)


def test_overridden_read_line_is_called():
    """A subclass of StreamReader sees every line."""
    seen = []

    class LoggingReader(StreamReader):
        def read_line(self, *args):
            line = yield from super().read_line(*args)
            seen.append(bytes(line))
            return line

    parse_request(REQUEST, reader=LoggingReader())
    assert seen == REQUEST.splitlines(keepends=True)


# -- the class


def test_request_survives_a_round_trip():
    """What is serialized can be parsed."""
    assert parse_request(REQUEST).serialize() == REQUEST


def test_defaults_are_those_of_a_websocket_request():
    """A request is a GET in HTTP/1.1 unless it says something else."""
    headers = Headers(Host="h")
    assert Request("/", headers) == Request("/", headers, "GET", "HTTP/1.1")
    assert Request("/", headers).serialize() == b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize(
    ("path", "method", "text"),
    [
        ("/a b", "GET", "invalid HTTP request target: '/a b'"),
        ("/\r\nX: y", "GET", "invalid HTTP request target: '/\\r\\nX: y'"),
        ("/\xe9", "GET", "invalid HTTP request target: '/\xe9'"),
        ("", "GET", "invalid HTTP request target: ''"),
        ("/", "GET /", "invalid HTTP method: 'GET /'"),
    ],
)
def test_request_that_means_something_else_is_not_serialized(path, method, text):
    """A line break or a space would change what the server reads."""
    with pytest.raises(ValueError, match=exactly(text)):
        Request(path, Headers(), method).serialize()


DEPRECATED = "Request.exception is deprecated; use ServerProtocol.handshake_exc instead"


def test_exception_is_deprecated():
    """The attribute still works, with a warning that names its successor."""
    request = Request("/", Headers())
    with pytest.warns(DeprecationWarning, match=exactly(DEPRECATED)) as caught:
        assert request.exception is None
    assert [warning.filename for warning in caught] == [__file__]
