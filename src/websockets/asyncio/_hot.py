"""What happens to every message, on the way between transport and session: the Python twin.

Owns: bytes from the transport on their way to the session; the read buffer of a loop;
what a connection remembers about who waits.
Doesn't know: how a task waits (see ``connection``), writing (see ``_io``).

Its native counterpart takes messages out of the bytes itself, runs the task that waits
for one at once, and builds frames, as long as nothing extraordinary happens. What is a
method without effect here is where it is told of what it can't see.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any


__all__ = ["Hot", "ReadBuffer"]

# Transports that read into a buffer of ours spare asyncio a new one for every read, of
# 256 KiB, which the system maps and unmaps each time. uvloop has one of its own, and calls
# data_received(), since a connection is an asyncio.Protocol, too.
READ_BUFFER_SIZE = 256 * 1024


class ReadBuffer:
    """What all connections of a loop read into."""

    __slots__ = ("view",)

    def __init__(self) -> None:
        self.view = memoryview(bytearray(READ_BUFFER_SIZE))


class Hot:
    """The base class of connections."""

    # As in the native form, which has fields.
    __slots__ = (
        "_buffer",
        "_burst",
        "_congested",
        "_corking",
        "_lost",
        "_receiver",
        "_receiving",
        "_sending_fragments",
    )

    # These change in the native form only: it takes shortcuts; recv() waits there; the transport
    # calls _ended() soon; bytes kept to leave together; bytes that passed by the output queue;
    # when bytes came, in seconds.
    _fast = False
    _waiting = False
    _ending = False
    _corked = 0
    _passed_by = 0
    _received_at = 0.0

    _buffer: ReadBuffer

    if TYPE_CHECKING:

        def _receive(self, data: bytes = b"", at_once: bool = False) -> None: ...
        def _wake(self) -> None: ...
        def _flush(self) -> None: ...

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._receiving = False
        # What recv() waits for, when it waits in Python.
        self._receiver: asyncio.Future[None] | None = None
        self._sending_fragments = False
        # More is unsent than write_limit allows.
        self._congested = False
        # The transport is gone.
        self._lost = False
        # Small messages sent in a burst are joined; see ConnectionIO.join_sends.
        self._corking = False
        # Messages sent since something was received.
        self._burst = 0

    def _begin(self, *arguments: Any) -> None:
        """Take the shortcuts from now on; there are none here."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the transport puts bytes, until :meth:`buffer_updated`."""
        return self._buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        """Process bytes that the transport put into the buffer."""
        self._burst = 0
        self._receive(bytes(self._buffer.view[:nbytes]), True)

    def data_received(self, data: bytes) -> None:
        """Process bytes from the transport."""
        self._burst = 0
        self._receive(data, True)
