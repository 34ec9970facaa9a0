"""HTTP responses: the grammar, the ways to delimit a body, the limits."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.codec.http_pieces import (
    Pending,
    drive,
    exactly,
    one_by_one,
    outcome,
    parse_response,
)
from websockets.datastructures import Headers
from websockets.exceptions import (
    HeaderLineTooLong,
    SecurityError,
    StatusLineTooLong,
    TooManyHeaders,
)
from websockets.http11 import Request, Response
from websockets.streams import StreamReader


# RFC 6455 §1.2
RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    b"Sec-WebSocket-Protocol: chat\r\n"
    b"\r\n"
)

both_ways = pytest.mark.parametrize(
    "cut", [lambda data: [data], one_by_one], ids=["whole", "bytes"]
)


def ok(*lines, body=b""):
    """Make a successful response of header lines and a body."""
    return b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", body])


def chunked(body):
    """Make a response with a body that is chunked already."""
    return ok(b"Transfer-Encoding: chunked", body=body)


@both_ways
def test_response_has_the_parts_that_were_sent(cut):
    """Status code, reason phrase and headers are all there."""
    response = parse_response(*cut(RESPONSE))
    assert response.status_code == 101
    assert response.reason_phrase == "Switching Protocols"
    assert list(response.headers.raw_items()) == [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("Sec-WebSocket-Protocol", "chat"),
    ]
    assert response.body == b""


@pytest.mark.parametrize(
    ("line", "status_code", "reason_phrase"),
    [
        (b"HTTP/1.1 200 ", 200, ""),
        (b"HTTP/1.1 404 Not \t Found ", 404, "Not \t Found "),
        (b"HTTP/1.1 200 \xe9", 200, "\xe9"),
        (b"HTTP/1.1 599 ~", 599, "~"),
    ],
)
def test_reason_phrase_is_free_text(line, status_code, reason_phrase):
    """It may be empty; bytes above 0x7F are Latin-1."""
    response = parse_response(line + b"\r\n\r\n", eof=True)
    assert (response.status_code, response.reason_phrase) == (
        status_code,
        reason_phrase,
    )


BAD_RESPONSES = [
    (b"SSH-2.0-OpenSSH_9.2\r\n", "invalid HTTP status line: SSH-2.0-OpenSSH_9.2"),
    (b"HTTP/1.1 200\r\n", "invalid HTTP status line: HTTP/1.1 200"),
    (b"HTTP/1.0 200 OK\r\n", "unsupported protocol; expected HTTP/1.1: HTTP/1.0 200 OK"),
    (b"HTTP/2 200 OK\r\n", "unsupported protocol; expected HTTP/1.1: HTTP/2 200 OK"),
    (b"http/1.1 200 \xe9\r\n", "unsupported protocol; expected HTTP/1.1: http/1.1 200 \\xe9"),
    (b"HTTP/1.1  200 OK\r\n", "invalid status code; expected integer; got "),
    (b"HTTP/1.1 OK 200\r\n", "invalid status code; expected integer; got OK"),
    (b"HTTP/1.1 +20 OK\r\n", "invalid status code; expected integer; got +20"),
    (b"HTTP/1.1 2_0 OK\r\n", "invalid status code; expected integer; got 2_0"),
    (b"HTTP/1.1 2\xb20 OK\r\n", "invalid status code; expected integer; got 2\\xb20"),
    (b"HTTP/1.1 20 OK\r\n", "invalid status code; expected 100\N{EN DASH}599; got 20"),
    (b"HTTP/1.1 099 OK\r\n", "invalid status code; expected 100\N{EN DASH}599; got 099"),
    (b"HTTP/1.1 600 OK\r\n", "invalid status code; expected 100\N{EN DASH}599; got 600"),
    (b"HTTP/1.1 0200 OK\r\n", "invalid status code; expected 100\N{EN DASH}599; got 0200"),
    (b"HTTP/1.1 200 \x00\r\n", "invalid HTTP reason phrase: \x00"),
    (b"HTTP/1.1 200 \x7f\r\n", "invalid HTTP reason phrase: \x7f"),
    (b"HTTP/1.1 200 OK\n", "line without CRLF"),
    (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n", "invalid HTTP header line:  c"),
]  # fmt: skip


@both_ways
@pytest.mark.parametrize(("head", "text"), BAD_RESPONSES)
def test_malformed_response_is_refused(head, text, cut):
    """The exception says which part isn't well formed, however the bytes arrive."""
    with pytest.raises(ValueError, match=exactly(text)):
        parse_response(*cut(head + b"\r\n"), eof=True)


# -- bodies (RFC 9112 §6.3)


