"""
The processes of a run: measured ones, the peer, and where each of them runs.

Owns: starting and ending processes. Doesn't know: what they do.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from .messages import frames, write_frames
from .scenarios import OURS


ROOT = pathlib.Path(__file__).resolve().parents[1]
CERTIFICATE = ROOT / "tests" / "opening" / "localhost.pem"

#: Seconds that one answer may take.
TIME_LIMIT = 120.0

#: What the peer exits with when the machine doesn't allow a scenario.
NOT_ALLOWED = 3


class Impossible(Exception):
    """This machine, or this library, doesn't have what a scenario needs."""


class Failed(Exception):
    """A measurement went wrong."""


def two_cores() -> tuple[int, int] | None:
    """Return two cores that don't share their units, or :obj:`None`."""
    first, *others = sorted(os.sched_getaffinity(0))
    siblings = f"/sys/devices/system/cpu/cpu{first}/topology/thread_siblings_list"
    shared: set[int] = set()
    with contextlib.suppress(OSError):
        shared = core_numbers(pathlib.Path(siblings).read_text(encoding="ascii"))
    apart = [core for core in others if core not in shared] or others
    return (first, apart[0]) if apart else None


def core_numbers(text: str) -> set[int]:
    """Parse the kernel's lists of cores, such as ``0,4-6``."""
    numbers: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", text):
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


