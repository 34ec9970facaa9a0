"""Everything a connection decides between two waits, without I/O, clock or lock.

Owns: what to read ahead (water marks), when to ping, how to close, every deadline, and
the reason why it ended. The hub: messages, pings and the protocol meet here.
Doesn't know: sockets, tasks, threads, time (``now`` is an argument: seconds, monotonic,
any origin); no rule of RFC 6455 is here (see protocol).

A face calls a method, then pumps: it writes, arms one timer, pauses or resumes reading,
aborts the transport, and wakes those who wait, as the session's attributes say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._messages import Messages
from ..exceptions import ConcurrencyError, ConnectionClosed
from ..frames import CloseCode, Opcode
from ..protocol import CLOSED, OPEN
from .pings import Done, Pings
from .settings import water_marks


if TYPE_CHECKING:
    from ..protocol import Protocol
    from ..typing import BytesLike, Data, DataLike


__all__ = ["Session"]


class Session:
    """
    The conversation on an open connection.

    Args:
        protocol: after the opening handshake; it becomes lazy.
        now: seconds, monotonic.
        ping_interval: seconds between keepalive pings; :obj:`None` disables keepalive.
        ping_timeout: seconds to wait for a pong; :obj:`None` disables the timeout.
        close_timeout: seconds for the closing handshake and the end of the TCP connection
            together; :obj:`None` disables the timeout.
        max_queue: high water mark of frames received and not read, or a pair of high and
            low marks; :obj:`None` disables it.

    """

    __slots__ = (
        "_cause",
        "_close_due",
        "_failure_due",
        "_messages",
        "_notes",
        "_over",
        "_streaming",
        "_wanted",
        "aborted",
        "close_timeout",
        "high",
        "low",
        "pings",
        "protocol",
        "reading_paused",
        "rearm",
        "written",
    )

    def __init__(
        self,
        protocol: Protocol,
        now: float,
        ping_interval: float | None = 20,
        ping_timeout: float | None = 20,
        close_timeout: float | None = 10,
        max_queue: int | tuple[int | None, int | None] | None = 16,
    ) -> None:
        #: Water marks of frames received and not read.
        self.high, self.low = water_marks("max_queue", max_queue)
        self.protocol = protocol
        self.pings = Pings(now, ping_interval, ping_timeout)
        self.close_timeout = close_timeout
        #: The face must drop the transport, at once.
        self.aborted = False
        #: The face must not read.
        self.reading_paused = False
        #: :meth:`next_deadline` may be earlier than the face knows; the face resets it.
        self.rearm = True
        #: Bytes that the system has taken from the face, at :meth:`deadline_reached`.
        self.written = 0
        self._messages = messages = Messages(protocol, self._acknowledge)
        # Somebody waits for a message or a fragment: read on, whatever the water marks.
        self._wanted = False
        # A message was handed out in part.
        self._streaming = False
        self._close_due: float | None = None
        self._failure_due: float | None = None
        self._over = False  # the transport is gone
        self._cause: BaseException | None = None
        self._notes: list[str] | None = None
        if not messages.drained or protocol._state is not OPEN:
            # Frames, or the end, came together with the handshake.
            messages.scan()
            self._settle(now)

    # -- network and clock

    def receive_data(self, data: bytes, now: float) -> None:
        """Process bytes from the network."""
        self.pings.received_at = now
        messages = self._messages
        messages.feed(data)
        if self._wanted and (
            messages.pull() is not None or (self._streaming and messages.readable)
        ):
            self._wanted = False
            if messages.drained and self.protocol._state is OPEN:
                return  # most of the time: somebody waited for all that came
        if self.protocol.close_rcvd is None:  # or nothing follows
            messages.scan()
            messages.gather()
        self._settle(now)

    def receive_eof(self, now: float, cause: BaseException | None = None) -> None:
        """
        Process the end of the stream; calling it again is fine.

        Args:
            now: seconds, monotonic.
            cause: the error that ended it, if there was one.

        """
        if self._messages.failing:
            # It's what ended the conversation, whoever reads the messages before it.
            self._messages.fail_now()
        if cause is not None:
            self._blame(cause)
        self.protocol.receive_eof()
        self._settle(now)

    def connection_lost(self, now: float, cause: BaseException | None = None) -> None:
        """Process the end of the transport: nothing can be received or sent any more."""
        self._over = True
        if self.protocol._state is not CLOSED:
            self.receive_eof(now, cause)
        elif cause is not None:
            self._blame(cause)
        self._close_due = self._failure_due = None
        self._messages.forget_pongs()

    def data_to_send(self) -> list[bytes]:
        """Return what to write, in order; the empty bytes object is a half-close."""
        return self.protocol.data_to_send()

    def next_deadline(self) -> float | None:
        """
        Return when :meth:`deadline_reached` wants to be called.

        Call it again after every other method: the answer may move either way.

        Returns:
            Seconds on the caller's monotonic clock, or :obj:`None` when no timer runs.

        """
        pings = self.pings
        deadline = pings.ping_due
        # Written out: this runs after every call.
        due = pings.pong_due
        if due is not None and (deadline is None or due < deadline):
            deadline = due
        due = self._close_due
        if due is not None and (deadline is None or due < deadline):
            deadline = due
        due = self._failure_due
        if due is not None and (deadline is None or due < deadline):
            deadline = due
        return deadline

    def deadline_reached(self, now: float) -> None:
        """Do what is due at ``now``; nothing when it is too early."""
        self.rearm = True
        if self._close_due is not None and now >= self._close_due:
            self._close_due = None
            self._blame(TimeoutError("timed out while closing connection"))
            self.aborted = True
        if self._failure_due is not None and now >= self._failure_due:
            self._failure_due = None
            self._messages.fail_now()
        if self.protocol._state is OPEN:
            self._tend_pings(now)
        self._settle(now)

    def _tend_pings(self, now: float) -> None:
        pings = self.pings
        if (
            pings.pong_due is not None
            and now >= pings.pong_due
            and pings.overdue(now, self.reading_paused, self.written)
        ):
            if self.protocol.debug:
                self.protocol.logger.debug("- timed out waiting for keepalive pong")
            self._notes = [pings.complaint(now)]
            self.protocol.fail(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")
        elif pings.ping_due is not None and now >= pings.ping_due:
            data = pings.keepalive(now, self.reading_paused, self.written)
            self.protocol.send_ping(data)
            if self.protocol.debug:
                self.protocol.logger.debug("% sent keepalive ping")

    # -- state

    @property
    def closed(self) -> bool:
        """Whether the connection is closed: nothing more will be received or sent."""
        return self.protocol._state is CLOSED

    @property
    def latency(self) -> float:
        """Seconds between the latest ping acknowledged and its pong; 0 before that."""
        return self.pings.latency

    @property
    def readable(self) -> bool:
        """Whether who waits for a message or a fragment should ask again."""
        return (
            self.protocol._state is CLOSED
            or self._messages.complete
            or (self._streaming and self._messages.readable)
        )

    def exception(self) -> ConnectionClosed:
        """
        Return a new exception that tells how the connection ended, its cause chained.

        Raises:
            AssertionError: if the connection isn't closed.

        """
        exc = self.protocol.close_exc
        if self._cause is not None:
            exc.__cause__ = self._cause
        for note in self._notes or ():
            exc.add_note(note)
        return exc

    # -- receiving

    def pop_message(self, now: float, decode: bool | None = None) -> Data | None:
        """
        Return the next message.

        Args:
            now: seconds, monotonic.
            decode: :obj:`None` by the opcode, :obj:`True` as text, :obj:`False` as bytes.

        Returns:
            The message; :obj:`None` when it isn't here: wait until :attr:`readable`.

        Raises:
            ConnectionClosed: if the connection is closed and all messages were returned.
            ConcurrencyError: if a message was streamed in part.

        """
        if self._streaming:
            raise ConcurrencyError(
                "cannot call recv in the middle of a message; "
                "call recv_streaming to receive the rest of it"
            )
        data = self._messages.pop_message(decode)
        if data is None or self.reading_paused:
            self._popped(data is None, now)
        return data

    def pop_fragment(
        self, now: float, decode: bool | None = None
    ) -> tuple[Data, bool] | None:
        """
        Return the next frame of the message being streamed, and whether it is the last.

        Args:
            now: seconds, monotonic.
            decode: as for :meth:`pop_message`; the same for all frames of a message.

        Returns:
            :obj:`None` when it isn't here: wait until :attr:`readable`.

        Raises:
            ConnectionClosed: if the connection is closed and all frames were returned.

        """
        self._streaming = True
        fragment = self._messages.pop_fragment(decode)
        if fragment is not None:
            self._streaming = not fragment[1]
        if fragment is None or self.reading_paused:
            self._popped(fragment is None, now)
        return fragment

    def stop_streaming(self) -> None:
        """Note that nobody streams any more; a message begun remains to be streamed."""
        self._streaming = self._messages.streaming

    def stop_waiting(self) -> None:
        """Note that nobody waits for a message any more; the water marks hold again."""
        self._wanted = False

    def _popped(self, nothing: bool, now: float) -> None:
        """Read on; when there is nothing to read, raise what ended the connection."""
        state = self.protocol._state
        if nothing and state is CLOSED:
            raise self.exception()
        self._wanted = nothing
        if self.reading_paused or state is not OPEN:
            self._settle(now)

    # -- sending

    def send_message(
        self,
        data: DataLike,
        *,
        text: bool | None = None,
        compress: bool | None = None,
    ) -> None:
        """
        Queue a message, whole.

        Args:
            data: :class:`str` for text, a bytes-like object for binary.
            text: overrides that.
            compress: see :meth:`~websockets.protocol.Protocol.send_data`.

        Raises:
            InvalidState: if the connection isn't open.

        """
        if isinstance(data, str):
            opcode = Opcode.BINARY if text is False else Opcode.TEXT
            data = data.encode()
        else:
            opcode = Opcode.TEXT if text else Opcode.BINARY
        self.protocol.send_data(opcode, data, True, compress)

    def send_fragment(
        self,
        data: DataLike,
        *,
        first: bool,
        fin: bool,
        text: bool | None = None,
        compress: bool | None = None,
    ) -> None:
        """
        Queue a frame of a fragmented message; see :meth:`send_message`.

        Args:
            first: whether it starts the message; then it decides on type and compression.
            fin: whether it ends it.

        """
        opcode = Opcode.CONT
        if first:
            opcode = (
                Opcode.TEXT
                if text or (text is None and isinstance(data, str))
                else Opcode.BINARY
            )
        payload = data.encode() if isinstance(data, str) else data
        self.protocol.send_data(opcode, payload, fin, compress)

    def ping(self, data: bytes | None, now: float, done: Done) -> None:
        """
        Send a ping.

        Args:
            data: payload, at most 125 bytes; :obj:`None` for a random one.
            now: seconds, monotonic.
            done: called once, with the latency in seconds or with an exception.

        Raises:
            ConcurrencyError: if a ping with the same payload is in flight.
            ProtocolError: if the payload is too long.
            InvalidState: if the connection isn't open.

        """
        data = self.pings.add(data, now, done)
        try:
            self.protocol.send_ping(data)
        except Exception:
            self.pings.forget(data)
            raise

    def pong(self, data: BytesLike) -> None:
        """
        Send an unsolicited pong.

        Raises:
            ProtocolError: if the payload is longer than 125 bytes.
            InvalidState: if the connection isn't open.

        """
        self.protocol.send_pong(data)

    def set_congested(self, congested: bool) -> None:
        """
        Note whether more output waits than the user allows.

        While it does, only the latest ping is going to be answered: a peer that sends
        pings and doesn't read costs one pong of memory.
        """
        protocol = self.protocol
        if congested:
            protocol.defer_pongs = True
        else:
            protocol.release_pong()

    # -- closing

    def close(self, now: float, code: int = 1000, reason: str = "") -> None:
        """
        Start the closing handshake, when the connection is open.

        Raises:
            ProtocolError: if the code is reserved or the reason too long.

        """
        if self.protocol._state is OPEN:
            if self.protocol.expect_continuation_frame:
                # A Close in the middle would be legal and cut the message off in silence.
                self.protocol.fail(
                    CloseCode.INTERNAL_ERROR, "close during fragmented message"
                )
            else:
                self.protocol.send_close(code, reason)
        self._settle(now)

    def fail(self, now: float, code: int, reason: str = "") -> None:
        """Fail the connection (RFC 6455 §7.1.7)."""
        self.protocol.fail(code, reason)
        self._settle(now)

    # -- private

    def _blame(self, cause: BaseException) -> None:
        """Remember the first cause: later ones, the protocol's too, follow from it."""
        if self._cause is None and self.protocol.parser_exc is None:
            self._cause = cause

    def _settle(self, now: float) -> None:
        """Draw the consequences of what just happened."""
        if self.protocol._state is OPEN:
            if (
                self._failure_due is None
                and self.close_timeout is not None
                and self._messages.failing
            ):
                self._failure_due = now + self.close_timeout
                self.rearm = True
            self._watch_water()
        elif not self._over:
            self._wind_up(now)
        else:
            self.pings.fail(self.exception)

    def _acknowledge(self, data: bytes) -> None:
        if self.pings.acknowledge(data, self.pings.received_at) and self.protocol.debug:
            self.protocol.logger.debug("% received keepalive pong")

    def _watch_water(self) -> None:
        """Pause or resume reading (the user reads too slowly, or reads again)."""
        messages = self._messages
        ahead = messages.ahead
        limit = self.protocol.max_message_size
        if self.reading_paused:
            if self._wanted or (
                (self.low is None or ahead <= self.low)
                and (limit is None or messages.held <= limit // 2)
            ):
                self.reading_paused = False
        elif not self._wanted and (
            (self.high is not None and ahead > self.high)
            or (limit is not None and messages.held > limit)
        ):
            self.reading_paused = True
            self.pings.out_of_sight()

    def _wind_up(self, now: float) -> None:
        """The connection is closing, or closed and the transport isn't: arm the deadline."""
        if self.protocol._state is CLOSED:
            self.pings.fail(self.exception)
        elif self._messages.failing:
            # Our Close was the last that we had to say.
            self._messages.fail_now()
        if self._close_due is None:
            self.pings.stop()
            self._failure_due = None
            # Nothing more is kept, so nothing is left unread; the end must be seen.
            self.reading_paused = False
            if self.close_timeout is not None and not self.aborted:
                self._close_due = now + self.close_timeout
                self.rearm = True
