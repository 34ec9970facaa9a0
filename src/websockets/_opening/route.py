"""The way to one URI: TCP or a Unix socket, proxies, TLS.

Owns: planning a way, and going it. All wrong arguments are found while planning,
before anything is opened.
Doesn't know: which proxies to use; the WebSocket handshake, redirects.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ..headers import build_host
from ..typing import PathLike
from ..uri import WebSocketURI
from .choice import DIRECT, Chain, choose_chains
from .headers import Fields, checked_fields, replaced, without_credentials
from .network import Network, Stream
from .progress import Progress, ProxyHop
from .proxies.dialogue import converse
from .proxies.http_connect import HTTPHop, connect_request
from .proxies.pairs import as_auth
from .proxies.socks import SOCKS, SOCKSHop
from .proxies.url import Proxy
from .settings import DEFAULT, Settings


__all__ = ["Planner", "Route", "open_route", "plan_route"]

#: A proxy on the way, with all that's needed to get through it.
Hop: TypeAlias = HTTPHop | SOCKSHop

# What an https:// proxy is asked to speak, lest it prefers HTTP/2 (RFC 7301).
PROXY_ALPN = ("http/1.1",)


# Not frozen for the same reason as Settings.
@dataclasses.dataclass(kw_only=True, slots=True)
class Route:
    """
    The way to one URI. Nobody changes it.

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
        alternatives: Ways to go when the first proxy can't be reached.
    """

    host: str
    port: int
    hops: tuple[Hop, ...] = ()
    context: Any = None
    server_hostname: str | None = None
    tls_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    sock: Any = None
    unix: bool = False
    path: PathLike | None = None
    alternatives: tuple[Route, ...] = ()

    @property
    def straight(self) -> bool:
        """Whether it leads to the server by TCP and nothing else."""
        return (
            not self.hops
            and self.context is None
            and self.sock is None
            and not self.unix
            and not self.alternatives
        )


class Planner:
    """
    Plans the ways of one ceremony: to a URI, and to where it's redirected.

    Args:
        settings: What the user wants.

    Raises:
        Exception: See :func:`~.headers.checked_fields`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.fields = checked_fields(settings.proxy_headers, "proxy_headers")
        self.auth = settings.proxy_auth
        self.told: set[str] = set()

    async def plan(self, network: Network, uri: str, parsed: WebSocketURI) -> Route:
        """
        Plan the way to a URI.

        Args:
            network: Where default TLS contexts come from, and what asks a PAC file.
            uri: Where to go.
            parsed: The same, parsed.

        Raises:
            Exception: See :func:`~.choice.choose_chains` and :func:`plan_route`.
        """
        chains, by_script = await choose_chains(network, self.settings, uri, parsed)
        if chains == DIRECT.chains:
            return plan_route(network, parsed, self.settings)
        audience = {str(chain[-1]) for chain in chains if chain}
        if self.told and not audience <= self.told:
            # Another proxy is used for the URI of a redirect. What the first one was
            # told isn't for its ears.
            self.fields = without_credentials(self.fields)
            self.auth = self.auth if is_chooser(self.auth) else None
        self.told = audience or self.told
        routes = []
        for chain in chains:
            settings = self.settings
            if by_script and not any(proxy.scheme == "https" for proxy in chain):
                # What the user says about TLS is for those proxies that have it.
                settings = dataclasses.replace(
                    settings, proxy_ssl=DEFAULT, proxy_server_hostname=None
                )
            routes.append(
                plan_route(network, parsed, settings, chain, self.fields, self.auth)
            )
        if len(routes) == 1:
            return routes[0]
        return dataclasses.replace(routes[0], alternatives=tuple(routes[1:]))


