"""The native code and its Python twin, for tests that hold for both."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest


try:
    from websockets import speedups
except ImportError:
    speedups = None

# Where the twin of each name is.
MODULES = {
    "FrameReader": "reader",
    "Message": "message",
    "Utf8Validator": "utf8",
    "accept_key": "heads",
    "apply_mask": "mask",
    "find_upgrade": "heads",
    "http_date": "heads",
    "mask_key": "keys",
    "read_request": "heads",
    "read_response": "heads",
    "serialize_frame": "writer",
    "serialize_in_pieces": "writer",
}


def twin(name: str) -> Any:
    """Return what Python without native code has under a name."""
    module = importlib.import_module(f"websockets._codec.{MODULES[name]}")
    return getattr(module, name)


def native(name: str) -> Any:
    """Return what the extension has under a name; skip the test without it."""
    if speedups is None:
        pytest.skip("no native code here")
    return getattr(speedups, name)


def each_implementation(*names: str) -> Any:
    """
    Return a fixture that runs the tests of a module with either implementation.

    They use the given names as globals of their module.
    """

    @pytest.fixture(params=[twin, native], scope="module", autouse=True)
    def implementation(request: pytest.FixtureRequest) -> Iterator[None]:
        kept = {name: getattr(request.module, name) for name in names}
        for name in names:
            setattr(request.module, name, request.param(name))
        yield
        for name, value in kept.items():
            setattr(request.module, name, value)

    return implementation


def footprint(reader: Any) -> int:
    """Return the size of a frame reader, with the bytes that it holds."""
    held = [x for x in gc.get_referents(reader) if isinstance(x, (bytes, bytearray))]
    return sys.getsizeof(reader) + sum(map(sys.getsizeof, held))
