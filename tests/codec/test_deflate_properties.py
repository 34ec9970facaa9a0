"""permessage-deflate against an independent, strict peer, on any data and any cut."""

from __future__ import annotations

import zlib

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.codec.engines import (
    StrictReader,
    every_engine,  # noqa: F401 - a fixture for all tests
)
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode


END = b"\x00\x00\xff\xff"


class Peer:
    """
    RFC 7692 §7.2 word for word, over plain zlib objects with exactly the agreed windows.

    Args:
        fresh_in, fresh_out: no context takeover, for what it receives and sends.
        bits_in, bits_out: window bits.

    """

    def __init__(self, fresh_in, fresh_out, bits_in, bits_out):
        self.fresh_out = fresh_out
        self.bits_out = bits_out
        self.receive = StrictReader(bits_in, fresh_in).receive
        self.reset_out()

    def reset_out(self):
        # zlib can't write for a window of 256 bytes; runs of one byte fit into any.
        strategy = zlib.Z_RLE if self.bits_out == 8 else zlib.Z_DEFAULT_STRATEGY
        bits = max(self.bits_out, 9)
        self.writer = zlib.compressobj(wbits=-bits, strategy=strategy)

    def send(self, text, final_block=False):
        if final_block:
            # §7.2.3.4: BFINAL=1, and the octet that makes the message end as others do.
            data = (
                self.writer.compress(text) + self.writer.flush(zlib.Z_FINISH) + b"\x00"
            )
            self.reset_out()
            return data
        data = self.writer.compress(text) + self.writer.flush(zlib.Z_SYNC_FLUSH)
        if not data.endswith(END):
            data = b"\x00" + END
        if self.fresh_out:
            self.reset_out()
        return data[:-4]


def cut(data, places):
    """Cut data at some places, given as fractions."""
    ends = sorted({round(place * len(data)) for place in places} | {len(data)})
    starts = [0, *ends[:-1]]
    return [data[start:end] for start, end in zip(starts, ends, strict=True)]


repetitive = st.builds(
    lambda unit, count, rest: unit * count + rest,
    st.binary(min_size=1, max_size=40),
    st.integers(0, 400),
    st.binary(max_size=10),
)
payloads = st.one_of(st.just(b""), st.binary(max_size=300), repetitive)
places = st.lists(st.floats(0, 1), max_size=4)
local_bits = st.integers(9, 15)
remote_bits = st.integers(8, 15)


@given(
    fresh=st.booleans(),
    bits=local_bits,
    settings=st.sampled_from([None, {"memLevel": 5}, {"level": 1}, {"level": 0}]),
    messages=st.lists(
        st.tuples(st.sampled_from(["own", "shared"]), payloads, places), max_size=6
    ),
)
def test_what_we_send_is_understood(fresh, bits, settings, messages):
    """A strict peer reads our messages, whole, in pieces, or shared with others."""
    ours = PerMessageDeflate(False, fresh, 15, bits, settings)
    elsewhere = PerMessageDeflate(True, not fresh, 9, bits, settings)
    assert ours.share_key == elsewhere.share_key
    peer = Peer(fresh, False, bits, 15)
    for kind, text, where in messages:
        if kind == "shared":
            data, history = elsewhere.deflate_shared(text, fresh=True)
            ours.adopt(history)
        else:
            *pieces, last = cut(text, where)
            data = b"".join(ours.deflate(piece, final=False) for piece in pieces)
            data += ours.deflate(last, final=True)
        assert peer.receive(data) == text


@given(
    fresh=st.booleans(),
    bits=remote_bits,
    messages=st.lists(st.tuples(payloads, places, st.booleans()), max_size=6),
)
def test_what_we_receive_is_understood(fresh, bits, messages):
    """We read a peer's messages cut anywhere, with final blocks too, at exactly the limit."""
    ours = PerMessageDeflate(fresh, False, bits, 15)
    peer = Peer(False, fresh, 15, bits)
    for text, where, final_block in messages:
        *pieces, last = cut(peer.send(text, final_block), where)
        output = b""
        for piece in pieces:
            left = len(text) - len(output)
            output += ours.inflate(piece, max_size=left, final=False)
        output += ours.inflate(last, max_size=len(text) - len(output), final=True)
        assert output == text


@given(text=payloads.filter(bool), where=places, final_block=st.booleans())
def test_one_byte_too_many_is_noticed(text, where, final_block):
    """A limit one byte below the content is exceeded, however the message is cut."""
    ours = PerMessageDeflate(False, False, 15, 15)
    *pieces, last = cut(Peer(False, False, 15, 15).send(text, final_block), where)

    def receive():
        left = len(text) - 1
        for piece in pieces:
            left -= len(ours.inflate(piece, max_size=left, final=False))
        ours.inflate(last, max_size=left, final=True)

    with pytest.raises(PayloadTooBig):
        receive()


@given(
    fresh=st.tuples(st.booleans(), st.booleans()),
    bits=st.tuples(local_bits, local_bits),
    threshold=st.integers(0, 50),
    messages=st.lists(st.tuples(payloads, places, st.booleans()), max_size=6),
)
def test_frames_round_trip(fresh, bits, threshold, messages):
    """Frames encoded on one side and decoded on the other are what they were."""
    sender = PerMessageDeflate(*fresh, *bits, compress_threshold=threshold)
    receiver = PerMessageDeflate(*reversed(fresh), *reversed(bits))
    for text, where, ping in messages:
        pieces = cut(text, where)
        for index, piece in enumerate(pieces):
            opcode = Opcode.CONT if index else Opcode.BINARY
            frame = Frame(opcode, piece, fin=index == len(pieces) - 1)
            encoded = sender.encode(frame)
            if frame.fin and not index:
                assert encoded.rsv1 is (len(text) >= threshold)
            assert receiver.decode(encoded) == frame
            if ping:
                control = Frame(Opcode.PING, b"ping")
                assert receiver.decode(sender.encode(control)) == control


@given(data=st.lists(st.tuples(st.binary(max_size=60), st.booleans()), max_size=5))
def test_garbage(data):
    """Any bytes give data within the limit, or one of two errors."""
    ours = PerMessageDeflate(False, False, 15, 15)
    for piece, final in data:
        try:
            output = ours.inflate(piece, max_size=100, final=final)
        except (PayloadTooBig, ProtocolError):
            break
        assert len(output) <= 100
