"""Fragments of a message from what a program passes to ``send()``.

Owns: the checks of their types.
Doesn't know: frames, connections.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from ..typing import DataLike


__all__ = ["fragments"]


async def fragments(
    message: Iterable[DataLike] | AsyncIterable[DataLike],
) -> AsyncIterator[DataLike]:
    """
    Iterate over fragments, whatever the kind of iterable.

    Raises:
        TypeError: if one is neither text nor bytes, or of another type than the first.

    """
    expected: type | tuple[type, ...] | None = None
    if isinstance(message, AsyncIterable):
        async for data in message:
            expected = check(data, expected, "async iterable")
            yield data
    else:
        for data in message:
            expected = check(data, expected, "iterable")
            yield data


def check(
    data: DataLike,
    expected: type | tuple[type, ...] | None,
    what: str,
) -> type | tuple[type, ...]:
    """Check one fragment; return the type that the next one must have."""
    if expected is None:
        if isinstance(data, str):
            return str
        if isinstance(data, (bytes, bytearray, memoryview)):
            return bytes, bytearray, memoryview
        raise TypeError(f"{what} must contain bytes or str")
    if not isinstance(data, expected):
        raise TypeError(f"{what} must contain uniform types")
    return expected
