"""
One module per way of programming: what a program of its users would look like.

Owns: which library and which loop a name stands for. Doesn't know: what is measured.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from .base import Adapter


def adapter_of(library: str) -> Adapter:
    """Import a library and what calls it. No process has more than one."""
    if library == "picows":
        from .callbacks import Callbacks

        return Callbacks()
    if library == "aiohttp":
        from .aiohttp_api import Aiohttp

        return Aiohttp()
    if library == "raw":
        from .raw_tcp import RawTcp

        return RawTcp()
    from .coroutines import Coroutines

    if library == "websockets-python":
        # Its optional extension is not found, as on machines without compiler.
        sys.modules["websockets.speedups"] = None  # type: ignore[assignment]
    return Coroutines("picows.websockets" if library == "picows-ws" else "websockets")


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the loop; :obj:`None` for asyncio's own."""
    if name == "asyncio":
        return None
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
