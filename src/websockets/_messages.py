"""Messages out of a lazy protocol: pulled one by one, as there is room for them.

Owns: the message being received, its text check, its inflating, its decoding.
Doesn't know: who waits for it, water marks, time.

Nothing here runs ahead of the reader, except for :meth:`Messages.scan`, which lets the
protocol answer pings and notice a Close behind messages that nobody has taken. So the
failure of a connection shows when its turn comes: messages before it are delivered, and
can be answered.
"""

from __future__ import annotations

import codecs
from collections import deque
from typing import TYPE_CHECKING

from ._codec import Message, Utf8Validator
from ._codec.rules import RSV1
from .exceptions import PayloadTooBig
from .frames import Frame, Opcode
from .protocol import CONTROL, FIN


if TYPE_CHECKING:
    from collections.abc import Callable

    from ._codec import FrameReader
    from .protocol import Protocol


__all__ = ["Messages"]

Utf8Decoder = codecs.getincrementaldecoder("utf-8")

# Writes that may be queued while one chunk is parsed, before pongs collapse into the one
# for the latest ping (RFC 6455 §5.5.3): as objects, they cost 30 times their bytes.
MAX_PONGS = 512

CONTROLS = {opcode.value: opcode for opcode in (Opcode.CLOSE, Opcode.PING, Opcode.PONG)}
DATA_OPCODES = (Opcode.CONT, Opcode.TEXT, Opcode.BINARY)


