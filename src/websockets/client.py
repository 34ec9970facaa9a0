"""
The client's side of the opening handshake, without I/O (layer 2).

Owns: the request (:rfc:`6455`, section 4.1), the judgement on the response (section
4.1 too), what is worth another attempt, and how long to wait before it.
Doesn't know: connections, redirects, proxies, time.
"""

from __future__ import annotations

import functools
import os
import random
import typing
import warnings
from collections.abc import Generator, Sequence

from ._aliases import deprecated_aliases
from ._codec import accept_key, find_upgrade
from ._handshake import all_items, check_upgrade, is_key, log_message, one_value
from .datastructures import Headers
from .exceptions import (
    InvalidHeader,
    InvalidHeaderValue,
    InvalidMessage,
    InvalidProxyMessage,
    InvalidProxyStatus,
    InvalidStatus,
    NegotiationError,
    ProxyError,
)
from .extensions.base import ClientExtensionFactory, Extension
from .extensions.permessage_deflate import ClientPerMessageDeflateFactory
from .headers import (
    build_authorization_basic,
    build_extension,
    build_host,
    build_subprotocol,
    parse_extension,
    parse_subprotocol,
    validate_subprotocols,
)
from .http11 import Request, Response
from .protocol import CLIENT, CONNECTING, OPEN, Protocol, State
from .typing import (
    ExtensionHeader,
    ExtensionName,
    ExtensionParameter,
    LoggerLike,
    Origin,
    Subprotocol,
)
from .uri import WebSocketURI
from .utils import generate_key


__all__ = ["ClientProtocol"]


def offer(factories: Sequence[ClientExtensionFactory]) -> str:
    """Return the value of ``Sec-WebSocket-Extensions``."""
    if len(factories) == 1 and type(factories[0]) is ClientPerMessageDeflateFactory:
        return offer_deflate(factories[0].name, *factories[0].get_request_params())
    return build_extension([(one.name, one.get_request_params()) for one in factories])


# A program makes few different offers.
@functools.lru_cache(maxsize=16)
def offer_deflate(name: ExtensionName, *params: ExtensionParameter) -> str:
    """Return the same for permessage-deflate alone."""
    return build_extension([(name, params)])


