"""What a hostile peer can cost through permessage-deflate: memory and work."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest

from tests.codec.engines import every_engine  # noqa: F401 - a fixture for all tests
from websockets.exceptions import PayloadTooBig
from websockets.extensions.permessage_deflate import PerMessageDeflate


MAX_SIZE = 2**20

# zlib's object with a window of 32 KiB, and the slices it returns.
FIXED_COST = 256 * 1024


def bomb(size):
    """Return a compressed message of ``size`` zeros, about a thousandth of it long."""
    compressor = zlib.compressobj(9, wbits=-15)
    pieces = [compressor.compress(bytes(2**20)) for _ in range(size // 2**20)]
    pieces.append(compressor.flush(zlib.Z_SYNC_FLUSH))
    return b"".join(pieces)[:-4]


def peak(call):
    """Return the most memory that was in use during a call."""
    tracemalloc.start()
    try:
        with pytest.raises(PayloadTooBig):
            call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "prefix", [b"", b"\x03\x00"], ids=["plain", "after a final block"]
)
@pytest.mark.parametrize("padding", [0, 10_000], ids=["short", "long"])
def test_bomb(prefix, padding):
    """A message of 100 MiB in 100 KiB is refused for the memory of the limit, twice."""
    stored = zlib.compressobj(0, wbits=-15)
    ballast = stored.compress(bytes(padding)) + stored.flush(zlib.Z_SYNC_FLUSH)
    data = ballast + prefix + bomb(100 * 2**20)
    extension = PerMessageDeflate(False, False, 15, 15)
    used = peak(lambda: extension.inflate(data, max_size=MAX_SIZE, final=True))
    # zlib collects blocks and then joins them; what follows a final block is a copy.
    assert used < 2 * MAX_SIZE + 2 * len(data) + FIXED_COST


def test_bomb_in_pieces():
    """A bomb that arrives in pieces is refused at the piece that exceeds what is left."""
    data = bomb(10 * 2**20)
    extension = PerMessageDeflate(False, False, 15, 15)
    left = MAX_SIZE

    def receive():
        nonlocal left
        for position in range(0, len(data), 100):
            piece = data[position : position + 100]
            left -= len(extension.inflate(piece, max_size=left, final=False))

    assert peak(receive) < 2 * MAX_SIZE + FIXED_COST
    assert 0 <= left < MAX_SIZE


@pytest.mark.parametrize("prefix", ["", "0300"])
def test_bomb_held_back(prefix):
    """A byte that zlib holds back because the output is full is counted."""
    for size in (1, 2, 257, 258, 259, 16_384, 65_536):
        compressor = zlib.compressobj(wbits=-15)
        data = compressor.compress(bytes(size)) + compressor.flush(zlib.Z_SYNC_FLUSH)
        data = bytes.fromhex(prefix) + data[:-4]
        extension = PerMessageDeflate(False, False, 15, 15)
        assert extension.inflate(data, max_size=size, final=True) == bytes(size)
        extension = PerMessageDeflate(False, False, 15, 15)
        with pytest.raises(PayloadTooBig):
            extension.inflate(data, max_size=size - 1, final=True)


class Meter:
    """An engine that counts the bytes given to it."""

    compressobj = staticmethod(zlib.compressobj)

    def __init__(self):
        self.fed = 0

    def decompressobj(self, wbits):
        return MeteredInflater(self, zlib.decompressobj(wbits=wbits))


class MeteredInflater:
    def __init__(self, meter, inner):
        self.meter = meter
        self.inner = inner

    def decompress(self, data, max_length):
        self.meter.fed += len(data)
        return self.inner.decompress(data, max_length)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def test_many_final_blocks():
    """The work grows with the number of final blocks in a message, not with its square."""
    work = []
    for count in (1000, 2000, 4000):
        meter = Meter()
        extension = PerMessageDeflate(False, False, 15, 15, engine=meter)
        message = b"\x03\x00" * count
        assert extension.inflate(message, max_size=None, final=True) == b""
        work.append(meter.fed)
    assert work[1] < 2.1 * work[0]
    assert work[2] < 2.1 * work[1]


def test_long_data_behind_a_final_block():
    """What follows a final block is read once."""
    compressor = zlib.compressobj(0, wbits=-15)
    text = bytes(500_000)
    data = compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)
    message = b"\x03\x00" + data[:-4]
    meter = Meter()
    extension = PerMessageDeflate(False, False, 15, 15, engine=meter)
    assert extension.inflate(message, max_size=None, final=True) == text
    assert meter.fed < 2 * len(message) + 10
