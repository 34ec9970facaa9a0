"""Compression and decompression of payloads by permessage-deflate (RFC 7692 §6 and §7.2).

Owns: :class:`PerMessageDeflate`, the extension of one connection.
Doesn't know: its negotiation; who decides which message is compressed; what else is sent.

Theory of operation. Each direction is one DEFLATE stream over the whole connection, unless
"no context takeover" was negotiated for it. A message is compressed, flushed to a byte
boundary by an empty block, ``00 00 FF FF`` on the wire, and these four bytes are removed
(§7.2.1). The receiver puts them back (§7.2.2).

Zlib's objects are made at the first compressed message of their direction: they weigh tens
of kilobytes, and most connections that negotiate compression are idle.

A sender may end a block with BFINAL=1 (§7.2.3.4). For zlib that's the end of the stream, so
a new one begins there, without history, for whatever follows.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Hashable
from typing import Any, Final, NoReturn

from ..exceptions import PayloadTooBig, ProtocolError
from ..frames import CTRL_OPCODES, Frame, Opcode
from ..typing import BytesLike, ExtensionName
from ._engines import Engine, compressor, corrupt, decompressor
from ._parameters import MIN_LOCAL_BITS, MIN_REMOTE_BITS, check_bits
from .base import Extension


__all__ = ["Engine", "PerMessageDeflate"]

# The end of a flush, which doesn't go over the wire (RFC 7692 §7.2.1).
END_OF_FLUSH: Final = b"\x00\x00\xff\xff"

# An empty message, or the end of one that was flushed already (RFC 7692 §7.2.3.6).
EMPTY_BLOCK: Final = b"\x00"

# Up to this size END_OF_FLUSH is appended, which copies; beyond, it's inflated by a second
# call, which costs as much as copying some kilobytes.
APPEND_UP_TO = 4096

# What follows a final block is inflated in slices that begin at this size and double: zlib
# returns a copy of what it left, and a message may hold a final block in every two bytes.
FIRST_SLICE = 256


class ShareKey:
    """
    What connections have in common that compress in the same way.

    Args:
        copies: whether their compressors can be copied, history included.

    """

    __slots__ = ("copies",)

    def __init__(self, copies: bool) -> None:
        self.copies = copies


@functools.lru_cache(1024)
def share_key(bits: int, engine: Any, settings: frozenset[Any]) -> ShareKey:
    """Return the same object for the same arguments, so that comparing costs nothing."""
    compressobj = compressor(engine, dict(settings), 0).compressobj
    return ShareKey(hasattr(compressobj(wbits=-bits, **dict(settings)), "copy"))


class PerMessageDeflate(Extension):
    """
    permessage-deflate on one connection (RFC 7692 §7).

    "Local" is what we send, "remote" what we receive.

    Args:
        remote_no_context_takeover: whether the peer compresses each message by itself.
        local_no_context_takeover: whether we do.
        remote_max_window_bits: base-2 logarithm of the peer's window, 8 to 15.
        local_max_window_bits: base-2 logarithm of ours, 9 to 15.
        compress_settings: arguments for ``compressobj()``, except ``wbits``.
        compress_threshold: bytes; shorter messages go uncompressed unless the program asks
            for compression; 0 compresses all. It doesn't hold for fragmented messages,
            whose length isn't known at their start.
        engine: a module like :mod:`zlib`, with ``compressobj`` and ``decompressobj``; by
            default the fastest that is installed.

    Raises:
        ValueError: if window bits are out of range or in ``compress_settings``.

    """

    __slots__ = (
        "_continues_compressed",
        "_deflater",
        "_in_message",
        "_inflater",
        "_is_compressing",
        "_is_shared",
        "_restarted",
        "_share_key",
        "compress_settings",
        "compress_threshold",
        "engine",
        "local_max_window_bits",
        "local_no_context_takeover",
        "remote_max_window_bits",
        "remote_no_context_takeover",
        "streak",
    )

    name = ExtensionName("permessage-deflate")

    def __init__(
        self,
        remote_no_context_takeover: bool,
        local_no_context_takeover: bool,
        remote_max_window_bits: int,
        local_max_window_bits: int,
        compress_settings: dict[Any, Any] | None = None,
        *,
        compress_threshold: int = 0,
        engine: Engine | None = None,
    ) -> None:
        check_bits("remote_max_window_bits", remote_max_window_bits, MIN_REMOTE_BITS)
        check_bits("local_max_window_bits", local_max_window_bits, MIN_LOCAL_BITS)
        if compress_settings is not None and "wbits" in compress_settings:
            raise ValueError(
                "compress_settings must not include wbits, use local_max_window_bits"
            )
        self.remote_no_context_takeover = remote_no_context_takeover
        self.local_no_context_takeover = local_no_context_takeover
        self.remote_max_window_bits = remote_max_window_bits
        self.local_max_window_bits = local_max_window_bits
        self.compress_settings = {} if compress_settings is None else compress_settings
        self.compress_threshold = compress_threshold
        self.engine = engine

        self._share_key: ShareKey | None = None
        self._deflater: Any = None
        self._is_shared = False
        #: How often in a row, as far as known, what was sent went to others as well.
        self.streak = 0
        self._inflater: Any = None
        # Some bytes of an unfinished message have been inflated.
        self._in_message = False
        # The inflater replaced one that met a final block, and has returned nothing yet.
        self._restarted = False
        # Whether continuation frames belong to a compressed message: encode() and decode().
        self._is_compressing = False
        self._continues_compressed = False

    def __repr__(self) -> str:
        return (
            f"PerMessageDeflate("
            f"remote_no_context_takeover={self.remote_no_context_takeover}, "
            f"local_no_context_takeover={self.local_no_context_takeover}, "
            f"remote_max_window_bits={self.remote_max_window_bits}, "
            f"local_max_window_bits={self.local_max_window_bits})"
        )

    # -- payloads

    def inflate(self, data: BytesLike, *, max_size: int | None, final: bool) -> bytes:
        """
        Decompress one piece of a compressed message.

        Pieces needn't be frames: any cut will do.

        Args:
            data: compressed payload, or the next part of it.
            max_size: limit on the result, in bytes, or :obj:`None`. No more than one byte
                beyond it is ever decompressed.
            final: whether this piece ends the message.

        Raises:
            PayloadTooBig: if the result would exceed ``max_size``.
            ProtocolError: if the data is corrupt.

        After an error, the stream is lost: the connection must fail.

        """
        end = b""
        if final:
            if not self._in_message and not data:
                # Not even an empty block: some peers send this for an empty message.
                return b""
            if len(data) <= APPEND_UP_TO:
                # The first form is faster; the second takes any kind of bytes.
                data = (
                    data + END_OF_FLUSH
                    if type(data) is bytes
                    else b"".join((data, END_OF_FLUSH))
                )
            else:
                end = END_OF_FLUSH
        elif not data:
            return b""
        # zlib may hold back a byte that didn't fit: that's noticed only by asking for one
        # byte too many. 0 stands for no limit.
        limit = 0 if max_size is None else max_size + 1
        try:
            inflater = self._inflater
            if inflater is None:
                inflater = self._inflater = self._new_inflater()
            output: bytes = inflater.decompress(data, limit)
            if inflater.eof or self._restarted:
                output = self._go_on(output, limit)
            # What is beyond the limit is refused below.
            if end and (not limit or len(output) < limit):
                # This adds nothing, unless the data stopped short of a flush.
                left = limit and limit - len(output)
                output += self._go_on(self._inflater.decompress(end, left), left)
        except Exception as exc:
            self._refuse(exc)
        if limit and len(output) == limit:
            raise PayloadTooBig(None, max_size)
        if final:
            if self.remote_no_context_takeover or self._restarted:
                # After a final block and no data, nothing is worth keeping. Besides, peers
                # that end a message there may leave out the empty block that should follow.
                self._inflater = None
                self._restarted = False
            self._in_message = False
        else:
            self._in_message = True
        return output

    def _new_inflater(self) -> Any:
        # A larger window reads all that a smaller one does, and costs 256 bytes here; old
        # versions of zlib wrote streams for 9 bits when asked for 8.
        return decompressor(self.engine).decompressobj(
            wbits=-max(self.remote_max_window_bits, MIN_LOCAL_BITS)
        )

    def _refuse(self, exc: Exception) -> NoReturn:
        """Raise what an exception while inflating means: most of them, corrupt data."""
        if isinstance(exc, corrupt(self.engine)):
            raise ProtocolError("decompression failed") from exc
        raise exc

    def _go_on(self, output: bytes, limit: int) -> bytes:
        """
        Inflate what follows a final block, if one ended the ``output`` of the last call.

        Return all output, ``limit`` bytes at most; 0 stands for no limit.
        """
        inflater = self._inflater
        if not inflater.eof:
            self._restarted = self._restarted and not output
            return output
        outputs = [output]
        size = len(output)
        rest: bytes = inflater.unused_data
        position, step = 0, FIRST_SLICE
        self._inflater = inflater = self._new_inflater()
        self._restarted = True
        while position < len(rest) and not (limit and size >= limit):
            part = rest[position : position + step]
            position += len(part)
            output = inflater.decompress(part, limit and limit - size)
            if output:
                outputs.append(output)
                size += len(output)
                self._restarted = False
            if inflater.eof:
                position -= len(inflater.unused_data)
                step = FIRST_SLICE
                self._inflater = inflater = self._new_inflater()
                self._restarted = True
            else:
                step *= 2
        return b"".join(outputs)

    def deflate(self, data: BytesLike, *, final: bool) -> bytes:
        """
        Compress one piece of a message.

        Each piece is flushed, so that the peer can decompress all that it has received.

        Args:
            data: payload, or the next part of it.
            final: whether this piece ends the message.

        """
        output = b""
        if data:
            deflater = self._deflater
            if deflater is None:
                deflater = self._deflater = self._new_deflater(len(data))
            elif self._is_shared:
                deflater = self._deflater = deflater.copy()
                self._is_shared = False
            self.streak = 0
            try:
                head: bytes = deflater.compress(data)
                tail: bytes = deflater.flush(zlib.Z_SYNC_FLUSH)
            except BaseException:
                # What is in there already would leave with the next message.
                self._deflater = None
                raise
            if final:
                tail = tail[:-4]
            output = head + tail if head else tail
        elif final:
            # Nothing waits to be flushed, so a block can stand here that isn't compressed.
            output = EMPTY_BLOCK
        if final and self.local_no_context_takeover:
            self._deflater = None
        return output

    # -- one message for many connections

    @property
    def share_key(self) -> ShareKey:
        """Equal for connections that may send each other's fresh messages."""
        if self._share_key is None:
            engine: Any = self.engine
            settings = self.compress_settings.items()
            try:
                self._share_key = share_key(
                    self.local_max_window_bits, engine, frozenset(settings)
                )
            except TypeError:
                # An engine or a setting that can't be compared.
                self._share_key = ShareKey(copies=False)
        return self._share_key

    @property
    def lineage(self) -> Hashable | None:
        """
        Equal for connections whose next message would compress to the same bytes.

        That is so while they send nothing but shared messages. :obj:`None` when it may be
        so for no other connection.
        """
        if self._deflater is None:
            key = self.share_key
            return key if key.copies or self.local_no_context_takeover else None
        return self._deflater if self._is_shared else None

    def deflate_shared(self, data: BytesLike, fresh: bool) -> tuple[bytes, Any]:
        """
        Compress a message for several connections.

        Args:
            data: payload.
            fresh: whether it shall refer to no earlier message; then it's for all with the
                same :attr:`share_key`, else for those with the same :attr:`lineage`.

        Returns:
            The payload, and what each connection that sends it must :meth:`adopt`.

        """
        # As for a small message: where there's a choice, zlib's can be copied, and leaves
        # less to send. The time is spent once.
        fresh = fresh or not self._is_shared
        deflater = self._new_deflater(0) if fresh else self._deflater.copy()
        output: bytes = deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
        # When there's nothing to flush, zlib doesn't do it.
        payload = output[:-4] or EMPTY_BLOCK
        return payload, deflater if self.share_key.copies else None

    def adopt(self, history: Any) -> None:
        """
        Note that a shared message is being sent.

        What was sent before it is forgotten, unless it's part of the ``history``. The peer
        needn't know: it keeps more than we shall refer to.
        """
        if self.local_no_context_takeover:
            history = None
        self._deflater = history
        # Others compress with it, too: it must be copied before it's used.
        self._is_shared = history is not None

    def has_adopted(self, history: Any) -> bool:
        """Tell whether a shared message was the latest that was sent."""
        return history is not None and self._deflater is history

    def worth_compressing(self, data: BytesLike, fin: bool) -> bool:
        """
        Tell whether to compress a message when the program doesn't say.

        Args:
            data: payload of its first frame.
            fin: whether that's all.

        """
        threshold = self.compress_threshold
        if not threshold or not fin:
            return True
        size = data.nbytes if isinstance(data, memoryview) else len(data)
        return size >= threshold

    def _new_deflater(self, size: int) -> Any:
        settings = self.compress_settings
        engine = compressor(self.engine, settings, size)
        return engine.compressobj(wbits=-self.local_max_window_bits, **settings)

    # -- frames

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """
        Decode an incoming frame.

        Control frames, frames of messages that aren't compressed and RSV1 where it means
        nothing (RFC 7692 §6.1) are left as they are, for :meth:`Frame.check` to judge.

        Args:
            frame: incoming frame.
            max_size: limit on the payload of the result, in bytes, or :obj:`None`.

        Raises:
            PayloadTooBig: if the payload would exceed ``max_size``.
            ProtocolError: if the payload is corrupt.

        """
        if frame.opcode in CTRL_OPCODES:
            return frame
        if frame.opcode == Opcode.CONT:
            if frame.rsv1 or not self._continues_compressed:
                return frame
        else:
            self._continues_compressed = frame.rsv1
            if not frame.rsv1:
                return frame
        data = self.inflate(frame.data, max_size=max_size, final=frame.fin)
        return Frame(frame.opcode, data, frame.fin, False, frame.rsv2, frame.rsv3)

    def encode(self, frame: Frame) -> Frame:
        """
        Encode an outgoing frame.

        Control frames, and messages shorter than :attr:`compress_threshold`, are left as
        they are.

        Args:
            frame: outgoing frame.

        """
        if frame.opcode in CTRL_OPCODES:
            return frame
        first = frame.opcode != Opcode.CONT
        if first:
            self._is_compressing = self.worth_compressing(frame.data, frame.fin)
        if not self._is_compressing:
            return frame
        data = self.deflate(frame.data, final=frame.fin)
        return Frame(frame.opcode, data, frame.fin, first, frame.rsv2, frame.rsv3)
