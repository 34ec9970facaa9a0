"""The session fails: at the right moment, with the right cause, exactly once."""

from __future__ import annotations

import zlib

import pytest

from tests.codec.frame_pieces import frame
from tests.session.pairs import client, pair, read_all, sent_close, server
from websockets.exceptions import ConnectionClosedError, ProtocolError


TEXT_A = frame(0x81, b"a")
BAD_TEXT = frame(0x81, b"\xff")
BAD_OPCODE = b"\x83\x00"


def test_messages_before_a_protocol_error_can_be_answered():
    """An error waits until the messages before it were read and answered."""
    session = client()
    session.receive_data(TEXT_A * 2 + BAD_OPCODE, 0)
    assert sent_close(session) is None
    for _ in range(2):
        assert session.pop_message(0) == "a"
        session.send_message("answer")
    assert session.pop_message(0) is None
    assert sent_close(session) == (1002, "invalid opcode")
    assert [data[0] for data in session.data_to_send()] == [0x81, 0x81, 0x88]


def test_an_error_while_somebody_waits_fails_at_once():
    """When recv() waits, there is nothing to deliver first."""
    session = client()
    assert session.pop_message(0) is None
    session.receive_data(BAD_OPCODE, 0)
    assert sent_close(session) == (1002, "invalid opcode")


def test_an_error_that_nobody_reads_up_to():
    """close_timeout after it was seen, an error fails the connection; messages stay."""
    session = client(ping_interval=None, close_timeout=10)
    session.receive_data(TEXT_A + BAD_OPCODE, 5)
    session.receive_data(b"ignored", 7)
    assert session.next_deadline() == 15
    session.deadline_reached(14.9)
    assert sent_close(session) is None
    session.deadline_reached(15)
    assert sent_close(session) == (1002, "invalid opcode")
    assert session.next_deadline() == 25
    session.connection_lost(16)
    first, end = read_all(session)
    assert first == "a"
    assert (
        str(end) == "sent 1002 (protocol error) invalid opcode; no close frame received"
    )
    assert isinstance(end.__cause__, ProtocolError)
    assert session.next_deadline() is None


def test_an_error_read_before_its_deadline():
    """An error that had its turn leaves no deadline of its own."""
    session = client(ping_interval=None)
    session.receive_data(TEXT_A + BAD_OPCODE, 0)
    read_all(session, 3)
    assert session.next_deadline() == 13
    assert sent_close(session) == (1002, "invalid opcode")


def test_without_close_timeout_an_error_waits_for_ever():
    """close_timeout=None leaves the error to whoever reads."""
    session = client(ping_interval=None, close_timeout=None)
    session.receive_data(TEXT_A + BAD_OPCODE, 0)
    assert session.next_deadline() is None
    read_all(session, 3)
    assert sent_close(session) == (1002, "invalid opcode")
    assert session.next_deadline() is None


def test_an_error_and_a_ping_due_at_once():
    """A failure that is due leaves no ping to send, and no verdict on pongs."""
    session = server(ping_interval=10, ping_timeout=5, close_timeout=10)
    session.receive_data(frame(0x81, b"a", masked=True) + BAD_OPCODE, 0)
    session.deadline_reached(100)
    writes = session.data_to_send()
    assert writes[-1] == b""
    assert [data[0] for data in writes[:-1]] == [0x88]
    assert not session._notes


def test_an_error_that_waits_when_the_stream_ends():
    """EOF behind an error that waits: the error is the cause, not the end of the stream."""
    session = client()
    session.receive_data(TEXT_A + BAD_OPCODE, 0)
    session.receive_eof(1)
    first, end = read_all(session)
    assert first == "a"
    assert (
        str(end) == "sent 1002 (protocol error) invalid opcode; no close frame received"
    )
    assert str(end.__cause__) == "invalid opcode"


def test_a_lost_connection_leaves_no_deadline():
    """When the transport is lost, no deadline is left, whatever was pending."""
    session = client()
    session.receive_data(TEXT_A + BAD_OPCODE, 0)
    session.connection_lost(1, ConnectionResetError("reset"))
    assert session.next_deadline() is None


