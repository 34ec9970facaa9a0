"""
All exceptions of the library (layer 0).

.. code-block:: text

    WebSocketException
        ConnectionClosed: ConnectionClosedOK, ConnectionClosedError
        InvalidURI
        InvalidProxy (also a ValueError)
        InvalidHandshake
            SecurityError: RequestLineTooLong, StatusLineTooLong,
                HeaderLineTooLong, TooManyHeaders
            ProxyError: InvalidProxyMessage, InvalidProxyStatus (also a ValueError),
                ProxyAuthenticationError (an InvalidProxyStatus),
                ProxyTimeout (also a TimeoutError)
            InvalidMessage, InvalidMethod, InvalidProtocol, InvalidStatus
            InvalidHeader: InvalidHeaderFormat, InvalidHeaderValue,
                InvalidOrigin, InvalidUpgrade
            NegotiationError: DuplicateParameter, InvalidParameterName,
                InvalidParameterValue
        ProtocolError
        PayloadTooBig
        TooManyFragments
        InvalidState (also an AssertionError)
        ConcurrencyError (also a RuntimeError)

Owns: the hierarchy, the attributes and the texts. Programs compare the texts, so they
don't change; advice goes into notes. Credentials never show. Exceptions can be pickled.
Doesn't know, at run time: frames, requests, responses. It only formats them.
"""

from __future__ import annotations

import typing
import warnings

from ._aliases import deprecated_aliases
from ._secrets import mask_url


if typing.TYPE_CHECKING:
    from . import frames, http11


# fmt: off
__all__ = [
    "ConcurrencyError", "ConnectionClosed", "ConnectionClosedError",
    "ConnectionClosedOK", "DuplicateParameter", "HeaderLineTooLong", "InvalidHandshake",
    "InvalidHeader", "InvalidHeaderFormat", "InvalidHeaderValue", "InvalidMessage",
    "InvalidMethod", "InvalidOrigin", "InvalidParameterName", "InvalidParameterValue",
    "InvalidProtocol", "InvalidProxy", "InvalidProxyMessage", "InvalidProxyStatus",
    "InvalidState", "InvalidStatus", "InvalidURI", "InvalidUpgrade", "NegotiationError",
    "PayloadTooBig", "ProtocolError", "ProxyAuthenticationError", "ProxyError",
    "ProxyTimeout", "RequestLineTooLong", "SecurityError", "StatusLineTooLong",
    "TooManyFragments", "TooManyHeaders", "WebSocketException",
]
# fmt: on


class WebSocketException(Exception):
    """Base class of all exceptions defined by this library."""


class ConnectionClosed(WebSocketException):
    """
    Raised when using a connection that is closed, or closes meanwhile.

    Programs meet one of its two subclasses.

    Args:
        rcvd: close frame that was received, if any.
        sent: close frame that was sent, if any.
        rcvd_then_sent: when both were, :obj:`True` if the frame was received first,
            :obj:`False` if it was sent first; otherwise :obj:`None`.
    """

    def __init__(
        self,
        rcvd: frames.Close | None,
        sent: frames.Close | None,
        rcvd_then_sent: bool | None = None,
    ) -> None:
        both = rcvd is not None and sent is not None
        assert (rcvd_then_sent is not None) == both, "two frames have an order"
        super().__init__(*((rcvd, sent, rcvd_then_sent) if both else (rcvd, sent)))
        self.rcvd = rcvd
        self.sent = sent
        self.rcvd_then_sent = rcvd_then_sent

    def __str__(self) -> str:
        if self.rcvd is None:
            if self.sent is None:
                return "no close frame received or sent"
            return f"sent {self.sent}; no close frame received"
        if self.sent is None:
            return f"received {self.rcvd}; no close frame sent"
        if self.rcvd_then_sent:
            return f"received {self.rcvd}; then sent {self.sent}"
        return f"sent {self.sent}; then received {self.rcvd}"

    @property
    def code(self) -> int:
        """Close code received, or 1006. Deprecated: use ``rcvd.code``."""
        warnings.warn(
            "ConnectionClosed.code is deprecated; "
            "use Protocol.close_code or ConnectionClosed.rcvd.code",
            DeprecationWarning,
            2,
        )
        # RFC 6455, section 7.1.5: 1006 stands for the absence of a close frame.
        return 1006 if self.rcvd is None else self.rcvd.code

    @property
    def reason(self) -> str:
        """Close reason received, or ``""``. Deprecated: use ``rcvd.reason``."""
        warnings.warn(
            "ConnectionClosed.reason is deprecated; "
            "use Protocol.close_reason or ConnectionClosed.rcvd.reason",
            DeprecationWarning,
            stacklevel=2,
        )
        return "" if self.rcvd is None else self.rcvd.reason


