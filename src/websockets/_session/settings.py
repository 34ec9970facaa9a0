"""Settings of a connection, checked.

Owns: the meaning and the checks of what users pass to ``connect()`` and ``serve()``.
Doesn't know: connections.
"""

from __future__ import annotations

import math
import numbers


__all__ = ["check_settings", "water_marks"]

# Resume at a quarter: the sender gets going before the queue is empty, and a message or
# two can't make it pause and resume at each step.
RATIO = 4

# Types of most numbers.
PLAIN = frozenset({int, float})


def check_numbers(**settings: float | None) -> None:
    """
    Check settings that are numbers, or :obj:`None`, by their names.

    Raises:
        TypeError: if one is something else, such as the text of a number.
        ValueError: if one isn't comparable: event loops sort times.

    """
    for name, value in settings.items():
        if value is not None and not isinstance(value, (int, float, numbers.Real)):
            raise TypeError(
                f"{name} must be a number or None, not {type(value).__name__}"
            )
        if value is not None and math.isnan(value):
            raise ValueError(f"{name} must be a number or None, not nan")


def check_max_size(value: int | tuple[int | None, int | None] | None) -> None:
    """
    Check the limit of messages, or the pair of the limits of messages and frames.

    Raises:
        TypeError: if a limit isn't a number.
        ValueError: if a limit is negative, or a tuple isn't a pair.

    """
    if value is None or (type(value) is int and value >= 0):
        return
    limits = value if isinstance(value, tuple) else (value, None)
    if len(limits) != 2:
        raise ValueError(f"max_size: expected a pair, not {len(limits)} values")
    for limit in limits:
        check_numbers(max_size=limit)
        if limit is not None and limit < 0:
            raise ValueError(f"max_size must be positive or zero, not {limit}")


def check_settings(
    *,
    max_size: int | tuple[int | None, int | None] | None,
    max_queue: int | tuple[int | None, int | None] | None,
    write_limit: int | tuple[int, int | None],
    **timeouts: float | None,
) -> None:
    """
    Check what users pass to ``connect()`` and ``serve()``, before anything is opened.

    Raises:
        TypeError: if a setting isn't a number where it should be.
        ValueError: if its value makes no sense.

    """
    for timeout in timeouts.values():
        # Nearly always, for each connection: one look is enough.
        if timeout is not None and (type(timeout) not in PLAIN or math.isnan(timeout)):
            check_numbers(**timeouts)
    check_max_size(max_size)
    water_marks("max_queue", max_queue)
    water_marks("write_limit", write_limit)


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
        TypeError: if a mark isn't a number.
        ValueError: if the low mark is negative, or above the high mark.

    """
    if type(value) is int and value >= 0:
        # Nearly always, and three times per connection.
        return value, value // RATIO
    high, low = value if isinstance(value, tuple) else (value, None)
    check_numbers(**{name: high})
    check_numbers(**{name: low})
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
