"""Medians, spreads and ratios say what was measured."""

from __future__ import annotations

import math

import pytest

from benchmarks.figures import growth, order, ratio, sample, summarize


def test_a_sample_is_per_message() -> None:
    """CPU time and latencies are in microseconds, rates in messages a second."""
    answer = {"n": 1000, "cpu": 0.014, "secs": 0.02, "p50": 16e-6, "bytes": 260000}
    assert sample(answer) == pytest.approx(
        {"cpu": 14.0, "rate": 50000.0, "p50": 16.0, "bytes": 260.0}
    )


def test_nothing_is_said_of_bytes_that_nobody_counted() -> None:
    """A load that counts no bytes leaves them out."""
    assert "bytes" not in sample({"n": 1, "cpu": 1.0, "secs": 1.0, "bytes": 0})


def test_repeats_go_back_and_forth() -> None:
    """Who was first is last the next time."""
    names = ["a", "b", "c"]
    orders = ["".join(order(names, repeat)) for repeat in range(4)]
    assert orders == ["abc", "cba", "abc", "cba"]


def test_one_bad_repeat_changes_nothing() -> None:
    """The median stands where a mean would follow what disturbed one repeat."""
    samples = [{"cpu": value, "rate": 1.0} for value in (14.0, 13.9, 90.0, 14.1, 14.0)]
    assert summarize(samples, "cpu")["cpu"] == 14.0


def test_the_spread_is_that_of_the_middle_half() -> None:
    """It is a part of the median."""
    samples = [{"cpu": value} for value in (8.0, 9.0, 10.0, 11.0, 12.0)]
    assert summarize(samples, "cpu")["spread"] == pytest.approx(0.2)


def test_a_single_measurement_has_no_spread() -> None:
    """Nothing can be said about what happened once."""
    assert summarize([{"memory": 6.0}], "memory") == {"memory": 6.0}


def test_ratios_compare_on_the_same_loop() -> None:
    """More cost than ours is above 1, a lower rate as well."""
    row = {
        "ours/asyncio": {"cpu": 10.0, "rate": 100.0},
        "ours/uvloop": {"cpu": 5.0, "rate": 200.0},
        "picows/asyncio": {"cpu": 15.0, "rate": 50.0},
        "picows/uvloop": {"cpu": 15.0, "rate": 50.0},
    }
    assert ratio(row, "cpu", "picows/asyncio") == 1.5
    assert ratio(row, "cpu", "picows/uvloop") == 3.0
    assert ratio(row, "rate", "picows/uvloop") == 4.0
    assert ratio(row, "cpu", "ours/uvloop") == 1.0


def test_a_ratio_to_nothing_is_no_number() -> None:
    """A cost of zero was not measured."""
    row = {"ours/asyncio": {"cpu": 0.0}, "picows/asyncio": {"cpu": 1.0}}
    assert math.isnan(ratio(row, "cpu", "picows/asyncio"))


def test_growth_is_per_unit_of_work() -> None:
    """64 times the bytes for 64 times the cost is no growth."""
    around = [{"cpu": 9.0}, {"cpu": 11.0}]
    assert growth({"cpu": 704.0}, around, 64.0) == pytest.approx(1.1)
