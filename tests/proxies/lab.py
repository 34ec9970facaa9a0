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
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, Self

from tests.daemons import Certificates, first_line, free_port, missing, running
from tests.proxies import dante, fronts, krb5, scripted, squid


USER, PASSWORD, DOMAIN, TOKEN = scripted.ACCOUNT
ECHO_HOST = "echo.test"

#: dante checks passwords of Unix accounts; this one is made for it.
UNIX_USER = "websockets-tests"

#: Where ``tests`` is found.
ROOT = pathlib.Path(__file__).parents[2]


def basic(user: str, password: str) -> str:
    """Return the value of an Authorization header for Basic authentication."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@dataclasses.dataclass(frozen=True)
class Proxy:
    """
    A running proxy.

    Attributes:
        scheme: Of its URL.
        port: On localhost.
        read: How to learn what clients said, if it tells.
    """

    scheme: str
    port: int
    read: Callable[[], list[scripted.Exchange]] = list

    def url(
        self,
        user: str | None = None,
        password: str | None = None,
        *,
        host: str = "localhost",
    ) -> str:
        """Return its URL, with credentials when there are some."""
        credentials = "" if user is None else f"{user}:{password}@"
        return f"{self.scheme}://{credentials}{host}:{self.port}"

    @property
    def exchanges(self) -> list[scripted.Exchange]:
        """What clients said so far."""
        return self.read()

    @property
    def story(self) -> list[str]:
        """What clients said: connection, scheme and status of each request."""
        return [f"{e.connection} {e.scheme} {e.status}" for e in self.exchanges]


@dataclasses.dataclass(frozen=True)
class Realm:
    """
    A Kerberos realm.

    Attributes:
        keytab: The keys of proxies.
        environment: For a client who is logged in.
    """

    keytab: pathlib.Path
    environment: Mapping[str, str]


class Lab:
    """
    Use it as a context manager: leaving it ends all daemons.

    Asking twice for the same daemon returns the one that runs; a scripted proxy
    belongs to its test and runs in :meth:`test`.
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

    def new_folder(self, name: str) -> pathlib.Path:
        """Return a folder for the files of one daemon."""
        folder = self.folder / name
        folder.mkdir()
        return folder

    def start(
        self,
        command: list[str],
        folder: pathlib.Path,
        port: int,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Run a daemon, which keeps its files in ``folder``, until the end."""
        daemon = running(command, log=folder / "output", port=port, env=env)
        self.processes.append(self.stack.enter_context(daemon))

    @functools.cached_property
    def certificates(self) -> Certificates:
        """The certificates of the proxies and of the server behind them."""
        return Certificates(self.folder)

    @functools.cached_property
    def echo(self) -> Mapping[str, int]:
        """The ports of the server behind the proxies, by scheme."""
        command = [sys.executable, "-m", "tests.proxies.echo"]
        command += [str(self.certificates.leaf), str(self.certificates.key)]
        process = self.stack.enter_context(
            running(
                command,
                log=self.folder / "echo",
                env=python_path(),
                stdout=subprocess.PIPE,
            )
        )
        self.processes.append(process)
        ports = first_line(process, self.folder / "echo").split()
        return dict(zip(("ws", "wss"), map(int, ports), strict=True))

    @functools.cache  # noqa: B019  (a lab lives as long as its tests)
    def squid(
        self,
        *schemes: str,
        tls: bool = False,
        keep_alive: bool = True,
        nonce_seconds: int = 1800,
    ) -> Proxy:
        """
        Run squid.

        Args:
            schemes: Authentication offered, names of ``squid.SCHEMES``; none when empty.
            tls: Whether clients talk TLS to it, as to an ``https://`` proxy.
            keep_alive: Whether the first 407 leaves the connection open.
            nonce_seconds: How long a nonce of Digest is fresh.
        """
        port = free_port()
        site = squid.Site(
            folder=self.new_folder(f"squid-{port}"),
            user=USER,
            password=PASSWORD,
            domain=DOMAIN,
            keytab=self.realm.keytab if "negotiate-kerberos" in schemes else None,
            keep_alive=keep_alive,
            nonce_seconds=nonce_seconds,
        )
        command = squid.prepare(
            site,
            port,
            schemes,
            hosts=self.hosts,
            certificates=self.certificates if tls else None,
        )
        self.start(command, site.folder, port)
        return Proxy("https" if tls else "http", port)

    @functools.cache  # noqa: B019  (a lab lives as long as its tests)
    def dante(self, *, passwords: bool = False) -> Proxy:
        """
        Run dante.

        Args:
            passwords: Whether it demands those of UNIX_USER, with PASSWORD.
        """
        if passwords:
            self.stack.enter_context(dante.account(UNIX_USER, PASSWORD))
        port = free_port()
        folder = self.new_folder(f"dante-{port}")
        self.start(dante.prepare(folder, port, passwords=passwords), folder, port)
        return Proxy("socks5", port)

    @functools.cached_property
    def realm(self) -> Realm:
        """The Kerberos realm, in which ALICE is logged in."""
        port = free_port()
        folder = self.new_folder("realm")
        command = krb5.prepare(folder, port, USER, PASSWORD)
        self.start(command, folder, port, krb5.environment(folder))
        krb5.log_in(folder, USER, PASSWORD)
        environment = dict(krb5.environment(folder))
        del environment["KRB5_KDC_PROFILE"]  # the KDC's
        return Realm(folder / "http.keytab", environment)

    @functools.cache  # noqa: B019  (a lab lives as long as its tests)
    def front(self, name: str, backend: Proxy, *, ask_client: bool = False) -> Proxy:
        """
        Run TLS in front of a proxy.

        Args:
            name: Out of ``fronts.FRONTS``.
            backend: The proxy.
            ask_client: Whether clients need a certificate.
        """
        port = free_port()
        folder = self.new_folder(f"{name}-{port}")
        command = fronts.FRONTS[name](
            folder, port, backend.port, self.certificates, ask_client
        )
        self.start(command, folder, port)
        return Proxy("https", port)

    def scripted(
        self, stack: contextlib.ExitStack, *, tls: bool = False, **manners: Any
    ) -> Proxy:
        """
        Run a scripted proxy.

        Args:
            stack: It ends the proxy.
            tls: Whether it's an ``https://`` proxy.
            manners: Attributes of :class:`~tests.proxies.scripted.Manners`.
        """
        scheme = "https" if tls else "http"
        if tls:
            manners["certificate"] = str(self.certificates.leaf.parent)
        chosen = scripted.Manners(**manners)
        if not chosen.needs_pyspnego:
            run = stack.enter_context(scripted.in_thread(chosen))
            return Proxy(scheme, run.port, lambda: list(run.exchanges))
        try:
            import spnego  # noqa: F401
        except ImportError:
            missing("pyspnego")
        file, name = tempfile.mkstemp(dir=self.folder, prefix="scripted-")
        os.close(file)
        output = pathlib.Path(name)
        options = json.dumps(dataclasses.asdict(chosen))
        command = [sys.executable, "-m", "tests.proxies.scripted", options]
        port = free_port()
        stack.enter_context(
            running([*command, str(port)], log=output, port=port, env=python_path())
        )
        return Proxy(scheme, port, lambda: scripted.read_exchanges(output))


def python_path() -> Mapping[str, str]:
    """Return the environment in which a program finds ``tests`` and what we import."""
    return {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
