"""Mask keys (RFC 6455 §5.3, §10.3): the Python twin.

Owns: unpredictable bytes from the system, many at a time, which spares a call of the
system for each frame.
Doesn't know: frames.
"""

from __future__ import annotations

import os


__all__ = ["mask_key"]

# Bytes asked for at a time.
POOL = 1024

keys: list[bytes] = []


def mask_key() -> bytes:
    """Return four unpredictable bytes."""
    while True:
        try:
            return keys.pop()
        except IndexError:
            # Other threads may do the same: then there are more.
            fill()


def fill() -> None:
    """
    Get more keys.

    Raises:
        RuntimeError: the system gives something else.
    """
    pool = os.urandom(POOL)
    if not isinstance(pool, bytes) or len(pool) != POOL:
        raise RuntimeError(f"os.urandom() didn't return {POOL} bytes")
    keys.extend([pool[start : start + 4] for start in range(0, POOL, 4)])


# After fork(), parent and child have the same keys: the child forgets its own. There's
# neither on Windows.
getattr(os, "register_at_fork", dict)(after_in_child=keys.clear)
