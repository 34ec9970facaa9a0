"""permessage-deflate: payloads and frames (RFC 7692 §6 and §7.2)."""

from __future__ import annotations

import re
import types
import zlib

import pytest

from tests.codec.engines import every_engine  # noqa: F401 - a fixture for all tests
from websockets._codec import NATIVE
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions._engines import corrupt
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode


HELLO = bytes.fromhex("f248cdc9c90700")


def make(**settings):
    defaults = {
        "remote_no_context_takeover": False,
        "local_no_context_takeover": False,
        "remote_max_window_bits": 15,
        "local_max_window_bits": 15,
    }
    return PerMessageDeflate(**(defaults | settings))


def inflate(extension, data, max_size=None):
    return extension.inflate(bytes.fromhex(data), max_size=max_size, final=True)


# -- RFC 7692 §7.2.3, the examples


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        # §7.2.3.1: one compressed block.
        (["f2 48 cd c9 c9 07 00"], b"Hello"),
        # §7.2.3.2: the second message refers to the first.
        (["f2 48 cd c9 c9 07 00", "f2 00 11 00 00"], b"Hello"),
        # §7.2.3.2: and without context takeover.
        (["f2 48 cd c9 c9 07 00", "f2 48 cd c9 c9 07 00"], b"Hello"),
        # §7.2.3.3: a block that isn't compressed.
        (["00 05 00 fa ff 48 65 6c 6c 6f 00"], b"Hello"),
        # §7.2.3.4: a block with BFINAL=1.
        (["f3 48 cd c9 c9 07 00 00"], b"Hello"),
        # §7.2.3.5: two blocks.
        (["f2 48 05 00 00 00 ff ff ca c9 c9 07 00"], b"Hello"),
        # §7.2.3.6: an empty message.
        (["00"], b""),
    ],
)
def test_examples(messages, text):
    """The examples of the RFC decompress to what it says."""
    extension = make()
    for message in messages:
        assert inflate(extension, message) == text


def test_example_of_fragments():
    """RFC 7692 §7.2.3.1: a compressed message may be cut anywhere."""
    extension = make()
    assert extension.inflate(HELLO[:3], max_size=None, final=False) == b"He"
    assert extension.inflate(HELLO[3:], max_size=None, final=True) == b"llo"


@pytest.mark.parametrize("fresh", [False, True])
def test_deflate_does_as_the_examples_do(fresh):
    """RFC 7692 §7.2.3.2: with context takeover, repeating a message takes fewer bytes."""
    extension = make(local_no_context_takeover=fresh)
    first, second = (extension.deflate(b"Hello, hello", final=True) for _ in range(2))
    assert (first == second) if fresh else (len(second) < len(first))
    reader = zlib.decompressobj(wbits=-15)
    for data in (first, second):
        # RFC 7692 §7.2.1: the four bytes are gone, and the block before them is whole.
        assert reader.decompress(data + b"\x00\x00\xff\xff") == b"Hello, hello"
        if fresh:
            reader = zlib.decompressobj(wbits=-15)


# -- empty messages and pieces


@pytest.mark.parametrize("fresh", [False, True])
def test_empty_messages(fresh):
    """RFC 7692 §7.2.3.6: an empty message is 00, also after another message."""
    extension = make(local_no_context_takeover=fresh)
    for _ in range(3):
        assert extension.deflate(b"", final=True) == b"\x00"
    extension.deflate(b"Hello", final=True)
    assert extension.deflate(b"", final=True) == b"\x00"


class Forgetful:
    """An engine whose flush does nothing the second time, like some versions of zlib."""

    decompressobj = staticmethod(zlib.decompressobj)

    def __init__(self, **settings):
        self.inner = zlib.compressobj(**settings)
        self.flushed = False

    compressobj = classmethod(lambda cls, **settings: cls(**settings))

    def compress(self, data):
        if data:
            self.flushed = False
        return self.inner.compress(data)

    def flush(self, mode):
        if self.flushed:
            return b""
        self.flushed = True
        return self.inner.flush(mode)


def test_flush_that_had_nothing_to_do():
    """Where zlib sees nothing to flush, an empty block ends the message."""
    sender, receiver = make(engine=Forgetful), make()
    pieces = [
        sender.deflate(b"Hello", final=False),
        sender.deflate(b"", final=False),
        sender.deflate(b"", final=True),
        sender.deflate(b"", final=True),
        sender.deflate(b"Hello", final=True),
    ]
    assert pieces[1:4] == [b"", b"\x00", b"\x00"]
    finals = [False, False, True, True, True]
    output = [
        receiver.inflate(piece, max_size=None, final=final)
        for piece, final in zip(pieces, finals, strict=True)
    ]
    assert output == [b"Hello", b"", b"", b"", b"Hello"]


