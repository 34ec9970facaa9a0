"""
Figures as text.

Owns: how figures are printed. Doesn't know: how they look in a picture, see ``chart``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .figures import Row, ratio
from .scenarios import LIBRARIES, LOOPS, SCENARIOS, Scenario


def number(value: float) -> str:
    """Return three digits that matter, or all before the point."""
    if math.isnan(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def show_scenario(scenario: Scenario, row: Row, took: float) -> str:
    """Return the lines of one scenario: what everybody needs, and how much more."""
    main = "memory" if scenario.method == "memory" else "cpu"
    lines = [f"\n{scenario.title}   ({scenario.name}, {took:.0f} s)"]
    for loop in LOOPS:
        for name, figures in row.items():
            if not name.endswith(f"/{loop}"):
                continue
            line = f"  {name:26}{number(figures[main]):>9} {scenario.unit}"
            if main == "cpu":
                line += f"  {number(figures['rate']):>10}/s"
            if "p50" in figures:
                line += f"  p50 {number(figures['p50']):>8} µs"
            line += f"  x{ratio(row, main, name):.2f}"
            if "spread" in figures:
                line += f"  ±{figures['spread'] * 50:.0f} %"
            if scenario.method == "broadcast":
                line += f"  {number(figures['bytes'])} B sent"
            if "tls alone" in figures:
                line += f"  (TLS alone: {number(figures['tls alone'])} KiB)"
            lines.append(line)
    return "\n".join(lines)


def cells(
    rows: Mapping[str, Row], scenario: Scenario, loop: str, libraries: Sequence[str]
) -> list[str]:
    """Return a line of the summary: our figure, theirs, and the ratios."""
    row = rows[scenario.name]
    main = "memory" if scenario.method == "memory" else "cpu"
    result = [f"{scenario.title}, {scenario.unit}", loop]
    for library in libraries:
        name = f"{library}/{loop}"
        if name not in row:
            result.append("-")
        elif library == libraries[0] or f"{libraries[0]}/{loop}" not in row:
            result.append(number(row[name][main]))
        else:
            factor = ratio(row, main, name)
            result.append(f"{number(row[name][main])} x{factor:.2f}")
    return result


def grown(rows: Mapping[str, Row]) -> list[str]:
    """Return how cost grows with work, a line for each scenario that is a curve's end."""
    lines = []
    for one in SCENARIOS:
        values = [
            f"{name} x{figures['growth']:.2f}"
            for name, figures in rows.get(one.name, {}).items()
            if "growth" in figures
        ]
        if values:
            lines.append(f"{one.name} over {one.grows_from}: {', '.join(values)}")
    return lines


def show_summary(results: Mapping[str, Any], *, markdown: bool) -> str:
    """Return one table over all scenarios."""
    rows: Mapping[str, Row] = results["rows"]
    known = [one for one in SCENARIOS if rows.get(one.name)]
    groups: dict[tuple[str, ...], list[Scenario]] = {}
    for one in known:
        ordinary = one.libraries[0] == LIBRARIES[0]
        libraries = LIBRARIES if ordinary else one.libraries
        groups.setdefault(libraries, []).append(one)
    text = []
    for libraries, members in groups.items():
        table = [["CPU or memory, and how many times ours", "loop", *libraries]]
        for one in members:
            for loop in LOOPS:
                if any(name.endswith(f"/{loop}") for name in rows[one.name]):
                    table.append(cells(rows, one, loop, libraries))
        text.append(lay_out(table, markdown))
    lines = grown(rows)
    if lines:
        text.append("\n".join(["Cost of a unit of work where there is more:", *lines]))
    return "\n\n".join(text)


def lay_out(table: Sequence[Sequence[str]], markdown: bool) -> str:
    """Align columns, or separate them as Markdown does."""
    if markdown:
        head, *body = [f"| {' | '.join(line)} |" for line in table]
        return "\n".join([head, "|---" * len(table[0]) + "|", *body])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    )
