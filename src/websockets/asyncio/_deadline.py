"""A deadline for what a task does, as :func:`asyncio.timeout` sets one.

Owns: cancelling the task at that time; telling this cancellation from others.
Doesn't know: what is done meanwhile.

Nearly always what is done is over long before. So the deadline is one of those that are
sorted coarsely and share a timer of the loop, see ``_timers``; it's as exact as others.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ._timers import Alarm, clock_of, timers_of


if TYPE_CHECKING:
    from types import TracebackType


__all__ = ["Deadline"]


class Deadline:
    """
    A context manager that lasts only so long, in a task.

    When the time has come, it cancels what the task does, and raises
    :exc:`TimeoutError`. Other cancellations pass.

    Args:
        seconds: How long; :obj:`None` for no deadline.

    Attributes:
        expired: Whether the time had come.
    """

    __slots__ = (
        "_alarm",
        "_cancelling",
        "_seconds",
        "_task",
        "_time",
        "_timers",
        "expired",
    )

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._alarm: Alarm | asyncio.Handle | None = None
        self.expired = False

    def __enter__(self) -> None:
        seconds = self._seconds
        if seconds is None:
            return
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a timeout must be used in a task")
        loop = task.get_loop()
        self._task = task
        self._cancelling = task.cancelling()
        if seconds <= 0:
            # Before anything can arrive.
            self._alarm = loop.call_soon(self._deadline_reached)
            return
        now = clock_of(loop)
        self._time = now() + seconds
        self._timers = timers_of(loop, now)
        self._deadline_near()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        alarm, self._alarm = self._alarm, None
        if isinstance(alarm, asyncio.Handle):
            alarm.cancel()
        elif alarm is not None:
            self._timers.cancel(self, alarm)
        if (
            self.expired
            # Somebody else may have cancelled the task as well.
            and self._task.uncancel() <= self._cancelling
            and isinstance(exc_value, asyncio.CancelledError)
        ):
            raise TimeoutError from exc_value

    def _deadline_near(self) -> None:
        self._alarm = self._timers.set(self, self._time)

    def _deadline_reached(self) -> None:
        self._alarm = None
        self.expired = True
        self._task.cancel()
