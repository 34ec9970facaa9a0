"""Run the Autobahn Testsuite against the echo server and the echo client beside this file.

Owns: the processes of a run, the verdict. Doesn't know: how the suite gets installed
(``install.sh`` does), what a case does (its report says so).

    python compliance/run.py FOLDER [--quick] [--side server|client] [--report NEW]

FOLDER is where the suite is installed, or will be. Without a Python 2.7 nothing runs: this
says so and passes. Otherwise the exit status is 0 when every case was run, none failed, and
each connection was closed cleanly. ``NON-STRICT`` passes for 6.4.1 to 6.4.4 only: there,
failing early on invalid UTF-8 is a courtesy. ``INFORMATIONAL`` cases have no right answer.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, TextIO


HERE = pathlib.Path(__file__).resolve().parent
AGENT = "websockets"

#: Patterns of cases, and how many they select in autobahntestsuite 25.10.1.
FULL = (["*"], 517)
QUICK = ([f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 10)], 247)

NON_STRICT_ALLOWED = {"6.4.1", "6.4.2", "6.4.3", "6.4.4"}

#: The exit status of ``install.sh`` on a machine without Python 2.7.
NO_PYTHON_2 = 3

#: Seconds that one side may take. The whole suite takes minutes, the quick form less.
TIME_LIMIT = 3600


def verdict(case: str, result: dict[str, Any]) -> str | None:
    """
    Judge one case.

    Returns:
        What is wrong with it, or :obj:`None` when it passes.
    """
    behavior, close = result["behavior"], result["behaviorClose"]
    if behavior == "NON-STRICT" and case not in NON_STRICT_ALLOWED:
        return "NON-STRICT"
    if behavior not in {"OK", "NON-STRICT", "INFORMATIONAL"}:
        return str(behavior)
    if close not in {"OK", "INFORMATIONAL"}:
        return f"close: {close}"
    return None


def case_order(case: str) -> list[int]:
    """Return the sort key of a case identifier such as ``6.4.1``."""
    return [int(number) for number in case.split(".")]


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def process(
    command: list[str], log: TextIO, stdout: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start a process in a group of its own; end the group when the block ends."""
    proc = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log if stdout is None else stdout,
        stderr=log,
        text=True,
        start_new_session=True,
    )
    try:
        yield proc
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(proc.pid, signal.SIGKILL)
        proc.wait()
        if proc.stdout is not None:
            proc.stdout.close()


