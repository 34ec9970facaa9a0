"""What the log shows of a dialogue with an HTTP proxy.

Owns: which parts of requests and responses are secrets.
Doesn't know: loggers.
"""

from __future__ import annotations

import re

from ..._secrets import MASK, mask_header
from ...http11 import Response
from .dialogue import Trace


__all__ = ["request_trace", "response_trace"]

# Of the headers that a proxy gets, the values that can't hold a secret. Any header of a
# user may be a token, whatever its name.
SHOWN = frozenset({"host", "user-agent", "proxy-connection", "connection"})

# What a proxy says in the middle of an exchange: data of a scheme, not a parameter.
TOKEN = re.compile(r"(?i)\b(negotiate|ntlm|kerberos)[ \t]+[^\s,]+")


def request_trace(request: bytes) -> Trace:
    """Return what to log of a CONNECT request."""
    first_line, *fields = request.decode("iso-8859-1").rstrip().split("\r\n")
    lines = [f"> {first_line}"]
    for name, _, value in (field.partition(": ") for field in fields):
        lines.append(f"> {name}: {value if name.lower() in SHOWN else MASK}")
    return Trace(tuple(lines))


def response_trace(response: Response) -> Trace:
    """Return what to log of the status line and headers of a response."""
    lines = [f"< HTTP/1.1 {response.status_code} {response.reason_phrase}"]
    for name, value in response.headers.raw_items():
        if name.lower() in {"proxy-authenticate", "proxy-authentication-info"}:
            value = TOKEN.sub(rf"\1 {MASK}", value)
        lines.append(f"< {name}: {mask_header(name, value)}")
    return Trace(tuple(lines))
