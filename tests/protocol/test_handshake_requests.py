"""What a server does with bytes before it has sent a response."""

from __future__ import annotations

import email.utils
import http
import logging

import pytest

from websockets.datastructures import Headers
from websockets.exceptions import (
    HeaderLineTooLong,
    InvalidHeader,
    InvalidMessage,
    RequestLineTooLong,
    TooManyHeaders,
)
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CLOSED, CONNECTING, OPEN, SEND_EOF
from websockets.server import ServerProtocol


REQUEST = (
    b"GET / HTTP/1.1\r\n"
    b"Host: example.com\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"\r\n"
)
PING = b"\x89\x82\x00\x00\x00\x00hi"
PONG = b"\x8a\x02hi"
SWITCH = Response(101, "Switching Protocols", Headers())
HELLO = Response(200, "OK", Headers(), b"hello")


@pytest.fixture(autouse=True)
def date(monkeypatch):
    """Stop the clock."""
    monkeypatch.setattr(email.utils, "formatdate", lambda *, usegmt: "now")


def received(*pieces):
    """Return a server that received bytes."""
    connection = ServerProtocol()
    for piece in pieces:
        connection.receive_data(piece)
    return connection


def test_request_may_come_in_pieces():
    """It is an event after its last byte."""
    connection = ServerProtocol()
    for i in range(len(REQUEST)):
        assert connection.events_received() == []
        connection.receive_data(REQUEST[i : i + 1])
    [event] = connection.events_received()
    assert isinstance(event, Request)
    assert connection.data_to_send() == []


@pytest.mark.parametrize(
    ("head", "method", "protocol"),
    [
        (b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD", "HTTP/1.1"),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
            "POST",
            "HTTP/1.1",
        ),
        (b"GET / HTTP/1.0\r\n\r\n", "GET", "HTTP/1.0"),
        (b"GET / HTTP/1.0\r\nHost: h\r\n\r\n", "GET", "HTTP/1.0"),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET", "HTTP/1.1"),
    ],
)
def test_health_checks_reach_the_program(head, method, protocol):
    """Other methods and HTTP/1.0, without Host even, are for the program to answer."""
    connection = received(head)
    [event] = connection.events_received()
    assert (event.method, event.protocol) == (method, protocol)
    connection.send_response(HELLO)
    assert connection.data_to_send() == [b"HTTP/1.1 200 OK\r\n\r\nhello", SEND_EOF]


def test_nothing_is_answered_before_the_response():
    """A frame that comes too early is processed after the 101, in its order."""
    connection = received(REQUEST + PING)
    assert connection.data_to_send() == []
    [event] = connection.events_received()
    connection.receive_data(PING)
    assert connection.events_received() == []
    assert connection.data_to_send() == []
    connection.send_response(connection.accept(event))
    assert connection.state is OPEN
    assert connection.events_received() == [Frame(Opcode.PING, b"hi")] * 2
    [response, *pongs] = connection.data_to_send()
    assert response.startswith(b"HTTP/1.1 101 ")
    assert pongs == [PONG, PONG]


def test_early_frames_wait_for_a_lazy_reader():
    """With lazy set, they aren't events; they stay for whoever pulls them."""
    connection = received(REQUEST + PING)
    connection.events_received()
    connection.lazy = True
    connection.send_response(SWITCH)
    assert connection.events_received() == []
    assert len(connection.data_to_send()) == 1


def test_there_is_one_request_per_connection():
    """A second one isn't answered."""
    connection = received(REQUEST + REQUEST)
    assert len(connection.events_received()) == 1
    connection.send_response(HELLO)
    connection.receive_data(REQUEST)
    assert connection.events_received() == []
    assert connection.data_to_send() == [HELLO.serialize(), SEND_EOF]


def test_client_that_half_closes_gets_its_response():
    """Simple tools end their stream right after the request."""
    connection = received(REQUEST)
    connection.receive_eof()
    assert connection.state is CONNECTING
    connection.send_response(HELLO)
    assert connection.data_to_send() == [HELLO.serialize(), SEND_EOF]
    assert connection.state is CLOSED


