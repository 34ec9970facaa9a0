"""Sessions over protocols whose frames pass one by one: subclasses, other extensions."""

from __future__ import annotations

import dataclasses

import pytest

from tests.codec.frame_pieces import frame
from tests.session.pairs import deflate, make, read_all, sent_close
from websockets._session import Session
from websockets.exceptions import ConnectionClosedOK
from websockets.extensions.base import Extension
from websockets.protocol import CLIENT, Protocol


class Watched(Protocol):
    """A protocol that notes the frames it receives."""

    def recv_frame(self, frame: object) -> None:
        self.__dict__.setdefault("seen", []).append(str(frame))
        super().recv_frame(frame)


class Shift(Extension):
    """Add one to every byte."""

    name = "x-shift"

    def decode(self, frame, *, max_size=None):
        data = bytes((byte - 1) % 256 for byte in frame.data)
        return dataclasses.replace(frame, data=data)

    def encode(self, frame):
        data = bytes((byte + 1) % 256 for byte in frame.data)
        return dataclasses.replace(frame, data=data)


def watched(**options) -> Session:
    return make(CLIENT, protocol_class=Watched, **options)


TEXT_A = frame(0x81, b"a")


def test_every_frame_passes_the_hook():
    """An overridden recv_frame sees data and control frames, in order."""
    session = watched()
    session.receive_data(frame(0x01, b"a") + frame(0x89) + frame(0x80, b"b"), 0)
    assert session.protocol.seen == [
        "TEXT 'a' [1 byte, continued]",
        "PING '' [0 bytes]",
        "CONT 'b' [text, 1 byte]",
    ]
    assert [data[0] for data in session.data_to_send()] == [0x8A]
    assert read_all(session) == ["ab"]


def test_a_message_that_arrives_while_somebody_waits():
    """Waiting works as on other connections, frame by frame."""
    session = watched()
    assert session.pop_message(0) is None
    session.receive_data(frame(0x01, b"a"), 0)
    assert not session.readable
    session.receive_data(frame(0x80, b"b") + TEXT_A, 0)
    assert session.readable
    assert session.pop_message(0) == "ab"
    assert session.pop_message(0) == "a"


def test_streaming_and_water_marks():
    """Frames count for the water marks, and can be streamed."""
    session = watched(max_queue=(2, 0))
    session.receive_data(frame(0x02, b"a") + frame(0x00, b"b") + frame(0x80, b"c"), 0)
    assert session.reading_paused
    assert session._messages.held == 3
    assert session.pop_fragment(0) == (b"a", False)
    assert session.pop_fragment(0) == (b"b", False)
    assert session.pop_fragment(0) == (b"c", True)
    assert not session.reading_paused


def test_pongs_resolve_pings():
    """Pongs reach the ping book."""
    session = watched()
    results = []
    session.ping(b"x", 1, results.append)
    session.receive_data(frame(0x8A, b"x"), 3)
    assert results == [2]


def test_closing():
    """A Close is answered; messages before it stay, data after our Close is dropped."""
    session = watched()
    session.receive_data(TEXT_A, 0)
    session.close(0)
    session.receive_data(TEXT_A + frame(0x88, b"\x03\xe8"), 0)
    session.connection_lost(0)
    first, end = read_all(session)
    assert (first, type(end)) == ("a", ConnectionClosedOK)


@pytest.mark.parametrize(
    ("bad", "close"),
    [
        (b"\x83\x00", (1002, "invalid opcode")),
        (frame(0x01, b"\xff"), (1007, "invalid start byte at position 0")),
    ],
)
def test_failing(bad, close):
    """Errors fail the connection as their frame arrives; messages before stay readable."""
    session = watched()
    session.receive_data(TEXT_A + bad, 0)
    assert sent_close(session) == close
    session.connection_lost(0)
    assert read_all(session)[0] == "a"


def test_bad_text_in_one_frame_loses_what_follows():
    """Text refused when it is read ends what can be read."""
    session = watched()
    session.receive_data(frame(0x81, b"\xff") + TEXT_A, 0)
    assert session.pop_message(0) is None
    assert sent_close(session)[0] == 1007
    session.connection_lost(0)
    (end,) = read_all(session)
    assert isinstance(end.__cause__, UnicodeDecodeError)


def test_another_extension_beside_deflate():
    """A foreign extension beside permessage-deflate serves messages both ways."""
    protocols = [Protocol(CLIENT), Protocol(CLIENT)]
    for protocol in protocols:
        protocol.extensions = [deflate(), Shift()]
    one, other = (Session(protocol, 0) for protocol in protocols)
    # A client's frames are masked, so make the sender a server for a moment.
    protocols[0].side = type(CLIENT).SERVER
    one.send_message("a" * 1000)
    (data,) = one.data_to_send()
    assert len(data) < 100
    other.receive_data(data, 0)
    assert other.pop_message(0) == "a" * 1000
