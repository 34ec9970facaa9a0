"""Messages from one end to the other."""

from __future__ import annotations

import asyncio

import pytest

from websockets.asyncio.connection import Connection
from websockets.exceptions import ConcurrencyError, ConnectionClosedError
from websockets.protocol import Protocol, Side, State

from .faces import ASYNCIO, scenario


@scenario()
async def test_text_arrives_as_text(face):
    """A str arrives as an equal str."""
    client, server = await face.pair()
    await client.send("héllo ✓")
    assert await server.recv() == "héllo ✓"


@scenario()
async def test_bytes_arrive_as_bytes(face):
    """Bytes arrive as equal bytes, in both directions."""
    client, server = await face.pair()
    await client.send(b"\x00\xff")
    await server.send(b"\xff\x00")
    assert await server.recv() == b"\x00\xff"
    assert await client.recv() == b"\xff\x00"


@scenario()
async def test_sizes_around_the_forms_of_a_header(face):
    """Messages arrive whole at each size where the header of a frame changes."""
    client, server = await face.pair()
    for size in (0, 1, 125, 126, 127, 65535, 65536, 300_000):
        await client.send(b"x" * size)
        assert await server.recv() == b"x" * size
        await server.send("y" * size)
        assert await client.recv() == "y" * size


@scenario()
async def test_messages_keep_their_order(face):
    """Messages that wait to be read are read in the order in which they were sent."""
    client, server = await face.pair()
    for i in range(200):
        await client.send(str(i))
    assert [await server.recv() for _ in range(200)] == [str(i) for i in range(200)]


@scenario()
async def test_compressed_messages(face):
    """Messages arrive whole through permessage-deflate, whatever `compress` says."""
    client, server = await face.pair(deflate=True)
    for compress in (None, True, False):
        await client.send("a" * 1000, compress=compress)
        assert await server.recv() == "a" * 1000
    assert server.protocol.deflate is not None


@scenario()
async def test_decode(face):
    """`decode` overrides what the opcode says."""
    client, server = await face.pair()
    for _ in range(2):
        await client.send("é")
        await client.send("é".encode())
    assert await server.recv(decode=False) == "é".encode()
    assert await server.recv(decode=True) == "é"
    assert await server.recv(decode=None) == "é"
    assert await server.recv(decode=None) == "é".encode()


@scenario()
async def test_text_overrides_the_type(face):
    """`text` decides between a Text and a Binary message."""
    client, server = await face.pair()
    await client.send(b"bytes", text=True)
    await client.send("text", text=False)
    await client.send([b"a", b"b"], text=True)
    await client.send(["c", "d"], text=False)
    assert [await server.recv() for _ in range(4)] == ["bytes", b"text", "ab", b"cd"]


@scenario()
async def test_fragmented_message(face):
    """An iterable is one message for who receives it."""
    client, server = await face.pair()
    await client.send(["a", "b", "c"])
    await client.send("next")
    assert await server.recv() == "abc"
    assert await server.recv() == "next"


@scenario()
async def test_streaming(face):
    """Frames of a message are received one by one; the last one ends the iteration."""
    client, server = await face.pair()
    await client.send(["a", "b"])
    await client.send(b"whole")
    await client.send("after")
    assert [x async for x in server.recv_streaming()] == ["a", "b", ""]
    assert [x async for x in server.recv_streaming()] == [b"whole"]
    assert await server.recv() == "after"


@scenario(*ASYNCIO)
async def test_streaming_stops_in_the_middle(face):
    """Who leaves the loop gets the rest from the next call, without closing an iterator."""
    client, server = await face.pair()
    await client.send(["a", "b"])
    async for fragment in server.recv_streaming():
        assert fragment == "a"
        break
    assert [x async for x in server.recv_streaming()] == ["b", ""]
    await client.send(["c", "d"])
    first, second = server.recv_streaming(), server.recv_streaming()
    assert await first.__anext__() == "c"
    assert await second.__anext__() == "d"
    with pytest.raises(ConcurrencyError, match="cannot go on with recv_streaming"):
        await first.__anext__()
    assert [x async for x in second] == [""]


@scenario()
async def test_streaming_starts_before_the_message_ends(face):
    """The first frame is received while the last one wasn't sent."""
    client, server = await face.pair()

    async def first():
        stream = server.recv_streaming()
        fragment = await stream.__anext__()
        await stream.aclose()
        return fragment

    task = face.start(first())
    client.protocol.send_text(b"first", fin=False)
    await client.ping(b"flush")
    assert await task == "first"
    with pytest.raises(ConcurrencyError):
        await server.recv()
    client.protocol.send_continuation(b"second", fin=True)
    await client.ping(b"flush again")
    assert [x async for x in server.recv_streaming()] == ["second"]


@scenario()
async def test_waiting_receiver(face):
    """Who waits for a message is woken by it."""
    client, server = await face.pair()
    task = face.start(server.recv())
    await client.send("hello")
    assert await task == "hello"


@scenario()
async def test_echo_by_iteration(face):
    """`async for` receives messages until the connection is closed."""
    client, server = await face.pair()

    async def echo():
        async for message in server:
            await server.send(message)

    task = face.start(echo())
    for i in range(10):
        await client.send(str(i))
        assert await client.recv() == str(i)
    await client.close()
    await task


