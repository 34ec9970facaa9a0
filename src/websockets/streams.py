"""
A buffer between bytes that arrive in any pieces and parsers that want lines (layer 1).

Owns: the bytes received and not yet consumed, and whether more can come.
Doesn't know: what the bytes mean, where they come from; it never waits.
Rule: a reading method is a generator. It yields whenever it needs more bytes; call
:meth:`~StreamReader.feed_data` or :meth:`~StreamReader.feed_eof` and resume it. It
searches each byte once, so a peer who sends one byte at a time gains nothing.
"""

from __future__ import annotations

from collections.abc import Generator


__all__ = ["StreamReader"]


class StreamReader:
    """
    Bytes received, read by generators.

    Drive a reading method with ``yield from`` inside another generator, or with
    :func:`next` until it raises :exc:`StopIteration`, which holds the result.
    """

    __slots__ = ("buffer", "eof")

    def __init__(self) -> None:
        #: Bytes that were received and not consumed.
        self.buffer = bytearray()
        #: Whether the stream ended.
        self.eof = False

    def read_line(
        self,
        m: int,
        too_long_exc_type: type[Exception] = RuntimeError,
    ) -> Generator[None, None, bytearray]:
        """
        Read a line, up to and including LF.

        Args:
            m: maximum number of bytes to read, including the end of the line.
            too_long_exc_type: type of the exception for a longer line.

        Raises:
            EOFError: if the stream ends before LF.
            RuntimeError: or ``too_long_exc_type``, if the line exceeds ``m`` bytes; it is
                raised as soon as that is certain.

        """
        searched = 0
        while not (end := self.buffer.find(b"\n", searched) + 1):
            searched = len(self.buffer)
            if searched > m:
                raise too_long(searched, m, too_long_exc_type)
            if self.eof:
                raise EOFError(
                    f"stream ends after {searched} bytes, before end of line"
                )
            yield
        if end > m:
            raise too_long(end, m, too_long_exc_type)
        return self._pop(end)

    def read_exact(self, n: int) -> Generator[None, None, bytearray]:
        """
        Read exactly ``n`` bytes.

        Raises:
            EOFError: if the stream ends before that.

        """
        while len(self.buffer) < n:
            if self.eof:
                raise EOFError(
                    f"stream ends after {len(self.buffer)} bytes, expected {n} bytes"
                )
            yield
        return self._pop(n)

    def read_to_eof(
        self,
        m: int,
        too_long_exc_type: type[Exception] = RuntimeError,
    ) -> Generator[None, None, bytearray]:
        """
        Read all bytes until the stream ends.

        Args:
            m: maximum number of bytes to read.
            too_long_exc_type: type of the exception for a longer stream.

        Raises:
            RuntimeError: or ``too_long_exc_type``, as soon as the buffer exceeds ``m``
                bytes.

        """
        while True:
            if len(self.buffer) > m:
                raise too_long(len(self.buffer), m, too_long_exc_type)
            if self.eof:
                return self._pop(len(self.buffer))
            yield

    def at_eof(self) -> Generator[None, None, bool]:
        """
        Tell whether the stream ended and every byte was read.

        Wait for a byte or for the end of the stream if the buffer is empty.
        """
        while not self.buffer:
            if self.eof:
                return True
            yield
        return False

    def feed_data(self, data: bytes | bytearray) -> None:
        """
        Append bytes that were received.

        Raises:
            EOFError: if the stream ended.

        """
        if self.eof:
            raise EOFError("stream ended")
        self.buffer += data

    def feed_eof(self) -> None:
        """
        Note that the stream ended.

        Raises:
            EOFError: if it had ended already.

        """
        if self.eof:
            raise EOFError("stream ended")
        self.eof = True

    def discard(self) -> None:
        """Forget the bytes in the buffer."""
        self.buffer.clear()

    def take(self) -> bytes:
        """
        Remove and return the bytes in the buffer, possibly none, at once.

        This hands what follows an HTTP message over to another parser.
        """
        data = bytes(self.buffer)
        self.buffer.clear()
        return data

    def take_head(self, m: int) -> bytearray | None:
        """
        Remove and return lines up to the first empty one, if all of them are here.

        This serves the common case of a message head that arrives in one piece.

        Args:
            m: maximum number of bytes to read, including the empty line.

        Returns:
            The lines, each with its CRLF, without the empty one; :obj:`None`, and nothing
            is removed, if no line among the next ``m`` bytes is empty.

        """
        end = self.buffer.find(b"\r\n\r\n", 0, m)
        if end < 0:
            return None
        head = self._pop(end + 4)
        del head[end + 2 :]
        return head

    def _pop(self, n: int) -> bytearray:
        """Remove and return ``n`` bytes, which are in the buffer."""
        if n == len(self.buffer):
            # Hand the buffer over instead of copying it.
            data, self.buffer = self.buffer, bytearray()
        else:
            data = self.buffer[:n]
            # Cheap: a bytearray moves its start instead of its content.
            del self.buffer[:n]
        return data


def too_long(n: int, m: int, exc_type: type[Exception]) -> Exception:
    """Return the exception for reading more than ``m`` bytes."""
    return exc_type(f"read {n} bytes, expected no more than {m} bytes")
