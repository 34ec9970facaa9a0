"""What is printed and drawn is what was measured."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from benchmarks.chart import draw
from benchmarks.scenarios import LIBRARIES, PYTHON_ONLY, SCENARIOS, TITLES
from benchmarks.table import lay_out, number, show_scenario, show_summary

from .results import results


SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1416, "0.14"),
        (9.994, "9.99"),
        (13.26, "13.3"),
        (363.4, "363"),
        (1234567.0, "1,234,567"),
        (float("nan"), "-"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    """Three digits are shown, or all before the point."""
    assert number(value) == text


def test_a_summary_has_everybody_and_the_ratios() -> None:
    """A line has our figure, then theirs and how many times ours it is."""
    lines = show_summary(results(), markdown=True).splitlines()
    assert lines[0].endswith("| ours | picows-ws | picows | aiohttp | websockets |")
    cells = "10.0 | 20.0 x2.00 | 30.0 x3.00 | 40.0 x4.00 | 50.0 x5.00"
    assert lines[2] == f"| Round trip, 256 B, µs | asyncio | {cells} |"


def test_libraries_without_extensions_have_a_table_of_their_own() -> None:
    """They are compared with each other, not with native code."""
    summary = show_summary(results(), markdown=True)
    assert f"| loop | {' | '.join(PYTHON_ONLY)} |" in summary


def test_who_could_not_be_measured_has_a_dash() -> None:
    """A scenario without somebody is shown without a figure for it."""
    run = results()
    del run["rows"]["round-trip-256b"]["picows/asyncio"]
    line = show_summary(run, markdown=True).splitlines()[2]
    assert "| 20.0 x2.00 | - | 40.0 x4.00 |" in line


def test_figures_without_ours_have_no_ratio() -> None:
    """A run of others only shows what they need."""
    run = results()
    del run["rows"]["round-trip-256b"]["ours/asyncio"]
    line = show_summary(run, markdown=True).splitlines()[2]
    assert "| - | 20.0 | 30.0 |" in line


def test_growth_is_shown_for_everybody() -> None:
    """A line says how much more a unit of work costs at the far end of a curve."""
    summary = show_summary(results(), markdown=False)
    assert "echo-5000 over echo-50: ours/asyncio x1.25" in summary
    assert "round-trip-64mib over round-trip-1mib: ours/asyncio x1.25" in summary


def test_a_scenario_while_it_is_measured() -> None:
    """A line has CPU time, rate, latency, ratio and spread."""
    row = {
        "ours/uvloop": {"cpu": 12.5, "rate": 60000.0, "p50": 15.25, "spread": 0.04},
        "picows/uvloop": {"cpu": 15.0, "rate": 50000.0},
    }
    lines = show_scenario(SCENARIOS[0], row, 3.2).splitlines()
    assert lines[1] == "Round trip, 256 B   (round-trip-256b, 3 s)"
    words = [" ".join(line.split()) for line in lines]
    assert words[2] == "ours/uvloop 12.5 µs 60,000/s p50 15.2 µs x1.00 ±2 %"
    assert words[3] == "picows/uvloop 15.0 µs 50,000/s x1.20"


def test_columns_are_aligned() -> None:
    """Names are on the left, numbers on the right."""
    table = [["what", "loop", "ours"], ["a", "uvloop", "1.00"], ["bcd", "x", "123.5"]]
    assert lay_out(table, False).splitlines() == [
        "what  loop     ours",
        "a     uvloop   1.00",
        "bcd   x       123.5",
    ]


def picture(run) -> ElementTree.Element:
    return ElementTree.fromstring(draw(run))


def test_a_picture_has_two_bars_for_everybody_in_every_panel() -> None:
    """One is for asyncio, one for uvloop."""
    drawn = [one for one in SCENARIOS if one.drawn]
    bars = [bar.get("class") for bar in picture(results()).iter(f"{SVG}rect")]
    legend = ["ours asyncio", "ours uvloop"]
    assert bars[:2] == legend
    panels = bars[2:]
    assert len(panels) == 2 * len(LIBRARIES) * len(drawn)
    assert panels[:4] == [*legend, "other asyncio", "other uvloop"]


def test_bars_are_as_long_as_figures_are_large() -> None:
    """Within a panel, twice the cost is twice the length."""
    widths = [float(bar.get("width")) for bar in picture(results()).iter(f"{SVG}rect")]
    ours, rival, last = widths[2], widths[4], widths[10]
    assert rival == pytest.approx(2 * ours, abs=0.2)
    assert last == pytest.approx(5 * ours, abs=0.5)


def test_a_picture_says_what_was_measured_where() -> None:
    """Below it are the processor, the system and all versions, whatever their names."""
    texts = [text.text for text in picture(results()).iter(f"{SVG}text")]
    assert texts[-2:] == [
        "A <processor> & more, 2 cores used. Linux 6.1.",
        "CPython 3.13.0: this library 18.0, picows 17.4, aiohttp 17.4, "
        "websockets 17.4, uvloop 0.23.0. 2026-11-23.",
    ]
    assert {TITLES[name] for name in LIBRARIES} <= set(texts)


def test_a_picture_of_an_incomplete_run() -> None:
    """What is missing has a dash; a scenario without figures has no panel."""
    run = results()
    run["rows"] = {"round-trip-256b": {"ours/asyncio": {"cpu": 10.0}}, "echo-50": {}}
    image = picture(run)
    texts = [text.text for text in image.iter(f"{SVG}text")]
    assert texts.count("–") == 9  # noqa: RUF001
    assert "Round trip, 256 B, µs" in texts
    assert "Server: echo, 50 connections, µs" not in texts


def test_a_figure_of_nothing_is_drawn() -> None:
    """A measurement that gave zero is no reason to stop."""
    run = results()
    run["rows"] = {"round-trip-256b": {"ours/asyncio": {"cpu": 0.0}}}
    assert "0.00" in [text.text for text in picture(run).iter(f"{SVG}text")]


def test_a_picture_adapts_to_dark_pages() -> None:
    """Colours change where the page is dark; there is no background."""
    image = picture(results())
    style = image.find(f"{SVG}style")
    assert style is not None
    assert "prefers-color-scheme: dark" in (style.text or "")
