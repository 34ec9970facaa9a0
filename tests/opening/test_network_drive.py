"""drive(): a ceremony in a thread."""

from __future__ import annotations

import asyncio

import pytest

from websockets._opening.network import drive


async def answer(value):
    if isinstance(value, Exception):
        raise value
    return value


def test_result():
    """The coroutine's result is returned."""
    assert drive(answer(42)) == 42


def test_exception():
    """The coroutine's exception passes."""
    with pytest.raises(OSError, match="unplugged"):
        drive(answer(OSError("unplugged")))


def test_suspension():
    """A coroutine that suspends is an error, and is closed."""
    closed = []

    async def suspending():
        try:
            await asyncio.sleep(0)
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="suspended"):
        drive(suspending())
    assert closed == [True]
