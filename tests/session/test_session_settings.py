"""Limits of messages, as programs give them."""

from __future__ import annotations

import pytest

from websockets._session.settings import check_max_size


@pytest.mark.parametrize("limit", [0, 2**20, None, (1, 2), (None, 2), (1, None)])
def test_limits_that_are_fine(limit):
    """A number, a pair of numbers, and None in place of any of them are limits."""
    check_max_size(limit)


@pytest.mark.parametrize("limit", [-1, (1, -1), (1, 2, 3)])
def test_limits_that_are_not(limit):
    """Negative numbers and other tuples are refused."""
    with pytest.raises(ValueError, match="max_size"):
        check_max_size(limit)