def test_empty_compressed_message():
    """A message without any byte, not even an empty block, is empty and does no harm."""
    extension = make()
    assert inflate(extension, "f2 48 cd c9 c9 07 00") == b"Hello"
    assert inflate(extension, "") == b""
    assert extension.inflate(b"", max_size=None, final=False) == b""
    assert inflate(extension, "") == b""
    assert inflate(extension, "f2 00 11 00 00") == b"Hello"


def test_empty_pieces():
    """Empty pieces may stand anywhere in a message."""
    extension = make()
    pieces = [b"", HELLO[:3], b"", HELLO[3:]]
    output = [extension.inflate(p, max_size=None, final=False) for p in pieces]
    assert b"".join(output) == b"Hello"
    assert extension.inflate(b"", max_size=None, final=True) == b""
    assert inflate(extension, "f2 00 11 00 00") == b"Hello"


def test_each_piece_sent_can_be_read():
    """A peer that has received a piece can decompress all of it, before the next."""
    sender, receiver = make(), make()
    for text, final in [(b"Hel", False), (b"lo", False), (b"", False), (b"!", True)]:
        piece = sender.deflate(text, final=final)
        assert receiver.inflate(piece, max_size=None, final=final) == text


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", [5, 100_000])
def test_any_kind_of_bytes(wrap, size):
    """Payloads may be any kind of bytes, both ways, and come out as bytes."""
    text = bytes(i * i * i % 251 for i in range(size))
    sender, receiver = make(compress_settings={"level": 0}), make()
    for compress in (
        lambda data: sender.deflate(data, final=True),
        lambda data: sender.deflate_shared(data, fresh=True)[0],
    ):
        data = compress(wrap(text))
        assert type(data) is bytes
        output = receiver.inflate(wrap(data), max_size=size, final=True)
        assert type(output) is bytes
        assert output == text


# -- blocks with BFINAL=1


@pytest.mark.parametrize(
    ("data", "text"),
    [
        # Two final blocks, then the empty one.
        ("f348cdc9c90700 f348cdc9c90700 00", b"HelloHello"),
        # A final block, then one that isn't.
        ("f348cdc9c90700 f248cdc9c90700", b"HelloHello"),
        # One that isn't, then a final block.
        ("f248cdc9c90700 0000ffff f348cdc9c90700 00", b"HelloHello"),
        # Empty final blocks around.
        ("0300 0300 f348cdc9c90700 0300 00", b"Hello"),
        # Without the empty block that should follow: some peers leave it out.
        ("f348cdc9c90700", b"Hello"),
        ("0300", b""),
    ],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_final_blocks(data, text, fresh):
    """RFC 7692 §7.2.3.4: final blocks may stand anywhere, and nothing is lost."""
    extension = make(remote_no_context_takeover=fresh)
    for _ in range(3):
        assert inflate(extension, data) == text
    assert inflate(extension, "f2 48 cd c9 c9 07 00") == b"Hello"


def test_final_blocks_in_pieces():
    """A message with final blocks may be cut anywhere, into pieces of any size."""
    data = bytes.fromhex(
        "f348cdc9c90700 f248cdc9c90700 0000ffff 0300 f348cdc9c90700 00"
    )
    for size in range(1, len(data) + 1):
        extension = make()
        for _ in range(2):
            pieces = [data[i : i + size] for i in range(0, len(data), size)]
            output = [extension.inflate(p, max_size=None, final=False) for p in pieces]
            output.append(extension.inflate(b"", max_size=None, final=True))
            assert b"".join(output) == b"HelloHelloHello"


def test_context_after_a_final_block():
    """Data behind a final block is history for the next message."""
    extension = make()
    assert inflate(extension, "0300 f248cdc9c90700") == b"Hello"
    assert inflate(extension, "f2 00 11 00 00") == b"Hello"


def test_context_after_a_final_block_in_pieces():
    """That holds when the block and the data are in different pieces."""
    extension = make()
    assert extension.inflate(b"\x03\x00", max_size=None, final=False) == b""
    assert inflate(extension, "f248cdc9c90700") == b"Hello"
    assert inflate(extension, "f2 00 11 00 00") == b"Hello"


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 5000, 70_000])
def test_data_behind_a_final_block(size):
    """Any amount of data may follow a final block, compressed or not."""
    text = bytes(i * i % 251 for i in range(size))
    for level in (0, 6):
        compressor = zlib.compressobj(level, wbits=-15)
        data = compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)
        extension = make()
        data = bytes.fromhex("f348cdc9c90700") + data[:-4]
        assert extension.inflate(data, max_size=size + 5, final=True) == b"Hello" + text