@pytest.mark.parametrize("status", [b"100", b"101", b"103", b"199", b"204", b"304"])
def test_some_statuses_never_have_a_body(status):
    """What follows their head belongs to something else, whatever the headers say."""
    reader = StreamReader()
    head = b"HTTP/1.1 " + status + b" X\r\nContent-Length: 4\r\n\r\n"
    reader.feed_data(head + b"spam")
    assert parse_response(reader=reader).body == b""
    assert reader.take() == b"spam"


@both_ways
@pytest.mark.parametrize("length", [b"4", b"004"])
def test_content_length_delimits_a_body(length, cut):
    """What follows the body stays."""
    data = ok(b"Content-Length: " + length, body=b"spam")
    assert parse_response(*cut(data)).body == b"spam"
    reader = StreamReader()
    reader.feed_data(data + b"eggs")
    assert parse_response(reader=reader).body == b"spam"
    assert reader.take() == b"eggs"


@both_ways
def test_end_of_stream_delimits_a_body(cut):
    """Without a length, everything until the connection is closed is the body."""
    assert parse_response(*cut(ok(body=b"spam")), eof=True).body == b"spam"


@both_ways
@pytest.mark.parametrize(
    "coded",
    [
        b"4\r\nspam\r\n0\r\n\r\n",
        b"1\r\ns\r\n3\r\npam\r\n0\r\n\r\n",
        b"0004\r\nspam\r\n000\r\n\r\n",
        b'4;name="value"\r\nspam\r\n0;last\r\nTrailer: yes\r\nA: b\r\n\r\n',
    ],
)
def test_chunks_make_up_a_body(coded, cut):
    """Extensions of chunks and trailers are ignored."""
    assert parse_response(*cut(chunked(coded))).body == b"spam"


def test_size_of_a_chunk_is_hexadecimal():
    """Digits may be in either case."""
    body = b"1f\r\n" + b"x" * 31 + b"\r\nA\r\n" + b"y" * 10 + b"\r\n0\r\n\r\n"
    assert parse_response(chunked(body)).body == b"x" * 31 + b"y" * 10


def test_what_follows_the_chunks_stays():
    """The parser stops behind the empty line that ends the trailers."""
    reader = StreamReader()
    reader.feed_data(chunked(b"4\r\nspam\r\n0\r\n\r\neggs"))
    assert parse_response(reader=reader).body == b"spam"
    assert reader.take() == b"eggs"


def test_name_of_the_coding_is_not_case_sensitive():
    """RFC 9110 §10.1.4 says so."""
    data = ok(b"Transfer-Encoding: Chunked", body=b"0\r\n\r\n")
    assert parse_response(data).body == b""


def test_chunks_win_over_a_length():
    """RFC 9112 §6.3: Transfer-Encoding overrides Content-Length."""
    lines = b"Content-Length: 1", b"Transfer-Encoding: chunked"
    assert parse_response(ok(*lines, body=b"4\r\nspam\r\n0\r\n\r\n")).body == b"spam"


@pytest.mark.parametrize(
    ("codings", "text"),
    [
        ([b"gzip"], "transfer coding gzip isn't supported"),
        ([b"gzip, chunked"], "transfer coding gzip, chunked isn't supported"),
        ([b"chunked", b"chunked"], "transfer coding chunked, chunked isn't supported"),
        ([b"identity"], "transfer coding identity isn't supported"),
    ],
)
def test_other_transfer_codings_are_refused(codings, text):
    """The exception names the coding."""
    lines = [b"Transfer-Encoding: " + coding for coding in codings]
    with pytest.raises(NotImplementedError) as raised:
        parse_response(ok(*lines))
    assert str(raised.value) == text


@pytest.mark.parametrize(
    ("lengths", "text"),
    [
        ([b""], "invalid content length: "),
        ([b"+3"], "invalid content length: +3"),
        ([b"-3"], "invalid content length: -3"),
        ([b"3_0"], "invalid content length: 3_0"),
        ([b"0x3"], "invalid content length: 0x3"),
        ([b"\xb2"], "invalid content length: \\xb2"),
        ([b"3, 3"], "invalid content length: 3, 3"),
        ([b"3", b"3"], "invalid content length: 3, 3"),
        ([b"3", b"4"], "invalid content length: 3, 4"),
        ([b"9" * 19], "invalid content length: " + "9" * 19),
        ([b"9" * 18], "body too large: " + "9" * 18 + " bytes"),
        ([b"1048577"], "body too large: 1048577 bytes"),
    ],
)
def test_length_that_is_ambiguous_or_too_large_is_refused(lengths, text):
    """Only digits are a length, and only one is; 1 MiB is the limit."""
    with pytest.raises(SecurityError) as raised:
        parse_response(ok(*[b"Content-Length: " + length for length in lengths]))
    assert str(raised.value) == text


