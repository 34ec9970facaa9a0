"""permessage-deflate with each engine: strict peers, whatever the window; which one is taken."""

from __future__ import annotations

import importlib
import random
import subprocess
import sys
import types
import zlib

import pytest

from tests.codec.engines import END, NAMES, StrictReader, engine_named
from websockets.exceptions import PayloadTooBig
from websockets.extensions import _engines
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)


def noise(size, seed):
    """Return bytes that don't repeat."""
    return random.Random(seed).randbytes(size)


def far_apart(bits):
    """Return data that repeats itself around the distance that a window allows."""
    window = 2**bits
    parts = []
    for number, beyond in enumerate((-300, -262, -258, -1, 0, 1, 2, 258, 300)):
        repeated = noise(48, f"{number}")
        parts += [repeated, noise(max(window + beyond - 48, 0), number), repeated]
    return b"".join(parts)


def words(size, seed):
    """Return text as programs send it."""
    chance = random.Random(seed)
    return b" ".join(b"%d" % chance.randrange(500) for _ in range(size))[:size]


def conversation(bits):
    """Return messages of all kinds: short, empty, alike, larger than the window."""
    alike = words(1500, 1)
    few = bits <= 12
    return [
        b"Hello",
        b"",
        alike,
        alike,
        b"",
        words(300, 2),
        far_apart(bits) if few else far_apart(10),
        alike,
        noise(700, 3),
        b"Hello",
    ]


def in_pieces(data):
    """Cut a message into fragments, of which some are empty."""
    third = len(data) // 3
    return [b"", data[:third], b"", data[third : 2 * third], data[2 * third :], b""]


def test_the_strict_reader_is_strict():
    """It refuses what refers to a window that is one bit larger."""
    for bits in range(8, 15):
        repeated = noise(100, 1)
        text = repeated + noise(2**bits, 2) + repeated
        writer = zlib.compressobj(wbits=-15)
        data = (writer.compress(text) + writer.flush(zlib.Z_SYNC_FLUSH))[:-4]
        assert StrictReader(bits + 1).receive(data) == text
        with pytest.raises(zlib.error, match="invalid distance too far back"):
            StrictReader(bits).receive(data)


@pytest.mark.parametrize("name", [None, *NAMES])
@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("bits", range(9, 16))
def test_strict_peers_read_us(bits, fresh, name):
    """Each message fits into the window agreed: whole, in fragments, shared with others."""
    engine = name and engine_named(name)
    ours = PerMessageDeflate(False, fresh, 15, bits, {"memLevel": 5}, engine=engine)
    other = PerMessageDeflate(False, fresh, 15, bits, {"memLevel": 5}, engine=engine)
    reader = StrictReader(bits, fresh)
    for number, text in enumerate(conversation(bits)):
        assert reader.receive(ours.deflate(text, final=True)) == text
        pieces = in_pieces(text)
        data = b"".join(ours.deflate(piece, final=False) for piece in pieces)
        data += ours.deflate(b"", final=True)
        assert reader.receive(data) == text
        if number % 2:
            shared, history = other.deflate_shared(text, fresh=True)
            ours.adopt(history)
            assert reader.receive(shared) == text


@pytest.mark.parametrize("name", [None, *NAMES])
@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("bits", range(8, 16))
def test_we_read_peers(bits, fresh, name):
    """We read what fits into the window agreed, in any pieces, up to exactly the limit."""
    engine = name and engine_named(name)
    ours = PerMessageDeflate(fresh, False, bits, 15, engine=engine)
    # zlib can't write for a window of 256 bytes; runs of one byte fit into any.
    strategy = zlib.Z_RLE if bits == 8 else zlib.Z_DEFAULT_STRATEGY
    writer = None
    for text in conversation(bits):
        for size in (None, 1, 100):
            if writer is None or fresh:
                writer = zlib.compressobj(wbits=-max(bits, 9), strategy=strategy)
            data = writer.compress(text) + writer.flush(zlib.Z_SYNC_FLUSH)
            data = data[:-4] if data.endswith(END) else b"\x00"
            pieces = (
                [data[i : i + size] for i in range(0, len(data), size)] if size else []
            )
            output = b""
            for piece in pieces:
                left = len(text) - len(output)
                output += ours.inflate(piece, max_size=left, final=False)
            output += ours.inflate(
                b"" if size else data, max_size=len(text) - len(output), final=True
            )
            assert output == text


