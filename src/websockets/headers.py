"""
The grammar of the HTTP headers that matter to WebSocket (layer 0).

Owns: parsing and building ``Connection``, ``Upgrade``, ``Sec-WebSocket-Extensions``,
``Sec-WebSocket-Protocol``, ``Host``, and the Basic scheme of ``Authorization`` and
``WWW-Authenticate``. Parsing is strict and takes linear time.
Doesn't know: whether a value is acceptable; that is for the handshake.

A header that is present several times is parsed joined with commas
(:rfc:`9110`, section 5.3), or value by value, as the caller likes.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Sequence

from ._secrets import MASK
from .exceptions import InvalidHeaderFormat, InvalidHeaderValue
from .typing import (
    ConnectionOption,
    ExtensionHeader,
    ExtensionName,
    ExtensionParameter,
    Subprotocol,
    UpgradeProtocol,
)


__all__ = [
    "build_authorization_basic",
    "build_extension",
    "build_host",
    "build_subprotocol",
    "build_www_authenticate_basic",
    "parse_authorization_basic",
    "parse_connection",
    "parse_extension",
    "parse_subprotocol",
    "parse_upgrade",
    "validate_subprotocols",
]

# Quantifiers are possessive: what is taken isn't given back, so matching is linear.

# RFC 9110, section 5.6.2
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]++"

# RFC 9110, section 5.6.4; obs-text is accepted after a backslash only.
_QUOTED_STRING = r'"((?:[\t !#-\[\]-~]|\\[\t -~\x80-\xff])*+)"'

# What follows an item, in group 2 or 3, if anything does, and spaces around it.
# RFC 9110, section 5.6.1: recipients ignore empty items, that is, several commas.
_DELIMITER = r"[ \t]*+(?:([;=])[ \t]*+|(,)[ \t,]*+)?+"

_token = re.compile(_TOKEN)

_token_item = re.compile(f"({_TOKEN}){_DELIMITER}")

_quoted_item = re.compile(f"{_QUOTED_STRING}{_DELIMITER}")

# RFC 9110, section 7.8
_protocol_item = re.compile(f"({_TOKEN}(?:/{_TOKEN})?+){_DELIMITER}")

# RFC 9110, section 11.2
_token68 = re.compile(r"[A-Za-z0-9._~+/-]++=*+")

# What a sender may put between quotes: RFC 9110, section 5.5.
_quotable = re.compile(r"[\t -~\x80-\xff]*+")


# Lists: 1#item in RFC 9110, section 5.6.1


def _start(header: str) -> int:
    """Return the index of the first item: empty items may precede it."""
    return len(header) - len(header.lstrip(", \t")) if header[:1] == "," else 0


def _is_last(name: str, header: str, item: re.Match[str]) -> bool:
    """Tell whether an item ends the list, or raise if no comma follows it."""
    if item.end() == len(header) and item[2] is None:
        return True
    if item[3] is None:
        pos = item.end() if item[2] is None else item.start(2)
        raise InvalidHeaderFormat(name, "expected comma", header, pos)
    return False


def _parse_list(
    name: str,
    header: str,
    pattern: re.Pattern[str] = _token_item,
    expected: str = "expected token",
) -> list[str]:
    """
    Parse a list of simple items.

    Args:
        name: name of the header, for errors.
        header: value of the header.
        pattern: an item, with what follows it.
        expected: the error when there is no item.
    """
    items = []
    pos = _start(header)
    while True:
        item = pattern.match(header, pos)
        if item is None:
            raise InvalidHeaderFormat(name, expected, header, pos)
        items.append(item[1])
        if _is_last(name, header, item):
            return items
        pos = item.end()


def parse_connection(header: str) -> list[ConnectionOption]:
    """
    Parse a ``Connection`` header.

    Args:
        header: value of the header.

    Returns:
        Its items, in order. Compare them without regard to case.

    Raises:
        InvalidHeaderFormat: if the value doesn't follow the grammar.
    """
    # The only value that browsers other than Firefox send is worth a shortcut.
    if header == "Upgrade":
        return [ConnectionOption(header)]
    return [ConnectionOption(item) for item in _parse_list("Connection", header)]


def parse_upgrade(header: str) -> list[UpgradeProtocol]:
    """
    Parse an ``Upgrade`` header.

    Args:
        header: value of the header.

    Returns:
        Its items, in order, like ``"websocket"`` or ``"HTTP/2.0"``. Compare them
        without regard to case.

    Raises:
        InvalidHeaderFormat: if the value doesn't follow the grammar.
    """
    # The only value that makes sense is worth a shortcut.
    if header == "websocket":
        return [UpgradeProtocol(header)]
    items = _parse_list("Upgrade", header, _protocol_item, "expected protocol")
    return [UpgradeProtocol(item) for item in items]


# Extensions and subprotocols


def _parse_token(name: str, header: str, pos: int) -> re.Match[str]:
    """Parse ``token`` and what follows."""
    match = _token_item.match(header, pos)
    if match is None:
        raise InvalidHeaderFormat(name, "expected token", header, pos)
    return match


def _parse_value(name: str, header: str, pos: int) -> tuple[str, re.Match[str]]:
    """Parse ``token | quoted-string`` and what follows."""
    if not header.startswith('"', pos):
        match = _parse_token(name, header, pos)
        return match[1], match
    quoted = _quoted_item.match(header, pos)
    if quoted is None:
        raise InvalidHeaderFormat(name, "expected quoted string", header, pos)
    value = re.sub(r"\\(.)", r"\1", quoted[1])
    # RFC 6455, section 9.1: between the quotes, there must be a token.
    if _token.fullmatch(value) is None:
        raise InvalidHeaderFormat(name, "invalid quoted header content", header, pos)
    return value, quoted


def parse_extension(header: str) -> list[ExtensionHeader]:
    """
    Parse a ``Sec-WebSocket-Extensions`` header (:rfc:`6455`, section 9.1).

    Args:
        header: value of the header.

    Returns:
        Its items, in order: pairs of a name and a list of parameters, which are pairs
        of a name and a value; the value is :obj:`None` when there is none. For
        example, ``permessage-deflate; client_max_window_bits`` gives
        ``[("permessage-deflate", [("client_max_window_bits", None)])]``.

    Raises:
        InvalidHeaderFormat: if the value doesn't follow the grammar.
    """
    # Most connections have this header, and there are few ways to write it.
    parse = _parse_extension if len(header) <= 256 else _parse_extension.__wrapped__
    return [(name, list(parameters)) for name, parameters in parse(header)]


@functools.lru_cache(maxsize=64)
def _parse_extension(
    header: str,
) -> tuple[tuple[ExtensionName, tuple[ExtensionParameter, ...]], ...]:
    """Do the same, with tuples, which nobody can change."""
    name = "Sec-WebSocket-Extensions"
    extensions = []
    pos = _start(header)
    while True:
        match = _parse_token(name, header, pos)
        extension = ExtensionName(match[1])
        parameters: list[ExtensionParameter] = []
        while match[2] == ";":
            match = _parse_token(name, header, match.end())
            parameter, value = match[1], None
            if match[2] == "=":
                value, match = _parse_value(name, header, match.end())
            parameters.append((parameter, value))
        extensions.append((extension, tuple(parameters)))
        if _is_last(name, header, match):
            return tuple(extensions)
        pos = match.end()


def build_extension(extensions: Sequence[ExtensionHeader]) -> str:
    """
    Build a ``Sec-WebSocket-Extensions`` header; reverse of :func:`parse_extension`.

    Args:
        extensions: names with their parameters, in order.
    """
    return ", ".join(
        "; ".join(
            [
                name,
                *(
                    parameter if value is None else f"{parameter}={value}"
                    for parameter, value in parameters
                ),
            ]
        )
        for name, parameters in extensions
    )


def parse_subprotocol(header: str) -> list[Subprotocol]:
    """
    Parse a ``Sec-WebSocket-Protocol`` header (:rfc:`6455`, section 11.3.4).

    Args:
        header: value of the header.

    Returns:
        Its items, in order of preference.

    Raises:
        InvalidHeaderFormat: if the value doesn't follow the grammar.
    """
    return [Subprotocol(item) for item in _parse_list("Sec-WebSocket-Protocol", header)]


def build_subprotocol(subprotocols: Sequence[Subprotocol]) -> str:
    """
    Build a ``Sec-WebSocket-Protocol`` header; reverse of :func:`parse_subprotocol`.

    Args:
        subprotocols: names, in order of preference.
    """
    return ", ".join(subprotocols)


def validate_subprotocols(subprotocols: Sequence[Subprotocol]) -> None:
    """
    Check the ``subprotocols`` argument that a program gave.

    Args:
        subprotocols: names, in order of preference.

    Raises:
        TypeError: if it isn't a list or tuple of :class:`str`; a single name is the
            usual mistake.
        ValueError: if a name isn't a token (:rfc:`9110`, section 5.6.2).
    """
    if not isinstance(subprotocols, Sequence) or isinstance(subprotocols, bytes):
        raise TypeError("subprotocols must be a list")
    if isinstance(subprotocols, str):
        raise TypeError("subprotocols must be a list, not a str")
    for subprotocol in subprotocols:
        if not isinstance(subprotocol, str):
            raise TypeError(
                f"subprotocol must be a str, not {type(subprotocol).__name__}"
            )
        if _token.fullmatch(subprotocol) is None:
            raise ValueError(f"invalid subprotocol: {subprotocol}")


# Names of 10.0, which cost nothing.
parse_extension_list = parse_extension
build_extension_list = build_extension
parse_subprotocol_list = parse_subprotocol
build_subprotocol_list = build_subprotocol


# Host


def build_host(
    host: str,
    port: int,
    secure: bool,
    *,
    always_include_port: bool = False,
) -> str:
    """
    Build a ``Host`` header (:rfc:`9110`, section 7.2).

    Args:
        host: host name or IP address. IPv6 addresses are put in brackets, without
            their zone, which means something on this machine only (:rfc:`6874`).
        port: TCP port.
        secure: whether the connection uses TLS.
        always_include_port: include the port even if it is the default one, as
            CONNECT requests need.

    Raises:
        ValueError: if the host contains a space, a control character or a non-ASCII
            character.
    """
    if not (host.isascii() and host.isprintable()) or " " in host:
        raise ValueError(f"invalid host: {host!r}")
    if ":" in host and not host.startswith("["):
        host = f"[{host.partition('%')[0]}]"
    if always_include_port or port != (443 if secure else 80):
        return f"{host}:{port}"
    return host


# Authentication


def build_www_authenticate_basic(realm: str) -> str:
    """
    Build a ``WWW-Authenticate`` header for the Basic scheme (:rfc:`7617`).

    Args:
        realm: what browsers may show when they ask for a password.

    Raises:
        ValueError: if the realm contains characters that can't be sent.
    """
    if _quotable.fullmatch(realm) is None:
        raise ValueError("invalid characters for quoted-string encoding")
    quoted = realm.replace("\\", "\\\\").replace('"', '\\"')
    return f'Basic realm="{quoted}", charset="UTF-8"'


def parse_authorization_basic(header: str) -> tuple[str, str]:
    """
    Parse an ``Authorization`` header for the Basic scheme (:rfc:`7617`).

    Args:
        header: value of the header.

    Returns:
        User name and password. Bytes that aren't UTF-8 become surrogate escapes, so
        that credentials in another encoding can be compared.

    Raises:
        InvalidHeaderFormat: if the value doesn't follow the grammar; the exception
            doesn't show it.
        InvalidHeaderValue: if the scheme isn't Basic, or the credentials aren't what
            this scheme needs.
    """
    name = "Authorization"
    shown = MASK if header else ""  # the value is a secret
    scheme = _token.match(header)
    if scheme is None:
        raise InvalidHeaderFormat(name, "expected token", shown, 0)
    pos = scheme.end()
    separated = header.startswith(" ", pos)
    # A token alone may well be a password rather than a scheme: don't show it.
    if separated and scheme[0].lower() != "basic":
        raise InvalidHeaderValue(name, f"unsupported scheme: {scheme[0]}")
    if not separated:
        raise InvalidHeaderFormat(name, "expected space after scheme", shown, pos)
    credentials = _token68.match(header, pos + 1)
    if credentials is None:
        raise InvalidHeaderFormat(name, "expected token68", shown, pos + 1)
    if credentials.end() != len(header):
        raise InvalidHeaderFormat(name, "trailing data", shown, credentials.end())
    try:
        decoded = base64.b64decode(credentials[0], validate=True)
    except binascii.Error:
        raise InvalidHeaderValue(name, "expected base64-encoded credentials") from None
    # RFC 7617, section 2: the user name can't contain a colon; the password can.
    username, colon, password = decoded.decode(errors="surrogateescape").partition(":")
    if not colon:
        raise InvalidHeaderValue(name, "expected username:password credentials")
    return username, password


def build_authorization_basic(username: str, password: str) -> str:
    """
    Build an ``Authorization`` header for the Basic scheme (:rfc:`7617`).

    Args:
        username: user name; it must not contain a colon.
        password: password. Both are sent in UTF-8; surrogate escapes are sent as the
            bytes that they stand for.

    Raises:
        ValueError: if the user name contains a colon.
    """
    if ":" in username:
        raise ValueError("username must not contain a colon")
    credentials = f"{username}:{password}".encode(errors="surrogateescape")
    return "Basic " + base64.b64encode(credentials).decode()
