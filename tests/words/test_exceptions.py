"""Texts, attributes, hierarchy and copies of exceptions."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from websockets import exceptions
from websockets.datastructures import Headers, MultipleValuesError
from websockets.exceptions import (
    ConcurrencyError,
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    DuplicateParameter,
    InvalidHandshake,
    InvalidHeader,
    InvalidHeaderFormat,
    InvalidHeaderValue,
    InvalidMessage,
    InvalidMethod,
    InvalidOrigin,
    InvalidParameterName,
    InvalidParameterValue,
    InvalidProtocol,
    InvalidProxy,
    InvalidProxyMessage,
    InvalidProxyStatus,
    InvalidState,
    InvalidStatus,
    InvalidUpgrade,
    InvalidURI,
    NegotiationError,
    PayloadTooBig,
    ProtocolError,
    ProxyAuthenticationError,
    ProxyError,
    ProxyTimeout,
    SecurityError,
    TooManyFragments,
    WebSocketException,
)
from websockets.frames import Close
from websockets.http11 import Response


OK, BYE, LATE = Close(1000, ""), Close(1001, "bye"), Close(4999, "late")
REFUSED = Response(407, "Proxy Authentication Required", Headers())
FORBIDDEN = Response(403, "Forbidden", Headers())

TEXTS = [
    # Connections
    (ConnectionClosed(None, None), "no close frame received or sent"),
    (
        ConnectionClosed(BYE, None),
        "received 1001 (going away) bye; no close frame sent",
    ),
    (ConnectionClosed(None, OK), "sent 1000 (OK); no close frame received"),
    (
        ConnectionClosedOK(BYE, OK, True),
        "received 1001 (going away) bye; then sent 1000 (OK)",
    ),
    (
        ConnectionClosedOK(OK, BYE, False),
        "sent 1001 (going away) bye; then received 1000 (OK)",
    ),
    (
        ConnectionClosedError(LATE, Close(3000, "busy"), False),
        "sent 3000 (registered) busy; then received 4999 (private use) late",
    ),
    (
        ConnectionClosedError(Close(1005, ""), Close(1006, "x"), True),
        "received 1005 (no status received [internal]); "
        "then sent 1006 (abnormal closure [internal]) x",
    ),
    (
        ConnectionClosedError(None, Close(1011, "keepalive ping timeout")),
        "sent 1011 (internal error) keepalive ping timeout; no close frame received",
    ),
    (
        ConnectionClosedError(Close(1004, ""), Close(0, "z"), True),
        "received 1004 (unknown); then sent 0 (unknown) z",
    ),
    # Addresses
    (InvalidURI("ws", "no host"), "ws isn't a valid URI: no host"),
    (InvalidProxy("ftp://p", "no"), "ftp://p isn't a valid proxy: no"),
    # Handshakes
    (InvalidProxyStatus(REFUSED), "proxy rejected connection: HTTP 407"),
    (
        ProxyAuthenticationError(REFUSED, ("NTLM",), "NTLM refused"),
        "proxy rejected connection: HTTP 407",
    ),
    (InvalidStatus(FORBIDDEN), "server rejected WebSocket connection: HTTP 403"),
    (InvalidMethod("POST"), "unsupported HTTP method: POST"),
    (InvalidProtocol("HTTP/1.0"), "unsupported HTTP version: HTTP/1.0"),
    (InvalidHeader("Host"), "missing Host header"),
    (InvalidHeader("Host", None), "missing Host header"),
    (InvalidHeader("Host", ""), "empty Host header"),
    (InvalidHeader("Host", "a b"), "invalid Host header: a b"),
    (InvalidHeaderValue("Host"), "missing Host header"),
    (InvalidHeaderValue("Host", "a b"), "invalid Host header: a b"),
    (
        InvalidHeaderFormat("Upgrade", "expected token", "a,/", 2),
        "invalid Upgrade header: expected token at 2 in a,/",
    ),
    (InvalidOrigin(None), "missing Origin header"),
    (InvalidOrigin(""), "empty Origin header"),
    (InvalidOrigin("http://x"), "invalid Origin header: http://x"),
    (InvalidUpgrade("Upgrade"), "missing Upgrade header"),
    (InvalidUpgrade("Connection", "close"), "invalid Connection header: close"),
    (DuplicateParameter("a"), "duplicate parameter: a"),
    (InvalidParameterName("a"), "invalid parameter name: a"),
    (InvalidParameterValue("a", None), "missing value for parameter a"),
    (InvalidParameterValue("a", ""), "empty value for parameter a"),
    (InvalidParameterValue("a", "b"), "invalid value for parameter a: b"),
    # Messages
    (PayloadTooBig(5, 4), "frame with 5 bytes exceeds limit of 4 bytes"),
    (PayloadTooBig(None, 4), "frame exceeds limit of 4 bytes"),
    (
        PayloadTooBig(5, 4, 3),
        "frame with 5 bytes after reading 3 bytes exceeds limit of 7 bytes",
    ),
    (
        PayloadTooBig(5, 4, 0),
        "frame with 5 bytes after reading 0 bytes exceeds limit of 4 bytes",
    ),
    (
        PayloadTooBig(None, 4, 3),
        "frame after reading 3 bytes exceeds limit of 7 bytes",
    ),
    (TooManyFragments(7), "fragmented message exceeds limit of 7 frames"),
    # Lookups
    (MultipleValuesError("Accept"), "'Accept'"),
    (MultipleValuesError(), ""),
]

# Exceptions whose only content is a text, like "reason given by who raises it".
PLAIN = [
    WebSocketException,
    InvalidHandshake,
    SecurityError,
    exceptions.RequestLineTooLong,
    exceptions.StatusLineTooLong,
    exceptions.HeaderLineTooLong,
    exceptions.TooManyHeaders,
    ProxyError,
    ProxyTimeout,
    InvalidProxyMessage,
    InvalidMessage,
    NegotiationError,
    ProtocolError,
    InvalidState,
    ConcurrencyError,
]

PARENTS = {
    "ConcurrencyError": (WebSocketException, RuntimeError),
    "ConnectionClosed": (WebSocketException,),
    "ConnectionClosedError": (ConnectionClosed,),
    "ConnectionClosedOK": (ConnectionClosed,),
    "DuplicateParameter": (NegotiationError,),
    "HeaderLineTooLong": (SecurityError,),
    "InvalidHandshake": (WebSocketException,),
    "InvalidHeader": (InvalidHandshake,),
    "InvalidHeaderFormat": (InvalidHeader,),
    "InvalidHeaderValue": (InvalidHeader,),
    "InvalidMessage": (InvalidHandshake,),
    "InvalidMethod": (InvalidHandshake,),
    "InvalidOrigin": (InvalidHeader,),
    "InvalidParameterName": (NegotiationError,),
    "InvalidParameterValue": (NegotiationError,),
    "InvalidProtocol": (InvalidHandshake,),
    "InvalidProxy": (WebSocketException, ValueError),
    "InvalidProxyMessage": (ProxyError,),
    "InvalidProxyStatus": (ProxyError, ValueError),
    "InvalidState": (WebSocketException, AssertionError),
    "InvalidStatus": (InvalidHandshake,),
    "InvalidURI": (WebSocketException,),
    "InvalidUpgrade": (InvalidHeader,),
    "NegotiationError": (InvalidHandshake,),
    "PayloadTooBig": (WebSocketException,),
    "ProtocolError": (WebSocketException,),
    "ProxyError": (InvalidHandshake,),
    "ProxyAuthenticationError": (InvalidProxyStatus,),
    "ProxyTimeout": (ProxyError, TimeoutError),
    "RequestLineTooLong": (SecurityError,),
    "SecurityError": (InvalidHandshake,),
    "StatusLineTooLong": (SecurityError,),
    "TooManyFragments": (WebSocketException,),
    "TooManyHeaders": (SecurityError,),
    "WebSocketException": (Exception,),
}


@pytest.mark.parametrize(("exc", "text"), TEXTS, ids=lambda x: str(x)[:50])
def test_text(exc, text):
    """The text of an exception is the one that programs compare."""
    assert str(exc) == text


@pytest.mark.parametrize("cls", PLAIN)
def test_plain_text(cls):
    """An exception without arguments of its own shows what it was given."""
    assert str(cls()) == ""
    assert str(cls("what happened")) == "what happened"


@pytest.mark.parametrize("name", exceptions.__all__)
def test_hierarchy(name):
    """Each exception has exactly the parents in the table, in this order."""
    assert getattr(exceptions, name).__bases__ == PARENTS[name]


def test_every_exception_has_a_text_in_a_table():
    """The tables above forget no exception."""
    covered = {type(exc).__name__ for exc, _ in TEXTS} | {c.__name__ for c in PLAIN}
    assert set(exceptions.__all__) <= covered


def test_every_exception_is_public():
    """No exception is defined here without being exported."""
    defined = {
        name
        for name, value in vars(exceptions).items()
        if inspect.isclass(value) and value.__module__ == exceptions.__name__
    }
    assert defined == set(exceptions.__all__) == set(PARENTS)


@pytest.mark.parametrize(
    "exc",
    [exc for exc, _ in TEXTS] + [cls("a") for cls in PLAIN],
    ids=lambda exc: type(exc).__name__,
)
@pytest.mark.parametrize(
    "clone",
    [copy.copy, copy.deepcopy, lambda exc: pickle.loads(pickle.dumps(exc))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_are_equal(exc, clone):
    """A copy has the class, the text, the arguments and the attributes."""
    other = clone(exc)
    assert type(other) is type(exc)
    assert str(other) == str(exc)
    assert repr(other) == repr(exc)
    assert vars(other) == vars(exc)


def test_copies_after_keyword_arguments():
    """An exception made with keyword arguments can be copied too."""
    exc = copy.copy(InvalidHeaderFormat(name="A", error="b", header="c", pos=0))
    assert str(exc) == "invalid A header: b at 0 in c"
    exc = copy.copy(ConnectionClosedOK(rcvd=OK, sent=BYE, rcvd_then_sent=True))
    assert exc.rcvd_then_sent is True


class TestConnectionClosed:
    """ConnectionClosed"""

    @pytest.mark.parametrize(
        "args",
        [(OK, OK), (OK, None, True), (None, OK, False), (None, None, True)],
    )
    def test_order_goes_with_two_frames(self, args):
        """Whether a frame came first can be told only if there are two."""
        with pytest.raises(AssertionError):
            ConnectionClosed(*args)

    @pytest.mark.parametrize(
        ("args", "code", "reason"),
        [((BYE, None), 1001, "bye"), ((None, BYE), 1006, ""), ((None, None), 1006, "")],
    )
    def test_old_attributes(self, args, code, reason):
        """Code and reason received are available under old names, with a warning."""
        exc = ConnectionClosed(*args)
        with pytest.warns(DeprecationWarning, match=r"ConnectionClosed\.code is") as w:
            assert exc.code == code
        assert w[0].filename == __file__
        assert str(w[0].message) == (
            "ConnectionClosed.code is deprecated; "
            "use Protocol.close_code or ConnectionClosed.rcvd.code"
        )
        with pytest.warns(DeprecationWarning, match=r"ConnectionClosed\.reason") as w:
            assert exc.reason == reason
        assert w[0].filename == __file__
        assert str(w[0].message) == (
            "ConnectionClosed.reason is deprecated; "
            "use Protocol.close_reason or ConnectionClosed.rcvd.reason"
        )


class TestCredentials:
    """Credentials in exceptions"""

    @pytest.mark.parametrize("cls", [InvalidURI, InvalidProxy])
    def test_never_show(self, cls):
        """A URL loses its credentials before anything can show them."""
        exc = cls("http://alice:s3cret@proxy:0", "why")
        assert str(exc).startswith("http://***@proxy:0 isn't a valid ")
        for shown in (str(exc), repr(exc), repr(exc.args), repr(vars(exc))):
            assert "s3cret" not in shown
            assert "alice" not in shown

    def test_are_masked_once(self):
        """Copying an exception with a masked URL changes nothing."""
        exc = copy.copy(InvalidProxy("http://alice:s3cret@proxy", "why"))
        assert exc.proxy == "http://***@proxy"
        assert exc.msg == "why"


class TestPayloadTooBig:
    """PayloadTooBig"""

    def test_attributes(self):
        """max_size counts the bytes read before; the other sizes are as given."""
        exc = PayloadTooBig(5, 4, 3)
        assert (exc.message, exc.size, exc.max_size, exc.current_size) == (
            None,
            5,
            7,
            3,
        )

    @pytest.mark.parametrize(
        ("current_size", "text"),
        [
            (None, "frame with 5 bytes exceeds limit of 4 bytes"),
            (0, "frame with 5 bytes after reading 0 bytes exceeds limit of 4 bytes"),
            (7, "frame with 5 bytes after reading 7 bytes exceeds limit of 11 bytes"),
        ],
    )
    def test_set_current_size(self, current_size, text):
        """The size of previous frames can be told later, and survives a copy."""
        exc = PayloadTooBig(5, 4)
        exc.set_current_size(current_size)
        assert str(exc) == text
        assert str(pickle.loads(pickle.dumps(exc))) == text

    def test_set_current_size_once(self):
        """The size of previous frames isn't added twice."""
        with pytest.raises(AssertionError):
            PayloadTooBig(5, 4, 3).set_current_size(3)

    def test_max_size_is_required(self):
        """A size without a limit makes no sense."""
        with pytest.raises(AssertionError):
            PayloadTooBig(5)

    def test_message(self):
        """A text instead of a size is accepted, with a warning, and shown as is."""
        text = "PayloadTooBig(message) is deprecated; change to PayloadTooBig("
        with pytest.warns(DeprecationWarning, match=re.escape(text)) as w:
            exc = PayloadTooBig("too big")
        assert w[0].filename == __file__
        exc.set_current_size(1)
        assert str(exc) == "too big"

    def test_message_goes_without_limit(self):
        """A text together with a limit is refused."""
        with pytest.raises(AssertionError):
            PayloadTooBig("too big", 4)


