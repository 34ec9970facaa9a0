"""The codec's engine: masking, UTF-8, frames to bytes, bytes to frames.

Owns: the choice between the native code and its Python twin. Nothing else in
the library knows that there are two.
Doesn't know: time, sockets, what a frame means.

The choice is made once, at import: the native code when the extension
``websockets.speedups`` is installed and loads, the twin when it isn't, or when
the environment variable ``WEBSOCKETS_NO_SPEEDUPS`` is set to anything but the
empty string.
"""

from __future__ import annotations

import os

from .heads import (
    accept_key,
    find_upgrade,
    http_date,
    read_request,
    read_response,
)
from .keys import mask_key
from .mask import apply_mask
from .message import Message
from .reader import FrameReader
from .utf8 import Utf8Validator
from .writer import serialize_frame, serialize_in_pieces


__all__ = [
    "NATIVE",
    "FrameReader",
    "Message",
    "Utf8Validator",
    "accept_key",
    "apply_mask",
    "find_upgrade",
    "http_date",
    "mask_key",
    "read_request",
    "read_response",
    "serialize_frame",
    "serialize_in_pieces",
]


def native_names() -> dict[str, object]:
    """Return what the extension has instead of names of the twin; nothing without it."""
    if os.environ.get("WEBSOCKETS_NO_SPEEDUPS"):
        return {}
    try:
        from ..speedups import (
            FrameReader,
            Message,
            Utf8Validator,
            accept_key,
            apply_mask,
            find_upgrade,
            http_date,
            mask_key,
            read_request,
            read_response,
            serialize_frame,
            serialize_in_pieces,
        )
    except ImportError:
        # No compiler when it was installed, PyPy, or built for another version.
        return {}
    return {
        "FrameReader": FrameReader,
        "Message": Message,
        "Utf8Validator": Utf8Validator,
        "accept_key": accept_key,
        "apply_mask": apply_mask,
        "find_upgrade": find_upgrade,
        "http_date": http_date,
        "mask_key": mask_key,
        "read_request": read_request,
        "read_response": read_response,
        "serialize_frame": serialize_frame,
        "serialize_in_pieces": serialize_in_pieces,
    }


# Type checkers see the twin: both have the same attributes.
globals().update(native_names())

NATIVE = FrameReader.__module__ == "websockets.speedups"
