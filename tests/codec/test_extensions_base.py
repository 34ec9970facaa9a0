"""The classes that extensions are built on."""

from __future__ import annotations

import pytest

from websockets import extensions
from websockets.extensions import base
from websockets.frames import Frame, Opcode


FRAME = Frame(Opcode.TEXT, b"")


@pytest.mark.parametrize(
    "call",
    [
        lambda: base.Extension().decode(FRAME),
        lambda: base.Extension().decode(FRAME, max_size=1),
        lambda: base.Extension().encode(FRAME),
        lambda: base.ClientExtensionFactory().get_request_params(),
        lambda: base.ClientExtensionFactory().process_response_params([], []),
        lambda: base.ServerExtensionFactory().process_request_params([], []),
    ],
)
def test_methods_must_be_written(call):
    """A subclass that leaves out a method learns it when it's called."""
    with pytest.raises(NotImplementedError):
        call()


def test_names():
    """The package offers what its module defines."""
    assert extensions.__all__ == base.__all__
    for name in base.__all__:
        assert getattr(extensions, name) is getattr(base, name)