@pytest.mark.parametrize(
    ("coded", "exc_type", "text"),
    [
        (b"\r\n", SecurityError, "invalid chunk size: "),
        (b"0x3\r\n", SecurityError, "invalid chunk size: 0x3"),
        (b"3 \r\n", SecurityError, "invalid chunk size: 3 "),
        (b"-3\r\n", SecurityError, "invalid chunk size: -3"),
        (b"1_0\r\n", SecurityError, "invalid chunk size: 1_0"),
        (b"3;\x00\r\n", SecurityError, "invalid chunk size: 3;\x00"),
        (b"\xb2\r\n", SecurityError, "invalid chunk size: \\xb2"),
        (b"F" * 16 + b"\r\n", SecurityError, "invalid chunk size: " + "F" * 16),
        (b"F" * 15 + b"\r\n", SecurityError, f"chunk too large: {16**15 - 1} bytes after 0 bytes"),
        (b"100001\r\n", SecurityError, "chunk too large: 1048577 bytes after 0 bytes"),
        (b"3\r\nabc\r\nFFFFE\r\n", SecurityError, "chunk too large: 1048574 bytes after 3 bytes"),
        (b"3;" + b"x" * 8192, SecurityError, "read 8194 bytes, expected no more than 8192 bytes"),
        (b"3\r\nabcd\r\n", ValueError, "chunk without CRLF"),
        (b"3\r\nabc\n0\r\n\r\n", ValueError, "chunk without CRLF"),
        (b"3\nabc\r\n", ValueError, "line without CRLF"),
        (b"0\r\nbad\r\n\r\n", ValueError, "invalid HTTP header line: bad"),
        (b"0\r\n" + b"A: b\r\n" * 129, TooManyHeaders, "expected no more than 128 headers"),
    ],
)  # fmt: skip
def test_malformed_chunks_are_refused(coded, exc_type, text):
    """Sizes are hexadecimal digits and nothing else; 1 MiB is the limit on their sum."""
    with pytest.raises(exc_type) as raised:
        parse_response(chunked(coded))
    assert str(raised.value) == text


def test_body_of_the_maximum_size_is_accepted():
    """1 MiB fits, however it is delimited."""
    body = b"x" * 2**20
    half = b"80000\r\n" + b"x" * 2**19 + b"\r\n"
    assert parse_response(ok(b"Content-Length: 1048576", body=body)).body == body
    assert parse_response(chunked(half + half + b"0\r\n\r\n")).body == body
    assert parse_response(ok(body=body), eof=True).body == body


def test_body_without_a_length_obeys_the_limit():
    """The exception doesn't wait for the end of the stream."""
    with pytest.raises(SecurityError) as raised:
        parse_response(ok(body=b"x" * (2**20 + 1)))
    assert (
        str(raised.value) == "read 1048577 bytes, expected no more than 1048576 bytes"
    )


@pytest.mark.parametrize(
    "data",
    [
        ok(b"Content-Length: 4", body=b"spam"),
        ok(body=b"spam"),
        chunked(b"4\r\nspam\r\n0\r\n\r\n"),
    ],
)
def test_body_is_immutable(data):
    """Programs get bytes, not a buffer of the parser."""
    assert type(parse_response(data, eof=True).body) is bytes


# -- limits on lines


@pytest.mark.parametrize("size", [8192, 8193])
def test_status_line_has_at_most_8192_bytes(size):
    """CRLF counts."""
    line = b"HTTP/1.1 204 " + b"x" * (size - 15) + b"\r\n"
    if size == 8192:
        assert len(parse_response(line, b"\r\n").reason_phrase) == 8192 - 15
    else:
        with pytest.raises(StatusLineTooLong) as raised:
            parse_response(line)
        assert str(raised.value) == "read 8193 bytes, expected no more than 8192 bytes"


def test_header_line_has_at_most_8192_bytes():
    """Responses have the limits of requests."""
    with pytest.raises(HeaderLineTooLong):
        parse_response(ok(b"A: " + b"x" * 8188))


# -- the end of the stream


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "connection closed while reading HTTP status line"),
        (b"HTTP/1.1 200 OK\r\nA", "connection closed while reading HTTP headers"),
        (ok(b"Content-Length: 4", body=b"spa"), "stream ends after 3 bytes, expected 4 bytes"),
        (chunked(b""), "stream ends after 0 bytes, before end of line"),
        (chunked(b"4\r\nspa"), "stream ends after 3 bytes, expected 4 bytes"),
        (chunked(b"4\r\nspam\r"), "stream ends after 1 bytes, expected 2 bytes"),
        (chunked(b"0\r\n"), "connection closed while reading HTTP headers"),
    ],
)  # fmt: skip
def test_connection_closed_in_a_response(data, text):
    """A response that is cut short isn't returned."""
    with pytest.raises(EOFError) as raised:
        parse_response(data, eof=True)
    assert str(raised.value) == text