class ConnectionClosedOK(ConnectionClosed):
    """
    Raised when the connection was closed as intended.

    Both sides sent a close frame with code 1000 or 1001, or without a code.
    """


class ConnectionClosedError(ConnectionClosed):
    """
    Raised when the connection was closed because of an error, or was lost.

    The error that started it, if there is one, is in ``__cause__``.
    """


class InvalidURI(WebSocketException):
    """Raised when ``uri``, credentials masked, is no WebSocket URI: see ``msg``."""

    def __init__(self, uri: str, msg: str) -> None:
        self.uri = mask_url(uri)
        self.msg = msg
        super().__init__(self.uri, msg)

    def __str__(self) -> str:
        return f"{self.uri} isn't a valid URI: {self.msg}"


class InvalidProxy(WebSocketException, ValueError):
    """Raised when ``proxy``, credentials masked, is no URL of a proxy: see ``msg``."""

    def __init__(self, proxy: str, msg: str) -> None:
        self.proxy = mask_url(proxy, has_path=False)
        self.msg = msg
        super().__init__(self.proxy, msg)

    def __str__(self) -> str:
        return f"{self.proxy} isn't a valid proxy: {self.msg}"


class InvalidHandshake(WebSocketException):
    """
    Base class of exceptions raised when the opening handshake fails.

    On a client, it covers the exchange with a proxy as well.
    """


class SecurityError(InvalidHandshake):
    """
    Raised when a handshake request or response breaks a security rule.

    Limits are environment variables, read at import time: lines have at most
    ``WEBSOCKETS_MAX_LINE_LENGTH`` bytes (8192 by default), requests and responses at
    most ``WEBSOCKETS_MAX_NUM_HEADERS`` headers (128 by default).
    """


class RequestLineTooLong(SecurityError):
    """Raised when a request line exceeds ``WEBSOCKETS_MAX_LINE_LENGTH`` bytes."""


class StatusLineTooLong(SecurityError):
    """Raised when a status line exceeds ``WEBSOCKETS_MAX_LINE_LENGTH`` bytes."""


class HeaderLineTooLong(SecurityError):
    """Raised when a header line exceeds ``WEBSOCKETS_MAX_LINE_LENGTH`` bytes."""


class TooManyHeaders(SecurityError):
    """Raised when there are more than ``WEBSOCKETS_MAX_NUM_HEADERS`` headers."""


class ProxyError(InvalidHandshake):
    """
    Base class of exceptions raised when a proxy doesn't open a tunnel.

    ``proxy`` is the URL of the proxy, without credentials, and ``hop`` its place on the
    way, 1 for the nearest. Notes tell more.
    """

    proxy: str | None = None
    hop: int | None = None


class ProxyTimeout(ProxyError, TimeoutError):
    """Raised when ``open_timeout`` passes while a proxy is being waited for."""


class InvalidProxyMessage(ProxyError):
    """Raised when the response of a proxy is malformed."""


