"""A proxy's address.

Owns: the class :class:`Proxy` and the syntax of proxy URLs.
Doesn't know: which proxy to use, nor how to talk to it.
"""

from __future__ import annotations

import dataclasses
import urllib.parse
from typing import Any, overload

from ..._secrets import MASK
from ...datastructures import HeadersLike
from ...exceptions import InvalidProxy
from ..headers import Fields, checked_fields


__all__ = ["Proxy", "parse_proxy"]

# IANA's numbers for http and https, which 17.4 used too; RFC 1928 section 3 for SOCKS.
DEFAULT_PORTS = {
    "http": 80,
    "https": 443,
    "socks4": 1080,
    "socks4a": 1080,
    "socks5": 1080,
    "socks5h": 1080,
}


@dataclasses.dataclass(frozen=True, repr=False, init=False)
class Proxy:
    """
    A proxy: its address, and what it needs to know.

    ``Proxy("https://ann:secret@proxy.example:3128", ssl=context)`` takes a URL, like
    :func:`parse_proxy`; ``Proxy("https", "proxy.example", 3128, "ann", "secret")``
    takes its parts. Neither :func:`repr` nor :class:`str` shows credentials.

    Args:
        scheme: A URL, when it's given without a host; else like the attribute.
        host: Like the attribute, and so are the others.
        url: Another name for the URL.

    Attributes:
        scheme: ``"http"`` or ``"https"`` for a proxy that understands CONNECT,
            reached in clear or by TLS; ``"socks5h"``, ``"socks5"``, ``"socks4a"``, or
            ``"socks4"``.
        host: Host name (IDNA A-labels) or IP address, IPv6 without brackets.
        port: TCP port, 0 to 65535.
        username: User name, decoded, or :obj:`None`.
        password: Password, decoded, or :obj:`None`.
        auth: How to authenticate, as ``proxy_auth`` of ``connect()``.
        headers: Headers for its CONNECT requests, as pairs; given as anything that
            ``proxy_headers`` takes.
        ssl: TLS with an ``https://`` proxy: an :class:`ssl.SSLContext`, perhaps with a
            client certificate; :obj:`None` or :obj:`True` for a default one, which
            verifies the proxy.
        server_hostname: Name to verify; :obj:`None` means ``host``.

    Raises:
        InvalidProxy: The URL isn't one of a proxy that's supported.
        TypeError: Neither a URL nor scheme, host, and port are given, or the headers
            aren't headers.
        ValueError: Arguments contradict each other, or a header cannot be sent.
    """

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = None
    # Objects of users may not be hashable.
    auth: Any = dataclasses.field(default=None, hash=False)
    headers: Fields = ()
    ssl: Any = dataclasses.field(default=None, hash=False)
    server_hostname: str | None = None

    @overload
    def __init__(
        self,
        url: str,
        /,
        *,
        auth: Any = None,
        headers: HeadersLike | None = None,
        ssl: Any = None,
        server_hostname: str | None = None,
    ) -> None: ...  # fmt: skip

    @overload
    def __init__(
        self,
        *,
        url: str,
        auth: Any = None,
        headers: HeadersLike | None = None,
        ssl: Any = None,
        server_hostname: str | None = None,
    ) -> None: ...  # fmt: skip

    @overload
    def __init__(
        self,
        scheme: str,
        host: str,
        port: int,
        username: str | None = None,
        password: str | None = None,
        *,
        auth: Any = None,
        headers: HeadersLike | None = None,
        ssl: Any = None,
        server_hostname: str | None = None,
    ) -> None: ...  # fmt: skip

    def __init__(
        self,
        scheme: str | None = None,
        host: str | None = None,
        port: int | None = None,
        username: str | None = None,
        password: str | None = None,
        *,
        url: str | None = None,
        auth: Any = None,
        headers: HeadersLike | None = None,
        ssl: Any = None,
        server_hostname: str | None = None,
    ) -> None:
        nothing = (None,) * 4
        parts = (scheme, host, port, username, password)
        if url is None and parts[1:] == nothing:
            url, parts = scheme, (None, *nothing)
        if (url is None) == (None in parts[:3]):
            raise TypeError("Proxy() takes a URL, or a scheme, a host, and a port")
        if url is not None:
            parts = split_proxy_url(url)
        for field, value in zip(dataclasses.fields(self), parts, strict=False):
            object.__setattr__(self, field.name, value)
        object.__setattr__(self, "auth", auth)
        object.__setattr__(self, "headers", checked_fields(headers, "headers"))
        object.__setattr__(self, "ssl", ssl)
        object.__setattr__(self, "server_hostname", server_hostname)
        if self.scheme != "https" and (ssl or server_hostname is not None):
            name = "ssl" if ssl else "server_hostname"
            raise ValueError(f"{name} argument is incompatible with {self.kind}")
        if ssl is False:
            raise ValueError(f"ssl=False is incompatible with {self.kind}")
        if self.headers and self.scheme not in ("http", "https"):
            raise ValueError(f"headers argument is incompatible with {self.kind}")

    @property
    def user_info(self) -> tuple[str, str] | None:
        """User name and password, or :obj:`None` when there is no user name."""
        if self.username is None:
            return None
        return (self.username, self.password or "")

    @property
    def kind(self) -> str:
        """What it's called in texts, such as ``"an http:// proxy"``."""
        return f"{'a' if self.scheme.startswith('s') else 'an'} {self.scheme}:// proxy"

    def __repr__(self) -> str:
        username = None if self.username is None else MASK
        password = None if self.password is None else MASK
        shown = [
            f"scheme={self.scheme!r}",
            f"host={self.host!r}",
            f"port={self.port!r}",
            f"username={username!r}",
            f"password={password!r}",
        ]
        if self.auth is not None:
            shown.append(f"auth={MASK!r}")
        if self.headers:
            shown.append(f"headers={MASK!r}")
        if self.ssl is not None:
            shown.append(f"ssl={self.ssl!r}")
        if self.server_hostname is not None:
            shown.append(f"server_hostname={self.server_hostname!r}")
        return f"Proxy({', '.join(shown)})"

    def __str__(self) -> str:
        """Return the URL without user name and password, for texts and logs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_proxy(proxy: str) -> Proxy:
    """
    Parse the URL of a proxy.

    ``host:port`` without a scheme means ``http://host:port``. The port defaults to 80
    for ``http``, 443 for ``https``, 1080 for SOCKS. User name and password are
    percent-decoded; a user name may come without a password.

    Args:
        proxy: URL such as ``http://user:password@proxy.example:3128``.

    Raises:
        InvalidProxy: The URL isn't one of a proxy that's supported. The exception
            doesn't show user name and password.
    """
    return Proxy(*split_proxy_url(proxy))


def split_proxy_url(proxy: str) -> tuple[str, str, int, str | None, str | None]:
    """
    Return scheme, host, port, user name and password of a proxy's URL.

    Raises:
        InvalidProxy: See :func:`parse_proxy`.
    """
    url = proxy.strip()
    if "://" not in url and not url.startswith("/"):
        url = f"http://{url}"
    # urllib would drop some of them without a word, and change what is meant.
    if any(char <= " " or char == "\x7f" for char in url):
        raise InvalidProxy(proxy, "it contains a space or a control character")
    try:
        parsed = urllib.parse.urlsplit(url)
        host = parsed.hostname
        port = parsed.port
    except ValueError:
        # The text of urllib's error may hold a part of the password: don't chain it.
        error = "host or port isn't valid, ports are 0 to 65535"
        raise InvalidProxy(proxy, error) from None
    if parsed.scheme not in DEFAULT_PORTS:
        raise InvalidProxy(proxy, f"scheme {parsed.scheme} isn't supported")
    if not host:
        raise InvalidProxy(proxy, "hostname isn't provided")
    if parsed.path not in ("", "/"):
        raise InvalidProxy(proxy, "path is meaningless")
    if parsed.query:
        raise InvalidProxy(proxy, "query is meaningless")
    if parsed.fragment:
        raise InvalidProxy(proxy, "fragment is meaningless")

    if ":" in host:
        host = urllib.parse.unquote(host)  # %25 starts a zone: RFC 6874 section 2
    elif not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            error = f"host {host} isn't a valid international name"
            raise InvalidProxy(proxy, error) from None
    return (
        parsed.scheme,
        host,
        port or DEFAULT_PORTS[parsed.scheme],
        decode(parsed.username),
        decode(parsed.password),
    )


def decode(quoted: str | None) -> str | None:
    """Decode the percent signs of a user name or a password."""
    if quoted is None:
        return None
    # Bytes that aren't UTF-8 survive until they're encoded for the header.
    return urllib.parse.unquote(quoted, errors="surrogateescape")
