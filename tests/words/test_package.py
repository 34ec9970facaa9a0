"""What ``import websockets`` gives, and when it is loaded."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import websockets
from websockets import exceptions, protocol
from websockets._aliases import deprecated_aliases
from websockets.version import commit, released, tag, version


def run(code):
    """Run code in a new interpreter, where nothing is loaded yet."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys, websockets\n{code}"],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(websockets.__file__).parents[1])},
        text=True,
    ).stdout.strip()


def fresh(module, name):
    """Forget that an old name was used, so that using it warns again."""
    vars(module).pop(name, None)


def test_version():
    """The version is 18.0, and says so in every form."""
    assert websockets.__version__ == version == tag == commit == "18.0"
    assert released is True
    assert websockets.__version__ >= "17.0"


def test_import_loads_little():
    """Importing the package loads neither asyncio nor its own submodules."""
    assert run(
        "print('asyncio' in sys.modules, 'websockets.protocol' in sys.modules)"
    ) == ("False False")


def test_names_load_what_they_need():
    """Using a name loads the module that has it, and what that one needs."""
    code = "print(websockets.Headers({'A': 'b'}), 'websockets.uri' in sys.modules)"
    assert run(code).split() == ["A:", "b", "False"]


@pytest.mark.parametrize(
    "name",
    [
        "exceptions.ProtocolError",
        "uri.parse_uri",
        "extensions.base.Extension",
        "typing.Data",
    ],
)
def test_submodules_are_reachable(name):
    """After importing the package only, its submodules can be used."""
    assert run(f"print(websockets.{name} is not None)") == "True"


@pytest.mark.parametrize("face", ["asyncio.client.connect", "asyncio.server.serve"])
def test_faces_are_reachable(face):
    """After importing the package only, the modules of a face can be used."""
    assert run(f"print(websockets.{face} is not None)") == "True"


@pytest.mark.parametrize(
    ("package", "name"), [(websockets, "asyncio"), (websockets.asyncio, "client")]
)
def test_submodules_are_found_again(package, name, monkeypatch):
    """A module that was imported before its package knew is found all the same."""
    module = importlib.import_module(f"{package.__name__}.{name}")
    monkeypatch.delattr(package, name)
    assert getattr(package, name) is module


def test_modules_of_a_face():
    """A face has modules; another name is an AttributeError that names it."""
    assert {"client", "connection", "server"} <= set(dir(websockets.asyncio))
    with pytest.raises(AttributeError) as raised:
        _ = websockets.asyncio.nope
    assert str(raised.value) == "module 'websockets.asyncio' has no attribute 'nope'"


def test_typing_is_ours():
    """The submodule typing isn't the standard library's."""
    assert run("print(websockets.typing.__name__)") == "websockets.typing"


def test_replaced_names_are_seen(monkeypatch):
    """Replacing a name in its module replaces it at the top, too."""
    assert websockets.ProtocolError is exceptions.ProtocolError
    monkeypatch.setattr(exceptions, "ProtocolError", ValueError)
    assert websockets.ProtocolError is ValueError


def test_dir():
    """dir() has what can be used, loaded or not, and no old names."""
    names = dir(websockets)
    assert {*websockets.__all__, "exceptions", "__version__"} <= set(names)
    assert names == sorted(set(names))
    assert run("print('WebSocketServer' in dir(websockets))") == "False"


def test_star_import():
    """Everything in __all__ can be imported, without a warning."""
    namespace = {}
    exec("from websockets import *", namespace)
    assert set(websockets.__all__) <= set(namespace)


