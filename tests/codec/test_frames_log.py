"""How frames look in logs: the lines of 17.4, word for word."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from websockets.frames import Close, Frame, Opcode


CONT, TEXT, BINARY, CLOSE, PING, PONG = Opcode

EURO = "\u20ac"

LINES = [
    # Text is quoted; the opcode says that it's text.
    (Frame(TEXT, b"Spam"), "TEXT 'Spam' [4 bytes]"),
    (Frame(TEXT, b"a"), "TEXT 'a' [1 byte]"),
    (Frame(TEXT, b""), "TEXT '' [0 bytes]"),
    (Frame(TEXT, "caf\u00e9".encode()), "TEXT 'caf\u00e9' [5 bytes]"),
    (Frame(TEXT, b"it's\n"), 'TEXT "it\'s\\n" [5 bytes]'),
    (Frame(TEXT, "\u200b".encode()), "TEXT '\\u200b' [3 bytes]"),
    # Or that it isn't.
    (Frame(TEXT, b"\xff\xfe"), "TEXT ff fe [binary, 2 bytes]"),
    (Frame(TEXT, b"\x00\x01"), "TEXT 00 01 [binary, 2 bytes]"),
    (Frame(TEXT, b"\xc2\x80"), "TEXT c2 80 [binary, 2 bytes]"),
    (Frame(TEXT, b"\\x"), "TEXT 5c 78 [binary, 2 bytes]"),
    (Frame(BINARY, b"\x00\x01\x02\x03"), "BINARY 00 01 02 03 [4 bytes]"),
    (Frame(BINARY, b"Spam"), "BINARY 'Spam' [text, 4 bytes]"),
    (Frame(BINARY, b""), "BINARY '' [0 bytes]"),
    # Nothing is said by the opcode of a continuation.
    (Frame(CONT, b"am"), "CONT 'am' [text, 2 bytes]"),
    (Frame(CONT, b"\xff"), "CONT ff [binary, 1 byte]"),
    (Frame(CONT, b"", fin=False), "CONT '' [0 bytes, continued]"),
    # Fragments may begin and end inside a character.
    (Frame(TEXT, b"a\xe2\x82", False), "TEXT 'a\ufffd' [3 bytes, continued]"),
    (Frame(TEXT, b"a\xe2\x82"), "TEXT 61 e2 82 [binary, 3 bytes]"),
    (Frame(CONT, b"\x9f\x98\x80!"), "CONT '\ufffd\ufffd\ufffd!' [text, 4 bytes]"),
    (Frame(CONT, b"\x80\x9f\x98\x80"), "CONT 80 9f 98 80 [binary, 4 bytes]"),
    (Frame(CONT, b"\xac\xf0", False), "CONT '\ufffd\ufffd' [text, 2 bytes, continued]"),
    # Control frames: printable ASCII or bytes.
    (Frame(PING, b""), "PING '' [0 bytes]"),
    (Frame(PING, b"ping"), "PING 'ping' [text, 4 bytes]"),
    (Frame(PING, b"\v\f"), "PING '\\x0b\\x0c' [text, 2 bytes]"),
    (Frame(PONG, b"\xc3\xa9"), "PONG c3 a9 [binary, 2 bytes]"),
    (Frame(PONG, b"\x7f"), "PONG 7f [binary, 1 byte]"),
    # A Close is spelled out, when it can be.
    (Frame(CLOSE, b""), "CLOSE '' [0 bytes]"),
    (Frame(CLOSE, b"\x03\xe8"), "CLOSE 1000 (OK) [2 bytes]"),
    (Frame(CLOSE, b"\x03\xe8bye"), "CLOSE 1000 (OK) bye [5 bytes]"),
    (Frame(CLOSE, b"\x0f\xa0"), "CLOSE 4000 (private use) [2 bytes]"),
    (Frame(CLOSE, b"\x03"), "CLOSE 03 [binary, 1 byte]"),
    (Frame(CLOSE, b"\x03\xed"), "CLOSE 03 ed [binary, 2 bytes]"),
    (Frame(CLOSE, b"\x03\xe8\xff"), "CLOSE 03 e8 ff [binary, 3 bytes]"),
    # Reserved bits aren't shown.
    (Frame(BINARY, b"\xff", rsv1=True), "BINARY ff [1 byte]"),
    # Any kind of bytes.
    (Frame(TEXT, bytearray(b"Spam")), "TEXT 'Spam' [4 bytes]"),
    (Frame(BINARY, memoryview(b"\xff")), "BINARY ff [1 byte]"),
    (Frame(CLOSE, memoryview(b"\x03\xe8")), "CLOSE 1000 (OK) [2 bytes]"),
]


@pytest.mark.parametrize(("frame", "line"), LINES)
def test_short_frames(frame, line):
    """A payload that fits is shown whole, with a word on what the opcode doesn't tell."""
    assert str(frame) == line