def plan_route(
    network: Network,
    uri: WebSocketURI,
    settings: Settings,
    chain: Chain = (),
    proxy_fields: Fields = (),
    proxy_auth: Any = None,
) -> Route:
    """
    Plan the way to a URI.

    Args:
        network: Where default TLS contexts come from.
        uri: Where to go.
        settings: What the user wants.
        chain: Proxies to go through, nearest first. The user's arguments about a proxy
            concern the last one; the others have what their own objects say.
        proxy_fields: Headers for the last proxy.
        proxy_auth: How to authenticate to the last proxy.

    Raises:
        TypeError: An argument is of a wrong type.
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

    hops: tuple[Hop, ...] = ()
    if chain:
        hops = (
            *(plan_hop(network, proxy, settings) for proxy in chain[:-1]),
            plan_last_hop(network, chain[-1], settings, proxy_fields, proxy_auth),
        )
    for hop in hops:
        if isinstance(hop, HTTPHop):
            # Look for mistakes in the headers now.
            connect_request(hop.proxy, host, port, hop.headers)
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


def plan_hop(network: Network, proxy: Proxy, settings: Settings) -> Hop:
    """
    Return what's needed to get through a proxy.

    Raises:
        TypeError: Its ``auth`` is of a wrong type.
        ValueError: Its credentials can't be sent.
    """
    auth = proxy.auth
    if is_chooser(auth):
        auth = auth(proxy)
    scheme = as_auth(auth)
    if proxy.scheme in SOCKS:
        # What else there is for HTTP has no place in SOCKS. It isn't a mistake: whether
        # it's the one or the other may be the environment's choice.
        if isinstance(auth, tuple | list):
            username, password = auth
            proxy = dataclasses.replace(proxy, username=username, password=password)
        return SOCKSHop(proxy)
    context = None
    if proxy.scheme == "https":
        context = proxy.ssl
        if context is None or context is True:
            context = network.default_context(PROXY_ALPN)
    return HTTPHop(
        proxy,
        proxy.headers,
        settings.user_agent_header,
        context,
        proxy.server_hostname,
        auth=scheme,
    )


def is_chooser(auth: Any) -> bool:
    """Tell whether it's a function of the proxy that returns how to authenticate."""
    return callable(auth) and not hasattr(auth, "flow")


def plan_last_hop(
    network: Network,
    proxy: Proxy,
    settings: Settings,
    fields: Fields,
    auth: Any,
) -> Hop:
    """
    Do the same for the proxy that the arguments of ``connect()`` are about.

    Raises:
        TypeError: See :func:`plan_hop`.
        ValueError: The same; or the arguments contradict its scheme.
    """
    if proxy.scheme == "https":
        if not settings.proxy_ssl:
            raise ValueError(
                f"proxy_ssl={settings.proxy_ssl} is incompatible with {proxy.kind}"
            )
    elif settings.proxy_ssl is not DEFAULT and settings.proxy_ssl:
        raise ValueError(f"proxy_ssl argument is incompatible with {proxy.kind}")
    elif settings.proxy_server_hostname is not None:
        raise ValueError("proxy_server_hostname is only meaningful with proxy_ssl")
    changes: dict[str, Any] = {}
    if settings.proxy_ssl is not DEFAULT and settings.proxy_ssl:
        changes["ssl"] = settings.proxy_ssl
    if settings.proxy_server_hostname is not None:
        changes["server_hostname"] = settings.proxy_server_hostname
    if fields and proxy.scheme not in SOCKS:
        changes["headers"] = replaced(proxy.headers, fields)
    if auth is not None:
        changes["auth"] = auth
    hop = plan_hop(network, dataclasses.replace(proxy, **changes), settings)
    if isinstance(hop, HTTPHop):
        hop = dataclasses.replace(hop, tls_options=settings.proxy_tls_options)
    return hop


async def open_route(
    network: Network, route: Route, progress: Progress | None = None
) -> Stream:
    """
    Go the way to a URI.

    Args:
        network: How to connect.
        route: The way.
        progress: Where to note which proxy is being talked to.

    Returns:
        A stream to the server, inside TLS if the URI wants it. Whatever is raised,
        nothing stays open; notes tell when it's about a proxy.
    """
    progress = Progress() if progress is None else progress
    if route.straight:
        # There's no proxy that could be blamed, and no other way.
        progress.start()
        return await network.open_tcp(route.host, route.port)
    routes = [*reversed(route.alternatives), route]
    failures: list[str] = []
    while True:
        progress.start()
        journey = Journey(network, routes.pop(), progress)
        try:
            return await journey.reach(len(journey.route.hops))
        except Exception as exc:
            progress.blame(exc)
            for failure in failures:
                exc.add_note(failure)
            if not routes or not journey.is_lost_to(exc):
                raise
            failures.append(f"before, {journey.route.hops[0].proxy} failed: {exc}")
            progress.trace([f"= {journey.route.hops[0].proxy} can't be reached: {exc}"])


