"""The way to one URI: TCP or a Unix socket, proxies, TLS.

Owns: which way to take, and taking it. All wrong arguments are found while planning,
before anything is opened.
Doesn't know: the WebSocket handshake, redirects.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..exceptions import ProxyError
from ..typing import PathLike
from ..uri import WebSocketURI
from .headers import Fields
from .network import Network, Stream
from .proxies.dialogue import converse
from .proxies.discovery import discover_proxy
from .proxies.http_connect import HTTPHop, connect_request
from .proxies.url import Proxy, parse_proxy
from .settings import DEFAULT, Settings


__all__ = ["Route", "open_route", "plan_route"]

# What an https:// proxy is asked to speak, lest it prefers HTTP/2 (RFC 7301).
PROXY_ALPN = ("http/1.1",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Route:
    """
    The way to one URI.

    Attributes:
        host: Host to reach, by TCP or through the proxies.
        port: Port to reach.
        hops: Proxies on the way, nearest first.
        context: TLS to the server: an :class:`ssl.SSLContext`; :obj:`None`: in clear.
        server_hostname: Name of the server to verify.
        tls_options: More arguments of :meth:`~.network.Stream.start_tls`.
        sock: Connected socket to use.
        unix: Whether to connect to a Unix socket.
        path: Path of the Unix socket.
    """

    host: str
    port: int
    hops: tuple[HTTPHop, ...] = ()
    context: Any = None
    server_hostname: str | None = None
    tls_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    sock: Any = None
    unix: bool = False
    path: PathLike | None = None


def plan_route(
    network: Network,
    uri: WebSocketURI,
    settings: Settings,
    proxy_fields: Fields = (),
) -> Route:
    """
    Choose the way to a URI.

    Args:
        network: Where default TLS contexts come from.
        uri: Where to go.
        settings: What the user wants.
        proxy_fields: Headers for proxies.

    Raises:
        InvalidProxy: The URL of the proxy isn't valid.
        ProxyError: The proxy is one that isn't supported.
        TypeError: ``proxy`` is of a wrong type.
        ValueError: Arguments contradict each other or the URI.
    """
    host = uri.host if settings.host is None else settings.host
    port = uri.port if settings.port is None else settings.port
    explicit = settings.host is not None or settings.port is not None
    if settings.sock is not None and explicit:
        raise ValueError("host and port cannot be combined with sock")
    if settings.unix and settings.sock is None and settings.path is None:
        raise ValueError("no path and no sock were specified")
    if settings.sock is not None and settings.path is not None:
        raise ValueError("path and sock cannot be combined")

    context = None
    server_hostname = None
    if uri.secure:
        if not settings.ssl:
            raise ValueError(f"ssl={settings.ssl} is incompatible with a wss:// URI")
        context = settings.ssl
        if context is DEFAULT or context is True:
            context = network.default_context()
        server_hostname = settings.server_hostname
        if server_hostname is None:
            server_hostname = uri.host
    elif settings.ssl is not DEFAULT and settings.ssl:
        raise ValueError("ssl argument is incompatible with a ws:// URI")
    elif settings.server_hostname is not None:
        raise ValueError("server_hostname is only meaningful with ssl")

    hops: tuple[HTTPHop, ...] = ()
    if settings.sock is None and not settings.unix:
        proxy = choose_proxy(settings.proxy, uri.secure, host, port)
        if proxy is not None:
            hops = (plan_hop(network, proxy, settings, proxy_fields),)
            # Look for mistakes in the headers now.
            connect_request(proxy, host, port, proxy_fields)
    return Route(
        host=host,
        port=port,
        hops=hops,
        context=context,
        server_hostname=server_hostname,
        tls_options=settings.tls_options if uri.secure else {},
        sock=settings.sock,
        unix=settings.unix,
        path=settings.path,
    )


def choose_proxy(
    proxy: str | Proxy | bool | None,
    secure: bool,
    host: str,
    port: int,
) -> Proxy | None:
    """Return the proxy for a host, according to the user's argument."""
    if proxy is None:
        return None
    if proxy is True:
        proxy = discover_proxy(secure, host, port)
        if proxy is None:
            return None
    if isinstance(proxy, str):
        return parse_proxy(proxy)
    if isinstance(proxy, Proxy):
        return proxy
    raise TypeError(
        f"proxy must be a str, a Proxy, True, or None, not {type(proxy).__name__}"
    )


def plan_hop(
    network: Network,
    proxy: Proxy,
    settings: Settings,
    fields: Fields,
) -> HTTPHop:
    """Return what's needed to get through one proxy."""
    if proxy.scheme not in ("http", "https"):
        raise ProxyError(
            f"SOCKS proxies aren't available in this version of websockets: {proxy}"
        )
    context = None
    if proxy.scheme == "https":
        if not settings.proxy_ssl:
            raise ValueError(
                f"proxy_ssl={settings.proxy_ssl} is incompatible with an https:// proxy"
            )
        context = settings.proxy_ssl
        if context is DEFAULT or context is True:
            context = network.default_context(PROXY_ALPN)
    elif settings.proxy_ssl is not DEFAULT and settings.proxy_ssl:
        raise ValueError("proxy_ssl argument is incompatible with an http:// proxy")
    elif settings.proxy_server_hostname is not None:
        raise ValueError("proxy_server_hostname is only meaningful with proxy_ssl")
    return HTTPHop(
        proxy,
        fields,
        settings.user_agent_header,
        context,
        settings.proxy_server_hostname,
        settings.proxy_tls_options,
    )


async def open_route(network: Network, route: Route) -> Stream:
    """
    Go the way to a URI.

    Returns:
        A stream to the server, inside TLS if the URI wants it. Whatever is raised,
        nothing stays open.
    """
    stream = await open_first(network, route)
    try:
        targets: tuple[HTTPHop | Route, ...] = (*route.hops[1:], route)
        for hop, target in zip(route.hops, targets, strict=False):
            try:
                if hop.context is not None:
                    name = hop.server_hostname or hop.host
                    stream = await stream.start_tls(
                        hop.context, name, **hop.tls_options
                    )
                await converse(stream, hop.tunnel(target.host, target.port))
            except Exception as exc:
                exc.add_note(f"while connecting through the proxy {hop.proxy}")
                raise
        if route.context is not None:
            stream = await stream.start_tls(
                route.context, route.server_hostname, **route.tls_options
            )
    except BaseException:
        stream.abort()
        raise
    return stream


async def open_first(network: Network, route: Route) -> Stream:
    """Connect to the server, or to the nearest proxy."""
    if route.sock is not None:
        return await network.adopt(route.sock)
    if route.unix:
        assert route.path is not None  # checked by plan_route
        return await network.open_unix(route.path)
    if not route.hops:
        return await network.open_tcp(route.host, route.port)
    hop = route.hops[0]
    try:
        return await network.open_tcp(hop.host, hop.port)
    except Exception as exc:
        exc.add_note(f"while connecting to the proxy {hop.proxy}")
        raise
