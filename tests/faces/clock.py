"""An event loop whose clock jumps: hours of keepalive take no time to test.

Stands for the passage of time, and for nothing else: sockets, transports and callbacks are
asyncio's own. When nothing is ready, the clock moves to the next timer at once.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import Any


class JumpingSelector(selectors.DefaultSelector):
    """A selector that doesn't wait: it lets the clock jump instead."""

    def __init__(self) -> None:
        super().__init__()
        self.jumped = 0.0

    def select(self, timeout: float | None = None) -> Any:
        # Loopback delivers at once, so whatever was sent is ready now.
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        if timeout is None:
            # No timer runs: only another thread or the kernel can wake the loop.
            return super().select(5)
        self.jumped += timeout
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """asyncio's loop, with a clock that jumps."""

    def __init__(self) -> None:
        self.selector = JumpingSelector()
        super().__init__(self.selector)

    def time(self) -> float:
        return super().time() + self.selector.jumped