class ClientProtocol(Protocol):
    """
    The client's side of a WebSocket connection, without I/O.

    Send the request that :meth:`connect` makes with :meth:`send_request`. Once the
    response has been received, the connection is open, or else
    :attr:`~Protocol.handshake_exc` says why it isn't.

    Args:
        uri: URI of the server, parsed by :func:`~websockets.uri.parse_uri`.
        origin: value of the ``Origin`` header.
        extensions: extensions to offer, in order of preference.
        subprotocols: subprotocols to offer, in order of preference.
        state: initial state.
        max_size: bytes that an incoming message may have; :obj:`None` disables the limit;
            a pair ``(max_message_size, max_fragment_size)`` limits frames separately.
        logger: logger for this connection; default: ``websockets.client``.

    Raises:
        TypeError: if ``subprotocols`` isn't a list of strings.
        ValueError: if the name of a subprotocol isn't valid.

    """

    def __init__(
        self,
        uri: WebSocketURI,
        *,
        origin: Origin | None = None,
        extensions: Sequence[ClientExtensionFactory] | None = None,
        subprotocols: Sequence[Subprotocol] | None = None,
        state: State = CONNECTING,
        max_size: int | tuple[int | None, int | None] | None = 2**20,
        logger: LoggerLike | None = None,
    ) -> None:
        if subprotocols is not None:
            validate_subprotocols(subprotocols)
        super().__init__(CLIENT, state=state, max_size=max_size, logger=logger)
        #: URI of the server.
        self.uri = uri
        if origin is not None:
            self.origin = origin
        #: What the request offers.
        self.available_extensions = extensions
        self.available_subprotocols = subprotocols
        #: Value of the ``Sec-WebSocket-Key`` header.
        self.key = generate_key()

    def connect(self) -> Request:
        """
        Make the request that opens the connection.

        You can add headers before you pass it to :meth:`send_request`.
        """
        uri = self.uri
        # What is put together here needs no check: build_host() has checked its part.
        lines = f"Host: {build_host(uri.host, uri.port, uri.secure)}\r\n"
        if uri.username is not None or self.origin is not None:
            headers = Headers._of_lines(lines)
            if user_info := uri.user_info:
                headers["Authorization"] = build_authorization_basic(*user_info)
            if self.origin is not None:
                headers["Origin"] = self.origin
            lines = headers._sendable()
        lines += "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        if is_key(self.key):
            headers = Headers._of_lines(
                f"{lines}Sec-WebSocket-Key: {self.key}\r\nSec-WebSocket-Version: 13\r\n"
            )
        else:
            headers = Headers._of_lines(lines)
            headers["Sec-WebSocket-Key"] = self.key
            headers["Sec-WebSocket-Version"] = "13"
        # RFC 6455 §9.1 and §11.3.4: these lists can't be empty.
        if self.available_extensions:
            headers["Sec-WebSocket-Extensions"] = offer(self.available_extensions)
        if self.available_subprotocols:
            headers["Sec-WebSocket-Protocol"] = build_subprotocol(
                self.available_subprotocols
            )
        return Request(self.uri.resource_name, headers)

    def send_request(self, request: Request) -> None:
        """
        Queue the request for sending.

        Args:
            request: what :meth:`connect` returned.

        """
        data = request.serialize()
        if self.debug:
            line = f"{request.method} {request.path} {request.protocol}"
            log_message(self.logger, ">", line, request.headers)
        self.writes.append(data)

    def process_response(self, response: Response) -> None:
        """
        Check the response to the request (:rfc:`6455`, section 4.1).

        Args:
            response: response received from the server.

        Raises:
            InvalidHandshake: if the response doesn't open a connection; the exact
                exception says why.

        """
        if response.status_code != 101:
            raise InvalidStatus(response)
        headers = response.headers
        if type(self) is ClientProtocol and self._process_usual(headers):
            return
        check_upgrade(headers)
        accept = one_value(headers, "Sec-WebSocket-Accept")
        if accept != accept_key(self.key):
            raise InvalidHeaderValue("Sec-WebSocket-Accept", accept)
        self.extensions = self.process_extensions(headers)
        self.subprotocol = self.process_subprotocol(headers)

    def _process_usual(self, headers: Headers) -> bool:
        """Do the same for headers as nearly all servers send them; tell whether they are."""
        fields = find_upgrade(headers._sendable())
        if fields is None:
            return False
        _, _, accept, _, extensions, subprotocol = fields
        if accept != accept_key(self.key):
            return False
        if extensions is not None:
            self.extensions = self.process_extensions(headers)
        if subprotocol is not None:
            self.subprotocol = self.process_subprotocol(headers)
        return True

    def process_extensions(self, headers: Headers) -> list[Extension]:
        """
        Make the extensions that the server accepted (:rfc:`6455`, section 9.1).

        Args:
            headers: headers of the response.

        Returns:
            Extensions in the order of the response.

        Raises:
            NegotiationError: if the server accepted what wasn't offered.

        """
        accepted: list[Extension] = []
        if self.available_extensions is None and "Sec-WebSocket-Extensions" in headers:
            raise NegotiationError("no extensions supported")
        for item in all_items(headers, "Sec-WebSocket-Extensions", parse_extension):
            accepted.append(self._make_extension(item, accepted))
        return accepted

    def _make_extension(
        self, item: ExtensionHeader, accepted: list[Extension]
    ) -> Extension:
        """Make an extension with the first factory that agrees."""
        name, params = item
        for factory in self.available_extensions or ():
            if factory.name == name:
                # The same extension may be offered several times, with other parameters.
                try:
                    return factory.process_response_params(params, accepted)
                except NegotiationError:
                    continue
        raise NegotiationError(
            f"Unsupported extension: name = {name}, params = {params}"
        )

    def process_subprotocol(self, headers: Headers) -> Subprotocol | None:
        """
        Return the subprotocol that the server chose (:rfc:`6455`, section 4.1).

        Args:
            headers: headers of the response.

        Returns:
            One of the subprotocols offered, or :obj:`None` if the server chose none.

        Raises:
            NegotiationError: if the server chose one that wasn't offered.
            InvalidHeader: if the server chose several.

        """
        chosen = all_items(headers, "Sec-WebSocket-Protocol", parse_subprotocol)
        if not chosen:
            return None
        if self.available_subprotocols is None:
            raise NegotiationError("no subprotocols supported")
        if len(chosen) > 1:
            raise InvalidHeader(
                "Sec-WebSocket-Protocol", f"multiple values: {', '.join(chosen)}"
            )
        if chosen[0] not in self.available_subprotocols:
            raise NegotiationError(f"unsupported subprotocol: {chosen[0]}")
        return chosen[0]

    def parse(self) -> Generator[None, None, None]:
        """Process the response, then frames."""
        if self.state is CONNECTING:
            reader = self.reader
            try:
                response = yield from Response.parse(
                    reader.read_line, reader.read_exact, reader.read_to_eof
                )
            except Exception as exc:
                self.handshake_exc = InvalidMessage(
                    "did not receive a valid HTTP response"
                )
                self.handshake_exc.__cause__ = exc
                self._give_up()
                return (yield)  # for the last time: self.parser is another generator
            if not self._judge(response):
                return (yield)  # for the last time: self.parser is another generator
        yield from super().parse()

    # To tell whether a subclass of a program overrides it.
    _own_parse = parse

    def receive_data(self, data: bytes | bytearray) -> None:
        """
        Process bytes from the network.

        Call :meth:`events_received` and :meth:`data_to_send` afterwards.

        Raises:
            EOFError: if :meth:`receive_eof` was called before.

        """
        # Nothing happened yet, and no subclass reads in its own way.
        if self._state is CONNECTING and self._parser is None:
            head = None if self._eof_rcvd else Response._read(data)
            if head is not None:
                response, size = head
                if self._judge(response):
                    self._advance()
                data = data[size:]
                if not data:
                    return
        super().receive_data(data)

    def _judge(self, response: Response) -> bool:
        """Process the response; tell whether the connection is open."""
        if self.debug:
            line = f"HTTP/1.1 {response.status_code} {response.reason_phrase}"
            log_message(self.logger, "<", line, response.headers, response.body)
        self.events.append(response)
        try:
            self.process_response(response)
        except Exception as exc:  # custom extensions can raise anything
            response._exception = self.handshake_exc = exc
            self._give_up()
            return False
        self.state = OPEN
        return True

    def _give_up(self) -> None:
        """Send nothing else, and ignore what comes; the state turns CLOSED at its end."""
        self.send_eof()
        self.parser = self.discard()
        next(self.parser)


