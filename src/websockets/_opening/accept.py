"""The server's ceremony: read a request, ask the user, write a response.

Owns: the order of things, what the user's callbacks may decide, what happens when
they fail, the ``Server`` header.
Doesn't know: time, listening sockets, TLS. A face cancels the ceremony at the deadline
of the opening handshake, or gives it a stream that raises.
"""

from __future__ import annotations

import contextlib
import http
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

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
        request = await receive_request(stream, protocol)
        if request is not None:
            connection.request = request
            response = await choose_response(
                protocol,
                connection,
                request,
                process_request,
                process_response,
                server_header,
                shutting_down,
            )
            connection.response = send_response(protocol, response, server_header)
        for data in protocol.data_to_send():
            if data:  # empty asks for a half-close, which close() includes
                await stream.write(data)
        # A callback may insist on opening a connection that the rules refuse.
        if protocol.state is OPEN:
            pack(connection.request, connection.response)
            return
        # The client may be gone; what matters is why there's no connection.
        with contextlib.suppress(OSError):
            await stream.close()
        raise refusal(protocol, connection)
    except BaseException:
        stream.abort()
        raise


async def receive_request(stream: Stream, protocol: ServerProtocol) -> Request | None:
    """Return the request; :obj:`None` when it's invalid and the protocol knows why."""
    while True:
        if protocol.handshake_exc is not None:
            return None
        for event in protocol.events_received():
            assert isinstance(event, Request)  # a lazy protocol makes no others
            return event
        await receive(stream, protocol)


async def choose_response(
    protocol: ServerProtocol,
    connection: Acceptable,
    request: Request,
    process_request: ProcessRequest | None,
    process_response: ProcessResponse | None,
    server_header: str | None,
    shutting_down: Callable[[], bool],
) -> Response:
    """Return the response to a request: the protocol's, or what callbacks make of it."""
    response = None
    if process_request is not None:
        try:
            response = await outcome(
                "process_request", process_request(connection, request)
            )
        except Exception:
            protocol.logger.error("process_request failed", exc_info=True)
            response = internal_error(protocol)
    if response is None:
        response = protocol.accept(request)
        if shutting_down():
            response = protocol.reject(
                http.HTTPStatus.SERVICE_UNAVAILABLE,
                "Server is shutting down.\n",
            )
    add_server_header(response, server_header)
    connection.response = response
    if process_response is not None:
        try:
            replacement = await outcome(
                "process_response", process_response(connection, request, response)
            )
        except Exception:
            protocol.logger.error("process_response failed", exc_info=True)
            response = internal_error(protocol)
            add_server_header(response, server_header)
        else:
            if replacement is not None:
                response = replacement
    return response


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
        response = internal_error(protocol)
        add_server_header(response, server_header)
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


async def outcome(name: str, result: object) -> Response | None:
    """Return what a callback returned, or what its coroutine returns."""
    if inspect.isawaitable(result):
        result = await result
    if result is not None and not isinstance(result, Response):
        raise TypeError(
            f"{name} must return a Response or None, not {type(result).__name__}"
        )
    return result


def internal_error(protocol: ServerProtocol) -> Response:
    """Return the response for a mistake on our side."""
    return protocol.reject(
        http.HTTPStatus.INTERNAL_SERVER_ERROR,
        "Failed to open a WebSocket connection.\nSee server log for more information.\n",
    )


def add_server_header(response: Response, server_header: str | None) -> None:
    """Add a ``Server`` header, unless there's one or it isn't wanted."""
    if server_header and "Server" not in response.headers:
        response.headers["Server"] = server_header
