"""
The server's side of the opening handshake, without I/O (layer 2).

Owns: the judgement on the request (:rfc:`6455`, section 4.2.1), and the response that
opens or refuses a connection (section 4.2.2).
Doesn't know: connections, handlers, who decides between :meth:`~ServerProtocol.accept`
and :meth:`~ServerProtocol.reject`, and when.
"""

from __future__ import annotations

import http
import re
import types
import typing
import warnings
from collections.abc import Callable, Generator, Sequence

from ._aliases import deprecated_aliases
from ._codec import accept_key, find_upgrade
from ._handshake import (
    check_host,
    check_key,
    check_origins,
    check_upgrade,
    date,
    failure,
    is_key,
    log_message,
    one_value,
)
from ._negotiation import Negotiation
from .datastructures import Headers
from .exceptions import (
    InvalidHandshake,
    InvalidHeader,
    InvalidHeaderValue,
    InvalidMessage,
    InvalidMethod,
    InvalidOrigin,
    InvalidProtocol,
    InvalidState,
    InvalidUpgrade,
    RequestLineTooLong,
    SecurityError,
)
from .extensions.base import ServerExtensionFactory
from .headers import (
    validate_subprotocols,
)
from .http11 import Request, Response
from .protocol import CONNECTING, OPEN, SERVER, State
from .typing import (
    LoggerLike,
    Origin,
    StatusLike,
    Subprotocol,
)


__all__ = ["ServerProtocol"]


# How accept() refuses a request: the first row that fits the exception tells the status,
# the log message, and a header that says what to do better.
REFUSALS: list[tuple[type[Exception], http.HTTPStatus, str, tuple[str, str] | None]] = [
    (
        InvalidMethod,
        http.HTTPStatus.METHOD_NOT_ALLOWED,
        "invalid method",
        ("Allow", "GET"),
    ),
    (
        InvalidProtocol,
        http.HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
        "invalid protocol",
        None,
    ),
    (
        InvalidUpgrade,
        http.HTTPStatus.UPGRADE_REQUIRED,
        "invalid upgrade",
        ("Upgrade", "websocket"),
    ),
    (InvalidOrigin, http.HTTPStatus.FORBIDDEN, "invalid origin", None),
    (InvalidHandshake, http.HTTPStatus.BAD_REQUEST, "invalid handshake", None),
]


