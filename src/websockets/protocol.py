"""The WebSocket protocol as a state machine, without I/O (RFC 6455).

Owns: the state of a connection, the order of frames, the closing handshake, the replies
that the RFC demands, the reason why a connection failed.
Doesn't know: sockets, time, tasks; who reads, and when.

There are two ways to read. By default :meth:`Protocol.receive_data` parses everything at
once and :meth:`Protocol.events_received` returns the frames: for programs that drive the
protocol themselves. With :attr:`Protocol.lazy` set, frames wait until a
:class:`~websockets._messages.Messages` takes them, when there is room for them: that is
how the library's own connections bound their memory.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Generator, Sequence

from ._codec import FrameReader
from ._codec.rules import RSV, RSV1
from ._sending import SendingHalf
from ._states import (
    CLIENT,
    CLOSED,
    CLOSING,
    CONNECTING,
    OPEN,
    SEND_EOF,
    SERVER,
    Side,
    State,
)
from .exceptions import (
    PayloadTooBig,
    ProtocolError,
    TooManyFragments,
)
from .extensions.base import Extension
from .extensions.permessage_deflate import PerMessageDeflate
from .frames import Close, CloseCode, Frame, Opcode
from .http11 import Request, Response
from .streams import StreamReader
from .typing import LoggerLike, Origin, Subprotocol


__all__ = [
    "CLIENT",
    "CLOSED",
    "CLOSING",
    "CONNECTING",
    "OPEN",
    "SEND_EOF",
    "SERVER",
    "Protocol",
    "Side",
    "State",
]

Event = Request | Response | Frame
"""What :meth:`Protocol.events_received` returns; programs import it for annotations."""

FIN = 0x80
CONTROL = 0x08

_max_fragments = os.environ.get("WEBSOCKETS_MAX_FRAGMENTS")
MAX_FRAGMENTS = int(_max_fragments) if _max_fragments else None


LOGGERS = {side: logging.getLogger(f"websockets.{side.name.lower()}") for side in Side}


class Protocol(SendingHalf):
    """
    A WebSocket connection, without I/O.

    Args:
        side: :attr:`Side.SERVER` or :attr:`Side.CLIENT`.
        state: initial state.
        max_size: bytes that an incoming message may have; :obj:`None` disables the limit;
            a pair ``(max_message_size, max_fragment_size)`` limits frames separately.
        logger: logger for this connection; default: ``websockets.server`` or
            ``websockets.client``.

    """

    # What all connections have; objects with slots keep the rest in a dict, which takes
    # time and memory. What most connections never have is on the class until then.
    __slots__ = (
        "_eof_rcvd",
        "_extensions",
        "_foreign",
        "_ignoring",
        "_parser",
        "_reader",
        "debug",
        "deflate",
        "events",
        "frame_reader",
        "lazy",
        "logger",
        "max_fragment_size",
        "max_message_size",
        "side",
    )

    _id: uuid.UUID | None = None
    #: Bytes received of the current message, when it is fragmented.
    current_size: int | None = None
    #: Why the opening handshake failed.
    handshake_exc: Exception | None = None
    #: Payload of the latest ping, when pongs are deferred.
    owed_pong: bytes | None = None
    #: Outcome of the opening handshake.
    origin: Origin | None = None
    subprotocol: Subprotocol | None = None
    #: Answer pings by remembering the latest one only, in :attr:`owed_pong`.
    defer_pongs = False
    # Pieces of the frame being received, when frames become events.
    _pieces: list[bytes] | None = None

    def __init__(
        self,
        side: Side,
        *,
        state: State = OPEN,
        max_size: int | tuple[int | None, int | None] | None = 2**20,
        logger: LoggerLike | None = None,
    ) -> None:
        super().__init__()
        #: Logger of this connection.
        self.logger: LoggerLike = LOGGERS[side] if logger is None else logger
        #: Whether DEBUG logs are on; looked up once, since it's asked per frame.
        self.debug = self.logger.isEnabledFor(logging.DEBUG)
        #: Side of the connection.
        self.side = side
        self._state = state
        if self.debug:
            self.logger.debug("= connection is %s", state.name)
        if isinstance(max_size, tuple):
            #: Limits on incoming messages and frames, in bytes.
            self.max_message_size, self.max_fragment_size = max_size
        else:
            self.max_message_size, self.max_fragment_size = max_size, None

        self._extensions: Sequence[Extension] = ()
        self.deflate: PerMessageDeflate | None = None
        self._foreign = False
        #: Keep frames for whoever pulls them, instead of parsing them into events.
        self.lazy = False
        #: What cuts the stream into frames, once the opening handshake is over.
        self.frame_reader: FrameReader | None = None
        self.events: list[Event] = []
        # After a Close frame, or a failure, only the end of the stream counts.
        self._eof_rcvd = self._ignoring = False
        self._reader: StreamReader | None = None
        self._parser: Generator[None, None, None] | None = None
        if type(self).parse is not type(self)._own_parse:
            # A subclass reads what it likes.
            next(self.parser)

    # -- properties

    @property
    def id(self) -> uuid.UUID:
        """Unique identifier of the connection, for logs."""
        if self._id is None:
            self._id = uuid.uuid4()
        return self._id

    @id.setter  # noqa: A003 - it's the property above
    def id(self, value: uuid.UUID) -> None:
        self._id = value

    @property
    def extensions(self) -> Sequence[Extension]:
        """Extensions in effect, in the order in which they encode."""
        return self._extensions or []

    @extensions.setter
    def extensions(self, extensions: Sequence[Extension]) -> None:
        self._extensions = extensions
        stock = len(extensions) == 1 and type(extensions[0]) is PerMessageDeflate
        self.deflate = extensions[0] if stock else None  # type: ignore[assignment]  # by type()
        self._foreign = bool(extensions) and not stock
        if self.frame_reader is not None:
            self._configure_frames(self.frame_reader)

    @property
    def reader(self) -> StreamReader:
        """Bytes of the opening handshake, and those that follow it."""
        if self._reader is None:
            self._reader = StreamReader()
        return self._reader

    @property
    def parser(self) -> Generator[None, None, None]:
        """What processes input, one step for each chunk."""
        if self._parser is None:
            self._parser = self.parse()
        return self._parser

    @parser.setter
    def parser(self, parser: Generator[None, None, None] | None) -> None:
        self._parser = parser

    @property
    def hooked(self) -> bool:
        """
        Whether frames must pass one by one, as objects.

        That is so when a subclass overrides :meth:`recv_frame`, or for an extension other
        than the library's own.
        """
        # An attribute of the object may replace the method, too. Asking __dict__ for it
        # would make that, which takes memory for as long as the connection lasts.
        function = getattr(self.recv_frame, "__func__", None)
        return self._foreign or function is not Protocol.recv_frame

    # -- bytes in

    def receive_data(self, data: bytes | bytearray) -> None:
        """
        Process bytes from the network.

        Call :meth:`events_received` and :meth:`data_to_send` afterwards.

        Raises:
            EOFError: if :meth:`receive_eof` was called before.

        """
        if self._eof_rcvd:
            raise EOFError("stream ended")
        if self.frame_reader is None:
            self.reader.feed_data(data)
        else:
            self.frame_reader.feed(bytes(data))
        self._advance()

    def receive_eof(self) -> None:
        """Process the end of the stream; calling it again does nothing."""
        if self._eof_rcvd:
            return
        self._eof_rcvd = True
        if self.frame_reader is None:
            self.reader.feed_eof()
        if self.debug:
            self.logger.debug("< EOF")
        self._advance()
        if self._state is CLOSED:
            self._parser = None  # it refers to the protocol, and nothing follows

    def events_received(self) -> list[Event]:
        """Return what was received since the last call: requests, responses, frames."""
        events, self.events = self.events, []
        return events

    def close_expected(self) -> bool:
        """
        Tell whether the TCP connection should end soon.

        Start a timer when it turns true, and drop the connection when the timer fires.
        """
        return self._state is CLOSING or (self._state is CONNECTING and self.eof_sent)

    def fail(self, code: int, reason: str = "") -> None:
        """
        Fail the connection (RFC 6455 §7.1.7): tell the peer why, and read no more.

        Args:
            code: close code; 1006 sends no Close frame.
            reason: at most 123 bytes of UTF-8.

        Raises:
            ProtocolError: if the code is reserved or the reason too long.

        """
        if self._state is OPEN:
            if code != CloseCode.ABNORMAL_CLOSURE:
                close = Close(code, reason)
                self.send_frame(Frame(Opcode.CLOSE, close.serialize()))
                self.close_sent = close
            self.state = CLOSING
        # RFC 6455 §7.1.1: the server closes TCP first.
        if self.side is SERVER and not self.eof_sent:
            self.send_eof()
        self._ignore_input()

    # -- receiving

    def parse(self) -> Generator[None, None, None]:
        """
        Process input, chunk by chunk.

        A subclass reads the opening handshake from :attr:`reader` before this.
        """
        # Frames need no generator, and a connection may have them for days.
        self._parser = None
        self._read_frames()
        return (yield)  # for the last time: nobody has this generator any more

    # To tell whether a subclass of a program overrides it.
    _own_parse = parse

    def _advance(self) -> None:
        """Process input: by the parser, while there is one, or else as frames."""
        if self._parser is not None or self._state is CONNECTING:
            next(self.parser)
        else:
            self._read_frames()

    def _read_frames(self) -> None:
        frames = self.frame_reader
        if frames is None:
            frames = self._start_frames()
        if not self.lazy:
            self.read_events(frames)
        if self._eof_rcvd and self._state is not CLOSED:
            if not self._ignoring:
                # In the middle of the conversation.
                text = "unexpected end of stream"
                if (unfinished := frames.unfinished()) is not None:
                    there, size = unfinished
                    text = f"stream ends after {there} bytes, expected {size} bytes"
                self.parser_exc = EOFError(text)
            self._end()

    def _start_frames(self) -> FrameReader:
        """Process as frames what follows."""
        self.frame_reader = frames = FrameReader(
            self.side is SERVER,
            self.max_message_size,
            self.max_fragment_size,
            MAX_FRAGMENTS,
        )
        self._configure_frames(frames)
        if self._reader is not None:
            frames.feed(self._reader.take())
            self._reader = None
        return frames

    def discard(self) -> Generator[None, None, None]:
        """Ignore input until the stream ends."""
        while not self._eof_rcvd:
            if self._reader is not None:
                self._reader.discard()
            yield
        if self._state is not CLOSED:
            self._end()
        while True:
            yield

    def recv_frame(self, frame: Frame) -> None:
        """
        Process a frame; every frame passes here, when a subclass overrides this.

        Args:
            frame: as it left the extensions.

        """
        opcode = frame.opcode
        if opcode is Opcode.PING:
            if self.defer_pongs:
                self.owed_pong = bytes(frame.data)
            else:
                # RFC 6455 §5.5.2
                self.send_frame(Frame(Opcode.PONG, frame.data))
        elif opcode is Opcode.CLOSE:
            # RFC 6455 §5.5.1
            data = bytes(frame.data)
            self.close_rcvd = close = Close.parse(data)
            if self._state is CLOSING:
                assert self.close_sent is not None  # fail() with 1006 ignores all input
                self.close_rcvd_then_sent = False
            else:
                # Also inside a fragmented message, which the peer gives up: no error.
                self._send_close_frame(data)
                self.close_sent = close
                self.close_rcvd_then_sent = True
                self.state = CLOSING
            # RFC 6455 §7.1.1
            if self.side is SERVER:
                self.send_eof()
            self._ignore_input()
        self.events.append(frame)

    def release_pong(self) -> None:
        """Stop deferring pongs; send the one that is owed."""
        self.defer_pongs = False
        pong, self.owed_pong = self.owed_pong, None
        if pong is not None and self._state is OPEN:
            self.send_pong(pong)

    # -- private

    def _configure_frames(self, frames: FrameReader) -> None:
        stock = RSV1 if self.deflate is not None else 0
        frames.reserved = RSV if self._foreign else stock

    def _ignore_input(self) -> None:
        """Keep messages that wait to be read; ignore all that comes, up to the end."""
        if self.frame_reader is None:
            self.parser = self.discard()
            next(self.parser)
        else:
            self.frame_reader.stop()
            self._ignoring = True

    def _end(self) -> None:
        """The stream ended, and nothing else is going to happen."""
        if not self.eof_sent:
            self.send_eof()
        self.state = CLOSED
        if self.side is SERVER:
            self.logger.info("connection closed")

    def read_events(self, frames: FrameReader) -> None:
        """Parse all frames that have arrived into events."""
        try:
            while (piece := frames.read()) is not None:
                head, data, complete = piece
                if self._pieces is not None:
                    self._pieces.append(data)
                    data = b"".join(self._pieces) if complete else b""
                elif not complete:
                    self._pieces = [data]
                if complete:
                    self._pieces = None
                    self.recv_frame(self.decode_frame(head, data))
        except Exception as exc:
            self.fail_parse(exc)

    def decode_frame(self, head: int, data: bytes) -> Frame:
        """Return the frame as it leaves the extensions, its size checked."""
        frame = Frame(
            Opcode(head & 0x0F),
            data,
            head >= FIN,
            bool(head & RSV1),
            bool(head & 0x20),
            bool(head & 0x10),
        )
        if head & CONTROL:
            limit = None
        elif self.max_message_size is None:
            limit = self.max_fragment_size
        else:
            limit = self.max_message_size - (self.current_size or 0)
            if self.max_fragment_size is not None:
                limit = min(limit, self.max_fragment_size)
        try:
            for extension in reversed(self._extensions):
                frame = extension.decode(frame, max_size=limit)
        except PayloadTooBig as exc:
            exc.set_current_size(self.current_size)
            raise
        frame.check()
        if not head & CONTROL:
            self.current_size = (
                None if frame.fin else (self.current_size or 0) + len(frame.data)
            )
        if self.debug:
            self.logger.debug("< %s", frame)
        return frame

    def fail_parse(self, exc: Exception) -> None:
        """Fail the connection because of what the peer sent; keep the reason."""
        if isinstance(exc, ProtocolError):
            code, reason = CloseCode.PROTOCOL_ERROR, str(exc)
        elif isinstance(exc, UnicodeDecodeError):
            # RFC 6455 §8.1
            code, reason = (
                CloseCode.INVALID_DATA,
                f"{exc.reason} at position {exc.start}",
            )
        elif isinstance(exc, (PayloadTooBig, TooManyFragments)):
            code, reason = CloseCode.MESSAGE_TOO_BIG, str(exc)
            exc.add_note(
                f"this {self.side.name.lower()} accepts messages of at most "
                f"{self.max_message_size} bytes, frames of at most "
                f"{self.max_fragment_size} (None: no limit); pass another max_size to "
                f"{'connect' if self.side is CLIENT else 'serve'}() to change that"
            )
        else:
            # An extension or an overridden method raised what it shouldn't.
            self.logger.error("parser failed", exc_info=exc)
            code, reason = CloseCode.INTERNAL_ERROR, ""
        if self.parser_exc is None:
            self.parser_exc = exc
        if self._state is CLOSED:
            # Found when a message was read after the end.
            return
        self.fail(code, shorten(reason))


def shorten(reason: str) -> str:
    """Cut a reason that we made up ourselves to what a Close frame can hold."""
    data = reason.encode()
    return reason if len(data) <= 123 else data[:120].decode(errors="ignore") + "..."