@pytest.mark.parametrize("data", [BAD_OPCODE, TEXT_A + BAD_OPCODE])
def test_an_error_after_our_close_fails_at_once(data):
    """After our Close nobody waits for the turn of an error: a server half-closes."""
    session = server()
    session.close(0)
    assert session.data_to_send() == [frame(0x88, b"\x03\xe8")]
    session.receive_data(data.replace(TEXT_A, frame(0x81, b"a", masked=True)), 1)
    assert session.data_to_send() == [b""]
    session.receive_data(bytes(1000), 2)
    session.connection_lost(3)
    (end,) = read_all(session)
    assert str(end) == "sent 1000 (OK); no close frame received"
    assert isinstance(end.__cause__, ProtocolError)


def test_closing_with_an_error_that_waits():
    """close() doesn't wait behind an error that nobody read up to."""
    session = server()
    session.receive_data(frame(0x81, b"a", masked=True) + BAD_OPCODE, 0)
    session.close(1)
    assert session.data_to_send() == [frame(0x88, b"\x03\xe8"), b""]
    session.connection_lost(2)
    first, end = read_all(session)
    assert first == "a"
    assert str(end.__cause__) == "invalid opcode"


# -- text


@pytest.mark.parametrize("decode", [None, True, False])
def test_bad_text_fails_in_its_turn(decode):
    """Text that isn't UTF-8 fails with 1007 when it is read, also as bytes."""
    session = client()
    session.receive_data(TEXT_A + BAD_TEXT, 0)
    assert session.pop_message(0, decode) in ("a", b"a")
    assert sent_close(session) is None
    assert session.pop_message(0, decode) is None
    assert sent_close(session) == (1007, "invalid start byte at position 0")


def test_nothing_follows_a_message_that_was_refused():
    """Messages behind the one that failed are lost: order would be broken in silence."""
    session = client()
    session.receive_data(BAD_TEXT + TEXT_A, 0)
    assert session.pop_message(0) is None
    assert session.pop_message(0) is None
    session.connection_lost(0)
    (end,) = read_all(session)
    assert isinstance(end, ConnectionClosedError)
    assert isinstance(end.__cause__, UnicodeDecodeError)


def test_bad_text_before_a_regular_close():
    """A refused message makes an error of a connection that was closed with 1000."""
    joined = pair()
    joined.server.protocol.send_text(b"\xff")
    joined.server.close(0)
    joined.deliver()
    joined.lose()
    assert joined.client.protocol.close_code == 1000
    (end,) = read_all(joined.client)
    assert isinstance(end, ConnectionClosedError)
    assert isinstance(end.__cause__, UnicodeDecodeError)


@pytest.mark.parametrize("lost_only", [False, True])
def test_bad_text_read_after_the_stream_was_cut_off(lost_only):
    """Of two failures, the first one is the cause, though both have shown."""
    session = client()
    session.receive_data(BAD_TEXT, 0)
    if not lost_only:
        session.receive_eof(0)
    session.connection_lost(0)
    [end] = read_all(session)
    assert isinstance(end.__cause__, EOFError)


def test_bad_text_inside_an_unfinished_frame():
    """When nothing waits before it, bad text fails as soon as its bytes arrive."""
    session = client()
    assert session.pop_message(0) is None
    data = frame(0x81, "é".encode() * 50)
    session.receive_data(data[:11], 0)
    assert sent_close(session) is None
    session.receive_data(b"((", 0)
    assert sent_close(session) == (1007, "invalid continuation byte at position 8")


def test_bad_text_in_a_fragment():
    """The position counts from the start of the message, over all fragments."""
    session = client()
    session.receive_data(frame(0x01, b"ok") + frame(0x80, b"\xff"), 0)
    assert session.pop_message(0) is None
    assert sent_close(session) == (1007, "invalid start byte at position 2")


@pytest.mark.parametrize("decode", [None, False])
def test_bad_text_while_streaming(decode):
    """Fragments before the bad one are streamed; the bad one fails the connection."""
    session = client()
    session.receive_data(frame(0x01, b"ok"), 0)
    assert session.pop_fragment(0, decode) in (("ok", False), (b"ok", False))
    session.receive_data(frame(0x80, b"\xff") + TEXT_A, 0)
    assert session.pop_fragment(0, decode) is None
    assert sent_close(session) == (1007, "invalid start byte at position 2")
    assert session.pop_fragment(0, decode) is None


