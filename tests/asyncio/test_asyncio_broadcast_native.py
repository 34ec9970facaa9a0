"""The native loops of a broadcast: who is written to, and who is left to Python."""

from __future__ import annotations

import contextlib
import random

import pytest

from tests.asyncio.helpers import run_on, serving, until, uri_of
from tests.loops import LOOPS
from websockets._codec import NATIVE
from websockets.asyncio.client import connect
from websockets.asyncio.server import broadcast


pytestmark = pytest.mark.skipif(not NATIVE, reason="there is no native code")

if NATIVE:
    from websockets.speedups import deliver, distribute

HELLO = b"\x81\x05Hello"
TEXT = ", ".join(f"{i * i % 991}" for i in range(500))


def compress(deflate):
    """Return the frame of a compressed "Hello" for a lineage, and its new history."""
    payload, history = deflate.deflate_shared(b"Hello", fresh=False)
    return bytes([0xC1, len(payload)]) + payload, history


@contextlib.asynccontextmanager
async def audience(count, compression=None, **options):
    """Give connections of a server, and their clients, in the same order."""

    async def handler(websocket):
        await websocket.wait_closed()

    async with (
        serving(handler, compression=compression, close_timeout=0.1) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        connections, websockets, known = [], [], set()
        for _ in range(count):
            client = connect(uri_of(server), compression=compression, **options)
            websockets.append(await stack.enter_async_context(client))
            await until(lambda: server.connections - known)
            connections += server.connections - known
            known.update(server.connections)
        yield connections, websockets
        for websocket in connections + websockets:
            websocket.abort()


@contextlib.contextmanager
def failing(connection, exc):
    """Have a connection raise when not everything could be written."""

    def fail():
        raise exc

    connection._check_congestion = fail
    yield
    del connection._check_congestion


@pytest.mark.parametrize("loop", LOOPS)
def test_plain_connections_are_written_to(loop):
    """Nothing is left to do for connections that don't compress."""

    async def scenario():
        async with audience(3) as (connections, websockets):
            assert distribute(set(connections), HELLO, 5, compress) == ([], {}, [])
            assert distribute(iter(connections), HELLO, 5, compress) == ([], {}, [])
            for websocket in websockets:
                assert [await websocket.recv() for _ in range(2)] == ["Hello"] * 2

    run_on(loop, scenario)


def test_iterators_are_asked_for_one_connection_at_a_time():
    """What a program's iterator does may depend on what was sent."""

    async def scenario():
        async with audience(3) as (connections, websockets):
            sent = [connection._passed_by for connection in connections]

            def everybody():
                for number, connection in enumerate(connections):
                    yield connection
                    passed_by = [each._passed_by for each in connections]
                    expected = [
                        before + len(HELLO) * (index <= number)
                        for index, before in enumerate(sent)
                    ]
                    assert passed_by == expected
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                distribute(everybody(), HELLO, 5, compress)
            for websocket in websockets:
                assert await websocket.recv() == "Hello"

    run_on("asyncio", scenario)


def test_collections_that_change():
    """Who was taken before gets the message; then the program hears of it."""

    async def scenario():
        large = b"\x82\x7f" + (2**24).to_bytes(8, "big") + bytes(2**24)
        async with audience(20, max_size=None) as (connections, websockets):
            everybody = set(connections)
            order = list(everybody)
            for websocket in websockets:
                websocket.transport.pause_reading()
            order[0]._check_congestion = everybody.clear
            with pytest.raises(RuntimeError, match="changed size"):
                distribute(everybody, large, 0, compress)
            del order[0]._check_congestion
            written = [each._passed_by >= len(large) for each in order]
            assert written == [True] * 16 + [False] * 4

    run_on("asyncio", scenario)


def test_collections_whose_connections_stop_the_program():
    """KeyboardInterrupt leaves the rest of a collection alone."""

    async def scenario():
        large = b"\x82\x7f" + (2**24).to_bytes(8, "big") + bytes(2**24)
        async with audience(3, max_size=None) as (connections, websockets):
            websockets[0].transport.pause_reading()
            before = [each._passed_by for each in connections[1:]]
            with (
                failing(connections[0], KeyboardInterrupt()),
                pytest.raises(KeyboardInterrupt),
            ):
                distribute(connections, large, 0, compress)
            assert [each._passed_by for each in connections[1:]] == before

    run_on("asyncio", scenario)


@pytest.mark.parametrize("loop", LOOPS)
def test_lineages(loop):
    """What connections share is compressed once; who shares nothing yet is left."""

    async def scenario():
        async with audience(4, "deflate") as (connections, websockets):
            assert distribute(connections, HELLO, 5, compress) == (connections, {}, [])
            first, second = connections[:2], connections[2:]
            broadcast(first, TEXT)
            broadcast(second, TEXT)
            asked = []

            def spy(deflate):
                asked.append(deflate.lineage)
                return compress(deflate)

            keys = [each[0].protocol.deflate.lineage for each in (first, second)]
            mixed = [second[0], *first, second[1]]
            assert distribute(mixed, HELLO, 5, spy) == ([], {}, [])
            assert asked == keys[::-1]
            lineages = {each.protocol.deflate.lineage for each in first}
            assert len(lineages) == 1
            assert not lineages & set(keys)
            # What isn't compressed is written.
            assert distribute(connections, b"\x81\x00", 0, spy) == ([], {}, [])
            for connection in second:
                connection.protocol.deflate.compress_threshold = 6
            assert distribute(mixed, HELLO, 5, spy) == ([], {}, [])
            assert len(asked) == 3
            for websocket in websockets:
                received = [await websocket.recv() for _ in range(4)]
                assert received == [TEXT, "Hello", "", "Hello"]

    run_on(loop, scenario)


def test_many_lineages():
    """The first of them are served at once; the others are left, in lists."""

    async def scenario():
        async with audience(14, "deflate") as (connections, websockets):
            pairs = [connections[i : i + 2] for i in range(0, 14, 2)]
            for pair in pairs:
                broadcast(pair, TEXT)
            lineages = {p[0].protocol.deflate.lineage: p for p in pairs[4:6]}
            # What can't be looked up is a failure.
            connections[12].protocol.deflate._deflater = []
            result = distribute(connections[:13], HELLO, 5, compress)
            assert result[:2] == ([], lineages)
            ((connection, exc),) = result[2]
            assert connection is connections[12]
            assert isinstance(exc, TypeError)
            for websocket in websockets[:8]:
                assert [await websocket.recv() for _ in range(2)] == [TEXT, "Hello"]

    run_on("asyncio", scenario)


def test_a_connection_in_the_audience_twice():
    """It gets the message twice, and can read it."""

    async def scenario():
        async with audience(3, "deflate") as (connections, websockets):
            for _ in range(3):
                broadcast([*connections, connections[0]], TEXT)
            for websocket, count in zip(websockets, (6, 3, 3), strict=True):
                received = [await websocket.recv() for _ in range(count)]
                assert received == [TEXT] * count

    run_on("asyncio", scenario)


def test_a_stalled_connection_stays_in_its_lineage():
    """What is compressed for the others serves for who can't be written to at once."""

    async def scenario():
        async with audience(3, "deflate", max_size=None) as (connections, websockets):
            websockets[0].transport.pause_reading()
            noise = random.Random(1).randbytes(2**19)
            count = 0
            while not connections[0].buffered_amount:
                broadcast(connections, noise)
                count += 1
                assert [len(await each.recv()) for each in websockets[1:]] == [
                    2**19
                ] * 2
            for _ in range(3):
                broadcast(connections, "Hello")
                lineages = {each.protocol.deflate.lineage for each in connections}
                assert len(lineages) == 1
            websockets[0].transport.resume_reading()
            for _ in range(count):
                assert await websockets[0].recv() == noise
            for websocket in websockets:
                assert [await websocket.recv() for _ in range(3)] == ["Hello"] * 3

    run_on("asyncio", scenario)


@pytest.mark.parametrize("result", [None, (b"", None, None), ("text", None)])
def test_what_compressing_returns(result):
    """It must be bytes and a history; what it raises concerns the connection."""

    def fail(deflate):
        raise ZeroDivisionError

    async def scenario():
        async with audience(2, "deflate") as (connections, _):
            broadcast(connections, TEXT)
            for function, kind in (
                (lambda deflate: result, TypeError),
                (fail, ZeroDivisionError),
            ):
                rest, lineages, failures = distribute(connections, HELLO, 5, function)
                assert (rest, lineages) == ([], {})
                assert [connection for connection, _ in failures] == connections
                assert {type(exc) for _, exc in failures} == {kind}

    run_on("asyncio", scenario)


@pytest.mark.parametrize("loop", LOOPS)
def test_delivery(loop):
    """Members of a group adopt the history with the frame; twice is once too often."""

    async def scenario():
        async with audience(3, "deflate") as (connections, websockets):
            broadcast(connections, TEXT)
            deflate = connections[0].protocol.deflate
            payload, history = deflate.deflate_shared(TEXT.encode(), fresh=False)
            frame = bytes([0xC1, len(payload)]) + payload
            group = [*connections, connections[0]]
            assert deliver(group, frame, history) == ([connections[0]], [])
            for connection in connections:
                assert connection.protocol.deflate.lineage is history
            for websocket in websockets:
                assert [await websocket.recv() for _ in range(2)] == [TEXT] * 2

    run_on(loop, scenario)


def test_the_way_in_python():
    """Clients, what isn't a connection, and what isn't clear are left as they are."""

    async def scenario():
        async with audience(3, "deflate") as (connections, websockets):
            strangers = [None, object(), "text"]
            everybody = [*strangers, *connections[:0], *websockets]
            assert distribute(strangers, HELLO, 0, compress) == (strangers, {}, [])
            assert distribute(everybody, HELLO, 0, compress) == (everybody, {}, [])
            assert deliver(everybody, HELLO, None) == (everybody, [])
            broadcast(connections, TEXT)
            lineage = connections[1].protocol.deflate.lineage
            connections[0].protocol.expect_continuation_frame = True
            for size in (0, 5):
                result = distribute(connections[:2], HELLO, size, compress)
                assert result == (connections[:1], {}, [])
            assert deliver(connections[:1], HELLO, None) == (connections[:1], [])
            assert connections[0].protocol.deflate.lineage is lineage
            connections[0].protocol.expect_continuation_frame = False
            await connections[2].close()
            assert distribute(connections[2:], HELLO, 5, compress) == (
                connections[2:],
                {},
                [],
            )

    run_on("asyncio", scenario)


def test_a_connection_before_it_opened():
    """A connection that isn't attached yet is left, too."""
    left = []

    async def scenario():
        def process_request(connection, request):
            left.append(
                distribute([connection], HELLO, 5, compress) == ([connection], {}, [])
            )

        async with (
            serving(process_request=process_request) as server,
            connect(uri_of(server)),
        ):
            pass

    run_on("asyncio", scenario)
    assert left == [True]


def test_failures():
    """An exception while writing concerns one connection; others get the message."""

    async def scenario():
        large = b"\x82\x7f" + (2**24).to_bytes(8, "big") + bytes(2**24)
        async with audience(2, max_size=None) as (connections, websockets):
            for websocket in websockets:
                websocket.transport.pause_reading()
            with failing(connections[1], ZeroDivisionError("mine")):
                rest, lineages, failures = distribute(connections, large, 0, compress)
            assert (rest, lineages) == ([], {})
            ((connection, exc),) = failures
            assert connection is connections[1]
            assert isinstance(exc, ZeroDivisionError)
        async with audience(1, max_size=None) as (connections, websockets):
            websockets[0].transport.pause_reading()
            with (
                failing(connections[0], KeyboardInterrupt()),
                pytest.raises(KeyboardInterrupt),
            ):
                distribute(connections, large, 0, compress)

    run_on("asyncio", scenario)


def test_failures_of_delivery():
    """Who may not have got a compressed message forgets what was sent."""

    class Unsure:
        def __bool__(self):
            raise ArithmeticError

    async def scenario():
        large = b"\xc2\x7f" + (2**24).to_bytes(8, "big") + bytes(2**24)
        async with audience(3, "deflate") as (connections, websockets):
            broadcast(connections, TEXT)
            for websocket in websockets:
                websocket.transport.pause_reading()
            history = object()
            with failing(connections[1], ZeroDivisionError("mine")):
                rest, failures = deliver(connections[:2], large, history)
            assert rest == []
            ((connection, exc),) = failures
            assert connection is connections[1]
            assert isinstance(exc, ZeroDivisionError)
            assert connections[0].protocol.deflate.lineage is history
            assert connections[1].protocol.deflate._deflater is None
            with (
                failing(connections[2], KeyboardInterrupt()),
                pytest.raises(KeyboardInterrupt),
            ):
                deliver(connections, large, None)
        async with audience(1, "deflate") as (connections, _):
            connections[0].protocol.deflate.local_no_context_takeover = Unsure()
            with pytest.raises(ArithmeticError):
                deliver(connections, HELLO, None)

    run_on("asyncio", scenario)


def test_failures_of_sorting():
    """A threshold that isn't a number is a failure."""

    async def scenario():
        async with audience(1, "deflate") as (connections, _):
            connections[0].protocol.deflate.compress_threshold = "many"
            rest, lineages, failures = distribute(connections, HELLO, 5, compress)
            assert (rest, lineages) == ([], {})
            ((connection, exc),) = failures
            assert connection is connections[0]
            assert isinstance(exc, TypeError)

    run_on("asyncio", scenario)


def test_wrong_arguments():
    """Arguments of wrong types are refused; an iterator's exception is passed on."""

    def broken():
        yield None
        raise ZeroDivisionError

    for arguments in ((), ([], "text", 5, len), ([], HELLO, "5", len)):
        with pytest.raises(TypeError):
            distribute(*arguments)
    with pytest.raises(TypeError):
        distribute(5, HELLO, 5, compress)
    for arguments in ((), ((), HELLO, None), ([], "text", None)):
        with pytest.raises(TypeError):
            deliver(*arguments)
    with pytest.raises(ZeroDivisionError):
        distribute(broken(), HELLO, 5, compress)
    with pytest.raises(OverflowError):
        distribute([], HELLO, -1, compress)


def test_corked_messages_leave_first():
    """A broadcast comes after the answers that are kept to leave together."""

    async def handler(websocket):
        async for message in websocket:
            await websocket.send(message)
            broadcast([websocket], "all")

    async def scenario():
        async with serving(handler) as server:
            for compression in ("deflate", None):
                async with connect(uri_of(server), compression=compression) as client:
                    client.join_sends = True
                    for number in range(20):
                        await client.send(f"{number}")
                    for number in range(20):
                        assert await client.recv() == f"{number}"
                        assert await client.recv() == "all"

    run_on("asyncio", scenario)
