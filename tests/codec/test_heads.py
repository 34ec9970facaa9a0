"""Heads of HTTP messages that are as nearly all are: both implementations, and the parsers."""

from __future__ import annotations

import email.utils
import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.codec.http_pieces import parse_request, parse_response
from websockets import _codec
from websockets._codec import heads as twin
from websockets.datastructures import Headers


REQUEST = (
    b"GET /chat?a=b HTTP/1.1\r\n"
    b"Host: example.com\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"X-Empty: \r\n"
    b"Cookie: a\tb \xe9\r\n"
    b"\r\n"
)
RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"upgrade: WebSocket\r\n"
    b"Connection: keep-alive, upgrade\r\n"
    b"\r\n"
)
INTO = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b" ",
        b":",
        b"\t",
        b"\x7f",
        b"\x80",
        b"Host: b\r\n",
        b"content-length: 0\r\n",
        b"Transfer-Encoding: a\r\n",
        b"\r\n\r\n",
    ]
)


@st.composite
def spoilt(draw, head):
    """Return a head with a few small changes, and what may be too small for it."""
    data = bytearray(head)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.integers(0, 3))
        data[start:end] = draw(INTO | st.binary(max_size=1))
    limit = draw(st.sampled_from([8192, len(data), max(len(data) - 1, 0), 100]))
    most = draw(st.sampled_from([128, 6, 5, 2, 1, 0]))
    return bytes(data), limit, most


def same(name, *arguments):
    """Return what both implementations return."""
    result = getattr(twin, name)(*arguments)
    assert getattr(_codec, name)(*arguments) == result
    return result


def test_request():
    """The path, the lines as they are, and the size of a usual head."""
    path, lines, size = same("read_request", REQUEST + b"more", 8192, 128)
    assert path == "/chat?a=b"
    assert lines.startswith("Host: example.com\r\n")
    assert lines.endswith("Cookie: a\tb \xe9\r\n")
    assert size == len(REQUEST)


def test_response():
    """The reason phrase, the lines as they are, and the size of a usual head."""
    reason, lines, size = same("read_response", bytearray(RESPONSE), 8192, 128)
    assert reason == "Switching Protocols"
    assert lines == "upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n"
    assert size == len(RESPONSE)


@given(spoilt(REQUEST))
@example((REQUEST, len(REQUEST), 5))
@example((REQUEST, len(REQUEST) - 1, 5))
@example((REQUEST, len(REQUEST), 4))
@example((b"", 8192, 128))
@example((REQUEST[:4], 8192, 128))
@example((REQUEST.replace(b"/chat?a=b", b""), 8192, 128))
def test_any_request(arguments):
    """What is read of a request is what the parser reads; of others, nothing."""
    head = same("read_request", *arguments)
    if head is not None:
        path, lines, size = head
        request = parse_request(arguments[0][:size])
        assert (path, "GET", "HTTP/1.1") == (
            request.path,
            request.method,
            request.protocol,
        )
        assert Headers._of_lines(lines) == request.headers
        assert request.headers.get_all("Host") == [request.headers["Host"]]


@given(spoilt(RESPONSE))
@example((RESPONSE, len(RESPONSE), 2))
@example((RESPONSE, len(RESPONSE) - 1, 2))
@example((b"HTTP/1.1 101 \r\n\r\n", 8192, 0))
def test_any_response(arguments):
    """What is read of a response is what the parser reads; of others, nothing."""
    head = same("read_response", *arguments)
    if head is not None:
        reason, lines, size = head
        response = parse_response(arguments[0][:size])
        assert (response.status_code, response.reason_phrase) == (101, reason)
        assert Headers._of_lines(lines) == response.headers
        assert response.body == b""


FIELDS = {
    "Sec-WebSocket-Key": "key",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Accept": "accept",
    "Origin": "https://example.com",
    "Sec-WebSocket-Extensions": "permessage-deflate",
    "Sec-WebSocket-Protocol": "chat",
}
OPENING = {"Upgrade": "websocket", "Connection": "Upgrade", "Other": "\xe9"}


