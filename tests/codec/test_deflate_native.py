"""Whole messages through the native code: it does what PerMessageDeflate's methods do."""

from __future__ import annotations

import types
import zlib

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.codec.engines import END, StrictReader
from websockets._codec import NATIVE, apply_mask
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate


pytestmark = pytest.mark.skipif(not NATIVE, reason="there is no native code")

if NATIVE:
    from websockets.speedups import deflate_message, deflate_wanted, inflate_message

HELLO = bytes.fromhex("f248cdc9c90700")


def make(**settings):
    """Return an extension."""
    defaults = {
        "remote_no_context_takeover": False,
        "local_no_context_takeover": False,
        "remote_max_window_bits": 15,
        "local_max_window_bits": 15,
    }
    return PerMessageDeflate(**(defaults | settings))


def state(extension):
    """Return what an extension remembers, as far as it can be compared."""
    return (
        extension._inflater is None,
        extension._deflater is None,
        extension._in_message,
        extension._restarted,
        extension.streak,
    )


def result_of(call, *args, **settings):
    """Return what a call returns, or what it raises."""
    try:
        return call(*args, **settings)
    except Exception as exc:
        cause = exc.__cause__
        return type(exc), str(exc), type(cause), str(cause)


def inflate(extension, data, max_size=None):
    """Inflate a message as the native code's users do."""
    found = inflate_message(extension, data, max_size)
    if found is None:
        return extension.inflate(data, max_size=max_size, final=True)
    return found


def deflate(extension, data):
    """Compress a message as the native code's users do."""
    found = deflate_message(extension, data)
    return extension.deflate(data, final=True) if found is None else found


payloads = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda unit, count: unit * count, st.binary(min_size=1), st.integers(0, 400)
    ),
)


def compressed(text, kind, history):
    """Return a message, as some peer may compress it."""
    if kind == "garbage":
        return text
    if kind == "final":
        writer = zlib.compressobj(wbits=-15)
        return writer.compress(text) + writer.flush(zlib.Z_FINISH) + b"\x00"
    data = history.compress(text) + history.flush(zlib.Z_SYNC_FLUSH)
    return data[:-4] if data.endswith(END) else b"\x00"


@given(
    fresh=st.booleans(),
    limit=st.one_of(st.none(), st.integers(0, 400)),
    messages=st.lists(
        st.tuples(
            payloads,
            st.sampled_from(["usual", "usual", "final", "in pieces", "garbage"]),
        ),
        max_size=6,
    ),
)
def test_inflating_is_the_same(fresh, limit, messages):
    """Any messages give the same results, errors and memories."""
    ours, twin = (make(remote_no_context_takeover=fresh) for _ in range(2))
    history = zlib.compressobj(wbits=-15)
    for text, kind in messages:
        data = compressed(text, kind, history)
        if kind == "in pieces":
            for extension in (ours, twin):
                result_of(extension.inflate, data, max_size=9, final=False)
            data = b""
        results = [
            result_of(inflate, ours, data, limit),
            result_of(twin.inflate, data, max_size=limit, final=True),
        ]
        assert results[0] == results[1]
        assert state(ours) == state(twin)
        if isinstance(results[0], tuple):
            break


@given(fresh=st.booleans(), messages=st.lists(payloads, max_size=6))
def test_deflating_is_the_same(fresh, messages):
    """Any messages give the same bytes; whole messages may stand between fragments."""
    ours, twin = (make(local_no_context_takeover=fresh) for _ in range(2))
    for number, text in enumerate(messages):
        ours.streak = twin.streak = number
        if number % 3 == 2:
            for extension in (ours, twin):
                extension.deflate(text, final=False)
        assert deflate(ours, text) == twin.deflate(text, final=True)
        assert state(ours) == state(twin)


@given(text=st.binary(max_size=5000), key=st.binary(min_size=4, max_size=4))
def test_masked_payloads(text, key):
    """A payload is unmasked on its way."""
    data = make().deflate(text, final=True)
    masked = apply_mask(data, key)
    assert inflate_message(make(), masked, None, key) == text
    assert inflate_message(make(), data, None, None) == text


