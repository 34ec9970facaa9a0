"""Coroutines of a connection that have a native form: programs can't tell the difference.

Each test holds for both forms. What the loop sees of a task is the same, too: its context,
its cancellation, what it raises.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import inspect
import socket
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

import pytest

from tests.asyncio.helpers import run_on, run_own, steps
from tests.loops import LOOPS
from websockets._codec import NATIVE
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import Connection
from websockets.exceptions import ConcurrencyError, ConnectionClosedError
from websockets.protocol import Protocol, Side


TEXT = b"\x81\x05hello"
METHODS = ("recv", "send", "__anext__")

loops = pytest.mark.parametrize("loop", LOOPS)


@contextlib.asynccontextmanager
async def talking(
    factory: Any = Connection, logged: bool = False, **options: Any
) -> AsyncIterator[tuple[Any, socket.socket]]:
    """Give a client and the socket of its peer, which the test plays."""
    protocol = Protocol(Side.CLIENT)
    # A DEBUG log of frames needs the way in Python.
    protocol.debug = logged
    ours, peer = socket.socketpair()
    peer.settimeout(20)
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: factory(protocol, **options), sock=ours
    )
    try:
        yield connection, peer
    finally:
        peer.close()
        connection.abort()
        await connection.wait_closed()


# -- what programs find out about a method


@pytest.mark.parametrize("name", METHODS)
def test_they_are_coroutine_functions(name):
    """Frameworks that look for coroutine functions find them, also on an instance."""

    async def scenario():
        async with talking() as (connection, _):
            for method in (getattr(Connection, name), getattr(connection, name)):
                assert inspect.iscoroutinefunction(method)
                assert asyncio.iscoroutinefunction(method)
                assert method.__name__ == name
                assert method.__qualname__ == f"Connection.{name}"
                assert method.__doc__
                assert method.__module__ == "websockets.asyncio.connection"
            assert inspect.isfunction(getattr(Connection, name))
            assert inspect.ismethod(getattr(connection, name))

    run_on("asyncio", scenario)


def test_signatures():
    """help() and inspect show the parameters."""

    async def scenario():
        async with talking() as (connection, _):
            assert list(inspect.signature(Connection.send).parameters) == [
                "self",
                "message",
                "text",
                "compress",
                "timeout",
            ]
            assert list(inspect.signature(connection.recv).parameters) == ["decode"]

    run_on("asyncio", scenario)


def test_autospec():
    """A mock made after a connection has coroutines that can be awaited."""

    async def scenario():
        for instance in (True, False):
            fake = mock.create_autospec(ClientConnection, instance=instance)
            assert isinstance(fake.recv, mock.AsyncMock) or inspect.iscoroutinefunction(
                fake.recv
            )
        fake = mock.create_autospec(ClientConnection, instance=True)
        fake.recv.return_value = "hello"
        assert await fake.recv() == "hello"
        await fake.send("message")
        fake.send.assert_awaited_once_with("message")

    run_on("asyncio", scenario)


def test_calls_are_coroutines():
    """What a call gives passes for a coroutine and has a name."""

    async def scenario():
        async with talking() as (connection, peer):
            peer.send(TEXT)
            call = connection.recv()
            assert asyncio.iscoroutine(call)
            assert inspect.isawaitable(call)
            assert call.__name__ == "recv"
            assert "Connection.recv" in call.__qualname__
            assert "Connection.recv" in repr(call)
            assert not call.cr_running
            assert call.cr_await is None
            task = asyncio.create_task(call)
            assert "recv" in repr(task)
            assert await task == "hello"

    run_on("asyncio", scenario)


@pytest.mark.parametrize("name", METHODS)
def test_a_call_that_is_never_awaited_warns(name):
    """Forgetting ``await`` gives the warning that every coroutine gives."""

    async def scenario():
        async with talking() as (connection, _):
            arguments = ("message",) if name == "send" else ()
            method = getattr(connection, name)
            with pytest.warns(RuntimeWarning, match=f"{name}' was never awaited"):
                method(*arguments)

    run_on("asyncio", scenario)


def test_a_call_that_is_never_awaited_sends_nothing():
    """send() does nothing until it is awaited."""

    async def scenario():
        async with talking() as (connection, peer):
            connection.send("message").close()
            await connection.send("other")
            assert len(peer.recv(100)) == 6 + len("other")

    run_on("asyncio", scenario)


def test_a_call_is_awaited_once():
    """Awaiting a call again is an error, as with every coroutine."""

    async def scenario():
        async with talking() as (connection, peer):
            peer.send(TEXT)
            call = connection.recv()
            assert await call == "hello"
            with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
                await call
            with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
                call.throw(ValueError)
            call.close()

    run_on("asyncio", scenario)


# -- driving a call by hand


def test_a_new_call_takes_no_value():
    """As with every coroutine, the first send() takes None."""

    async def scenario():
        async with talking() as (connection, _):
            call = connection.recv()
            with pytest.raises(TypeError, match="just-started coroutine"):
                call.send("value")
            call.close()

    run_on("asyncio", scenario)


def test_throwing_into_a_call():
    """An exception thrown into a call comes out, and nobody receives any more."""

    async def scenario():
        async with talking() as (connection, peer):
            new = connection.recv()
            with pytest.raises(ValueError, match="new"):
                new.throw(ValueError("new"))
            waiting = connection.recv()
            waiting.send(None)
            assert waiting.cr_await is not None
            with pytest.raises(ValueError, match="waiting"):
                waiting.throw(ValueError("waiting"))
            peer.send(TEXT)
            assert await connection.recv() == "hello"

    run_on("asyncio", scenario)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (lambda: (ValueError,), ValueError),
        (lambda: (ValueError, "text"), ValueError),
        (lambda: (ValueError, ValueError("text"), None), ValueError),
        (lambda: (5,), TypeError),
        (tuple, TypeError),
        (lambda: (ValueError, "text", None, None), TypeError),
    ],
)
@pytest.mark.filterwarnings("ignore:the \\(type, exc, tb\\):DeprecationWarning")
def test_all_forms_of_throwing(arguments, expected):
    """A call takes an exception in the forms that coroutines take."""

    async def coroutine():
        pass

    async def scenario():
        async with talking() as (connection, _):
            found = []
            for call in (coroutine(), connection.recv()):
                with pytest.raises(expected) as info:
                    call.throw(*arguments())
                found.append(str(info.value) if expected is ValueError else "")
                call.close()
            assert found[0] == found[1]

    run_on("asyncio", scenario)


@pytest.mark.skipif(not NATIVE, reason="the twin waits for a future")
def test_wrong_use_of_what_a_call_waits_for():
    """One task waits for it, and each method takes what a future's takes."""

    async def scenario():
        async with talking() as (connection, _):
            call = connection.recv()
            future = call.send(None)
            for arguments, named in [
                ((), {}),
                ((print, print), {}),
                ((print,), {"other": None}),
            ]:
                with pytest.raises(TypeError, match="takes a callback and a context"):
                    future.add_done_callback(*arguments, **named)
            assert future.remove_done_callback(print) == 0
            future.add_done_callback(print, context=None)
            with pytest.raises(RuntimeError, match="waiting for this already"):
                future.add_done_callback(print)
            assert future.remove_done_callback(print) == 1
            with pytest.raises(TypeError, match="takes a message"):
                future.cancel("one", "two")
            with pytest.raises(AttributeError):
                del future._asyncio_future_blocking
            call.close()

    run_on("asyncio", scenario)


