"""Bytes to frames: the native reader does what the twin does, call by call."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from tests.codec.frame_pieces import frame
from tests.codec.implementations import native, twin
from websockets._codec.rules import RSV, RSV1


PAYLOADS = [b"", b"a", b"four", bytes(range(125)), bytes(126), bytes(300)]
HEADS = [0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A, 0x88, 0xC1, 0x42, 0x40]
LENGTHS = [None, None, None, 100, 1_000, 70_000, 2**62, 2**63 - 1, 2**63]
LIMITS = [None, None, 0, 100, 350, 2**62, 2**70]

# First byte, payload, length announced, width of the length.
frames = st.tuples(
    st.sampled_from(HEADS) | st.integers(0, 255),
    st.sampled_from(PAYLOADS) | st.binary(max_size=8),
    st.sampled_from(LENGTHS),
    st.none(),
)
widths = st.tuples(
    st.sampled_from(HEADS),
    st.just(b""),
    st.integers(0, 65_535),
    st.sampled_from([2, 8]),
)
pings = st.integers(1, 900).map(lambda n: [(0x89, b"abc", None, None)] * n)
# Messages whose frames are in order, so that streams get far; and anything.
orderly = st.lists(st.sampled_from(PAYLOADS), min_size=1, max_size=4).map(
    lambda parts: [
        ((0 if i else 1) | (0x80 if i == len(parts) - 1 else 0), part, None, None)
        for i, part in enumerate(parts)
    ]
)
one = st.one_of(frames, widths).map(lambda item: [item])
pieces = st.lists(st.one_of(orderly, orderly, pings, one), max_size=8)
calls = st.sampled_from(
    [
        *["read", "read", "read_unfinished", "scan", "scan", "scan"],
        *["trim", "unfinished", "drop", "stop", "clear"],
    ]
)
steps = st.lists(st.one_of(st.integers(0, 400), calls), max_size=40)

ATTRIBUTES = ["masked", "limits", "max_fragments", "reserved", "ahead", "pending"]


def outcome(reader, method: str, *args: bytes):
    """Return what a call returns or raises."""
    try:
        result = getattr(reader, method)(*args)
    except Exception as exc:
        return type(exc), str(exc), exc.args
    types = [type(item) for item in result] if isinstance(result, tuple) else None
    return result, types


def state(reader):
    error = reader.error
    values = [getattr(reader, name) for name in ATTRIBUTES]
    return values, reader.unscanned, type(error), str(error)


@given(
    pieces,
    steps,
    st.booleans(),
    st.sampled_from([0, RSV1, RSV]),
    st.tuples(*[st.sampled_from(LIMITS)] * 3),
)
def test_any_calls_on_any_stream(pieces, steps, masked, reserved, limits):
    """Both give the same results, errors and attributes after each call."""
    data = b"".join(
        frame(head, payload, masked=masked, length=length, width=width)
        for piece in pieces
        for head, payload, length, width in piece
    )
    message, fragment, fragments = limits
    readers = [
        find("FrameReader")(
            masked=masked,
            max_message_size=message,
            max_fragment_size=fragment,
            max_fragments=fragments,
        )
        for find in (twin, native)
    ]
    for reader in readers:
        reader.reserved = reserved
    for step in [*steps, len(data), "scan", *["read"] * 30, "scan", "unfinished"]:
        if isinstance(step, str):
            outcomes = [outcome(reader, step) for reader in readers]
        else:
            chunk, data = data[:step], data[step:]
            outcomes = [outcome(reader, "feed", chunk) for reader in readers]
        assert outcomes[0] == outcomes[1]
        states = [state(reader) for reader in readers]
        assert states[0] == states[1]
