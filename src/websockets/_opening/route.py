"""The way to one URI: TCP or a Unix socket, proxies, TLS.

Owns: which way to take, and taking it. All wrong arguments are found while planning,
before anything is opened.
Doesn't know: the WebSocket handshake, redirects.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ..typing import PathLike
from ..uri import WebSocketURI
from .headers import Fields
from .network import Network, Stream
from .proxies.dialogue import converse
from .proxies.discovery import discover_proxy
from .proxies.http_connect import HTTPHop, connect_request
from .proxies.socks import SOCKS, SOCKSHop
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
    hops: tuple[HTTPHop | SOCKSHop, ...] = ()
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

    hops: tuple[HTTPHop | SOCKSHop, ...] = ()
    if settings.sock is None and not settings.unix:
        proxy = choose_proxy(settings.proxy, uri.secure, host, port)
        if proxy is not None:
            hops = (plan_hop(network, proxy, settings, proxy_fields),)
            if isinstance(hops[0], HTTPHop):
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
) -> HTTPHop | SOCKSHop:
    """Return what's needed to get through one proxy."""
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
        raise ValueError(f"proxy_ssl argument is incompatible with {proxy.kind}")
    elif settings.proxy_server_hostname is not None:
        raise ValueError("proxy_server_hostname is only meaningful with proxy_ssl")
    if proxy.scheme in SOCKS:
        return SOCKSHop(proxy)
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
    return await reach(network, route, len(route.hops))


async def reach(network: Network, route: Route, depth: int) -> Stream:
    """
    Go a part of the way.

    Args:
        network: How to connect.
        route: The way.
        depth: How many proxies to go through.

    Returns:
        A stream to the next proxy, or to the server when there's none, inside TLS if
        that's what it wants. Whatever is raised, nothing stays open.
    """
    if depth == 0:
        stream = await open_first(network, route)
    else:
        stream = await pass_through(network, route, depth - 1)
    if depth == len(route.hops):
        context, name, options = route.context, route.server_hostname, route.tls_options
    else:
        hop = route.hops[depth]
        context, options = hop.context, hop.tls_options
        name = hop.server_hostname or hop.host
    if context is None:
        return stream
    try:
        return await stream.start_tls(context, name, **options)
    except BaseException as exc:
        stream.abort()
        if depth < len(route.hops) and isinstance(exc, Exception):
            exc.add_note(f"while connecting through the proxy {hop.proxy}")
        raise


async def pass_through(network: Network, route: Route, index: int) -> Stream:
    """Have a proxy, the one of that index, connect to whoever comes next."""
    hop = route.hops[index]
    target = route.hops[index + 1] if index + 1 < len(route.hops) else route
    line = ProxyLine(network, route, index, await reach(network, route, index))
    try:
        await converse(line, hop.tunnel(target.host, target.port))
    except BaseException as exc:
        line.stream.abort()
        if isinstance(exc, Exception):
            exc.add_note(f"while connecting through the proxy {hop.proxy}")
        raise
    return line.stream


@dataclasses.dataclass
class ProxyLine:
    """A connection to the proxy of a route that has that index."""

    network: Network
    route: Route
    index: int
    stream: Stream

    async def reconnect(self) -> None:
        """Abort the current stream; open another one, through the hops before."""
        self.stream.abort()
        self.stream = await reach(self.network, self.route, self.index)

    async def run_blocking(self, call: Callable[[], Any]) -> Any:
        """Call something in a thread, and return what it returns."""
        return await self.network.run_blocking(call)

    async def resolve(self, host: str, ipv4: bool) -> tuple[str, ...]:
        """Return the IP addresses of a host, at least one."""
        return await self.network.resolve(host, ipv4)


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
