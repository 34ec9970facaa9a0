"""Bytes in, frames out (RFC 6455 §5.2 to §5.5): the Python twin of the frame reader.

Owns: the bytes received and not yet taken, the rules that one frame header and the
order of frames must obey, and the limits on sizes that a header announces.
Doesn't know: extensions beyond "RSV1 may mark a compressed message", UTF-8, replies,
state of the connection, time.

Two cursors walk over one buffer. :meth:`FrameReader.read` *takes* frames, in order, and
releases their bytes. :meth:`FrameReader.scan` looks *ahead* of it, over headers only: a
ping or a Close behind messages that nobody has read yet is noticed at once, while the
messages stay raw, so what a peer sends costs its own size in memory and no more.
"""

from __future__ import annotations

from ..exceptions import PayloadTooBig, ProtocolError, TooManyFragments
from .buffers import cut, join
from .mask import apply_mask
from .rules import check_head, check_length, check_size, missing_part, without_control


__all__ = ["FrameReader"]

FIN = 0x80
RSV1 = 0x40
CONTROL = 0x08
CLOSE = 0x08

# Before the beginning of any buffer, however far it has moved on.
NOWHERE = -(1 << 62)

# Control frames returned by one scan: as objects, they cost 60 times their bytes.
MAX_FOUND = 64

# Bytes of control frames that may stay behind data that waits, whatever its size; and
# of a buffer of which everything was taken.
MAX_SKIPPED = 4096

# First bytes of messages in one frame, without extensions: most frames.
PLAIN = (0x81, 0x82)


