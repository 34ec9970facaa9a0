"""The checks of conftest.py: what a test may not leave behind fails it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


HERE = Path(__file__).parent

LEAKS = """
import asyncio
import socket
import threading
import warnings

kept = []

def test_nothing():
    pass

def test_thread():
    thread = threading.Thread(target=threading.Event().wait, daemon=True)
    thread.start()

def test_socket_in_use():
    kept.append(socket.socket())

def test_socket_forgotten():
    socket.socket()

def test_task():
    async def main():
        kept.append(asyncio.create_task(asyncio.Event().wait()))
    asyncio.run(main())

def test_callback():
    async def main():
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)
    asyncio.run(main())

def test_exception_nobody_saw():
    async def fail():
        raise ValueError
    async def main():
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
    asyncio.run(main())

def test_coroutine_never_awaited():
    async def main():
        pass
    main()

def test_loop_not_closed():
    asyncio.new_event_loop()

def test_finalizer():
    class Broken:
        def __del__(self):
            1 / 0
    Broken()

def test_warning():
    warnings.warn("old", DeprecationWarning)
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Run the tests above with the suite's settings; return what became of each."""
    folder = tmp_path_factory.mktemp("leaks")
    (folder / "test_leaky.py").write_text(LEAKS)
    shutil.copy(HERE / "conftest.py", folder)
    shutil.copy(HERE.parent / "pyproject.toml", folder)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", folder],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.fspath(HERE.parent / "src")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = {}
    for name, outcome in re.findall(r"::(test_\w+) (PASSED|FAILED|ERROR)", done.stdout):
        found.setdefault(name, set()).add(outcome)
    return found


def test_a_clean_test_passes(outcomes):
    """A test that leaves nothing behind passes."""
    assert outcomes.pop("test_nothing") == {"PASSED"}


@pytest.mark.parametrize("name", re.findall(r"def (test_\w+)", LEAKS)[1:])
def test_a_leak_fails(outcomes, name):
    """Each thing that can be left behind turns a passing test into a failure."""
    assert outcomes[name] & {"FAILED", "ERROR"}
