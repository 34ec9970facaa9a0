"""The server's side of the opening handshake: the judgement on requests, the response."""

from __future__ import annotations

import base64
import email.utils
import http
import logging
import re

import pytest

from tests.protocol.handshakes import ACCEPT, VALID, answered, request
from websockets.datastructures import Headers
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import CLOSED, CONNECTING, OPEN, SEND_EOF
from websockets.server import ServerProtocol


BROWSER = (
    "\nYou cannot access a WebSocket server directly with a browser. "
    "You need a WebSocket client.\n"
)


@pytest.fixture(autouse=True)
def date(monkeypatch):
    """Stop the clock, by the name that is documented."""
    monkeypatch.setattr(email.utils, "formatdate", lambda *, usegmt: f"usegmt={usegmt}")


def received(data, **kwargs):
    """Return a server that received bytes."""
    connection = ServerProtocol(**kwargs)
    connection.receive_data(data)
    return connection


# -- accepting


def test_valid_request_is_accepted():
    """The response has what RFC 6455 §4.2.2 requires, and a date."""
    connection = received(request().serialize())
    [event] = connection.events_received()
    assert event == request()
    response = connection.accept(event)
    assert response == Response(101, "Switching Protocols", response.headers)
    assert list(response.headers.raw_items()) == [
        ("Date", "usegmt=True"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", ACCEPT),
    ]
    assert connection.state is CONNECTING


def test_sending_the_response_opens_the_connection():
    """The program can add headers before that."""
    connection, response = answered()
    response.headers["Server"] = "test"
    connection.send_response(response)
    assert connection.state is OPEN
    assert connection.data_to_send() == [
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Date: usegmt=True\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"Server: test\r\n"
        b"\r\n"
    ]
    assert not connection.close_expected()


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": "WebSocket"},
        {"Connection": "keep-alive, UPGRADE"},
        {"Sec_WebSocket_Key": "A" * 22 + "=="},
    ],
)
def test_request_is_read_as_rfc_9110_says(changes):
    """Case doesn't matter in Upgrade and Connection; any 16 bytes are a key."""
    assert ServerProtocol().accept(request(**changes)).status_code == 101


def test_accept_says_that_it_was_called():
    """Programs use this to tell a rejected connection from an HTTP response."""
    connection = ServerProtocol()
    assert not connection.accept_called
    connection.accept(request())
    assert connection.accept_called


def test_accept_works_without_parsing():
    """Programs that parse HTTP themselves start in the state OPEN."""
    connection = ServerProtocol(state=OPEN)
    assert connection.accept(request()).status_code == 101
    connection.receive_data(b"\x81\x82\x00\x00\x00\x00hi")
    assert connection.events_received() == [Frame(Opcode.TEXT, b"hi")]


# -- refusing

BAD_REQUESTS = [
    ({"method": "POST"}, 405, "unsupported HTTP method: POST", ("Allow", "GET")),
    ({"method": "HEAD"}, 405, "unsupported HTTP method: HEAD", ("Allow", "GET")),
    ({"protocol": "HTTP/1.0"}, 505, "unsupported HTTP version: HTTP/1.0", None),
    (
        {"method": "POST", "protocol": "HTTP/1.0"},
        405,
        "unsupported HTTP method: POST",
        ("Allow", "GET"),
    ),
    ({"Connection": None}, 426, "missing Connection header", ("Upgrade", "websocket")),
    (
        {"Connection": "x"},
        426,
        "invalid Connection header: x",
        ("Upgrade", "websocket"),
    ),
    (
        {"Connection": "a b"},
        400,
        "invalid Connection header: expected comma at 2 in a b",
        None,
    ),
    ({"Upgrade": None}, 426, "missing Upgrade header", ("Upgrade", "websocket")),
    ({"Upgrade": "h2c"}, 426, "invalid Upgrade header: h2c", ("Upgrade", "websocket")),
    (
        {"Upgrade": "h2c, websocket"},
        426,
        "invalid Upgrade header: h2c, websocket",
        ("Upgrade", "websocket"),
    ),
    ({"Upgrade": ""}, 400, "invalid Upgrade header: expected protocol at 0 in ", None),
    ({"Sec_WebSocket_Key": None}, 400, "missing Sec-WebSocket-Key header", None),
    ({"Sec_WebSocket_Key": ""}, 400, "empty Sec-WebSocket-Key header", None),
    (
        {"Sec_WebSocket_Key": "A" * 24},
        400,
        f"invalid Sec-WebSocket-Key header: {'A' * 24}",
        None,
    ),
    (
        {"Sec_WebSocket_Version": None},
        400,
        "missing Sec-WebSocket-Version header",
        ("Sec-WebSocket-Version", "13"),
    ),
    (
        {"Sec_WebSocket_Version": "8"},
        400,
        "invalid Sec-WebSocket-Version header: 8",
        ("Sec-WebSocket-Version", "13"),
    ),
    (
        {"Sec_WebSocket_Version": "13, 8"},
        400,
        "invalid Sec-WebSocket-Version header: 13, 8",
        ("Sec-WebSocket-Version", "13"),
    ),
]


