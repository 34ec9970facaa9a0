"""What a connection does between two waits: policy, with time as an argument."""

from __future__ import annotations

from .attributes import ConnectionAttributes
from .session import Session
from .settings import check_settings, water_marks


__all__ = [
    "ConnectionAttributes",
    "Session",
    "check_settings",
    "water_marks",
]