@scenario()
async def test_invariant_3_the_reader_never_waits_for_the_writer(face):
    """Two peers that send 8 MiB to each other at once don't wait for each other."""
    client, server = await face.pair(max_size=None)
    payload = b"x" * (1 << 23)
    sending = [face.start(end.send(payload)) for end in (client, server)]
    receiving = [face.start(end.recv()) for end in (client, server)]
    for task in sending:
        await task
    for task in receiving:
        assert await task == payload


@scenario()
async def test_messages_before_a_close_stay_readable(face):
    """Messages that arrived before the Close frame are read after it."""
    client, server = await face.pair()
    for i in range(3):
        await client.send(str(i))
    task = face.start(client.close())
    await server.wait_closed()
    await task
    assert [await server.recv() for _ in range(3)] == ["0", "1", "2"]
    assert [x async for x in server] == []


@scenario()
async def test_message_too_big(face):
    """A message over max_size fails the connection; both ends tell why."""
    client, server = await face.pair(max_size=100)
    await client.send(b"x" * 101)
    with pytest.raises(ConnectionClosedError) as raised:
        await server.recv()
    assert str(raised.value) == (
        "sent 1009 (message too big) frame with 101 bytes exceeds limit of 100 bytes; "
        "no close frame received"
    )
    assert "max_size" in raised.value.__cause__.__notes__[0]
    with pytest.raises(ConnectionClosedError) as raised:
        await client.recv()
    assert raised.value.rcvd.code == 1009


@scenario()
async def test_text_that_is_not_utf_8(face):
    """Text that isn't UTF-8 fails the connection with code 1007."""
    client, server = await face.pair()
    await client.send(b"ok", text=True)
    await client.send(b"\xff", text=True)
    assert await server.recv() == "ok"
    with pytest.raises(
        ConnectionClosedError, match=r"1007 .* invalid start byte at position 0"
    ):
        await server.recv(decode=False)


@scenario(*ASYNCIO)
async def test_buffers_are_copied(face):
    """A bytearray or a memoryview may be changed once send() has returned."""
    client, server = await face.pair()
    for data in (bytearray(b"abc"), memoryview(bytearray(b"abc"))):
        await client.send(data)
        data[:] = b"xyz"
        assert await server.recv() == b"abc"
        await server.send(data)
        data[:] = b"abc"
        assert await client.recv() == b"xyz"


@scenario(*ASYNCIO)
async def test_async_iterable(face):
    """An asynchronous iterable is one message; an empty one is none."""
    client, server = await face.pair()

    async def generate(*items):
        for item in items:
            yield item

    await client.send(generate(b"a", b"b"))
    await client.send(generate())
    await client.send([])
    await client.send("end")
    assert await server.recv() == b"ab"
    assert await server.recv() == "end"


@scenario(*ASYNCIO)
async def test_wrong_types(face):
    """What isn't a message is refused by a TypeError, and the connection lives on."""
    client, server = await face.pair()

    async def generate():
        yield 1

    for message, text in [
        (1, "data must be str, bytes, iterable, or async iterable"),
        (None, "data must be str, bytes, iterable, or async iterable"),
        ({"a": 1}, "data is a dict-like object"),
        ([1], "iterable must contain bytes or str"),
        (generate(), "async iterable must contain bytes or str"),
    ]:
        with pytest.raises(TypeError) as raised:
            await client.send(message)
        assert str(raised.value) == text
    await client.send("alive")
    assert await server.recv() == "alive"


@scenario(*ASYNCIO)
async def test_mixed_fragments(face):
    """A fragment of another type fails the connection: a message can't be taken back."""
    for first, second in (("a", b"b"), (b"a", "b"), (b"a", 1)):
        client, server = await face.pair()
        with pytest.raises(TypeError, match="iterable must contain uniform types"):
            await client.send([first, second])
        await client.wait_closed()
        assert client.protocol.close_sent.code == 1011
        assert client.protocol.close_sent.reason == "error in fragmented message"


@scenario(*ASYNCIO)
async def test_one_receiver_at_a_time(face):
    """A second task that receives gets a ConcurrencyError; the first isn't disturbed."""
    client, server = await face.pair()
    text = "while another coroutine is already running recv or recv_streaming"
    for first in (server.recv(), server.recv_streaming().__anext__()):
        task = face.start(first)
        await asyncio.sleep(0)
        with pytest.raises(ConcurrencyError, match=f"cannot call recv {text}"):
            await server.recv()
        with pytest.raises(
            ConcurrencyError, match=f"cannot call recv_streaming {text}"
        ):
            await server.recv_streaming().__anext__()
        await client.send("hello")
        assert await task == "hello"


@scenario(*ASYNCIO)
async def test_nothing_before_the_handshake(face):
    """Before the opening handshake is over, there is nothing to receive or send."""
    connection = Connection(Protocol(Side.CLIENT, state=State.CONNECTING))
    for coro in (
        connection.recv(),
        connection.send("x"),
        connection.ping(),
        connection.pong(),
    ):
        with pytest.raises(ConcurrencyError, match="the opening handshake isn't over"):
            await coro
    assert connection.buffered_amount == 0
    assert connection.latency == 0