def test_closing_a_call():
    """A call that was closed while it waited lets others receive."""

    async def scenario():
        async with talking() as (connection, peer):
            waiting = connection.recv()
            waiting.send(None)
            waiting.close()
            dropped = connection.recv()
            dropped.send(None)
            del dropped
            gc.collect()
            peer.send(TEXT)
            assert await connection.recv() == "hello"

    run_on("asyncio", scenario)


def test_what_a_call_waits_for():
    """What a call gives to its driver is like a future, as far as tasks need it."""

    async def scenario():
        async with talking() as (connection, peer):
            loop = asyncio.get_running_loop()
            call = connection.recv()
            future = call.send(None)
            assert asyncio.isfuture(future)
            assert future.get_loop() is loop
            assert not future.done()
            assert not future.cancelled()
            with pytest.raises(asyncio.InvalidStateError):
                future.result()
            woken: list[Any] = []
            future.add_done_callback(woken.append)
            assert future.remove_done_callback(print) == 0
            assert future.remove_done_callback(woken.append) in (0, 1)
            assert future.cancel("enough")
            assert not future.cancel()
            assert future.cancelled()
            assert future.done()
            with pytest.raises(asyncio.CancelledError, match="enough"):
                future.result()
            future.add_done_callback(woken.append)
            await asyncio.sleep(0)
            assert future in woken
            call.close()

    run_on("asyncio", scenario)


