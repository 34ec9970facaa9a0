"""The command lines of the programs in ``peers/``.

A program that lacks something skips the test.
"""

from __future__ import annotations

import importlib.util
import pathlib
import subprocess
import sys

from tests.daemons import missing, program


PEERS = pathlib.Path(__file__).parent / "peers"


def python_peer(script: str, module: str, distribution: str) -> list[str]:
    """Return the command line of a peer that needs a Python package."""
    if importlib.util.find_spec(module) is None:
        missing(distribution)
    return [sys.executable, str(PEERS / script)]


def node_peer(script: str) -> list[str]:
    """Return the command line of a peer that needs Node and ``ws``."""
    node = program("node", "nodejs")
    if subprocess.run([node, "-e", "require('ws')"], capture_output=True).returncode:
        missing("Node's package ws (in a folder of NODE_PATH)")
    return [node, str(PEERS / script)]
