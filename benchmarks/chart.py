"""
Figures as a picture: one panel for each scenario, two bars for each library.

Owns: the SVG. Doesn't know: where figures come from.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from .figures import Row
from .scenarios import LIBRARIES, LOOPS, SCENARIOS, TITLES, Scenario
from .table import number


#: Panels in a row, and what everything measures, in pixels.
ACROSS = 3
WIDTH, MARGIN, GAP = 960, 20, 24
HEAD, FOOT = 74, 62
TITLE, ROW, BAR = 22, 23, 9
NAMES, VALUES = 110, 46

PANEL = (WIDTH - 2 * MARGIN - (ACROSS - 1) * GAP) // ACROSS
HEIGHT = TITLE + ROW * len(LIBRARIES) + 18

# Without a background of its own, on whatever page it is.
STYLE = """
text { font: 11px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
.title { font-size: 17px; font-weight: 600; }
.scenario { font-size: 12px; font-weight: 600; }
.value { font-size: 9.5px; }
.name, .note { fill: #59636e; }
.ours { fill: #0969da; }
.other { fill: #8c959f; }
.uvloop { opacity: 0.6; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .name, .note { fill: #9198a1; }
  .ours { fill: #4493f8; }
  .other { fill: #656c76; }
}
"""


def text(x: float, y: float, content: str, kind: str, anchor: str = "start") -> str:
    """Return a line of text."""
    escaped = html.escape(content)
    where = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}"'
    return f'<text {where} class="{kind}">{escaped}</text>'


def bar(x: float, y: float, width: float, kind: str) -> str:
    """Return a bar; one that measured something can be seen."""
    size = f'width="{max(1.0, width):.1f}" height="{BAR}" rx="1.5"'
    return f'<rect x="{x:g}" y="{y:g}" {size} class="{kind}"/>'


def panel(x: float, y: float, scenario: Scenario, row: Row) -> list[str]:
    """Return the picture of one scenario."""
    main = "memory" if scenario.method == "memory" else "cpu"
    longest = max(figures[main] for figures in row.values())
    room = PANEL - NAMES - VALUES
    result = [text(x, y + 12, f"{scenario.title}, {scenario.unit}", "scenario")]
    for line, library in enumerate(LIBRARIES):
        top = y + TITLE + line * ROW
        kind = "ours" if library == LIBRARIES[0] else "other"
        result.append(text(x, top + BAR + 4, TITLES[library], "name"))
        for index, loop in enumerate(LOOPS):
            figures = row.get(f"{library}/{loop}")
            place = top + index * (BAR + 1)
            if figures is None:
                result.append(text(x + NAMES, place + BAR - 1, "–", "value"))  # noqa: RUF001
                continue
            width = max(0.0, figures[main]) / longest * room if longest > 0 else 0.0
            result.append(bar(x + NAMES, place, width, f"{kind} {loop}"))
            value = number(figures[main])
            result.append(text(x + NAMES + width + 5, place + BAR - 1, value, "value"))
    return result


def versions(about: Mapping[str, Any]) -> list[str]:
    """Return the lines below the picture."""
    libraries: Mapping[str, Mapping[str, str]] = about["libraries"]
    found: dict[str, str] = {}
    for column, facts in libraries.items():
        library = column.partition("/")[0]
        if library in LIBRARIES:
            found[short(library)] = facts["version"]
    names = [name for name in map(short, LIBRARIES) if name in found]
    texts = [f"{name} {found[name]}" for name in dict.fromkeys(names)]
    pythons = sorted({facts["python"] for facts in libraries.values()})
    uvloops = sorted({facts["uvloop"] for facts in libraries.values()} - {""})
    if uvloops:
        texts.append(f"uvloop {', '.join(uvloops)}")
    return [
        f"{about['cpu']}, {about['cores']} cores used. {about['system']}.",
        f"{', '.join(pythons)}: {', '.join(texts)}. {about['date']}.",
    ]


def short(library: str) -> str:
    """Return the name of a library, whichever way it is called."""
    return TITLES[library].partition(",")[0]


def draw(results: Mapping[str, Any]) -> str:
    """Return the picture of a run."""
    rows: Mapping[str, Row] = results["rows"]
    shown = [one for one in SCENARIOS if one.drawn and rows.get(one.name)]
    lines = -(-len(shown) // ACROSS)
    height = HEAD + lines * HEIGHT + FOOT
    subtitle = (
        "CPU time per message, user and system, of the measured process, and memory"
        " per connection. Less is better."
    )
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{html.escape(subtitle)}</title>",
        f"<style>{STYLE}</style>",
        text(MARGIN, 26, "What a message costs", "title"),
        text(MARGIN, 46, subtitle, "note"),
    ]
    x = WIDTH - MARGIN - 130
    for index, loop in enumerate(LOOPS):
        parts.append(bar(x, 18 + index * 16, 24, f"ours {loop}"))
        parts.append(text(x + 32, 26 + index * 16, f"on {loop}", "note"))
    for index, scenario in enumerate(shown):
        left = MARGIN + index % ACROSS * (PANEL + GAP)
        top = HEAD + index // ACROSS * HEIGHT
        parts += panel(left, top, scenario, rows[scenario.name])
    bottom = HEAD + lines * HEIGHT + 20
    for index, line in enumerate(versions(results["about"])):
        parts.append(text(MARGIN, bottom + index * 17, line, "note"))
    return "\n".join([*parts, "</svg>"]) + "\n"
