"""The programs in examples/, each run as its reader would run it.

They are whole processes with a deadline, on the loopback interface, with the
Python that runs this test.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest


fcntl = pytest.importorskip("fcntl")

EXAMPLES = Path(__file__).parents[1] / "examples"
SOURCE = EXAMPLES.parent / "src"

# The examples name this port.
PORT = 8765

# Seconds until a process that hangs is killed. It takes less than one.
DEADLINE = 60


def is_free(port):
    for family, host in [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((host, port))
                sock.listen()
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                return False
    return True


@pytest.fixture
def program(tmp_path):
    """Return the path of an example that is free to use its port.

    When a stranger listens on that port, it is a copy with another number.
    """
    path = Path(tempfile.gettempdir()) / f"websockets-port-{PORT}"
    with path.open("w") as lock, socket.socket() as other:
        # Two runs of this suite take turns.
        fcntl.flock(lock, fcntl.LOCK_EX)
        free = is_free(PORT)
        other.bind(("127.0.0.1", 0))
        substitute = str(other.getsockname()[1])
        other.close()

        def find(name):
            path = EXAMPLES / name
            if free:
                return path
            copy = tmp_path / name
            copy.write_text(path.read_text("utf-8").replace(str(PORT), substitute))
            return copy

        yield find


@pytest.fixture
def environment(tmp_path):
    """Return an environment in which programs log, so that a test can wait."""
    (tmp_path / "sitecustomize.py").write_text(
        "import logging\nlogging.basicConfig(level=logging.INFO)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(SOURCE)])
    # A warning about code of the library is an error; examples may be old.
    return {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}


def run(path, environment):
    """Run a program to its end; return what it printed."""
    done = subprocess.run(
        [sys.executable, str(path)],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_quick_start(program, environment):
    """The quick start prints what the echo server sent back."""
    assert run(program("quick_start.py"), environment) == "Hello world!\n"


def test_demo(environment):
    """The demo shows every message four times: sent, received, echoed, received."""
    lines = run(EXAMPLES / "demo.py", environment).splitlines()
    for message in ["'Hello world!'", "b'\\x00\\x01\\x02'"]:
        seen = [line.removesuffix(message).strip() for line in lines if message in line]
        assert sorted(seen) == [
            "client received",
            "client sent",
            "server echoed",
            "server received",
        ]
    assert lines[-1] == "closed           1000, as agreed"


@pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="Python 3.14 has no implicit event loop"
)
def test_older_style(program, environment):
    """Programs of the older style, a server and a client, exchange a message."""
    server = subprocess.Popen(
        [sys.executable, str(program("older_style_server.py"))],
        env=environment,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with server:
        watchdog = threading.Timer(DEADLINE, server.kill)
        watchdog.start()
        try:
            log = []
            for line in server.stderr:
                log.append(line)
                if "server listening on" in line:
                    break
            else:
                pytest.fail("the server ended:\n" + "".join(log))
            client = run(program("older_style_client.py"), environment)
            assert client == "Hello world!\n"
            assert server.poll() is None
        finally:
            watchdog.cancel()
            watchdog.join()
            server.kill()


def test_the_quick_start_of_the_readme():
    """The README shows the quick start as it is tested."""
    readme = EXAMPLES.with_name("README.md").read_text("utf-8")
    quick_start = (EXAMPLES / "quick_start.py").read_text("utf-8")
    assert f"```python\n{quick_start}```" in readme
