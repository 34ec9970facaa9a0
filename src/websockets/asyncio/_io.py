"""The side of a connection that faces asyncio: transport, timer, wake-ups.

Owns: the transport's callbacks, the output queue, the one timer, the shared read buffer.
Doesn't know: what users call (see ``connection``), any policy (see ``_session``).

The pump rule: after every call into the session comes :meth:`ConnectionIO._pump`, and
nothing else touches the transport, the timer or the waiters. Waits are loops: wait, then
ask the session again; so cancelling a wait loses nothing.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._session import ConnectionAttributes, Session, water_marks
from ..exceptions import ConcurrencyError
from ..protocol import Protocol
from ._native import DIRECT_WAKE, Hot, ReadBuffer
from ._output import Output
from ._timers import Alarm, clock_of, timers_of
from ._waiters import Waiters, fire


if TYPE_CHECKING:
    from ..http11 import Request, Response
    from ._network import AsyncioStream


__all__ = ["ConnectionIO"]

read_buffers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, ReadBuffer] = (
    weakref.WeakKeyDictionary()
)


def read_buffer(loop: asyncio.AbstractEventLoop) -> ReadBuffer:
    """Return the buffer that all connections of a loop read into."""
    buffer = read_buffers.get(loop)
    if buffer is None:
        buffer = read_buffers[loop] = ReadBuffer()
    return buffer


class ConnectionIO(
    Hot, ConnectionAttributes, asyncio.BufferedProtocol, asyncio.Protocol
):
    """A transport, a session, and what moves between them."""

    # What all connections have. CPython 3.13 remembers where slots are, and searches for
    # attributes in the dict of an object that has fields in C; usually there is none.
    __slots__ = (
        "_alarm",
        "_alarm_at",
        "_losers",
        "_now",
        "_output",
        "_reading_paused",
        "_session",
        "_settings",
        "_timers",
        "_transport",
        "_write_limit",
        "_writers",
        "debug",
        "loop",
        "protocol",
        "request",
        "response",
    )

    # Kept here until they differ: whether the connection was lost before the output that
    # waited was written.
    _cut_off = False
    # Identity of the latest recv_streaming().
    _streamer: object | None = None

    def __init__(
        self,
        protocol: Protocol,
        *,
        ping_interval: float | None = 20,
        ping_timeout: float | None = 20,
        close_timeout: float | None = 10,
        max_queue: int | tuple[int | None, int | None] | None = 16,
        write_limit: int | tuple[int, int | None] = 2**15,
    ) -> None:
        super().__init__(protocol)
        self.request: Request | None = None
        self.response: Response | None = None
        self._session: Session | None = None
        #: Event loop in which the connection runs.
        self.loop = asyncio.get_running_loop()
        # Checked here, since a mistake should show before a connection is opened.
        water_marks("max_queue", max_queue)
        self._settings = ping_interval, ping_timeout, close_timeout, max_queue
        self._write_limit = water_marks("write_limit", write_limit)
        self._transport: asyncio.Transport
        # Made, like the session, when the opening handshake is over.
        self._output: Output
        self._now: Callable[[], float] = clock_of(self.loop)
        self._timers = timers_of(self.loop, self._now)
        self._buffer = read_buffer(self.loop)
        self._writers = Waiters()
        self._losers = Waiters()
        self._alarm: Alarm | None = None
        self._alarm_at = 0.0
        self._reading_paused = False

    # -- attributes

    @property
    def transport(self) -> asyncio.Transport:
        """Transport; its :meth:`~asyncio.BaseTransport.get_extra_info` tells about TLS."""
        if self._corked:
            # Who takes it may close it, after what was sent.
            self._flush()
        return self._transport

    @transport.setter
    def transport(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    @property
    def ping_interval(self) -> float | None:
        """Seconds between keepalive pings; :obj:`None` when keepalive is disabled."""
        return self._settings[0]

    @property
    def ping_timeout(self) -> float | None:
        """Seconds to wait for a pong; :obj:`None` when there's no timeout."""
        return self._settings[1]

    @property
    def close_timeout(self) -> float | None:
        """Seconds that closing may take; :obj:`None` when there's no timeout."""
        return self._settings[2]

    @property
    def local_address(self) -> Any:
        """
        Local address of the connection.

        For IPv4 connections, a ``(host, port)`` pair; see :attr:`remote_address`.
        """
        return self._transport.get_extra_info("sockname")

    @property
    def remote_address(self) -> Any:
        """
        Remote address of the connection.

        Its format depends on the address family, see :meth:`socket.socket.getpeername`. Behind
        a proxy, it is the proxy's address.
        """
        return self._transport.get_extra_info("peername")

    @property
    def buffered_amount(self) -> int:
        """
        Number of bytes sent by the program and not yet handed to the system.

        Counted as frames: after compression, with headers. With TLS, what has left for the
        native code's transport is counted encrypted; with asyncio's transports, up to
        64 KiB inside the event loop's TLS layer aren't counted.
        """
        if self._session is None or self._lost:
            return 0
        return self._output.unsent + self._corked

    @property
    def join_sends(self) -> bool:
        """
        Whether small messages sent in the same turn of the event loop leave together.

        By default each leaves at once, except for answers to a burst of messages that
        have already arrived. Set it to send bursts in fewer packets and system calls, if a
        message may wait until the task that sends lets others run. Messages of up to
        4 KiB are joined, up to 16 KiB.
        """
        return self._corking

    @join_sends.setter
    def join_sends(self, join: bool) -> None:
        self._corking = join
        if self._session is not None:
            # The native code has its own way, and they must not mix.
            self._output.join = join and not self._fast

    # -- private

    def _open_session(self) -> Session:
        """Return the session; there is none before the opening handshake."""
        if self._session is None:
            raise ConcurrencyError("the opening handshake isn't over")
        return self._session

    @property
    def attached(self) -> bool:
        """Whether the conversation has begun; the opening handshake may be over before."""
        return self._session is not None

    def never_opened(self) -> None:
        """Note that the opening handshake failed, and its stream is gone."""
        self._lost = True
        self._losers.wake()

    async def _wait_lost(self) -> None:
        while not self._lost:
            await self._losers.wait(self.loop)

    def attach(self, stream: AsyncioStream) -> None:
        """Take the transport over from the stream that served the opening handshake."""
        chunks, eof, lost, exc = stream.take_pending()
        transport = stream.transport
        if not lost:
            transport.set_protocol(self)
        self.connection_made(transport)
        for chunk in chunks:
            self.data_received(chunk)
        if lost:
            self.connection_lost(exc)
        elif eof and not self.eof_received() and not transport.is_closing():
            # Closing a TLS transport twice makes asyncio's forget what it is for.
            transport.close()

    def send_prepared(self, data: bytes) -> None:
        """Queue the bytes of whole frames; for :func:`~websockets.asyncio.server.broadcast`."""
        if self._corked:
            self._flush()
        self._output.write(data)
        self._check_congestion()

    def _pump(self, at_once: bool = False) -> None:
        """
        Do what the session decided.

        Args:
            at_once: run the task that receives, instead of in its turn; then that's the
                end of a callback of the loop.

        """
        session, output, protocol = self._session, self._output, self.protocol
        assert session is not None  # the opening handshake is over
        if self._corked:
            self._flush()
        if protocol.writes:
            for data in protocol.data_to_send():
                output.write(data)
            if output.paused and not (output.ended or self._congested):
                self._check_congestion()
        if session.aborted:
            output.stop()
            self._transport.abort()
        if session.rearm:
            session.rearm = False
            self._arm_timer(session.next_deadline())
        if session.reading_paused is not self._reading_paused:
            self._pause_reading(session.reading_paused)
        if self._waiting:
            if session.readable:
                self._wake()
            return
        receiver = self._receiver
        if receiver is not None and session.readable:
            if at_once:
                fire(receiver)
            elif not receiver.done():
                receiver.set_result(None)

    def _arm_timer(self, deadline: float | None) -> None:
        alarm = self._alarm
        # One that comes too early is harmless, and cheaper than another.
        if deadline is None or (alarm is not None and deadline >= self._alarm_at):
            return
        if alarm is not None:
            self._timers.cancel(self, alarm)
        self._alarm = self._timers.set(self, deadline)
        self._alarm_at = deadline

    def _deadline_near(self) -> None:
        """Set a more exact timer."""
        self._alarm = None
        self._arm_timer(self._open_session().next_deadline())

    def _check_congestion(self) -> None:
        """Note when the output passes its water marks."""
        session, output = self._session, self._output
        assert session is not None  # the opening handshake is over
        if self._congested:
            if self._lost or output.below():
                self._congested = False
                self._cut_off = self._lost
                self._writers.wake()
                if not self._lost:
                    session.set_congested(False)
                    self._pump()
        elif output.above():
            self._congested = True
            session.set_congested(True)

    def _pause_reading(self, pause: bool) -> None:
        self._reading_paused = pause
        if not self._lost and not self._transport.is_closing():
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _deadline_reached(self) -> None:
        """Have the session do what is due."""
        self._alarm = None
        session, output = self._session, self._output
        assert session is not None  # the opening handshake is over
        session.written = output.taken + self._passed_by
        session.pings.received_at = max(session.pings.received_at, self._received_at)
        # The loop fires timers up to one tick of its clock too early.
        session.deadline_reached(max(self._alarm_at, self._now()))
        self._pump()

    # -- native code

    def _take_shortcuts(self, session: Session) -> None:
        """Let native code handle plain messages, since nobody looks at them as they pass."""
        protocol = self.protocol
        self._begin(
            session,
            self._output,
            self._transport,
            self.loop,
            protocol.deflate,
            session.high,
            session.low,
            protocol.max_message_size,
            DIRECT_WAKE and not self.loop.get_debug(),
        )

    def _receive(self, data: bytes = b"", at_once: bool = False) -> None:
        """
        Process bytes; without any, look again at what is there, and at the water marks.

        Args:
            data: bytes from the transport.
            at_once: see :meth:`_pump`.

        """
        session = self._session
        assert session is not None  # the opening handshake is over
        session.receive_data(data, self._now())
        self._pump(at_once)

    def _flush_soon(self) -> None:
        """Write what is kept to leave together, when the running task lets others run."""
        self.loop.call_soon(self._flush)

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the conversation; the opening handshake is over."""
        self._transport = transport  # type: ignore[assignment]  # it's one of a stream
        high, low = self._write_limit
        self._output = Output(self._transport, high, low)
        ping_interval, ping_timeout, close_timeout, max_queue = self._settings
        now = self._now()
        self._session = session = Session(
            self.protocol,
            now,
            ping_interval,
            ping_timeout,
            close_timeout,
            max_queue,
        )
        if ordinary(self.protocol) and self._now is time.monotonic:
            self._take_shortcuts(session)
        if self._corking:
            self.join_sends = True
        if close_timeout is not None and (ping_interval or 0) > close_timeout:
            # Early enough for closing, too, when that begins soon.
            self._arm_timer(now + close_timeout)
        self._pump()

    def data_received(self, data: bytes) -> None:
        """Process bytes from the transport."""
        super().data_received(data)

    def eof_received(self) -> bool:
        """Process the end of the peer's side; keep ours open while output waits."""
        session, output = self._session, self._output
        assert session is not None  # the opening handshake is over
        output.ending = True
        session.receive_eof(self._now())
        self._pump()
        return output.waiting and self._transport.can_write_eof()

    def connection_lost(self, exc: Exception | BaseException | None) -> None:
        """Process the end of the transport; wake everybody up."""
        session, output = self._session, self._output
        assert session is not None  # the opening handshake is over
        self._lost = True
        session.connection_lost(self._now(), exc)
        output.stop()
        if self._alarm is not None:
            self._timers.cancel(self, self._alarm)
            self._alarm = None
        self._pump()
        if self._congested:
            self._check_congestion()
        if not self._ending:
            self._losers.wake()

    def _ended(self) -> None:
        """Let those go on who wait for the end: the transport has let go of everything."""
        self._losers.fire()

    def pause_writing(self) -> None:
        """Queue what comes: the transport couldn't write everything."""
        self._output.pause()

    def resume_writing(self) -> None:
        """Write what waits, in a moment."""
        # Transports of asyncio call this in the middle of writing; closing them there,
        # which may be what waits, makes them report the end of the connection twice.
        self.loop.call_soon(self._write_on)

    def _write_on(self) -> None:
        if not self._lost:
            self._output.resume()
            self._check_congestion()


def ordinary(protocol: Protocol) -> bool:
    """Tell whether nobody wants to see each frame: no program, no extension, no DEBUG log."""
    return not (protocol.debug or protocol.hooked or protocol.sends_itself)