LONG = [
    # 75 characters with the quotes are shown; of more, 48 and 24.
    (Frame(TEXT, b"a" * 73), f"TEXT '{'a' * 73}' [73 bytes]"),
    (Frame(TEXT, b"a" * 74), f"TEXT '{'a' * 47}...{'a' * 23}' [74 bytes]"),
    (Frame(PING, b"a" * 74), f"PING '{'a' * 47}...{'a' * 23}' [text, 74 bytes]"),
    # Escapes count as they are shown.
    (
        Frame(TEXT, b"\n" * 37),
        "TEXT '" + "\\n" * 23 + "\\...n" + "\\n" * 11 + "' [37 bytes]",
    ),
    # 25 bytes are shown; of more, 16 and 8.
    (Frame(BINARY, bytes(25)), f"BINARY {'00 ' * 25}[25 bytes]"),
    (Frame(BINARY, bytes(26)), f"BINARY {'00 ' * 16}... {'00 ' * 8}[26 bytes]"),
    (Frame(PONG, bytes(100)), f"PONG {'00 ' * 16}... {'00 ' * 8}[binary, 100 bytes]"),
    (
        Frame(CLOSE, Close(1000, "a" * 100).serialize()),
        f"CLOSE 1000 (OK) {'a' * 38}...{'a' * 24} [102 bytes]",
    ),
    # What is not shown doesn't count, from a length of 300 bytes on.
    (
        Frame(TEXT, b"a" * 200 + b"\xff" + b"b" * 100),
        f"TEXT '{'a' * 47}...{'b' * 23}' [301 bytes]",
    ),
    (
        Frame(TEXT, b"a" * 199 + b"\xff" + b"b" * 100),
        f"TEXT {'61 ' * 16}... {'62 ' * 8}[binary, 300 bytes]",
    ),
    (
        Frame(TEXT, b"a" * 199 + b"\xff" + b"b" * 101),
        f"TEXT {'61 ' * 16}... {'62 ' * 8}[binary, 301 bytes]",
    ),
    (
        Frame(TEXT, b"a" * 201 + b"\xff" + b"b" * 99),
        f"TEXT {'61 ' * 16}... {'62 ' * 8}[binary, 301 bytes]",
    ),
    # The cuts may fall into characters.
    (
        Frame(TEXT, EURO.encode() * 101),
        f"TEXT '{EURO * 47}...{EURO * 23}' [303 bytes]",
    ),
    (
        Frame(TEXT, EURO.encode() * 200 + b"\xe2"),
        f"TEXT {'e2 82 ac ' * 5}e2 ... {'ac e2 82 ' * 2}ac e2 [binary, 601 bytes]",
    ),
    (
        Frame(CONT, EURO.encode()[1:] + EURO.encode() * 200, False),
        f"CONT '\ufffd\ufffd{EURO * 45}...{EURO * 23}' [text, 602 bytes, continued]",
    ),
]


@pytest.mark.parametrize(("frame", "line"), LONG, ids=range(len(LONG)))
def test_long_frames(frame, line):
    """A payload that is too long for a line is cut in the middle."""
    assert str(frame) == line


@pytest.mark.parametrize(
    ("limit", "text", "data"),
    [
        (
            20,
            f"TEXT '{'a' * 9}...{'a' * 4}' [50 bytes]",
            "BINARY 00 00 00 00 ... 00 00 [50 bytes]",
        ),
        (9, "TEXT 'aaa...a' [50 bytes]", "BINARY 00 00 ... 00 [50 bytes]"),
        (0, "TEXT 'a...' [50 bytes]", "BINARY 00 00 ... 00 [50 bytes]"),
        (1000, f"TEXT '{'a' * 50}' [50 bytes]", f"BINARY {'00 ' * 50}[50 bytes]"),
    ],
)
def test_limit(monkeypatch, limit, text, data):
    """MAX_LOG_SIZE sets the length; where it's too small for anything, a little is shown."""
    monkeypatch.setattr(Frame, "MAX_LOG_SIZE", limit)
    assert str(Frame(TEXT, b"a" * 50)) == text
    assert str(Frame(BINARY, bytes(50))) == data


@given(
    opcode=st.sampled_from(Opcode),
    data=st.one_of(st.binary(max_size=400), st.text(max_size=400).map(str.encode)),
    fin=st.booleans(),
)
def test_any_frame(opcode, data, fin):
    """Whatever a peer sends, the line is short and tells the length."""
    line = str(Frame(opcode, data, fin))
    assert len(line) <= len("BINARY ") + 75 + len(" [binary, 400 bytes, continued]")
    assert f"{len(data)} byte" in line
    assert line.endswith("]" if fin else ", continued]")
