"""What can be read off a connection on any face."""

from __future__ import annotations

import logging

import pytest

from tests.codec.frame_pieces import frame
from websockets._session import ConnectionAttributes, Session
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.protocol import CLIENT, Protocol, State


def test_attributes_before_the_handshake():
    """A connection has an identifier and a state from the start, and nothing else yet."""
    protocol = Protocol(CLIENT, state=State.CONNECTING)
    connection = ConnectionAttributes(protocol)
    assert connection.id is protocol.id
    assert connection.state is State.CONNECTING
    assert (connection.request, connection.response) == (None, None)
    assert connection.subprotocol is None
    assert connection.latency == 0
    assert (connection.close_code, connection.close_reason) == (None, None)


def test_attributes_of_a_session():
    """Latency, code and reason come from the session and the protocol."""
    protocol = Protocol(CLIENT)
    connection = ConnectionAttributes(protocol)
    connection._session = session = Session(protocol, 0)
    session.ping(b"x", 0, lambda result: None)
    session.receive_data(frame(0x8A, b"x") + frame(0x88, b"\x03\xe9away"), 2)
    session.connection_lost(3)
    assert connection.latency == 2
    assert (connection.close_code, connection.close_reason) == (1001, "away")


def test_the_logger_names_the_connection(caplog):
    """Records of a connection's logger have it as attribute, without keeping it alive."""
    caplog.set_level(logging.DEBUG)
    protocol = Protocol(CLIENT)
    connection = ConnectionAttributes(protocol)
    # At DEBUG, the protocol's own records have it, too.
    assert protocol.logger is connection.logger
    connection.logger.info("hello")
    assert caplog.records[-1].websocket.id == connection.id
    other = logging.getLogger("other")
    connection.logger = other
    assert connection.logger is other


def test_the_logger_is_made_at_first_use():
    """Without DEBUG, an adapter is made when somebody logs."""
    connection = ConnectionAttributes(Protocol(CLIENT))
    assert connection.protocol.logger is logging.getLogger("websockets.client")
    assert connection.logger is connection.logger


NOW = [
    ("open", True, "connection.state is State.OPEN"),
    ("closed", False, "connection.state is State.CLOSED"),
    ("path", "/p?q", "connection.request.path"),
    ("request_headers", Headers(a="b"), "connection.request.headers"),
    ("response_headers", Headers(c="d"), "connection.response.headers"),
]


@pytest.mark.parametrize(("name", "value", "instead"), NOW)
def test_older_names(name, value, instead):
    """Names of versions before 14 work, with a DeprecationWarning that gives the new one."""
    connection = ConnectionAttributes(Protocol(CLIENT))
    text = f"^connection.{name} is deprecated; use {instead}$"
    if name not in ("open", "closed"):
        with pytest.warns(DeprecationWarning, match=text):
            assert getattr(connection, name) is None
    connection.request = Request("/p?q", Headers(a="b"))
    connection.response = Response(101, "", Headers(c="d"))
    with pytest.warns(DeprecationWarning, match=text) as caught:
        assert getattr(connection, name) == value
    assert caught[0].filename == __file__