# -- waking a task


@loops
def test_the_context_of_the_task(loop):
    """A task that is woken runs in its own context, and what it sets stays there."""
    variable = contextvars.ContextVar("variable", default="outside")

    async def scenario():
        async with talking() as (connection, peer):

            async def receive():
                variable.set("inside")
                message = await connection.recv()
                seen = variable.get()
                variable.set("later")
                return message, seen

            task = asyncio.create_task(receive())
            await asyncio.sleep(0)
            peer.send(TEXT)
            assert await task == ("hello", "inside")
            assert variable.get() == "outside"

    run_on(loop, scenario)


@loops
def test_the_current_task(loop):
    """A task that is woken is the current one, until it waits again."""

    async def scenario():
        async with talking() as (connection, peer):

            async def receive():
                await connection.recv()
                return asyncio.current_task()

            task = asyncio.create_task(receive())
            await asyncio.sleep(0)
            peer.send(TEXT)
            assert await task is task

    run_on(loop, scenario)


@loops
def test_data_that_a_task_hands_over(loop):
    """A task can play the transport: it goes on before who receives does."""

    async def scenario():
        async with talking() as (connection, _):
            order = []

            async def receive():
                order.append(await connection.recv())

            task = asyncio.create_task(receive())
            await asyncio.sleep(0)
            connection.data_received(TEXT)
            order.append("handed over")
            await task
            assert order == ["handed over", "hello"]

    run_on(loop, scenario)


@loops
def test_waiting_with_a_timeout(loop):
    """wait_for() around recv() loses no message."""

    async def scenario():
        async with talking() as (connection, peer):
            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(connection.recv(), 0.001)
            peer.send(TEXT)
            assert await asyncio.wait_for(connection.recv(), 10) == "hello"

    run_on(loop, scenario)


@loops
def test_cancelling(loop):
    """A cancelled task gets CancelledError with its message; the next one receives."""

    async def scenario():
        async with talking() as (connection, peer):
            task = asyncio.create_task(connection.recv())
            await asyncio.sleep(0)
            task.cancel("that's enough")
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()
            peer.send(TEXT)
            assert await connection.recv() == "hello"

    run_on(loop, scenario)


@loops
def test_cancelled_when_its_message_is_there(loop):
    """Cancelling a task whose message arrives in the same turn keeps the message."""

    async def scenario():
        async with talking() as (connection, peer):
            task = asyncio.create_task(connection.recv())
            await asyncio.sleep(0)
            task.cancel()
            connection.data_received(TEXT)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await connection.recv() == "hello"

    run_on(loop, scenario)


@loops
def test_one_receiver_at_a_time(loop):
    """While one task receives, others get ConcurrencyError, however it waits."""

    async def scenario():
        async with talking() as (connection, peer):
            task = asyncio.create_task(connection.recv())
            await asyncio.sleep(0)
            with pytest.raises(ConcurrencyError, match="cannot call recv while"):
                await connection.recv()
            with pytest.raises(ConcurrencyError, match="cannot call recv while"):
                await connection.__anext__()
            peer.send(TEXT)
            assert await task == "hello"

    run_on(loop, scenario)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_stops_the_loop(error):
    """KeyboardInterrupt and SystemExit of a task that was woken stop the loop."""

    async def scenario():
        async with talking() as (connection, peer):

            async def receive():
                await connection.recv()
                raise error

            task = asyncio.create_task(receive())
            await asyncio.sleep(0)
            peer.send(TEXT)
            await task

    with pytest.raises(error):
        run_own(scenario)


@loops
def test_the_end_wakes_who_receives(loop):
    """The end of the connection wakes a task that waits, with its cause."""

    async def scenario():
        async with talking() as (connection, peer):
            task = asyncio.create_task(connection.recv())
            await asyncio.sleep(0)
            peer.close()
            with pytest.raises(ConnectionClosedError, match="no close frame received"):
                await task
            with pytest.raises(ConnectionClosedError):
                await connection.send("too late")

    run_on(loop, scenario)


