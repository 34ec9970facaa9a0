"""
From repeated measurements to figures: medians, spreads, ratios.

Owns: statistics. Doesn't know: how anything is measured or shown.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


#: What one measurement gave, such as ``{"cpu": 13.2, "rate": 61000.0, "p50": 15.9}``.
Sample = Mapping[str, float]

#: By column, such as ``ours/asyncio``: medians of each figure, and ``spread``.
Row = dict[str, dict[str, float]]


def sample(answer: Mapping[str, Any]) -> dict[str, float]:
    """Turn seconds for ``n`` messages into microseconds for each, and messages a second."""
    count = answer["n"]
    result = {"cpu": answer["cpu"] / count * 1e6, "rate": count / answer["secs"]}
    for name in ("p50", "p99"):
        if name in answer:
            result[name] = answer[name] * 1e6
    if answer.get("bytes"):
        result["bytes"] = answer["bytes"] / count
    return result


def order(columns: Sequence[str], repeat: int) -> list[str]:
    """
    Return who comes when: A B C, then C B A, and so on.

    What drifts while a scenario runs, a clock rate for one, then hits all alike.
    """
    return list(columns) if repeat % 2 == 0 else list(reversed(columns))


def summarize(samples: Sequence[Sample], main: str) -> dict[str, float]:
    """
    Return the median of each figure, and how far the main one was spread.

    The spread is the half of the samples in the middle, as a part of the median.
    """
    result = {
        name: statistics.median(one[name] for one in samples) for name in samples[0]
    }
    values = [one[main] for one in samples]
    if len(values) > 1 and result[main]:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        result["spread"] = (high - low) / result[main]
    return result


def ratio(row: Mapping[str, Mapping[str, float]], figure: str, column: str) -> float:
    """
    Return how many times as much a column costs as this library does on the same loop.

    The first column of that loop stands for this library.
    """
    loop = column.partition("/")[2]
    base = next(name for name in row if name.partition("/")[2] == loop)
    if not row[base][figure]:
        return float("nan")
    value = row[column][figure] / row[base][figure]
    return 1 / value if figure == "rate" and value else value


def growth(large: Sample, small: Sequence[Sample], factor: float) -> float:
    """
    Return how much more a unit of work costs where there is more of it.

    ``small`` are measurements around that of ``large``, and ``factor`` is by how much
    the work for one message is larger.
    """
    return large["cpu"] / statistics.mean(one["cpu"] for one in small) / factor


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Return all columns in the order in which they come first."""
    seen: dict[str, None] = {}
    for row in rows:
        seen.update(dict.fromkeys(row))
    return list(seen)