def test_incomplete_response_is_waited_for():
    """Nothing is returned before the end of the body."""
    with pytest.raises(Pending):
        parse_response(ok(body=b"spam"))


# -- proxies


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_response_to_connect_ends_with_its_headers(version):
    """With proxy=True, HTTP/1.0 is accepted, and what follows is the tunnel's."""
    reader = StreamReader()
    reader.feed_data(version + b" 200 OK\r\nContent-Length: 4\r\n\r\nspam")
    assert parse_response(reader=reader, proxy=True).body == b""
    assert reader.take() == b"spam"


def test_proxies_speak_no_other_version():
    """The exception says what is expected of a proxy."""
    with pytest.raises(
        ValueError,
        match=exactly(
            "unsupported protocol; expected HTTP/1.1 or HTTP/1.0: HTTP/2 200 OK"
        ),
    ):
        parse_response(b"HTTP/2 200 OK\r\n\r\n", proxy=True)


# -- pieces


responses = st.builds(
    lambda line, lines, body: b"\r\n".join([line, *lines, b"", body]),
    st.sampled_from(
        [b"HTTP/1.1 200 OK", b"HTTP/1.1 101 ", b"HTTP/1.1 99 OK", b"HTTP/1.0 200 OK"]
    ),
    st.lists(
        st.sampled_from(
            [b"Content-Length: 8", b"Transfer-Encoding: chunked", b"A: b", b"A :b"]
        ),
        max_size=3,
    ),
    st.sampled_from(
        [
            b"",
            b"spameggs",
            b"8\r\nspameggs\r\n0\r\n\r\n",
            b"4\r\nspam\r\n0\r\nA: b\r\n\r\n",
        ]
    ),
)


@given(responses, st.booleans(), st.data())
def test_pieces_make_no_difference(raw, proxy, data):
    """A response that arrives whole, in pieces or byte by byte gives the same result."""
    cut = data.draw(st.integers(0, len(raw)))
    whole = outcome(parse_response, raw, eof=True, proxy=proxy)
    pieces = raw[:cut], raw[cut:]
    assert outcome(parse_response, *pieces, eof=True, proxy=proxy) == whole
    assert outcome(parse_response, *one_by_one(raw), eof=True, proxy=proxy) == whole


def test_program_can_bring_its_own_reader():
    """The three generator functions are all that the parser needs."""
    reader = StreamReader()

    def read_line(m, exc_type):
        return (yield from reader.read_line(m, exc_type))

    def read_exact(n):
        return (yield from reader.read_exact(n))

    def read_to_eof(m, exc_type):
        return (yield from reader.read_to_eof(m, exc_type))

    parser = Response.parse(read_line, read_exact, read_to_eof)
    response = drive(parser, reader, [chunked(b"4\r\nspam\r\n0\r\n\r\n")])
    assert response.body == b"spam"


# -- the class


@pytest.mark.parametrize(
    "data", [RESPONSE, ok(b"Content-Length: 4", body=b"spam"), ok(b"A: \xe9")]
)
def test_response_survives_a_round_trip(data):
    """What is serialized can be parsed."""
    assert parse_response(data, eof=True).serialize() == data


def test_body_may_be_a_bytearray():
    """It is sent like bytes."""
    response = Response(200, "OK", Headers(), bytearray(b"spam"))
    assert response.serialize() == b"HTTP/1.1 200 OK\r\n\r\nspam"


def test_reason_phrase_cannot_inject_headers():
    """A line break would start a header."""
    with pytest.raises(
        ValueError, match=exactly("invalid HTTP reason phrase: 'OK\\r\\nA: b'")
    ):
        Response(200, "OK\r\nA: b", Headers()).serialize()


DEPRECATED = (
    "Response.exception is deprecated; use ClientProtocol.handshake_exc instead"
)


def test_exception_is_deprecated():
    """The attribute still works, with a warning that names its successor."""
    response = Response(200, "OK", Headers())
    with pytest.warns(DeprecationWarning, match=exactly(DEPRECATED)) as caught:
        assert response.exception is None
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    "message", [Request("/", Headers()), Response(200, "", Headers())]
)
def test_outcome_of_the_handshake_is_not_part_of_a_message(message):
    """Neither equality nor the representation depends on what became of it."""
    before = repr(message)
    message._exception = ValueError()
    assert repr(message) == before
    assert message == type(message)(*list(vars(message).values())[:-1])
