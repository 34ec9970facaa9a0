"""The sending half of the protocol (RFC 6455 §5, §7).

Owns: frames and half-closes that wait to be written, the order of frames sent, the choice
to compress a message.
Doesn't know: what was received.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any

from ._codec import mask_key, serialize_frame, serialize_in_pieces
from ._ending import Ending
from ._states import CLIENT, CLOSING, OPEN, SEND_EOF, Side, State
from .exceptions import InvalidState, ProtocolError
from .extensions.permessage_deflate import PerMessageDeflate
from .frames import Close, CloseCode, Frame, Opcode


if TYPE_CHECKING:
    from ._codec import FrameReader
    from .extensions.base import Extension
    from .typing import BytesLike, LoggerLike


__all__ = ["SendingHalf"]

TEXT = Opcode.TEXT
BINARY = Opcode.BINARY
CONT = Opcode.CONT

FIN = 0x80
RSV1 = 0x40

# First byte of a Close frame.
CLOSE = FIN | Opcode.CLOSE

# Programs that drive the protocol themselves get a frame in one object, whatever its size.
LARGE = 65536


class Replaceable:
    """
    The method ``send_frame()``: what replaces it on an object is kept in a slot.

    Each class has one of its own, so as to know what ``super()`` asks for: the method.
    """

    def __init__(self, function: Callable[[Any, Frame], None]) -> None:
        self.function = function

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self.function
        if instance._send_frame is not None and find(type(instance)) is self:
            return instance._send_frame
        return MethodType(self.function, instance)

    def __set__(self, instance: Any, function: Callable[[Frame], None]) -> None:
        instance._send_frame = function

    def __delete__(self, instance: Any) -> None:
        instance._send_frame = None


def find(cls: type) -> Any:
    """Return what a class has as ``send_frame()``, as it is."""
    return inspect.getattr_static(cls, "send_frame")


class SendingHalf(Ending):
    """
    What :class:`~websockets.protocol.Protocol` sends.

    The other half sets the attributes declared here.
    """

    # What native code looks at before each message; the rest is in the instance's dict.
    __slots__ = ("_send_frame", "_state", "expect_continuation_frame", "writes")

    logger: LoggerLike
    debug: bool
    side: Side
    _send_frame: Callable[[Frame], None] | None
    _state: State
    lazy: bool
    frame_reader: FrameReader | None
    deflate: PerMessageDeflate | None
    _extensions: Sequence[Extension]
    _foreign: bool

    #: Whether the half-close was queued.
    eof_sent = False
    # Whether the message being sent goes through deflate, and whether it must not.
    _sending_compressed = False
    _never_compress = False

    @property
    def state(self) -> State:
        """State of the connection."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        if self.debug:
            self.logger.debug("= connection is %s", state.name)
        self._state = state

    if TYPE_CHECKING:

        @property
        def hooked(self) -> bool: ...

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        method = find(cls)
        if isinstance(method, Replaceable):
            # mypy and pyright take it for an ordinary method.
            type.__setattr__(cls, "send_frame", Replaceable(method.function))

    def __init__(self) -> None:
        #: What to write; see :meth:`data_to_send`.
        self.writes: list[bytes] = []
        #: Whether a fragmented message is being sent.
        self.expect_continuation_frame = False
        # What a program has put in the place of send_frame(); a subclass may be earlier.
        self._send_frame = getattr(self, "_send_frame", None)

    def data_to_send(self) -> list[bytes]:
        """
        Return what to write to the network, in order.

        The empty bytes object, :data:`SEND_EOF`, asks to half-close the connection.
        """
        writes, self.writes = self.writes, []
        return writes

    # -- sending (RFC 6455 §5.6, §5.5)

    def send_continuation(self, data: BytesLike, fin: bool) -> None:
        """
        Send a Continuation frame.

        Args:
            data: payload; UTF-8 when the message is text.
            fin: whether it ends the message.

        Raises:
            ProtocolError: if no fragmented message is in progress.
            InvalidState: if the connection isn't open.

        """
        self.send_data(CONT, data, fin)

    def send_text(self, data: BytesLike, fin: bool = True) -> None:
        """
        Send a Text frame.

        Args:
            data: UTF-8 payload.
            fin: :obj:`False` when Continuation frames follow.

        Raises:
            ProtocolError: if a fragmented message is in progress.
            InvalidState: if the connection isn't open.

        """
        self.send_data(TEXT, data, fin)

    def send_binary(self, data: BytesLike, fin: bool = True) -> None:
        """
        Send a Binary frame.

        Args:
            data: payload.
            fin: :obj:`False` when Continuation frames follow.

        Raises:
            ProtocolError: if a fragmented message is in progress.
            InvalidState: if the connection isn't open.

        """
        self.send_data(BINARY, data, fin)

    def send_data(
        self,
        opcode: Opcode,
        data: BytesLike,
        fin: bool = True,
        compress: bool | None = None,
    ) -> None:
        """
        Send a data frame, with a say in its compression.

        Args:
            opcode: Text, Binary or Continuation.
            data: payload.
            fin: whether it ends the message.
            compress: compress the message, when permessage-deflate was negotiated, always
                or never; :obj:`None` leaves it to the extension's threshold. The first
                frame of a message decides for all.

        Raises:
            ProtocolError: if the frame is out of order.
            InvalidState: if the connection isn't open.

        """
        first = opcode is not CONT
        if first is self.expect_continuation_frame:
            raise ProtocolError(
                "expected a continuation frame"
                if first
                else "unexpected continuation frame"
            )
        if self._state is not OPEN:
            raise InvalidState(f"connection is {self._state.name.lower()}")
        deflate = self.deflate
        if first:
            self._never_compress = compress is False
            self._sending_compressed = deflate is not None and (
                deflate.worth_compressing(data, fin) if compress is None else compress
            )
        if self._foreign or self.sends_itself:
            self.send_frame(Frame(opcode, data, fin))
        else:
            if self.debug:
                self.logger.debug("> %s", Frame(opcode, data, fin))
            head = (opcode | FIN) if fin else int(opcode)
            if self._sending_compressed:
                assert deflate is not None  # that's what the flag says
                data = deflate.deflate(data, final=fin)
                if first:
                    head |= RSV1
            mask = mask_key() if self.side is CLIENT else None
            if mask is not None and self.lazy and len(data) > LARGE:
                self.writes += serialize_in_pieces(head, data, mask)
            else:
                self.writes.append(serialize_frame(head, data, mask))
        self.expect_continuation_frame = not fin

    @property
    def sends_itself(self) -> bool:
        """Whether a subclass, or an attribute, replaces :meth:`send_frame`."""
        return self._send_frame is not None or type(self).send_frame is not SEND_FRAME

    def send_close(self, code: int | None = None, reason: str = "") -> None:
        """
        Send a Close frame (RFC 6455 §5.5.1); the connection is closing then.

        Args:
            code: close code; :obj:`None` sends an empty frame.
            reason: at most 123 bytes of UTF-8.

        Raises:
            ProtocolError: if the code is reserved, the reason too long, or without a code.
            InvalidState: if the connection isn't open.

        """
        if self._state is not OPEN:
            raise InvalidState(f"connection is {self._state.name.lower()}")
        if code is None:
            if reason != "":
                raise ProtocolError("cannot send a reason without a code")
            close = Close(CloseCode.NO_STATUS_RCVD, "")
            data = b""
        else:
            close = Close(code, reason)
            data = close.serialize()
        self._send_close_frame(data)
        self.close_sent = close
        self.state = CLOSING
        if self.lazy and self.frame_reader is not None and not self.hooked:
            # RFC 6455 §5.5.1 lets the peer go on sending; nobody is going to read it.
            self.frame_reader.drop()

    def _send_close_frame(self, data: bytes) -> None:
        if self._foreign or self.debug or len(data) > 125 or self.sends_itself:
            self.send_frame(Frame(Opcode.CLOSE, data))
        else:
            # The same, without a frame that nobody sees.
            mask = mask_key() if self.side is CLIENT else None
            self.writes.append(serialize_frame(CLOSE, data, mask))

    def send_ping(self, data: BytesLike) -> None:
        """
        Send a Ping frame (RFC 6455 §5.5.2).

        Args:
            data: payload, at most 125 bytes.

        Raises:
            ProtocolError: if the payload is too long.
            InvalidState: if the connection is neither open nor closing.

        """
        self._send_control(Opcode.PING, data)

    def send_pong(self, data: BytesLike) -> None:
        """
        Send a Pong frame (RFC 6455 §5.5.3).

        Args:
            data: payload, at most 125 bytes.

        Raises:
            ProtocolError: if the payload is too long.
            InvalidState: if the connection is neither open nor closing.

        """
        self._send_control(Opcode.PONG, data)

    def _send_control(self, opcode: Opcode, data: BytesLike) -> None:
        if self._state is not OPEN and self._state is not CLOSING:
            raise InvalidState(f"connection is {self._state.name.lower()}")
        self.send_frame(Frame(opcode, data))

    @Replaceable
    def send_frame(self, frame: Frame) -> None:
        """
        Queue a frame; every frame passes here, when a subclass overrides this.

        Raises:
            ProtocolError: if the frame breaks a rule of RFC 6455.

        """
        if self.debug:
            self.logger.debug("> %s", frame)
        extensions: Sequence[Extension] = self._extensions
        if self._never_compress:
            extensions = [x for x in extensions if not isinstance(x, PerMessageDeflate)]
        self.writes.append(
            frame.serialize(mask=self.side is CLIENT, extensions=extensions)
        )

    def send_eof(self) -> None:
        """Queue a half-close."""
        assert not self.eof_sent
        self.eof_sent = True
        if self.debug:
            self.logger.debug("> EOF")
        self.writes.append(SEND_EOF)


SEND_FRAME = SendingHalf.send_frame
