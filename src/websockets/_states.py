"""Sides and states of a connection (RFC 6455 §4, §7.1).

Owns: the two enumerations, and the mark for a half-close.
Doesn't know: what changes a state (see protocol).
"""

from __future__ import annotations

import enum


__all__ = [
    "CLIENT",
    "CLOSED",
    "CLOSING",
    "CONNECTING",
    "OPEN",
    "SEND_EOF",
    "SERVER",
    "Side",
    "State",
]


class Side(enum.IntEnum):
    """The two sides of a connection."""

    SERVER, CLIENT = range(2)


class State(enum.IntEnum):
    """State of a connection (RFC 6455 §4, §7.1)."""

    CONNECTING, OPEN, CLOSING, CLOSED = range(4)


SERVER = Side.SERVER
CLIENT = Side.CLIENT

CONNECTING = State.CONNECTING
OPEN = State.OPEN
CLOSING = State.CLOSING
CLOSED = State.CLOSED

# What data_to_send() returns to ask for a half-close.
SEND_EOF = b""
