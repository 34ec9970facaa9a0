"""Frames in, one message out (RFC 6455 §5.4, §8.1): its pieces, kept small.

Owns: the payload of one message while it arrives, the ends of its frames, the check of
text that isn't compressed.
Doesn't know: inflating, who reads, limits (the frame reader has applied them).

A peer chooses how it cuts a message. Whatever it chooses, the pieces cost about their
bytes: small ones are appended to a growing buffer, and the ends of frames are recorded
for the first few thousand only (later ones are joined when a message is streamed).
"""

from __future__ import annotations

from collections import deque

from .utf8 import Utf8Validator


__all__ = ["Message"]

# An object of its own costs some 60 bytes: a tenth, for pieces of this size.
SMALL_PIECE = 1024

# 17.4 refused messages of more frames; nobody depends on the ends of so many.
MAX_ENDS = 4096


class Message:
    """
    A message, complete or still arriving.

    Args:
        text: whether its opcode was Text (RFC 6455 §5.6).
        compressed: whether its payload has to be inflated (RFC 7692 §6).
        data: its payload when it arrived in one piece; :obj:`None` when pieces follow by
            :meth:`append`.

    """

    __slots__ = (
        "_ends",
        "_fragments",
        "_pieces",
        "_utf8",
        "complete",
        "compressed",
        "size",
        "text",
    )

    def __init__(self, text: bool, compressed: bool, data: bytes | None = None) -> None:
        self.text = text
        self.compressed = compressed
        self._pieces: list[bytes | bytearray]
        self._ends: list[int]
        if data is None:
            #: Whether the last frame has arrived.
            self.complete = False
            #: Bytes of payload that have arrived and not been taken.
            self.size = 0
            self._pieces = []
            self._ends = []
        else:
            self.complete = True
            self.size = size = len(data)
            self._pieces = [data]
            self._ends = [size]
        self._fragments: deque[bytes] | None = None
        self._utf8: Utf8Validator | None = None

    @property
    def frames(self) -> int:
        """Number of frames that are complete and not taken, as far as they are counted."""
        taken = len(self._fragments) if self._fragments else 0
        return taken + len(self._ends)

    def append(self, data: bytes, end_of_frame: bool, final: bool) -> None:
        """
        Add payload.

        Args:
            data: payload of a frame or a part of it, unmasked.
            end_of_frame: whether the frame is complete.
            final: whether the message is.

        Raises:
            UnicodeDecodeError: if the bytes can't be a part of UTF-8 text. A message that
                arrives in one piece is checked when it is decoded instead.

        """
        pieces = self._pieces
        if final and not self.size and self._fragments is None:
            # The common case: nothing to join, nothing to check here.
            if self._utf8 is not None:
                self._utf8.feed(data, True)
            pieces.append(data)
        else:
            if self.text and not self.compressed:
                if self._utf8 is None:
                    self._utf8 = Utf8Validator()
                self._utf8.feed(data, final)
            if len(data) >= SMALL_PIECE or not pieces:
                pieces.append(data)
            elif type(last := pieces[-1]) is bytearray:
                last += data
            elif data:
                pieces.append(bytearray(data))
        self.size += len(data)
        if end_of_frame:
            if len(self._ends) < MAX_ENDS or final:
                self._ends.append(self.size)
            self.complete = final

    @property
    def checked(self) -> bool:
        """Whether :meth:`append` has found the text to be UTF-8."""
        return self._utf8 is not None

    @property
    def streamed(self) -> bool:
        """Whether :meth:`take_fragment` has been called with success."""
        return self._fragments is not None

    def take(self) -> bytes:
        """Return the whole payload and forget it."""
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self._ends = []
        self.size = 0
        return data if type(data) is bytes else bytes(data)

    def take_fragment(self) -> bytes | None:
        """Return the payload of the next frame; :obj:`None` when it isn't complete yet."""
        if not self._fragments:
            if not self._ends:
                return None
            if self._fragments is None:
                self._fragments = deque()
            ends = self._ends
            data = self.take()
            start = 0
            for end in ends:
                self._fragments.append(data[start:end])
                start = end
            if start < len(data):
                self._pieces.append(data[start:])
                self.size = len(data) - start
        return self._fragments.popleft()

    @property
    def exhausted(self) -> bool:
        """Whether :meth:`take_fragment` has returned the last frame."""
        return self.complete and not self._fragments and not self._ends
