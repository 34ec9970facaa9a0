"""
Print the public API of the ``websockets`` that is installed, as JSON.

``test_api.py`` runs this script with two interpreters. It needs nothing but the
standard library: python describe_api.py MODULE...
"""

from __future__ import annotations

import enum
import importlib
import inspect
import json
import re
import sys
import types
import typing


def describe_default(value):
    """Return a text for a default value that doesn't depend on version or address."""
    if inspect.isclass(value) or callable(value):
        # Where it lives is another matter.
        return getattr(value, "__name__", type(value).__name__)
    if isinstance(value, enum.IntEnum):
        return repr(int(value))  # which is equal
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    return re.sub(r"websockets/[0-9.]+", "websockets/VERSION", repr(value))


def describe_parameters(function):
    """Return name, kind and default of each parameter, or None if nobody knows."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    return [
        (
            parameter.name,
            parameter.kind.name,
            None
            if parameter.default is parameter.empty
            else describe_default(parameter.default),
        )
        for parameter in signature.parameters.values()
    ]


def describe_class(cls):
    """Return the parents, the parameters and the public members of a class."""
    members = {}
    for base in reversed(cls.__mro__):
        if base.__module__.partition(".")[0] != "websockets":
            continue
        for name, value in vars(base).items():
            if name.startswith("_"):
                continue
            # Bound to the class, so that "self" and "cls" don't differ.
            bound = inspect.getattr_static(cls, name)
            if isinstance(bound, (classmethod, staticmethod)):
                bound = bound.__func__
            # Other descriptors, too, may show the class a function.
            shown = getattr(cls, name, None)
            if inspect.isfunction(shown):
                bound = shown
            if inspect.isfunction(bound):
                members[name] = {"kind": "callable", "of": describe_parameters(bound)}
            elif inspect.isclass(value):
                members[name] = {"kind": "class"}
            else:
                members[name] = {"kind": "attribute"}
    return {
        "kind": "class",
        "of": describe_parameters(cls),
        "parents": [base.__name__ for base in cls.__mro__[1:]],
        "members": members,
        "own": [name for name in vars(cls) if name in members],
    }


def describe(value):
    """Return what callers can see of a value."""
    if inspect.isclass(value):
        return describe_class(value)
    if callable(value) and not isinstance(value, (types.GenericAlias, typing.NewType)):
        return {"kind": "callable", "of": describe_parameters(value)}
    return {"kind": "value"}


# Constants that are documented or that programs use, without being in __all__. Others
# are imported from where they belong.
CONSTANTS = {
    "websockets.asyncio.client": "MAX_REDIRECTS",
    "websockets.client": (
        "BACKOFF_FACTOR BACKOFF_INITIAL_DELAY BACKOFF_MAX_DELAY BACKOFF_MIN_DELAY"
    ),
    "websockets.frames": (
        "CONT TEXT BINARY CLOSE PING PONG CLOSE_CODE_EXPLANATIONS CTRL_OPCODES "
        "DATA_OPCODES EXTERNAL_CLOSE_CODES OK_CLOSE_CODES"
    ),
    "websockets.http11": "MAX_BODY_SIZE MAX_LINE_LENGTH MAX_NUM_HEADERS",
    "websockets.protocol": "SERVER CLIENT CONNECTING OPEN CLOSING CLOSED",
    "websockets.typing": (
        "BytesLike ConnectionOption DataLike ExtensionHeader PathLike UpgradeProtocol"
    ),
    "websockets.utils": "GUID",
    "websockets.version": "released",
}


def is_defined_in(module, name, value):
    """Tell whether a module defines a class or a function, as opposed to importing it."""
    defined = inspect.isclass(value) or inspect.isfunction(value)
    return defined and value.__module__ == module.__name__ and name[0] != "_"


def describe_module(name):
    """Return what a module exports."""
    module = importlib.import_module(name)
    names = {
        *getattr(module, "__all__", ()),
        *CONSTANTS.get(name, "").split(),
        *(
            key
            for key, value in vars(module).items()
            if is_defined_in(module, key, value)
        ),
    }
    # What isn't there is missing from the description, and thus noticed.
    found = {
        key: describe(getattr(module, key)) for key in names if hasattr(module, key)
    }
    if name == "websockets":
        # It hands on what other modules have, and what is described there.
        return {
            key: {"kind": description["kind"]} for key, description in found.items()
        }
    return found


if __name__ == "__main__":
    print(json.dumps({name: describe_module(name) for name in sys.argv[1:]}))
