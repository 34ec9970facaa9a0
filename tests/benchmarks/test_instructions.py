"""More instructions than recorded are noticed, and nothing else is."""

from __future__ import annotations

import json

import pytest

from benchmarks.instructions import RECORD, judge, parse, ratios
from benchmarks.processes import Failed


LOG = """==7== Cachegrind, a high-precision tracing profiler
==7== Command: python -m benchmarks.rounds ours asyncio
==7==
==7== I refs:        1,234,567
"""


@pytest.mark.parametrize(
    "line", ["I refs:        1,234,567", "I   refs:      1,234,567"]
)
def test_logs_of_any_version(line: str) -> None:
    """The number is found however valgrind aligns it."""
    assert parse(LOG.replace("I refs:        1,234,567", line)) == 1234567


def test_a_log_without_a_number_is_an_error() -> None:
    """A program that was killed is not one without instructions."""
    with pytest.raises(Failed, match="reports no instructions: ==7== killed"):
        parse("==7== killed")


def test_ratios_are_to_raw_tcp_on_asyncio() -> None:
    """Both loops are compared with the same program."""
    counts = {"raw/asyncio": 28000, "ours/asyncio": 21000, "ours/uvloop": 14000}
    assert ratios(counts) == {"ours/asyncio": 0.75, "ours/uvloop": 0.5}


@pytest.mark.parametrize("counted", [0.5, 1.0, 1.05])
def test_up_to_five_per_cent_more_pass(counted: float) -> None:
    """Fewer instructions pass as well."""
    assert judge({"ours/asyncio": 1.0}, {"ours/asyncio": counted}) == []


def test_more_than_that_is_named() -> None:
    """The message has what was counted, what is recorded, and the limit."""
    counted = {"ours/asyncio": 1.0, "ours/uvloop": 0.53}
    assert judge({"ours/asyncio": 1.0, "ours/uvloop": 0.5}, counted) == [
        "ours/uvloop: 0.530 times raw TCP, 0.500 are recorded and 0.525 allowed"
    ]


def test_what_was_not_counted_is_not_judged() -> None:
    """A loop may be left out."""
    assert judge({"ours/uvloop": 0.5}, {"ours/asyncio": 9.0}) == []


def test_the_record_has_both_loops() -> None:
    """What is recorded can be compared."""
    for version, recorded in json.loads(RECORD.read_text(encoding="utf-8")).items():
        assert version.startswith("3.")
        assert set(recorded) == {"ours/asyncio", "ours/uvloop"}
        assert all(0 < value < 10 for value in recorded.values())