@pytest.mark.parametrize("bits", [9, 12, 15])
def test_large_messages(bits):
    """Messages larger than an engine's buffers and the window are read by strict peers."""
    text = b"".join(b"%d, " % (i * i % 9973) for i in range(20_000))
    ours, reader = make(local_max_window_bits=bits), StrictReader(bits)
    other = make(remote_max_window_bits=bits)
    for wrap in (bytes, bytearray, memoryview):
        data = deflate_message(ours, wrap(text))
        assert reader.receive(data) == text
        assert inflate_message(other, wrap(data), len(text)) == text


def test_text():
    """A str is compressed as UTF-8."""
    ours, twin = make(), make()
    for text in ("Hello", "grüß dich", "€" * 1000):
        assert deflate_message(ours, text) == twin.deflate(text.encode(), final=True)
    with pytest.raises(UnicodeEncodeError):
        deflate_message(ours, "\ud800")


def test_what_is_left_to_the_methods():
    """Empty messages, unfinished ones and what follows a final block change nothing."""
    extension = make()
    assert deflate_message(extension, b"") is None
    assert inflate_message(extension, b"", 10) is None
    assert state(extension) == (True, True, False, False, 0)
    extension.inflate(HELLO[:3], max_size=None, final=False)
    assert inflate_message(extension, HELLO[3:], None) is None
    assert extension.inflate(HELLO[3:], max_size=None, final=True) == b"llo"
    extension._restarted = True
    assert inflate_message(extension, HELLO, None) is None


def test_shared_compressors_are_left_to_the_methods():
    """A compressor that other connections use is copied first, by the method."""
    extension, other = make(engine=zlib), make(engine=zlib)
    _, history = extension.deflate_shared(b"Hello", fresh=True)
    extension.adopt(history)
    other.adopt(history)
    extension.streak = 3
    assert deflate_message(extension, b"Hello") is None
    assert extension.streak == 3
    data = extension.deflate(b"Hello", final=True)
    assert data == other.deflate(b"Hello", final=True)
    extension.streak = 3
    data = deflate_message(extension, b"Hello")
    assert data == other.deflate(b"Hello", final=True)
    assert extension.streak == 0


def test_subclasses_are_left_to_their_methods():
    """What isn't of this very class isn't touched."""

    class Mine(PerMessageDeflate):
        __slots__ = ()

    for other in (Mine(False, False, 15, 15), object(), None):
        assert deflate_message(other, b"Hello") is None
        assert inflate_message(other, HELLO, None) is None
        assert deflate_wanted(other, 5) is False


@pytest.mark.parametrize("size", [1, 4, 100, 20_000])
def test_limits(size):
    """A message as long as the limit passes; one byte more doesn't."""
    text = bytes(size)
    data = make().deflate(text, final=True)
    assert inflate_message(make(), data, size) == text
    with pytest.raises(PayloadTooBig) as raised:
        inflate_message(make(), data, size - 1)
    assert str(raised.value) == f"frame exceeds limit of {size - 1} bytes"
    assert raised.value.max_size == size - 1


def test_corrupt_data():
    """Bytes that aren't DEFLATE are a violation of the protocol."""
    for data in ("06ffff", "f348cdc9c90700 06ffff", "f200110000"):
        with pytest.raises(ProtocolError, match="decompression failed"):
            inflate_message(make(), bytes.fromhex(data), None)


def test_thresholds():
    """Messages shorter than the threshold aren't compressed by default."""
    assert deflate_wanted(make(), 0) is True
    extension = make(compress_threshold=5)
    assert deflate_wanted(extension, 4) is False
    assert deflate_wanted(extension, 5) is True
    extension.compress_threshold = None
    with pytest.raises(TypeError):
        deflate_wanted(extension, 5)


# -- engines that misbehave


class Engine:
    """An engine whose objects do as they are told."""

    def __init__(self, **methods):
        self.methods = {
            "decompress": lambda data, limit: b"",
            "eof": False,
            "compress": lambda data: b"head",
            "flush": lambda mode: b"tail" + END,
        } | methods

    def compressobj(self, **settings):
        return types.SimpleNamespace(**self.methods)

    decompressobj = compressobj


class Stop(BaseException):
    """It isn't an Exception."""


def stop(*args):
    raise Stop


class Unsure:
    """Neither true nor false."""

    def __bool__(self):
        raise ArithmeticError("unsure")


def no_eof(name):
    engine = Engine()
    del engine.methods[name]
    return engine


def broken(*args, **kwargs):
    raise ArithmeticError("broken")


