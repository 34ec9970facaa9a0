"""
The public API has everything that 17.4 has: names, parameters, kinds and defaults.

17.4 is installed in an environment of its own, in the folder that the environment
variable WEBSOCKETS_TESTS_CACHE names, or else in .cache.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import websockets


COMPARED = "17.4"

ROOT = Path(__file__).parents[1]
SCRIPT = Path(__file__).with_name("describe_api.py")

MODULES = [
    "websockets",
    "websockets.asyncio.client",
    "websockets.asyncio.connection",
    "websockets.asyncio.server",
    "websockets.client",
    "websockets.datastructures",
    "websockets.exceptions",
    "websockets.extensions",
    "websockets.extensions.base",
    "websockets.extensions.permessage_deflate",
    "websockets.frames",
    "websockets.headers",
    "websockets.http11",
    "websockets.protocol",
    "websockets.proxy",
    "websockets.server",
    "websockets.streams",
    "websockets.typing",
    "websockets.uri",
    "websockets.utils",
    "websockets.version",
]

LATER = "routing comes with a later version"

HELPER = "a helper that isn't documented"

MACHINERY = "a step of the connection's own machinery, which the session decides now"

PROXIES = "the opening goes through proxies for all faces alike"

GRAMMAR = "a step of the grammar that isn't documented; the parsers are"

URL = "a URL will do instead"

# All that 17.4 has and we don't, or have otherwise, and why.
DIFFERENCES: dict[str, str] = {
    "websockets.Router": LATER,
    "websockets.route": LATER,
    "websockets.unix_route": LATER,
    "websockets.asyncio.client.ClientConnection.process_event": MACHINERY,
    "websockets.asyncio.client.HTTPProxyConnection": PROXIES,
    "websockets.asyncio.client.connect_http_proxy": PROXIES,
    "websockets.asyncio.client.connect_socks_proxy": PROXIES,
    "websockets.asyncio.connection.Connection.acknowledge_pings": MACHINERY,
    "websockets.asyncio.connection.Connection.close_exc": MACHINERY,
    "websockets.asyncio.connection.Connection.drain": MACHINERY,
    "websockets.asyncio.connection.Connection.keepalive": MACHINERY,
    "websockets.asyncio.connection.Connection.process_event": MACHINERY,
    "websockets.asyncio.connection.Connection.send_context": MACHINERY,
    "websockets.asyncio.connection.Connection.send_data": MACHINERY,
    "websockets.asyncio.connection.Connection.set_connection_exc": MACHINERY,
    "websockets.asyncio.connection.Connection.start_keepalive": MACHINERY,
    "websockets.asyncio.connection.Connection.terminate_pending_pings": MACHINERY,
    "websockets.asyncio.server.ServerConnection.process_event": MACHINERY,
    "websockets.asyncio.server.is_credentials": HELPER,
    "websockets.frames.Frame.DEFAULT_IS_TEXT": HELPER,
    "websockets.frames.is_utf8_fragment": HELPER,
    "websockets.headers.build_extension_item": GRAMMAR,
    "websockets.headers.build_quoted_string": GRAMMAR,
    "websockets.headers.parse_OWS": GRAMMAR,
    "websockets.headers.parse_connection_option": GRAMMAR,
    "websockets.headers.parse_end": GRAMMAR,
    "websockets.headers.parse_extension_item": GRAMMAR,
    "websockets.headers.parse_extension_item_param": GRAMMAR,
    "websockets.headers.parse_list": GRAMMAR,
    "websockets.headers.parse_quoted_string": GRAMMAR,
    "websockets.headers.parse_subprotocol_item": GRAMMAR,
    "websockets.headers.parse_token": GRAMMAR,
    "websockets.headers.parse_token68": GRAMMAR,
    "websockets.headers.parse_upgrade_protocol": GRAMMAR,
    "websockets.headers.peek_ahead": GRAMMAR,
    "websockets.http11.d": HELPER,
    "websockets.proxy.Proxy(scheme) defaults to None, not None": URL,
    "websockets.proxy.Proxy(host) defaults to None, not None": URL,
    "websockets.proxy.Proxy(port) defaults to None, not None": URL,
}


def parameters_differ(old, new):
    """Yield how a signature refuses, or takes otherwise, what another one takes."""
    kinds = {name: (kind, default) for name, kind, default in new}
    for name, kind, default in old:
        if name not in kinds:
            yield f"({name}) is missing"
        elif kinds[name][0] != kind:
            yield f"({name}) is {kinds[name][0]}"
        elif kinds[name][1] != default:
            yield f"({name}) defaults to {kinds[name][1]}, not {default}"
    known = {name for name, _, _ in old}
    for name, kind, default in new:
        if name not in known and default is None and not kind.startswith("VAR_"):
            yield f"({name}) is required"
    positional = [name for name, kind, _ in old if kind.startswith("POSITIONAL")]
    order = [name for name, kind, _ in new if kind.startswith("POSITIONAL")]
    if set(positional) <= set(order) and order[: len(positional)] != positional:
        yield "() takes arguments in another order"


def names_differ(prefix, old, new):
    """Yield what programs written for the old names wouldn't find among the new ones."""
    for name, was in sorted(old.items()):
        path = f"{prefix}.{name}"
        if name not in new:
            yield path
            continue
        now = new[name]
        if now["kind"] != was["kind"]:
            yield f"{path} is a {now['kind']}, not a {was['kind']}"
            continue
        for parent in was.get("parents", ()):
            if parent not in now["parents"]:
                yield f"{path} isn't a {parent}"
        if was.get("of") is not None and now.get("of") is not None:
            for difference in parameters_differ(was["of"], now["of"]):
                yield path + difference
        # Inherited members are compared where they come from.
        own = {key: was["members"][key] for key in was.get("own", ())}
        yield from names_differ(path, own, now.get("members", {}))


