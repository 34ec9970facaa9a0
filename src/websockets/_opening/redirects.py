"""Which redirects are followed.

Owns: the rules, as functions of URIs and responses.
Doesn't know: how to connect. RFC 6455 section 4.1 lets a client follow redirects;
what's allowed and what isn't is our choice:

* 300, 301, 302, 303, 307 and 308 with one ``Location`` are redirects;
* ``http://`` and ``https://`` stand for ``ws://`` and ``wss://``;
* ``wss://`` never leads to ``ws://``;
* credentials stay with their origin: scheme, host and port.
"""

from __future__ import annotations

import os
import urllib.parse

from .._secrets import mask_url
from ..exceptions import InvalidStatus, InvalidURI, SecurityError
from ..uri import WebSocketURI, parse_uri


__all__ = ["MAX_REDIRECTS", "resolve_redirect", "same_origin"]

#: Redirects that are followed at most; an environment variable, read at import time.
MAX_REDIRECTS = int(os.environ.get("WEBSOCKETS_MAX_REDIRECTS", "10"))

REDIRECT_CODES = frozenset({300, 301, 302, 303, 307, 308})

SCHEMES = {"http": "ws", "https": "wss"}


def resolve_redirect(
    exc: Exception,
    uri: str,
    *,
    preexisting: bool = False,
    unix: bool = False,
    explicit: bool = False,
) -> Exception | str:
    """
    Tell what to do when the handshake failed.

    Args:
        exc: Why it failed.
        uri: URI that was tried.
        preexisting: Whether the connection was made by the user.
        unix: Whether it's a Unix socket.
        explicit: Whether the user chose the host or port to connect to.

    Returns:
        The URI to connect to, or the exception to raise: ``exc`` itself when it isn't
        a redirect; :exc:`~websockets.exceptions.InvalidURI`,
        :exc:`~websockets.exceptions.SecurityError`, or :exc:`ValueError` when it's
        a redirect that can't be followed.
    """
    location = redirect_location(exc)
    if location is None:
        return exc
    try:
        new_uri = websocket_uri(urllib.parse.urljoin(uri, location))
        new = parse_uri(new_uri)
    except InvalidURI as invalid:
        return invalid
    except ValueError:  # by urllib; its text may repeat credentials
        return InvalidURI(location, "host isn't valid")

    shown = mask_url(new_uri)
    if preexisting:
        return ValueError(
            f"cannot follow redirect to {shown} with a preexisting socket"
        )
    old = parse_uri(uri)
    if old.secure and not new.secure:
        return SecurityError(f"cannot follow redirect to non-secure URI {shown}")
    if not same_origin(old, new):
        if unix:
            return ValueError(
                f"cannot follow cross-origin redirect to {shown} with a Unix socket"
            )
        if explicit:
            return ValueError(
                f"cannot follow cross-origin redirect to {shown} "
                f"with an explicit host or port"
            )
    return new_uri


def redirect_location(exc: Exception) -> str | None:
    """Return where a response redirects to, or :obj:`None` if it doesn't."""
    if not isinstance(exc, InvalidStatus):
        return None
    if exc.response.status_code not in REDIRECT_CODES:
        return None
    locations = exc.response.headers.get_all("Location")
    # Two of them: one was injected, perhaps.
    return locations[0] if len(locations) == 1 else None


def websocket_uri(uri: str) -> str:
    """Return a URI with ``ws`` for ``http`` and ``wss`` for ``https``."""
    scheme, colon, rest = uri.partition(":")
    return SCHEMES.get(scheme.lower(), scheme) + colon + rest


def same_origin(a: WebSocketURI, b: WebSocketURI) -> bool:
    """Tell whether two URIs have the same scheme, host and port (RFC 6454)."""
    return (a.secure, a.host, a.port) == (b.secure, b.host, b.port)