class ClientConnection(ClientProtocol):
    """Deprecated: the former name of :class:`ClientProtocol`."""

    def __init__(self, *args: typing.Any, **kwargs: typing.Any) -> None:
        warnings.warn(
            "ClientConnection was renamed to ClientProtocol",
            DeprecationWarning,
            stacklevel=2,
        )
        super().__init__(*args, **kwargs)


# Parameters of backoff(), in seconds, but for the last.
BACKOFF_INITIAL_DELAY = float(os.environ.get("WEBSOCKETS_BACKOFF_INITIAL_DELAY", "5"))
BACKOFF_MIN_DELAY = float(os.environ.get("WEBSOCKETS_BACKOFF_MIN_DELAY", "3.1"))
BACKOFF_MAX_DELAY = float(os.environ.get("WEBSOCKETS_BACKOFF_MAX_DELAY", "90.0"))
BACKOFF_FACTOR = float(os.environ.get("WEBSOCKETS_BACKOFF_FACTOR", "1.618"))


def backoff(
    initial_delay: float = BACKOFF_INITIAL_DELAY,
    min_delay: float = BACKOFF_MIN_DELAY,
    max_delay: float = BACKOFF_MAX_DELAY,
    factor: float = BACKOFF_FACTOR,
) -> Generator[float, None, None]:
    """
    Generate the delays between attempts to connect, without end.

    The first delay is random, so that clients who lost the same server at the same moment
    don't return at the same moment. Then delays grow exponentially.

    Each default is read from an environment variable when this module is imported:
    ``WEBSOCKETS_BACKOFF_INITIAL_DELAY``, ``WEBSOCKETS_BACKOFF_MIN_DELAY``,
    ``WEBSOCKETS_BACKOFF_MAX_DELAY`` and ``WEBSOCKETS_BACKOFF_FACTOR``.

    Args:
        initial_delay: maximum of the first delay, in seconds.
        min_delay: second delay, in seconds.
        max_delay: maximum of the other delays, in seconds.
        factor: ratio of each delay to the one before.

    Yields:
        The next delay, in seconds.

    """
    yield random.random() * initial_delay
    delay = min_delay
    while delay < max_delay:
        yield delay
        delay *= factor
    while True:
        yield max_delay


def process_exception(exc: Exception) -> Exception | None:
    """
    Tell whether connecting is worth another attempt after an exception.

    This is the default of the ``process_exception`` argument of ``connect()``. It retries
    after errors of the network and timeouts, when the server or a proxy closed the
    connection before answering, when a SOCKS proxy couldn't reach the server, and when
    a server or a proxy answered with HTTP 500, 502, 503 or 504.

    Args:
        exc: why connecting failed.

    Returns:
        :obj:`None` to try again, or the exception to raise.

    """
    # This includes TimeoutError and ssl.SSLError.
    if isinstance(exc, OSError):
        return None
    # The server or a proxy closed the connection, perhaps because it is starting or
    # stopping.
    if isinstance(exc, InvalidMessage | InvalidProxyMessage):
        return None if isinstance(exc.__cause__, EOFError) else exc
    # A SOCKS proxy couldn't reach the server.
    if isinstance(exc, ProxyError) and isinstance(exc.__cause__, OSError):
        return None
    # Proxies answer like that when they can't reach the server.
    if isinstance(exc, InvalidStatus | InvalidProxyStatus):
        return None if exc.response.status_code in {500, 502, 503, 504} else exc
    return exc


__getattr__ = deprecated_aliases(
    __name__,
    {
        "WebSocketClientProtocol": ".asyncio.client:ClientConnection",
        "connect": ".asyncio.client:connect",
        "unix_connect": ".asyncio.client:unix_connect",
    },
)
