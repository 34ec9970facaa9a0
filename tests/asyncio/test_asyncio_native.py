"""The choice between the native form of a connection's hot methods and the twin."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.asyncio.helpers import run, steps
from websockets._codec import NATIVE
from websockets.asyncio import _hot, _native
from websockets.asyncio._io import ordinary
from websockets.asyncio._timers import has_known_clock
from websockets.asyncio.connection import Connection
from websockets.protocol import Protocol, Side


def test_the_choice_follows_the_codec():
    """Connections have the base class of the implementation that was chosen."""
    assert issubclass(Connection, _native.Hot)
    assert issubclass(Connection, _hot.Hot) is not NATIVE


def test_the_twin_can_be_chosen():
    """Without native code, classes are the twin's, and methods stay as they are."""
    assert _native.classes(False) == (_hot.Hot, _hot.ReadBuffer)

    class Some:
        async def recv(self): ...

    recv = Some.recv
    _native.install(Some, False)
    assert Some.recv is recv


def test_native_code_can_be_chosen():
    """With native code, each hot method gets its native form."""
    speedups = pytest.importorskip("websockets.speedups")
    assert _native.classes(True) == (speedups.Hot, speedups.ReadBuffer)

    class Some:
        async def recv(self): ...
        async def send(self, message): ...
        async def __anext__(self): ...

    _native.install(Some, True)
    for name in ("recv", "send", "__anext__"):
        assert type(vars(Some)[name]) is speedups.Method
    # Objects that aren't connections get the methods in Python.
    asyncio.run(Some().recv())


def test_native_methods_are_known_by_name():
    """A method that has no native form is refused, by its name."""
    speedups = pytest.importorskip("websockets.speedups")

    async def twin(self): ...

    with pytest.raises(ValueError, match="no native method close"):
        speedups.Method("close", twin)
    with pytest.raises(TypeError):
        speedups.Method("recv", print)


def test_what_native_code_works_with():
    """Classes without the attributes that it needs are refused."""
    speedups = pytest.importorskip("websockets.speedups")
    with pytest.raises(TypeError, match="10 arguments"):
        speedups.bind()
    with pytest.raises(TypeError, match="four classes"):
        speedups.bind(int, int, 3, 4, 5, 6, 7, 8, 9, 10)
    with pytest.raises(AttributeError, match="_messages"):
        speedups.bind(int, int, int, int, 5, 6, 7, 8, 9, 10)

    class Odd:
        _messages = 1

    with pytest.raises(TypeError, match="isn't a slot"):
        speedups.bind(Odd, int, int, int, 5, 6, 7, 8, 9, 10)


def test_who_wants_to_see_frames():
    """DEBUG logs, overridden methods and foreign extensions get every frame."""

    class Sees(Protocol):
        def recv_frame(self, frame): ...

    class Sends(Protocol):
        def send_frame(self, frame): ...

    assert ordinary(Protocol(Side.CLIENT))
    assert not ordinary(Sees(Side.CLIENT))
    assert not ordinary(Sends(Side.CLIENT))
    patched = Protocol(Side.CLIENT)
    patched.send_frame = print
    assert not ordinary(patched)
    logged = Protocol(Side.CLIENT)
    logged.debug = True
    assert not ordinary(logged)


def test_clocks():
    """A loop with a clock of its own is told from those that go by the system's."""

    class Clocked(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return 0.0

    for factory, known in ((asyncio.SelectorEventLoop, True), (Clocked, False)):
        loop = factory()
        assert has_known_clock(loop) is known
        loop.close()
    assert has_known_clock(object())  # uvloop's isn't one of asyncio's


class Told(Connection):
    """Stands for the native base class: it has frames to write, and a task that waits."""

    _corked = 1
    _waiting = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = []

    def _flush(self):
        self.calls.append("flush")
        self._corked = 0

    def _wake(self):
        self.calls.append("wake")
        self._waiting = False


def test_what_the_pump_tells_native_code():
    """The pump has frames written that were kept, before others, and a task woken."""

    async def scenario():
        ours, peer = socket.socketpair()
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Told(Protocol(Side.CLIENT)), sock=ours
        )
        assert connection.calls == ["flush"]
        connection._corked = 1
        connection.send_prepared(b"\x8a\x80\x00\x00\x00\x00")
        assert connection.calls == ["flush", "flush"]
        connection.calls.pop()
        connection._flush_soon()
        await steps()
        assert connection.calls == ["flush", "flush"]
        connection._corked = 1
        assert not connection.transport.is_closing()
        assert connection.calls == ["flush", "flush", "flush"]
        peer.close()
        await connection.wait_closed()
        assert connection.calls == ["flush", "flush", "flush", "wake"]

    run(scenario)
