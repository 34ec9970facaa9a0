"""Whoever calls native code wrongly gets an exception, and no crash.

What Python code of the library never does, programs may: they see the methods. The calls
here are made on a module of their own, which they may leave in any state.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib.util
import random
import socket
import types
import warnings
from typing import Any

import pytest

from websockets._codec import NATIVE
from websockets._session import Session
from websockets.asyncio import _native
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import Protocol, Side


try:
    from websockets import speedups
except ImportError:
    speedups = None

pytestmark = pytest.mark.skipif(not NATIVE, reason="it is about native code")

ROUNDS = 200


def fresh_module() -> Any:
    """Return the module once more, with a state of its own."""
    spec = importlib.util.find_spec("websockets.speedups")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def method(self: Any, *args: Any) -> None:
    pass


class Liar:
    """An object that says it is everything, and then isn't."""

    def __index__(self) -> int:
        return -1

    def __bool__(self) -> bool:
        raise ValueError("neither")

    def __len__(self) -> int:
        return 2**40

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self


def junk() -> list[Any]:
    """Return what nobody expects."""
    readonly = memoryview(b"abcdef")
    return [
        *(None, True, -1, 0, 1, 3, 64, 128, 2**31, 2**63, 2**64, -(2**70), 1.5),
        *(
            b"",
            b"\xff",
            b"\x82\x84abcd1234",
            b"\x88\x00",
            bytes(3_000),
            bytearray(b"x"),
        ),
        *("", "x", "é\ud800", "recv", readonly, readonly[::-2], memoryview(b"")),
        *(object(), Liar(), [], (), {}, type, print, method, asyncio.Event),
        *(Protocol(Side.CLIENT), PerMessageDeflate(False, False, 12, 12)),
        Session(Protocol(Side.SERVER), 0.0),
    ]


def call(function: Any, *args: Any) -> Any:
    """Call something; anything may come of it but a failure of the extension itself."""
    result = None
    try:
        result = function(*args)
    except SystemError as exc:
        pytest.fail(f"{function}{args}: {exc}")
    except (Exception, asyncio.CancelledError):
        return None
    if type(result).__name__ == "Call":
        with contextlib.suppress(Exception):
            result.send(None)
        call(result.throw, ValueError())
        call(result.close)
    return result


def misuse(target: Any, dice: random.Random) -> None:
    """Get, set, delete and call everything that an object has."""
    things = junk()
    for _ in range(ROUNDS):
        name = dice.choice(dir(target))
        # Those of object don't come from here.
        if name in {"__class__", "__dict__", "__init_subclass__", "__subclasshook__"}:
            continue
        what = dice.randrange(12)
        if what == 0:
            call(delattr, target, name)
        elif what == 1:
            call(setattr, target, name, dice.choice(things))
        else:
            found = call(getattr, target, name)
            if callable(found) and not isinstance(found, type):
                count = dice.choice([0, 1, 1, 1, 2, 2, 3, 4, 10])
                call(found, *dice.choices([*things, target], k=count))


def instances(module: Any, loop: Any, dice: random.Random) -> list[Any]:
    """Return an object of each type, connected to nothing."""
    transport, poller, tls = module.load_transports()
    one, other = socket.socketpair()
    other.close()
    with contextlib.closing(one):
        broken = [
            call(kind, *dice.choices(junk(), k=dice.randrange(4)))
            for kind in vars(module).values()
            if isinstance(kind, type)
        ]
        one.setblocking(False)
        return [
            module.FrameReader(masked=dice.random() < 0.5, max_message_size=5_000),
            module.FrameReader(masked=True, max_fragments=1, max_fragment_size=-5),
            module.Message(dice.random() < 0.5, dice.random() < 0.5),
            module.Message(True, False, b"data"),
            module.Utf8Validator(),
            module.ReadBuffer(),
            module.Hot(),
            types.new_class("Subclass", (module.Hot,))(),
            module.Method("recv", method),
            transport(loop, one),
            tls(loop, transport(loop, one), *(Liar() for _ in range(6))),
            poller(loop),
            *(thing for thing in broken if thing is not None),
        ]


@pytest.mark.parametrize("bound", [True, False], ids=["bound", "unbound"])
@pytest.mark.parametrize("seed", range(8))
def test_calls_out_of_order(seed, bound, monkeypatch, recwarn):
    """Methods called at any time, with anything, raise exceptions at most."""
    dice = random.Random(seed)
    module = fresh_module()
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)

    async def scenario():
        if bound:
            # The library's own call, on this module.
            monkeypatch.setattr(speedups, "bind", module.bind)
            _native.classes(True)
        for target in instances(module, loop, dice):
            misuse(target, dice)
            call(getattr(target, "abort", list))
        await asyncio.sleep(0)

    with contextlib.closing(loop):
        loop.run_until_complete(scenario())
        warnings.simplefilter("ignore")
        gc.collect()


def test_functions_get_anything():
    """Functions of the module raise exceptions for wrong arguments."""
    dice = random.Random(1)
    module = fresh_module()
    for name, function in vars(module).items():
        if callable(function) and not isinstance(function, type):
            for _ in range(ROUNDS if name != "bind" else 0):
                call(function, *dice.choices(junk(), k=dice.randrange(6)))
    call(module.bind, *dice.choices(junk(), k=8))


def test_more_was_read_than_there_was_room():
    """Claiming more bytes than the buffer has is refused."""
    connection = fresh_module().Hot()
    with pytest.raises(ValueError, match=r"^buffer_updated\(\) got 5, .* had 0 bytes$"):
        connection.buffer_updated(5)
    room = len(connection.get_buffer(-1))
    for size in -1, -2, room + 1:
        with pytest.raises(ValueError, match=f" got {size}, .* {room} bytes$"):
            connection.buffer_updated(size)


def test_bytes_in_a_buffer_that_isn_t_there():
    """A connection that was never given a buffer can't have received into it."""
    with pytest.raises(ValueError, match=r"got 0, and the buffer had 0 bytes"):
        speedups.Hot().buffer_updated(0)
