"""The architecture of docs/design.md, as far as imports and file sizes show it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
SOURCES = sorted(SRC.rglob("*.py"))

LAYERS = [
    {
        "typing",
        "exceptions",
        "datastructures",
        "uri",
        "headers",
        "_aliases",
        "_secrets",
    },
    {"_codec", "frames", "http11", "streams", "utils", "extensions"},
    {
        "protocol",
        "client",
        "server",
        "_ending",
        "_handshake",
        "_messages",
        "_negotiation",
        "_sending",
        "_states",
    },
    {"_session", "_opening", "proxy"},
    {"asyncio", "sync", "trio"},
    {"legacy"},
]
FACES = LAYERS[4]
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}
# They hand names on and stand above all layers; version is a value.
ABOVE = {"", "__main__", "cli", "auth", "connection", "version"}
# Who chooses between native code and something else.
CHOOSERS = {"websockets._codec", "websockets.asyncio._native"}
WAITING = {"asyncio", "threading", "trio", "socket", "ssl", "time", "select"}


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Yield the dotted names that a module of ``package`` imports at run time."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: 1 - node.level or None]
            base = ".".join(parents if node.level else []) or ""
            base = ".".join(filter(None, [base, node.module]))
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
            continue  # old names are found when they are asked for
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue  # never runs
        else:
            yield from imports(node, package)


def violations(module: str, text: str, is_package: bool = False) -> list[str]:
    """Return what a module imports against the rules."""
    package = module if is_package else module.rpartition(".")[0]
    parts = (module + ".").split(".")
    level = LEVELS.get(parts[1])
    found = []
    for name in imports(ast.parse(text), package):
        root, target, *_ = [*name.split("."), "", ""]
        if root != "websockets":
            if root in WAITING and level is not None and level < 4:
                found.append(f"{module} imports {name}: layer {level} never waits")
        elif target == "speedups":
            if module not in CHOOSERS:
                found.append(f"{module} imports {name}: it isn't a chooser")
        elif level is not None and target not in {parts[1], "version"}:
            # A name that is no module stands in websockets/__init__, above all.
            if LEVELS.get(target, len(LAYERS)) > level:
                found.append(f"{module} imports {name}: upward")
            elif target in FACES and level == 4:
                found.append(f"{module} imports {name}: sideways")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SRC)))
def test_imports_go_downward_only(path):
    """A module imports from its own layer or a lower one, and waits only in a face."""
    module = ".".join(path.relative_to(SRC).with_suffix("").parts)
    is_package = path.name == "__init__.py"
    module = module.removesuffix(".__init__")
    top = (module + ".").split(".")[1]
    assert top in LEVELS or top in ABOVE, f"{module} belongs to no layer"
    assert violations(module, path.read_text("utf-8"), is_package) == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("websockets.uri", "from .protocol import Side"),
        ("websockets.uri", "from websockets.protocol import Side"),
        ("websockets.uri", "from . import protocol"),
        ("websockets.uri", "from . import connect"),
        ("websockets.protocol", "import websockets.asyncio.client"),
        ("websockets.protocol", "def f():\n import time"),
        ("websockets.protocol", "from asyncio import Lock"),
        ("websockets._session.session", "from ..asyncio import client"),
        ("websockets._session.session", "try:\n from time import time\nfinally: f()"),
        ("websockets.asyncio.client", "from ..sync.client import connect"),
        ("websockets.asyncio.client", "from ..speedups import apply_mask"),
        ("websockets.uri", "if x:\n import ssl"),
    ],
)
def test_a_forbidden_import_is_found(module, text):
    """The rules above see every form of import that breaks them."""
    assert len(violations(module, text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("websockets.protocol", "from .frames import Frame"),
        ("websockets.protocol", "def __getattr__(name):\n from .asyncio import x"),
        ("websockets.protocol", "if TYPE_CHECKING:\n import ssl"),
        ("websockets.http11", "from .version import version"),
        ("websockets._session.session", "from .inbox import Inbox"),
        ("websockets._session.session", "from ..protocol import Protocol"),
        ("websockets.asyncio.client", "import asyncio\nfrom .connection import C"),
        ("websockets.legacy.client", "from ..asyncio.client import connect"),
    ],
)
def test_a_legal_import_passes(module, text):
    """The rules above allow what docs/design.md allows."""
    assert violations(module, text) == []


@pytest.mark.parametrize(
    "path",
    sorted([*SOURCES, *ROOT.glob("native/*.[ch]")]),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_file_has_one_subject(path):
    """No file of the library is longer than 500 lines."""
    lines = path.read_text("utf-8").count("\n")
    assert lines <= 500


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SRC)))
def test_an_exclusion_states_its_reason(path):
    """Whatever coverage or a checker is told to ignore has its reason on the line."""
    marks = r"# (pragma: no (cover|branch)|type: ignore\[[\w, -]+\]|noqa: [\w, ]+)(.*)"
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if "pragma:" in line or "type: ignore" in line or "noqa" in line:
            match = re.search(marks, line)
            assert match is not None, f"{path.name}:{number}: no code"
            assert len(match[3].strip(" -#:")) > 3, f"{path.name}:{number}: no reason"
