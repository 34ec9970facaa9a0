"""When there's no memory, transports of our own raise MemoryError, and lose nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from functools import partial
from typing import Any

import pytest

from tests.asyncio.transports import NATIVE, Buffered, Plain, listening_socket
from tests.native.allocations import lost_blocks, needs_failures, survive


if NATIVE is not None:
    SocketTransport, Poller, _ = NATIVE

pytestmark = [
    needs_failures,
    # What was to be closed when memory ended is closed when it's collected.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


# One list for all: Python keeps some that were freed, which would count as lost.
PIECES = [b"1", bytearray(10_000)]


class Timer:
    """Stands for one of a loop; it never runs."""

    def cancel(self) -> None:
        pass


class Loop:
    """Stands for an event loop: keeps what it's told, and raises what it can't handle."""

    def __init__(self) -> None:
        self.readers: dict[int, Any] = {}
        self.writers: dict[int, Any] = {}
        self.soon: list[Any] = []

    def add_reader(self, fd, callback):
        self.readers[fd] = callback

    def add_writer(self, fd, callback):
        self.writers[fd] = callback

    def remove_reader(self, fd):
        return self.readers.pop(fd, None) is not None

    def remove_writer(self, fd):
        return self.writers.pop(fd, None) is not None

    def call_soon(self, callback, *args):
        self.soon.append((callback, args))

    def call_later(self, delay, callback):
        return Timer()

    def call_exception_handler(self, context):
        raise context["exception"]

    def read(self):
        (callback,) = self.readers.values()
        callback()

    def write(self):
        (callback,) = self.writers.values()
        callback()

    def run(self):
        for callback, args in self.soon:
            callback(*args)


class Kept:
    """A call whose result outlives it: without memory, CPython crashes when it warns."""

    __slots__ = ("call", "case", "result")

    def __init__(self, call: Any, case: Any = None) -> None:
        self.call = call
        self.case = case

    def __call__(self) -> None:
        self.result = self.call()


class Case:
    """A transport, its loop, and its peer."""

    def __init__(self, make: type = Plain, family: int = socket.AF_INET) -> None:
        self.loop = Loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.sock = socket.create_connection(listener.getsockname())
            self.peer, _ = listener.accept()
        self.sock.setblocking(False)
        self.protocol = make()
        self.transport = SocketTransport(self.loop, self.sock)
        self.transport.start(self.protocol)


class Crowd:
    """A poller that has accepted connections."""

    def __init__(self, size: int) -> None:
        self.loop = Loop()
        self.poller = Poller(self.loop)
        self.listener = listening_socket()
        self.peers = []
        for _ in range(size):
            self.join()
            self.accept()

    def join(self):
        self.peers.append(socket.create_connection(self.listener.getsockname()))

    def accept(self):
        self.poller.accept(self.listener.fileno(), 10, Plain)


def closed(make=Plain):
    case = Case(make)
    case.transport.close()
    return case


def unix():
    one, other = socket.socketpair()
    return Kept(partial(SocketTransport, Loop(), one), other)


def tcp():
    case = Case()
    return Kept(partial(SocketTransport, Loop(), case.transport._detach()), case)


def told(make, data=b"hello"):
    """Return a case whose peer has said something."""
    case = Case(make)
    if data:
        case.peer.send(data)
    else:
        case.peer.shutdown(socket.SHUT_WR)
    return case


def failing():
    """Return a case whose protocol doesn't work."""

    def fail(data):
        raise ZeroDivisionError

    case = told(Plain)
    case.protocol.data_received = fail

    def read():
        with contextlib.suppress(ZeroDivisionError):
            case.loop.read()

    return read


def congested():
    """Return a case whose peer takes nothing any more."""
    case = Case()
    case.transport.write(bytes(2**24))
    return case


def drained():
    """Return a case whose peer takes something again, after a while."""
    case = Case()
    while not case.transport.get_write_buffer_size():
        case.transport.write(bytes(2**17))
    with contextlib.suppress(BlockingIOError):
        case.peer.setblocking(False)
        while True:
            case.peer.recv(2**20)
    return case


def accepting(size):
    crowd = Crowd(size)
    crowd.join()
    return crowd.accept


def polled():
    crowd = Crowd(3)
    for peer in crowd.peers:
        peer.send(b"hello")
    return crowd.loop.read


def pieces():
    return partial(congested().transport.writelines, PIECES)


def taking():
    crowd = Crowd(1)
    return Kept(crowd.poller.transports()[0]._detach, crowd)


def emptied():
    crowd = Crowd(1)
    crowd.poller.close(list)
    crowd.poller.transports()[0].abort()
    return crowd.loop.run


OPERATIONS = {
    "make": tcp,
    "make with a path": unix,
    "read": lambda: told(Plain).loop.read,
    "read into a buffer": lambda: told(Buffered).loop.read,
    "read the end": lambda: told(Plain, b"").loop.read,
    "fail": failing,
    "write much": lambda: partial(Case().transport.write, bytes(2**24)),
    "write pieces": pieces,
    "write on": lambda: drained().loop.write,
    "close": lambda: Case().transport.close,
    "abort": lambda: congested().transport.abort,
    "end": lambda: closed().loop.run,
    "detach": lambda: Kept(Case().transport._detach),
    "set limits": lambda: partial(Case().transport.set_write_buffer_limits, 9**9, 9**8),
    "get limits": lambda: Case().transport.get_write_buffer_limits,
    "local address": lambda: partial(Case().transport.get_extra_info, "sockname"),
    "remote address": lambda: partial(Case().transport.get_extra_info, "peername"),
    "socket": lambda: Kept(partial(Case().transport.get_extra_info, "socket")),
    "representation": lambda: partial(repr, Case().transport),
    "new poller": lambda: partial(Poller, Loop()),
    "accept the first": lambda: accepting(0),
    "accept more": lambda: accepting(70),
    "poll": polled,
    "list": lambda: Crowd(3).poller.transports,
    "take an accepted socket": taking,
    "end the last": emptied,
}

# They take what they need from memory that Python keeps for such objects.
FRUGAL = {"detach", "get limits", "new poller", "set limits"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_allocation_may_fail(name):
    """Whichever allocation fails, the call raises MemoryError or does without it."""
    assert survive(OPERATIONS[name]) or name in FRUGAL


@pytest.mark.parametrize("name", OPERATIONS)
def test_failures_lose_nothing(name):
    """What was allocated before the one that failed is given back."""
    survive(OPERATIONS[name])
    assert lost_blocks(OPERATIONS[name]) == 0


def test_asyncio_stays():
    """The loop of these tests has what transports need of asyncio's."""
    for name in vars(Loop):
        if name not in {"read", "write", "run"} and name[0] != "_":
            assert hasattr(asyncio.SelectorEventLoop, name)
