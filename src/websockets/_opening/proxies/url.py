"""A proxy's address.

Owns: the class :class:`Proxy` and the syntax of proxy URLs.
Doesn't know: which proxy to use, nor how to talk to it.
"""

from __future__ import annotations

import dataclasses
import urllib.parse

from ..._secrets import MASK
from ...exceptions import InvalidProxy


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


@dataclasses.dataclass(frozen=True, repr=False)
class Proxy:
    """
    Address of a proxy.

    Neither :func:`repr` nor :class:`str` shows user name and password.

    Attributes:
        scheme: ``"http"`` or ``"https"`` for a proxy that understands CONNECT,
            reached in clear or by TLS; ``"socks5h"``, ``"socks5"``, ``"socks4a"``, or
            ``"socks4"``.
        host: Host name (IDNA A-labels) or IP address, IPv6 without brackets.
        port: TCP port, 0 to 65535.
        username: User name, decoded, or :obj:`None`.
        password: Password, decoded, or :obj:`None`.
    """

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = None

    @property
    def user_info(self) -> tuple[str, str] | None:
        """User name and password, or :obj:`None` when there is no user name."""
        if self.username is None:
            return None
        return (self.username, self.password or "")

    def __repr__(self) -> str:
        username = None if self.username is None else MASK
        password = None if self.password is None else MASK
        return (
            f"Proxy(scheme={self.scheme!r}, host={self.host!r}, port={self.port!r}, "
            f"username={username!r}, password={password!r})"
        )

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
    return Proxy(
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
