"""A WebSocket connection on asyncio.

Owns: a transport, a timer, and those who wait; moves bytes between the transport and the
session.
Doesn't know: any rule or policy: the session decides (see ``_session``), this waits.

The pump rule: after every call into the session comes :meth:`Connection._pump`, and nothing
else touches the transport, the timer or the waiters. Waits are loops: wait, then ask the
session again; so cancelling a wait loses nothing.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from .._session import Session, water_marks
from ..exceptions import ConcurrencyError, ConnectionClosed, ConnectionClosedOK
from ..frames import CloseCode
from ..protocol import CLOSED, OPEN, Protocol, State
from ._deprecated import DeprecatedAttributes
from ._fragments import fragments
from ._output import Output
from ._waiters import Waiters


if TYPE_CHECKING:
    from types import TracebackType

    from ..http11 import Request, Response
    from ..typing import BytesLike, Data, DataLike, LoggerLike, Subprotocol
    from ._network import AsyncioStream

    Fragments = Iterable[DataLike] | AsyncIterable[DataLike]


__all__ = ["Connection"]

# A task that does nothing but send never suspends while the system takes its bytes. After
# this many messages without anything received, it lets others run.
BURST = 64


class Connection(DeprecatedAttributes, asyncio.Protocol):
    """
    A WebSocket connection, client or server, on :mod:`asyncio`.

    Connections are made by :func:`~websockets.asyncio.client.connect` and
    :func:`~websockets.asyncio.server.serve`. Methods may be called from several tasks of the
    event loop in which the connection runs, except that only one may receive at a time. They
    aren't thread-safe.

    Args:
        protocol: Sans-I/O connection.
        ping_interval: Seconds between keepalive pings; :obj:`None` disables keepalive.
        ping_timeout: Seconds to wait for a pong; :obj:`None` disables the timeout.
        close_timeout: Seconds to wait for the closing handshake and the end of the TCP
            connection; :obj:`None` disables the timeout.
        max_queue: High water mark of the frames received and not read: above it, reading
            from the network pauses; it resumes at a quarter of it. A pair gives the high and
            the low mark. :obj:`None` disables it.
        write_limit: High water mark of the bytes not sent, above which :meth:`send` waits;
            it goes on at a quarter of it. A pair gives the high and the low mark.

    """

    def __init__(
        self,
        protocol: Protocol,
        *,
        ping_interval: float | None = 20,
        ping_timeout: float | None = 20,
        close_timeout: float | None = 10,
        max_queue: int | None | tuple[int | None, int | None] = 16,
        write_limit: int | tuple[int, int | None] = 2**15,
    ) -> None:
        #: Sans-I/O connection.
        self.protocol = protocol
        #: Event loop in which the connection runs.
        self.loop = asyncio.get_running_loop()
        self.ping_interval = ping_interval
        self.ping_timeout = ping_timeout
        self.close_timeout = close_timeout
        # Checked here, since a mistake should show before a connection is opened.
        water_marks("max_queue", max_queue)
        self.max_queue = max_queue
        self.write_limit_high, self.write_limit_low = water_marks("write_limit", write_limit)
        #: Opening handshake request and response.
        self.request: Request | None = None
        self.response: Response | None = None
        #: Transport; its :meth:`~asyncio.BaseTransport.get_extra_info` tells about TLS.
        self.transport: asyncio.Transport
        self.debug = protocol.debug
        self._logger: LoggerLike | None = None
        if self.debug:
            protocol.logger = self.logger
        self._session: Session | None = None
        self._output: Output | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reading_paused = False
        self._congested = False
        self._lost = False
        self._receiving = False
        self._receiver: asyncio.Future[None] | None = None
        self._sending_fragments = False
        self._burst = 0
        self._writers = Waiters()
        self._losers = Waiters()

    # -- attributes

    @property
    def id(self) -> uuid.UUID:
        """Unique identifier of the connection; useful in logs."""
        return self.protocol.id

    @property
    def logger(self) -> LoggerLike:
        """Logger of the connection; its records have it as attribute ``websocket``."""
        if self._logger is None:
            self._logger = logging.LoggerAdapter(
                self.protocol.logger, {"websocket": weakref.proxy(self)}
            )
        return self._logger

    @logger.setter
    def logger(self, logger: LoggerLike) -> None:
        self._logger = logger

    @property
    def local_address(self) -> Any:
        """
        Local address of the connection.

        For IPv4 connections, a ``(host, port)`` pair; see :attr:`remote_address`.
        """
        return self.transport.get_extra_info("sockname")

    @property
    def remote_address(self) -> Any:
        """
        Remote address of the connection.

        Its format depends on the address family, see :meth:`socket.socket.getpeername`. Behind
        a proxy, it is the proxy's address.
        """
        return self.transport.get_extra_info("peername")

    @property
    def state(self) -> State:
        """State of the connection (RFC 6455 §4, §7.1); it may change at any ``await``."""
        return self.protocol.state

    @property
    def latency(self) -> float:
        """
        Latency of the connection, in seconds; 0 before the first pong.

        Measured by keepalive pings and by :meth:`ping`.
        """
        return 0.0 if self._session is None else self._session.latency

    @property
    def subprotocol(self) -> Subprotocol | None:
        """Subprotocol negotiated in the opening handshake; :obj:`None` if none was."""
        return self.protocol.subprotocol

    @property
    def close_code(self) -> int | None:
        """
        Close code of the connection (RFC 6455 §7.1.5); :obj:`None` until it is closed.

        1006 when no Close frame was received.
        """
        return self.protocol.close_code

    @property
    def close_reason(self) -> str | None:
        """Close reason of the connection (RFC 6455 §7.1.6); :obj:`None` until it is closed."""
        return self.protocol.close_reason

    @property
    def buffered_amount(self) -> int:
        """
        Number of bytes sent by the program and not yet handed to the system.

        Counted as frames: after compression, with headers. With TLS, up to 64 KiB inside
        the event loop's TLS layer aren't counted.
        """
        return 0 if self._output is None or self._lost else self._output.unsent

    # -- receiving

    async def recv(self, decode: bool | None = None) -> Data:
        """
        Receive the next message.

        Fragmented messages are put together (RFC 6455 §5.4). Messages that arrived before the
        connection closed are returned before the exception is raised.

        Cancelling is safe: no message is lost.

        Args:
            decode: :obj:`True` returns a :class:`str`, decoded from UTF-8, also for a binary
                message; :obj:`False` returns :class:`bytes` also for text, which spares
                decoding it. By default the type of the message decides.

        Returns:
            A :class:`str` for a text message, :class:`bytes` for a binary one.

        Raises:
            ConnectionClosed: The connection is closed.
            ConcurrencyError: Another task is receiving.

        """
        if self._receiving:
            raise ConcurrencyError(
                "cannot call recv while another coroutine "
                "is already running recv or recv_streaming"
            )
        session = self._open_session()
        self._receiving = True
        try:
            while (data := session.pop_message(self.loop.time(), decode)) is None:
                self._pump()
                await self._wait_readable()
        except ConnectionClosed:
            await self._wait_lost()
            raise
        finally:
            self._receiving = False
        self._pump()
        return data

    async def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[Data]:
        """
        Receive the next message frame by frame.

        Iterate over all frames. If you stop in the middle, or if you're cancelled there, call
        it again to receive the rest of the message; :meth:`recv` can't.

        Args:
            decode: As for :meth:`recv`.

        Returns:
            An iterator of :class:`str` for a text message, of :class:`bytes` for a binary one.

        Raises:
            ConnectionClosed: The connection is closed.
            ConcurrencyError: Another task is receiving.

        """
        if self._receiving:
            raise ConcurrencyError(
                "cannot call recv_streaming while another coroutine "
                "is already running recv or recv_streaming"
            )
        session = self._open_session()
        self._receiving = True
        last = False
        try:
            while not last:
                while (item := session.pop_fragment(self.loop.time(), decode)) is None:
                    self._pump()
                    await self._wait_readable()
                self._pump()
                fragment, last = item
                yield fragment
        except ConnectionClosed:
            await self._wait_lost()
            raise
        finally:
            self._receiving = False
            session.stop_streaming()

    async def _wait_readable(self) -> None:
        self._receiver = self.loop.create_future()
        try:
            await self._receiver
        except asyncio.CancelledError:
            # Nobody waits any more: the water marks hold again.
            if self._session is not None:
                self._session.stop_waiting()
            raise
        finally:
            self._receiver = None

    def __aiter__(self) -> AsyncIterator[Data]:
        """
        Iterate over incoming messages, until the connection is closed.

        The iteration ends when the connection is closed with code 1000 (OK), 1001 (going away)
        or without a code, and raises
        :exc:`~websockets.exceptions.ConnectionClosedError` otherwise.
        """
        return self

    async def __anext__(self) -> Data:
        """Receive the next message."""
        try:
            return await self.recv()
        except ConnectionClosedOK:
            raise StopAsyncIteration from None

    # -- sending

    async def send(
        self,
        message: DataLike | Iterable[DataLike] | AsyncIterable[DataLike],
        *,
        text: bool | None = None,
        compress: bool | None = None,
        timeout: float | None = None,
    ) -> None:
        """
        Send a message.

        A :class:`str` is sent as text; a bytes-like object (:class:`bytes`,
        :class:`bytearray`, :class:`memoryview`) as binary, and is copied before this returns.
        An iterable or asynchronous iterable of one of these is sent as a fragmented message
        (RFC 6455 §5.4), frame by frame; other messages wait for its end. An empty iterable
        sends nothing.

        While more than ``write_limit`` bytes wait for a peer that reads too slowly, this
        waits (backpressure).

        Cancelling is safe for a message in one piece: it is sent whole or not at all. A
        fragmented message that is cancelled, or whose iterable raises, fails the connection
        with code 1011.

        Args:
            message: The message.
            text: :obj:`True` sends bytes as text (they must be UTF-8), :obj:`False` sends a
                :class:`str` as binary.
            compress: :obj:`True` or :obj:`False` to compress this message or not, when
                compression was negotiated (RFC 7692); by default the extension's threshold
                decides.
            timeout: Seconds to wait; :obj:`None` waits for ever.

        Raises:
            ConnectionClosed: The connection is closed.
            TimeoutError: The timeout passed. A message not yet queued isn't sent; one that is
                queued may still be.
            TypeError: The message has an unsupported type.

        """
        if timeout is not None:
            async with asyncio.timeout(timeout):
                await self.send(message, text=text, compress=compress)
            return
        if isinstance(message, (str, bytes, bytearray, memoryview)):
            if self._sending_fragments or self._congested or self.protocol.state is not OPEN:
                await self._wait_sendable()
            self._open_session().send_message(message, text=text, compress=compress)
            self._pump()
            if self._congested:
                while self._congested:
                    await self._writers.wait(self.loop)
            else:
                self._burst += 1
                if self._burst > BURST:
                    self._burst = 0
                    await asyncio.sleep(0)
        elif isinstance(message, Mapping):
            raise TypeError("data is a dict-like object")
        elif isinstance(message, (Iterable, AsyncIterable)):
            # The checks above leave no bytes here, which are iterables of integers.
            await self._send_fragments(cast("Fragments", message), text, compress)
        else:
            raise TypeError("data must be str, bytes, iterable, or async iterable")

    async def _wait_sendable(self) -> None:
        """Wait until a message can be queued; raise if it never can."""
        while True:
            if self.protocol.state is not OPEN:
                session = self._open_session()
                await self._wait_lost()
                raise session.exception()
            if not (self._sending_fragments or self._congested):
                return
            await self._writers.wait(self.loop)

    async def _send_fragments(
        self,
        message: Fragments,
        text: bool | None,
        compress: bool | None,
    ) -> None:
        await self._wait_sendable()
        session = self._open_session()
        self._sending_fragments = True
        first = True
        try:
            async for data in fragments(message):
                session.send_fragment(data, first=first, fin=False, text=text, compress=compress)
                first = False
                self._pump()
                while self._congested:
                    await self._writers.wait(self.loop)
                if self.protocol.state is not OPEN:
                    await self._wait_lost()
                    raise session.exception()
            if not first:
                session.send_fragment(b"", first=False, fin=True)
                self._pump()
        except BaseException:
            # RFC 6455 has no way to take a message back.
            if not first and self.protocol.state is OPEN:
                now = self.loop.time()
                session.fail(now, CloseCode.INTERNAL_ERROR, "error in fragmented message")
                self._pump()
            raise
        finally:
            self._sending_fragments = False
            self._writers.wake()

    # -- control frames

    async def ping(self, data: DataLike | None = None) -> Awaitable[float]:
        """
        Send a ping (RFC 6455 §5.5.2).

        Args:
            data: Payload, at most 125 bytes; a :class:`str` is encoded to UTF-8. By default,
                four random bytes.

        Returns:
            A future; awaiting it waits for the pong and returns the latency in seconds. It
            raises :exc:`~websockets.exceptions.ConnectionClosed` if the connection closes
            first. It can be ignored or cancelled.

        Raises:
            ConnectionClosed: The connection is closed.
            ConcurrencyError: Another ping was sent with the same payload, and no pong for it
                was received.
            ProtocolError: The payload is too long.
            TypeError: The payload has an unsupported type.

        """
        payload = None if data is None else payload_of(data)
        if self.protocol.state is not OPEN:
            await self._raise_closed()
        pong: asyncio.Future[float] = self.loop.create_future()

        def done(result: float | BaseException) -> None:
            if pong.done():
                return
            if isinstance(result, BaseException):
                pong.set_exception(result)
                # A program needn't look.
                pong.exception()
            else:
                pong.set_result(result)

        self._open_session().ping(payload, self.loop.time(), done)
        self._pump()
        return pong

    async def pong(self, data: DataLike = b"") -> None:
        """
        Send an unsolicited pong, a one-way heartbeat (RFC 6455 §5.5.3).

        Args:
            data: Payload, at most 125 bytes; a :class:`str` is encoded to UTF-8.

        Raises:
            ConnectionClosed: The connection is closed.
            ProtocolError: The payload is too long.
            TypeError: The payload has an unsupported type.

        """
        payload = payload_of(data)
        if self.protocol.state is not OPEN:
            await self._raise_closed()
        self._open_session().pong(payload)
        self._pump()

    # -- closing

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """
        Close the connection (RFC 6455 §7.1.2); wait until it is closed, TCP included.

        It does nothing when the connection is closed already. It takes at most
        ``close_timeout`` seconds; then the connection is dropped.

        Cancelling stops the wait; the connection goes on closing.

        Args:
            code: Close code: 1000 to 1015 as registered, or 3000 to 4999.
            reason: At most 123 bytes in UTF-8.

        Raises:
            ProtocolError: The code is reserved, or the reason is too long.

        """
        if self._session is None:
            self.abort()
        else:
            self._session.close(self.loop.time(), code, reason)
            self._pump()
        await self._wait_lost()

    def abort(self) -> None:
        """
        Drop the connection at once, without a closing handshake; its code is 1006.

        Not a coroutine. Messages not yet handed to the system are lost.
        """
        if self._lost:
            return
        if self._session is not None:
            self._session.receive_eof(self.loop.time())
            self._session.aborted = True
            self._pump()
        else:
            self.transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the connection is closed, TCP included. Cancelling is safe."""
        await self._wait_lost()

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close(CloseCode.NORMAL_CLOSURE if exc_type is None else CloseCode.INTERNAL_ERROR)

    # -- private

    def _open_session(self) -> Session:
        """Return the session; there is none before the opening handshake."""
        if self._session is None:
            raise ConcurrencyError("the opening handshake isn't over")
        return self._session

    async def _raise_closed(self) -> None:
        """Wait until the connection is closed, which has begun; tell how it ended."""
        session = self._open_session()
        await self._wait_lost()
        raise session.exception()

    async def _wait_lost(self) -> None:
        while not self._lost:
            await self._losers.wait(self.loop)

    def attach(self, stream: AsyncioStream) -> None:
        """Take the transport over from the stream that served the opening handshake."""
        chunks, eof, lost, exc = stream.take_pending()
        self.transport = stream.transport
        if not lost:
            self.transport.set_protocol(self)
        self.connection_made(self.transport)
        for chunk in chunks:
            self.data_received(chunk)
        if lost:
            self.connection_lost(exc)
        elif eof and not self.eof_received():
            self.transport.close()

    def send_prepared(self, data: bytes) -> None:
        """Queue the bytes of whole frames; for :func:`~websockets.asyncio.server.broadcast`."""
        assert self._output is not None
        self._output.write(data)
        self._check_congestion()

    def _pump(self) -> None:
        """Do what the session decided."""
        session, output = self._session, self._output
        assert session is not None and output is not None
        if self.protocol.writes:
            if self._lost or self.transport.is_closing():
                session.data_to_send()
            else:
                for data in session.data_to_send():
                    output.write(data)
                if output.above() and not self._congested:
                    self._check_congestion()
        if session.aborted:
            output.clear()
            self.transport.abort()
        deadline = session.next_deadline()
        if deadline is not None:
            timer = self._timer
            # A timer that fires too early is harmless, and cheaper than a new one.
            if timer is None or deadline < timer.when():
                if timer is not None:
                    timer.cancel()
                self._timer = self.loop.call_at(deadline, self._on_timer, deadline)
        if session.reading_paused is not self._reading_paused:
            self._pause_reading(session.reading_paused)
        receiver = self._receiver
        if receiver is not None and not receiver.done() and session.readable:
            receiver.set_result(None)

    def _check_congestion(self) -> None:
        """Note when the output passes its water marks."""
        session, output = self._session, self._output
        assert session is not None and output is not None
        if self._congested:
            if self._lost or output.below():
                self._congested = False
                self._writers.wake()
                if not self._lost:
                    session.set_congested(False)
                    self._pump()
        elif output.above():
            self._congested = True
            session.set_congested(True)

    def _pause_reading(self, pause: bool) -> None:
        self._reading_paused = pause
        if not self._lost and not self.transport.is_closing():
            if pause:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _on_timer(self, when: float) -> None:
        self._timer = None
        session, output = self._session, self._output
        assert session is not None and output is not None
        session.written = output.taken
        # The loop fires timers up to one tick of its clock too early.
        session.deadline_reached(max(when, self.loop.time()))
        self._pump()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the conversation; the opening handshake is over."""
        self.transport = cast(asyncio.Transport, transport)
        self._output = Output(self.transport, self.write_limit_high, self.write_limit_low)
        self._session = Session(
            self.protocol,
            self.loop.time(),
            ping_interval=self.ping_interval,
            ping_timeout=self.ping_timeout,
            close_timeout=self.close_timeout,
            max_queue=self.max_queue,
        )
        self._pump()

    def data_received(self, data: bytes) -> None:
        """Process bytes from the transport."""
        assert self._session is not None
        self._burst = 0
        self._session.receive_data(data, self.loop.time())
        self._pump()

    def eof_received(self) -> bool:
        """Process the end of the peer's side; keep ours open while output waits."""
        session, output = self._session, self._output
        assert session is not None and output is not None
        output.ending = True
        session.receive_eof(self.loop.time())
        self._pump()
        return output.waiting and self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | BaseException | None) -> None:
        """Process the end of the transport; wake everybody up."""
        session, output = self._session, self._output
        assert session is not None and output is not None
        self._lost = True
        session.connection_lost(self.loop.time(), exc)
        output.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pump()
        self._check_congestion()
        self._losers.wake()

    def pause_writing(self) -> None:
        """Queue what comes: the transport couldn't write everything."""
        assert self._output is not None
        self._output.pause()

    def resume_writing(self) -> None:
        """Write what waits."""
        assert self._output is not None
        self._output.resume()
        self._check_congestion()


def payload_of(data: Any) -> bytes:
    """Return the payload of a ping or a pong."""
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError("data must be str or bytes-like")