class FrameReader:
    """
    Cut a stream of bytes into frames.

    Args:
        masked: whether the peer must mask its frames (RFC 6455 §5.1): true on servers.
        max_message_size: bytes a message may have, or :obj:`None` for no limit.
        max_fragment_size: bytes one frame of a message may have, or :obj:`None`.
        max_fragments: frames a message may have, or :obj:`None`.
    """

    __slots__ = (
        "_boundary",
        "_buf",
        "_candidate",
        "_closed",
        "_compressed",
        "_fragments",
        "_head",
        "_in_message",
        "_keep",
        "_key",
        "_length",
        "_missing",
        "_plain_limit",
        "_pos",
        "_scan",
        "_scan_compressed",
        "_scan_fragments",
        "_scan_in_message",
        "_scan_length",
        "_scan_size",
        "_size",
        "_skipped",
        "ahead",
        "error",
        "limits",
        "masked",
        "max_fragments",
        "reserved",
    )

    def __init__(
        self,
        masked: bool,
        max_message_size: int | None = None,
        max_fragment_size: int | None = None,
        max_fragments: int | None = None,
    ) -> None:
        self.masked = masked
        self.limits = max_message_size, max_fragment_size
        # What a message in one frame is held to.
        self._plain_limit = min((x for x in self.limits if x is not None), default=None)
        self.max_fragments = max_fragments
        #: Bits that extensions allow; see :func:`~websockets._codec.rules.check_head`.
        self.reserved = 0
        #: Data frames that :meth:`scan` passed and :meth:`read` hasn't taken.
        self.ahead = 0
        #: The first error that :meth:`scan` met; :meth:`read` raises it in its turn.
        self.error: ProtocolError | PayloadTooBig | TooManyFragments | None = None

        self._buf: bytes | bytearray = b""
        self._pos = 0  # the next byte to take
        self._closed = False  # a Close was seen: what follows is ignored (§5.5.1)

        # The frame being taken, when its payload isn't complete.
        self._head = self._length = self._missing = 0
        self._key = b""

        # The message being taken.
        self._in_message = self._compressed = False
        self._size = self._fragments = 0

        # The same for the scan; it is behind _pos when nothing was scanned.
        self._scan = 0
        self._scan_in_message = self._scan_compressed = False
        self._scan_size = self._scan_fragments = self._scan_length = 0
        self._skipped = 0  # bytes of control frames that the scan has passed
        self._boundary = 0  # end of the last message scanned that is complete
        self._candidate = 0  # end of the last message scanned, here or to come

        self._keep: int | None = None  # read() stops here; set by drop()

    # -- bytes in

    def feed(self, data: bytes, /) -> None:
        """Add bytes from the network; nothing counts after a Close or an error."""
        if self._closed or self.error is not None:
            return
        pos = self._pos
        left = len(self._buf) - pos
        self._buf = join(self._buf, pos, data) if left else data
        if pos:
            self._pos = 0
            if self._scan > pos:
                self._scan -= pos
                self._boundary -= pos
                self._candidate -= pos
            else:
                self._scan = 0  # the next scan begins anew
            if self._keep is not None:
                self._keep -= pos

    def trim(self) -> None:
        """Let go of a large buffer of which everything was taken; more may be long to come."""
        if self._pos > MAX_SKIPPED and self._pos == len(self._buf):
            self.feed(b"")

    @property
    def pending(self) -> int:
        """Number of bytes held for :meth:`read` and :meth:`scan`."""
        return len(self._buf) - self._pos - self._skipped

    @property
    def unscanned(self) -> bool:
        """Whether bytes are there for :meth:`scan`."""
        size = len(self._buf)
        if self._keep is not None:
            return self._keep < size
        return self._pos < size and self._scan < size and self.error is None

    def unfinished(self) -> tuple[int, int] | None:
        """
        Tell what the stream lacks, if it ends here, in the middle of a frame.

        That's how many bytes of a header, a mask or a payload are there, and how many it has.
        """
        size = len(self._buf)
        if self._missing and self._scan < self._pos + self._missing:
            # Nobody scanned: all bytes that are there have been taken.
            return self._length - self._missing, self._length
        if self._scan > size:
            there = self._scan_length - (self._scan - size)
            # The mask stands before the payload.
            return (4 + there, 4) if there < 0 else (there, self._scan_length)
        start = max(self._pos, self._scan)
        return missing_part(self._buf, start)

    # -- the take cursor

    def read(self) -> tuple[int, bytes, bool] | None:
        """
        Take the next frame, or the part of its payload that has arrived.

        Control frames are taken whole, and only when :meth:`scan` hasn't reported them.

        Returns:
            The first byte of the header, payload unmasked, and whether the frame is
            complete; :obj:`None` when more bytes are needed.

        Raises:
            ProtocolError: if the peer broke a rule of framing.
            PayloadTooBig: if a frame or its message is larger than the limit.
            TooManyFragments: if a message has more frames than the limit.
        """
        buf = self._buf
        pos = self._pos
        if self._missing:
            return self._read_payload(buf, pos)
        size = len(buf) if self._keep is None else self._keep
        while True:
            if size - pos < 2:
                return None
            head = buf[pos]
            second = buf[pos + 1]
            length = second & 0x7F
            start = pos + 2
            plain = (
                head in PLAIN
                and not self._in_message
                and (second > 0x7F) is self.masked
            )
            if not plain:
                check_head(head, second, self._in_message, self.masked, self.reserved)
            if length > 125:
                width = 2 if length == 126 else 8
                if size - start < width:
                    return None
                if width == 2:
                    length = buf[start] << 8 | buf[start + 1]
                else:
                    length = int.from_bytes(buf[start : start + 8], "big")
                start += width
                if length < 126 or width == 8:
                    check_length(length, width)
            if self.masked:
                if size - start < 4:
                    if self.error is not None:
                        # The scan didn't need the mask to refuse this frame.
                        raise self.error
                    return None
                key = bytes(buf[start : start + 4])
                start += 4
            else:
                key = b""
            if not head & CONTROL:
                break
            end = start + length
            if size < end:
                return None
            self._pos = end
            if pos >= self._scan:
                payload = bytes(buf[start:end])
                if head & 0x0F == CLOSE:
                    self._stop(end)
                return head, apply_mask(payload, key) if key else payload, True
            self._skipped -= end - pos
            pos = end

        # A data frame. Nothing of it was consumed before this point.
        end = start + length
        if plain:
            limit = self._plain_limit
            if limit is not None and length > limit:
                check_size(length, 0, False, False, self.limits)
            if end <= size and pos >= self._scan:
                self._pos = end
                payload = buf[start:end] if type(buf) is bytes else cut(buf, start, end)
                return head, apply_mask(payload, key) if key else payload, True
            self._size, self._fragments, self._compressed = 0, 1, False
        else:
            self._begin(head, length)
        if pos < self._scan:
            self.ahead -= 1
        self._size += length
        if end <= size:
            self._pos = end
            self._in_message = head < FIN
            payload = cut(buf, start, end)
            return head, apply_mask(payload, key) if key else payload, True
        self._in_message = True
        self._head = head
        self._length = self._missing = length
        self._key = key
        self._pos = start
        return self._read_payload(buf, start)

    def _read_payload(
        self, buf: bytes | bytearray, pos: int
    ) -> tuple[int, bytes, bool] | None:
        """Take what has arrived of the payload of the current frame."""
        end = min(pos + self._missing, len(buf))
        if end == pos:
            return None
        payload = cut(buf, pos, end)
        self._pos = end
        self._missing -= end - pos
        key = self._key
        if key:
            payload = apply_mask(payload, key)
        if self._missing:
            turn = (end - pos) & 3
            self._key = key[turn:] + key[:turn]
            return self._head, payload, False
        self._in_message = self._head < FIN
        return self._head, payload, True

    def read_unfinished(self) -> tuple[int, bytes, bool] | None:
        """
        Take what has arrived of a frame that isn't complete, if that is all that's here.

        It spares joining the bytes of a large frame at each :meth:`feed`. The scan has
        looked at its header, so nothing can be wrong.
        """
        if self._missing:
            return self._read_payload(self._buf, self._pos)
        if self.ahead == 1 and self._scan > len(self._buf) and self.error is None:
            return self.read()
        return None

    # -- the scan cursor

    def scan(self) -> list[tuple[int, bytes]]:
        """
        Look at what lies behind the take cursor; return control frames, as by :meth:`read`.

        Data frames are counted in :attr:`ahead`. An error ends the scan for good; it is
        kept in :attr:`error`. After :data:`MAX_FOUND` control frames, call it again.
        """
        found: list[tuple[int, bytes]] = []
        if self.error is None:
            try:
                self._walk(found)
            except (ProtocolError, PayloadTooBig, TooManyFragments) as exc:
                self.error = exc
        if self._keep is not None and not self._closed:
            self._discard(self._keep)
        elif not (found or self.error) and (
            self._skipped > max(MAX_SKIPPED, len(self._buf) >> 2)
        ):
            self._compact()
        return found

    def _compact(self) -> None:
        """Forget control frames behind data: a peer may send them for months."""
        buf, pos, scan = self._buf, self._pos, self._scan
        start = pos + self._missing
        kept = without_control(buf[start:scan], self.masked)
        self._buf = bytes(buf[pos:start]) + kept + bytes(buf[scan:])
        self._pos = self._skipped = self.ahead = 0
        self._sync()
        # Over again: but for the last part of a frame, only data frames are left.
        self._walk([])

    def _walk(self, found: list[tuple[int, bytes]]) -> None:
        buf = self._buf
        size = len(buf)
        masked = self.masked
        if self._keep is None and self._scan <= self._pos + self._missing:
            self._sync()
        pos = self._scan
        while size - pos >= 2:
            head = buf[pos]
            second = buf[pos + 1]
            length = second & 0x7F
            start = pos + 2
            plain = (
                head in PLAIN
                and not self._scan_in_message
                and (second > 0x7F) is masked
            )
            if not plain:
                check_head(head, second, self._scan_in_message, masked, self.reserved)
            if length > 125:
                width = 2 if length == 126 else 8
                if size - start < width:
                    return
                length = int.from_bytes(buf[start : start + width], "big")
                start += width
                check_length(length, width)
            end = start + length
            if masked:
                end += 4
            if head & CONTROL:
                if size < end:
                    return
                payload = bytes(buf[end - length : end])
                if masked:
                    payload = apply_mask(payload, bytes(buf[start : start + 4]))
                found.append((head, payload))
                if self._pos == pos and self._keep is None:
                    # No data waits before it.
                    self._pos = end
                elif self._keep is None:
                    self._skipped += end - pos
                if head & 0x0F == CLOSE:
                    self._stop(end)
                    size = 0
                elif len(found) == MAX_FOUND:
                    size = 0
            else:
                self._scan_data(head, length, end)
            self._scan = pos = end

    def _scan_data(self, head: int, length: int, end: int) -> None:
        """Count a data frame; apply to it the limits that :meth:`read` will apply."""
        if not self._scan_in_message:
            self._scan_size = 0
            self._scan_fragments = 0
            self._scan_compressed = bool(head & RSV1)
        self._scan_fragments += 1
        if self.max_fragments is not None and self._scan_fragments > self.max_fragments:
            raise TooManyFragments(self.max_fragments)
        size, in_message = self._scan_size, self._scan_in_message
        check_size(length, size, in_message, self._scan_compressed, self.limits)
        self._scan_size += length
        self._scan_length = length
        self._scan_in_message = head < FIN
        self.ahead += 1
        if head >= FIN:
            if self._candidate <= len(self._buf):
                self._boundary = self._candidate
            self._candidate = end

    def _sync(self) -> None:
        """Start the scan behind the frame being taken."""
        self._scan = end = self._pos + self._missing
        in_message = self._head < FIN if self._missing else self._in_message
        self._scan_in_message = in_message
        self._scan_compressed = self._compressed
        self._scan_size = self._size
        self._scan_fragments = self._fragments
        self._scan_length = self._length
        self._candidate = NOWHERE if in_message else end
        self._boundary = NOWHERE

    # -- the end

    def drop(self) -> None:
        """
        Keep only messages that :meth:`scan` has found complete; drop all other data.

        Control frames are still found by :meth:`scan`.
        """
        if self._keep is not None:
            return
        if self._scan <= self._pos + self._missing:
            self._sync()
        keep = self._candidate if self._candidate <= len(self._buf) else self._boundary
        if keep < self._pos:
            # The message being taken, if there is one, never ends.
            keep = self._pos
            self._missing = 0
            self._in_message = False
        data = self._buf[self._pos + self._missing : keep]
        self._skipped = len(data) - len(without_control(data, self.masked))
        self._keep = keep
        self._discard(keep)

    def _discard(self, keep: int) -> None:
        """Delete the bytes that the scan has passed and nobody will take."""
        size = len(self._buf)
        end = size if self.error is not None else min(self._scan, size)
        if end > keep:
            self._buf = self._buf[:keep] + self._buf[end:]
            self._scan = max(self._scan - (end - keep), keep)

    def clear(self) -> None:
        """Ignore every byte, here and to come: what was taken last has failed."""
        self._buf = b""
        self._pos = self._scan = self._keep = self._skipped = 0
        self._missing = self.ahead = 0
        self._in_message = False
        self._closed = True

    def stop(self) -> None:
        """Keep messages, as :meth:`drop` does, and ignore every byte to come."""
        self.drop()
        assert self._keep is not None  # drop() has set it
        self._stop(self._keep)

    def _stop(self, end: int) -> None:
        self._closed = True
        self._buf = self._buf[: end if self._keep is None else self._keep]

    # -- rules

    def _begin(self, head: int, length: int) -> None:
        """Account for a data frame that starts or continues the message being taken."""
        if head & 0x0F:
            size = 0
            fragments = 1
            self._compressed = bool(head & RSV1)
        else:
            size = self._size
            fragments = self._fragments + 1
        if self.max_fragments is not None and fragments > self.max_fragments:
            raise TooManyFragments(self.max_fragments)
        check_size(length, size, not head & 0x0F, self._compressed, self.limits)
        self._size = size
        self._fragments = fragments
