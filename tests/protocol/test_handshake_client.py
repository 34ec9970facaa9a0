"""The client's side of the opening handshake: the request, the judgement on responses."""

from __future__ import annotations

import logging

import pytest

from tests.protocol.handshakes import (
    ACCEPT,
    ACCEPTED,
    CONNECTION,
    KEY,
    UPGRADE,
    client,
    opened,
    response,
)
from websockets import client as client_module
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import (
    InvalidHeader,
    InvalidHeaderFormat,
    InvalidHeaderValue,
    InvalidMessage,
    InvalidStatus,
    InvalidUpgrade,
)
from websockets.extensions.base import ClientExtensionFactory
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CLOSED, CONNECTING, OPEN, SEND_EOF
from websockets.uri import parse_uri


# -- the request


@pytest.mark.parametrize(
    ("uri", "kwargs", "path", "items"),
    [
        ("ws://example.com/", {}, "/", [("Host", "example.com")]),
        ("ws://example.com/a?b", {}, "/a?b", [("Host", "example.com")]),
        ("ws://example.com:80/", {}, "/", [("Host", "example.com")]),
        ("wss://example.com:443", {}, "/", [("Host", "example.com")]),
        ("wss://example.com:80/", {}, "/", [("Host", "example.com:80")]),
        ("ws://[::1]:8765/", {}, "/", [("Host", "[::1]:8765")]),
        (
            "ws://ann:p%40ss@example.com/",
            {"origin": "https://example.com"},
            "/",
            [
                ("Host", "example.com"),
                ("Authorization", "Basic YW5uOnBAc3M="),
                ("Origin", "https://example.com"),
            ],
        ),
    ],
)
def test_request_starts_with_where_it_goes_and_who_asks(uri, kwargs, path, items):
    """Host, Authorization, Origin, then what RFC 6455 §4.1 requires, in this order."""
    request = client(uri, **kwargs).connect()
    assert request.path == path
    assert (request.method, request.protocol) == ("GET", "HTTP/1.1")
    assert list(request.headers.raw_items()) == [
        *items,
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ]


class OfferedFactory(ClientExtensionFactory):
    """Offer an extension."""

    name = "x-first"

    def __init__(self, params):
        self.params = params

    def get_request_params(self):
        return self.params


def test_request_ends_with_what_is_negotiated():
    """Extensions come before subprotocols, each in order of preference."""
    request = client(
        extensions=[
            OfferedFactory([("a", None), ("b", "1")]),
            ClientPerMessageDeflateFactory(),
            OfferedFactory([]),
        ],
        subprotocols=["chat", "superchat"],
    ).connect()
    assert list(request.headers.raw_items())[-2:] == [
        (
            "Sec-WebSocket-Extensions",
            "x-first; a; b=1, permessage-deflate; client_max_window_bits, x-first",
        ),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
    ]


def test_empty_lists_are_not_offered():
    """RFC 6455 doesn't allow empty headers."""
    request = client(extensions=[], subprotocols=[]).connect()
    assert "Sec-WebSocket-Extensions" not in request.headers
    assert "Sec-WebSocket-Protocol" not in request.headers


@pytest.mark.parametrize(
    ("subprotocols", "exc_type"),
    [("chat", TypeError), (["a b"], ValueError), ([""], ValueError), ([1], TypeError)],
)
def test_subprotocols_must_be_a_list_of_tokens(subprotocols, exc_type):
    """A string is a list of letters: that is never meant."""
    with pytest.raises(exc_type, match="subprotocol"):
        client(subprotocols=subprotocols)


def test_each_connection_has_its_own_key(monkeypatch):
    """The generator of keys is called per connection, by its documented name."""
    keys = iter(["first", "second"])
    monkeypatch.setattr(client_module, "generate_key", lambda: next(keys))
    uri = parse_uri("ws://example.com/")
    connections = [ClientProtocol(uri), ClientProtocol(uri)]
    assert [connection.key for connection in connections] == ["first", "second"]


def test_a_key_of_a_program_is_checked():
    """A key that doesn't look like one is sent, unless it would break the request."""
    connection = client()
    connection.key = "anything"
    headers = connection.connect().headers
    assert headers["Sec-WebSocket-Key"] == "anything"
    assert headers["Sec-WebSocket-Version"] == "13"
    connection.key = "any\r\nthing"
    with pytest.raises(InvalidHeaderValue):
        connection.connect()


