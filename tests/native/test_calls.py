"""Calls of native methods, at the ends of what they need: a loop, a module, memory."""

from __future__ import annotations

import contextlib
import gc
import itertools
import sys
import weakref
from typing import Any

import pytest

from tests.native.test_misuse import fresh_module
from websockets._codec import NATIVE
from websockets._session import Session
from websockets.asyncio import _native
from websockets.asyncio._output import Output
from websockets.protocol import Protocol, Side


try:
    from websockets import speedups
except ImportError:
    speedups = None

pytestmark = pytest.mark.skipif(not NATIVE, reason="it is about native code")


class Transport:
    """A transport that takes everything."""

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int) -> None:
        pass


class Loop:
    """A loop that can't take a callback, and does something else instead."""

    def __init__(self) -> None:
        self.instead: Any = lambda: None

    def call_soon(self, *args: Any, **kwargs: Any) -> None:
        self.instead()
        raise MemoryError("no room for a callback")


async def recv(self: Any, decode: Any = None) -> Any:
    """Stand for the method in Python."""


def bound_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a module of its own, which knows the library's classes."""
    module = fresh_module()
    with monkeypatch.context() as patch:
        patch.setattr(speedups, "bind", module.bind)
        _native.classes(True)
    return module


def connection_class(module: Any) -> Any:
    """Return a class of connections."""
    return type("Connection", (module.Hot,), {"recv": module.Method("recv", recv)})


def connected(cls: Any, loop: Any = None) -> Any:
    """Return a connection that takes shortcuts."""
    connection = cls()
    transport: Any = Transport()
    session = Session(Protocol(Side.CLIENT), 0.0)
    connection._begin(
        *(session, Output(transport, 10, 5), transport, loop),
        *(None, None, None, None, False),
    )
    return connection


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))])
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_calls_that_end_with_their_module(order, monkeypatch):
    """Whatever goes first, the last ones find what they need."""
    module = bound_module(monkeypatch)
    cls = connection_class(module)
    waiting = connected(cls).recv()
    waiting.send(None)
    things = [waiting, connected(cls).recv(), module, connected(cls)]
    kind = weakref.ref(type(waiting))
    # Cycles, which the collector takes apart in the order in which they were made.
    for index in order:
        cycle = [things[index], kind]
        cycle.append(cycle)
    del module, cls, waiting, things, cycle
    gc.collect()
    assert kind() is None


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (bytes(1_000), b""),
        (bytes(35_000), b""),
        (bytes(35_000) + b"\x82\x01x", bytes(40_000)),
        (bytes(35_000) + b"\x02\x7e\x9c\x40" + bytes(5_000), bytes(40_000)),
    ],
    ids=["more of it", "all of it", "more than it", "another one"],
)
def test_data_that_overtakes(rest, message, monkeypatch):
    """Where a message stood when its place was lent, it isn't looked for after that."""
    cls = connection_class(bound_module(monkeypatch))
    cls._receive = lambda self, data=b"": None
    connection = connected(cls)
    connection.data_received(b"\x82\x7e\x9c\x40" + bytes(5_000))
    assert len(connection.get_buffer(-1)) == 35_000
    connection.data_received(rest)
    if message:
        with pytest.raises(StopIteration) as raised:
            connection.recv().send(None)
        assert raised.value.value == message
    with pytest.raises(
        RuntimeError, match=r"^buffer_updated\(\) came after other data"
    ):
        connection.buffer_updated(10)


@pytest.mark.parametrize("step", [lambda call: call.send(None), next])
def test_what_a_step_raises(step, monkeypatch):
    """The message is the exception's value, and its only argument."""
    cls = connection_class(bound_module(monkeypatch))
    connection = connected(cls)

    async def one_more() -> Any:
        return await connection.recv()

    for message in b"one", b"two", b"three":
        connection.data_received(b"\x82" + bytes([len(message)]) + message)
        with contextlib.suppress(StopIteration):
            one_more().send(None)  # it makes use of the exception of the one before
        connection.data_received(b"\x82\x04" + message[:2] * 2)
        with pytest.raises(StopIteration) as raised:
            step(connection.recv())
        assert raised.value.args == (message[:2] * 2,)
        assert raised.value.value == message[:2] * 2
        del raised


def test_cancelling_again_when_the_loop_fails(monkeypatch):
    """What the loop can't be told isn't done, and nothing is left of it."""
    waiter = bound_module(monkeypatch).Waiter(Loop())
    waiter.add_done_callback(print)
    message = object()
    before = sys.getrefcount(message)
    for _ in range(5):
        with pytest.raises(MemoryError):
            waiter.cancel(message)
        assert not waiter.cancelled()
    del waiter
    assert sys.getrefcount(message) == before


def test_a_call_that_ends_while_the_loop_fails(monkeypatch):
    """The loop's exception is what counts, though nobody waits any more."""
    loop = Loop()
    cls = connection_class(bound_module(monkeypatch))
    connection = connected(cls, loop)
    call = connection.recv()
    call.send(None).add_done_callback(print)
    assert connection._waiting
    loop.instead = call.close
    with pytest.raises(MemoryError):
        connection._wake()
    assert not connection._waiting