def run(*args, **environment):
    """Run a program to its end; return what it printed."""
    return subprocess.run(
        [str(arg) for arg in args],
        check=True,
        capture_output=True,
        env={**os.environ, **environment},
        text=True,
        timeout=300,
    ).stdout


def impossible(reason):
    """Skip, or fail on a machine that is meant to run all tests."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def interpreter():
    """Return the interpreter of an environment that has 17.4, made at first use."""
    cache = Path(os.environ.get("WEBSOCKETS_TESTS_CACHE") or ROOT / ".cache")
    version = f"{sys.implementation.name}-{sys.version_info[0]}.{sys.version_info[1]}"
    folder = cache / f"websockets-{COMPARED}-{version}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "installed"
    if not done.exists():
        requirement = f"websockets=={COMPARED}"
        try:
            run(sys.executable, "-m", "venv", "--clear", folder)
            pip = (python, "-m", "pip", "--disable-pip-version-check", "--retries", "2")
            run(*pip, "install", "--no-deps", requirement, PYTHONPATH="")
        except subprocess.CalledProcessError as exc:
            last = (exc.stderr.strip() or exc.stdout.strip()).rpartition("\n")[2]
            impossible(f"{requirement} couldn't be installed: {last}")
        except subprocess.TimeoutExpired as exc:
            impossible(f"{requirement} couldn't be installed in {exc.timeout} seconds")
        done.touch()
    return python


def describe(python, path):
    """Return the public API that an interpreter sees."""
    return json.loads(
        run(python, "-P", "-W", "ignore", SCRIPT, *MODULES, PYTHONPATH=str(path))
    )


@pytest.fixture(scope="module")
def found(interpreter):
    """Return all differences between 17.4 and this version."""
    old = describe(interpreter, "")
    new = describe(sys.executable, Path(websockets.__file__).parents[1])
    return {
        difference
        for module in MODULES
        for difference in names_differ(module, old[module], new[module])
    }


def test_nothing_is_missing(found):
    """What 17.4 has is here, unless the table has a reason."""
    assert sorted(found - set(DIFFERENCES)) == []


def test_table_is_true(found):
    """What the table calls a difference is one."""
    assert sorted(set(DIFFERENCES) - found) == []


def function(*parameters):
    """Describe a function with these parameters."""
    return {"kind": "callable", "of": list(parameters)}


def a_class(parents, members, own):
    """Describe a class without parameters."""
    return {
        "kind": "class",
        "of": [],
        "parents": parents,
        "members": members,
        "own": own,
    }


A = ("a", "POSITIONAL_OR_KEYWORD", None)
B = ("b", "POSITIONAL_OR_KEYWORD", "1")
C = ("c", "KEYWORD_ONLY", "2")


@pytest.mark.parametrize(
    ("old", "new", "differences"),
    [
        (function(A, B), function(A, B), []),
        (function(A), function(A, B, C), []),
        (function(A), function(A, ("kw", "VAR_KEYWORD", None)), []),
        (function(A, C), function(A), ["m.f(c) is missing"]),
        (function(A), function(A, ("d", "KEYWORD_ONLY", None)), ["m.f(d) is required"]),
        (
            function(A, B),
            function(A, ("b", "KEYWORD_ONLY", "1")),
            ["m.f(b) is KEYWORD_ONLY"],
        ),
        (
            function(C),
            function(("c", "KEYWORD_ONLY", "3")),
            ["m.f(c) defaults to 3, not 2"],
        ),
        (
            function(A, B),
            function(B, A),
            ["m.f() takes arguments in another order"],
        ),
        (function(A), {"kind": "value"}, ["m.f is a value, not a callable"]),
        ({"kind": "callable", "of": None}, function(A), []),
        (
            a_class(["P"], {"x": function(A), "y": function(A)}, ["x"]),
            a_class(["Q"], {}, []),
            ["m.f isn't a P", "m.f.x"],
        ),
    ],
)
def test_comparison(old, new, differences):
    """The comparison finds what would break a call, and nothing else."""
    assert list(names_differ("m", {"f": old}, {"f": new})) == differences


def test_comparison_finds_missing_names():
    """The comparison finds names that aren't there."""
    assert list(names_differ("m", {"f": function()}, {})) == ["m.f"]


def test_names_are_exported():
    """Everything in __all__ exists, once."""
    assert len(websockets.__all__) == len(set(websockets.__all__)) == 65
    for name in websockets.__all__:
        assert getattr(websockets, name) is not None