def test_data_that_ends_a_final_block_late():
    """A final block may end in the four bytes that aren't sent: the next is still read."""
    extension = make()
    padded = b"x" * 5000
    compressor = zlib.compressobj(0, wbits=-15)
    stored = compressor.compress(padded) + compressor.flush(zlib.Z_SYNC_FLUSH)
    # The last code of this block, seven zero bits, is in END_OF_FLUSH.
    data = stored + bytes.fromhex("f348cdc9c907")
    assert extension.inflate(data, max_size=None, final=True) == padded + b"Hello"
    assert inflate(extension, "f2 48 cd c9 c9 07 00") == b"Hello"


# -- limits and errors


@pytest.mark.parametrize(
    "data", ["f248cdc9c90700", "f348cdc9c9070000", "0300 f248cdc9c90700"]
)
def test_limit(data):
    """A message as long as the limit passes; one byte more doesn't."""
    assert inflate(make(), data, max_size=5) == b"Hello"
    for limit in (0, 1, 4):
        with pytest.raises(PayloadTooBig) as raised:
            inflate(make(), data, max_size=limit)
        assert str(raised.value) == f"frame exceeds limit of {limit} bytes"
        assert raised.value.max_size == limit


def test_limit_of_nothing():
    """A limit of 0 lets empty messages pass."""
    assert inflate(make(), "00", max_size=0) == b""


@pytest.mark.parametrize("size", [4093, 4096, 4097, 100_000])
def test_limit_of_data_that_does_not_compress(size):
    """The limit holds for the content, which may be shorter than its compressed form."""
    text = bytes(i * i * i % 251 for i in range(size))
    compressor = zlib.compressobj(0, wbits=-15)
    data = (compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert len(data) > size
    for _ in range(2):
        assert make().inflate(data, max_size=size, final=True) == text
    with pytest.raises(PayloadTooBig):
        make().inflate(data, max_size=size - 1, final=True)


@pytest.mark.parametrize(
    "data", ["06 ff ff", "f348cdc9c90700 06 ff ff", "f2 00 11 00 00"]
)
def test_corrupt_data(data):
    """Bytes that aren't DEFLATE, or refer to nothing, fail the connection with 1002."""
    extension = make()
    with pytest.raises(ProtocolError) as raised:
        inflate(extension, data)
    assert str(raised.value) == "decompression failed"
    assert type(raised.value.__cause__) is corrupt(extension.engine)


# -- windows


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"remote_max_window_bits": 7},
            "remote_max_window_bits must be between 8 and 15",
        ),
        (
            {"remote_max_window_bits": 16},
            "remote_max_window_bits must be between 8 and 15",
        ),
        (
            {"local_max_window_bits": 8},
            "local_max_window_bits must be between 9 and 15",
        ),
        (
            {"local_max_window_bits": 16},
            "local_max_window_bits must be between 9 and 15",
        ),
        (
            {"compress_settings": {"wbits": 15}},
            "compress_settings must not include wbits, use local_max_window_bits",
        ),
    ],
)
def test_wrong_arguments(settings, text):
    """Windows that zlib can't do are refused, by name and limits."""
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        make(**settings)


@pytest.mark.parametrize("bits", range(9, 16))
def test_local_window(bits):
    """What we send can be read with the window that was agreed."""
    extension = make(local_max_window_bits=bits)
    reader = zlib.decompressobj(wbits=-bits)
    block = bytes(i * i % 251 for i in range(251))
    text = b"".join(block[i:] + block[:i] for i in range(200))
    for _ in range(3):
        data = extension.deflate(text, final=True) + b"\x00\x00\xff\xff"
        assert reader.decompress(data) == text