def wait_listening(proc: subprocess.Popen[str], port: int) -> None:
    """Return when ``port`` accepts connections; fail when ``proc`` ends or is late."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and proc.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise RuntimeError(f"{proc.args!r} doesn't listen on port {port}")


def write_spec(folder: pathlib.Path, cases: list[str], **settings: Any) -> str:
    """Write the specification that ``wstest`` reads, and return its path."""
    spec = folder / "spec.json"
    spec.write_text(
        json.dumps(
            {
                "outdir": str(folder),
                "cases": cases,
                "exclude-cases": [],
                "exclude-agent-cases": {},
                **settings,
            }
        )
    )
    return str(spec)


def run_server_side(
    wstest: str, folder: pathlib.Path, cases: list[str], log: TextIO
) -> None:
    """Let the fuzzing client run ``cases`` against our server."""
    server = [sys.executable, str(HERE / "echo_server.py")]
    with process(server, log, stdout=subprocess.PIPE) as ours:
        assert ours.stdout is not None
        port = int(ours.stdout.readline())
        url = f"ws://127.0.0.1:{port}"
        spec = write_spec(folder, cases, servers=[{"agent": AGENT, "url": url}])
        with process([wstest, "-m", "fuzzingclient", "-s", spec], log) as theirs:
            if theirs.wait(TIME_LIMIT) != 0:
                raise RuntimeError(f"wstest ended with status {theirs.returncode}")


def run_client_side(
    wstest: str, folder: pathlib.Path, cases: list[str], log: TextIO
) -> None:
    """Let the fuzzing server run ``cases`` against our client."""
    port = free_port()
    url = f"ws://127.0.0.1:{port}"
    spec = write_spec(folder, cases, url=url)
    command = [wstest, "-m", "fuzzingserver", "-u", "0", "-s", spec]
    with process(command, log) as theirs:
        wait_listening(theirs, port)
        client = [sys.executable, str(HERE / "echo_client.py"), url, AGENT]
        with process(client, log) as ours:
            if ours.wait(TIME_LIMIT) != 0:
                raise RuntimeError(f"our client ended with status {ours.returncode}")


SIDES = {"server": run_server_side, "client": run_client_side}


def run_side(
    side: str, wstest: str, folder: pathlib.Path, cases: list[str]
) -> tuple[dict[str, dict[str, Any]], float]:
    """
    Run one side.

    Returns:
        The report of each case, and the seconds it took.
    """
    folder.mkdir(parents=True)
    log_path = folder / "processes.log"
    start = time.monotonic()
    with log_path.open("w+") as log:
        try:
            SIDES[side](wstest, folder, cases, log)
        except (RuntimeError, ValueError, subprocess.TimeoutExpired) as exc:
            log.flush()
            exc.add_note(log_path.read_text(errors="replace")[-2000:])
            raise
    index = json.loads((folder / "index.json").read_text())
    return index[AGENT], time.monotonic() - start


def summarize(side: str, report: dict[str, dict[str, Any]], expected: int) -> bool:
    """Print the table of one side; tell whether it passes."""
    columns = ["OK", "NON-STRICT", "INFORMATIONAL", "wrong"]
    groups: dict[str, collections.Counter[str]] = {}
    notable = []
    wrong = 0
    for case in sorted(report, key=case_order):
        problem = verdict(case, report[case])
        outcome = "wrong" if problem else report[case]["behavior"]
        groups.setdefault(case.split(".")[0], collections.Counter())[outcome] += 1
        if problem:
            wrong += 1
        if outcome != "OK":
            notable.append(f"  {case:8} {problem or outcome}")
    row = "{:>7}" + "{:>15}" * len(columns)
    print(f"\n{side}: {len(report)} cases\n" + row.format("group", *columns))
    for group, counts in groups.items():
        print(row.format(group, *(counts[column] for column in columns)))
    total: collections.Counter[str] = sum(groups.values(), collections.Counter())
    print(row.format("all", *(total[column] for column in columns)))
    if notable:
        print("not simply OK:", *notable, sep="\n")
    if len(report) != expected:
        print(f"{side}: {len(report)} cases were run, {expected} expected")
        return False
    return wrong == 0


def install(folder: str) -> str | None:
    """
    Install the test suite unless it is there.

    Returns:
        The path of its program, or :obj:`None` when this machine can't run it.
    """
    done = subprocess.run(
        [str(HERE / "install.sh"), folder], stdout=subprocess.PIPE, text=True
    )
    if done.returncode == NO_PYTHON_2:
        return None
    done.check_returncode()
    return done.stdout.strip()


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", help="where the test suite is installed")
    parser.add_argument("--quick", action="store_true", help="groups 1-7 and 10")
    parser.add_argument("--side", choices=[*SIDES], help="default: both at once")
    parser.add_argument("--cases", nargs="+", help="patterns, e.g. 6.4.* 12.1.1")
    parser.add_argument("--report", help="keep the reports in this new folder")
    args = parser.parse_args()

    wstest = install(args.folder)
    if wstest is None:
        print("compliance: skipped")
        return 0

    cases, expected = QUICK if args.quick else FULL
    sides = [args.side] if args.side else [*SIDES]
    passed = True
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(
            args.report or stack.enter_context(tempfile.TemporaryDirectory())
        )
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor())
        runs = {
            side: pool.submit(
                run_side, side, wstest, folder / side, args.cases or cases
            )
            for side in sides
        }
        for side, run in runs.items():
            report, seconds = run.result()
            count = len(report) if args.cases else expected
            passed &= summarize(side, report, count)
            print(f"{side}: {seconds:.0f} s")
    print("compliance:", "passed" if passed else "FAILED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
