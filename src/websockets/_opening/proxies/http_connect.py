"""CONNECT: a tunnel through an HTTP proxy (RFC 9110 section 9.3.6).

Owns: the request, the reading of responses, who may see which header.
Doesn't know: streams, TLS, which proxy to use.

The proxy gets its own headers and nothing of the server's; the server never sees
these. After a refusal nothing more is written: the other side isn't the server.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ...exceptions import InvalidProxyMessage, InvalidProxyStatus
from ...headers import build_authorization_basic, build_host
from ...http11 import Response
from ...streams import StreamReader
from ..headers import Fields, replaced
from .bodies import read_body
from .dialogue import Dialogue, Read, Tunnel, feed
from .url import Proxy


__all__ = ["HTTPHop", "connect_request"]

#: Bytes of a refusal's body that are kept: enough for any proxy's error page.
MAX_BODY = 65_536
#: Seconds to wait for more of it. The status is what matters; some proxies announce a
#: body, or its end, that never comes.
BODY_PATIENCE = 1.0

INVALID = "did not receive a valid HTTP response from proxy"

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
        ValueError: A header can't be sent to a proxy.
    """
    for name, _ in headers:
        if name.lower() in FORBIDDEN:
            raise ValueError(
                f"proxy_headers cannot contain {name}: a CONNECT request has no body"
            )
    # RFC 9112 sections 3.2 and 3.2.3: authority form, always with a port, twice.
    authority = build_host(host, port, True, always_include_port=True)
    ours = [("Host", authority)]
    if user_agent_header:
        ours.append(("User-Agent", user_agent_header))
    if proxy.user_info is not None:
        credentials = build_authorization_basic(*proxy.user_info)
        ours.append(("Proxy-Authorization", credentials))
    lines = [f"CONNECT {authority} HTTP/1.1"]
    lines.extend(f"{name}: {value}" for name, value in replaced(ours, headers))
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
    """

    proxy: Proxy
    headers: Fields = dataclasses.field(default=(), repr=False)
    user_agent_header: str | None = None
    context: Any = None
    server_hostname: str | None = None
    tls_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

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
            InvalidProxyStatus: The proxy refused.
            InvalidProxyMessage: It sent something else than an HTTP response, or
                more than that.
        """
        yield connect_request(
            self.proxy, host, port, self.headers, self.user_agent_header
        )
        reader = StreamReader()
        response = yield from read_head(reader)
        if 200 <= response.status_code < 300:
            # RFC 9110 section 9.3.6: headers can't announce a body, and we speak first.
            surplus = reader.take()
            if surplus:
                raise InvalidProxyMessage(
                    f"proxy sent {len(surplus)} bytes after its response"
                )
            return Tunnel(response)
        yield from read_refusal(reader, response)
        raise InvalidProxyStatus(response)


def read_head(reader: StreamReader) -> Dialogue[Response]:
    """Read the status line and headers of the final response."""
    while True:
        parser = Response.parse(
            reader.read_line, reader.read_exact, reader.read_to_eof, proxy=True
        )
        try:
            response = yield from feed(reader, parser)
        except ConnectionError as exc:
            # A reset is an end of the stream like any other: same exception.
            eof = EOFError("connection closed while reading HTTP status line")
            eof.__cause__ = exc
            raise InvalidProxyMessage(INVALID) from eof
        except OSError:
            raise
        except Exception as exc:
            raise InvalidProxyMessage(INVALID) from exc
        # RFC 9110 section 15.2: informational responses are skipped. 101 answers a
        # request for an upgrade, which wasn't made.
        if response.status_code >= 200 or response.status_code == 101:
            return response


def read_refusal(reader: StreamReader, response: Response) -> Dialogue[bool]:
    """
    Read the body of a response, as far as it comes, into ``response.body``.

    Returns:
        Whether another request may follow on the connection.
    """
    body = bytearray()
    parser = read_body(reader, response.headers, body, MAX_BODY)
    try:
        complete = yield from feed(reader, parser, Read(BODY_PATIENCE))
    except Exception:  # closed, too slow, malformed: it's a refusal all the same
        complete = False
    response.body = bytes(body)
    return complete