def test_window_of_256_bytes_is_read_with_512():
    """Old versions of zlib use 9 bits for 8: their messages are read all the same."""
    extension = make(remote_max_window_bits=8)
    writer = zlib.compressobj(wbits=-9)
    text = bytes(i * 7 % 257 % 256 for i in range(400)) * 2
    data = (writer.compress(text) + writer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert extension.inflate(data, max_size=None, final=True) == text


# -- what is kept


class Counting:
    """An engine that counts what it makes; it has no exception of its own."""

    def __init__(self):
        self.compressors = self.decompressors = 0

    def compressobj(self, **settings):
        self.compressors += 1
        return zlib.compressobj(**settings)

    def decompressobj(self, **settings):
        self.decompressors += 1
        return zlib.decompressobj(**settings)


def test_idle_connections_hold_nothing():
    """Each direction makes its context at the first compressed message, and only one."""
    engine = Counting()
    extension = make(engine=engine)
    assert (engine.compressors, engine.decompressors) == (0, 0)
    extension.encode(Frame(Opcode.PING, b""))
    extension.decode(Frame(Opcode.TEXT, b"plain"))
    assert (engine.compressors, engine.decompressors) == (0, 0)
    for _ in range(2):
        extension.deflate(b"Hello", final=True)
        assert (engine.compressors, engine.decompressors) == (1, 0)
    for _ in range(2):
        extension.inflate(HELLO, max_size=None, final=True)
        assert (engine.compressors, engine.decompressors) == (1, 1)


def test_nothing_is_kept_without_context_takeover():
    """Without context takeover, each message has a context of its own, for all its pieces."""
    engine = Counting()
    extension = make(
        engine=engine, local_no_context_takeover=True, remote_no_context_takeover=True
    )
    for count in (1, 2):
        extension.deflate(b"Hel", final=False)
        extension.deflate(b"lo", final=True)
        extension.inflate(HELLO[:3], max_size=None, final=False)
        extension.inflate(HELLO[3:], max_size=None, final=True)
        assert (engine.compressors, engine.decompressors) == (count, count)
    assert extension._deflater is None
    assert extension._inflater is None


def test_engine_without_an_exception_of_its_own():
    """For an engine without ``error``, corrupt data raises zlib's."""
    with pytest.raises(ProtocolError, match="decompression failed"):
        inflate(make(engine=Counting()), "06 ff ff")


def test_engine_with_an_exception_of_its_own():
    """An engine's own ``error`` tells that data is corrupt."""

    class Failure(Exception):
        pass

    class Inflater:
        def decompress(self, data, max_length):
            raise Failure

    engine = types.SimpleNamespace(
        compressobj=zlib.compressobj,
        decompressobj=lambda wbits: Inflater(),
        error=Failure,
    )
    with pytest.raises(ProtocolError, match="decompression failed"):
        inflate(make(engine=engine), "00")


def test_errors_that_do_not_mean_corrupt_data():
    """What else an engine raises is passed on."""

    def broken(wbits):
        raise MemoryError("mine")

    engine = types.SimpleNamespace(decompressobj=broken)
    with pytest.raises(MemoryError, match="mine"):
        inflate(make(engine=engine), "00")


def test_repr():
    """The form shown in logs is that of 17.4."""
    assert repr(make(local_no_context_takeover=True, local_max_window_bits=12)) == (
        "PerMessageDeflate(remote_no_context_takeover=False, "
        "local_no_context_takeover=True, remote_max_window_bits=15, "
        "local_max_window_bits=12)"
    )


# -- frames


def test_encode():
    """RFC 7692 §6.1: data frames are compressed, RSV1 stands on the first of a message."""
    extension, reader = make(), zlib.decompressobj(wbits=-15)
    frames = [
        Frame(Opcode.TEXT, b"Hello"),
        Frame(Opcode.BINARY, b"Hel", fin=False),
        Frame(Opcode.CONT, b"lo", fin=False),
        Frame(Opcode.CONT, b""),
        Frame(Opcode.TEXT, b""),
    ]
    first = [True, True, False, False, True]
    for frame, rsv1 in zip(frames, first, strict=True):
        encoded = extension.encode(frame)
        assert encoded == Frame(frame.opcode, encoded.data, frame.fin, rsv1)
        end = b"\x00\x00\xff\xff" if frame.fin else b""
        assert reader.decompress(encoded.data + end) == frame.data
    assert frames[0] == Frame(Opcode.TEXT, b"Hello")


@pytest.mark.parametrize("opcode", [Opcode.CLOSE, Opcode.PING, Opcode.PONG])
def test_control_frames_pass(opcode):
    """RFC 7692 §6: control frames aren't compressed; RSV1 on one is left to check()."""
    extension = make()
    frame = Frame(opcode, b"data")
    assert extension.encode(frame) is frame
    assert extension.decode(frame) is frame
    with pytest.raises(ProtocolError, match="reserved bits must be 0"):
        extension.decode(Frame(opcode, b"", rsv1=True)).check()


def test_decode():
    """Compressed messages, others, and control frames between fragments are told apart."""
    extension = make()
    frames = [
        Frame(Opcode.TEXT, HELLO, rsv1=True),
        Frame(Opcode.TEXT, b"plain"),
        Frame(Opcode.BINARY, HELLO[:3], fin=False, rsv1=True),
        Frame(Opcode.PING, b"ping"),
        Frame(Opcode.CONT, HELLO[3:]),
        Frame(Opcode.TEXT, b"pl", fin=False),
        Frame(Opcode.CONT, b"ain"),
    ]
    assert [extension.decode(frame) for frame in frames] == [
        Frame(Opcode.TEXT, b"Hello"),
        Frame(Opcode.TEXT, b"plain"),
        Frame(Opcode.BINARY, b"He", fin=False),
        Frame(Opcode.PING, b"ping"),
        Frame(Opcode.CONT, b"llo"),
        Frame(Opcode.TEXT, b"pl", fin=False),
        Frame(Opcode.CONT, b"ain"),
    ]


def test_rsv1_on_a_continuation_frame():
    """RFC 7692 §6.1: RSV1 on a fragment other than the first is left to check()."""
    extension = make()
    extension.decode(Frame(Opcode.TEXT, HELLO[:3], fin=False, rsv1=True))
    with pytest.raises(ProtocolError, match="reserved bits must be 0"):
        extension.decode(Frame(Opcode.CONT, HELLO[3:], rsv1=True)).check()


def test_other_reserved_bits_are_kept():
    """RSV2 and RSV3 belong to other extensions."""
    extension = make()
    encoded = extension.encode(Frame(Opcode.TEXT, b"Hello", rsv2=True, rsv3=True))
    assert (encoded.rsv2, encoded.rsv3) == (True, True)
    decoded = extension.decode(encoded)
    assert decoded == Frame(Opcode.TEXT, b"Hello", rsv2=True, rsv3=True)


def test_decode_applies_the_limit():
    """The limit holds for the content of the frame."""
    frame = Frame(Opcode.TEXT, HELLO, rsv1=True)
    assert make().decode(frame, max_size=5).data == b"Hello"
    with pytest.raises(PayloadTooBig):
        make().decode(frame, max_size=4)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_threshold(wrap):
    """Messages shorter than the threshold aren't compressed; fragmented ones are."""
    extension = make(compress_threshold=5)
    short, long = Frame(Opcode.TEXT, wrap(b"Hell")), Frame(Opcode.TEXT, wrap(b"Hello"))
    assert extension.encode(short) is short
    assert extension.encode(long).rsv1
    first = Frame(Opcode.TEXT, wrap(b""), fin=False)
    assert extension.encode(first).rsv1
    last = Frame(Opcode.CONT, wrap(b""))
    assert extension.encode(last).data == b"\x00"
    assert extension.encode(short) is short


def test_threshold_counts_bytes():
    """A memoryview counts by bytes, not by items."""
    view = memoryview(b"Hello123").cast("Q")
    assert make(compress_threshold=8).worth_compressing(view, True)
    assert not make(compress_threshold=9).worth_compressing(view, True)


def test_a_message_that_could_not_be_compressed_is_gone():
    """Nothing of it leaves with the next message, which the peer can read."""

    class Failing:
        """A compressor that takes data, and then has no memory."""

        def __init__(self):
            self.engine = zlib.compressobj(wbits=-12)

        def compress(self, data):
            return self.engine.compress(data)

        def flush(self, mode):
            raise MemoryError

    sender = PerMessageDeflate(False, False, 12, 12)
    receiver = PerMessageDeflate(False, False, 12, 12)
    sender._deflater = Failing()
    with pytest.raises(MemoryError):
        sender.deflate(b"lost", final=True)
    sent = sender.deflate(b"the next", final=True)
    assert receiver.inflate(sent, max_size=None, final=True) == b"the next"
    if NATIVE:
        from websockets import speedups

        sender._deflater = Failing()
        with pytest.raises(MemoryError):
            speedups.deflate_message(sender, b"lost")
        assert sender._deflater is None
