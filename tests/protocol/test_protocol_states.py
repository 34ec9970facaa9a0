"""The protocol in every state, met by every event; 17.4 is the reference.

`data/outcomes-17.4.jsonl` holds what 17.4 did, run by `outcomes.py`.
"""

from __future__ import annotations

import json
import pathlib

import pytest

from tests.protocol.outcomes import ENDINGS, STEPS, outcome, sequences
from websockets.protocol import (
    CLIENT,
    CLOSED,
    CLOSING,
    CONNECTING,
    OPEN,
    SERVER,
    Protocol,
    Side,
)


DATA = pathlib.Path(__file__).parent / "data" / "outcomes-17.4.jsonl"


def differs_on_purpose(steps: list[str]) -> bool:
    """Tell what we do otherwise than 17.4, and why."""
    pairs = [tuple(steps[i : i + 2]) for i in range(len(steps))]
    return (
        # A Close inside a message gets the answer that any Close gets; 17.4 answers 1002.
        any(
            ("recv fragment", f"recv close{x}") in pairs for x in ("", " 1001", " 4000")
        )
        # The first byte shows the mistake; 17.4 waits for the whole frame.
        or ("recv fragment", "recv half a frame") in pairs
        # 17.4 has an AssertionError here, on clients.
        or ("recv eof" in steps and "fail 1002" in steps[steps.index("recv eof") :])
    )


def test_every_state_meets_every_event():
    """After any sequence of steps, the protocol shows what 17.4 does, text by text."""
    lines = [json.loads(line) for line in DATA.read_text().splitlines()]
    assert len(lines) == len(list(sequences()))
    different = []
    for line in lines:
        side, steps = Side[line.pop("side")], line.pop("steps")
        if outcome(side, tuple(steps)) != line and not differs_on_purpose(steps):
            different.append((side.name, steps))
    assert not different


@pytest.mark.parametrize("side", [CLIENT, SERVER])
def test_every_way_ends_in_closed(side):
    """Whatever happened before, EOF closes the connection, and nothing follows it."""
    for steps in [
        *((step,) for step in STEPS),
        *((a, b) for a in ENDINGS for b in ENDINGS),
    ]:
        shown = outcome(side, (*steps, "recv eof"))
        assert shown["state"] == "CLOSED"
        assert shown["writes"].count("EOF") == 1
        assert shown["writes"][-1] == "EOF"
        assert not shown["close_expected"]
        for step in STEPS:
            after = outcome(side, (*steps, "recv eof", step))
            assert after["writes"] == shown["writes"]
            assert after["close_exc"] == shown["close_exc"]


# (state, half-closed, whether the TCP connection should end soon)
EXPECTED = [
    (CONNECTING, False, False),
    (CONNECTING, True, True),
    (OPEN, False, False),
    (CLOSING, False, True),
    (CLOSING, True, True),
    (CLOSED, True, False),
]


@pytest.mark.parametrize(("state", "eof_sent", "expected"), EXPECTED)
def test_when_to_expect_the_end(state, eof_sent, expected):
    """close_expected() holds while closing, and after a refused handshake."""
    protocol = Protocol(CLIENT, state=state)
    if eof_sent:
        protocol.send_eof()
    assert protocol.close_expected() is expected


@pytest.mark.parametrize("state", [CONNECTING, CLOSING, CLOSED])
@pytest.mark.parametrize(
    ("name", "args"),
    [("send_text", (b"",)), ("send_binary", (b"",)), ("send_close", ())],
)
def test_data_is_sent_on_an_open_connection_only(name, args, state):
    """Data and Close frames need an open connection; the error names the state."""
    protocol = Protocol(CLIENT, state=state)
    with pytest.raises(Exception, match=f"^connection is {state.name.lower()}$"):
        getattr(protocol, name)(*args)
    assert protocol.data_to_send() == []


@pytest.mark.parametrize("name", ["send_ping", "send_pong"])
def test_pings_need_an_open_or_closing_connection(name):
    """Pings and pongs may be sent while closing, not before or after."""
    for state in (CONNECTING, CLOSED):
        with pytest.raises(Exception, match=f"^connection is {state.name.lower()}$"):
            getattr(Protocol(SERVER, state=state), name)(b"")
    for state in (OPEN, CLOSING):
        protocol = Protocol(SERVER, state=state)
        getattr(protocol, name)(b"x")
        assert len(protocol.data_to_send()) == 1