@loops
def test_a_task_that_never_waits(loop):
    """Messages that arrive together are received one after the other, in order."""

    async def scenario():
        async with talking(max_queue=None) as (connection, peer):
            peer.send(b"".join(b"\x82\x01" + bytes([i]) for i in range(200)))
            got = [(await connection.recv())[0] for _ in range(200)]
            assert got == list(range(200))

    run_on(loop, scenario)


def test_iteration_calls_recv():
    """Iterating over a connection calls recv(), which a subclass may override."""

    class Shouting(Connection):
        async def recv(self, decode=None):
            return (await super().recv(decode)).upper()

    async def scenario():
        async with talking(Shouting) as (connection, peer):
            peer.send(TEXT)
            assert await connection.__anext__() == "HELLO"

    run_on("asyncio", scenario)


@loops
def test_decoding(loop):
    """`decode` works for each kind of message, whole or in parts, by name or position."""

    async def scenario():
        async with talking() as (connection, peer):
            for frame in (TEXT, b"\x82\x05hello", b"\x01\x02he\x80\x03llo"):
                for decode, expected in ((True, "hello"), (False, b"hello")):
                    peer.send(frame)
                    assert await connection.recv(decode) == expected
                    peer.send(frame)
                    assert await connection.recv(decode=decode) == expected

    run_on(loop, scenario)


@loops
@pytest.mark.parametrize("wait", [True, False], ids=["waiting", "later"])
@pytest.mark.parametrize("decode", [None, True, False])
def test_text_that_is_not_utf8(loop, wait, decode):
    """Text that isn't UTF-8 fails the connection with code 1007, after what was good."""

    async def scenario():
        async with talking(close_timeout=0.01) as (connection, peer):
            task = None
            if wait:
                task = asyncio.create_task(connection.recv(decode))
                await asyncio.sleep(0)
            peer.send(TEXT + b"\x81\x02\xff\xfe")
            got = await (task or connection.recv(decode))
            assert got in ("hello", b"hello")
            with pytest.raises(ConnectionClosedError) as info:
                await connection.recv(decode)
            assert info.value.sent.code == 1007
            assert info.value.sent.reason == "invalid start byte at position 0"

    run_on(loop, scenario)


@loops
def test_sending_what_isn_t_contiguous(loop):
    """Buffers of any shape are sent as their bytes."""

    async def scenario():
        async with talking() as (connection, peer):
            for message in (
                memoryview(b"abcdef")[::2],
                memoryview(bytearray(b"ace")),
                bytearray(b"ace"),
                memoryview(b"ace").cast("b"),
            ):
                await connection.send(message)
                frame = peer.recv(100)
                key = frame[2:6]
                assert (
                    bytes(a ^ b for a, b in zip(frame[6:], key, strict=False)) == b"ace"
                )

    run_on(loop, scenario)


# -- sending in bursts


def frames_of(data: bytes) -> list[bytes]:
    """Return the payloads of a client's small frames."""
    payloads = []
    while data:
        size = data[1] & 0x7F
        key, payload = data[2:6], data[6 : 6 + size]
        payloads.append(bytes(c ^ key[i & 3] for i, c in enumerate(payload)))
        data = data[6 + size :]
    return payloads


@loops
def test_each_message_leaves_at_once(loop):
    """A message has left when send() returns, whatever the task does then."""

    async def scenario():
        async with talking() as (connection, peer):
            for message in ("one", "two"):
                await connection.send(message)
                assert frames_of(peer.recv(100)) == [message.encode()]

    run_on(loop, scenario)


@loops
@pytest.mark.parametrize("behind", [b"", b"\x81\x07in pa", b"\x01\x04part"])
def test_the_answer_to_the_last_message_leaves_at_once(loop, behind):
    """With it leave the others; whatever is to come, no message is left to answer."""

    async def scenario():
        async with talking() as (connection, peer):

            async def answer():
                for _ in range(3):
                    await connection.send(await connection.recv())
                # In the same step of the task: it hasn't waited.
                return frames_of(peer.recv(100))

            answering = asyncio.create_task(answer())
            await asyncio.sleep(0)
            peer.send(b"\x81\x03one\x81\x03two\x81\x05three" + behind)
            assert await answering == [b"one", b"two", b"three"]

    run_on(loop, scenario)


