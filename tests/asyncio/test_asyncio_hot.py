"""The twin of the native base class of connections, whatever the suite runs on."""

from __future__ import annotations

from websockets.asyncio._hot import Hot, ReadBuffer
from websockets.asyncio._native import Hot as NativeHot


class Recorder(Hot):
    """Stands for a connection: it records what it would give to the session."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = ReadBuffer()
        self._burst = 7
        self.received: list[bytes] = []

    def _receive(self, data: bytes = b"", at_once: bool = False) -> None:
        self.received.append(data)


def test_bytes_that_the_transport_puts_into_the_buffer():
    """What stands in the buffer is taken when the transport says how much it is."""
    recorder = Recorder()
    recorder.get_buffer(-1)[:5] = b"hello"
    recorder.buffer_updated(5)
    recorder.get_buffer(-1)[:3] = b"bye"
    assert recorder.received == [b"hello"]
    assert recorder._burst == 0


def test_bytes_that_the_transport_hands_over():
    """Bytes objects go on as they are."""
    recorder = Recorder()
    recorder.data_received(b"hello")
    assert recorder.received == [b"hello"]
    assert recorder._burst == 0


def test_no_shortcuts():
    """The twin takes none."""
    recorder = Recorder()
    recorder._begin(1, 2, 3)
    assert not recorder._fast


def test_what_it_begins_with():
    """A connection that has just been made is as it is in the native form."""
    twin, native = Recorder(), NativeHot()
    for name in set(Hot.__slots__) - {"_buffer", "_burst"}:
        assert getattr(twin, name) == getattr(native, name)
