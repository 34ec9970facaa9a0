"""What a connection does between two waits: policy, with time as an argument."""

from __future__ import annotations

from .attributes import ConnectionAttributes
from .session import Session
from .settings import check_max_size, check_numbers, water_marks


__all__ = [
    "ConnectionAttributes",
    "Session",
    "check_max_size",
    "check_numbers",
    "water_marks",
]
