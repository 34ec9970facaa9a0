"""
A program that makes round trips and ends: what ``instructions`` counts.

    python -m benchmarks.rounds LAYOUT LIBRARY LOOP URL SIZE COUNT

Owns: where its objects are in memory. Doesn't know: what it is run under.
"""

from __future__ import annotations

import os
import sys


def main(layout: int, library: str, loop: str, url: str, size: int, count: int) -> None:
    """Make round trips, then end without the work of an orderly end."""
    kept = [f"number {number}" for number in range(layout)]
    # Not before: what these modules make comes behind that in memory.
    import asyncio

    from .adapters import adapter_of, loop_factory

    async def talk() -> None:
        await adapter_of(library).rounds(url, bytes(size), count)
        assert len(kept) == layout  # they are still there
        os._exit(0)

    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        runner.run(talk())


if __name__ == "__main__":
    main(
        int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], *map(int, sys.argv[5:])
    )
