"""Waiting for a condition that many tasks may wait for, without losing a wake-up.

Owns: the futures of those who wait.
Doesn't know: the condition. Waits are loops: wait, then look again.
"""

from __future__ import annotations

import asyncio


__all__ = ["Waiters"]


class Waiters:
    """Tasks that wait for the same thing, woken together, in order."""

    __slots__ = ("_futures",)

    def __init__(self) -> None:
        self._futures: list[asyncio.Future[None]] | None = None

    async def wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for the next :meth:`wake`. Cancelling concerns only the caller."""
        future: asyncio.Future[None] = loop.create_future()
        if self._futures is None:
            self._futures = []
        self._futures.append(future)
        try:
            await future
        finally:
            if self._futures is not None and future in self._futures:
                self._futures.remove(future)

    def wake(self) -> None:
        """Wake everybody who waits."""
        if self._futures is not None:
            futures, self._futures = self._futures, None
            for future in futures:
                if not future.done():
                    future.set_result(None)
