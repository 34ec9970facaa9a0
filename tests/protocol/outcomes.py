"""What a protocol does in a sequence of steps, told in plain data.

It runs under websockets 17.4 as well: `python outcomes.py data/outcomes-17.4.json` there
writes what test_protocol_states.py compares with.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from typing import Any

from websockets.protocol import CLIENT, SERVER, Protocol, Side


KEY = b"\x00\x00\x00\x00"


def wire(side: Side, head: int, payload: bytes = b"") -> bytes:
    """Return a frame sent to a side."""
    masked = side is SERVER
    return bytes([head, len(payload) | (0x80 if masked else 0)]) + (
        KEY + payload if masked else payload
    )


# What the program does, and what the peer does: everything that may change a state.
STEPS: dict[str, Any] = {
    "send text": lambda p: p.send_text(b"t"),
    "send fragment": lambda p: p.send_binary(b"f", fin=False),
    "send last fragment": lambda p: p.send_continuation(b"l", True),
    "send ping": lambda p: p.send_ping(b"p"),
    "send pong": lambda p: p.send_pong(b"o"),
    "send close": lambda p: p.send_close(),
    "send close 1000": lambda p: p.send_close(1000, "bye"),
    "send close 1005": lambda p: p.send_close(1005),
    "fail 1002": lambda p: p.fail(1002, "why"),
    "recv text": lambda p: p.receive_data(wire(p.side, 0x81, b"T")),
    "recv fragment": lambda p: p.receive_data(wire(p.side, 0x02, b"F")),
    "recv last fragment": lambda p: p.receive_data(wire(p.side, 0x80, b"L")),
    "recv ping": lambda p: p.receive_data(wire(p.side, 0x89, b"P")),
    "recv pong": lambda p: p.receive_data(wire(p.side, 0x8A, b"O")),
    "recv close": lambda p: p.receive_data(wire(p.side, 0x88)),
    "recv close 1001": lambda p: p.receive_data(wire(p.side, 0x88, b"\x03\xe9away")),
    "recv close 4000": lambda p: p.receive_data(wire(p.side, 0x88, b"\x0f\xa0")),
    "recv bad close": lambda p: p.receive_data(wire(p.side, 0x88, b"\x03")),
    "recv bad opcode": lambda p: p.receive_data(wire(p.side, 0x83)),
    "recv half a frame": lambda p: p.receive_data(wire(p.side, 0x81, b"TTT")[:-2]),
    "recv eof": lambda p: p.receive_eof(),
}

# Those that end a connection, in all orders of three.
ENDINGS = [
    "send close 1000",
    "fail 1002",
    "recv ping",
    "recv close",
    "recv close 1001",
    "recv bad opcode",
    "recv eof",
]


def sequences() -> Iterator[tuple[Side, tuple[str, ...]]]:
    for side in (CLIENT, SERVER):
        for step in STEPS:
            yield side, (step,)
        for steps in itertools.product(STEPS, repeat=2):
            yield side, steps
        for steps in itertools.product(ENDINGS, repeat=3):
            yield side, steps


def unmasked(data: bytes) -> str:
    """Return a short frame written by either side, in hexadecimal without its mask."""
    if not data:
        return "EOF"
    payload = data[2:]
    if data[1] & 0x80:
        key, payload = data[2:6], data[6:]
        payload = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
    return f"{data[0]:02x} {payload.hex()}"


def told(exc: BaseException | None) -> str | None:
    return None if exc is None else f"{type(exc).__name__}: {exc}"


def outcome(side: Side, steps: tuple[str, ...]) -> dict[str, Any]:
    """Return what a protocol shows after some steps."""
    protocol = Protocol(side)
    raised = []
    for step in steps:
        try:
            STEPS[step](protocol)
        except Exception as exc:
            raised.append(told(exc))
        else:
            raised.append(None)
    closed = protocol.state.name == "CLOSED"
    return {
        "raised": raised,
        "state": protocol.state.name,
        "events": [str(event) for event in protocol.events_received()],
        "writes": [unmasked(data) for data in protocol.data_to_send()],
        "close_expected": protocol.close_expected(),
        "close_code": protocol.close_code,
        "close_reason": protocol.close_reason,
        "parser_exc": told(protocol.parser_exc),
        "close_exc": told(protocol.close_exc) if closed else None,
        "rcvd_then_sent": protocol.close_rcvd_then_sent,
    }


def main() -> None:
    with open(sys.argv[1], "w") as file:
        for side, steps in sequences():
            line = {"side": side.name, "steps": steps, **outcome(side, steps)}
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
