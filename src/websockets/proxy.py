"""Proxies: their addresses, and which one to use.

Owns: names. What is behind them is in ``_opening/proxies``.
"""

from __future__ import annotations

from ._opening.headers import checked_fields
from ._opening.progress import ProxyHop
from ._opening.proxies.discovery import discover_proxy
from ._opening.proxies.http_connect import connect_request
from ._opening.proxies.url import Proxy, parse_proxy
from .datastructures import HeadersLike
from .http11 import USER_AGENT
from .uri import WebSocketURI


__all__ = ["Proxy", "ProxyHop", "get_proxy", "parse_proxy"]


def get_proxy(uri: WebSocketURI) -> str | None:
    """
    Return the URL of the proxy that the system's settings want for a WebSocket URI.

    The environment is read now. Variables are ``wss_proxy`` or ``ws_proxy``,
    ``socks_proxy``, ``https_proxy``, ``http_proxy`` (for ``ws://`` only), and
    ``all_proxy``, the first that isn't empty, in lower or upper case; ``no_proxy``
    lists exceptions. On Windows and macOS, the settings of the system come next.
    Addresses of this machine and link-local addresses need no proxy.

    Args:
        uri: As :func:`~websockets.uri.parse_uri` returns it.

    Returns:
        A URL for :func:`parse_proxy`; :obj:`None` for a direct connection.
    """
    return discover_proxy(uri.secure, uri.host, uri.port)


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
        ValueError: A header has an invalid name or value.
    """
    fields = checked_fields(proxy_headers, "proxy_headers")
    return connect_request(proxy, ws_uri.host, ws_uri.port, fields, user_agent_header)
