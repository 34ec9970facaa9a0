"""What every test of the suite must leave as it was.

A test fails when it leaves behind a thread, a socket, a pending asyncio task, an
object that warns or raises when it is collected, or an error that asyncio could
only log. Warnings are errors (see pyproject.toml).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest


# The same examples in every run: a failure in CI is a failure on every machine.
# HYPOTHESIS_PROFILE=explore looks for new ones; brief is for slow builds.
hypothesis.settings.register_profile(
    "suite", derandomize=True, database=None, deadline=None
)
hypothesis.settings.register_profile(
    "brief", derandomize=True, database=None, deadline=None, max_examples=20
)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture(scope="module", autouse=True)
def garbage_is_cheap_to_collect() -> None:
    """Leave what is alive before a module out of the collection after each test."""
    gc.collect()
    gc.freeze()


def open_sockets() -> set[str]:
    """Return the names of this process's sockets, where the system tells them."""
    names = set()
    try:
        descriptors = os.listdir("/proc/self/fd")
    except FileNotFoundError:  # not Linux: ResourceWarning alone has to do
        return names
    for descriptor in descriptors:
        try:
            name = os.readlink(f"/proc/self/fd/{descriptor}")
        except FileNotFoundError:  # the one that listed the folder
            continue
        if name.startswith("socket:"):
            names.add(name)
    return names


class ErrorLog(logging.Handler):
    """Collect what asyncio logs when it has nobody to raise an exception to."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


@pytest.fixture(autouse=True)
def nothing_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves something behind."""
    leftovers: list[str] = []
    threads = set(threading.enumerate())
    sockets = open_sockets()
    errors = ErrorLog()
    logging.getLogger("asyncio").addHandler(errors)

    # asyncio.run() cancels leftover tasks without a word, so look before it does.
    run = asyncio.Runner.run

    def run_and_look(runner: asyncio.Runner, coro: Any, **kwargs: Any) -> Any:
        result = run(runner, coro, **kwargs)
        leftovers.extend(map(repr, asyncio.all_tasks(runner.get_loop())))
        return result

    monkeypatch.setattr(asyncio.Runner, "run", run_and_look)
    try:
        yield
    finally:
        logging.getLogger("asyncio").removeHandler(errors)
    gc.collect()
    for thread in set(threading.enumerate()) - threads:
        thread.join(1)  # it may be about to end
        if thread.is_alive():
            leftovers.append(repr(thread))
    leftovers += sorted(open_sockets() - sockets)
    leftovers += errors.texts
    assert not leftovers, "left behind: " + "; ".join(leftovers)
