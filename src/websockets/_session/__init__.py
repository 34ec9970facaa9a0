"""What a connection does between two waits: policy, with time as an argument."""

from __future__ import annotations

from .session import Session
from .settings import water_marks


__all__ = ["Session", "water_marks"]
