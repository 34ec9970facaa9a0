"""The compression engines that are installed here, and a reader without mercy."""

from __future__ import annotations

import zlib

import pytest

from websockets.extensions.permessage_deflate import PerMessageDeflate


NAMES = ["zlib", "zlib_ng.zlib_ng", "isal.isal_zlib"]
END = b"\x00\x00\xff\xff"


def engine_named(name):
    """Return an engine; skip the test where the extra ``speed`` isn't installed."""
    return pytest.importorskip(name)


@pytest.fixture(scope="module", params=[None, *NAMES], autouse=True)
def every_engine(request):
    """Run all tests of a module with each engine, unless they choose one."""
    engine = None if request.param is None else engine_named(request.param)
    with pytest.MonkeyPatch.context() as patch:
        defaults = PerMessageDeflate.__init__.__kwdefaults__
        patch.setitem(defaults, "engine", engine)
        yield engine


class StrictReader:
    """
    Inflate messages with a window of exactly the size agreed.

    A call that returns much reads from its own output, whatever the window is: so this
    asks for one byte at a time.

    Args:
        bits: window bits, 8 to 15.
        fresh: no context takeover.

    """

    def __init__(self, bits, fresh=False):
        self.bits = bits
        self.fresh = fresh
        self.reset()

    def reset(self):
        """Forget the history."""
        self.reader = zlib.decompressobj(wbits=-self.bits)

    def receive(self, data):
        """Return the content of a message."""
        assert data, "RFC 7692 §7.2.3.6: an empty message has a byte"
        output = []
        data += END
        while True:
            output.append(self.reader.decompress(data, 1))
            data = self.reader.unconsumed_tail
            if not data and not output[-1]:
                break
        assert not self.reader.eof
        if self.fresh:
            self.reset()
        return b"".join(output)
