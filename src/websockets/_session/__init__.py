"""What a connection does between two waits: policy, with time as an argument."""

from __future__ import annotations

from .attributes import ConnectionAttributes
from .session import Session
from .settings import water_marks


__all__ = ["ConnectionAttributes", "Session", "water_marks"]
