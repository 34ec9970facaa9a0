"""The codec's engine: masking, UTF-8, frames to bytes, bytes to frames.

Owns: the choice between the native code and its Python twin. Nothing else in
the library knows that there are two.
Doesn't know: time, sockets, what a frame means.

The choice is made once, at import: the native code when the extension
``websockets.speedups`` is installed and loads, the twin when it isn't, or when
the environment variable ``WEBSOCKETS_NO_SPEEDUPS`` is set to anything but the
empty string.

The modules of this package take from here what may be native, so the choice
stands above their imports.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .mask import apply_mask as python_apply_mask


if TYPE_CHECKING:
    from collections.abc import Callable

    from ..typing import BytesLike


__all__ = [
    "NATIVE",
    "FrameReader",
    "Message",
    "Utf8Validator",
    "apply_mask",
    "serialize_frame",
    "serialize_in_pieces",
]


def native_apply_mask() -> Callable[[BytesLike, BytesLike], bytes] | None:
    """Return the extension's ``apply_mask``, or None when the twin has to serve."""
    if os.environ.get("WEBSOCKETS_NO_SPEEDUPS"):
        return None
    try:
        from ..speedups import apply_mask
    except ImportError:
        # No compiler when it was installed, PyPy, or built for another Python.
        return None
    return apply_mask


apply_mask = native_apply_mask() or python_apply_mask

NATIVE = apply_mask is not python_apply_mask

from .message import Message  # noqa: E402 - takes Utf8Validator
from .reader import FrameReader  # noqa: E402 - takes apply_mask from here
from .utf8 import Utf8Validator  # noqa: E402 - keeps the group together
from .writer import (  # noqa: E402 - takes apply_mask from here
    serialize_frame,
    serialize_in_pieces,
)
