"""
Old names that still work, with a warning (layer 0).

Owns: one :exc:`DeprecationWarning` per old name, reported where the name is used.
Doesn't know: which names are old; the module they belonged to says so.
"""

from __future__ import annotations

import importlib
import sys
import typing
import warnings
from collections.abc import Callable, Mapping


def deprecated_aliases(
    module: str,
    aliases: Mapping[str, str],
) -> Callable[..., typing.Any]:
    """
    Return the ``__getattr__`` function of a module that has old names.

    The first use of an old name warns. Then it becomes an attribute of the module:
    ``from module import name`` looks names up twice, and must not warn twice.

    Args:
        module: ``__name__`` of the module.
        aliases: old names and what they stand for, as ``"module:name"``, where
            ``module`` is relative to the package, like ``".protocol"``. It is
            imported when the old name is used.

    A module whose own ``__getattr__`` calls the function adds a ``stacklevel`` of 3,
    for the warning to point to where the name is used.
    """

    def __getattr__(name: str, stacklevel: int = 2) -> typing.Any:
        if name not in aliases:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        text = f"{module}.{name} is deprecated"
        warnings.warn(text, DeprecationWarning, stacklevel)
        home, _, target = aliases[name].partition(":")
        value = getattr(importlib.import_module(home, __package__), target)
        setattr(sys.modules[module], name, value)
        return value

    return __getattr__