@dataclasses.dataclass
class Journey:
    """
    Going a way, part by part.

    Attributes:
        network: How to connect.
        route: The way.
        progress: Where to note which proxy is being talked to.
        arrived: Whether a proxy was reached.
    """

    network: Network
    route: Route
    progress: Progress
    arrived: bool = False

    def is_lost_to(self, exc: Exception) -> bool:
        """Tell whether the first proxy couldn't be reached: the next one may do."""
        return bool(self.route.hops) and not self.arrived and isinstance(exc, OSError)

    def enter(self, index: int, doing: str) -> None:
        """Note what the proxy of that index is waited for."""
        hops = self.route.hops
        self.progress.enter(hops[index].proxy, index + 1, len(hops), doing)

    async def reach(self, depth: int) -> Stream:
        """
        Go a part of the way.

        Args:
            depth: How many proxies to go through.

        Returns:
            A stream to the next proxy, or to the server when there's none, inside TLS
            if that's what it wants. Whatever is raised, nothing stays open.
        """
        route = self.route
        if depth == 0:
            stream = await self.open_first()
        else:
            stream = await self.pass_through(depth - 1)
        if depth == len(route.hops):
            context, options = route.context, route.tls_options
            name = route.server_hostname
        else:
            hop = route.hops[depth]
            context, options = hop.context, hop.tls_options
            name = hop.server_hostname or hop.host
            if context is not None:
                self.enter(depth, f"performing a TLS handshake with {hop.proxy}")
        if context is None:
            return stream
        try:
            return await stream.start_tls(context, name, **options)
        except BaseException:
            stream.abort()
            raise

    async def open_first(self) -> Stream:
        """Connect to the server, or to the nearest proxy."""
        route = self.route
        if route.sock is not None:
            return await self.network.adopt(route.sock)
        if route.unix:
            assert route.path is not None  # checked by plan_route
            return await self.network.open_unix(route.path)
        if not route.hops:
            return await self.network.open_tcp(route.host, route.port)
        hop = route.hops[0]
        self.enter(0, f"connecting to the proxy {hop.proxy}")
        return await self.network.open_tcp(hop.host, hop.port)

    async def pass_through(self, index: int) -> Stream:
        """Have the proxy of that index connect to whoever comes next."""
        hop = self.route.hops[index]
        target = (*self.route.hops, self.route)[index + 1]
        line = ProxyLine(self, index, await self.reach(index))
        try:
            line.enter()
            tunnel = await converse(line, hop.tunnel(target.host, target.port))
        except BaseException:
            line.stream.abort()
            raise
        response = tunnel.response
        headers = None if response is None else response.headers
        self.progress.passed(ProxyHop(str(hop.proxy), tunnel.scheme, headers))
        return line.stream


@dataclasses.dataclass
class ProxyLine:
    """
    A connection to a proxy, for a dialogue.

    Attributes:
        journey: What it's a part of.
        index: Of the proxy among the hops.
        stream: The current stream.
    """

    journey: Journey
    index: int
    stream: Stream

    def enter(self) -> None:
        """Note that the dialogue goes on."""
        self.journey.arrived = True
        hops = self.journey.route.hops
        target = (*hops, self.journey.route)[self.index + 1]
        address = build_host(target.host, target.port, True, always_include_port=True)
        self.journey.enter(
            self.index,
            f"asking the proxy {hops[self.index].proxy} to connect to {address}",
        )

    def trace(self, lines: tuple[str, ...]) -> None:
        """Log what's said."""
        self.journey.progress.trace(lines)

    async def reconnect(self) -> None:
        """Abort the current stream; open another one, through the hops before."""
        self.stream.abort()
        self.stream = await self.journey.reach(self.index)
        self.enter()

    async def run_blocking(self, call: Callable[[], Any]) -> Any:
        """Call something in a thread, and return what it returns."""
        return await self.journey.network.run_blocking(call)

    async def resolve(self, host: str, ipv4: bool) -> tuple[str, ...]:
        """Return the IP addresses of a host, at least one."""
        return await self.journey.network.resolve(host, ipv4)
