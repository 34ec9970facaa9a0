"""What a connection has to write and the system hasn't taken yet.

Owns: the queue of outgoing bytes, counted; its water marks; the half-close.
Doesn't know: frames, who waits for the queue to drain.

The transport's own buffer is kept almost empty: asyncio's transports have, in several
versions, recounted their whole buffer at every write, so that one stalled peer made
everybody's broadcast quadratic. Its limit of 1 makes it say at once that it couldn't
write everything (with 0, TLS says so of an empty buffer, too); what comes then is queued
here, in order, and handed on in few pieces.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque


__all__ = ["Output"]

# What is handed to the transport at a time: enough to fill a socket's buffer.
BATCH = 256 * 1024

# With `join`: what counts as small, and how much leaves together at most.
SMALL = 4096
JOINED = 16384

# Made once: it serves at every end.
peer_gone = contextlib.suppress(OSError)


class Output:
    """
    The outgoing side of a transport.

    Args:
        transport: where to write.
        high: bytes above which it is congested.
        low: bytes down to which it remains so.

    """

    __slots__ = (
        "_high",
        "_kept",
        "_kept_size",
        "_low",
        "_queue",
        "_queued",
        "_total",
        "_transport",
        "ended",
        "ending",
        "join",
        "paused",
    )

    def __init__(
        self, transport: asyncio.Transport, high: int | None, low: int | None
    ) -> None:
        self._transport = transport
        self._high = high
        self._low = low
        #: The transport couldn't write everything.
        self.paused = False
        # Made when the first bytes have to wait: most connections never need it.
        self._queue: deque[bytes] | None = None
        self._queued = 0
        self._total = 0
        #: Small pieces written in the same turn of the event loop leave together.
        self.join = False
        self._kept: list[bytes] | None = None
        self._kept_size = 0
        #: The peer has ended its side: after ours, nothing remains.
        self.ending = False
        #: Nothing can be written any more.
        self.ended = False
        if not transport.is_closing():
            transport.set_write_buffer_limits(1)

    @property
    def unsent(self) -> int:
        """Number of bytes that the system hasn't taken."""
        return self._queued + self._kept_size + self._transport.get_write_buffer_size()

    @property
    def taken(self) -> int:
        """Number of bytes that the system has taken since the beginning."""
        return self._total - self.unsent

    @property
    def waiting(self) -> bool:
        """Whether anything, if only a half-close, waits here for the transport."""
        return bool(self._queue)

    def above(self) -> bool:
        """Tell whether the high water mark is exceeded."""
        # After the end nobody can send more, and the transport may not know what it holds.
        return (
            self.paused
            and not self.ended
            and self._high is not None
            and self.unsent > self._high
        )

    def below(self) -> bool:
        """Tell whether the low water mark is reached again."""
        return not self.paused or (self._low is None or self.unsent <= self._low)

    def write(self, data: bytes) -> None:
        """Write bytes, now or later; the empty bytes object is a half-close."""
        if (self.join or self._kept is not None) and self._keep(data):
            return
        if self.paused:
            if self.ended:
                return
            if self._queue is None:
                self._queue = deque()
            self._queue.append(data)
            self._queued += len(data)
        elif data:
            self._transport.write(data)
        else:
            self._end()
        self._total += len(data)

    def _keep(self, data: bytes) -> bool:
        """Keep a small piece for a moment, or let what was kept leave before another."""
        size = len(data)
        small = self.join and not self.paused and 0 < size <= SMALL
        if not small or self._kept_size + size > JOINED:
            self.leave()
        if not small:
            return False
        if self._kept is None:
            self._kept = []
            asyncio.get_running_loop().call_soon(self.leave)
        self._kept.append(data)
        self._kept_size += size
        self._total += size
        return True

    def leave(self) -> None:
        """Write what was kept."""
        kept, self._kept, self._kept_size = self._kept, None, 0
        if kept is not None and not self.ended:
            # It can't be paused: what is written in between isn't kept.
            self._transport.write(b"".join(kept))

    def pause(self) -> None:
        """Note that the transport couldn't write everything."""
        self.paused = True

    def resume(self) -> None:
        """Write what waits, until the transport pauses again."""
        if self.ended:
            return
        self.paused = False
        queue = self._queue
        while queue and not self.paused:
            data = queue.popleft()
            if not data:
                self._end()
                continue
            size = len(data)
            if queue and queue[0] and size < BATCH:
                batch = [data]
                while queue and queue[0] and size < BATCH:
                    batch.append(queue.popleft())
                    size += len(batch[-1])
                data = b"".join(batch)
            self._queued -= size
            self._transport.write(data)

    def stop(self) -> None:
        """Forget what waits, and what comes: nobody is there to receive it."""
        self._queue = self._kept = None
        self._queued = self._kept_size = 0
        # So that writing looks at one flag only.
        self.ended = self.paused = True

    def _end(self) -> None:
        """Half-close, as far as the transport is able to (TLS isn't)."""
        self.ended = self.paused = True
        if self._transport.is_closing():
            # By the program: asyncio's TLS transports can't be closed twice.
            return
        if self.ending or not self._transport.can_write_eof():
            self._transport.close()
        else:
            # The peer may have reset the connection; connection_lost() is going to tell.
            with peer_gone:
                self._transport.write_eof()
