"""
What is measured, and with which libraries.

Owns: the two tables. Doesn't know: how anything is measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


LOOPS = ("asyncio", "uvloop")

#: What is compared, in the order of the columns. All but ours are in the environment of
#: the peers.
LIBRARIES = ("ours", "picows-ws", "picows", "aiohttp", "websockets")

#: This library and that one without their extensions.
PYTHON_ONLY = ("ours-python", "websockets", "websockets-python")

OURS = frozenset({"ours", "ours-python"})

TITLES = {
    "ours": "this library",
    "ours-python": "this library, Python",
    "picows-ws": "picows, coroutines",
    "picows": "picows, callbacks",
    "aiohttp": "aiohttp",
    "websockets": "websockets",
    "websockets-python": "websockets, Python",
    "raw": "TCP without WebSocket",
}

KIB = 1024
MIB = 1024 * KIB


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One measurement of each library."""

    name: str
    title: str
    #: The function of ``measure``.
    method: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    libraries: tuple[str, ...] = LIBRARIES
    #: Left out of a quick run, and repeated less often.
    long: bool = False
    #: Part of the picture.
    drawn: bool = True
    #: How often at most.
    repeats: int = 100
    #: Grows from that scenario, which is measured around it, too; the factor that the work
    #: itself grows by, per message.
    grows_from: str = ""
    grows_by: float = 1.0

    @property
    def unit(self) -> str:
        """Unit of the first figure."""
        return "KiB" if self.method == "memory" else "µs"


def round_trip(label: str, size: int, **rest: Any) -> Scenario:
    """Return a scenario of a client with a message of one size."""
    options = {"size": size, **rest.pop("options", {})}
    name = "round-trip-" + label.replace(", ", "-").replace(" ", "").lower()
    return Scenario(name, f"Round trip, {label}", "round_trips", options, **rest)


def growing(label: str, size: int, **rest: Any) -> Scenario:
    """Return one for the curve of sizes: beyond what libraries take by default."""
    return round_trip(label, size, options={"unlimited": True}, drawn=False, **rest)


def broadcast(name: str, title: str, conns: int, **rest: Any) -> Scenario:
    """Return a scenario of a server that sends one message to all."""
    options = {"size": 256, "conns": conns, **rest.pop("options", {})}
    return Scenario(f"broadcast-{name}", title, "broadcast", options, **rest)


def memory(name: str, title: str, **options: bool) -> Scenario:
    """Return a scenario of a server whose connections do nothing."""
    return Scenario(f"memory{name}", title, "memory", options, repeats=1)


def echo(conns: int, **rest: Any) -> Scenario:
    """Return a scenario of a server that sends back what comes."""
    title = f"Server: echo, {conns} connections"
    return Scenario(
        f"echo-{conns}", title, "echo", {"size": 64, "conns": conns}, **rest
    )


DEFLATE = {"size": KIB, "deflate": True}

SCENARIOS = (
    round_trip("256 B", 256, libraries=(*LIBRARIES, "raw")),
    round_trip("64 KiB", 64 * KIB),
    round_trip("1 MiB", MIB),
    Scenario("receive-64b", "Receive, 64 B", "receive", {"size": 64}),
    Scenario("receive-64kib", "Receive, 64 KiB", "receive", {"size": 64 * KIB}),
    Scenario("send-64b", "Send, 64 B, each at once", "send", {"size": 64}),
    Scenario("send-64kib", "Send, 64 KiB", "send", {"size": 64 * KIB}),
    echo(50),
    echo(500),
    Scenario("server-receive-64b", "Server: receive, 64 B", "flood", {"size": 64}),
    broadcast("1000", "Broadcast to 1000, per connection", 1000),
    broadcast("deflate", "Broadcast 1 KiB to 1000, deflate", 1000, options=DEFLATE),
    memory("", "Memory per idle connection"),
    memory("-deflate", "Memory per connection, deflate", deflate=True),
    memory("-deflate-used", "The same, after one message", deflate=True, used=True),
    memory("-tls", "Memory per connection, TLS itself apart", tls=True),
    Scenario("handshake", "Server: handshakes", "handshakes"),
    Scenario("connect", "Client: connect and close", "connects"),
    Scenario("deflate-receive", "Receive 1 KiB, deflate", "receive", DEFLATE),
    Scenario("deflate-send", "Send 1 KiB, deflate", "send", {**DEFLATE, "text": True}),
    round_trip("256 B, TLS", 256, options={"tls": True}),
    round_trip("256 B, Python", 256, libraries=PYTHON_ONLY, drawn=False),
    round_trip("64 KiB, Python", 64 * KIB, libraries=PYTHON_ONLY, drawn=False),
    # How cost grows with the work.
    growing("8 B", 8),
    growing("4 KiB", 4 * KIB),
    growing("16 MiB", 16 * MIB, long=True, repeats=3),
    growing(
        "64 MiB",
        64 * MIB,
        long=True,
        repeats=3,
        grows_from="round-trip-1mib",
        grows_by=64.0,
    ),
    echo(5000, drawn=False, long=True, repeats=5, grows_from="echo-50"),
    broadcast(
        "10000",
        "Broadcast to 10000, per connection",
        10000,
        drawn=False,
        long=True,
        repeats=3,
        grows_from="broadcast-1000",
    ),
    broadcast(
        "stalled",
        "Broadcast to 1000, one more stalled",
        1000,
        options={"stalled": 1},
        drawn=False,
        # aiohttp has no broadcast: a loop of sends waits for the one that stalls.
        libraries=("ours", "picows-ws", "picows", "websockets"),
        grows_from="broadcast-1000",
    ),
)
