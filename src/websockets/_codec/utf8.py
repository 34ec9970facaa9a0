"""Incremental validation of text (RFC 3629, RFC 6455 §8.1).

Owns: the check of one text message that arrives in pieces.
Doesn't know: frames, messages, what to do about invalid text.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from ..typing import BytesLike


__all__ = ["Utf8Validator"]


# Text is decoded, and thrown away, in slices of this many bytes, so that
# checking a message of any size takes a bounded amount of memory.
SLICE = 64 * 1024


class Utf8Validator:
    """
    Check that the pieces of one text message are UTF-8.

    After a final piece it is ready for the next message; after an error it must
    not be used again.

    """

    __slots__ = ("pending", "position")

    def __init__(self) -> None:
        # The start of a character whose end has not arrived: at most three bytes.
        self.pending = b""
        # Where in the message these bytes are.
        self.position = 0

    def feed(self, data: BytesLike, final: bool) -> None:
        """
        Check the next piece of a message.

        Args:
            data: Any number of bytes, none included.
            final: Whether the message ends here, so a character must, too.

        Raises:
            UnicodeDecodeError: As soon as no continuation can make the bytes
                UTF-8, even in the middle of a character. ``start`` and ``end``
                count from the first byte of the message; ``object`` holds only
                the offending bytes.

        """
        view = memoryview(data).cast("B")
        for start in range(0, len(view), SLICE):
            self._check(view[start : start + SLICE], False)
        if final:
            self._check(b"", True)
            self.position = 0

    def _check(self, data: BytesLike, final: bool) -> None:
        piece = b"".join((self.pending, data)) if self.pending else data
        try:
            _, consumed = codecs.utf_8_decode(piece, "strict", final)
        except UnicodeDecodeError as exc:
            raise self._error(piece, exc.start, exc.end, exc.reason) from None
        self.position += consumed
        self.pending = pending = bytes(piece[consumed:])
        # Python leaves the start of a surrogate undecided until its third byte;
        # ED followed by A0 or more is never UTF-8 (RFC 3629 §4).
        if len(pending) > 1 and pending[0] == 0xED and pending[1] >= 0xA0:
            raise self._error(pending, 0, 1, "invalid continuation byte")

    def _error(
        self, piece: BytesLike, start: int, end: int, reason: str
    ) -> UnicodeDecodeError:
        return UnicodeDecodeError(
            "utf-8",
            bytes(piece[start:end]),
            self.position + start,
            self.position + end,
            reason,
        )