class InvalidProxyStatus(ProxyError, ValueError):
    """Raised when an HTTP proxy refuses to connect; ``response`` is its response."""

    def __init__(self, response: http11.Response) -> None:
        super().__init__(response)
        self.response = response

    def __str__(self) -> str:
        return f"proxy rejected connection: HTTP {self.response.status_code:d}"


class ProxyAuthenticationError(InvalidProxyStatus):
    """
    Raised when a proxy demands authentication (407), and it isn't given or not accepted.

    ``schemes`` are the names of the schemes that it offers; ``reason`` tells what became
    of them.
    """

    def __init__(
        self, response: http11.Response, schemes: tuple[str, ...] = (), reason: str = ""
    ) -> None:
        super().__init__(response)
        self.args = (response, schemes, reason)  # for copies
        self.schemes = schemes
        self.reason = reason


class InvalidMessage(InvalidHandshake):
    """Raised when a handshake request or response is malformed."""


class InvalidMethod(InvalidHandshake):
    """Raised when ``method``, the method of a handshake request, isn't GET."""

    def __init__(self, method: str) -> None:
        super().__init__(method)
        self.method = method

    def __str__(self) -> str:
        return f"unsupported HTTP method: {self.method}"


class InvalidProtocol(InvalidHandshake):
    """Raised when ``protocol``, the version of a request, isn't HTTP/1.1."""

    def __init__(self, protocol: str) -> None:
        super().__init__(protocol)
        self.protocol = protocol

    def __str__(self) -> str:
        return f"unsupported HTTP version: {self.protocol}"


class InvalidStatus(InvalidHandshake):
    """Raised when a server rejects the handshake; ``response`` is its response."""

    def __init__(self, response: http11.Response) -> None:
        super().__init__(response)
        self.response = response

    def __str__(self) -> str:
        status = self.response.status_code
        return f"server rejected WebSocket connection: HTTP {status:d}"


class InvalidHeader(InvalidHandshake):
    """
    Raised when an HTTP header is missing, empty, or doesn't have the right value.

    ``value`` is :obj:`None` when the header is missing; otherwise, it is the value of
    the header or says what is wrong with it.
    """

    def __init__(self, name: str, value: str | None = None) -> None:
        super().__init__(*((name,) if value is None else (name, value)))
        self.name = name
        self.value = value

    def __str__(self) -> str:
        if self.value is None:
            return f"missing {self.name} header"
        if not self.value:
            return f"empty {self.name} header"
        return f"invalid {self.name} header: {self.value}"


class InvalidHeaderFormat(InvalidHeader):
    """
    Raised when an HTTP header doesn't follow its grammar.

    Parsing ``header`` stopped at index ``pos``; ``error`` tells what was expected.
    """

    def __init__(self, name: str, error: str, header: str, pos: int) -> None:
        super().__init__(name, f"{error} at {pos} in {header}")
        self.args = (name, error, header, pos)  # for copies


class InvalidHeaderValue(InvalidHeader):
    """
    Raised when an HTTP header follows its grammar but its value is wrong.

    :class:`~websockets.datastructures.Headers` raises it for values that can't be
    sent, because they contain a line break or another control character.
    """


class InvalidOrigin(InvalidHeader):
    """Raised when ``origin``, the origin of a request or None, isn't allowed."""

    def __init__(self, origin: str | None) -> None:
        super().__init__("Origin", origin)
        self.args = (origin,)  # for copies


class InvalidUpgrade(InvalidHeader):
    """Raised when ``Upgrade`` or ``Connection`` doesn't ask for an upgrade."""


class NegotiationError(InvalidHandshake):
    """Raised when negotiating a subprotocol or an extension fails."""


class DuplicateParameter(NegotiationError):
    """Raised when ``name``, a parameter of an extension, is repeated."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"duplicate parameter: {self.name}"


class InvalidParameterName(NegotiationError):
    """Raised when ``name``, a parameter of an extension, isn't known."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"invalid parameter name: {self.name}"


