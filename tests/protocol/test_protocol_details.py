"""The protocol beyond its states: limits, logs, hooks, extensions, attributes."""

from __future__ import annotations

import dataclasses
import logging
import uuid
import zlib

import pytest

from tests.codec.frame_pieces import frame
from tests.protocol.outcomes import unmasked
from websockets.exceptions import InvalidState, PayloadTooBig, ProtocolError
from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import (
    CLIENT,
    CLOSED,
    CLOSING,
    CONNECTING,
    OPEN,
    SERVER,
    Protocol,
)


def deflate(**settings) -> PerMessageDeflate:
    return PerMessageDeflate(False, False, 15, 15, **settings)


def compressed(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return (engine.compress(data) + engine.flush(zlib.Z_SYNC_FLUSH))[:-4]


class Reverse(Extension):
    """Turn payloads around, and mark them with RSV2."""

    name = "x-reverse"

    def decode(self, frame, *, max_size=None):
        return dataclasses.replace(frame, data=bytes(frame.data)[::-1], rsv2=False)

    def encode(self, frame):
        return dataclasses.replace(frame, data=bytes(frame.data)[::-1], rsv2=True)


# -- attributes


def test_attributes_of_a_new_protocol():
    """A protocol starts open, with an identifier of its own and nothing to send."""
    protocol = Protocol(CLIENT)
    assert isinstance(protocol.id, uuid.UUID)
    assert protocol.id is protocol.id
    protocol.id = other = uuid.uuid4()
    assert protocol.id is other
    assert protocol.state is OPEN
    assert protocol.logger.name == "websockets.client"
    assert Protocol(SERVER).logger.name == "websockets.server"
    assert (protocol.close_code, protocol.close_reason) == (None, None)
    assert protocol.data_to_send() == []
    with pytest.raises(AssertionError, match="connection isn't closed yet"):
        _ = protocol.close_exc


@pytest.mark.parametrize(
    ("max_size", "pair"),
    [
        (10, (10, None)),
        ((10, 4), (10, 4)),
        ((None, 4), (None, 4)),
        (None, (None, None)),
    ],
)
def test_max_size_is_a_limit_or_a_pair(max_size, pair):
    """max_size limits messages; a pair limits messages and frames."""
    protocol = Protocol(CLIENT, max_size=max_size)
    assert (protocol.max_message_size, protocol.max_fragment_size) == pair


def test_current_size_counts_the_message_being_received():
    """current_size is None between messages, and counts the frames of one in between."""
    protocol = Protocol(CLIENT)
    assert protocol.current_size is None
    protocol.receive_data(frame(0x01, b"abc"))
    assert protocol.current_size == 3
    protocol.receive_data(frame(0x00, b"de"))
    assert protocol.current_size == 5
    protocol.receive_data(frame(0x89))
    assert protocol.current_size == 5
    protocol.receive_data(frame(0x80))
    assert protocol.current_size is None


def test_bytearrays_are_received_too():
    """receive_data() takes a bytearray, and doesn't keep it."""
    protocol = Protocol(CLIENT)
    data = bytearray(frame(0x82, b"abc"))
    protocol.receive_data(data[:3])
    data2 = data[3:]
    protocol.receive_data(data2)
    data2[:] = b"xx"
    assert protocol.events_received() == [Frame(Opcode.BINARY, b"abc")]


# -- failing


@pytest.mark.parametrize("reason", ["x" * 124, "é" * 62])
def test_reasons_that_are_too_long(reason):
    """fail() and send_close() refuse a reason over 123 bytes, and change nothing."""
    for call in (Protocol.fail, Protocol.send_close):
        protocol = Protocol(SERVER)
        with pytest.raises(ProtocolError, match="control frame too long"):
            call(protocol, 1011, reason)
        assert protocol.state is OPEN
        assert protocol.data_to_send() == []


def test_a_reason_of_ours_is_shortened():
    """The reason for a failure is cut when it doesn't fit, between characters."""

    class Rude(Reverse):
        def encode(self, frame):
            return frame

        def decode(self, frame, *, max_size=None):
            raise ProtocolError("é" * 100)

    protocol = Protocol(SERVER)
    protocol.extensions = [Rude()]
    protocol.receive_data(frame(0x81, masked=True))
    assert protocol.close_sent == Close(1002, "é" * 60 + "...")


def test_fail_without_a_close_frame():
    """fail(1006) sends no Close frame, and reads no more."""
    for side in (CLIENT, SERVER):
        protocol = Protocol(side)
        protocol.fail(1006)
        assert protocol.state is CLOSING
        assert protocol.data_to_send() == ([b""] if side is SERVER else [])
        protocol.receive_data(frame(0x88, masked=side is SERVER))
        assert protocol.events_received() == []
        protocol.receive_eof()
        assert str(protocol.close_exc) == "no close frame received or sent"


def test_a_message_over_the_limit_gets_a_note():
    """The exception for a message over max_size says whose limit it is, and where to set it."""
    for side, function in [(CLIENT, "connect"), (SERVER, "serve")]:
        protocol = Protocol(side, max_size=(4, 3))
        protocol.receive_data(frame(0x81, b"abcde", masked=side is SERVER))
        assert isinstance(protocol.parser_exc, PayloadTooBig)
        (note,) = protocol.parser_exc.__notes__
        assert note == (
            f"this {side.name.lower()} accepts messages of at most 4 bytes, frames of at "
            f"most 3 (None: no limit); pass another max_size to {function}() to change that"
        )


def test_the_end_of_a_server_connection_is_logged_once(caplog):
    """A server logs at INFO that the connection closed, once, whatever follows."""
    caplog.set_level(logging.INFO)
    protocol = Protocol(SERVER)
    protocol.receive_eof()
    protocol.fail(1011)
    protocol.fail_parse(ProtocolError("late"))
    assert [record.message for record in caplog.records] == ["connection closed"]
    assert protocol.state is CLOSED


def test_a_message_refused_after_the_end_is_an_error():
    """Close frames with 1000 on both sides don't make up for a message refused later."""
    protocol = Protocol(CLIENT)
    protocol.receive_data(frame(0x88, b"\x03\xe8"))
    protocol.receive_eof()
    assert type(protocol.close_exc).__name__ == "ConnectionClosedOK"
    exc = ProtocolError("decompression failed")
    protocol.fail_parse(exc)
    assert type(protocol.close_exc).__name__ == "ConnectionClosedError"
    assert protocol.close_exc.__cause__ is exc


# -- logs


def test_debug_logs(caplog):
    """At DEBUG, a protocol logs states, frames in and out, and EOF, as 17.4 does."""
    caplog.set_level(logging.DEBUG)
    protocol = Protocol(SERVER)
    protocol.send_text(b"hello")
    protocol.receive_data(frame(0x82, b"\x00\xff", masked=True))
    protocol.receive_data(frame(0x89, b"p", masked=True))
    protocol.receive_data(frame(0x88, b"\x03\xe8bye", masked=True))
    protocol.receive_eof()
    assert [record.message for record in caplog.records] == [
        "= connection is OPEN",
        "> TEXT 'hello' [5 bytes]",
        "< BINARY 00 ff [2 bytes]",
        "< PING 'p' [text, 1 byte]",
        "> PONG 'p' [text, 1 byte]",
        "< CLOSE 1000 (OK) bye [5 bytes]",
        "> CLOSE 1000 (OK) bye [5 bytes]",
        "= connection is CLOSING",
        "> EOF",
        "< EOF",
        "= connection is CLOSED",
        "connection closed",
    ]


def test_a_logger_of_ones_own():
    """A logger passed to the protocol is used, and its level is looked up once."""
    logger = logging.getLogger("tests.protocol")
    logger.setLevel(logging.DEBUG)
    try:
        protocol = Protocol(CLIENT, logger=logger)
    finally:
        logger.setLevel(logging.NOTSET)
    assert protocol.logger is logger
    assert protocol.debug


# -- hooks and extensions


def test_overridden_hooks_see_every_frame():
    """A subclass's recv_frame and send_frame are called for every frame."""
    seen = []

    class Custom(Protocol):
        def recv_frame(self, frame):
            seen.append(f"< {frame}")
            super().recv_frame(frame)

        def send_frame(self, frame):
            seen.append(f"> {frame}")
            super().send_frame(frame)

    protocol = Custom(SERVER)
    assert protocol.hooked
    protocol.send_text(b"a")
    protocol.receive_data(frame(0x81, b"b", masked=True) + frame(0x89, masked=True))
    protocol.send_close()
    assert seen == [
        "> TEXT 'a' [1 byte]",
        "< TEXT 'b' [1 byte]",
        "< PING '' [0 bytes]",
        "> PONG '' [0 bytes]",
        "> CLOSE '' [0 bytes]",
    ]


def test_hooks_assigned_to_an_instance():
    """recv_frame and send_frame assigned to one protocol are called, too."""
    protocol = Protocol(CLIENT)
    assert not protocol.hooked
    received, sent = [], []
    protocol.recv_frame = received.append
    protocol.send_frame = sent.append
    assert protocol.hooked
    protocol.send_binary(b"a")
    protocol.receive_data(frame(0x81, b"b"))
    assert sent == [Frame(Opcode.BINARY, b"a")]
    assert received == [Frame(Opcode.TEXT, b"b")]


def test_a_subclass_replaces_a_method_for_some_objects():
    """What it puts in its place calls the method of the base class."""
    seen = []

    class Counting(Protocol):
        def __init__(self, side, counting):
            super().__init__(side)
            if counting:
                self.send_frame = self.count

        def count(self, frame):
            seen.append(frame)
            super().send_frame(frame)

    class Derived(Counting):
        pass

    for cls in (Counting, Derived):
        for counting in (False, True):
            protocol = cls(SERVER, counting)
            assert protocol.sends_itself is counting
            protocol.send_text(b"a")
            assert protocol.data_to_send() == [b"\x81\x01a"]
            assert len(seen) == counting
        seen.clear()
        del protocol.send_frame
        assert not protocol.sends_itself


def test_a_subclass_replaces_a_method_early():
    """What it puts in its place before the protocol is made stays."""
    sent = []

    class Early(Protocol):
        def __init__(self, side):
            self.send_frame = sent.append
            super().__init__(side)

    protocol = Early(SERVER)
    assert protocol.sends_itself
    protocol.send_text(b"a")
    assert sent == [Frame(Opcode.TEXT, b"a")]
    assert protocol.data_to_send() == []


def test_a_foreign_extension_sees_every_frame():
    """An extension of somebody else encodes and decodes, after or before deflate."""
    protocol = Protocol(SERVER)
    protocol.extensions = [deflate(), Reverse()]
    assert protocol.hooked
    assert list(protocol.extensions)[1].name == "x-reverse"
    protocol.send_text(b"a" * 100)
    (data,) = protocol.data_to_send()
    assert data[0] == 0x81 | 0x40 | 0x20
    peer = Protocol(CLIENT)
    peer.extensions = [deflate(), Reverse()]
    peer.receive_data(data)
    assert peer.events_received() == [Frame(Opcode.TEXT, b"a" * 100)]
    protocol.extensions = [Reverse()]
    protocol.send_text(b"ab")
    assert protocol.data_to_send() == [b"\xa1\x02ba"]


def test_compress_false_skips_deflate_among_other_extensions():
    """send_data(compress=False) leaves deflate out, also beside a foreign extension."""
    protocol = Protocol(SERVER)
    protocol.extensions = [deflate(), Reverse()]
    protocol.send_data(Opcode.TEXT, b"ab", True, False)
    protocol.send_data(Opcode.TEXT, b"ab", True, None)
    first, second = protocol.data_to_send()
    assert first == b"\xa1\x02ba"
    assert second[0] == 0xE1


def test_an_error_in_an_extension_is_logged(caplog):
    """What an extension raises by mistake is logged, and fails the connection with 1011."""

    class Broken(Reverse):
        def encode(self, frame):
            return frame

        def decode(self, frame, *, max_size=None):
            raise ZeroDivisionError("broken")

    protocol = Protocol(CLIENT)
    protocol.extensions = [Broken()]
    protocol.receive_data(frame(0x81))
    assert protocol.close_sent == Close(1011, "")
    assert isinstance(protocol.parser_exc, ZeroDivisionError)
    assert [record.message for record in caplog.records] == ["parser failed"]


@pytest.mark.parametrize("compress", [None, True, False])
@pytest.mark.parametrize("threshold", [0, 10])
@pytest.mark.parametrize("size", [9, 10])
def test_who_decides_to_compress(compress, threshold, size):
    """compress= decides, else the threshold; RSV1 marks compressed messages."""
    protocol = Protocol(SERVER)
    protocol.extensions = [deflate(compress_threshold=threshold)]
    protocol.send_data(Opcode.TEXT, b"a" * size, True, compress)
    (data,) = protocol.data_to_send()
    expected = size >= threshold if compress is None else compress
    assert bool(data[0] & 0x40) is expected
    assert data == (
        frame(0xC1, compressed(b"a" * size)) if expected else frame(0x81, b"a" * size)
    )


def test_a_fragmented_message_is_compressed_as_a_whole():
    """The first frame decides on compression for the message, and alone has RSV1."""
    sender, receiver = Protocol(CLIENT), Protocol(SERVER)
    sender.extensions, receiver.extensions = [deflate()], [deflate()]
    sender.send_text(b"abc", fin=False)
    sender.send_data(Opcode.CONT, b"abc" * 100, False, False)
    sender.send_continuation(b"", True)
    writes = sender.data_to_send()
    assert [data[0] for data in writes] == [0x41, 0x00, 0x80]
    receiver.receive_data(b"".join(writes))
    events = receiver.events_received()
    assert [event.data for event in events] == [b"abc", b"abc" * 100, b""]
    assert not any(event.rsv1 for event in events)


@pytest.mark.parametrize(
    ("max_size", "sizes", "text"),
    [
        (10, [11], "frame exceeds limit of 10 bytes"),
        (10, [6, 6], "frame after reading 6 bytes exceeds limit of 10 bytes"),
        ((None, 5), [6], "frame exceeds limit of 5 bytes"),
        ((10, 5), [5, 5, 1], "frame after reading 10 bytes exceeds limit of 10 bytes"),
        ((100, 5), [5, 6], "frame after reading 5 bytes exceeds limit of 10 bytes"),
    ],
)
def test_limits_hold_for_inflated_payloads(max_size, sizes, text):
    """What a compressed frame inflates to is held to the limits."""
    sender, receiver = Protocol(SERVER), Protocol(CLIENT, max_size=max_size)
    sender.extensions, receiver.extensions = [deflate()], [deflate()]
    for i, size in enumerate(sizes):
        opcode = Opcode.CONT if i else Opcode.BINARY
        sender.send_data(opcode, bytes(size), i == len(sizes) - 1)
    receiver.receive_data(b"".join(sender.data_to_send()))
    assert str(receiver.parser_exc) == text
    assert receiver.close_sent.code == 1009


def test_a_str_is_not_sent_by_mistake():
    """Payloads are bytes-like; a str is refused, and the protocol stays usable."""
    protocol = Protocol(CLIENT)
    with pytest.raises(TypeError):
        protocol.send_text("text")
    protocol.send_text(b"text")
    (data,) = protocol.data_to_send()
    assert unmasked(data) == f"81 {b'text'.hex()}"


def test_deferred_pongs_collapse_into_the_latest():
    """While pongs are deferred, the latest ping alone is answered, later, if still open."""
    protocol = Protocol(SERVER)
    protocol.defer_pongs = True
    for payload in (b"1", b"2", b"3"):
        protocol.receive_data(frame(0x89, payload, masked=True))
    assert protocol.data_to_send() == []
    protocol.release_pong()
    assert protocol.data_to_send() == [frame(0x8A, b"3")]
    protocol.release_pong()
    assert protocol.data_to_send() == []
    protocol.defer_pongs = True
    protocol.receive_data(frame(0x89, b"4", masked=True))
    protocol.send_close()
    protocol.release_pong()
    assert protocol.data_to_send() == [frame(0x88)]
    with pytest.raises(InvalidState, match="connection is closing"):
        protocol.send_close()


# -- before the opening handshake is over


class Shaking(Protocol):
    """A protocol whose handshake is one line."""

    def parse(self):
        yield from self.reader.read_line(100)
        yield from super().parse()


def test_bytes_before_and_behind_the_handshake():
    """Bytes behind the handshake are frames, in the same chunk or in the next."""
    protocol = Shaking(CLIENT)
    protocol.extensions = []
    protocol.receive_data(b"hello")
    protocol.receive_data(b"\r\n" + frame(0x81, b"a")[:2])
    protocol.receive_data(b"a")
    assert protocol.events_received() == [Frame(Opcode.TEXT, b"a")]


def test_failing_before_the_handshake_is_over():
    """fail() ignores what comes during the handshake, too; a server half-closes."""
    protocol = Shaking(SERVER, state=CONNECTING)
    protocol.fail(1011)
    assert protocol.data_to_send() == [b""]
    protocol.receive_data(b"hello\r\n")
    protocol.receive_eof()
    assert protocol.state is CLOSED
    assert protocol.data_to_send() == []


def test_both_sides_half_close():
    """EOF from the peer after our own half-close asks for no second one."""
    protocol = Protocol(SERVER)
    protocol.send_eof()
    protocol.receive_eof()
    assert protocol.data_to_send() == [b""]
    assert protocol.state is CLOSED


def test_a_reason_needs_a_code():
    """A Close frame without a code can't have a reason."""
    protocol = Protocol(CLIENT)
    with pytest.raises(ProtocolError, match="cannot send a reason without a code"):
        protocol.send_close(None, "bye")
    assert protocol.state is OPEN


def test_large_messages_of_lazy_clients():
    """A large message, masked in pieces by a lazy client, is one frame for the server."""
    payload = bytes(range(256)) * 2000
    protocol, peer = Protocol(CLIENT), Protocol(SERVER)
    protocol.lazy = True
    protocol.send_binary(payload)
    peer.receive_data(b"".join(protocol.data_to_send()))
    assert peer.events_received() == [Frame(Opcode.BINARY, payload)]
