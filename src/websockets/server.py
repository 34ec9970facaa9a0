"""
The server's side of the opening handshake, without I/O (layer 2).

Owns: the judgement on the request (:rfc:`6455`, section 4.2.1), and the response that
opens or refuses a connection (section 4.2.2).
Doesn't know: connections, handlers, who decides between :meth:`~ServerProtocol.accept`
and :meth:`~ServerProtocol.reject`, and when.
"""

from __future__ import annotations

import email.utils
import http
import re
import types
import typing
import warnings
from collections.abc import Callable, Generator, Sequence

from ._aliases import deprecated_aliases
from ._handshake import (
    all_items,
    check_host,
    check_key,
    check_origins,
    check_upgrade,
    log_message,
    one_value,
)
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
    NegotiationError,
    RequestLineTooLong,
    SecurityError,
)
from .extensions.base import Extension, ServerExtensionFactory
from .headers import (
    build_extension,
    parse_extension,
    parse_subprotocol,
    validate_subprotocols,
)
from .http11 import Request, Response
from .protocol import CONNECTING, OPEN, SERVER, Protocol, State
from .typing import (
    ExtensionHeader,
    LoggerLike,
    Origin,
    StatusLike,
    Subprotocol,
)
from .utils import accept_key


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


class ServerProtocol(Protocol):
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
        check_origins(origins)
        super().__init__(SERVER, state=state, max_size=max_size, logger=logger)
        #: What is acceptable.
        self.origins = origins
        self.available_extensions = extensions
        self.available_subprotocols = subprotocols
        if select_subprotocol is not None:
            # A documented way to replace the method, for one object.
            self.select_subprotocol = types.MethodType(  # type: ignore[method-assign]  # as above
                select_subprotocol, self
            )
        #: Whether :meth:`accept` was called.
        self.accept_called = False

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
        headers = Headers()
        headers["Date"] = email.utils.formatdate(usegmt=True)
        headers["Upgrade"] = "websocket"
        headers["Connection"] = "Upgrade"
        headers["Sec-WebSocket-Accept"] = accept
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
        headers["Date"] = email.utils.formatdate(usegmt=True)
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
        if self.state is not CONNECTING or self.eof_sent:
            raise InvalidState("an HTTP response was sent already")
        self.writes.append(response.serialize())
        status = f"{int(response.status_code)} {response.reason_phrase}"
        if self.debug:
            line = f"HTTP/1.1 {status}"
            log_message(self.logger, ">", line, response.headers, response.body)
        if response.status_code == 101:
            self.state = OPEN
            self.logger.info("connection open")
            # Frames may have followed the request, or the end of the stream.
            next(self.parser)
        else:
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

    def process_origin(self, headers: Headers) -> Origin | None:
        """
        Return the origin of a request, if it is acceptable (:rfc:`6455`, section 10.2).

        Args:
            headers: headers of the request.

        Raises:
            InvalidHeader: if the request has several origins.
            InvalidOrigin: if the origin isn't acceptable.

        """
        values = headers.get_all("Origin")
        origin = Origin(one_value(headers, "Origin")) if values else None
        if self.origins is None or origin in self.origins:
            return origin
        for pattern in self.origins:
            if (
                isinstance(pattern, re.Pattern)
                and origin is not None
                and pattern.fullmatch(origin)
            ):
                return origin
        raise InvalidOrigin(origin)

    def process_extensions(
        self, headers: Headers
    ) -> tuple[str | None, list[Extension]]:
        """
        Accept extensions among those that the client offers (:rfc:`6455`, section 9.1).

        Args:
            headers: headers of the request.

        Returns:
            Value of ``Sec-WebSocket-Extensions`` for the response, :obj:`None` without
            extensions, and the extensions in the client's order.

        """
        accepted: list[Extension] = []
        answer: list[ExtensionHeader] = []
        if self.available_extensions:
            for name, params in all_items(
                headers, "Sec-WebSocket-Extensions", parse_extension
            ):
                for factory in self.available_extensions:
                    if factory.name != name:
                        continue
                    # RFC 6455 §9.1: the client may offer the same extension several
                    # times, with other parameters.
                    try:
                        chosen, extension = factory.process_request_params(
                            params, accepted
                        )
                    except NegotiationError:
                        continue
                    answer.append((name, chosen))
                    accepted.append(extension)
                    break
        return (build_extension(answer) if answer else None), accepted

    def process_subprotocol(self, headers: Headers) -> Subprotocol | None:
        """
        Choose the subprotocol of a connection (:rfc:`6455`, section 1.9).

        Args:
            headers: headers of the request.

        Returns:
            The subprotocol; :obj:`None` for none.

        Raises:
            NegotiationError: if there is no acceptable subprotocol.

        """
        offered = all_items(headers, "Sec-WebSocket-Protocol", parse_subprotocol)
        return self.select_subprotocol(offered)

    def select_subprotocol(
        self, subprotocols: Sequence[Subprotocol]
    ) -> Subprotocol | None:
        """
        Choose among the subprotocols that the client offers.

        The ``select_subprotocol`` argument replaces this method. By default, it is the
        first one in the list of the server that the client offers too; no subprotocol is
        acceptable only when the server has no list.

        Args:
            subprotocols: what the client offers, in order of its preference.

        Raises:
            NegotiationError: if the client offers none, or none that the server knows.

        """
        if not self.available_subprotocols:
            return None
        if not subprotocols:
            raise NegotiationError("missing subprotocol")
        for subprotocol in self.available_subprotocols:
            if subprotocol in subprotocols:
                return subprotocol
        expected = ", ".join(self.available_subprotocols)
        raise NegotiationError(f"invalid subprotocol; expected one of {expected}")

    # -- receiving

    def parse(self) -> Generator[None, None, None]:
        """Process the request, wait for the response, then process frames."""
        if self.state is CONNECTING:
            try:
                request = yield from Request.parse(self.reader.read_line)
                if self.debug:
                    line = f"{request.method} {request.path} {request.protocol}"
                    log_message(self.logger, "<", line, request.headers)
                check_host(request)
            except Exception as exc:
                self._refuse_malformed(exc)
                return (yield)  # for the last time: self.parser is another generator
            self.events.append(request)
            # RFC 6455 §4.2.2: frames come after the response.
            while self.state is CONNECTING:
                yield
        yield from super().parse()

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


def failure(exc: Exception) -> str:
    """Return the body of the response to a request that failed because of an exception."""
    text = str(exc)
    # What else may stand behind an exception isn't the client's business.
    if isinstance(exc, InvalidHeader) and exc.__cause__ is not None:
        text += f"; {exc.__cause__}"
    return f"Failed to open a WebSocket connection: {text}.\n"


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
