"""Rules that every face obeys, held by looking at code and at locks."""

from __future__ import annotations

import ast
import pathlib
import socket

import pytest

import websockets.asyncio
from websockets.protocol import Protocol, Side

from .faces import scenario
from .threads import PATIENCE, ThreadedConnection


FOLDER = pathlib.Path(websockets.asyncio.__file__).parent

# Calls into the session after which there may be something to do.
CONSEQUENCES = {
    "close",
    "connection_lost",
    "deadline_reached",
    "fail",
    "ping",
    "pong",
    "pop_fragment",
    "pop_message",
    "receive_data",
    "receive_eof",
    "send_fragment",
    "send_message",
    "set_congested",
}

# What only the pump, and what it calls, may touch.
TRANSPORT = {
    "abort",
    "call_at",
    "call_later",
    "pause_reading",
    "resume_reading",
    "write_eof",
}


def functions(name):
    """Return the functions of a module of the face."""
    tree = ast.parse((FOLDER / name).read_text("utf-8"))
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def calls(function, names):
    """Return the lines of calls of methods by their names, and on what they are called."""
    return [
        (node.lineno, ast.unparse(node.func.value))
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in names
        # set_congested(True) only changes what is done about pings to come.
        and [ast.unparse(arg) for arg in node.args] != ["True"]
    ]


@pytest.mark.parametrize("name", ["_io.py", "connection.py"])
def test_invariant_2_the_pump_rule(name):
    """After every call into the session comes a call of the pump."""
    seen = 0
    for function in functions(name):
        into_session = [
            line
            for line, target in calls(function, CONSEQUENCES)
            if "session" in target.lower()
        ]
        pumps = [line for line, _ in calls(function, {"_pump"})]
        seen += len(into_session)
        for line in into_session:
            assert any(pump > line for pump in pumps), (function.name, line)
    assert seen > 3


def test_invariant_2_nothing_else_touches_the_transport():
    """What users call has no business with the transport, but for abort() before the start."""
    touched = [
        (function.name, target)
        for function in functions("connection.py")
        for _, target in calls(function, TRANSPORT)
    ]
    assert touched == [("close", "self"), ("abort", "self.transport")]


class WatchedSocket:
    """A socket that fails when it is used by who holds the lock of the session."""

    def __init__(self, sock):
        self.sock = sock
        self.connection = None
        self.uses = 0

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def check(self):
        # Not reentrant: its holder can't take it again.
        if self.connection is not None:
            assert self.connection.changed.acquire(timeout=PATIENCE / 4)
            self.connection.changed.release()
            self.uses += 1

    def recv(self, size):
        self.check()
        return self.sock.recv(size)

    def sendall(self, data):
        self.check()
        self.sock.sendall(data)


@scenario("threads")
async def test_invariant_4_no_lock_across_io(face):
    """The session's lock is never held while a socket is used."""
    one, other = map(WatchedSocket, socket.socketpair())
    client = ThreadedConnection(one, Protocol(Side.CLIENT))
    server = ThreadedConnection(other, Protocol(Side.SERVER))
    one.connection, other.connection = client, server
    face.connections += [client, server]
    for _ in range(10):
        await client.send("x")
        await server.send(await server.recv())
        assert await client.recv() == "x"
        await (await client.ping())
    closing = face.start(client.close())
    await server.wait_closed()
    await closing
    assert one.uses > 20
    assert other.uses > 20
