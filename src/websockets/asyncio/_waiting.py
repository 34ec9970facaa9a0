"""What a task waits for that is to be run at once: the Python twin.

Owns: the part of a future that tasks use; running a task from a callback of the loop.
Doesn't know: what the task waits for.

A future would have the loop run the task in its next turn, which is a sixth of the time
of a round trip of 256 bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any, TypeAlias


__all__ = ["DONE", "Waiter"]

# Tasks give this, to be called with what is done.
Wakeup: TypeAlias = Callable[[Any], object]


class NoLoop:
    """The loop of a future that nobody will ever wait for."""

    def get_debug(self) -> bool:
        return False


def done_future() -> asyncio.Future[None]:
    """Return a future that is done, which belongs to no loop and serves all of them."""
    loop = NoLoop()
    future: asyncio.Future[None]
    future = asyncio.Future(loop=loop)  # type: ignore[arg-type]  # it needs none
    future.set_result(None)
    return future


# Tasks ask what they are woken with for its result, and real futures fastest.
DONE = done_future()


class Waiter:
    """
    What one task waits for, like a future; :meth:`fire` runs it at once.

    Args:
        loop: event loop of the task.

    """

    _context: Context | None
    _message: tuple[object, ...]

    __slots__ = (
        "_asyncio_future_blocking",
        "_cancelled",
        "_context",
        "_done",
        "_loop",
        "_message",
        "_wakeup",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # The first is what tasks know a future by.
        self._asyncio_future_blocking = self._done = self._cancelled = False
        # Set together with the context.
        self._wakeup: Wakeup | None = None

    def fire(self) -> None:
        """Run the task that waits, unless another one is running: then it has its turn."""
        if self._done:
            return
        wakeup = self._wakeup
        try:
            busy = asyncio.current_task() is not None
        except RuntimeError:
            busy = True  # the loop isn't running
        if busy or wakeup is None or (context := self._context) is None:
            self.set_result(None)
            return
        self._done = True
        self._wakeup = None
        try:
            context.run(wakeup, DONE)
        except RuntimeError:
            # It is where we are: the loop gave our callback the task's context.
            self._loop.call_soon(wakeup, self, context=context)

    # -- what tasks call

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop."""
        return self._loop

    def add_done_callback(
        self, wakeup: Wakeup, /, *, context: Context | None = None
    ) -> None:
        """
        Note who waits.

        Raises:
            RuntimeError: somebody else waits.
        """
        if self._wakeup is not None:
            raise RuntimeError("a task is waiting for this already")
        self._wakeup = wakeup
        self._context = context
        if self._done:
            self._schedule()

    def remove_done_callback(self, wakeup: Wakeup, /) -> int:
        """Forget who waits; return whether it was they."""
        if self._wakeup != wakeup:
            return 0
        self._wakeup = None
        return 1

    def done(self) -> bool:
        """Tell whether the wait is over."""
        return self._done

    def cancelled(self) -> bool:
        """Tell whether it was cancelled."""
        return self._cancelled

    def result(self) -> None:
        """
        Return nothing, when the wait is over.

        Raises:
            CancelledError: it was cancelled.
            InvalidStateError: it isn't over.
        """
        if self._cancelled:
            raise asyncio.CancelledError(*self._message)
        if not self._done:
            raise asyncio.InvalidStateError("Result is not set.")

    def cancel(self, msg: object = None) -> bool:
        """End the wait by an exception; return whether it wasn't over."""
        if self._done:
            return False
        self._done = self._cancelled = True
        self._message = () if msg is None else (msg,)
        self._schedule()
        return True

    def set_result(self, result: None) -> None:
        """
        End the wait.

        Raises:
            InvalidStateError: it's over already.
        """
        if self._done:
            raise asyncio.InvalidStateError("Result is already set.")
        self._done = True
        self._schedule()

    def _schedule(self) -> None:
        """Have the loop run the task."""
        wakeup, self._wakeup = self._wakeup, None
        if wakeup is not None:
            self._loop.call_soon(wakeup, self, context=self._context)

    def __await__(self) -> Generator[Any, None, None]:
        if not self._done:
            self._asyncio_future_blocking = True
            yield self
        if self._cancelled or not self._done:
            self.result()
