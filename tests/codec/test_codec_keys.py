"""Mask keys, native and in Python."""

from __future__ import annotations

import os
import warnings

import pytest

from tests.codec.implementations import each_implementation
from websockets._codec import mask_key


implementation = each_implementation("mask_key")

# More than one pool has.
MANY = 5_000


def test_keys_are_different():
    """Four bytes each, and no two alike but by chance."""
    keys = [mask_key() for _ in range(MANY)]
    assert {len(key) for key in keys} == {4}
    # By chance, one pair in 300 runs.
    assert len(set(keys)) >= MANY - 3


def test_every_byte_is_used():
    """A pool isn't handed out twice, nor any of it left out: all bits differ."""
    ones = [0] * 32
    for _ in range(MANY):
        number = int.from_bytes(mask_key(), "big")
        for bit in range(32):
            ones[bit] += number >> bit & 1
    # Ten standard deviations.
    assert all(abs(count - MANY / 2) < 5 * MANY**0.5 for count in ones)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork() here")
def test_a_child_has_other_keys():
    """Parent and child don't go on with the same keys after fork()."""
    mask_key()  # there is a pool
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads may run
        child = os.fork()
    if not child:
        try:
            os.write(writing, b"".join(mask_key() for _ in range(100)))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        theirs = pipe.read()
    os.waitpid(child, 0)
    ours = b"".join(mask_key() for _ in range(100))
    assert len(theirs) == len(ours) == 400
    same = sum(theirs[i : i + 4] == ours[i : i + 4] for i in range(0, 400, 4))
    assert same < 3


def test_a_generator_that_fails(monkeypatch):
    """When the system gives no random bytes, that is an error, not a key."""
    for broken in (lambda n: b"short", lambda n: None):
        with monkeypatch.context() as patch:
            patch.setattr(os, "urandom", broken)
            with pytest.raises(RuntimeError, match="didn't return 1024 bytes"):
                for _ in range(MANY):
                    mask_key()
    assert len(mask_key()) == 4
