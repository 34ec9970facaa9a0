"""Settings of a connection, checked.

Owns: the meaning and the checks of what users pass to ``connect()`` and ``serve()``.
Doesn't know: connections.
"""

from __future__ import annotations


__all__ = ["water_marks"]

# Resume at a quarter: the sender gets going before the queue is empty, and a message or
# two can't make it pause and resume at each step.
RATIO = 4


def water_marks(
    name: str,
    value: int | tuple[int | None, int | None] | None,
) -> tuple[int | None, int | None]:
    """
    Return the high and the low water mark that a setting means.

    Args:
        name: name of the setting, for errors.
        value: the high mark, or a pair of the high and the low mark; :obj:`None` for a
            missing one: no high mark disables both, a missing low mark is a quarter.

    Raises:
        ValueError: if the low mark is negative, or above the high mark.

    """
    high, low = value if isinstance(value, tuple) else (value, None)
    if high is None and low is not None:
        high = RATIO * low
    if high is None:
        return None, None
    if low is None:
        low = high // RATIO
    if low < 0:
        raise ValueError(f"{name}: low water mark must be positive or zero, not {low}")
    if high < low:
        raise ValueError(
            f"{name}: high water mark {high} must be at least the low one, {low}"
        )
    return high, low
