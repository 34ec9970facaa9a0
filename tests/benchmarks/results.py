"""
Figures of a run that never was.

Owns: round numbers. Doesn't know: what becomes of them.
"""

from __future__ import annotations

from typing import Any

from benchmarks.scenarios import LIBRARIES, LOOPS, SCENARIOS


def results() -> dict[str, Any]:
    """Return a run in which each library needs more than the one before it."""
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for scenario in SCENARIOS:
        row: dict[str, dict[str, float]] = {}
        for place, library in enumerate(scenario.libraries, 1):
            for loop in LOOPS:
                if scenario.method == "memory":
                    row[f"{library}/{loop}"] = {"memory": 6.0 * place}
                else:
                    row[f"{library}/{loop}"] = {
                        "cpu": 10.0 * place,
                        "rate": 5e4 / place,
                    }
                    if scenario.grows_from:
                        row[f"{library}/{loop}"]["growth"] = 1.25 * place
        rows[scenario.name] = row
    about = {
        "date": "2026-11-23",
        "cpu": "A <processor> & more",
        "cores": 2,
        "system": "Linux 6.1",
        "libraries": {
            f"{library}/{loop}": {
                "version": "18.0" if library == "ours" else "17.4",
                "python": "CPython 3.13.0",
                "uvloop": "0.23.0" if loop == "uvloop" else "",
            }
            for library in LIBRARIES
            for loop in LOOPS
        },
    }
    return {"rows": rows, "about": about, "absent": {}}
