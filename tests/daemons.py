"""Programs of others that tests talk to: is it installed, start it, end it.

Owns: processes in groups of their own, ended by id; ports; certificates.
Doesn't know: what a program is good for, and ``websockets``.

A program that is missing skips the test and says its name. Where ``CI`` is set, nothing
may be missing: the test fails.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, NoReturn

import pytest


#: Seconds within which a program accepts connections, and within which it ends.
START_LIMIT = 30
STOP_LIMIT = 5

#: Daemons live where only root's PATH looks.
SEARCH_PATH = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"]
)


def missing(what: str) -> NoReturn:
    """Skip the test that needs ``what``; fail it where everything must be there."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is not installed, but CI is set")
    pytest.skip(f"{what} is not installed")


def program(name: str, *alternatives: str) -> str:
    """Return the path of a program, or skip the test."""
    for candidate in (name, *alternatives):
        path = shutil.which(candidate, path=SEARCH_PATH)
        if path is not None:
            return path
    missing(name)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    """Tell whether somebody listens on a TCP port of 127.0.0.1."""
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all of its group, and reap it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_LIMIT)
            break
    # Helpers may have outlived their leader.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def running(
    command: Sequence[str | os.PathLike[str]],
    *,
    log: pathlib.Path,
    port: int | None = None,
    env: Mapping[str, str] | None = None,
    stdout: int | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """
    Run a program while the block runs.

    Args:
        command: The program and its arguments; it must stay in the foreground.
        log: File that receives what it prints.
        port: Enter the block when 127.0.0.1 accepts connections here.
        env: Environment variables added to ours.
        stdout: :data:`subprocess.PIPE` to read its standard output.

    Raises:
        RuntimeError: It ended, or didn't listen in time; with the end of its log.
    """
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        # A program in a group of its own outlives us, unless we unwind.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    with log.open("ab") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out if stdout is None else stdout,
            stderr=out,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        if port is not None:
            wait_until_listening(process, port, log)
        yield process
    finally:
        end(process)
        if process.stdout is not None:
            process.stdout.close()


def wait_until_listening(
    process: subprocess.Popen[bytes], port: int, log: pathlib.Path
) -> None:
    """Poll the port: nothing else tells when a program of others is ready."""
    deadline = time.monotonic() + START_LIMIT
    while not accepts(port):
        if process.poll() is not None:
            state = f"ended with status {process.returncode}"
        elif time.monotonic() > deadline:
            state = f"doesn't listen on port {port}"
        else:
            time.sleep(0.02)
            continue
        raise RuntimeError(f"{process.args!r} {state}: {tail(log)}")


def tail(log: pathlib.Path) -> str:
    """Return the end of a log."""
    return log.read_text(errors="replace")[-2000:]


def first_line(process: subprocess.Popen[bytes], log: pathlib.Path) -> str:
    """Return the first line that a program started with a pipe prints."""
    stdout: IO[bytes] | None = process.stdout
    assert stdout is not None, "start it with stdout=subprocess.PIPE"
    line = stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} printed nothing: {tail(log)}")
    return line.decode().strip()


class Certificates:
    """
    A certification authority, and a certificate for names of this machine.

    Args:
        folder: Where the files go; ``ca.pem``, ``leaf.pem`` and ``leaf.key`` are made.
    """

    NAMES = "DNS:localhost,DNS:proxy.test,DNS:echo.test,IP:127.0.0.1,IP:::1"

    def __init__(self, folder: pathlib.Path) -> None:
        openssl = program("openssl")
        self.ca = folder / "ca.pem"
        self.leaf = folder / "leaf.pem"
        self.key = folder / "leaf.key"
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        common: list[str | pathlib.Path]
        common = [openssl, "req", "-x509", *curve, "-days", "30"]
        authority: list[str | pathlib.Path]
        authority = ["-subj", "/CN=websockets tests", "-keyout", folder / "ca.key"]
        authority += ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        extensions = [
            f"subjectAltName={self.NAMES}",
            "basicConstraints=critical,CA:FALSE",
            "extendedKeyUsage=serverAuth",
        ]
        leaf: list[str | pathlib.Path]
        leaf = ["-subj", "/CN=localhost", "-keyout", self.key]
        leaf += ["-CA", self.ca, "-CAkey", folder / "ca.key"]
        for extension in extensions:
            leaf += ["-addext", extension]
        for arguments, path in ((authority, self.ca), (leaf, self.leaf)):
            subprocess.run(
                [*common, *arguments, "-out", path],
                check=True,
                capture_output=True,
                stdin=subprocess.DEVNULL,
            )
        # A daemon that gives up root's rights reads it too.
        self.key.chmod(0o644)

    def client_context(self) -> ssl.SSLContext:
        """Return a client's context that trusts this authority only."""
        return ssl.create_default_context(cafile=self.ca)

    def server_context(self) -> ssl.SSLContext:
        """Return a server's context with the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.leaf, self.key)
        return context
