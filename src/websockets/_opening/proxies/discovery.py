"""Which proxy the environment, or else the operating system, wants to be used.

Owns: the names of the variables and their order.
Doesn't know: how to use a proxy, nor the syntax of ``no_proxy``.

For ``wss://``: ``wss_proxy``, ``socks_proxy``, ``https_proxy``, ``all_proxy``. For
``ws://``: ``ws_proxy``, ``socks_proxy``, ``https_proxy``, ``http_proxy``,
``all_proxy``. Each in lower case, then in upper case; an empty variable counts as
unset. CONNECT suits WebSocket whatever the scheme, which is why ``https_proxy`` serves
both (RFC 6455 section 4.1 asks for it: "preferably HTTPS").
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .no_proxy import bypasses


__all__ = ["discover_proxy", "find_proxy", "is_exempt"]

WS_ORDER = ("ws", "socks", "https", "http", "all")
WSS_ORDER = ("wss", "socks", "https", "all")


class System(NamedTuple):
    """The settings of an operating system."""

    #: Return proxy URLs by scheme.
    proxies: Callable[[], Mapping[str, str]]
    #: Tell whether a host is reached directly.
    bypass: Callable[[str], object]


def discover_proxy(
    secure: bool, host: str, port: int, no_proxy: str | None = None
) -> str | None:
    """
    Return the URL of the proxy to use for a WebSocket URI now.

    Args:
        secure: Whether the URI is ``wss://``.
        host: Host of the URI, IPv6 without brackets.
        port: Port of the URI.
        no_proxy: Hosts that need no proxy, instead of the environment's.

    Returns:
        The URL, with a scheme, or :obj:`None` for a direct connection.
    """
    system = system_settings(sys.platform)
    if system is None and are_unset(os.environ):
        return None
    return find_proxy(secure, host, port, os.environ, system, no_proxy)


def are_unset(environ: Mapping[str, str]) -> bool:
    """
    Tell whether no variable with a proxy is set, if there's a quick way to know.

    Looking up one that isn't there raises an exception inside of it, and there are many,
    of which most programs have none.
    """
    # What is inside of os.environ, in every version of Python 3.
    data = getattr(environ, "_data", None)
    encode = getattr(environ, "encodekey", None)
    if not isinstance(data, dict) or encode is None:
        return False
    return data.keys().isdisjoint(encoded_names(encode))


@functools.lru_cache(maxsize=1)
def encoded_names(encode: Callable[[str], str | bytes]) -> frozenset[str | bytes]:
    """Return the names of all variables with a proxy, as they are in there."""
    names = [f"{name}_proxy" for name in {*WS_ORDER, *WSS_ORDER}]
    return frozenset(map(encode, [*names, *map(str.upper, names)]))


def find_proxy(
    secure: bool,
    host: str,
    port: int,
    environ: Mapping[str, str],
    system: System | None,
    no_proxy: str | None = None,
) -> str | None:
    """Decide like :func:`discover_proxy`, from settings that are given."""
    order = WSS_ORDER if secure else WS_ORDER
    url = choose(order, lambda name: variable(environ, f"{name}_proxy"))
    if url is None and system is not None:
        url = choose(order, system.proxies().get)
        if url is not None and system.bypass(host):
            return None
    # no_proxy rules over the system's settings too: it can be set for one program.
    if url is None or is_exempt(host, port, no_proxy, environ):
        return None
    return url


def is_exempt(
    host: str,
    port: int,
    no_proxy: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> bool:
    """
    Tell whether a host needs no proxy, unless the user names one.

    Args:
        host: Host, IPv6 without brackets.
        port: Port.
        no_proxy: The rules; :obj:`None` means those of the environment.
        environ: The environment.
    """
    if no_proxy is None:
        no_proxy = variable(environ, "no_proxy") or ""
    return bypasses(no_proxy, host, port)


def choose(order: tuple[str, ...], get: Callable[[str], str | None]) -> str | None:
    """Return the first proxy that's set, with a scheme."""
    for name in order:
        value = (get(name) or "").strip()
        if value:
            return with_scheme(name, value)
    return None


def with_scheme(name: str, value: str) -> str:
    """Return the value of a setting as a URL."""
    scheme, separator, rest = value.partition("://")
    if not separator:
        scheme, rest = "http", value
    # Systems and tools give a SOCKS proxy as host:port, or say http:// or socks://.
    # Names are resolved by the proxy, which may know more of them.
    if scheme.lower() == "socks" or (name == "socks" and scheme.lower() == "http"):
        scheme = "socks5h"
    return f"{scheme}://{rest}"


def variable(environ: Mapping[str, str], name: str) -> str | None:
    """Return a variable, in lower case or else in upper case; empty is unset."""
    value = environ.get(name, "").strip()
    if value:
        return value
    # In a CGI program, HTTP_PROXY is what the client sent as a "Proxy" header, not a
    # setting: CVE-2016-1000110.
    if name == "http_proxy" and "REQUEST_METHOD" in environ:
        return None
    return environ.get(name.upper(), "").strip() or None


def system_settings(platform: str) -> System | None:
    """Return access to the settings of Windows or macOS; others have none."""
    suffix = {"darwin": "macosx_sysconf", "win32": "registry"}.get(platform)
    if suffix is None:
        return None
    # Imported late: it imports a lot, and only these systems need it. Its functions
    # that look at the environment first aren't used: a lone NO_PROXY would make them
    # forget the system's settings.
    request = importlib.import_module("urllib.request")
    return System(
        getattr(request, f"getproxies_{suffix}"),
        getattr(request, f"proxy_bypass_{suffix}"),
    )
