"""Allocations that fail, one after the other.

CPython's own tests have a module, ``_testcapi``, that makes any allocation of Python fail.
A step that has to be survived is a call: it is made over and over, and each time another
one of the allocations that it needs fails, alone or with all that follow.
"""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from websockets._codec import NATIVE


_testcapi: Any
try:
    import _testcapi
except ImportError:  # not everybody installs the tests of CPython
    _testcapi = None

needs_failures = pytest.mark.skipif(
    _testcapi is None or not NATIVE,
    reason="it needs native code, and _testcapi.set_nomemory() of CPython",
)

# An allocation whose failure is survived without a word isn't the last one. After so many
# in succession, it is.
QUIET = 6

# How often lost_blocks() does everything before it counts.
TURNS = 5

# The interpreter loses MemoryError in a few places, where it runs Python code.
LOST = re.compile(
    "error return without exception|<function .* returned NULL without"
    "|can't allocate lock"
)

Call = Callable[[], Any]


def without_memory(call: Call, start: int, stop: int) -> bool:
    """
    Make a call while allocations fail, from number ``start`` to ``stop`` excluded.

    Nothing else must happen in that time: no tracing, no collection.

    Returns:
        Whether it raised MemoryError.
    """
    trace = sys.gettrace()
    sys.settrace(None)
    gc.disable()
    failed = False
    _testcapi.set_nomemory(start, stop)
    try:
        call()
    except MemoryError:
        failed = True
    except (SystemError, RuntimeError) as exc:
        failed = LOST.match(str(exc)) is not None
        if not failed:
            raise
    finally:
        _testcapi.remove_mem_hooks()
        gc.enable()
        sys.settrace(trace)
    return failed


def survive(prepare: Callable[[], Call]) -> int:
    """
    Let each allocation of a call fail.

    Args:
        prepare: Makes the call, on objects that no failed call has seen.

    Returns:
        How often MemoryError was raised.
    """
    raised = 0
    for alone in (True, False):
        number = quiet = 0
        while quiet < QUIET:
            call = prepare()
            failed = without_memory(call, number, number + 1 if alone else 0)
            # Python has 16 instances of MemoryError: they mustn't stay in cycles.
            del call
            gc.collect(1)
            raised += failed
            quiet = 0 if failed else quiet + 1
            number += 1
            assert number < 2_000, "there is no end"
    return raised


def lost_blocks(prepare: Callable[[], Call]) -> int:
    """Return how many blocks of memory are lost each time that all this is survived."""
    lost = []
    # Python's caches fill up in the first rounds, and may take a block later: what is
    # lost is lost in each turn of a round.
    for _ in range(12):
        gc.collect()
        before = sys.getallocatedblocks()
        for _ in range(TURNS):
            survive(prepare)
        gc.collect()
        lost.append((sys.getallocatedblocks() - before) // TURNS)
        if lost[-1] <= 0:
            return 0
    return min(lost)
