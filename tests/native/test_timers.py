"""Timers of the system behind a descriptor, as Python sees them."""

from __future__ import annotations

import math
import os
import select
import time

import pytest

from tests.loops import PATIENCE
from websockets.asyncio._native import native_timer


TimerFd = native_timer()
pytestmark = pytest.mark.skipif(TimerFd is None, reason="needs the extension on Linux")


def test_expiring():
    """It's readable from its deadline on, until somebody has asked."""
    timer = TimerFd()
    assert not timer.expired()
    deadline = time.monotonic() + 0.002
    timer.set(deadline)
    assert select.select([timer], [], [], PATIENCE)[0] == [timer]
    assert time.monotonic() >= deadline
    assert timer.expired()
    assert not timer.expired()
    assert select.select([timer], [], [], 0)[0] == []


@pytest.mark.parametrize("deadline", [1e-12, 1, 0.25])
def test_deadlines_that_have_passed(deadline):
    """It's readable at once; none of them turns it off."""
    timer = TimerFd()
    timer.set(deadline)
    assert select.select([timer], [], [], PATIENCE)[0] == [timer]


def test_setting_it_again():
    """It forgets its deadline for another, and that one has passed."""
    timer = TimerFd()
    timer.set(1)
    timer.set(time.monotonic() + 1000)
    assert not timer.expired()
    timer.set(1e15)
    assert not timer.expired()


@pytest.mark.parametrize("deadline", [0, -1, -math.inf, math.inf, math.nan, 1.1e15])
def test_deadlines_that_there_are_not(deadline):
    """The error names the value and the limit."""
    text = f"above 0 and at most 1e15 seconds, not {deadline}"
    with pytest.raises(ValueError, match=text.replace("+", r"\+")):
        TimerFd().set(deadline)


def test_wrong_arguments():
    """They are of the wrong type, or too many."""
    with pytest.raises(TypeError):
        TimerFd().set("soon")
    with pytest.raises(TypeError):
        TimerFd(1)


def test_errors_of_the_system(tmp_path):
    """They are those of the system, here about another file in its place."""
    timer = TimerFd()
    folder = os.open(tmp_path, os.O_RDONLY)
    os.dup2(folder, timer.fileno())
    os.close(folder)
    with pytest.raises(OSError, match="Invalid argument"):
        timer.set(1)
    with pytest.raises(IsADirectoryError):
        timer.expired()


def test_no_descriptor_left():
    """A timer isn't made then, and there's nothing to close."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            TimerFd()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_descriptors_are_closed():
    """And not given to programs that are run."""
    timer = TimerFd()
    assert not os.get_inheritable(timer.fileno())
    before = set(os.listdir("/proc/self/fd"))
    del timer
    # What lists them has one itself.
    assert len(before) - len(os.listdir("/proc/self/fd")) == 1
