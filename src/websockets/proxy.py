"""Proxies: their addresses, and which one to use.

Owns: names. What is behind them is in ``_opening/proxies``.
"""

from __future__ import annotations

from collections.abc import Sequence

from ._opening.choice import no_proxy_rules
from ._opening.headers import checked_fields
from ._opening.progress import ProxyHop
from ._opening.proxies.auth import (
    AuthContext,
    AuthFailed,
    AuthUnavailable,
    BasicAuth,
    BearerAuth,
    ProxyAuth,
)
from ._opening.proxies.challenges import Challenge
from ._opening.proxies.digest import DigestAuth
from ._opening.proxies.discovery import discover_proxy
from ._opening.proxies.http_connect import connect_request
from ._opening.proxies.negotiate import NegotiateAuth, NTLMAuth
from ._opening.proxies.pac import PAC
from ._opening.proxies.pairs import AnyAuth
from ._opening.proxies.url import Proxy, parse_proxy
from .datastructures import HeadersLike
from .http11 import USER_AGENT
from .uri import WebSocketURI, parse_uri


__all__ = [
    "PAC",
    "AnyAuth",
    "AuthContext",
    "AuthFailed",
    "AuthUnavailable",
    "BasicAuth",
    "BearerAuth",
    "Challenge",
    "DigestAuth",
    "NTLMAuth",
    "NegotiateAuth",
    "Proxy",
    "ProxyAuth",
    "ProxyHop",
    "get_proxy",
    "parse_proxy",
]


def get_proxy(
    uri: str | WebSocketURI, no_proxy: str | Sequence[str] | None = None
) -> str | None:
    """
    Return the URL of the proxy that the system's settings want for a WebSocket URI.

    That's what ``connect()`` uses if its argument ``proxy`` is :obj:`True`.

    The environment is read now. Variables are ``wss_proxy`` or ``ws_proxy``,
    ``socks_proxy``, ``https_proxy``, ``http_proxy`` (for ``ws://`` only), and
    ``all_proxy``, the first that isn't empty, in lower or upper case; ``no_proxy``
    lists exceptions. On Windows and macOS, the settings of the system come next.
    Addresses of this machine and link-local addresses need no proxy.

    Args:
        uri: The URI, or what :func:`~websockets.uri.parse_uri` makes of it.
        no_proxy: Rules instead of those of the environment, as for ``connect()``.

    Returns:
        A URL, mostly for :func:`parse_proxy`, with the credentials that the settings
        hold; :obj:`None` for a direct connection.

    Raises:
        InvalidURI: The URI isn't valid.
    """
    parsed = parse_uri(uri) if isinstance(uri, str) else uri
    rules = no_proxy_rules(no_proxy)
    return discover_proxy(parsed.secure, parsed.host, parsed.port, rules)


def prepare_connect_request(
    proxy: Proxy,
    ws_uri: WebSocketURI,
    user_agent_header: str | None = USER_AGENT,
    proxy_headers: HeadersLike | None = None,
) -> bytes:
    """
    Return the CONNECT request that opens a tunnel through a proxy.

    Args:
        proxy: The proxy; its user name and password become Basic credentials.
        ws_uri: Where the tunnel leads to.
        user_agent_header: Value of ``User-Agent``; :obj:`None` omits it.
        proxy_headers: More headers; they replace others of the same name.

    Raises:
        TypeError: ``proxy_headers`` aren't headers.
        InvalidHeaderValue: A header has an invalid value.
        ValueError: A header has an invalid name, or the host can't be sent.
    """
    fields = checked_fields(proxy_headers, "proxy_headers")
    return connect_request(proxy, ws_uri.host, ws_uri.port, fields, user_agent_header)