def test_type_checkers_see_the_same_names():
    """The imports for type checkers are those that happen at run time."""
    tree = ast.parse(Path(websockets.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        f".{statement.module or ''}": {alias.name for alias in statement.names}
        for statement in block.body
        if statement.module is not None
    }
    submodules = {
        alias.asname
        for statement in block.body
        if statement.module is None
        for alias in statement.names
    }
    made = {}
    for name, module in websockets._EXPORTS.items():
        made.setdefault(module, set()).add(name)
    assert seen == made
    assert set().union(*made.values()) == set(websockets.__all__)
    assert submodules == websockets._SUBMODULES


def test_unknown_name():
    """A name that never existed is an AttributeError that names it."""
    with pytest.raises(AttributeError) as raised:
        _ = websockets.Nope
    assert str(raised.value) == "module 'websockets' has no attribute 'Nope'"


@pytest.mark.parametrize(
    ("name", "home", "new"),
    [
        ("AbortHandshake", "exceptions", "InvalidHandshake"),
        ("BasicAuthWebSocketServerProtocol", "asyncio.server", "ServerConnection"),
        ("InvalidStatusCode", "exceptions", "InvalidStatus"),
        ("RedirectHandshake", "exceptions", "InvalidHandshake"),
        ("WebSocketClientProtocol", "asyncio.client", "ClientConnection"),
        ("WebSocketCommonProtocol", "asyncio.connection", "Connection"),
        ("WebSocketProtocolError", "exceptions", "ProtocolError"),
        ("WebSocketServer", "asyncio.server", "Server"),
        ("WebSocketServerProtocol", "asyncio.server", "ServerConnection"),
        ("basic_auth_protocol_factory", "asyncio.server", "basic_auth"),
    ],
)
def test_old_names(name, home, new):
    """An old name stands for the closest new one, and warns once, where it is used."""
    fresh(websockets, name)
    expected = getattr(importlib.import_module(f"websockets.{home}"), new)
    with pytest.warns(DeprecationWarning, match=name) as w:
        values = [getattr(websockets, name), getattr(websockets, name)]
    assert values == [expected, expected]
    (warning,) = w
    assert str(warning.message) == f"websockets.{name} is deprecated"
    assert warning.filename == __file__


def test_importing_old_names():
    """``from websockets import`` of an old name warns once, where it is."""
    fresh(websockets, "WebSocketProtocolError")
    with pytest.warns(DeprecationWarning, match="WebSocketProtocolError") as w:
        exec(
            compile("from websockets import WebSocketProtocolError", "here.py", "exec"),
            {},
        )
    (warning,) = w
    assert warning.filename == "here.py"


def test_old_names_as_errors():
    """Where warnings are errors, an old name keeps failing."""
    fresh(websockets, "WebSocketProtocolError")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            with pytest.raises(DeprecationWarning):
                _ = websockets.WebSocketProtocolError


def test_aliases_are_imported_when_used():
    """An alias for something that doesn't exist fails when it is used, not before."""
    lookup = deprecated_aliases("websockets.uri", {"Old": ".nope:New"})
    with (
        pytest.warns(DeprecationWarning, match=r"^websockets\.uri\.Old is deprecated$"),
        pytest.raises(ModuleNotFoundError),
    ):
        lookup("Old")


def imported_again(name):
    """Import a deprecated module as if for the first time; return it and warnings."""
    sys.modules.pop(name, None)
    with warnings.catch_warnings(record=True) as w:
        warnings.simplefilter("always")
        module = importlib.import_module(name)
    return module, [str(x.message) for x in w if x.category is DeprecationWarning]


def test_connection_module():
    """websockets.connection has the old names of the protocol, and warns once."""
    module, texts = imported_again("websockets.connection")
    assert texts == [
        "websockets.connection was renamed to websockets.protocol "
        "and Connection was renamed to Protocol"
    ]
    assert module.Connection is protocol.Protocol
    assert (module.Side, module.State) == (protocol.Side, protocol.State)
    assert module.SEND_EOF == b""


def test_auth_module():
    """websockets.auth has the old names of authentication, and warns once."""
    module, texts = imported_again("websockets.auth")
    assert texts == [
        "websockets.auth is deprecated; use basic_auth() of websockets.asyncio.server"
    ]
    assert module.basic_auth_protocol_factory is websockets.basic_auth
    assert module.BasicAuthWebSocketServerProtocol is websockets.ServerConnection
