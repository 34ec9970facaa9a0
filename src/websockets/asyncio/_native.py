"""What the asyncio face has of native code.

Owns: the choice between that and what asyncio offers.
Doesn't know: what is done with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._codec import NATIVE


if TYPE_CHECKING:
    from ..speedups import Poller, SocketTransport


__all__ = ["native_transports"]


def native_transports() -> tuple[type[SocketTransport], type[Poller]] | None:
    """Return the types of transports that do their own input and output, if there are."""
    if not NATIVE:
        return None
    try:
        from ..speedups import load_transports
    except ImportError:  # on Windows
        return None
    return load_transports()
