"""Messages pulled out of a lazy protocol: logs, order of work, and its seams."""

from __future__ import annotations

import logging

import pytest

from tests.codec.frame_pieces import frame
from tests.session.pairs import deflate
from websockets._messages import Messages
from websockets.protocol import CLIENT, CLOSED, CLOSING, SERVER, Protocol


def pulled(protocol: Protocol, data: bytes = b"") -> tuple[Messages, list[bytes]]:
    """Return messages of a protocol, and the list of pongs."""
    pongs: list[bytes] = []
    messages = Messages(protocol, pongs.append)
    messages.feed(data)
    messages.scan()
    return messages, pongs


def test_a_lazy_protocol_makes_no_events():
    """Frames wait in the reader until they are pulled."""
    protocol = Protocol(CLIENT)
    messages, _ = pulled(protocol, frame(0x81, b"a") * 3)
    assert protocol.events_received() == []
    assert (messages.ahead, messages.held) == (3, 9)
    assert [messages.pop_message(None) for _ in range(4)] == ["a", "a", "a", None]
    assert (messages.ahead, messages.held) == (0, 0)


def test_pulling_twice_takes_one_message():
    """pull() gives the same message until it is popped."""
    messages, _ = pulled(Protocol(CLIENT), frame(0x81, b"a") + frame(0x81, b"b"))
    assert messages.pull() is messages.pull()
    assert messages.complete
    assert messages.pop_message(None) == "a"
    assert not messages.complete


def test_a_protocol_that_waits_for_its_handshake():
    """A protocol whose parser waits at the end of the handshake goes on with frames."""

    class Shaking(Protocol):
        def parse(self):
            yield  # the handshake
            yield from super().parse()

    protocol = Shaking(CLIENT)
    assert protocol.frame_reader is None
    messages, _ = pulled(protocol, frame(0x81, b"a"))
    assert messages.pop_message(None) == "a"


def test_extensions_set_after_the_reader_was_made():
    """Extensions agreed upon later hold for frames to come."""
    protocol = Protocol(CLIENT)
    protocol.extensions = [deflate()]
    sender = deflate()
    data = sender.deflate(b"abc" * 50, final=True)
    messages, _ = pulled(protocol, frame(0xC1, data))
    assert messages.pop_message(None) == "abc" * 50
    protocol.extensions = []
    messages.feed(frame(0xC1, data))
    assert messages.pop_message(None) is None
    assert str(protocol.parser_exc) == "reserved bits must be 0"


@pytest.mark.parametrize("behind", [b"", frame(0x81, b"unread")])
def test_pongs_are_reported(behind):
    """The payload of each pong is reported, behind unread messages, too."""
    data = behind + frame(0x8A, b"1") + frame(0x8A, b"2")
    protocol = Protocol(CLIENT)
    _, pongs = pulled(protocol, data)
    assert pongs == [b"1", b"2"]
    assert protocol.events == []


def test_messages_after_eof_and_close():
    """Messages are popped after Close and EOF as before."""
    protocol = Protocol(SERVER)
    data = frame(0x81, b"a", masked=True) + frame(0x82, b"b", masked=True)
    messages, _ = pulled(protocol, data + frame(0x88, masked=True))
    assert protocol.state is CLOSING
    assert messages.pop_message(None) == "a"
    protocol.receive_eof()
    assert protocol.state is CLOSED
    assert messages.pop_message(True) == "b"
    assert messages.pop_message(None) is None


def test_frames_in_the_debug_log(caplog):
    """Frames are logged when they are taken, whole; compressed ones when inflated."""
    caplog.set_level(logging.DEBUG)
    protocol = Protocol(CLIENT)
    protocol.extensions = [deflate()]
    sender = deflate()
    messages, _ = pulled(protocol, frame(0x01, b"abc")[:4])
    assert messages.pop_message(None) is None
    messages.feed(frame(0x01, b"abc")[4:] + frame(0x89, b"p") + frame(0x80, b"d"))
    messages.scan()
    assert messages.pop_message(None) == "abcd"
    first = sender.deflate(b"x", final=False)
    last = sender.deflate(b"y", final=True)
    messages.feed(frame(0x41, first) + frame(0x80, last))
    messages.scan()
    assert messages.pop_fragment(None) == ("x", False)
    assert messages.pop_fragment(None) == ("y", True)
    messages.feed(frame(0xC2, deflate().deflate(b"\xff", final=True)))
    assert messages.pop_message(None) == b"\xff"
    assert [r.message for r in caplog.records if r.message[0] == "<"] == [
        "< PING 'p' [text, 1 byte]",
        "< TEXT 'abc' [3 bytes, continued]",
        "< CONT 'd' [text, 1 byte]",
        "< TEXT 'x' [1 byte, continued]",
        "< CONT 'y' [text, 1 byte]",
        "< BINARY ff [1 byte]",
    ]


def test_binary_fragments_as_bytes():
    """Fragments of a binary message aren't checked, unless they are to be text."""
    messages, _ = pulled(Protocol(CLIENT), frame(0x02, b"\xff") + frame(0x80, b"\xfe"))
    assert messages.pop_fragment(None) == (b"\xff", False)
    assert messages.pop_fragment(None) == (b"\xfe", True)
    messages.feed(frame(0x02, b"\xc3") + frame(0x80, b"\xa9") + frame(0x82, b"\xff"))
    assert messages.pop_fragment(True) == ("", False)
    assert messages.pop_fragment(True) == ("é", True)
    assert messages.pop_fragment(True) is None
    assert messages._protocol.close_sent.code == 1007