class ServerProtocol(Negotiation):
    """
    The server's side of a WebSocket connection, without I/O.

    Once a request has been received, pass the response that :meth:`accept` or
    :meth:`reject` makes, or one of your own, to :meth:`send_response`. A malformed request
    isn't received: it is refused right away, and :attr:`~Protocol.handshake_exc` says why.

    Args:
        origins: acceptable values of the ``Origin`` header, as strings or as regular
            expressions that match the whole value; :obj:`None` in the list accepts a
            request without the header. By default, the header isn't checked.
        extensions: extensions to accept, in order of preference.
        subprotocols: subprotocols to accept, in order of preference.
        select_subprotocol: function that chooses among the client's subprotocols; it is
            called with this protocol and their list, returns one or :obj:`None`, or raises
            :exc:`~websockets.exceptions.NegotiationError` to refuse the connection.
        state: initial state.
        max_size: bytes that an incoming message may have; :obj:`None` disables the limit;
            a pair ``(max_message_size, max_fragment_size)`` limits frames separately.
        logger: logger for this connection; default: ``websockets.server``.

    Raises:
        TypeError: if ``subprotocols`` isn't a list of strings, or ``origins`` is a
            string.
        ValueError: if the name of a subprotocol isn't valid.

    """

    __slots__ = (
        "_requested",
        "accept_called",
        "available_extensions",
        "available_subprotocols",
        "origins",
    )

    def __init__(
        self,
        *,
        origins: Sequence[Origin | re.Pattern[str] | None] | None = None,
        extensions: Sequence[ServerExtensionFactory] | None = None,
        subprotocols: Sequence[Subprotocol] | None = None,
        select_subprotocol: (
            Callable[[ServerProtocol, Sequence[Subprotocol]], Subprotocol | None] | None
        ) = None,
        state: State = CONNECTING,
        max_size: int | tuple[int | None, int | None] | None = 2**20,
        logger: LoggerLike | None = None,
    ) -> None:
        if subprotocols is not None:
            validate_subprotocols(subprotocols)
        if origins is not None:
            check_origins(origins)
        #: Whether :meth:`accept` was called.
        self.accept_called = False
        # Whether a request was received: what follows waits for the response.
        self._requested = False
        super().__init__(SERVER, state=state, max_size=max_size, logger=logger)
        self.origins = origins
        self.available_extensions = extensions
        self.available_subprotocols = subprotocols
        if select_subprotocol is not None:
            # A documented way to replace the method, for one object.
            self.select_subprotocol = types.MethodType(  # type: ignore[method-assign]  # as above
                select_subprotocol, self
            )

    # -- decisions

    def accept(self, request: Request) -> Response:
        """
        Make the response that opens the connection, if the request is acceptable.

        Otherwise, make the response that refuses it, and set
        :attr:`~Protocol.handshake_exc`. You can add headers to the response before you
        pass it to :meth:`send_response`.

        Args:
            request: request received from the client.

        Returns:
            101 Switching Protocols, or 405, 505, 426, 403 or 400 for a request that can't
            be accepted, or 500 if something unexpected happened.

        """
        self.accept_called = True
        try:
            accept, extensions, subprotocol = self.process_request(request)
        except Exception as exc:
            request._exception = self.handshake_exc = exc
            return self._refuse(exc)
        headers = Headers._of_lines(
            f"Date: {date()}\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n"
        )
        if extensions is not None:
            headers["Sec-WebSocket-Extensions"] = extensions
        if subprotocol is not None:
            headers["Sec-WebSocket-Protocol"] = subprotocol
        return Response(101, "Switching Protocols", headers)

    def _refuse(self, exc: Exception) -> Response:
        """Make the response that tells the client about an exception, if it may know."""
        refusal = next((row for row in REFUSALS if isinstance(exc, row[0])), None)
        if refusal is None:
            self.logger.error("opening handshake failed", exc_info=exc)
            return self.reject(
                http.HTTPStatus.INTERNAL_SERVER_ERROR,
                "Failed to open a WebSocket connection.\n"
                "See server log for more information.\n",
            )
        _, status, message, header = refusal
        if self.debug:
            self.logger.debug("! %s", message, exc_info=exc)
        text = failure(exc)
        if isinstance(exc, InvalidUpgrade):
            # That's somebody who follows a link to this server in a browser.
            text += (
                "\nYou cannot access a WebSocket server directly with a browser. "
                "You need a WebSocket client.\n"
            )
        elif isinstance(exc, InvalidHeader) and exc.name == "Sec-WebSocket-Version":
            # RFC 6455 §4.4
            header = ("Sec-WebSocket-Version", "13")
        response = self.reject(status, text)
        if header is not None:
            response.headers[header[0]] = header[1]
        return response

    def reject(self, status: StatusLike, text: str) -> Response:
        """
        Make a plain HTTP response.

        You can change it before you pass it to :meth:`send_response`.

        Args:
            status: status code.
            text: body, sent as ``text/plain`` in UTF-8.

        Raises:
            ValueError: if the status code isn't one that HTTP defines.

        """
        status = http.HTTPStatus(status)
        body = text.encode()
        headers = Headers()
        headers["Date"] = date()
        headers["Connection"] = "close"
        headers["Content-Length"] = str(len(body))
        headers["Content-Type"] = "text/plain; charset=utf-8"
        return Response(status.value, status.phrase, headers, body)

    def send_response(self, response: Response) -> None:
        """
        Queue the response for sending.

        With status code 101, the connection is open; otherwise, it is going to be closed.

        Args:
            response: what :meth:`accept` or :meth:`reject` returned, or your own.

        Raises:
            InvalidState: if a response was sent already.
            ValueError: if the response can't be sent, because of a control character.

        """
        if self._state is not CONNECTING or self.eof_sent:
            raise InvalidState("an HTTP response was sent already")
        self.writes.append(response.serialize())
        if self.debug:
            line = f"HTTP/1.1 {int(response.status_code)} {response.reason_phrase}"
            log_message(self.logger, ">", line, response.headers, response.body)
        if response.status_code == 101:
            self.state = OPEN
            self.logger.info("connection open")
            # Frames may have followed the request, or the end of the stream.
            self._advance()
        else:
            status = f"{int(response.status_code)} {response.reason_phrase}"
            if self.accept_called:
                self.logger.info("connection rejected (%s)", status)
            else:
                self.logger.info("HTTP response sent (%s)", status)
            self.send_eof()
            self.parser = self.discard()
            next(self.parser)

    # -- rules

    def process_request(
        self, request: Request
    ) -> tuple[str, str | None, Subprotocol | None]:
        """
        Check a request and negotiate extensions and subprotocol.

        Args:
            request: request received from the client.

        Returns:
            Values of ``Sec-WebSocket-Accept``, ``Sec-WebSocket-Extensions`` and
            ``Sec-WebSocket-Protocol`` for the response; :obj:`None` for no such header.

        Raises:
            InvalidHandshake: if the request doesn't open a connection; the exact
                exception says why.

        """
        if request.method != "GET":
            raise InvalidMethod(request.method)
        if request.protocol != "HTTP/1.1":
            raise InvalidProtocol(request.protocol)
        headers = request.headers
        if type(self) is ServerProtocol:
            usual = self._process_usual(headers)
            if usual is not None:
                return usual
        check_upgrade(headers)
        key = one_value(headers, "Sec-WebSocket-Key")
        check_key(key)
        version = one_value(headers, "Sec-WebSocket-Version")
        if version != "13":
            raise InvalidHeaderValue("Sec-WebSocket-Version", version)
        self.origin = self.process_origin(headers)
        extensions_header, self.extensions = self.process_extensions(headers)
        self.subprotocol = self.process_subprotocol(headers)
        return accept_key(key), extensions_header, self.subprotocol

    def _process_usual(
        self, headers: Headers
    ) -> tuple[str, str | None, Subprotocol | None] | None:
        """Do the same for headers as nearly all clients send them; else return None."""
        fields = find_upgrade(headers._sendable())
        if fields is None:
            return None
        key, version, _, origin, extensions, subprotocols = fields
        if key is None or is_key(key) is None or version != "13":
            return None
        if origin is not None or self.origins is not None:
            self.origin = self.process_origin(headers)
        answer = None
        if extensions is not None:
            answer, self.extensions = self._negotiate([extensions])
        if subprotocols is not None or self.available_subprotocols or self._selects():
            self.subprotocol = self.process_subprotocol(headers)
        return accept_key(key), answer, self.subprotocol

    def _selects(self) -> bool:
        """Tell whether a program chooses the subprotocol."""
        function = getattr(self.select_subprotocol, "__func__", None)
        return function is not Negotiation.select_subprotocol

    # -- receiving

    def parse(self) -> Generator[None, None, None]:
        """Process the request, wait for the response, then process frames."""
        if self._state is CONNECTING and not self._requested:
            try:
                request = yield from Request.parse(self.reader.read_line)
                if self.debug:
                    line = f"{request.method} {request.path} {request.protocol}"
                    log_message(self.logger, "<", line, request.headers)
                check_host(request)
            except Exception as exc:
                self._refuse_malformed(exc)
                return (yield)  # for the last time: self.parser is another generator
            self._requested = True
            self.events.append(request)
        # RFC 6455 §4.2.2: frames come after the response.
        while self._state is CONNECTING:
            yield
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
        if self._state is CONNECTING and self._parser is None and not self._requested:
            head = None if self._eof_rcvd else Request._read(data)
            if head is not None:
                request, size = head
                if self.debug:
                    line = f"{request.method} {request.path} {request.protocol}"
                    log_message(self.logger, "<", line, request.headers)
                self._requested = True
                self.events.append(request)
                if size == len(data):
                    return
                data = data[size:]
        super().receive_data(data)

    def _refuse_malformed(self, exc: Exception) -> None:
        """Answer a request that isn't going to be processed, if there is one."""
        handshake_exc = exc
        if isinstance(exc, RequestLineTooLong):
            status, message = (
                http.HTTPStatus.REQUEST_URI_TOO_LONG,
                "request line too long",
            )
        elif isinstance(exc, SecurityError):
            status = http.HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            message = "header fields too large"
        elif isinstance(exc, InvalidHeader):
            status, message = http.HTTPStatus.BAD_REQUEST, "invalid host"
        else:
            status, message = http.HTTPStatus.BAD_REQUEST, "no valid HTTP request"
            handshake_exc = InvalidMessage("did not receive a valid HTTP request")
            handshake_exc.__cause__ = exc
        if self.debug:
            self.logger.debug("! %s", message, exc_info=exc)
        if isinstance(exc, EOFError):
            # Nobody is waiting for a response.
            self.send_eof()
            self.parser = self.discard()
            next(self.parser)
        else:
            self.send_response(self.reject(status, failure(exc)))
        self.handshake_exc = handshake_exc


class ServerConnection(ServerProtocol):
    """Deprecated: the former name of :class:`ServerProtocol`."""

    def __init__(self, *args: typing.Any, **kwargs: typing.Any) -> None:
        warnings.warn(
            "ServerConnection was renamed to ServerProtocol",
            DeprecationWarning,
            stacklevel=2,
        )
        super().__init__(*args, **kwargs)


__getattr__ = deprecated_aliases(
    __name__,
    {
        "WebSocketServer": ".asyncio.server:Server",
        "WebSocketServerProtocol": ".asyncio.server:ServerConnection",
        "broadcast": ".asyncio.server:broadcast",
        "serve": ".asyncio.server:serve",
        "unix_serve": ".asyncio.server:unix_serve",
    },
)