@pytest.mark.parametrize(
    ("cls", "code"),
    [(ProtocolError, 1002), (PayloadTooBig, 1009), (TooManyFragments, 1009)],
)
def test_close_code(cls, code):
    """An error of the peer knows the code of the close frame that it causes."""
    assert cls.close_code == code


@pytest.mark.parametrize(
    ("name", "new"),
    [
        ("AbortHandshake", InvalidHandshake),
        ("InvalidStatusCode", InvalidStatus),
        ("RedirectHandshake", InvalidHandshake),
        ("WebSocketProtocolError", ProtocolError),
    ],
)
def test_old_names(name, new):
    """An old name stands for the closest exception, and warns once."""
    vars(exceptions).pop(name, None)  # as if no other test had used it
    with pytest.warns(DeprecationWarning, match=name) as w:
        values = [getattr(exceptions, name), getattr(exceptions, name)]
    assert values == [new, new]
    (warning,) = w
    assert str(warning.message) == f"websockets.exceptions.{name} is deprecated"
    assert w[0].filename == __file__


def test_unknown_name():
    """A name that never existed is an AttributeError that names it."""
    with pytest.raises(AttributeError) as raised:
        _ = exceptions.Nope
    assert str(raised.value) == "module 'websockets.exceptions' has no attribute 'Nope'"
