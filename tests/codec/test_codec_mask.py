"""Masking: the twin, the native code, and the choice between them."""

from __future__ import annotations

import array
import inspect
import sys
import types

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from tests.codec.implementations import MODULES, native, speedups, twin
from websockets import _codec


MASK = b"\x37\xfa\x21\x3d"

IMPLEMENTATIONS = [
    pytest.param(twin("apply_mask"), id="twin"),
    pytest.param(
        speedups and speedups.apply_mask,
        id="native",
        marks=pytest.mark.skipif(speedups is None, reason="no native code here"),
    ),
]

every_implementation = pytest.mark.parametrize("apply_mask", IMPLEMENTATIONS)


def definition(data, mask):
    """RFC 6455 §5.3, word for word: octet i is XORed with octet i modulo 4."""
    return bytes(octet ^ mask[i % 4] for i, octet in enumerate(data))


@every_implementation
def test_the_example_of_the_rfc(apply_mask):
    """The masked "Hello" of RFC 6455 §5.7 is 7f 9f 4d 51 58."""
    assert apply_mask(b"Hello", MASK) == bytes.fromhex("7f9f4d5158")


@every_implementation
def test_every_size_at_every_alignment(apply_mask):
    """Sizes around each width of a loop are right wherever the data starts."""
    data = bytes(range(256)) * 4
    for offset in range(9):
        for size in [*range(140), *range(250, 262), *range(508, 520), 1000]:
            piece = memoryview(data)[offset : offset + size]
            assert apply_mask(piece, MASK) == definition(piece, MASK), (offset, size)


@every_implementation
@pytest.mark.parametrize("size", [65_535, 65_536, 1_048_579])
def test_a_large_payload(apply_mask, size):
    """Large payloads have the right bytes to the last one."""
    data = bytes(range(251)) * (size // 251 + 1)
    data = data[:size]
    assert apply_mask(data, MASK) == definition(data, MASK)


@given(st.binary(max_size=2_000), st.binary(min_size=4, max_size=4))
@example(b"", MASK)
def test_both_give_the_same(data, mask):
    """The native code gives the bytes of the twin, and the twin those of the RFC."""
    expected = definition(data, mask)
    for parameter in IMPLEMENTATIONS:
        if (apply_mask := parameter.values[0]) is not None:
            assert apply_mask(data, mask) == expected
            assert apply_mask(expected, mask) == data


@every_implementation
@pytest.mark.parametrize("size", [10, 1_000])
@pytest.mark.parametrize(
    "convert",
    [
        bytes,
        bytearray,
        memoryview,
        lambda data: array.array("H", bytes(data)),
        lambda data: memoryview(array.array("H", bytes(data))),
        lambda data: memoryview(bytes(x for byte in data for x in (byte, 0)))[::2],
        lambda data: memoryview(bytes(reversed(data)))[::-1],
    ],
    ids=["bytes", "bytearray", "view", "wide", "wide view", "strides", "backward"],
)
def test_any_buffer_will_do(apply_mask, convert, size):
    """Whatever has a buffer is masked byte by byte, and the result is bytes."""
    data = bytes(range(10)) * (size // 10)
    masked = apply_mask(convert(data), MASK)
    assert type(masked) is bytes
    assert masked == definition(data, MASK)


@every_implementation
@pytest.mark.parametrize(
    "mask", [bytearray(MASK), memoryview(MASK), memoryview(MASK[::-1])[::-1]]
)
def test_any_buffer_of_four_bytes_is_a_mask(apply_mask, mask):
    """The mask may be any bytes-like object, too."""
    assert apply_mask(b"Hello", mask) == bytes.fromhex("7f9f4d5158")


@every_implementation
def test_what_is_given_stays_as_it_was(apply_mask):
    """A buffer that could be written to isn't."""
    data = bytearray(1_000)
    apply_mask(data, MASK)
    assert data == bytes(1_000)


@every_implementation
@pytest.mark.parametrize("mask", [b"", b"123", b"12345"])
def test_a_mask_of_another_size(apply_mask, mask):
    """A mask that hasn't four bytes is refused."""
    with pytest.raises(ValueError, match=r"^mask must contain 4 bytes$"):
        apply_mask(b"data", mask)


@every_implementation
@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("text", MASK), {}),
        ((b"data", "mask"), {}),
        ((5, MASK), {}),
        ((b"data", 4), {}),
        ((b"data",), {}),
        ((b"data", MASK, MASK), {}),
        ((), {}),
        ((b"data",), {"data": b"data"}),
        ((b"data",), {"key": MASK}),
        ((b"data", MASK), {"key": MASK}),
    ],
)
def test_wrong_arguments(apply_mask, args, kwargs):
    """Text, numbers, and too many, too few or unknown arguments are TypeErrors."""
    with pytest.raises(TypeError):
        apply_mask(*args, **kwargs)


@every_implementation
def test_arguments_have_names(apply_mask):
    """Both arguments can be given by name, in any order."""
    expected = definition(b"data", MASK)
    assert apply_mask(mask=MASK, data=b"data") == expected
    assert apply_mask(b"data", mask=MASK) == expected
    assert list(inspect.signature(apply_mask).parameters) == ["data", "mask"]


@pytest.mark.parametrize("name", MODULES)
def test_the_choice_is_what_the_flag_says(name):
    """The codec has everything from the native code, exactly when NATIVE says so."""
    expected = (native if _codec.NATIVE else twin)(name)
    assert getattr(_codec, name) is expected


def test_native_code_is_taken_when_it_loads(monkeypatch):
    """An extension that loads is used; an empty variable is an unset one."""
    loaded = types.SimpleNamespace(**dict.fromkeys(MODULES, definition))
    monkeypatch.setenv("WEBSOCKETS_NO_SPEEDUPS", "")
    monkeypatch.setitem(sys.modules, "websockets.speedups", loaded)
    assert _codec.native_names() == vars(loaded)


def test_the_environment_forces_the_twin(monkeypatch):
    """WEBSOCKETS_NO_SPEEDUPS=1 leaves an extension that would load alone."""
    loaded = types.SimpleNamespace(**dict.fromkeys(MODULES, definition))
    monkeypatch.setenv("WEBSOCKETS_NO_SPEEDUPS", "1")
    monkeypatch.setitem(sys.modules, "websockets.speedups", loaded)
    assert _codec.native_names() == {}


def test_a_missing_extension_is_no_error(monkeypatch):
    """Without the extension, or with one that isn't complete, the twin serves."""
    monkeypatch.delenv("WEBSOCKETS_NO_SPEEDUPS", raising=False)
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    assert _codec.native_names() == {}
    old = types.SimpleNamespace(apply_mask=definition)
    monkeypatch.setitem(sys.modules, "websockets.speedups", old)
    assert _codec.native_names() == {}
