"""Bytes to frames: what a peer can make us keep, and how much work it can make."""

from __future__ import annotations

import sys
import tracemalloc

import pytest

from tests.codec.frame_pieces import frame, read_all, scan_all
from tests.codec.implementations import each_implementation, footprint, twin
from websockets._codec import FrameReader, Message


implementation = each_implementation("FrameReader")

KIB = 1024


def allocated(function) -> tuple[int, int]:
    """Return how many bytes a function leaves allocated, and the peak, beside its result."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = function()
        now, peak = tracemalloc.get_traced_memory()
        del kept
    finally:
        tracemalloc.stop()
    return now - before, peak - before


def calls_made(function) -> int:
    """Count the calls that a function makes, in the library and into C."""
    count = 0

    def profile(frame, event, _):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


def trickle(data: bytes, step: int = 1) -> FrameReader:
    """Feed a stream in small chunks, looking ahead after each."""
    reader = FrameReader(masked=False)
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
        while reader.scan():
            pass
    return reader


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(0x82, bytes(16 * KIB)), id="one frame"),
        pytest.param(frame(0x81, b"x") * 5 * KIB, id="messages of one byte"),
        pytest.param(frame(0x81) * 8 * KIB, id="empty messages"),
        pytest.param(
            frame(0x02) + frame(0x00) * 8 * KIB, id="fragments without content"
        ),
    ],
)
def test_bytes_that_trickle_in_cost_about_their_size(data):
    """Bytes that arrive one by one and wait are kept once, whatever frames they are."""
    now, peak = allocated(lambda: trickle(data))
    assert now < 1.3 * len(data) + 2 * KIB
    assert peak < 2.5 * len(data) + 4 * KIB


@pytest.mark.parametrize("data", [b"", frame(0x82, bytes(1000)), frame(0x01, b"a")])
def test_control_frames_cost_nothing_once_reported(data):
    """Pings for months leave nothing in the reader, though nobody takes the data."""

    reader = trickle(data)
    pings = b"".join(frame(0x89, bytes([i])) for i in range(250))
    for start in range(0, 60 * len(pings), 777):
        chunk = (pings * 3)[start % len(pings) :][:777]
        reader.feed(chunk)
        while reader.scan():
            pass
        assert reader.pending <= len(data) + 16
        assert footprint(reader) <= len(data) + 10 * KIB
    if data:
        assert reader.read() == (data[0], data[-1:] * (len(data[4:]) or 1), True)


def test_control_frames_behind_data_taken_in_part():
    """They are forgotten, too, behind a message of which a part was taken."""
    message = frame(0x82, bytes(range(200)))
    reader = FrameReader(masked=False)
    reader.feed(message[:104])
    assert reader.read() == (0x82, bytes(range(100)), False)
    reader.feed(message[104:] + frame(0x89) * 5000 + frame(0x82, bytes(70_000))[:100])
    assert len(scan_all(reader)) == 5000
    assert reader.pending == 100 + 100
    assert footprint(reader) < 2 * KIB
    assert reader.ahead == 1
    assert reader.read() == (0x82, bytes(range(100, 200)), True)
    assert reader.read() == (0x82, bytes(90), False)


@pytest.mark.parametrize("size", [0, 100, 100 * KIB])
def test_drop_keeps_nothing_of_what_comes(size):
    """After drop(), a peer may send for ever: nothing is kept, whatever the frames are."""
    reader = FrameReader(masked=False)
    reader.feed(frame(0x81, b"kept") + frame(0x01, b"not kept"))
    reader.scan()
    reader.drop()
    stream = frame(0x00, bytes(size)) * (3 if size > 1000 else 300)
    for start in range(0, len(stream), 1000):
        reader.feed(stream[start : start + 1000])
        scan_all(reader)
        assert reader.pending <= len(frame(0x81, b"kept")) + 14
    assert (reader.error, read_all(reader)) == (None, [(0x81, b"kept", True)])


def test_65536_fragments_of_64_bytes():
    """A message of 65,536 fragments of 64 bytes passes, and costs about its 4 MiB."""
    part = bytes(range(64))
    first, other, last = frame(0x02, part), frame(0x00, part), frame(0x80, part)

    def receive() -> Message:
        reader = FrameReader(masked=False, max_message_size=4 * KIB * KIB)
        message = Message(False, False)
        for chunk in [first + other * 1023, *[other * 1024] * 62, other * 1023 + last]:
            reader.feed(chunk)
            for head, data, complete in read_all(reader):
                message.append(data, complete, head >= 0x80)
        assert message.complete
        assert message.size == 4 * KIB * KIB
        return message

    assert receive().take() == part * 65_536
    now, _ = allocated(receive)
    assert now < 1.2 * 4 * KIB * KIB + 256 * KIB


@pytest.mark.parametrize("way", ["look ahead", "take"])
@pytest.mark.parametrize(
    "unit", [frame(0x81, b"x"), frame(0x89, b"x"), frame(0x82, bytes(300))]
)
def test_work_grows_with_the_bytes(unit, way):
    """Twice the frames, or twice the chunks, make about twice the work, not four times."""

    def work(count: int) -> None:
        reader = FrameReader(masked=False)
        data = unit * count
        for start in range(0, len(data), 7):
            reader.feed(data[start : start + 7])
            (scan_all if way == "look ahead" else read_all)(reader)

    once, twice = calls_made(lambda: work(100)), calls_made(lambda: work(200))
    assert once < twice < 2.3 * once


def test_a_buffer_that_waits_grows_in_place():
    """Behind bytes that wait, the twin appends small chunks; it doesn't join them."""
    reader = twin("FrameReader")(masked=False)
    reader.feed(frame(0x82, bytes(1000)))
    reader.feed(b"\x82")
    buffer = reader._buf
    assert type(buffer) is bytearray
    for _ in range(100):
        reader.feed(b"\x00\x82")
        scan_all(reader)
    assert reader._buf is buffer
    # What is taken leaves at the front; what is empty starts as plain bytes again.
    assert len(read_all(reader)) == 101
    reader.feed(b"\x00")
    assert reader._buf is buffer
    assert len(buffer) == 2
    assert len(read_all(reader)) == 1
    reader.feed(b"\x82\x00")
    assert type(reader._buf) is bytes


@pytest.mark.parametrize("size", [10, 70_000])
def test_a_buffer_that_is_not_needed_any_more(size):
    """After trim(), a reader that has handed out everything holds no large buffer."""
    reader = FrameReader(masked=False)
    reader.feed(frame(0x82, bytes(size)))
    reader.trim()
    assert reader.pending > size
    assert reader.read() == (0x82, bytes(size), True)
    reader.trim()
    assert footprint(reader) < KIB
    reader.feed(frame(0x89, b"ping"))
    assert reader.scan() == [(0x89, b"ping")]
