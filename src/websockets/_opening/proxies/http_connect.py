"""CONNECT: a tunnel through an HTTP proxy (RFC 9110 section 9.3.6).

Owns: the request, who may see which header, whose credentials are used.
Doesn't know: streams, TLS, which proxy to use, what comes after the first request.

The proxy gets its own headers and nothing of the server's; the server never sees
these. After a refusal nothing more is written: the other side isn't the server.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ...headers import build_authorization_basic, build_host
from ..headers import Fields, checked_fields, replaced
from .dialogue import Dialogue, Tunnel
from .legs import Exchange
from .pairs import URLAuth, as_auth
from .url import Proxy


__all__ = ["HTTPHop", "connect_request"]

NO_CREDENTIALS = "no credentials given"

# CONNECT has no content; a proxy would take what follows for it.
FORBIDDEN = frozenset({"content-length", "transfer-encoding"})


def connect_request(
    proxy: Proxy,
    host: str,
    port: int,
    headers: Fields = (),
    user_agent_header: str | None = None,
) -> bytes:
    """
    Return a CONNECT request.

    Args:
        proxy: Where it goes; its user name and password become Basic credentials.
        host: Host to reach, IPv6 without brackets.
        port: Port to reach.
        headers: Headers for the proxy; they replace the library's of the same name.
        user_agent_header: Value of ``User-Agent``, omitted when empty or :obj:`None`.

    Raises:
        InvalidHeaderValue: ``user_agent_header`` can't be sent.
        ValueError: The host or a header can't be sent to a proxy.
    """
    for name, _ in headers:
        if name.lower() in FORBIDDEN:
            raise ValueError(
                f"proxy_headers cannot contain {name}: a CONNECT request has no body"
            )
    authority = build_host(host, port, True, always_include_port=True)
    credentials = None
    if proxy.user_info is not None:
        credentials = build_authorization_basic(*proxy.user_info)
    return request(
        authority, proxy_fields(authority, user_agent_header, credentials), headers
    )


def proxy_fields(
    authority: str, user_agent_header: str | None, authorization: str | None
) -> list[tuple[str, str]]:
    """
    Return the library's own headers for a proxy.

    Raises:
        InvalidHeaderValue: ``user_agent_header`` can't be sent.
    """
    checked_fields({"User-Agent": user_agent_header or ""}, "user_agent_header")
    # RFC 9112 sections 3.2 and 3.2.3: authority form, always with a port, twice.
    fields = [("Host", authority)]
    if user_agent_header:
        fields.append(("User-Agent", user_agent_header))
    if authorization is not None:
        fields.append(("Proxy-Authorization", authorization))
    return fields


def request(authority: str, ours: list[tuple[str, str]], theirs: Fields) -> bytes:
    """Return a CONNECT request, in which the user's headers win."""
    lines = [f"CONNECT {authority} HTTP/1.1"]
    lines.extend(f"{name}: {value}" for name, value in replaced(ours, theirs))
    return "\r\n".join([*lines, "", ""]).encode("iso-8859-1")


@dataclasses.dataclass(frozen=True)
class HTTPHop:
    """
    An HTTP proxy on the way to a server.

    Attributes:
        proxy: Its address.
        headers: Headers for its CONNECT requests.
        user_agent_header: Their ``User-Agent``.
        context: TLS to the proxy: an :class:`ssl.SSLContext`; :obj:`None`: in clear.
        server_hostname: Name to verify; :obj:`None` means the proxy's host.
        tls_options: More arguments for :meth:`~.network.Stream.start_tls`.
        auth: How to authenticate, besides the credentials of the address; as the
            argument ``proxy_auth`` of ``connect()``, but not a function of the proxy.
    """

    proxy: Proxy
    headers: Fields = dataclasses.field(default=(), repr=False)
    user_agent_header: str | None = None
    context: Any = None
    server_hostname: str | None = None
    tls_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    auth: Any = dataclasses.field(default=None, repr=False)

    @property
    def host(self) -> str:
        """Host to connect to."""
        return self.proxy.host

    @property
    def port(self) -> int:
        """Port to connect to."""
        return self.proxy.port

    def tunnel(self, host: str, port: int) -> Dialogue[Tunnel]:
        """
        Ask the proxy to connect to ``host`` and ``port``.

        Returns:
            The response that opened the tunnel, and how the user was authenticated.

        Raises:
            ProxyAuthenticationError: Authentication failed, or wasn't possible.
            InvalidProxyStatus: The proxy refused for another reason.
            InvalidProxyMessage: It sent something else than an HTTP response, or
                more than that.
        """
        authority = build_host(host, port, True, always_include_port=True)
        given = any(name.lower() == "proxy-authorization" for name, _ in self.headers)
        auth = None if given else as_auth(self.auth)
        if not given and auth is None and self.proxy.user_info is not None:
            auth = URLAuth(*self.proxy.user_info)

        def build(authorization: str | None, persistent: bool) -> bytes:
            ours = proxy_fields(authority, self.user_agent_header, authorization)
            if persistent:
                # Proxies of the days of HTTP/1.0 close the connection without it.
                ours.append(("Proxy-Connection", "Keep-Alive"))
            return request(authority, ours, self.headers)

        reason = "the credentials in proxy_headers were refused"
        exchange = Exchange(
            self.proxy, authority, auth, build, reason if given else NO_CREDENTIALS
        )
        return (yield from exchange.run())