@pytest.mark.parametrize(("changes", "status", "text", "header"), BAD_REQUESTS)
def test_request_that_does_not_upgrade_is_refused(changes, status, text, header):
    """The status, the text and sometimes a header tell the client what is wrong."""
    connection = ServerProtocol()
    bad = request(**changes)
    response = connection.accept(bad)
    body = f"Failed to open a WebSocket connection: {text}.\n"
    if status == 426:
        body += BROWSER
    assert response.status_code == status
    assert response.reason_phrase == http.HTTPStatus(status).phrase
    assert response.body.decode() == body
    assert list(response.headers.raw_items()) == [
        ("Date", "usegmt=True"),
        ("Connection", "close"),
        ("Content-Length", str(len(body))),
        ("Content-Type", "text/plain; charset=utf-8"),
        *([header] if header else []),
    ]
    assert str(connection.handshake_exc) == text
    with pytest.warns(DeprecationWarning, match="handshake_exc"):
        assert bad.exception is connection.handshake_exc


@pytest.mark.parametrize(
    "name", ["Sec-WebSocket-Key", "Sec-WebSocket-Version", "Origin"]
)
def test_repeated_header_is_refused(name):
    """There is no telling which one is meant."""
    value = VALID.get(name, "null")
    repeated = [(name, value)] * (1 if name in VALID else 2)
    connection, response = answered(*repeated)
    assert response.status_code == 400
    assert str(connection.handshake_exc) == f"invalid {name} header: multiple values"


@pytest.mark.parametrize("key", ["abc", "A" * 22, "@" * 22 + "==", "\xe9", "AAA A==="])
def test_response_says_why_a_key_is_not_base64(key):
    """The exception that decoding raises is the cause; its text is in the body."""
    with pytest.raises(ValueError, match=r".") as raised:
        base64.b64decode(key.encode(), validate=True)
    connection = ServerProtocol()
    response = connection.accept(request(Sec_WebSocket_Key=key))
    assert str(connection.handshake_exc) == f"invalid Sec-WebSocket-Key header: {key}"
    assert str(connection.handshake_exc.__cause__) == str(raised.value)
    assert response.body.decode() == (
        "Failed to open a WebSocket connection: "
        f"invalid Sec-WebSocket-Key header: {key}; {raised.value}.\n"
    )


def test_refusing_closes_the_connection():
    """Nothing follows the response; the state turns CLOSED at the end of the stream."""
    connection = received(request(method="PUT").serialize())
    [event] = connection.events_received()
    connection.send_response(connection.accept(event))
    [data, eof] = connection.data_to_send()
    assert data.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert eof is SEND_EOF
    assert connection.state is CONNECTING
    assert connection.close_expected()
    connection.receive_data(b"ignored")
    connection.receive_eof()
    assert connection.state is CLOSED
    assert connection.close_code == 1006
    assert not connection.close_expected()
    assert connection.events_received() == []
    assert connection.data_to_send() == []


