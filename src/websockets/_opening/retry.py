"""When to connect again after a failure, and what to log.

Owns: the decisions of ``async for websocket in connect(...)``, for every face.
Doesn't know: the clock. Waiting is the face's business; the policies themselves,
``process_exception`` and ``backoff``, are public functions of ``websockets.client``.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator

from ..client import backoff, process_exception


__all__ = ["Retries", "retry_message"]


class Retries:
    """
    The decisions of one reconnection loop.

    Args:
        process_exception: Called with each failure to connect. It returns
            :obj:`None` to retry, an exception to raise it; it may raise as well.
        reconnect_delays: Called for a new series of delays, in seconds, at the first
            failure after a success. When a series ends, the loop gives up.
    """

    def __init__(
        self,
        process_exception: Callable[[Exception], Exception | None] = process_exception,
        reconnect_delays: Callable[[], Iterator[float]] = backoff,
    ) -> None:
        self.process_exception = process_exception
        self.reconnect_delays = reconnect_delays
        self.delays: Iterator[float] | None = None

    def failed(self, exc: Exception) -> float:
        """
        Return how many seconds to wait before connecting again.

        Call it in the ``except`` block that caught ``exc``.

        Raises:
            Exception: ``exc`` or another exception, if the loop must end.
        """
        verdict = self.process_exception(exc)
        if verdict is exc:
            raise exc
        if verdict is not None:
            raise verdict from exc
        if self.delays is None:
            self.delays = self.reconnect_delays()
        delay = next(self.delays, None)
        if delay is None:
            raise exc
        return delay

    def succeeded(self) -> None:
        """Forget the failures: a connection was established."""
        self.delays = None


def retry_message(exc: Exception, delay: float) -> str:
    """Return what to log, at level INFO, before waiting ``delay`` seconds."""
    reason = traceback.format_exception_only(exc)[0].strip()
    return f"connect failed; reconnecting in {delay:.1f} seconds: {reason}"
