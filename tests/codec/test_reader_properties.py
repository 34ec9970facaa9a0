"""Bytes to frames: any stream, any chunks, any order of calls, against the oracle."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
from hypothesis import example, given

from tests.codec.frame_pieces import (
    BINARY,
    CLOSE,
    CONT,
    FIN,
    PING,
    PONG,
    TEXT,
    Parsed,
    frame,
    parse,
    scan_all,
)
from tests.codec.implementations import each_implementation
from websockets._codec import FrameReader
from websockets._codec.rules import MAX_CONTROL, MAX_HEADER
from websockets.exceptions import PayloadTooBig, ProtocolError, TooManyFragments


implementation = each_implementation("FrameReader")

ERRORS = (ProtocolError, PayloadTooBig, TooManyFragments)

payloads = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([125, 126, 127, 300]).map(
        lambda n: bytes(i % 256 for i in range(n))
    ),
)
controls = st.tuples(st.sampled_from([FIN | PING, FIN | PONG]), st.binary(max_size=8))


@st.composite
def messages(draw):
    """The frames of one message, with control frames among them."""
    parts = draw(st.lists(payloads, min_size=1, max_size=4))
    opcode = draw(st.sampled_from([TEXT, BINARY]))
    frames = []
    for i, part in enumerate(parts):
        frames += draw(st.lists(controls, max_size=2))
        fin = FIN if i == len(parts) - 1 else 0
        frames.append((fin | (CONT if i else opcode), part))
    return frames


# What a stream may end with: nothing, a Close with bytes behind it, or a mistake.
endings = st.sampled_from(
    [
        [],
        [(FIN | CLOSE, b"\x03\xe8"), (FIN | TEXT, b"after")],
        [(TEXT, b"cut off"), (FIN | CLOSE, b"")],
        [(FIN | 3, b"bad opcode")],
        [(0x10 | FIN | TEXT, b"reserved bit")],
        [(FIN | CONT, b"no message")],
        [(TEXT, b"a"), (FIN | TEXT, b"b")],
        [(PING, b"fragmented")],
        [(FIN | TEXT, b"x" * 400)],  # over the limit, where there is one
        [(TEXT, b"")] + [(CONT, b"")] * 8,
    ]
)


@st.composite
def streams(draw):
    """A stream, whether it is masked, and how it is cut into chunks."""
    masked = draw(st.booleans())
    frames = [f for message in draw(st.lists(messages(), max_size=5)) for f in message]
    frames += draw(endings)
    data = b"".join(frame(head, part, masked=masked) for head, part in frames)
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=8))
    edges = [0, *sorted(cuts), len(data)]
    chunks = [data[a:b] for a, b in itertools.pairwise(edges)]
    return masked, data, chunks


steps = st.lists(st.sampled_from(["read", "read", "scan", "gather"]), max_size=4)
limits = st.sampled_from(
    [
        {},
        {"max_message": 350},
        {"max_fragment": 130},
        {"max_message": 350, "max_fragment": 130},
        {"max_fragments": 6},
    ]
)


class Watch:
    """A reader, and what came out of it."""

    def __init__(self, masked: bool, limits: dict[str, int]) -> None:
        self.reader = FrameReader(
            masked=masked,
            max_message_size=limits.get("max_message"),
            max_fragment_size=limits.get("max_fragment"),
            max_fragments=limits.get("max_fragments"),
        )
        self.data: list[tuple[int, bytes]] = []
        self.control: list[tuple[int, bytes]] = []
        self.parts: list[bytes] = []
        self.error: Exception | None = None

    def gather(self) -> None:
        """Take what has arrived of an unfinished frame, if that is all that's here."""
        self.read("read_unfinished")

    def read(self, method: str = "read") -> bool:
        """Take a frame or a part of it; tell whether there was one."""
        if self.error is not None:
            return False
        try:
            piece = getattr(self.reader, method)()
        except ERRORS as exc:
            self.error = exc
            return False
        if piece is None:
            return False
        head, data, complete = piece
        if head & 0x08:
            assert complete
            self.control.append((head, data))
            return True
        self.parts.append(data)
        if complete:
            self.data.append((head, b"".join(self.parts)))
            self.parts = []
        return True

    def scan(self) -> None:
        self.control += self.reader.scan()

    def scan_all(self) -> None:
        self.control += scan_all(self.reader)

    def read_all(self) -> None:
        while self.read():
            pass


