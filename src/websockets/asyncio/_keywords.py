"""Keyword arguments that go to the event loop, and those of former versions.

Owns: which names are known, what older ones mean today, the error for the others.
Doesn't know: what the arguments do.
"""

from __future__ import annotations

import difflib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any


__all__ = [
    "CLIENT_TCP",
    "ROUTE",
    "SERVER_LISTENING",
    "TLS",
    "check_names",
    "current_arguments",
    "take",
    "take_prefixed",
]

#: Arguments of :meth:`asyncio.loop.create_connection` about TCP.
CLIENT_TCP = frozenset(
    {
        "all_errors",
        "family",
        "flags",
        "happy_eyeballs_delay",
        "interleave",
        "local_addr",
        "proto",
    }
)

#: Arguments that are settings of the ceremony under the same name.
ROUTE = frozenset(
    {
        "host",
        "path",
        "port",
        "proxy_server_hostname",
        "proxy_ssl",
        "server_hostname",
        "sock",
        "ssl",
        "unix",
    }
)

#: Arguments about TLS.
TLS = frozenset({"ssl_handshake_timeout", "ssl_shutdown_timeout"})

#: Arguments of :meth:`asyncio.loop.create_server` and ``create_unix_server``.
SERVER_LISTENING = frozenset(
    {
        "backlog",
        "cleanup_socket",
        "family",
        "flags",
        "keep_alive",
        "reuse_address",
        "reuse_port",
        "sock",
        "start_serving",
    }
)

# Arguments that were renamed before version 14.
RENAMED = {
    "extra_headers": "additional_headers",
    "timeout": "close_timeout",
}

# Arguments without a meaning today: why they aren't missed.
OBSOLETE = {
    "loop": "the running event loop is used",
    "read_limit": "max_queue and max_size limit what is read",
}

# Arguments whose values mean something else today.
REPLACED = {
    "create_protocol": "create_connection",
    "klass": "create_connection",
}


def current_arguments(
    kwargs: Mapping[str, Any], renamed: Iterable[str]
) -> dict[str, Any]:
    """
    Return keyword arguments under the names they have today.

    Each older one causes one :exc:`DeprecationWarning`.

    Args:
        kwargs: What the user gave, besides named parameters.
        renamed: Older names that the function understands.
    """
    current: dict[str, Any] = {}
    for name, value in kwargs.items():
        if name in OBSOLETE:
            deprecated(f"{name} is deprecated and ignored: {OBSOLETE[name]}")
        elif name in renamed:
            deprecated(f"{name} is deprecated; use {RENAMED[name]}")
            current[RENAMED[name]] = value
        else:
            current[name] = value
    return current


def deprecated(message: str) -> None:
    """Warn the first caller outside of this library."""
    level = 1
    frame = sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(
        "websockets."
    ):
        frame = frame.f_back
        level += 1
    warnings.warn(message, DeprecationWarning, stacklevel=level)


def take(kwargs: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Remove some keyword arguments, and return those that were there."""
    return {name: kwargs.pop(name) for name in names if name in kwargs}


def take_prefixed(kwargs: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Remove the arguments about TLS with a prefix, and return them without it."""
    return {
        name: kwargs.pop(prefix + name)
        for name in sorted(TLS)
        if prefix + name in kwargs
    }


def check_names(
    function: Callable[..., Any],
    kwargs: Mapping[str, Any],
    known: Iterable[str],
) -> None:
    """
    Refuse keyword arguments that nobody knows.

    Args:
        function: What was called; its parameters are candidates for what was meant.
        kwargs: What is left of the arguments.
        known: More candidates.

    Raises:
        TypeError: There's one; the text names it, and the name that was meant.
    """
    for name in kwargs:
        text = f"{function.__name__}() got an unexpected keyword argument {name!r}"
        candidates = [
            parameter
            for parameter in inspect.signature(function).parameters
            if parameter != "kwargs"
        ]
        meant = difflib.get_close_matches(name, [*candidates, *known], 1)
        if name in REPLACED:
            meant = [REPLACED[name]]
        if meant:
            text += f"; did you mean {meant[0]!r}?"
        raise TypeError(text)