def lines(headers):
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


def test_find_upgrade():
    """Values are found whatever the order and the case of names; others are None."""
    assert same("find_upgrade", lines(FIELDS | OPENING)) == tuple(FIELDS.values())
    assert same("find_upgrade", lines(OPENING).upper()) == (None,) * 6
    assert same("find_upgrade", lines(OPENING | FIELDS).lower()) == tuple(
        value.lower() for value in FIELDS.values()
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        lines(FIELDS),
        lines({"Upgrade": "websocket"}),
        lines({"Connection": "Upgrade"}),
        lines(OPENING | {"Upgrade": "websocket, h2c"}),
        lines(OPENING | {"Connection": "Upgrade, HTTP2-Settings"}),
        *(
            lines(FIELDS | OPENING) + lines({name: value})
            for name, value in (FIELDS | OPENING).items()
            if name != "Other"
        ),
        lines(OPENING) + "Upgrade",
        lines(OPENING) + "Name: a\nb\r\n",
        lines(OPENING) + "Name:a\r\n",
        lines(OPENING) + "Name: \u0100\r\n",
    ],
)
def test_find_upgrade_leaves_the_rest_to_the_protocol(text):
    """Headers that are missing, repeated, or unusual aren't judged here."""
    assert same("find_upgrade", text) is None


@given(st.text(max_size=200))
@example("dGhlIHNhbXBsZSBub25jZQ==")
def test_accept_key(key):
    """Both implementations of the proof agree, for anything that could be a key."""
    assert len(same("accept_key", key)) == 28


@pytest.mark.parametrize("size", range(130))
def test_accept_key_of_any_size(size):
    """The digest is right around the sizes of its blocks."""
    same("accept_key", "k" * size)


def test_accept_key_of_the_rfc():
    """RFC 6455 §1.3 has an example."""
    assert (
        same("accept_key", "dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    )


def test_http_date():
    """The date is now, in the format of RFC 9110; it may be the same object twice."""
    before, date, again, after = (
        email.utils.formatdate(usegmt=True),
        _codec.http_date(),
        _codec.http_date(),
        twin.http_date(),
    )
    assert date in (before, after)
    assert again in (date, after)


@pytest.mark.skipif(not _codec.NATIVE, reason="the twin asks the standard library")
@given(st.integers(0, 253402300799))
@example(0)
@example(951782400)  # 2000-02-29
@example(4107542399)  # the end of a February without a leap day, in 2100
@example(253402300799)
def test_dates(seconds):
    """Dates are right for eight thousand years."""
    from websockets.speedups import date_of

    assert date_of(seconds) == email.utils.formatdate(seconds, usegmt=True)


@pytest.mark.skipif(not _codec.NATIVE, reason="the twin asks the standard library")
def test_dates_out_of_range():
    """Nothing else is a date."""
    from websockets.speedups import date_of

    for seconds in (-1, 253402300800):
        with pytest.raises(ValueError, match="expected 0 to 253402300799 seconds, not"):
            date_of(seconds)
    for wrong in (2**64, "1"):
        with pytest.raises((OverflowError, TypeError)):
            date_of(wrong)


@pytest.mark.skipif(not _codec.NATIVE, reason="the twin's caller gives what it takes")
def test_wrong_types():
    """The native functions refuse what isn't text, or bytes."""
    for call, argument in itertools.product(
        (_codec.accept_key, _codec.find_upgrade), (b"", None)
    ):
        with pytest.raises(TypeError, match="must be a str, not "):
            call(argument)
    with pytest.raises(UnicodeEncodeError):
        _codec.accept_key("\ud800")
    for call in (_codec.read_request, _codec.read_response):
        with pytest.raises(TypeError):
            call("", 1, 1)