def test_connection_that_opens_after_the_end_closes_at_once():
    """There is nobody to talk to."""
    connection = received(REQUEST)
    connection.receive_eof()
    connection.send_response(SWITCH)
    assert connection.state is CLOSED
    assert connection.close_code == 1006
    assert connection.data_to_send() == [SWITCH.serialize(), SEND_EOF]


# -- malformed requests

TOO_LONG = "read {} bytes, expected no more than 8192 bytes"

REFUSED = [
    (b"GARBAGE\r\n", 400, InvalidMessage, "invalid HTTP request line: GARBAGE"),
    (
        b"PRI * HTTP/2.0\r\n\r\n",
        400,
        InvalidMessage,
        "unsupported protocol; expected HTTP/1.1 or HTTP/1.0: PRI * HTTP/2.0",
    ),
    (
        b"GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n",
        400,
        InvalidMessage,
        "invalid HTTP request target: /\x01",
    ),
    (b"GET / HTTP/1.1\nHost: h\n\n", 400, InvalidMessage, "line without CRLF"),
    (
        b"GET / HTTP/1.1\r\nCookie: a\x00\r\n\r\n",
        400,
        InvalidMessage,
        "invalid HTTP header value: ***",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nspam",
        400,
        InvalidMessage,
        "unsupported request body",
    ),
    (
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        InvalidMessage,
        "transfer codings aren't supported",
    ),
    (b"GET / HTTP/1.1\r\n\r\n", 400, InvalidHeader, "missing Host header"),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        400,
        InvalidHeader,
        "invalid Host header: multiple values",
    ),
    (
        b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        400,
        InvalidHeader,
        "invalid Host header: multiple values",
    ),
    (b"GET /" + b"x" * 8188, 414, RequestLineTooLong, TOO_LONG.format(8193)),
    (
        b"GET / HTTP/1.1\r\nA: " + b"x" * 8190,
        431,
        HeaderLineTooLong,
        TOO_LONG.format(8193),
    ),
    (
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 129,
        431,
        TooManyHeaders,
        "expected no more than 128 headers",
    ),
]


@pytest.mark.parametrize(("data", "status", "exc_type", "text"), REFUSED)
def test_malformed_request_is_refused_right_away(data, status, exc_type, text):
    """It isn't an event; the client is told what is wrong, and nothing follows."""
    connection = received(data)
    assert connection.events_received() == []
    [response, eof] = connection.data_to_send()
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.decode().split("\r\n") == [
        f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}",
        "Date: now",
        "Connection: close",
        f"Content-Length: {len(body)}",
        "Content-Type: text/plain; charset=utf-8",
    ]
    assert body.decode() == f"Failed to open a WebSocket connection: {text}.\n"
    assert eof is SEND_EOF
    exc = connection.handshake_exc
    assert type(exc) is exc_type
    if exc_type is InvalidMessage:
        assert str(exc) == "did not receive a valid HTTP request"
        exc = exc.__cause__
    assert str(exc) == text
    assert connection.close_expected()


def test_after_a_malformed_request_input_is_ignored():
    """The connection is closed at the end of the stream."""
    connection = received(b"GARBAGE\r\n", REQUEST)
    connection.receive_eof()
    assert connection.events_received() == []
    assert connection.state is CLOSED
    assert len(connection.data_to_send()) == 2


@pytest.mark.parametrize("data", [b"", b"GET", REQUEST[:-2]])
def test_connection_closed_before_the_end_of_the_request(data):
    """Nobody waits for a response: none is sent."""
    connection = received(data)
    connection.receive_eof()
    assert connection.state is CLOSED
    assert connection.data_to_send() == [SEND_EOF]
    assert type(connection.handshake_exc) is InvalidMessage
    assert str(connection.handshake_exc) == "did not receive a valid HTTP request"
    assert type(connection.handshake_exc.__cause__) is EOFError


# -- logs


def logged(caplog):
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_info_logs_tell_when_connections_open_and_close(caplog):
    """They are the events of a server."""
    caplog.set_level(logging.INFO, "websockets.server")
    connection = received(REQUEST)
    connection.send_response(SWITCH)
    connection.receive_eof()
    assert logged(caplog) == [
        ("INFO", "connection open"),
        ("INFO", "connection closed"),
    ]