class Messages:
    """
    The pull core of a protocol whose opening handshake is over.

    Args:
        protocol: an open protocol; it parses nothing by itself any more.
        on_pong: called with the payload of each pong.

    """

    __slots__ = (
        "_continued",
        "_decoder",
        "_deferring",
        "_frames",
        "_inflated",
        "_logged",
        "_message",
        "_on_pong",
        "_protocol",
        "_ready",
        "_tail",
        "_validator",
    )

    def __init__(self, protocol: Protocol, on_pong: Callable[[bytes], None]) -> None:
        protocol.lazy = True
        if protocol.frame_reader is None:
            # The parser waits for the handshake, which is over.
            protocol._advance()
        assert protocol.frame_reader is not None
        self._protocol = protocol
        self._on_pong = on_pong
        self._frames: FrameReader = protocol.frame_reader
        self._message: Message | None = None
        # Messages of a hooked protocol: its frames are objects, parsed as they come.
        self._ready: deque[Message] | None = deque() if protocol.hooked else None
        self._tail: Message | None = None
        # The message being streamed.
        self._decoder: codecs.IncrementalDecoder | None = None
        self._validator: Utf8Validator | None = None
        self._inflated = 0
        self._continued = False
        # Pongs are deferred until the end of this chunk.
        self._deferring = False
        # Payload of the frame being received, for the DEBUG log.
        self._logged: list[bytes] | None = None

    # -- state

    @property
    def ahead(self) -> int:
        """Number of frames received and not taken."""
        message = self._message
        count = self._frames.ahead + (message.frames if message is not None else 0)
        if self._ready:
            count += sum(message.frames for message in self._ready)
        return count

    @property
    def held(self) -> int:
        """Number of bytes of payload received and not taken."""
        message = self._message
        count = self._frames.pending + (message.size if message is not None else 0)
        if self._ready:
            count += sum(message.size for message in self._ready)
        return count

    @property
    def drained(self) -> bool:
        """Whether nothing waits behind the message being received, bytes or a pong."""
        return not (self._frames.pending or self._deferring or self._ready is not None)

    @property
    def complete(self) -> bool:
        """Whether the message being received is complete."""
        return self._message is not None and self._message.complete

    @property
    def readable(self) -> bool:
        """Whether a fragment can be taken of the message being received."""
        message = self._message
        return message is not None and (message.complete or message.frames > 0)

    @property
    def streaming(self) -> bool:
        """Whether a fragment was taken of the message being received."""
        return self._message is not None and self._message.streamed

    @property
    def failing(self) -> bool:
        """Whether an error waits behind messages that nobody has taken."""
        return self._frames.error is not None and self._protocol.parser_exc is None

    # -- bytes in

    def feed(self, data: bytes) -> None:
        """Keep bytes received from the network."""
        self._frames.feed(data)

    def scan(self) -> None:
        """Process control frames behind the message being received."""
        if self._ready is not None:
            self._read_hooked(self._ready)
        elif self._frames.unscanned:
            self._scan(self._frames)
            self._frames.trim()
        if self._deferring:
            self._deferring = False
            self._protocol.release_pong()

    def _scan(self, frames: FrameReader) -> None:
        try:
            while found := frames.scan():
                for head, data in found:
                    self._control(head, data)
        except Exception as exc:
            self._protocol.fail_parse(exc)

    def fail_now(self) -> None:
        """
        Fail the connection for the error that waits, instead of when its turn comes.

        Messages before it can be taken afterwards, too.
        """
        error = self._frames.error
        assert error is not None  # see failing
        self._protocol.fail_parse(error)

    def gather(self) -> None:
        """Receive payload of an unfinished frame, when nothing before it is unread."""
        message = self._message
        if self._ready is not None or (message is not None and message.complete):
            return
        piece = self._frames.read_unfinished()
        if piece is None:
            return
        head, data, end_of_frame = piece
        if message is None:
            self._message = message = Message(head & 0x0F == 1, head & RSV1 != 0)
        if self._protocol.debug:
            self._log(message, head, data, end_of_frame)
        try:
            message.append(data, end_of_frame, end_of_frame and head >= FIN)
        except UnicodeDecodeError as exc:
            self._fail(exc)

    def pull(self) -> Message | None:
        """
        Receive what has arrived of the next message.

        When the peer broke a rule, this fails the connection.

        Returns:
            The message if it is complete, else :obj:`None`.

        """
        message = self._message
        if message is not None and message.complete:
            return message
        if self._ready is not None:
            self._read_hooked(self._ready)
            if self._ready and message is None:
                self._message = message = self._ready.popleft()
            return message if message is not None and message.complete else None
        try:
            while (piece := self._frames.read()) is not None:
                head, data, end_of_frame = piece
                if head & CONTROL:
                    self._control(head, data)
                    continue
                final = end_of_frame and head >= FIN
                if message is None:
                    # Messages in one piece, most of them, are made in one step.
                    self._message = message = Message(
                        head & 0x0F == 1, head & RSV1 != 0, data if final else None
                    )
                    if not final:
                        message.append(data, end_of_frame, False)
                else:
                    message.append(data, end_of_frame, final)
                if self._protocol.debug:
                    self._log(message, head, data, end_of_frame)
                if final:
                    return message
        except Exception as exc:
            self._fail(exc)
        return None

    # -- messages out

    def pop_message(self, decode: bool | None) -> str | bytes | None:
        """
        Return the next message, or :obj:`None` when it isn't complete.

        Args:
            decode: :obj:`None` by the opcode, :obj:`True` as text, :obj:`False` as bytes.

        """
        message = self._message
        if message is None or not message.complete:
            message = self.pull()
            if message is None:
                return None
        self._message = None
        self._frames.trim()
        try:
            data = self._inflate(message) if message.compressed else message.take()
            if message.text if decode is None else decode:
                return data.decode()
            if message.text and not message.checked:
                # RFC 6455 §8.1 holds for programs that want bytes, too.
                Utf8Validator().feed(data, True)
            return data
        except Exception as exc:
            self._fail(exc)
            return None

    def pop_fragment(self, decode: bool | None) -> tuple[str | bytes, bool] | None:
        """
        Return the next frame of the message, and whether it is the last one.

        Args:
            decode: as for :meth:`pop_message`; the same for all frames of a message.

        """
        if not self.readable:
            self.pull()
        message = self._message
        data = message.take_fragment() if message is not None else None
        if message is None or data is None:
            return None
        last = message.exhausted
        text = message.text if decode is None else decode
        try:
            if message.compressed:
                data = self._inflate_fragment(message, data, last)
            if (message.text or text) and not message.checked:
                if self._validator is None:
                    self._validator = Utf8Validator()
                self._validator.feed(data, last)
            if text and self._decoder is None:
                self._decoder = Utf8Decoder()
            fragment = (
                self._decoder.decode(data, last) if self._decoder is not None else data
            )
        except Exception as exc:
            self._fail(exc)
            return None
        if last:
            self._frames.trim()
            self._message = self._decoder = self._validator = None
            self._inflated = 0
            self._continued = False
        return fragment, last

    def forget_pongs(self) -> None:
        """Tell nobody about pongs any more, so as not to refer to who was told."""
        self._on_pong = ignore

    # -- private

    def _fail(self, exc: Exception) -> None:
        """Fail the connection at the message being received: nothing follows it."""
        self._message = None
        self._frames.clear()
        if self._ready is not None:
            self._ready.clear()
        self._protocol.fail_parse(exc)

    def _control(self, head: int, data: bytes) -> None:
        protocol = self._protocol
        frame = Frame(CONTROLS[head & 0x0F], data)
        if protocol.debug:
            protocol.logger.debug("< %s", frame)
        protocol.recv_frame(frame)
        # Here and not later: one chunk may bring a hundred thousand of them.
        protocol.events.clear()
        if len(protocol.writes) > MAX_PONGS and not protocol.defer_pongs:
            self._deferring = protocol.defer_pongs = True
        if frame.opcode is Opcode.PONG:
            self._on_pong(data)

    def _log(
        self, message: Message, head: int, data: bytes, end_of_frame: bool
    ) -> None:
        if self._logged is None:
            self._logged = []
        self._logged.append(data)
        if end_of_frame:
            if not message.compressed:
                frame = Frame(Opcode(head & 0x0F), b"".join(self._logged), head >= FIN)
                self._protocol.logger.debug("< %s", frame)
            self._logged = None

    def _inflate(self, message: Message) -> bytes:
        """Inflate a complete message, within the limits."""
        if self._protocol.max_fragment_size is not None and message.frames > 1:
            # Frames have a limit of their own.
            parts = []
            while not message.exhausted:
                data = message.take_fragment()
                assert data is not None  # the message is complete
                parts.append(self._inflate_fragment(message, data, message.exhausted))
            data = b"".join(parts)
        else:
            data = self._inflate_fragment(message, message.take(), True)
        self._inflated = 0
        self._continued = False
        return data

    def _inflate_fragment(self, message: Message, data: bytes, last: bool) -> bytes:
        """Inflate a part of it, to at most what the limits leave."""
        protocol = self._protocol
        deflate = protocol.deflate
        assert deflate is not None  # or RSV1 would have been an error
        limit = protocol.max_fragment_size
        if protocol.max_message_size is not None:
            left = protocol.max_message_size - self._inflated
            limit = left if limit is None else min(limit, left)
        try:
            data = deflate.inflate(data, max_size=limit, final=last)
        except PayloadTooBig as exc:
            exc.set_current_size(self._inflated or None)
            raise
        if protocol.debug:
            opcode = Opcode.TEXT if message.text else Opcode.BINARY
            frame = Frame(Opcode.CONT if self._continued else opcode, data, last)
            protocol.logger.debug("< %s", frame)
        self._inflated += len(data)
        self._continued = True
        return data

    def _read_hooked(self, ready: deque[Message]) -> None:
        """Parse all frames that have arrived; collect those that carry data."""
        protocol = self._protocol
        # As with drop(): what arrives after our Close isn't for anybody.
        dropping = protocol.close_sent is not None
        protocol.read_events(self._frames)
        events = protocol.events_received()
        try:
            for event in events:
                assert isinstance(event, Frame)  # the handshake is over
                if event.opcode is Opcode.PONG:
                    self._on_pong(bytes(event.data))
                elif event.opcode not in DATA_OPCODES:
                    pass  # the protocol has processed it
                elif not dropping:
                    if event.opcode is not Opcode.CONT:
                        self._tail = Message(event.opcode is Opcode.TEXT, False)
                        ready.append(self._tail)
                    assert self._tail is not None  # the protocol checks the order
                    self._tail.append(bytes(event.data), True, event.fin)
        except UnicodeDecodeError as exc:
            protocol.fail_parse(exc)


def ignore(data: bytes) -> None:
    """Do nothing about a pong."""
