"""
The face for :mod:`asyncio`: clients, servers and their connections.

This package only makes its modules reachable, and imports them when they are used:
``import websockets`` is enough for ``websockets.asyncio.client.connect()``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    # The same modules as below, for readers that don't run the code.
    from . import client as client
    from . import connection as connection
    from . import server as server

_SUBMODULES = frozenset({"client", "connection", "server"})


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES})