def test_program_can_add_headers_before_sending():
    """What is sent is the request as it is at that moment."""
    connection = client()
    request = connection.connect()
    request.headers["User-Agent"] = "test"
    connection.send_request(request)
    assert connection.data_to_send() == [
        b"GET / HTTP/1.1\r\n"
        b"Host: example.com\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"User-Agent: test\r\n"
        b"\r\n"
    ]
    assert connection.state is CONNECTING


def test_request_that_cannot_be_sent_leaves_nothing_behind():
    """An invalid path raises, and no part of the request is queued."""
    connection = client()
    with pytest.raises(ValueError, match="invalid HTTP request target"):
        connection.send_request(Request("/ ", Headers()))
    assert connection.data_to_send() == []


# -- the response


def test_valid_response_opens_the_connection():
    """The response is an event, and nothing is to be sent."""
    connection = opened()
    assert connection.state is OPEN
    assert connection.handshake_exc is None
    [event] = connection.events_received()
    assert isinstance(event, Response)
    assert event.status_code == 101
    assert connection.data_to_send() == []
    assert not connection.close_expected()
    assert connection.extensions == []
    assert connection.subprotocol is None


def test_frames_may_follow_in_the_same_piece():
    """What comes behind the response belongs to the conversation."""
    connection = client()
    raw = response(UPGRADE, CONNECTION, ACCEPTED)
    connection.receive_data(raw + b"\x81\x02hi")
    [_, frame] = connection.events_received()
    assert frame == Frame(Opcode.TEXT, b"hi")


def test_response_may_come_in_pieces():
    """Nothing happens before its last byte."""
    connection = client()
    raw = response(UPGRADE, CONNECTION, ACCEPTED)
    for i in range(len(raw)):
        assert connection.state is CONNECTING
        connection.receive_data(raw[i : i + 1])
    assert connection.state is OPEN


@pytest.mark.parametrize(
    "items",
    [
        [("Upgrade", "WebSocket"), CONNECTION, ACCEPTED],
        [UPGRADE, ("Connection", "keep-alive, UPGRADE"), ACCEPTED],
        [UPGRADE, ("Connection", "x"), CONNECTION, ACCEPTED],
        [ACCEPTED, CONNECTION, UPGRADE, ("Content-Length", "4")],
    ],
)
def test_response_is_read_as_rfc_9110_says(items):
    """Case and order don't matter; lists may be spread over several headers."""
    connection = client()
    connection.receive_data(response(*items))
    assert connection.state is OPEN


BAD_RESPONSES = [
    ([UPGRADE, ACCEPTED], InvalidUpgrade, "missing Connection header"),
    ([], InvalidUpgrade, "missing Connection header"),
    (
        [UPGRADE, ("Connection", "close"), ("Connection", "x"), ACCEPTED],
        InvalidUpgrade,
        "invalid Connection header: close, x",
    ),
    (
        [UPGRADE, ("Connection", "a b"), ACCEPTED],
        InvalidHeaderFormat,
        "invalid Connection header: expected comma at 2 in a b",
    ),
    ([CONNECTION, ACCEPTED], InvalidUpgrade, "missing Upgrade header"),
    (
        [("Upgrade", "h2c"), CONNECTION, ACCEPTED],
        InvalidUpgrade,
        "invalid Upgrade header: h2c",
    ),
    (
        [("Upgrade", "h2c, websocket"), CONNECTION, ACCEPTED],
        InvalidUpgrade,
        "invalid Upgrade header: h2c, websocket",
    ),
    (
        [UPGRADE, UPGRADE, CONNECTION, ACCEPTED],
        InvalidUpgrade,
        "invalid Upgrade header: websocket, websocket",
    ),
    ([UPGRADE, CONNECTION], InvalidHeader, "missing Sec-WebSocket-Accept header"),
    (
        [UPGRADE, CONNECTION, ("Sec-WebSocket-Accept", "")],
        InvalidHeaderValue,
        "empty Sec-WebSocket-Accept header",
    ),
    (
        [UPGRADE, CONNECTION, ACCEPTED, ACCEPTED],
        InvalidHeader,
        "invalid Sec-WebSocket-Accept header: multiple values",
    ),
    (
        [UPGRADE, CONNECTION, ("Sec-WebSocket-Accept", ACCEPT.lower())],
        InvalidHeaderValue,
        f"invalid Sec-WebSocket-Accept header: {ACCEPT.lower()}",
    ),
]


