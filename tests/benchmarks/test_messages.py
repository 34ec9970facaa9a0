"""The peer sends frames that the library takes."""

from __future__ import annotations

import zlib

import pytest

from benchmarks.messages import frame, frames, noise, trades, write_frames
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri


@pytest.mark.parametrize("size", [0, 1, 125, 126, 256, 65535, 65536])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("text", [False, True])
def test_frames(size: int, masked: bool, text: bool) -> None:
    """A frame of any size is what RFC 6455 says, masked or not."""
    protocol = (
        ServerProtocol(state=OPEN)
        if masked
        else ClientProtocol(parse_uri("ws://localhost"), state=OPEN)
    )
    payload = bytes(65 + index % 26 for index in range(size))
    data = frame(payload, text=text, masked=masked, compressed=False)
    protocol.receive_data(data)
    (received,) = protocol.events_received()
    assert isinstance(received, Frame)
    assert (received.opcode, received.data) == (1 if text else 2, payload)


def test_a_compressed_series_can_be_repeated() -> None:
    """The second time, each message is inflated to what it was the first time."""
    protocol = ClientProtocol(parse_uri("ws://localhost"), state=OPEN)
    protocol.extensions = [PerMessageDeflate(False, False, 15, 15)]
    series = frames(1024, masked=False, text=True, deflate=True)
    protocol.receive_data(b"".join(series * 2))
    received = [event.data for event in protocol.events_received()]
    expected = [trades(1024, seed).encode() for seed in range(len(series))]
    assert received == expected * 2


def test_messages_of_a_series_differ() -> None:
    """No cache makes them cheaper than those of a real peer."""
    assert len(set(frames(64, masked=True))) == 1024
    assert noise(64, 1) != noise(64, 2)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100, 1024, 5000])
def test_the_size_of_texts(size: int) -> None:
    """They are as long as was asked for, and ASCII."""
    text = trades(size)
    assert len(text) == size
    assert text.isascii()


def test_texts_compress_as_json_does() -> None:
    """They have the structure that compression is about."""
    assert len(zlib.compress(trades(16384).encode())) < 16384 / 2


def test_files_of_frames(tmp_path) -> None:
    """Each frame is preceded by its length."""
    path = write_frames(tmp_path / "some.frames", [b"ab", b"", b"c" * 300])
    expected = b"\2\0\0\0ab\0\0\0\0\x2c\1\0\0" + b"c" * 300
    assert path.read_bytes() == expected