class InvalidParameterValue(NegotiationError):
    """
    Raised when ``name``, a parameter of an extension, doesn't have the right value.

    A ``value`` of :obj:`None` stands for a missing value.
    """

    def __init__(self, name: str, value: str | None) -> None:
        super().__init__(name, value)
        self.name = name
        self.value = value

    def __str__(self) -> str:
        if self.value is None:
            return f"missing value for parameter {self.name}"
        if not self.value:
            return f"empty value for parameter {self.name}"
        return f"invalid value for parameter {self.name}: {self.value}"


class ProtocolError(WebSocketException):
    """
    Raised when what was received, or is about to be sent, violates :rfc:`6455`.

    The connection is failed with code 1002.
    """

    close_code: typing.ClassVar[int] = 1002


class PayloadTooBig(WebSocketException):
    """
    Raised when a message is larger than ``max_size``.

    The connection is failed with code 1009.

    Args:
        size_or_message: size of the frame, in bytes; :obj:`None` when it isn't known,
            as in the middle of decompression. A text is deprecated.
        max_size: how many bytes the frame was allowed to have.
        current_size: size of the previous frames of the message, in bytes;
            :obj:`None` when the message isn't fragmented. The attribute ``max_size``
            includes them.
    """

    close_code: typing.ClassVar[int] = 1009

    def __init__(
        self,
        size_or_message: int | str | None,
        max_size: int | None = None,
        current_size: int | None = None,
    ) -> None:
        self.message: str | None = None
        self.size: int | None = None
        self.max_size = max_size
        self.current_size: int | None = None
        if isinstance(size_or_message, str):
            assert max_size is None, "a message goes without max_size"
            warnings.warn(
                "PayloadTooBig(message) is deprecated; "
                "change to PayloadTooBig(size, max_size)",
                DeprecationWarning,
                stacklevel=2,
            )
            super().__init__(size_or_message)
            self.message = size_or_message
            return
        assert max_size is not None, "max_size is required"
        super().__init__(size_or_message, max_size)
        if current_size is not None:
            self.args = (size_or_message, max_size, current_size)
        self.size = size_or_message
        self.set_current_size(current_size)

    def set_current_size(self, current_size: int | None) -> None:
        """
        Tell how many bytes of the message precede the frame.

        Args:
            current_size: size of the previous frames of the message, in bytes;
                :obj:`None` changes nothing.
        """
        assert self.current_size is None, "current_size is already set"
        if current_size is None or self.max_size is None:
            return
        self.current_size = current_size
        self.max_size += current_size

    def __str__(self) -> str:
        if self.message is not None:
            return self.message
        text = "frame"
        if self.size is not None:
            text += f" with {self.size} bytes"
        if self.current_size is not None:
            text += f" after reading {self.current_size} bytes"
        return f"{text} exceeds limit of {self.max_size} bytes"


class TooManyFragments(WebSocketException):
    """
    Raised when a message has more frames than ``WEBSOCKETS_MAX_FRAGMENTS``.

    The connection is failed with code 1009. There is no limit by default, because
    the size of messages is limited anyway.
    """

    close_code: typing.ClassVar[int] = 1009

    def __init__(self, max_fragments: int) -> None:
        super().__init__(max_fragments)
        self.max_fragments = max_fragments

    def __str__(self) -> str:
        return f"fragmented message exceeds limit of {self.max_fragments} frames"


class InvalidState(WebSocketException, AssertionError):
    """Raised by sans-I/O objects when a call isn't allowed in the current state."""


class ConcurrencyError(WebSocketException, RuntimeError):
    """Raised when two tasks or threads receive from a connection at once."""


# What used to be here, and what comes closest today.
__getattr__ = deprecated_aliases(
    __name__,
    {
        "AbortHandshake": ".exceptions:InvalidHandshake",
        "InvalidStatusCode": ".exceptions:InvalidStatus",
        "RedirectHandshake": ".exceptions:InvalidHandshake",
        "WebSocketProtocolError": ".exceptions:ProtocolError",
    },
)