@pytest.mark.parametrize(("items", "exc_type", "text"), BAD_RESPONSES)
def test_response_that_does_not_upgrade_fails_the_handshake(items, exc_type, text):
    """The exception says what is wrong; the response is still an event."""
    connection = client()
    connection.receive_data(response(*items) + b"\x81\x02hi")
    assert type(connection.handshake_exc) is exc_type
    assert str(connection.handshake_exc) == text
    [event] = connection.events_received()
    with pytest.warns(DeprecationWarning, match="handshake_exc"):
        assert event.exception is connection.handshake_exc
    assert connection.state is CONNECTING
    assert connection.data_to_send() == [SEND_EOF]
    assert connection.close_expected()


@pytest.mark.parametrize("status", [100, 200, 302, 401, 503])
def test_other_status_codes_fail_the_handshake(status):
    """The exception has the response, with its body."""
    connection = client()
    connection.receive_data(response(("Content-Length", "4"), status=status) + b"spam")
    assert type(connection.handshake_exc) is InvalidStatus
    assert str(connection.handshake_exc) == (
        f"server rejected WebSocket connection: HTTP {status}"
    )
    [event] = connection.events_received()
    assert connection.handshake_exc.response is event
    assert event.body == (b"" if status == 100 else b"spam")


def test_failed_handshake_ends_with_the_stream():
    """Whatever comes later is ignored; the state turns CLOSED at the end."""
    connection = client()
    connection.receive_data(response(status=204))
    connection.receive_data(b"ignored")
    assert connection.state is CONNECTING
    connection.receive_eof()
    assert connection.state is CLOSED
    assert connection.close_code == 1006
    assert not connection.close_expected()
    assert connection.data_to_send() == [SEND_EOF]
    assert len(connection.events_received()) == 1


@pytest.mark.parametrize(
    ("data", "eof", "cause"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", False, ValueError),
        (b"", True, EOFError),
        (response(CONNECTION)[:-1], True, EOFError),
        (
            response(("Transfer-Encoding", "gzip"), status=200),
            False,
            NotImplementedError,
        ),
    ],
)
def test_invalid_message_is_not_an_event(data, eof, cause):
    """What isn't an HTTP response fails the handshake; the cause says why it isn't."""
    connection = client()
    connection.receive_data(data)
    if eof:
        connection.receive_eof()
    assert type(connection.handshake_exc) is InvalidMessage
    assert str(connection.handshake_exc) == "did not receive a valid HTTP response"
    assert type(connection.handshake_exc.__cause__) is cause
    assert connection.events_received() == []
    assert connection.data_to_send() == [SEND_EOF]
    assert connection.state is (CLOSED if eof else CONNECTING)


def test_protocol_may_start_open():
    """With state=OPEN, there is no handshake: the first byte belongs to a frame."""
    connection = client(state=OPEN)
    connection.receive_data(b"\x81\x02hi")
    assert connection.events_received() == [Frame(Opcode.TEXT, b"hi")]


# -- logs


def test_debug_logs_show_the_handshake_without_credentials(caplog):
    """Requests and responses are logged line by line; secrets are masked."""
    caplog.set_level(logging.DEBUG, "websockets.client")
    connection = client("ws://ann:secret@example.com/chat")
    request = connection.connect()
    request.headers["Cookie"] = "secret"
    connection.send_request(request)
    connection.receive_data(
        response(("Set-Cookie", "secret"), ("Content-Length", "4"), status=403)
        + b"body"
    )
    connection.receive_eof()
    assert [record.getMessage() for record in caplog.records] == [
        "= connection is CONNECTING",
        "> GET /chat HTTP/1.1",
        "> Host: example.com",
        "> Authorization: ***",
        "> Upgrade: websocket",
        "> Connection: Upgrade",
        f"> Sec-WebSocket-Key: {KEY}",
        "> Sec-WebSocket-Version: 13",
        "> Cookie: ***",
        "< HTTP/1.1 403 Whatever",
        "< Set-Cookie: ***",
        "< Content-Length: 4",
        "< [body] (4 bytes)",
        "> EOF",
        "< EOF",
        "= connection is CLOSED",
    ]


def test_client_logs_nothing_at_info_level(caplog):
    """It is part of a program that has its own messages."""
    caplog.set_level(logging.INFO)
    opened().receive_eof()
    assert caplog.records == []
