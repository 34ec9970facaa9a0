"""The server's ceremony: read a request, ask the user, write a response.

Owns: the order of things, what the user's callbacks may decide, what happens when
they fail, the ``Server`` header.
Doesn't know: time, listening sockets, TLS. A face cancels the ceremony at the deadline
of the opening handshake, or gives it a stream that raises.
"""

from __future__ import annotations

import contextlib
import functools
import http
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

from ..datastructures import Headers
from ..exceptions import InvalidHandshake, InvalidStatus
from ..http11 import SERVER, Request, Response
from ..protocol import OPEN
from ..server import ServerProtocol
from .connect import receive
from .headers import pack
from .network import Stream


__all__ = ["Acceptable", "ProcessRequest", "ProcessResponse", "accept"]

ProcessRequest: TypeAlias = Callable[
    [Any, Request],
    "Awaitable[Response | None] | Response | None",
]
ProcessResponse: TypeAlias = Callable[
    [Any, Request, Response],
    "Awaitable[Response | None] | Response | None",
]


class Acceptable(Protocol):
    """The connection that callbacks see, as far as the ceremony knows it."""

    request: Request | None
    response: Response | None


async def accept(
    stream: Stream,
    protocol: ServerProtocol,
    connection: Acceptable,
    *,
    process_request: ProcessRequest | None = None,
    process_response: ProcessResponse | None = None,
    server_header: str | None = SERVER,
    shutting_down: Callable[[], bool] = lambda: False,
) -> None:
    """
    Perform the opening handshake on a stream (RFC 6455 section 4.2).

    When it returns, the state of the protocol is OPEN, and bytes that followed the
    request are in its reader. Otherwise the stream is gone: closed after the response
    was sent and the client has read it, aborted for any other reason, including
    cancellation.

    Args:
        stream: Stream to the client, inside TLS if there is any.
        protocol: Protocol in state CONNECTING. It becomes lazy.
        connection: First argument of the callbacks. ``request`` is set before
            ``process_request`` runs, ``response`` before ``process_response``.
        process_request: Called with connection and request. It may return a response,
            which is sent instead of opening the connection. It may be a coroutine
            function. If it raises, the response is a 500.
        process_response: Called with connection, request, and response, which it may
            change or replace by returning another one. The same holds.
        server_header: Value of ``Server``, unless a callback sets it; omitted when
            empty or :obj:`None`.
        shutting_down: Called after ``process_request``; when it returns :obj:`True`,
            the connection is refused with a 503.

    Raises:
        InvalidHandshake: The connection didn't open. It's
            :exc:`~websockets.exceptions.InvalidStatus` when that was the callbacks'
            decision.
        OSError: The network failed.
    """
    protocol.lazy = True
    try:
        while not protocol.events and protocol.handshake_exc is None:
            await receive(stream, protocol)
        # Otherwise the request was invalid, and the protocol has refused it.
        if protocol.handshake_exc is None:
            (request,) = protocol.events_received()
            assert isinstance(request, Request)  # a lazy protocol makes no others
            connection.request = request
            response = None
            if process_request is not None:
                response = await ask(
                    protocol,
                    server_header,
                    "process_request",
                    process_request,
                    connection,
                    request,
                )
            if response is None:
                response = usual_response(
                    protocol, request, server_header, shutting_down
                )
            else:
                add_server_header(response, server_header)
            if process_response is not None:
                connection.response = response
                other = await ask(
                    protocol,
                    server_header,
                    "process_response",
                    process_response,
                    connection,
                    request,
                    response,
                )
                response = response if other is None else other
            connection.response = send_response(protocol, response, server_header)
        for data in protocol.data_to_send():
            if data:  # empty asks for a half-close, which close() includes
                await stream.write(data)
        # A callback may insist on opening a connection that the rules refuse.
        if protocol._state is OPEN:
            pack(connection.request, connection.response)
            return
        # The client may be gone; what matters is why there's no connection.
        with contextlib.suppress(OSError):
            await stream.close()
        raise refusal(protocol, connection)
    except BaseException:
        stream.abort()
        raise


async def ask(
    protocol: ServerProtocol,
    server_header: str | None,
    name: str,
    callback: Callable[..., object],
    *arguments: object,
) -> Response | None:
    """Return what a callback returns, or its coroutine; a 500 if it fails."""
    try:
        result = callback(*arguments)
        if inspect.isawaitable(result):
            result = await result
        if result is not None and not isinstance(result, Response):
            raise TypeError(
                f"{name} must return a Response or None, not {type(result).__name__}"
            )
    except Exception:
        protocol.logger.error(f"{name} failed", exc_info=True)
        return internal_error(protocol, server_header)
    return result


def usual_response(
    protocol: ServerProtocol,
    request: Request,
    server_header: str | None,
    shutting_down: Callable[[], bool],
) -> Response:
    """Return the protocol's response, with the ``Server`` header."""
    response = protocol.accept(request)
    if shutting_down():
        response = protocol.reject(
            http.HTTPStatus.SERVICE_UNAVAILABLE,
            "Server is shutting down.\n",
        )
    add_server_header(response, server_header)
    return response


@functools.lru_cache(maxsize=16)
def server_line(server_header: str) -> str:
    """Return the line of the ``Server`` header, checked: servers have few."""
    headers = Headers()
    headers["Server"] = server_header
    return headers._sendable()


def send_response(
    protocol: ServerProtocol,
    response: Response,
    server_header: str | None,
) -> Response:
    """Queue the response; return it, or the one that replaces it if it's malformed."""
    try:
        protocol.send_response(response)
    except ValueError:  # a callback made something that can't be sent
        protocol.logger.error("opening handshake failed", exc_info=True)
        response = internal_error(protocol, server_header)
        protocol.send_response(response)
    return response


def refusal(protocol: ServerProtocol, connection: Acceptable) -> Exception:
    """Return the exception that tells why there's no connection."""
    exc = protocol.handshake_exc
    if isinstance(exc, InvalidHandshake):
        return exc
    # Callbacks decided so, or made a mistake.
    assert connection.response is not None  # else the request was malformed
    status = InvalidStatus(connection.response)
    status.__cause__ = exc
    return status


def internal_error(protocol: ServerProtocol, server_header: str | None) -> Response:
    """Return the response for a mistake on our side."""
    response = protocol.reject(
        http.HTTPStatus.INTERNAL_SERVER_ERROR,
        "Failed to open a WebSocket connection.\nSee server log for more information.\n",
    )
    add_server_header(response, server_header)
    return response


def add_server_header(response: Response, server_header: str | None) -> None:
    """Add a ``Server`` header, unless there's one or it isn't wanted."""
    headers = response.headers
    if server_header and "Server" not in headers:
        if type(headers) is Headers and headers._list is None:
            headers._add_lines(server_line(server_header))
        else:
            # Somebody has looked at them, or made them of something else.
            headers["Server"] = server_header
