"""Which connections do their own input and output, past asyncio's transports.

Owns: that choice; the way back, from a socket of ours to a transport of the loop.
Doesn't know: how sockets are connected (see ``_connecting``) or accepted (``_listening``).

It's for loops whose ``add_reader()`` is known to do: asyncio's selector loops and uvloop.
Somebody who overrides the methods that make transports wants to have them called. The
environment variable ``WEBSOCKETS_TRANSPORT`` set to ``asyncio`` turns it off.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING, Any, TypeVar

from ._native import native_timer, native_transports


if TYPE_CHECKING:
    from ..speedups import Poller, SocketTransport, TimerFd, TlsTransport


__all__ = [
    "direct_poller",
    "direct_timer",
    "direct_tls",
    "direct_transport",
    "is_direct",
    "is_plain",
    "is_socket",
    "method_for",
    "over_socket",
]

P = TypeVar("P", bound=asyncio.BaseProtocol)

# Where known loops have their methods from.
KNOWN = frozenset(
    {
        "asyncio.base_events",
        "asyncio.selector_events",
        "asyncio.unix_events",
        "uvloop.loop",
    }
)


def wanted(choice: str) -> bool:
    """
    Tell whether the environment lets connections do their own input and output.

    Raises:
        ValueError: There's no such choice.
    """
    if choice not in {"", "asyncio", "direct"}:
        raise ValueError(
            f"WEBSOCKETS_TRANSPORT must be asyncio or direct, not {choice!r}"
        )
    return choice != "asyncio"


transports, timer = (
    (native_transports(), native_timer())
    if wanted(os.environ.get("WEBSOCKETS_TRANSPORT", ""))
    else (None, None)
)


# What suitable classes of loops have for these methods: found out once.
suitable: dict[tuple[type, str], Any] = {}


def suits(loop: asyncio.AbstractEventLoop, method: str) -> bool:
    """Tell whether a loop has ``add_reader()``, and its own method."""
    cls = type(loop)
    found: Any = getattr(cls, method, None)
    if found is None:
        return False
    if suitable.get((cls, method)) is not found:
        if not class_suits(cls, found):
            return False
        suitable[cls, method] = found
    # Looking into the loop's __dict__ would make CPython 3.11 and 3.12 create it, and
    # every turn of the loop slower from then on.
    return bool(getattr(loop, method) == found.__get__(loop))


def class_suits(loop_type: type, function: Any) -> bool:
    """Tell the same of a class of loops, and what it has for the method."""
    known = issubclass(loop_type, asyncio.SelectorEventLoop) or any(
        cls.__module__.partition(".")[0] == "uvloop" for cls in loop_type.__mro__
    )
    return known and origin(function) in KNOWN


def origin(function: Any) -> Any:
    """Return the name of the module that a function comes from, whatever it says itself."""
    namespace = getattr(function, "__globals__", None)
    if namespace is not None:
        return namespace.get("__name__")
    # Methods of some extensions have no other sign.
    return getattr(getattr(function, "__objclass__", None), "__module__", None)


def direct_transport(
    loop: asyncio.AbstractEventLoop, method: str
) -> type[SocketTransport] | None:
    """Return what to use instead of a method of the loop; :obj:`None`: use that."""
    if transports is None or not suits(loop, method):
        return None
    return transports[0]


def direct_poller(loop: asyncio.AbstractEventLoop, method: str) -> Poller | None:
    """Return what accepts connections instead of a method of the loop, or None."""
    if transports is None or not suits(loop, method):
        return None
    return transports[1](loop)


def direct_tls(loop: asyncio.AbstractEventLoop) -> type[TlsTransport] | None:
    """Return what runs TLS over transports of ours instead of the loop, or None."""
    if transports is None or not suits(loop, "start_tls"):
        return None
    return transports[2]


def direct_timer(loop: asyncio.AbstractEventLoop) -> type[TimerFd] | None:
    """Return timers that the loop can watch instead of having its own, or None."""
    if timer is None or not suits(loop, "add_reader"):
        return None
    return timer


def is_direct(transport: asyncio.BaseTransport) -> bool:
    """Tell whether a transport is one of ours."""
    return transports is not None and isinstance(
        transport, (transports[0], transports[2])
    )


def is_socket(transport: asyncio.BaseTransport) -> bool:
    """
    Tell whether a transport is one of ours over a socket.

    TLS and asyncio's transports may have more to do when they have called a protocol.
    """
    return transports is not None and type(transport) is transports[0]


def method_for(sock: Any) -> str:
    """Return the name of the loop's method that makes a transport over a socket."""
    if sock.family == getattr(socket, "AF_UNIX", None):
        return "create_unix_connection"
    return "create_connection"


def is_plain(sock: Any) -> bool:
    """Tell whether it's enough to know a socket's descriptor."""
    known = {socket.AF_INET, socket.AF_INET6, getattr(socket, "AF_UNIX", None)}
    return (
        # Methods of a subclass would have to be called.
        type(sock) is socket.socket
        and sock.family in known
        and sock.type == socket.SOCK_STREAM
    )


def over_socket(
    make: type[SocketTransport],
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    protocol: P,
) -> P:
    """Start a protocol over a connected socket, which is closed if that fails."""
    try:
        make(loop, sock).start(protocol)
    except BaseException:
        sock.close()
        raise
    return protocol
