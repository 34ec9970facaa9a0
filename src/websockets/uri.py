"""
WebSocket URIs (:rfc:`6455`, section 3) (layer 0).

Owns: parsing, with all that makes a URI fit for the wire: IRIs are converted
(:rfc:`3987`, section 3.1), credentials are decoded, nothing that would break a request
line remains.
Doesn't know: name resolution, proxies, redirects.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import urllib.parse

from ._secrets import MASK
from .exceptions import InvalidURI


__all__ = ["WebSocketURI", "parse_uri"]


@dataclasses.dataclass(repr=False)
class WebSocketURI:
    """
    The parts of a WebSocket URI.

    ``repr()`` masks the password.
    """

    secure: bool
    """:obj:`True` for ``wss``, :obj:`False` for ``ws``."""
    host: str
    """Host name, in ASCII and lower case, or IP address without brackets."""
    port: int
    """TCP port: 80 for ``ws`` and 443 for ``wss`` by default."""
    path: str
    """Path, percent-encoded; may be empty."""
    query: str
    """Query string, percent-encoded, without the question mark; may be empty."""
    username: str | None = None
    """User name, decoded; :obj:`None` when the URI has no user information."""
    password: str | None = None
    """Password, decoded; :obj:`None` when the URI has no user information."""

    def __repr__(self) -> str:
        password = None if self.password is None else MASK
        return (
            f"{type(self).__name__}(secure={self.secure!r}, host={self.host!r}, "
            f"port={self.port!r}, path={self.path!r}, query={self.query!r}, "
            f"username={self.username!r}, password={password!r})"
        )

    @property
    def resource_name(self) -> str:
        """What the request line asks for (:rfc:`6455`, section 3)."""
        path = self.path or "/"
        return f"{path}?{self.query}" if self.query else path

    @property
    def user_info(self) -> tuple[str, str] | None:
        """User name and password; :obj:`None` when the URI has none."""
        if self.username is None:
            return None
        return self.username, self.password or ""


# RFC 3986, sections 2.1 and 2.2: delimiters, and what is encoded already, stay.
_SAFE_IN_IRI = "%:/?#[]@!$&'()*+,;="

# In a URI, other ASCII characters stay too, even if the grammar wants them encoded:
# servers have received them like that for ever. Only a space or a control character
# would break the request line.
_SAFE_IN_URI = "".join(map(chr, range(0x21, 0x7F)))


def parse_uri(uri: str) -> WebSocketURI:
    """
    Parse a WebSocket URI.

    Internationalized identifiers (IRIs) are converted: the host with IDNA, the path
    and the query with percent-encoding of UTF-8. Spaces and control characters are
    percent-encoded too. Credentials are percent-decoded.

    Args:
        uri: URI with scheme ``ws`` or ``wss``.

    Raises:
        InvalidURI: if it isn't a valid WebSocket URI.
        TypeError: if it isn't a :class:`str`.
    """
    if not isinstance(uri, str):
        raise TypeError(f"uri must be a str, not {type(uri).__name__}")
    # Programs that connect often connect to few places. Passwords aren't kept.
    parse = _parse_uri.__wrapped__ if "@" in uri or len(uri) > 1024 else _parse_uri
    return WebSocketURI(*parse(uri))


@functools.lru_cache(maxsize=64)
def _parse_uri(uri: str) -> tuple[bool, str, int, str, str, str | None, str | None]:
    """Return the parts of a URI."""
    try:
        uri.encode()
    except UnicodeEncodeError:
        raise InvalidURI(uri, "a character can't be encoded") from None
    try:
        parts = urllib.parse.urlsplit(uri)
    except ValueError:
        # Its text repeats the authority, including the password.
        raise InvalidURI(uri, "host isn't valid") from None
    if parts.scheme not in ("ws", "wss"):
        raise InvalidURI(uri, "scheme isn't ws or wss")
    if not parts.hostname:
        raise InvalidURI(uri, "hostname isn't provided")
    # RFC 6455, section 3: fragment identifiers must not be used.
    if parts.fragment:
        raise InvalidURI(uri, "fragment identifier is meaningless")
    secure = parts.scheme == "wss"
    username, password = _parse_user_info(uri, parts)
    return (
        secure,
        _parse_host(uri, parts),
        _parse_port(uri, parts) or (443 if secure else 80),
        _quote(uri, parts.path),
        _quote(uri, parts.query),
        username,
        password,
    )


def _quote(uri: str, part: str) -> str:
    """Percent-encode what must not be sent in a path or a query."""
    if not uri.isascii():
        return urllib.parse.quote(part, _SAFE_IN_IRI)
    # Among ASCII characters, only control characters aren't printable.
    if part.isprintable() and " " not in part:
        return part
    return urllib.parse.quote(part, _SAFE_IN_URI)


def _parse_host(uri: str, parts: urllib.parse.SplitResult) -> str:
    """Return the host name in ASCII, or the IP address."""
    host = parts.hostname
    assert host is not None  # checked by the caller
    if "[" in parts.netloc.rpartition("@")[2]:
        # RFC 6874: the percent sign before a zone identifier is encoded.
        host = host.replace("%25", "%", 1)
        try:
            ipaddress.IPv6Address(host)
        except ValueError as exc:
            raise InvalidURI(uri, "host isn't a valid IPv6 address") from exc
        return host
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError as exc:
            raise InvalidURI(uri, "hostname isn't a valid domain name") from exc
    # After the conversion, because it produces ASCII spaces from others.
    if not host.isprintable() or " " in host:
        raise InvalidURI(uri, "hostname contains a space or a control character")
    return host


def _parse_port(uri: str, parts: urllib.parse.SplitResult) -> int | None:
    """Return the port, if there is one."""
    # Errors don't repeat the port. It may be the start of a password that should have
    # been percent-encoded, and isn't shown.
    try:
        port = parts.port
    except ValueError:
        raise InvalidURI(uri, "port isn't a number from 1 to 65535") from None
    if port == 0:
        raise InvalidURI(uri, "port isn't a number from 1 to 65535")
    return port


def _parse_user_info(
    uri: str,
    parts: urllib.parse.SplitResult,
) -> tuple[str, str] | tuple[None, None]:
    """Return user name and password, decoded, or twice nothing."""
    if parts.username is None:
        return None, None
    if parts.password is None:
        raise InvalidURI(uri, "username provided without password")
    # Bytes that aren't UTF-8 make the round trip to build_authorization_basic().
    username = urllib.parse.unquote(parts.username, errors="surrogateescape")
    password = urllib.parse.unquote(parts.password, errors="surrogateescape")
    # RFC 7617, section 2: there is no way to send it.
    if ":" in username:
        raise InvalidURI(uri, "username contains a colon")
    return username, password