@pytest.mark.parametrize("name", [None, *NAMES])
def test_a_limit_exceeded_by_one_byte(name):
    """Each engine stops at the limit, and no byte is held back unnoticed."""
    engine = name and engine_named(name)
    for size in (1, 257, 258, 259, 1000, 65_536):
        for text in (bytes(size), noise(size, 1), words(size, 1)):
            writer = zlib.compressobj(wbits=-15)
            data = (writer.compress(text) + writer.flush(zlib.Z_SYNC_FLUSH))[:-4]
            ours = PerMessageDeflate(False, False, 15, 15, engine=engine)
            assert ours.inflate(data, max_size=size, final=True) == text
            with pytest.raises(PayloadTooBig):
                ours.inflate(data, max_size=size - 1, final=True)


# -- the choice


class Fake:
    """Something that stands for a compression library."""

    def __init__(self, name, **attributes):
        self.name = name
        self.asked = []
        self.__dict__.update(attributes)

    def compressobj(self, **settings):
        self.asked.append(settings)
        return zlib.compressobj(**settings)

    def decompressobj(self, **settings):
        self.asked.append(settings)
        return zlib.decompressobj(**settings)


@pytest.fixture
def installed(monkeypatch):
    """Let tests say what is installed, by name of module; nothing is at first."""
    libraries = {}

    def import_module(name):
        if name not in libraries:
            raise ImportError(name)
        return libraries[name]

    monkeypatch.setattr(_engines, "importlib", types.SimpleNamespace(**vars(importlib)))
    monkeypatch.setattr(_engines.importlib, "import_module", import_module)
    _engines.find.cache_clear()
    yield libraries
    _engines.find.cache_clear()


def test_zlib_alone(installed):
    """Where nothing else is installed, zlib does everything."""
    assert _engines.compressor(None, {}, 100_000) is zlib
    assert _engines.decompressor(None) is zlib
    assert _engines.corrupt(None) is zlib.error


def test_the_fastest_is_chosen(installed):
    """zlib-ng decompresses; isal compresses, when the first message is large."""
    ng = installed["zlib_ng.zlib_ng"] = Fake("zlib-ng", error=ArithmeticError)
    isal = installed["isal.isal_zlib"] = Fake("isal")
    for settings in ({}, {"memLevel": 5}):
        assert _engines.compressor(None, settings, 512) is isal
        assert _engines.compressor(None, settings, 511) is zlib
    assert _engines.decompressor(None) is ng
    assert _engines.corrupt(None) is ArithmeticError
    extension = PerMessageDeflate(False, False, 10, 11, {"memLevel": 5})
    data = extension.deflate(bytes(512), final=True)
    assert extension.inflate(data, max_size=None, final=True) == bytes(512)
    assert isal.asked == [{"wbits": -11, "memLevel": 5}]
    assert ng.asked == [{"wbits": -10}]
    # What is for many is compressed once: the ratio matters, and it must be copied.
    _, history = extension.deflate_shared(bytes(512), fresh=True)
    assert type(history) is type(zlib.compressobj())
    assert len(isal.asked) == 1


@pytest.mark.parametrize("settings", [{"level": 1}, {"memLevel": 5, "strategy": 2}])
def test_settings_of_zlib_are_honoured(installed, settings):
    """Levels and strategies mean zlib's: isal has others."""
    isal = installed["isal.isal_zlib"] = Fake("isal")
    extension = PerMessageDeflate(False, False, 15, 15, settings)
    writer = zlib.compressobj(wbits=-15, **settings)
    text = words(5000, 1)
    expected = (writer.compress(text) + writer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert extension.deflate(text, final=True) == expected
    assert isal.asked == []


def test_the_choice_of_the_program_is_honoured(installed):
    """An engine that is given does all the work, whatever is installed."""
    installed["zlib_ng.zlib_ng"] = installed["isal.isal_zlib"] = Fake("installed")
    mine = Fake("mine")
    for make in (ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory):
        assert make(engine=mine).engine is mine
        assert make().engine is None
    mine.asked.clear()
    extension = PerMessageDeflate(False, False, 15, 15, engine=mine)
    data = extension.deflate(bytes(1000), final=True)
    assert extension.inflate(data, max_size=None, final=True) == bytes(1000)
    assert len(mine.asked) == 2
    assert installed["isal.isal_zlib"].asked == []


def test_nothing_is_imported_before_the_first_message():
    """Programs that don't compress don't pay for what the extra ``speed`` installs."""
    program = (
        "import sys; from websockets.asyncio import client, server;"
        "from websockets.extensions.permessage_deflate import *;"
        "extension = enable_server_permessage_deflate([])[0]._make((0, 12), (0, 12));"
        "print({'isal', 'zlib_ng'} & {name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout == "set()\n"
