"""A run measures what was asked for, with everybody who can."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchmarks.__main__ import arguments, chosen, columns, measure
from benchmarks.measure import floods_of
from benchmarks.processes import Failed, Impossible, core_numbers
from benchmarks.scenarios import LIBRARIES, SCENARIOS, TITLES, Scenario


ONE = Scenario("one", "One", "round_trips", {"size": 1})


def test_names_are_unique() -> None:
    """A name stands for one scenario."""
    names = [one.name for one in SCENARIOS]
    assert len(set(names)) == len(names)


def test_every_library_has_a_title() -> None:
    """Whoever is measured can be shown."""
    assert {name for one in SCENARIOS for name in one.libraries} == set(TITLES)


def test_curves_begin_at_scenarios_with_the_same_libraries() -> None:
    """What grows is compared with what it grows from."""
    scenarios = {one.name: one for one in SCENARIOS}
    for one in SCENARIOS:
        if one.grows_from:
            base = scenarios[one.grows_from]
            assert set(one.libraries) <= set(base.libraries)
            assert one.method == base.method


def test_all_is_measured_unless_something_else_is_asked_for() -> None:
    """A run without arguments is complete."""
    assert chosen(arguments([])) == list(SCENARIOS)


def test_quick_leaves_the_longest_out() -> None:
    """They can still be asked for by name."""
    quick = chosen(arguments(["--quick"]))
    assert quick
    assert not any(one.long for one in quick)
    (long,) = chosen(arguments(["--quick", "--only", "^echo-5000$"]))
    assert long.long


def test_no_such_scenario() -> None:
    """A typing error isn't an empty run."""
    with pytest.raises(SystemExit, match="no scenario has a name like nonsense"):
        chosen(arguments(["--only", "nonsense"]))


def test_columns_are_libraries_on_loops() -> None:
    """The order is that of the table, whatever the order of the arguments."""
    options = arguments(["--libraries", "picows,ours", "--loops", "asyncio,uvloop"])
    assert columns(ONE, options) == [
        *("ours/asyncio", "ours/uvloop"),
        *("picows/asyncio", "picows/uvloop"),
    ]
    assert len(columns(ONE, arguments([]))) == 2 * len(LIBRARIES)


class Measurement:
    """Stands for the processes: answers with numbers, or fails as told."""

    def __init__(self, **errors: Exception) -> None:
        self.errors = errors
        self.calls: list[str] = []
        self.dropped: list[str] = []
        self.laboratory = SimpleNamespace(drop=self.dropped.append)

    def run(self, scenario: Scenario, column: str) -> dict[str, float]:
        self.calls.append(column)
        if column in self.errors:
            raise self.errors[column]
        return {"cpu": float(len(self.calls)), "memory": 6.0}


def test_the_first_round_only_warms_up() -> None:
    """Its figures are thrown away; then everybody is measured in turn, to and fro."""
    measurement = Measurement()
    row, absent = measure(measurement, ONE, ["a", "b"], 3)
    assert "".join(measurement.calls) == "ba" + "ab" + "ba" + "ab"
    assert row["a"]["cpu"] == 6.0
    assert row["b"]["cpu"] == 5.0
    assert not absent


def test_a_curve_is_measured_at_both_ends() -> None:
    """What a scenario grows from is measured before and after it, every time."""
    measurement = Measurement()
    (end,) = (one for one in SCENARIOS if one.name == "echo-5000")
    row, _ = measure(measurement, end, ["a"], 3)
    # Numbers 1 to 9: each second one of three is that of the scenario.
    assert measurement.calls == ["a"] * 9
    assert row["a"]["cpu"] == 5.0
    assert row["a"]["growth"] == 1.0


def test_a_scenario_can_limit_its_repeats() -> None:
    """A fresh process is measured once, and needs no warming."""
    measurement = Measurement()
    once = Scenario("once", "Once", "memory", repeats=1)
    row, _ = measure(measurement, once, ["a"], 7)
    assert measurement.calls == ["a"]
    assert row == {"a": {"cpu": 1.0, "memory": 6.0}}


def test_what_cannot_be_measured_is_said_once() -> None:
    """Others go on; a process that failed is not used again."""
    measurement = Measurement(a=Impossible("no TLS here"), b=Failed("it crashed"))
    row, absent = measure(measurement, ONE, ["a", "b", "c"], 2)
    assert absent == {"a": "no TLS here", "b": "it crashed"}
    assert list(row) == ["c"]
    assert measurement.calls.count("a") == measurement.calls.count("b") == 1
    assert measurement.dropped == ["b"]


def test_floods_are_prepared_once() -> None:
    """The peer has a file for every size, compressed or not."""
    assert floods_of(SCENARIOS) == [(64, False), (1024, True), (65536, False)]


@pytest.mark.parametrize(
    ("text", "numbers"), [("0\n", {0}), ("0,4\n", {0, 4}), ("2-4,9", {2, 3, 4, 9})]
)
def test_lists_of_cores(text: str, numbers: set[int]) -> None:
    """The kernel's lists have numbers and ranges."""
    assert core_numbers(text) == numbers
