"""The client's ceremony, up to a connection that's open.

Owns: the order of things: route, upgrade request, response, redirects.
Doesn't know: time. A face cancels the ceremony at the deadline of the opening
handshake, or gives it a network that raises.

Whatever is raised, at any ``await``, nothing stays open. What's raised is
:exc:`~websockets.exceptions.InvalidHandshake` when the server or the proxy doesn't
cooperate, :exc:`~websockets.exceptions.InvalidURI` or
:exc:`~websockets.exceptions.InvalidProxy`, :exc:`OSError` when the network fails
(:exc:`TimeoutError` is one), :exc:`TypeError` or :exc:`ValueError` for misuse, or what
the user's own objects raise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from ..client import ClientProtocol
from ..datastructures import Headers
from ..exceptions import SecurityError
from ..http11 import Request, Response
from ..protocol import Protocol
from ..typing import LoggerLike
from ..uri import WebSocketURI, parse_uri
from .headers import Fields, checked_fields, pack, replaced, without_credentials
from .network import Network, Stream
from .progress import Progress, ProxyHop
from .redirects import resolve_redirect, same_origin
from .route import Planner, open_route
from .settings import Settings


__all__ = ["Opened", "open_connection", "receive", "upgrade", "upgrade_request"]


class Opened(NamedTuple):
    """
    What a ceremony ends with.

    Attributes:
        stream: Stream to the server. Bytes that follow the response may be in the
            protocol already.
        protocol: Its state is OPEN.
        request: Upgrade request.
        response: Response of the server.
        uri: URI that was connected to, after redirects.
        proxies: Proxies that it leads through, nearest first.
    """

    stream: Stream
    protocol: ClientProtocol
    request: Request
    response: Response
    uri: str
    proxies: tuple[ProxyHop, ...]


async def open_connection(
    network: Network,
    uri: str,
    settings: Settings,
    process_redirect: Callable[[Exception, str], Exception | str] | None = None,
    progress: Progress | None = None,
    parsed: WebSocketURI | None = None,
) -> Opened:
    """
    Connect to a WebSocket URI and perform the opening handshake (RFC 6455 section 4.1).

    Cancelling aborts whatever was open.

    Args:
        network: How to connect.
        uri: Where to.
        settings: What the user wants.
        process_redirect: Called with the exception when a handshake failed, and with
            the URI that was tried. It returns the URI to try next or the exception to
            raise. Whatever it decides, credentials stay with their origin. The
            default follows redirects as :mod:`~.redirects` says.
        progress: Where to note which proxy is being talked to. Its method
            :meth:`~.progress.Progress.timed_out` makes the exception for a deadline.
        parsed: What :func:`~websockets.uri.parse_uri` returns for ``uri``, if the
            face has called it.
    """
    if process_redirect is None:
        process_redirect = functools.partial(
            resolve_redirect,
            preexisting=settings.sock is not None,
            unix=settings.unix,
            explicit=settings.host is not None or settings.port is not None,
        )
    fields = checked_fields(settings.additional_headers, "additional_headers")
    planner = Planner(settings)
    if parsed is None:
        parsed = parse_uri(uri)
    progress = Progress() if progress is None else progress
    redirects = 0
    while True:
        route = await planner.plan(network, uri, parsed)
        protocol = settings.create_protocol(parsed)
        if route.hops:
            fields = without_proxy_credentials(fields, protocol.logger)
        request = upgrade_request(protocol, fields, settings.user_agent_header)
        stream = await open_route(network, route, progress)
        try:
            response = await upgrade(stream, protocol, request)
        except Exception as exc:
            # A new connection is made for a redirect: the body isn't worth reading.
            stream.abort()
            verdict = process_redirect(exc, uri)
            if verdict is exc:
                raise
            if isinstance(verdict, Exception):
                raise verdict from exc
            if redirects == settings.max_redirects:
                raise SecurityError(
                    f"more than {settings.max_redirects} redirects"
                ) from exc
            uri = verdict
        except BaseException:
            stream.abort()
            raise
        else:
            hops = progress.hops
            return Opened(stream, protocol, request, response, uri, hops)
        redirects += 1
        previous, parsed = parsed, parse_uri(uri)
        if not same_origin(previous, parsed):
            fields = without_credentials(fields)


def without_proxy_credentials(fields: Fields, logger: LoggerLike) -> Fields:
    """Return the user's headers for the server, without those for the proxy before it."""
    kept = tuple(field for field in fields if field[0].lower() != "proxy-authorization")
    if len(kept) != len(fields):
        logger.warning(
            "Proxy-Authorization in additional_headers isn't sent to the server; "
            "pass it in proxy_headers to send it to the proxy"
        )
    return kept


def upgrade_request(
    protocol: ClientProtocol,
    fields: Fields = (),
    user_agent_header: str | None = None,
) -> Request:
    """
    Return the upgrade request of a protocol, with the user's headers.

    Args:
        protocol: Protocol in state CONNECTING.
        fields: Headers of the user; they replace those of the same name. That goes for
            ``Sec-WebSocket-Key`` too: the response is compared with the user's.
        user_agent_header: Value of ``User-Agent``, omitted when empty or :obj:`None`.

    Raises:
        ValueError: There's more than one ``Sec-WebSocket-Key``.
    """
    request = protocol.connect()
    headers = request.headers
    # Nobody else has a say in it.
    ours = not fields and type(protocol) is ClientProtocol
    if fields:
        headers = Headers(replaced(headers.raw_items(), fields))
    if not ours:
        keys = headers.get_all("Sec-WebSocket-Key")
        if len(keys) != 1:
            raise ValueError(
                f"additional_headers contain {len(keys)} Sec-WebSocket-Key"
            )
        protocol.key = keys[0]
    if user_agent_header and (ours or "User-Agent" not in headers):
        headers["User-Agent"] = user_agent_header
    request.headers = headers
    return request


async def upgrade(
    stream: Stream,
    protocol: ClientProtocol,
    request: Request,
) -> Response:
    """
    Perform the opening handshake on a stream. The caller aborts it on failure.

    Args:
        stream: Stream to the server.
        protocol: Protocol in state CONNECTING. It becomes lazy: frames that follow
            the response stay in its reader.
        request: What :func:`upgrade_request` returned.

    Returns:
        The response. The state is OPEN.

    Raises:
        InvalidHandshake: The server didn't accept.
    """
    protocol.lazy = True
    protocol.send_request(request)
    while True:
        for data in protocol.data_to_send():
            if data:  # empty asks for a half-close; the caller aborts
                await stream.write(data)
        if protocol.handshake_exc is not None:
            raise protocol.handshake_exc
        for event in protocol.events_received():
            assert isinstance(event, Response)  # a lazy protocol makes no others
            pack(request, event)
            return event
        await receive(stream, protocol)


async def receive(stream: Stream, protocol: Protocol) -> None:
    """
    Read from a stream, once.

    A reset is an end of the stream like any other, for the sake of the exception; a
    note tells the difference.
    """
    try:
        data = await stream.read()
    except ConnectionError as exc:
        protocol.receive_eof()
        assert protocol.handshake_exc is not None  # no handshake survives its stream
        protocol.handshake_exc.add_note(f"{type(exc).__name__}: {exc}")
        return
    if data:
        protocol.receive_data(data)
    else:
        protocol.receive_eof()
