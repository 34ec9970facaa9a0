"""Frames to bytes."""

from __future__ import annotations

import array

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.codec.implementations import each_implementation
from websockets._codec import serialize_frame, serialize_in_pieces


implementation = each_implementation("serialize_frame", "serialize_in_pieces")


MASK = b"\x37\xfa\x21\x3d"


@pytest.mark.parametrize(
    ("head", "payload", "mask", "expected"),
    [
        # RFC 6455 §5.7, the examples with a header of their own.
        (0x81, b"Hello", None, "81 05 48656c6c6f"),
        (0x81, b"Hello", MASK, "81 85 37fa213d 7f9f4d5158"),
        (0x01, b"Hel", None, "01 03 48656c"),
        (0x80, b"lo", None, "80 02 6c6f"),
        (0x89, b"Hello", None, "89 05 48656c6c6f"),
        # Empty, as a client sends it: the mask is there all the same.
        (0x88, b"", None, "88 00"),
        (0x88, b"", MASK, "88 80 37fa213d"),
    ],
)
def test_a_short_frame(head, payload, mask, expected):
    """Up to 125 bytes, the header has two bytes."""
    assert serialize_frame(head, payload, mask) == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (125, "82 7d"),
        (126, "82 7e 007e"),
        (256, "82 7e 0100"),
        (65_535, "82 7e ffff"),
        (65_536, "82 7f 0000000000010000"),
        (70_000, "82 7f 0000000000011170"),
    ],
)
def test_the_three_forms_of_a_length(size, header):
    """A length takes the shortest of its three forms (RFC 6455 §5.2)."""
    payload = bytes(size)
    header = bytes.fromhex(header)
    assert serialize_frame(0x82, payload, None) == header + payload
    masked = bytes([header[0], header[1] | 0x80]) + header[2:]
    repeated = (MASK * (size // 4 + 1))[:size]
    assert serialize_frame(0x82, payload, MASK) == masked + MASK + repeated


@pytest.mark.parametrize("mask", [None, bytes(4)])
@pytest.mark.parametrize(
    "payload",
    [
        bytearray(b"\1\0\2\0"),
        memoryview(b"\1\0\2\0"),
        memoryview(array.array("H", [1, 2])).cast("B").cast("H"),
        memoryview(b"\1x\0x\2x\0x")[::2],
    ],
    ids=["bytearray", "view", "wide view", "strides"],
)
def test_any_bytes_like_payload(payload, mask):
    """The length counts bytes, whatever the payload's items are."""
    expected = serialize_frame(0x82, b"\1\0\2\0", mask)
    assert serialize_frame(0x82, payload, mask) == expected


@given(st.integers(0, 255), st.binary(max_size=200), st.binary(min_size=4, max_size=4))
def test_the_mask_comes_off(head, payload, mask):
    """Masked with the mask of its header, the payload of a frame comes back."""
    frame = serialize_frame(head, payload, mask)
    assert type(frame) is bytes
    assert frame[0] == head
    start = len(frame) - len(payload)
    assert frame[start - 4 : start] == mask
    body = frame[start:]
    assert bytes(b ^ mask[i % 4] for i, b in enumerate(body)) == payload


def test_a_mask_of_another_size():
    """A mask that hasn't four bytes never gets onto the wire."""
    with pytest.raises(ValueError, match="mask must contain 4 bytes"):
        serialize_frame(0x82, b"", b"123")


@pytest.mark.parametrize(
    "convert", [bytes, bytearray, memoryview, lambda b: memoryview(b)[::1]]
)
@pytest.mark.parametrize("size", [0, 100, 16383, 16384, 16385, 70000])
def test_a_large_frame_in_pieces_is_the_same_frame(convert, size):
    """The two pieces of a frame, joined, are what serialize_frame() returns."""
    payload = bytes(range(256)) * 300
    payload = payload[:size]
    mask = b"\x01\x02\x03\x04"
    pieces = serialize_in_pieces(0x82, convert(payload), mask)
    assert b"".join(pieces) == serialize_frame(0x82, payload, mask)


def test_pieces_of_a_view_with_strides():
    """A view that isn't contiguous is copied."""
    data = memoryview(bytes(range(200)))[::2]
    pieces = serialize_in_pieces(0x82, data, b"abcd")
    assert b"".join(pieces) == serialize_frame(0x82, data, b"abcd")
