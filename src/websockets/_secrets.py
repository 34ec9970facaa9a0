"""
What must not be shown: credentials in URLs and in HTTP headers (layer 0).

Owns: the rule for what is a secret, and how it looks once masked.
Every ``repr``, exception text and log line that holds a URL or a header from outside
passes through here. Masking twice changes nothing, so it may be done early.
"""

from __future__ import annotations


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


def mask_url(url: str) -> str:
    """
    Return a URL, however malformed, with its user information replaced by ``***``.

    The user name is hidden too: services take access tokens there. A password that
    holds an unescaped ``/``, ``?`` or ``#`` ends the authority too early for a
    parser; what precedes the last ``@`` is hidden then.
    """
    if "@" not in url:
        return url
    scheme, slashes, rest = url.partition("//")
    if not slashes:
        # Without slashes there is no telling where a password might end.
        return MASK + url[url.rindex("@") :]
    authority = min((i for i in map(rest.find, "/?#") if i >= 0), default=len(rest))
    end = rest.rfind("@", 0, authority)
    if end < 0:
        # No user information, according to the grammar. A host name is followed by
        # nothing or by a numeric port; otherwise, it's the start of a password.
        _, colon, port = rest[:authority].rpartition(":")
        if not colon or "[" in rest[:authority] or _is_port(port):
            return url
        end = rest.rindex("@")
    return f"{scheme}//{MASK}{rest[end:]}"


def _is_port(text: str) -> bool:
    """Tell whether this can follow the colon after a host name."""
    return not text or (text.isascii() and text.isdigit() and int(text[:6]) < 65536)
