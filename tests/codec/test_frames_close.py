"""Code and reason of a Close frame (RFC 6455 §5.5.1 and §7.4)."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from websockets.exceptions import ProtocolError
from websockets.frames import Close, CloseCode


@pytest.mark.parametrize(
    ("data", "close"),
    [
        (b"\x03\xe8", Close(1000, "")),
        (b"\x03\xe8bye", Close(CloseCode.NORMAL_CLOSURE, "bye")),
        (b"\x03\xe9caf\xc3\xa9", Close(1001, "caf\u00e9")),
        (b"\x0b\xb8", Close(3000, "")),
        (b"\x13\x87", Close(4999, "")),
    ],
)
def test_payload(data, close):
    """A payload is two bytes of code, then the reason in UTF-8."""
    assert close.serialize() == data
    for kind in (bytes, bytearray, memoryview):
        assert Close.parse(kind(data)) == close


def test_empty_payload():
    """An empty payload is read as 1005, which can't be sent."""
    close = Close.parse(b"")
    assert close == Close(CloseCode.NO_STATUS_RCVD, "")
    with pytest.raises(ProtocolError, match=r"^invalid status code$"):
        close.serialize()


def test_short_payload():
    """RFC 6455 §5.5.1: a code has two bytes."""
    with pytest.raises(ProtocolError, match=r"^close frame too short$"):
        Close.parse(b"\x03")


def test_reason_that_is_not_text():
    """A reason that isn't UTF-8 is an error of encoding, positions from its start."""
    with pytest.raises(UnicodeDecodeError) as raised:
        Close.parse(b"\x03\xe8ab\xff")
    assert raised.value.start == 2


def valid(code):
    """RFC 6455 §7.4, and the IANA registry."""
    return 3000 <= code <= 4999 or code in {
        *(1000, 1001, 1002, 1003, 1007, 1008),
        *(1009, 1010, 1011, 1012, 1013, 1014),
    }


def test_every_code():
    """Of all codes, those registered for frames and the two open ranges are valid."""
    for code in range(65536):
        data = code.to_bytes(2, "big")
        if valid(code):
            assert Close.parse(data) == Close(code, "")
            assert Close(code, "").serialize() == data
        else:
            with pytest.raises(ProtocolError, match=r"^invalid status code$"):
                Close.parse(data)
            with pytest.raises(ProtocolError, match=r"^invalid status code$"):
                Close(code, "").check()


@pytest.mark.parametrize("code", [-1, 65536, 70000])
def test_code_that_does_not_fit(code):
    """Codes that don't fit into two bytes are refused as others are."""
    with pytest.raises(ProtocolError, match=r"^invalid status code$"):
        Close(code, "").serialize()


@pytest.mark.parametrize(
    ("close", "text"),
    [
        (Close(1000, ""), "1000 (OK)"),
        (Close(1000, "bye"), "1000 (OK) bye"),
        (Close(CloseCode.GOING_AWAY, ""), "1001 (going away)"),
        (Close(1004, ""), "1004 (unknown)"),
        (Close(1005, ""), "1005 (no status received [internal])"),
        (Close(1006, ""), "1006 (abnormal closure [internal])"),
        (Close(1009, "big"), "1009 (message too big) big"),
        (Close(1011, ""), "1011 (internal error)"),
        (Close(1015, ""), "1015 (TLS handshake failure [internal])"),
        (Close(2999, ""), "2999 (unknown)"),
        (Close(3000, ""), "3000 (registered)"),
        (Close(3999, ""), "3999 (registered)"),
        (Close(4000, ""), "4000 (private use)"),
        (Close(4999, ""), "4999 (private use)"),
        (Close(5000, ""), "5000 (unknown)"),
    ],
)
def test_text(close, text):
    """The form shown in logs and exceptions is that of 17.4."""
    assert str(close) == text


@given(code=st.integers(0, 65535).filter(valid), reason=st.text(max_size=60))
def test_round_trip(code, reason):
    """Whatever can be said in a Close frame arrives."""
    assert Close.parse(Close(code, reason).serialize()) == Close(code, reason)
