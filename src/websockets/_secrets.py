"""
What must not be shown: credentials in URLs and in HTTP headers (layer 0).

Owns: the rule for what is a secret, and how it looks once masked.
Every ``repr``, exception text and log line that holds a URL or a header from outside
passes through here. Masking twice changes nothing, so it may be done early.
"""

from __future__ import annotations

import re


__all__ = ["MASK", "SECRET_HEADERS", "mask_header", "mask_url"]

MASK = "***"

# In lower case. Set-Cookie is the same secret as Cookie, on its way to the client.
SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie"}
)


def mask_header(name: str, value: str) -> str:
    """
    Return the value of a header, fit for being shown.

    Args:
        name: name of the header, in any case.
        value: value of the header.
    """
    return MASK if value and name.lower() in SECRET_HEADERS else value


_scheme = re.compile(r"(?:[A-Za-z0-9+.-]+:)?")

# A host name or an IPv6 address, and perhaps a port.
_host_and_port = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]{0,5})?")


def mask_url(url: str, *, has_path: bool = True) -> str:
    """
    Return a URL, however malformed, with its user information replaced by ``***``.

    The user name is hidden too: services take access tokens there. A password that
    holds an unescaped ``/``, ``?`` or ``#`` ends the authority too early for a
    parser; what precedes the last ``@`` is hidden when that may have happened.

    Args:
        url: the URL.
        has_path: whether the URL may have a path or a query, which may contain ``@``.
            The URL of a proxy has none.
    """
    if "@" not in url:
        return url
    scheme, slashes, rest = url.partition("//")
    if not slashes or _scheme.fullmatch(scheme) is None:
        # There is no telling where a password might begin and end.
        return MASK + url[url.rindex("@") :]
    end = rest.rindex("@")
    if has_path:
        authority = re.split("[/?#]", rest, maxsplit=1)[0]
        if "@" in authority:
            end = authority.rindex("@")
        elif _host_and_port.fullmatch(authority):
            return url
    return f"{scheme}//{MASK}{rest[end:]}"
