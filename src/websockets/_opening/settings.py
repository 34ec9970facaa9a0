"""What a user asks a client connection to be like.

Owns: the arguments of ``connect()`` that concern the ceremony, and their meaning.
Doesn't know: how to connect. A face turns its arguments into :class:`Settings`; the
ceremony doesn't change them, so they serve for reconnecting.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ..client import ClientProtocol
from ..datastructures import HeadersLike
from ..http11 import USER_AGENT
from ..typing import PathLike
from ..uri import WebSocketURI
from .proxies.pac import PAC
from .proxies.url import Proxy
from .redirects import MAX_REDIRECTS


__all__ = ["DEFAULT", "ProxyLike", "Settings"]

ProxyChoice: TypeAlias = str | Proxy | PAC | Sequence[str | Proxy] | bool | None

#: What the ``proxy`` argument may be.
ProxyLike: TypeAlias = ProxyChoice | Callable[[str], ProxyChoice]


class Default:
    """The type of :data:`DEFAULT`."""

    def __repr__(self) -> str:
        return "DEFAULT"


#: Stands for an argument that wasn't given, where :obj:`None` has a meaning.
DEFAULT = Default()


# Not frozen: there is one for each connection, and each attribute of a frozen one is set
# by a call.
@dataclasses.dataclass(kw_only=True, eq=False, slots=True)
class Settings:
    """
    What a user asks a client connection to be like. Nobody changes it.

    Attributes:
        create_protocol: Called with the parsed URI, once per request; returns the
            protocol of the connection.
        additional_headers: Headers of the upgrade request. They replace those of the
            same name that the library sends, ``Host`` and ``User-Agent`` included.
        user_agent_header: Value of ``User-Agent``, also for proxies; omitted when
            empty or :obj:`None`.
        proxy: URL or :class:`~websockets.proxy.Proxy` to use; a list of these to go
            through one after the other, nearest first; :obj:`True` to find one in the
            environment or the operating system; :obj:`None` for none; or a callable
            that takes the URI and returns one of these. A
            :class:`~websockets.proxy.PAC` or a ``pac+`` URL asks a script.
        proxy_auth: How to authenticate to the last proxy.
        proxy_headers: Headers of its CONNECT requests; the server doesn't get them.
        no_proxy: Hosts that need no proxy when it's to be found; :obj:`None` means
            what the environment says.
        ssl: TLS to the server, if the URI wants it: an :class:`ssl.SSLContext`, or
            :obj:`True` or :data:`DEFAULT` for the network's default context.
        server_hostname: Name to verify; :obj:`None` means the host of the URI.
        tls_options: More arguments of :meth:`~.network.Stream.start_tls`.
        proxy_ssl: The same as ``ssl`` for an ``https://`` proxy.
        proxy_server_hostname: The same as ``server_hostname``; :obj:`None` means the
            proxy's host.
        proxy_tls_options: The same as ``tls_options``.
        sock: Something connected that :meth:`~.network.Network.adopt` takes over.
        unix: Whether ``path`` or ``sock`` is a Unix socket.
        path: Path of the Unix socket to connect to, when ``sock`` isn't given.
        host: Host to connect to instead of the host of the URI.
        port: Port to connect to instead of the port of the URI.
        max_redirects: Redirects that are followed at most.
    """

    create_protocol: Callable[[WebSocketURI], ClientProtocol]
    additional_headers: HeadersLike | None = dataclasses.field(default=None, repr=False)
    user_agent_header: str | None = USER_AGENT
    proxy: ProxyLike = dataclasses.field(default=True, repr=False)
    proxy_auth: Any = dataclasses.field(default=None, repr=False)
    proxy_headers: HeadersLike | None = dataclasses.field(default=None, repr=False)
    no_proxy: str | Sequence[str] | None = None
    ssl: Any = DEFAULT
    server_hostname: str | None = None
    tls_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    proxy_ssl: Any = DEFAULT
    proxy_server_hostname: str | None = None
    proxy_tls_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    sock: Any = None
    unix: bool = False
    path: PathLike | None = None
    host: str | None = None
    port: int | None = None
    max_redirects: int = MAX_REDIRECTS