# -- plain HTTP


@pytest.mark.parametrize("status", [200, http.HTTPStatus.OK])
def test_reject_makes_a_plain_response(status):
    """The text is sent in UTF-8; nothing is wrong with the handshake."""
    connection = ServerProtocol()
    response = connection.reject(status, "caf\xe9\n")
    assert (response.status_code, response.reason_phrase) == (200, "OK")
    assert response.body == b"caf\xc3\xa9\n"
    assert response.headers["Content-Length"] == "6"
    assert connection.handshake_exc is None
    connection.send_response(response)
    assert connection.data_to_send() == [response.serialize(), SEND_EOF]
    assert connection.close_expected()


def test_reject_wants_a_status_that_exists():
    """The exception names it."""
    with pytest.raises(ValueError, match="999 is not a valid HTTPStatus"):
        ServerProtocol().reject(999, "")


def test_any_response_of_the_program_is_sent():
    """A 101 made by hand opens the connection."""
    connection = received(request().serialize())
    connection.send_response(Response(101, "Go", Headers(X="y")))
    assert connection.state is OPEN
    assert connection.data_to_send() == [b"HTTP/1.1 101 Go\r\nX: y\r\n\r\n"]


@pytest.mark.parametrize("status", [101, 403])
def test_there_is_one_response(status):
    """A second one raises, and isn't sent."""
    connection = ServerProtocol()
    connection.send_response(Response(status, "", Headers()))
    connection.data_to_send()
    with pytest.raises(InvalidState, match="an HTTP response was sent already"):
        connection.send_response(Response(200, "", Headers()))
    assert connection.data_to_send() == []


def test_response_that_cannot_be_sent_changes_nothing():
    """The program can send another one."""
    connection = ServerProtocol()
    with pytest.raises(ValueError, match="invalid HTTP reason phrase"):
        connection.send_response(Response(101, "\n", Headers()))
    assert connection.state is CONNECTING
    assert connection.data_to_send() == []


# -- origins


@pytest.mark.parametrize(
    ("origin", "origins", "text"),
    [
        (None, None, None),
        ("https://any", None, None),
        ("https://a", ["https://b", "https://a"], None),
        ("https://c", ["https://a"], "invalid Origin header: https://c"),
        ("https://c", [], "invalid Origin header: https://c"),
        (None, ["https://a"], "missing Origin header"),
        (None, ["https://a", None], None),
        ("", ["https://a", None], "empty Origin header"),
        ("https://a.b", [re.compile(r"https://[a-z]\.b")], None),
        ("https://a.b.c", [re.compile(r"https://[a-z]\.b")], "invalid Origin header: https://a.b.c"),
        (None, [re.compile(r".*")], "missing Origin header"),
        (None, [re.compile(r".*"), None], None),
    ],
)  # fmt: skip
def test_origin_must_be_in_the_list(origin, origins, text):
    """Strings and whole matches are acceptable; None stands for no header."""
    connection = ServerProtocol(origins=origins)
    response = connection.accept(request(Origin=origin))
    if text is None:
        assert response.status_code == 101
        assert connection.origin == origin
    else:
        assert response.status_code == 403
        assert str(connection.handshake_exc) == text
        assert connection.origin is None


# -- failures of the program


def test_unexpected_exception_is_logged_and_not_shown(caplog):
    """The client gets a 500; the log has the exception."""

    def fail(connection, subprotocols):
        raise ZeroDivisionError("internal")

    connection, response = answered(select_subprotocol=fail)
    assert response.status_code == 500
    assert response.body == (
        b"Failed to open a WebSocket connection.\nSee server log for more information.\n"
    )
    assert type(connection.handshake_exc) is ZeroDivisionError
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.getMessage() == "opening handshake failed"
    assert record.exc_info[1] is connection.handshake_exc