@pytest.mark.parametrize(
    ("engine", "error"),
    [
        (Engine(decompress=broken), ArithmeticError),
        (Engine(decompress=stop), Stop),
        (Engine(decompress=lambda data, limit: None), TypeError),
        (no_eof("eof"), AttributeError),
        (no_eof("decompress"), AttributeError),
        (types.SimpleNamespace(decompressobj=broken), ArithmeticError),
    ],
)
def test_errors_of_inflaters(engine, error):
    """What an engine raises that doesn't mean corrupt data is passed on."""
    with pytest.raises(error):
        inflate_message(make(engine=engine), HELLO, None)


@pytest.mark.parametrize(
    ("engine", "error"),
    [
        (Engine(compress=broken), ArithmeticError),
        (Engine(compress=lambda data: None), TypeError),
        (Engine(flush=broken), ArithmeticError),
        (Engine(flush=lambda mode: "tail"), TypeError),
        (Engine(flush=lambda mode: b"abc"), TypeError),
        (types.SimpleNamespace(compressobj=broken), ArithmeticError),
    ],
)
def test_errors_of_deflaters(engine, error):
    """What an engine raises is passed on; what isn't bytes, or no flush, is refused."""
    with pytest.raises(error):
        deflate_message(make(engine=engine), b"Hello")


def test_output_in_two_parts():
    """What comes before the flush and with it is one payload."""
    assert deflate_message(make(engine=Engine()), b"Hello") == b"headtail"
    engine = Engine(compress=lambda data: b"")
    assert deflate_message(make(engine=engine), b"Hello") == b"tail"


def test_flags_that_cannot_be_told():
    """Errors of objects in the place of flags are passed on."""
    engine = Engine()
    extension = make(engine=engine, remote_no_context_takeover=Unsure())
    with pytest.raises(ArithmeticError, match="unsure"):
        inflate_message(extension, HELLO, None)
    extension = make(engine=engine, local_no_context_takeover=Unsure())
    with pytest.raises(ArithmeticError, match="unsure"):
        deflate_message(extension, b"Hello")


def test_flags_may_be_numbers():
    """Whatever is true counts as true."""
    extension = make(remote_no_context_takeover=1, local_no_context_takeover=1)
    data = deflate_message(extension, b"Hello")
    assert inflate_message(extension, data, None) == b"Hello"
    assert state(extension) == (True, True, False, False, 0)
    extension = make(remote_no_context_takeover=0, local_no_context_takeover=0)
    data = deflate_message(extension, b"Hello")
    assert inflate_message(extension, data, None) == b"Hello"
    assert state(extension) == (False, False, False, False, 0)
    del extension.remote_no_context_takeover, extension.local_no_context_takeover
    del extension.compress_threshold, extension._inflater, extension._deflater
    assert deflate_message(extension, b"Hello") == data
    assert inflate_message(extension, data, None) == b"Hello"
    assert deflate_wanted(extension, 0) is True


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: inflate_message(), "takes 3 or 4 arguments .0 given"),
        (
            lambda: inflate_message(1, b"", 3, None, 5),
            "takes 3 or 4 arguments .5 given",
        ),
        (lambda: inflate_message(make(), "text", 3), "bytes-like object"),
        (lambda: inflate_message(make(), b"", 3, "text"), "bytes-like object"),
        (lambda: inflate_message(make(), b"", "3"), "integer"),
        (lambda: deflate_message(), "takes 2 arguments .0 given"),
        (lambda: deflate_message(make(), 1), "has no len"),
        (lambda: deflate_wanted(), "takes 2 arguments .0 given"),
        (lambda: deflate_wanted(make(), "1"), "int"),
    ],
)
def test_wrong_arguments(call, text):
    """Wrong arguments are refused."""
    with pytest.raises(TypeError, match=text):
        call()


def test_wrong_values():
    """So are numbers that make no sense."""
    with pytest.raises(ValueError, match="max_size must not be negative"):
        inflate_message(make(), HELLO, -1)
    with pytest.raises(OverflowError):
        inflate_message(make(), HELLO, 2**64)
    assert inflate_message(make(), HELLO, 2**63 - 1) is None
    with pytest.raises(ValueError, match="mask must contain 4 bytes"):
        inflate_message(make(), HELLO, 5, b"abc")
