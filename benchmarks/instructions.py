"""
Count the instructions of a round trip, and compare them with what was recorded.

    make bench-instructions [BENCH="--record"]

Times depend on the machine and on what else it does; instructions in user space depend on
the code. Each program runs twice under valgrind, with more round trips the second time:
the difference is theirs. What is compared is the ratio to a program without WebSocket that
is counted in the same run, so that another build of Python changes little. CPython looks
attributes up by where their names are in memory: by chance, two that a loop needs again and
again drive each other out of its cache, which makes 5 % more. So each program has several
chances, and the best one counts.

Owns: counting, and the limit. Doesn't know: which code the instructions belong to.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

from .processes import ROOT, Failed, Impossible, compile_peer, peer_server
from .scenarios import LOOPS, OURS


RECORD = ROOT / "benchmarks" / "instructions.json"

#: How much more than recorded is still as much: builds differ, and the kernel's answers.
TOLERANCE = 0.05

SIZE = 256
FEW, MANY = 200, 1200

#: How many objects each program makes first, which moves all others.
LAYOUTS = (0, 257, 514)

#: Seconds for one program.
TIME_LIMIT = 120.0

#: Instructions of a round trip, by column, such as ``ours/asyncio``.
Counts = Mapping[str, int]

BASE = "raw/asyncio"


def parse(log: str) -> int:
    """Return the instructions that cachegrind's log reports."""
    found = re.search(r"\bI\s+refs:\s+([\d,]+)", log)
    if found is None:
        raise Failed(f"valgrind reports no instructions: {log[-400:]}")
    return int(found[1].replace(",", ""))


def ratios(counts: Counts) -> dict[str, float]:
    """Return how many times the instructions of raw TCP everybody else needs."""
    return {
        column: round(count / counts[BASE], 3)
        for column, count in counts.items()
        if column != BASE
    }


def judge(recorded: Mapping[str, float], counted: Mapping[str, float]) -> list[str]:
    """Return what grew by more than is tolerated, in words; nothing else is wrong."""
    return [
        f"{column}: {counted[column]:.3f} times raw TCP, {before:.3f} are recorded"
        f" and {before * (1 + TOLERANCE):.3f} allowed"
        for column, before in recorded.items()
        if column in counted and counted[column] > before * (1 + TOLERANCE)
    ]


def environment(source: str | None) -> dict[str, str]:
    """Return the environment of a counted program: the same everywhere."""
    keep = ("PATH", "HOME", "LD_LIBRARY_PATH")
    result = {name: os.environ[name] for name in keep if name in os.environ}
    result["PYTHONHASHSEED"] = "0"
    if source:
        result["PYTHONPATH"] = os.path.abspath(source)
    return result


def count(
    folder: pathlib.Path, program: list[str], variables: dict[str, str], rounds: int
) -> int:
    """Count the instructions of a program that makes so many round trips."""
    with tempfile.NamedTemporaryFile(dir=folder, mode="r") as log:
        valgrind = [
            "valgrind",
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
            f"--log-file={log.name}",
        ]
        run([*valgrind, *program, str(rounds)], variables)
        return parse(log.read())


def run(command: list[str], variables: dict[str, str]) -> None:
    """Run a program to its end."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIME_LIMIT,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[-6:]} takes more than {TIME_LIMIT:.0f} s") from None
    if done.returncode:
        raise Failed(done.stdout.decode(errors="replace")[-800:])


def count_all(options: argparse.Namespace) -> dict[str, int]:
    """Count for every library that was asked for, on every loop."""
    libraries = options.libraries.split(",")
    columns = [BASE, *(f"{library}/{loop}" for library in libraries for loop in LOOPS)]
    with (
        tempfile.TemporaryDirectory() as name,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads,
    ):
        folder = pathlib.Path(name)
        with peer_server(compile_peer(folder)) as ports:

            def program(column: str, layout: int) -> tuple[list[str], dict[str, str]]:
                library, loop = column.split("/")
                ours = library in OURS or library == "raw"
                python = options.ours if ours else options.peers
                url = (
                    f"ws://127.0.0.1:{ports['raw' if library == 'raw' else 'ws']}/echo"
                )
                module = [python, "-m", "benchmarks.rounds", str(layout)]
                variables = environment(options.source if library in OURS else None)
                return [*module, library, loop, url, str(SIZE)], variables

            # Once without valgrind: whether it runs at all, and compiled modules.
            for column in columns:
                command, variables = program(column, 0)
                run([*command, "1"], variables)
            jobs = {
                (column, layout, rounds): threads.submit(
                    count, folder, *program(column, layout), rounds
                )
                for column in columns
                for layout in LAYOUTS
                for rounds in (FEW, MANY)
            }
            results = {key: job.result() for key, job in jobs.items()}
    return {
        column: min(
            results[column, layout, MANY] - results[column, layout, FEW]
            for layout in LAYOUTS
        )
        // (MANY - FEW)
        for column in columns
    }


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="make bench-instructions",
        description="Count the instructions of a round trip of 256 bytes.",
    )
    add = parser.add_argument
    add("--record", action="store_true", help="keep the ratios, for later runs")
    add("--libraries", default="ours", metavar="A,B", help="ours, picows, ...")
    add(
        "--ours", default=sys.executable, metavar="PYTHON", help="where this library is"
    )
    add("--source", metavar="FOLDER", help="where it is, when it isn't installed there")
    add("--peers", default=sys.executable, metavar="PYTHON", help="where others are")
    return parser.parse_args(words)


def main() -> int:
    """Count, compare, record; return the exit status."""
    options = arguments()
    if shutil.which("valgrind") is None:
        raise Impossible("valgrind isn't installed")
    counts = count_all(options)
    counted = ratios(counts)
    for column, instructions in counts.items():
        line = f"{column:22}{instructions:>9,} instructions per round trip"
        if column in counted:
            line += f"   {counted[column]:.3f} times raw TCP on asyncio"
        print(line)
    version = ".".join(platform.python_version_tuple()[:2])
    records: dict[str, Any] = {}
    if RECORD.exists():
        records = json.loads(RECORD.read_text(encoding="utf-8"))
    if options.record:
        ours = {name: value for name, value in counted.items() if "ours/" in name}
        records[version] = ours
        text = json.dumps(records, indent=2, sort_keys=True)
        RECORD.write_text(text + "\n", encoding="utf-8")
        print(f"recorded for Python {version}")
        return 0
    if version not in records:
        print(f"nothing is recorded for Python {version}: nothing to compare with")
        return 0
    problems = judge(records[version], counted)
    for problem in problems:
        print(f"TOO MANY  {problem}")
    if not problems:
        print(f"not more than {TOLERANCE:.0%} above what is recorded")
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except (Impossible, Failed) as error:
        raise SystemExit(f"cannot count here: {error}") from None
