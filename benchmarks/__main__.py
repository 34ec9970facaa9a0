"""
Measure this library and others in one interleaved run.

    make bench BENCH="--only REGEX --reps N --quick"

Owns: the order of a run, and what becomes of its figures. Doesn't know: how one
measurement is made.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import platform
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from typing import Any

from .chart import draw
from .figures import growth, order, summarize
from .measure import Measurement
from .processes import ROOT, Failed, Impossible, Laboratory, compile_peer
from .scenarios import LOOPS, SCENARIOS, Scenario
from .table import show_scenario, show_summary


#: Where a complete run leaves its figures; any other leaves them in the second.
COMPLETE, PARTIAL = ROOT / "benchmarks", ROOT / "reports"


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="make bench", description="Measure this library and others."
    )
    add = parser.add_argument
    add("--only", metavar="REGEX", help="scenarios with a name like that")
    add("--libraries", metavar="A,B", help="with these libraries, ours first")
    add("--loops", metavar="A,B", default=",".join(LOOPS), help="asyncio, uvloop")
    add("--reps", type=int, metavar="N", help="how often each is measured (7)")
    add("--ms", type=int, metavar="T", help="how long each time, about (120)")
    add("--quick", action="store_true", help="3 times 50 ms, without the longest")
    add("--list", action="store_true", help="name the scenarios")
    add("--show", metavar="FILE", help="show figures of an earlier run, and draw them")
    add("--markdown", action="store_true", help="close with a table in Markdown")
    add(
        "--ours", default=sys.executable, metavar="PYTHON", help="where this library is"
    )
    add("--source", metavar="FOLDER", help="where it is, when it isn't installed there")
    add(
        "--peers", default=sys.executable, metavar="PYTHON", help="where the others are"
    )
    return parser.parse_args(words)


def chosen(options: argparse.Namespace) -> list[Scenario]:
    """Return the scenarios to run."""
    pattern = re.compile(options.only or "")
    named = [one for one in SCENARIOS if pattern.search(one.name)]
    if options.quick and not options.only:
        named = [one for one in named if not one.long]
    if not named:
        raise SystemExit(f"no scenario has a name like {options.only}")
    return named


def columns(scenario: Scenario, options: argparse.Namespace) -> list[str]:
    """Return who is measured: a library and a loop each."""
    wanted = options.libraries.split(",") if options.libraries else scenario.libraries
    return [
        f"{library}/{loop}"
        for library in scenario.libraries
        if library in wanted
        for loop in options.loops.split(",")
    ]


def measure_once(
    measurement: Measurement, scenario: Scenario, name: str
) -> dict[str, float]:
    """Measure one scenario, and what it grows from before and after it."""
    if not scenario.grows_from:
        return measurement.run(scenario, name)
    # The machine has another speed a minute later.
    (base,) = (one for one in SCENARIOS if one.name == scenario.grows_from)
    before = measurement.run(base, name)
    result = measurement.run(scenario, name)
    around = [before, measurement.run(base, name)]
    return {**result, "growth": growth(result, around, scenario.grows_by)}


def measure(
    measurement: Measurement, scenario: Scenario, names: list[str], repeats: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """Measure one scenario with everybody; return figures, and who couldn't and why."""
    main = "memory" if scenario.method == "memory" else "cpu"
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    absent: dict[str, str] = {}
    repeats = min(repeats, scenario.repeats)
    # The first time only warms up; where each repeat is long it has its own warming.
    first = 0 if scenario.long or repeats == 1 else -1
    for repeat in range(first, repeats):
        for name in order(names, repeat):
            if name in absent:
                continue
            try:
                result = measure_once(measurement, scenario, name)
            except (Impossible, Failed) as error:
                absent[name] = str(error)
                if isinstance(error, Failed):
                    measurement.laboratory.drop(name)
                continue
            if repeat >= 0:
                samples[name].append(result)
    row = {name: summarize(samples[name], main) for name in names if samples[name]}
    return row, absent


def about(laboratory: Laboratory, names: Iterable[str]) -> dict[str, Any]:
    """Say on what, and with which versions, all this was measured."""
    model = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    release = pathlib.Path("/etc/os-release")
    system = f"{platform.system()} {platform.release()}"
    if release.exists():
        values = release.read_text(encoding="utf-8")
        found = re.search(r'^PRETTY_NAME="?([^"\n]*)', values, re.MULTILINE)
        system = f"{found[1]}, {system}" if found else system
    libraries: dict[str, dict[str, str]] = {}
    for name in names:
        libraries[name] = laboratory.worker(name).ask(do="about")
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": model,
        "cores": len(laboratory.cores or (0,)),
        "system": system,
        "libraries": libraries,
    }


def run(
    options: argparse.Namespace, scenarios: list[Scenario], target: pathlib.Path
) -> dict[str, Any]:
    """Run everything that was asked for; print and store it as it comes."""
    repeats = options.reps or (3 if options.quick else 7)
    secs = (options.ms or (50 if options.quick else 120)) / 1000
    began = time.monotonic()
    rows: dict[str, Any] = {}
    absent: dict[str, dict[str, str]] = {}
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        peer = compile_peer(path)
        with Laboratory(
            path, peer, options.ours, options.peers, options.source
        ) as laboratory:
            if not laboratory.cores:
                print("One core only: the peer shares it with what is measured.")
            every = {name for one in scenarios for name in columns(one, options)}
            facts = about(laboratory, sorted(every))
            facts |= {"reps": repeats, "ms": round(secs * 1000)}
            measurement = Measurement(laboratory, scenarios, secs)
            for scenario in scenarios:
                names = columns(scenario, options)
                if not names:
                    continue
                rows[scenario.name], absent[scenario.name] = measure(
                    measurement, scenario, names, repeats
                )
                took = time.monotonic() - began
                print(show_scenario(scenario, rows[scenario.name], took))
                for name, reason in absent[scenario.name].items():
                    print(f"  {name}: {reason}")
                sys.stdout.flush()
                results = {"about": facts, "rows": rows, "absent": absent}
                text = json.dumps(results, indent=1) + "\n"
                target.write_text(text, encoding="utf-8")
    return results


def main() -> None:
    """Measure, print, store, draw."""
    options = arguments()
    scenarios = chosen(options)
    if options.list:
        print("\n".join(f"{one.name:22} {one.title}" for one in scenarios))
        return
    if options.show:
        target = pathlib.Path(options.show)
        results = json.loads(target.read_text(encoding="utf-8"))
    else:
        partial = options.only or options.quick or options.libraries
        folder = PARTIAL if partial or options.loops != ",".join(LOOPS) else COMPLETE
        folder.mkdir(exist_ok=True)
        target = folder / "results.json"
        results = run(options, scenarios, target)
    picture = target.with_suffix(".svg")
    picture.write_text(draw(results), encoding="utf-8")
    print()
    print(show_summary(results, markdown=options.markdown))
    print(f"\nfigures: {target}\npicture: {picture}")


if __name__ == "__main__":
    try:
        main()
    except (Impossible, Failed) as error:
        raise SystemExit(f"cannot measure here: {error}") from None