def test_bad_text_in_one_frame_while_streaming():
    """A message in one frame is checked when it is streamed, too."""
    for decode in (None, False):
        session = client()
        session.receive_data(BAD_TEXT, 0)
        assert session.pop_fragment(0, decode) is None
        assert sent_close(session)[0] == 1007


def test_bytes_decoded_as_text():
    """decode=True holds a binary message to UTF-8."""
    session = client()
    session.receive_data(frame(0x82, "é".encode()) + frame(0x82, b"\xff"), 0)
    assert session.pop_message(0, True) == "é"
    assert session.pop_message(0, True) is None
    assert sent_close(session)[0] == 1007


# -- sizes and compression


def test_a_message_over_max_size():
    """A message over max_size fails with 1009 when its turn comes; a note tells why."""
    session = client(max_size=10)
    session.receive_data(TEXT_A + frame(0x82, bytes(11)), 0)
    assert read_all(session) == ["a"]
    reason = "frame with 11 bytes exceeds limit of 10 bytes"
    assert sent_close(session) == (1009, reason)
    assert session.protocol.parser_exc.__notes__


def compressed(*parts: bytes) -> list[bytes]:
    engine = zlib.compressobj(wbits=-15)
    out = [engine.compress(x) + engine.flush(zlib.Z_SYNC_FLUSH) for x in parts]
    return [*out[:-1], out[-1][:-4]]


@pytest.mark.parametrize(
    ("max_size", "sizes", "reason"),
    [
        (10, [11], "frame exceeds limit of 10 bytes"),
        (10, [6, 6], "frame exceeds limit of 10 bytes"),
        ((10, 8), [6, 6], "frame after reading 6 bytes exceeds limit of 10 bytes"),
        ((None, 5), [5, 6], "frame after reading 5 bytes exceeds limit of 10 bytes"),
        ((100, 5), [6], "frame exceeds limit of 5 bytes"),
        ((10, 5), [5, 5], None),
        (None, [500, 500], None),
    ],
)
@pytest.mark.parametrize("streaming", [False, True])
def test_limits_on_inflated_messages(max_size, sizes, reason, streaming):
    """What compressed messages inflate to is limited as they are read."""
    session = client(max_size=max_size, compressed=True)
    parts = compressed(*(bytes(size) for size in sizes))
    for i, part in enumerate(parts):
        head = (0x02 if i == 0 else 0) | (0x40 if i == 0 else 0)
        head |= 0x80 if i == len(parts) - 1 else 0
        session.receive_data(frame(head, part), 0)
    if streaming:
        data = b""
        while (fragment := session.pop_fragment(0)) is not None:
            data += fragment[0]
            if fragment[1]:
                break
    else:
        data = session.pop_message(0)
    if reason is None:
        assert data == bytes(sum(sizes))
    else:
        assert sent_close(session)[0] == 1009
        if not streaming:
            assert sent_close(session)[1] == reason


def test_corrupt_compressed_data():
    """Data that can't be inflated fails with 1002 in its turn."""
    session = client(compressed=True)
    session.receive_data(TEXT_A + frame(0xC1, b"\xff\xff\xff"), 0)
    assert read_all(session) == ["a"]
    assert sent_close(session) == (1002, "decompression failed")


def test_compressed_text_is_checked_when_inflated():
    """Compressed text that isn't UTF-8 fails with 1007 when it is read or streamed."""
    (data,) = compressed(b"\xff")
    for pop in ("pop_message", "pop_fragment"):
        for decode in (None, False):
            session = client(compressed=True)
            session.receive_data(frame(0xC1, data), 0)
            assert getattr(session, pop)(0, decode) is None
            assert sent_close(session)[0] == 1007


def test_a_bad_close_frame():
    """A Close frame that breaks the rules fails the connection, behind messages too."""
    session = client()
    session.receive_data(TEXT_A + frame(0x88, b"\x03"), 0)
    assert sent_close(session) == (1002, "close frame too short")
    assert session.pop_message(0) == "a"


def test_a_bad_close_frame_while_somebody_waits():
    """The same holds when it is met by a wait for a message."""
    session = client()
    assert session.pop_message(0) is None
    session.receive_data(frame(0x88, b"\x00\x00"), 0)
    assert sent_close(session) == (1002, "invalid status code")
