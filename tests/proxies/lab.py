"""The laboratory: daemons on loopback that share a folder, names and certificates.

Owns: the folder, and each daemon until the laboratory closes. Doesn't know: how a daemon
is configured (a module each), and ``websockets``.

The user of every proxy is ALICE. ``echo.test`` is a name that only the proxies resolve,
to 127.0.0.1: who reaches it went through one of them.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import functools
import pathlib
import shutil
import subprocess
import tempfile
from typing import Self

from tests.daemons import Certificates, free_port, running
from tests.proxies import squid


USER = "alice"
PASSWORD = "s3cret"
ECHO_HOST = "echo.test"


def basic(user: str, password: str) -> str:
    """Return the value of an Authorization header for Basic authentication."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@dataclasses.dataclass(frozen=True)
class Proxy:
    """A running proxy."""

    scheme: str
    port: int

    def url(self, user: str | None = None, password: str | None = None) -> str:
        """Return its URL, with credentials when there are some."""
        credentials = "" if user is None else f"{user}:{password}@"
        return f"{self.scheme}://{credentials}localhost:{self.port}"


class Lab:
    """
    Use it as a context manager: leaving it ends all daemons.

    Asking twice for the same daemon returns the one that runs.
    """

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.folder = pathlib.Path(tempfile.mkdtemp(prefix="proxies-"))
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            # A daemon that was started by root reads it as another user.
            self.folder.chmod(0o755)
            self.hosts = self.folder / "hosts"
            self.hosts.write_text(f"127.0.0.1 localhost {ECHO_HOST}\n")
            self.processes: list[subprocess.Popen[bytes]] = []
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *args: object) -> None:
        # All at once first: some take seconds to end.
        for process in self.processes:
            process.terminate()
        self.stack.close()

    def start(self, command: list[str], folder: pathlib.Path, port: int) -> None:
        """Run a daemon, which keeps its files in ``folder``, until the end."""
        daemon = running(command, log=folder / "output", port=port)
        self.processes.append(self.stack.enter_context(daemon))

    @functools.cached_property
    def certificates(self) -> Certificates:
        """The certificates of the proxies and of the server behind them."""
        return Certificates(self.folder)

    @functools.cache  # noqa: B019  (a lab lives as long as its tests)
    def squid(self, *schemes: str, tls: bool = False) -> Proxy:
        """
        Run squid.

        Args:
            schemes: Authentication offered: ``"basic"``; none when empty.
            tls: Whether clients talk TLS to it, as to an ``https://`` proxy.
        """
        port = free_port()
        folder = self.folder / f"squid-{port}"
        folder.mkdir()
        command = squid.prepare(
            folder,
            port,
            schemes,
            hosts=self.hosts,
            credentials=(USER, PASSWORD),
            certificates=self.certificates if tls else None,
        )
        self.start(command, folder, port)
        return Proxy("https" if tls else "http", port)
