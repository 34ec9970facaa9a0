"""
A program that makes round trips and ends: what ``instructions`` counts.

    python -m benchmarks.rounds LIBRARY LOOP URL SIZE COUNT

Owns: nothing. Doesn't know: what it is run under.
"""

from __future__ import annotations

import asyncio
import os
import sys

from .adapters import adapter_of, loop_factory


async def main(library: str, url: str, size: int, count: int) -> None:
    """Make round trips, then end without the work of an orderly end."""
    await adapter_of(library).rounds(url, bytes(size), count)
    os._exit(0)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory(sys.argv[2])) as runner:
        runner.run(main(sys.argv[1], sys.argv[3], *map(int, sys.argv[4:])))