@loops
@pytest.mark.parametrize("logged", [False, True])
def test_joined_messages(loop, logged):
    """With `join_sends`, small messages of a burst leave together, in order."""

    async def scenario():
        async with talking(logged=logged) as (connection, peer):
            assert not connection.join_sends
            connection.join_sends = True
            assert connection.join_sends
            for message in ("one", "two", "three"):
                await connection.send(message)
            assert connection.buffered_amount == 3 * 6 + 11
            peer.setblocking(False)
            with pytest.raises(BlockingIOError):
                peer.recv(100)
            await steps()
            assert frames_of(peer.recv(100)) == [b"one", b"two", b"three"]
            assert connection.buffered_amount == 0

    run_on(loop, scenario)


@loops
@pytest.mark.parametrize("logged", [False, True])
def test_what_ends_joining(loop, logged):
    """Large messages, control frames and full buffers let what was kept leave first."""

    async def scenario():
        async with talking(logged=logged) as (connection, peer):
            connection.join_sends = True
            await connection.send("one")
            await connection.pong(b"two")
            connection.join_sends = False
            await connection.send("three")
            data = b""
            while len(data) < 3 * 6 + 11:
                data += peer.recv(100)
            assert frames_of(data) == [b"one", b"two", b"three"]
            connection.join_sends = True
            for _ in range(5):
                await connection.send(b"x" * 4000)
            assert len(peer.recv(100_000)) == 4 * 4008
            await connection.send(b"y" * 5000)
            size = 0
            while size < 4008 + 5008:
                size += len(peer.recv(100_000))
            assert size == 4008 + 5008

    run_on(loop, scenario)


@loops
@pytest.mark.parametrize("logged", [False, True])
def test_what_the_system_takes_while_joining(loop, logged):
    """Keepalive, which waits for a slow peer, counts each byte of a burst once."""

    async def scenario():
        async with talking(logged=logged) as (connection, peer):

            def taken() -> int:
                return connection._output.taken + connection._passed_by

            before = taken()
            connection.join_sends = True
            # Some don't fit with what was kept, the last one is too large to be kept.
            for size in (4000, 3000, 4000, 3000, 3000, 4000, 5000):
                await connection.send(b"x" * size)
            await steps()
            sent = 7 * 8 + 26_000
            size = 0
            while size < sent:
                size += len(peer.recv(100_000))
            # Headers of large frames may be left out.
            assert 26_000 <= taken() - before <= sent

    run_on(loop, scenario)


@loops
@pytest.mark.parametrize("logged", [False, True])
def test_joined_messages_of_a_connection_that_ends(loop, logged):
    """What was kept when the connection was dropped is lost, like all that is unsent."""

    async def scenario():
        async with talking(logged=logged) as (connection, peer):
            connection.join_sends = True
            await connection.send("one")
            connection.abort()
            await steps()
            with pytest.raises(ConnectionClosedError):
                await connection.send("two")

    run_on(loop, scenario)


@loops
def test_answers_to_a_burst(loop):
    """Answers to messages that arrived together arrive all, in order."""

    async def scenario():
        async with talking(max_queue=None) as (connection, peer):

            async def answer():
                async for message in connection:
                    await connection.send(message)

            task = asyncio.create_task(answer())
            await asyncio.sleep(0)
            peer.send(b"".join(b"\x82\x02" + bytes([i, i]) for i in range(200)))
            peer.setblocking(False)
            data = b""
            while len(data) < 200 * 8:
                await asyncio.sleep(0)
                with contextlib.suppress(BlockingIOError):
                    data += peer.recv(10_000)
            assert frames_of(data) == [bytes([i, i]) for i in range(200)]
            task.cancel()

    run_on(loop, scenario)


@loops
def test_joining_from_the_beginning(loop):
    """`join_sends` may be set before the connection is open."""

    class Joining(Connection):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.join_sends = True

    async def scenario():
        async with talking(Joining) as (connection, peer):
            await connection.send("one")
            await connection.send("two")
            await steps()
            assert frames_of(peer.recv(100)) == [b"one", b"two"]

    run_on(loop, scenario)
