"""``python websocket_client.py URI``: the scenarios, with ``websocket-client``.

Prints their results as JSON. It has no permessage-deflate.
"""

from __future__ import annotations

import contextlib
import json
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any

import websocket
from websocket import ABNF


TEXT = "Hello, κόσμε 👋"
LARGE = bytes((i * 31 + (i >> 8)) % 256 for i in range(2**20))

uri = sys.argv[1]


@contextlib.contextmanager
def to(path: str, **settings: Any) -> Iterator[Any]:
    """Connect to a path."""
    peer = websocket.create_connection(uri + path, timeout=30, **settings)
    try:
        yield peer
    finally:
        peer.close()


def text() -> Any:
    with to("/echo") as peer:
        peer.send(TEXT)
        return peer.recv()


def binary() -> Any:
    with to("/echo") as peer:
        peer.send_binary(bytes(range(256)))
        return peer.recv().hex()


def large() -> Any:
    with to("/echo") as peer:
        peer.send("x" * 2**20)
        text_is_equal = peer.recv() == "x" * 2**20
        peer.send_binary(LARGE)
        return [text_is_equal, peer.recv() == LARGE]


def send_fragments(path: str) -> Any:
    with to(path) as peer:
        peer.send_frame(ABNF.create_frame("one, ", ABNF.OPCODE_TEXT, 0))
        peer.send_frame(ABNF.create_frame("two, ", ABNF.OPCODE_CONT, 0))
        peer.send_frame(ABNF.create_frame("three", ABNF.OPCODE_CONT, 1))
        return peer.recv()


def fragments_received() -> Any:
    with to("/fragments") as peer:
        return peer.recv()


def ping_sent() -> Any:
    with to("/echo") as peer:
        peer.ping("are you there?")
        opcode, frame = peer.recv_data_frame(control_frame=True)
        assert opcode == ABNF.OPCODE_PONG
        return frame.data.decode()


def ping_received() -> Any:
    with to("/ping") as peer:
        return peer.recv()


def close_sent() -> Any:
    with to("/echo") as peer:
        peer.close(status=4001, reason=b"peer is done")
    with to("/how-closed") as peer:
        return peer.recv()


def close_received() -> Any:
    with to("/close") as peer:
        opcode, frame = peer.recv_data_frame(control_frame=True)
        assert opcode == ABNF.OPCODE_CLOSE
        return [*struct.unpack("!H", frame.data[:2]), frame.data[2:].decode()]


def subprotocol() -> Any:
    with to("/echo", subprotocols=["first", "second"]) as peer:
        return peer.getsubprotocol()


SCENARIOS: dict[str, Callable[[], Any]] = {
    "text": text,
    "binary": binary,
    "large": large,
    "fragments_sent": lambda: send_fragments("/echo"),
    "fragments_counted": lambda: send_fragments("/count"),
    "fragments_received": fragments_received,
    "ping_sent": ping_sent,
    "ping_received": ping_received,
    "close_sent": close_sent,
    "close_received": close_received,
    "subprotocol": subprotocol,
}


def result_of(run: Callable[[], Any]) -> Any:
    """Run a scenario; an error becomes its result."""
    try:
        return run()
    except Exception as exc:
        return {"error": repr(exc)}


print(json.dumps({name: result_of(run) for name, run in SCENARIOS.items()}))
