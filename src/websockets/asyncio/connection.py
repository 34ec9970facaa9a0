"""A WebSocket connection on asyncio: what users call.

Owns: the coroutines, what they wait for, and in which order tasks send.
Doesn't know: any rule or policy (the session decides), the transport (see ``_io``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from .._codec import NATIVE
from ..exceptions import ConcurrencyError, ConnectionClosed, ConnectionClosedOK
from ..frames import CloseCode
from ..protocol import OPEN
from ._fragments import fragments
from ._io import ConnectionIO
from ._native import install
from ._waiters import new_waiter


if TYPE_CHECKING:
    from types import TracebackType

    from ..typing import Data, DataLike

    Fragments = Iterable[DataLike] | AsyncIterable[DataLike]


__all__ = ["Connection"]

# A task that does nothing but send never suspends while the system takes its bytes. After
# this many messages without anything received, it lets others run. Each 16 KiB count as one.
BURST = 256


class Connection(ConnectionIO):
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
        session = self._session or self._open_session()
        self._receiving = True
        try:
            while (data := session.pop_message(self._now(), decode)) is None:
                self._pump()
                self._receiver = new_waiter(self.loop)
                await self._receiver
        except ConnectionClosed:
            await self._wait_lost()
            raise
        except asyncio.CancelledError:
            # Nobody waits any more: the water marks hold again.
            session.stop_waiting()
            raise
        finally:
            self._receiving = False
            self._receiver = None
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
        self._streamer = this = object()
        last = False
        while not last:
            # Between frames nobody receives: who stops there leaves nothing to tidy up,
            # since an iterator that isn't closed is finalized later.
            if self._streamer is not this:
                raise ConcurrencyError(
                    "cannot go on with recv_streaming after another call to it"
                )
            fragment, last = await self._next_fragment(decode)
            yield fragment

    async def _next_fragment(self, decode: bool | None) -> tuple[Data, bool]:
        session = self._open_session()
        self._receiving = True
        try:
            while (item := session.pop_fragment(self._now(), decode)) is None:
                self._pump()
                self._receiver = new_waiter(self.loop)
                await self._receiver
        except ConnectionClosed:
            await self._wait_lost()
            raise
        finally:
            self._receiving = False
            self._receiver = None
            session.stop_waiting()
            session.stop_streaming()
        self._pump()
        return item

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

        When this returns, the message has left, as far as the peer and the network take it.
        There is an exception: while other messages that have arrived are left to receive,
        small ones, of up to 4 KiB, may be kept to leave together, until the last of these
        is answered or the task waits for anything. A task that blocks the event loop there
        delays what it has sent.

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
            if (
                self._sending_fragments
                or self._congested
                or self.protocol.state is not OPEN
            ):
                await self._wait_sendable()
            session = self._session or self._open_session()
            data: Any = message  # an iterable of something else, it could be
            session.send_message(data, text=text, compress=compress)
            self._pump()
            if self._congested:
                await self._wait_drained()
            else:
                self._burst += 1 + (len(message) >> 14)
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
                await self._raise_closed()
            if not (self._sending_fragments or self._congested):
                return
            await self._writers.wait(self.loop)

    async def _wait_drained(self) -> None:
        """Wait until the peer keeps up; raise if it never will."""
        while self._congested:
            await self._writers.wait(self.loop)
        if self._cut_off:
            await self._raise_closed()

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
                await self._wait_drained()
                if self.protocol.state is not OPEN:
                    await self._raise_closed()
                session.send_fragment(
                    data, first=first, fin=False, text=text, compress=compress
                )
                first = False
                self._pump()
            if not first:
                await self._wait_drained()
                if self.protocol.state is not OPEN:
                    await self._raise_closed()
                session.send_fragment(b"", first=False, fin=True)
                self._pump()
                await self._wait_drained()
        except BaseException:
            # RFC 6455 has no way to take a message back.
            if self.protocol.expect_continuation_frame and self.protocol.state is OPEN:
                now = self._now()
                session.fail(
                    now, CloseCode.INTERNAL_ERROR, "error in fragmented message"
                )
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

        self._open_session().ping(payload, self._now(), done)
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

    async def _raise_closed(self) -> None:
        """Wait until the connection is closed, which has begun; tell how it ended."""
        session = self._open_session()
        await self._wait_lost()
        raise session.exception()

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
            # A callback of the opening handshake calls: that is what ends next.
            self.abort()
            return
        if self._lost:
            return
        self._session.close(self._now(), code, reason)
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
            self._session.receive_eof(self._now())
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
        await self.close(
            CloseCode.NORMAL_CLOSURE if exc_type is None else CloseCode.INTERNAL_ERROR
        )


install(Connection, NATIVE)


def payload_of(data: Any) -> bytes:
    """Return the payload of a ping or a pong."""
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise TypeError("data must be str or bytes-like")