def test_info_logs_tell_responses_of_the_program_from_rejections(caplog):
    """Before accept(), a response is just HTTP; after it, a connection is rejected."""
    caplog.set_level(logging.INFO, "websockets.server")
    received(REQUEST).send_response(HELLO)
    received(b"GARBAGE\r\n")
    connection = received(REQUEST.replace(b"13", b"12"))
    [event] = connection.events_received()
    connection.send_response(connection.accept(event))
    connection = received(REQUEST)
    [event] = connection.events_received()
    connection.accept(event)
    connection.send_response(Response(503, "Busy", Headers()))
    assert logged(caplog) == [
        ("INFO", "HTTP response sent (200 OK)"),
        ("INFO", "HTTP response sent (400 Bad Request)"),
        ("INFO", "connection rejected (400 Bad Request)"),
        ("INFO", "connection rejected (503 Busy)"),
    ]


def test_debug_logs_show_the_handshake_without_credentials(caplog):
    """Requests and responses are logged line by line; secrets are masked."""
    caplog.set_level(logging.DEBUG, "websockets.server")
    secrets = b"Authorization: a\r\nCookie: b\r\nproxy-authorization: c\r\n\r\n"
    connection = received(b"GET /chat HTTP/1.1\r\nHost: h\r\n" + secrets)
    [event] = connection.events_received()
    response = connection.accept(event)
    response.headers["Set-Cookie"] = "d"
    connection.send_response(response)
    assert logged(caplog) == [
        ("DEBUG", "= connection is CONNECTING"),
        ("DEBUG", "< GET /chat HTTP/1.1"),
        ("DEBUG", "< Host: h"),
        ("DEBUG", "< Authorization: ***"),
        ("DEBUG", "< Cookie: ***"),
        ("DEBUG", "< proxy-authorization: ***"),
        ("DEBUG", "! invalid upgrade"),
        ("DEBUG", "> HTTP/1.1 426 Upgrade Required"),
        ("DEBUG", "> Date: now"),
        ("DEBUG", "> Connection: close"),
        ("DEBUG", "> Content-Length: 158"),
        ("DEBUG", "> Content-Type: text/plain; charset=utf-8"),
        ("DEBUG", "> Upgrade: websocket"),
        ("DEBUG", "> Set-Cookie: ***"),
        ("DEBUG", "> [body] (158 bytes)"),
        ("INFO", "connection rejected (426 Upgrade Required)"),
        ("DEBUG", "> EOF"),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"GARBAGE\r\n", "! no valid HTTP request"),
        (b"GET /" + b"x" * 8188, "! request line too long"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 129, "! header fields too large"),
        (b"GET / HTTP/1.1\r\n\r\n", "! invalid host"),
    ],
)
def test_debug_logs_say_why_a_request_is_malformed(data, message, caplog):
    """The record has the exception."""
    caplog.set_level(logging.DEBUG, "websockets.server")
    connection = received(data)
    [record] = [r for r in caplog.records if r.getMessage().startswith("! ")]
    assert record.getMessage() == message
    exc = connection.handshake_exc
    assert record.exc_info[1] in {exc, exc.__cause__}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ((b"GET", b"PUT"), "! invalid method"),
        ((b"HTTP/1.1", b"HTTP/1.0"), "! invalid protocol"),
        ((b"websocket", b"h2c"), "! invalid upgrade"),
        ((b"Version: 13", b"Version: 8"), "! invalid handshake"),
        ((b"Upgrade\r\n", b"Upgrade\r\nOrigin: x\r\n"), "! invalid origin"),
    ],
)
def test_debug_logs_say_why_a_request_is_refused(changes, message, caplog):
    """The record has the exception."""
    caplog.set_level(logging.DEBUG, "websockets.server")
    connection = ServerProtocol(origins=[None])
    connection.receive_data(REQUEST.replace(*changes))
    [event] = connection.events_received()
    connection.accept(event)
    [record] = [r for r in caplog.records if r.getMessage().startswith("! ")]
    assert record.getMessage() == message
    assert record.exc_info[1] is connection.handshake_exc