def same_error(one: Exception | None, other: Exception | None) -> bool:
    return (type(one), str(one)) == (type(other), str(other))


@given(streams(), st.data(), limits)
def test_any_order_of_calls_gives_the_same_frames(stream, data, limits):
    """Chunks, and the order of read() and scan(), change nothing in what comes out."""
    masked, whole, chunks = stream
    expected = parse(whole, masked=masked, **limits)
    watch = Watch(masked, limits)
    for chunk in chunks:
        watch.reader.feed(chunk)
        for step in data.draw(steps):
            getattr(watch, step)()
    if data.draw(st.booleans()):
        watch.scan_all()
        # The scan has found the error, wherever read() stands.
        if watch.error is None:
            assert same_error(watch.reader.error, expected.error)
    watch.read_all()
    assert watch.data == expected.data
    assert watch.control == expected.control
    assert same_error(watch.error, expected.error)
    if expected.error is None:
        assert watch.reader.pending == 0
        assert watch.reader.ahead == 0


def kept(expected: Parsed, taken: int, position: int) -> int:
    """Return how many data frames come out, when drop() is called at a position."""
    return max(taken, expected.complete_at(position))


@given(streams(), st.data(), st.sampled_from(["drop", "stop"]))
def test_what_a_drop_keeps(stream, data, way):
    """After drop() or stop(), complete messages come out, and nothing of others."""
    masked, whole, chunks = stream
    expected = parse(whole, masked=masked)
    watch = Watch(masked, {})
    when = data.draw(st.integers(0, len(chunks) - 1))
    position, control_then, limit, size = 0, 0, 0, 0
    for i, chunk in enumerate(chunks):
        watch.reader.feed(chunk)
        position += len(chunk)
        if i <= when:
            for step in data.draw(steps):
                getattr(watch, step)()
        watch.scan_all()
        if i == when and watch.error is None:
            taken = len(watch.data)
            getattr(watch.reader, way)()
            limit = kept(expected, taken, position)
            control_then = len(watch.control)
            size = watch.reader.pending
        if i > when:
            # Not one byte more than the kept messages and a control frame.
            assert watch.reader.pending <= size + MAX_HEADER + MAX_CONTROL
            if data.draw(st.booleans()):
                watch.read()
    if watch.error is not None:
        return  # read() met a mistake before
    watch.read_all()
    assert watch.error is None
    assert watch.data == expected.data[:limit]
    if way == "drop":
        assert watch.control == expected.control
        assert same_error(watch.reader.error, expected.error)
    else:
        assert watch.control == expected.control[:control_then]
    assert watch.reader.pending <= (MAX_HEADER + MAX_CONTROL if way == "drop" else 0)


@given(streams())
@example((False, b"", [b""]))
def test_one_byte_at_a_time(stream):
    """A stream that trickles in byte by byte gives the same frames, looking ahead or not."""
    masked, whole, _ = stream
    expected = parse(whole, masked=masked)
    for ahead in (False, True):
        watch = Watch(masked, {})
        for i in range(len(whole)):
            watch.reader.feed(whole[i : i + 1])
            if ahead:
                watch.scan()
            else:
                watch.read_all()
        watch.scan_all()
        watch.read_all()
        assert (watch.data, watch.control) == (expected.data, expected.control)
        assert same_error(watch.error, expected.error)


@given(streams(), st.data())
def test_unfinished_is_right_wherever_the_stream_ends(stream, data):
    """What unfinished() tells doesn't depend on which cursor passed."""
    masked, whole, _ = stream
    whole = whole[: data.draw(st.integers(0, len(whole)))]
    told = []
    for step in ("read_all", "scan_all"):
        watch = Watch(masked, {})
        watch.reader.feed(whole)
        getattr(watch, step)()
        if watch.error is not None or watch.reader.error is not None:
            return
        told.append(watch.reader.unfinished())
    assert told[0] == told[1]
    assert told[0] is None or 0 <= told[0][0] < told[0][1]
