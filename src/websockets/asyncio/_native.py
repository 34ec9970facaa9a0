"""The asyncio face's choice between native code and its Python twin.

Owns: who implements the base class of connections, and their hot methods.
Doesn't know: what they do.

The choice follows that of ``_codec``. ``WEBSOCKETS_DIRECT_WAKE=0`` in the environment lets
tasks run in the next turn of the event loop, as with futures, instead of at once when
their message has arrived.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, cast

from .._codec import NATIVE
from .._messages import Messages
from .._session import Session
from ..protocol import OPEN, Protocol
from . import _hot, _waiting
from ._output import Output
from ._waiting import DONE


if TYPE_CHECKING:
    from ..speedups import Poller, SocketTransport, TimerFd, TlsTransport, Waiter


__all__ = [
    "DIRECT_WAKE",
    "Hot",
    "ReadBuffer",
    "choose_waiter",
    "classes",
    "install",
    "native_broadcast",
    "native_timer",
    "native_transports",
]

DIRECT_WAKE = os.environ.get("WEBSOCKETS_DIRECT_WAKE", "") != "0"

# Methods that have a native form.
METHODS = ("recv", "__anext__", "send")


def classes(native: bool) -> Any:
    """Return the classes ``Hot`` and ``ReadBuffer`` of one implementation."""
    if not native:
        return _hot.Hot, _hot.ReadBuffer
    from .. import speedups

    speedups.bind(
        Session,
        Messages,
        Output,
        Protocol,
        asyncio.current_task,
        asyncio.CancelledError,
        asyncio.InvalidStateError,
        OPEN,
        DONE,
        asyncio.Task,
    )
    return speedups.Hot, speedups.ReadBuffer


def install(cls: type, native: bool) -> None:
    """Give a class of connections the native form of its hot methods."""
    if native:
        from ..speedups import Method

        for name in METHODS:
            setattr(cls, name, Method(name, vars(cls)[name]))


def native_transports() -> (
    tuple[type[SocketTransport], type[Poller], type[TlsTransport]] | None
):
    """Return the types of transports that do their own input and output, if there are."""
    if not NATIVE:
        return None
    try:
        from ..speedups import load_transports
    except ImportError:  # on Windows
        return None
    return load_transports()


def native_timer() -> type[TimerFd] | None:
    """Return the type of the system's timers behind a descriptor, if it has them."""
    if not NATIVE:
        return None
    try:
        from ..speedups import TimerFd
    except ImportError:  # on other systems than Linux
        return None
    return TimerFd


def choose_waiter() -> type[Waiter] | None:
    """Return what tasks that are run at once wait for, if they may be."""
    if not DIRECT_WAKE:
        return None
    if not NATIVE:
        # It has what tasks and the library use of a future.
        return cast("type[Waiter]", _waiting.Waiter)
    from ..speedups import Waiter

    return Waiter


def native_broadcast() -> tuple[Any, Any] | None:
    """Return the native loops of a broadcast, ``distribute`` and ``deliver``."""
    if not NATIVE:
        return None
    from ..speedups import deliver, distribute

    return distribute, deliver


if TYPE_CHECKING:
    from ._hot import Hot, ReadBuffer
else:
    Hot, ReadBuffer = classes(NATIVE)