class Process:
    """A process that is talked to in lines of JSON."""

    def __init__(
        self,
        command: Sequence[str | os.PathLike[str]],
        core: int | None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed in end()
        self.popen = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        self.pid = self.popen.pid
        if core is not None:
            # What is started by it inherits this.
            os.sched_setaffinity(self.pid, {core})

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command and return the answer."""
        assert self.popen.stdin is not None
        try:
            self.popen.stdin.write(json.dumps(command).encode() + b"\n")
            self.popen.stdin.flush()
        except BrokenPipeError:
            raise Failed(self.complaint()) from None
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """Return the next answer."""
        assert self.popen.stdout is not None
        deadline = time.monotonic() + TIME_LIMIT
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self.popen.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise Failed(f"no answer for {TIME_LIMIT:.0f} seconds")
                data = os.read(self.popen.stdout.fileno(), 65536)
                if not data:
                    raise Failed(self.complaint())
                line += data
        answer: dict[str, Any] = json.loads(line)
        if "impossible" in answer:
            raise Impossible(answer["impossible"])
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def complaint(self) -> str:
        """Return why the process has ended, when it has."""
        status = self.popen.wait(TIME_LIMIT)
        self.errors.seek(0)
        text = self.errors.read().decode(errors="replace").strip()
        if status == NOT_ALLOWED:
            raise Impossible(text)
        return text[-400:] or f"it ended with status {status}"

    def end(self) -> None:
        """End the process: when its input ends it does so itself, or it is killed."""
        assert self.popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.close()
        try:
            self.popen.wait(3)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        self.errors.close()


class Laboratory:
    """Where measurements are made: Pythons, cores, the peer, and all that was started."""

    def __init__(
        self,
        folder: pathlib.Path,
        peer: pathlib.Path,
        ours: str,
        peers: str,
        source: str | None = None,
    ) -> None:
        self.folder, self.peer = folder, peer
        self.ours, self.peers, self.source = ours, peers, source
        self.cores = two_cores()
        self.processes: list[Process] = []
        self.workers: dict[str, Process] = {}
        self.ports: dict[tuple[Any, ...], int] = {}
        self.files: dict[tuple[Any, ...], pathlib.Path] = {}
        self.floods: list[tuple[Any, ...]] = []
        self.has_tls = self.run_peer("tls") == 1
        #: Polling costs a core that is there for it.
        self.spin = ["spin"] if self.cores else []

    def __enter__(self) -> Laboratory:
        if self.cores:
            os.sched_setaffinity(0, {self.cores[1]})
        return self

    def __exit__(self, *exc_info: object) -> None:
        for process in self.processes:
            process.end()

    def start(self, command: Sequence[Any], core: int, **options: Any) -> Process:
        """Start a process on the first or on the second core."""
        where = self.cores[core] if self.cores else None
        process = Process([str(part) for part in command], where, **options)
        self.processes.append(process)
        return process

    def end(self, process: Process) -> None:
        """End a process, and forget it."""
        self.processes.remove(process)
        process.end()

    # Measured processes -------------------------------------------------------------

    def new_worker(self, column: str) -> Process:
        """Start a process for a library and a loop, such as ``ours/asyncio``."""
        library, loop = column.split("/")
        keep = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR")
        environment = {name: os.environ[name] for name in keep if name in os.environ}
        if library in OURS and self.source:
            environment["PYTHONPATH"] = os.path.abspath(self.source)
        if library == "ours-python":
            environment["WEBSOCKETS_NO_SPEEDUPS"] = "1"
        python = self.ours if library in OURS else self.peers
        program = [python, "-m", "benchmarks.worker"]
        return self.start(
            [*program, library, loop, CERTIFICATE], 0, environment=environment
        )

    def worker(self, column: str) -> Process:
        """Return the one process for a library and a loop."""
        if column not in self.workers:
            self.workers[column] = self.new_worker(column)
        return self.workers[column]

    def drop(self, column: str) -> None:
        """End the process for a library and a loop, after something went wrong."""
        worker = self.workers.pop(column, None)
        if worker is not None:
            self.end(worker)
        for key in [key for key in self.ports if key[0] == column]:
            del self.ports[key]

    def port(self, column: str, kind: str, deflate: bool = False, size: int = 0) -> int:
        """Return the port of a server in the process for a library and a loop."""
        key = (column, kind, deflate, size)
        if key not in self.ports:
            answer = self.worker(column).ask(
                do="serve", kind=kind, deflate=deflate, tls=False, size=size
            )
            self.ports[key] = answer["port"]
        return self.ports[key]

    # The peer -----------------------------------------------------------------------

    def frames(self, size: int, **kind: bool) -> pathlib.Path:
        """Return a file of frames."""
        key = (size, *sorted(kind.items()))
        if key not in self.files:
            path = self.folder / f"{len(self.files)}.frames"
            self.files[key] = write_frames(path, frames(size, **kind))
        return self.files[key]

    def run_peer(self, kind: str) -> Any:
        """Run the peer to its end, for a question."""
        done = subprocess.run(
            [self.peer, kind], stdout=subprocess.PIPE, timeout=TIME_LIMIT
        )
        return json.loads(done.stdout)

    def serve(self, floods: Sequence[tuple[int, bool]]) -> dict[str, int]:
        """Start the peer's server, and return its ports."""
        files = [
            self.frames(size, masked=False, text=deflate, deflate=deflate)
            for size, deflate in floods
        ]
        tls = [f"tls={CERTIFICATE}"] if self.has_tls else []
        server = self.start([self.peer, "serve", *self.spin, *tls, *files], 1)
        return server.answer()

    @contextlib.contextmanager
    def load(self, kind: str, *words: str, **options: Any) -> Iterator[Process]:
        """Start the peer as a load on a server."""
        if "tls" in words and not self.has_tls:
            raise Impossible("the peer was compiled without OpenSSL (libssl-dev)")
        named = [f"{name}={value}" for name, value in options.items()]
        process = self.start([self.peer, kind, *words, *named], 1)
        try:
            yield process
        finally:
            self.end(process)


def compile_peer(folder: pathlib.Path) -> pathlib.Path:
    """Compile the peer with the compiler of this system, with TLS when it can be."""
    if not sys.platform.startswith("linux"):
        raise Impossible("the peer of the measurements uses epoll: it needs Linux")
    target = folder / "peer"
    sources = sorted(ROOT.glob("benchmarks/peer/*.c"))
    compiler = os.environ.get("CC", "cc").split()
    command = [*compiler, "-std=c11", "-O3", "-o", str(target), *map(str, sources)]
    errors = b""
    for extra in (["-DWITH_TLS", "-lssl", "-lcrypto"], []):
        done = subprocess.run(
            [*command, *extra], stderr=subprocess.PIPE, timeout=TIME_LIMIT
        )
        if done.returncode == 0:
            return target
        errors = done.stderr
    raise Failed(f"the peer doesn't compile: {errors.decode(errors='replace')}")


@contextlib.contextmanager
def peer_server(peer: pathlib.Path) -> Iterator[dict[str, int]]:
    """Run the peer's server, for who needs nothing else; give its ports."""
    process = Process([peer, "serve"], None)
    try:
        yield process.answer()
    finally:
        process.end()
