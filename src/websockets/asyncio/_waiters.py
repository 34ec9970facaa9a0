"""Waiting for a condition that many tasks may wait for, without losing a wake-up.

Owns: what one waits for; the futures of those who wait.
Doesn't know: the condition. Waits are loops: wait, then look again.
"""

from __future__ import annotations

import asyncio

from ._native import choose_waiter


__all__ = ["Waiters", "fire", "new_waiter"]

Waiter = choose_waiter()


def new_waiter(loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    """Return something to wait for, which :func:`fire` is quick with."""
    if Waiter is None or loop.get_debug():
        return loop.create_future()
    return Waiter(loop)


def fire(waiter: asyncio.Future[None]) -> None:
    """
    Run the task that waits, at once if it can be.

    That is for what the loop calls: who calls goes on when that task waits again.
    """
    if Waiter is not None and type(waiter) is Waiter:
        waiter.fire()
    elif not waiter.done():
        waiter.set_result(None)


class Waiters:
    """Tasks that wait for the same thing, woken together, in order."""

    __slots__ = ("_futures",)

    def __init__(self) -> None:
        self._futures: list[asyncio.Future[None]] | None = None

    async def wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for the next :meth:`wake`. Cancelling concerns only the caller."""
        future = new_waiter(loop)
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

    def fire(self) -> None:
        """Do it at once: see the function."""
        if self._futures is not None:
            futures, self._futures = self._futures, None
            try:
                for future in futures:
                    fire(future)
            except BaseException:
                # A task stops the loop. Others have their turn when it runs again.
                self._futures = futures
                self.wake()
                raise
