"""TLS of our own does what asyncio's does."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from tests.asyncio.helpers import (
    client_context,
    run_jumping,
    until,
)
from tests.asyncio.tls import (
    TlsPeer,
    Viewed,
    connected,
    context_of,
    every_version,
    lost,
    make_tls,
    open_tls,
    ours,
    run_kind,
    run_selector,
    transport_below,
)
from tests.asyncio.transports import (
    Plain,
    needs_native,
    tcp_pair,
)


# -- scripts: what happens to a connection


async def talk(transport, peer, protocol):
    transport.write(b"")
    transport.write(b"hello")
    transport.write(bytearray(b", "))
    transport.write(memoryview(b"world"))
    transport.writelines([b"!", b"!"])
    assert await peer.read_all(14) == b"hello, world!!"
    await peer.send(peer.sealed(b"one") + peer.sealed(b"two"))
    await until(lambda: protocol.received() == b"onetwo")
    await peer.send(peer.goodbye())


async def byte_by_byte(transport, peer, protocol):
    for byte in peer.sealed(b"slow") + peer.sealed(b"ly") + peer.goodbye():
        await peer.send(bytes([byte]))
        await asyncio.sleep(0)


async def much(transport, peer, protocol):
    await peer.send(peer.sealed(bytes(range(256)) * 4096))
    await until(lambda: len(protocol.received()) == 2**20)
    await peer.send(peer.goodbye())


async def silence_of_the_peer(transport, peer, protocol):
    await peer.send(peer.sealed(b"last words"))
    peer.end()


async def reset(transport, peer, protocol):
    await peer.send(peer.sealed(b"last words"))
    await until(lambda: protocol.received())
    peer.reset()


async def close(transport, peer, protocol):
    transport.write(b"last words")
    transport.close()
    assert transport.is_closing()
    assert await peer.read_all(10) == b"last words"
    assert await peer.read() == b""
    await peer.send(peer.goodbye())


async def abort(transport, peer, protocol):
    transport.abort()
    assert transport.is_closing()
    with pytest.raises((OSError, ssl.SSLError)):
        await peer.read()


async def garbage(transport, peer, protocol):
    await peer.send(peer.sealed(b"last words"))
    await until(lambda: protocol.received())
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def damage(transport, peer, protocol):
    sealed = bytearray(peer.sealed(b"important"))
    sealed[-1] ^= 1
    await peer.send(sealed)


async def pausing(transport, peer, protocol):
    transport.pause_reading()
    assert not transport.is_reading()
    await peer.send(peer.sealed(bytes(60_000)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert protocol.received() == b""
    transport.resume_reading()
    assert protocol.received() == b""
    await until(lambda: len(protocol.received()) == 60_000)
    assert transport.is_reading()
    await peer.send(peer.goodbye())


async def pausing_at_the_end(transport, peer, protocol):
    def pause(protocol):
        protocol.transport.pause_reading()

    protocol.reactions["data"] = pause
    await peer.send(peer.sealed(bytes(100)) + peer.sealed(b"more") + peer.goodbye())
    peer.end()
    await until(lambda: protocol.received())
    for _ in range(20):
        await asyncio.sleep(0)
    while not lost(protocol):
        transport.resume_reading()
        await asyncio.sleep(0)


async def slow_peer(transport, peer, protocol):
    transport.set_write_buffer_limits(high=100_000)
    for _ in range(40):
        transport.write(bytes(200_001))
    assert transport.get_write_buffer_size() > 100_000
    assert await peer.read_all(40 * 200_001) == bytes(40 * 200_001)
    await until(lambda: "resume" in protocol.names())
    assert transport.get_write_buffer_size() == 0
    await peer.send(peer.goodbye())


SCRIPTS = [
    talk,
    byte_by_byte,
    much,
    silence_of_the_peer,
    reset,
    close,
    abort,
    garbage,
    damage,
    pausing,
    pausing_at_the_end,
    slow_peer,
]


async def play(kind, script, make, version, server):
    """Return what a protocol is told while a script is played."""
    protocol = make()
    transport, peer = await connected(kind, protocol, version, server)
    assert transport.get_protocol() is protocol
    assert not transport.can_write_eof()
    with pytest.raises(NotImplementedError):
        transport.write_eof()
    await script(transport, peer, protocol)
    await until(lambda: lost(protocol))
    transport.write(b"too late")
    peer.sock.close()
    # After close(), asyncio tells about the peer's goodbye, and we don't.
    return [entry for entry in protocol.log if script is not close or entry[0] != "eof"]


@ours
@every_version
@pytest.mark.parametrize("server", [False, True], ids=["client", "server"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_same_script_makes_the_same_calls(loop, kind, script, server, version):
    """Protocols can't tell TLS of ours from asyncio's."""
    make = Viewed if kind == "direct" and server else Plain

    async def calls(kind):
        return await play(kind, script, make, version, server)

    expected = run_selector(lambda: calls("loop"))
    assert run_kind(loop, kind, lambda: calls(kind)) == expected


# -- the handshake


async def failure(kind, server, react, **options):
    """Return what the handshake with a peer that misbehaves raises."""
    sock, other = tcp_pair()
    peer = TlsPeer(other, context_of("TLSv1_3", not server), server_side=not server)
    if server:
        options["server_side"] = True
    opening = asyncio.create_task(
        open_tls(kind, sock, Plain(), context_of("TLSv1_3", server), **options)
    )
    await react(peer, opening)
    await asyncio.wait([opening])
    other.close()
    assert sock.fileno() == -1
    if opening.cancelled():
        return asyncio.CancelledError
    return type(opening.exception())


async def be_garbage(peer, opening):
    await peer.pull()
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def end_at_once(peer, opening):
    peer.end()


async def end_in_between(peer, opening):
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.do_handshake()
    await peer.flush()
    await peer.pull()
    peer.end()


async def reset_in_between(peer, opening):
    await peer.pull()
    peer.reset()


async def be_cancelled(peer, opening):
    await peer.pull()
    opening.cancel()


@pytest.mark.parametrize(
    ("server", "react"),
    [
        (False, be_garbage),
        (False, end_at_once),
        (False, end_in_between),
        (False, reset_in_between),
        (False, be_cancelled),
        (True, end_at_once),
        (True, end_in_between),
    ],
)
@ours
def test_handshakes_fail_alike(loop, kind, server, react):
    """What goes wrong in a handshake raises what asyncio raises; nothing stays open."""
    expected = run_selector(lambda: failure("loop", server, react))
    found = run_kind(loop, kind, lambda: failure(kind, server, react))
    assert found is expected


@ours
def test_certificates_are_verified(loop, kind):
    """A certificate of somebody else ends the handshake, and the peer learns why."""

    async def scenario():
        sock, other = tcp_pair()
        peer = TlsPeer(other, context_of("TLSv1_3", True), server_side=True)
        context = ssl.create_default_context()
        opening = asyncio.create_task(open_tls(kind, sock, Plain(), context))
        await peer.shake_hands_in_part()
        with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
            await opening
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            await peer.shake_hands()
        other.close()

    run_kind(loop, kind, scenario)


@ours
def test_wrong_arguments(loop, kind):
    """Contexts and timeouts are checked."""

    async def scenario():
        sock, other = tcp_pair()
        below = await transport_below(kind, sock)
        context = client_context()
        with pytest.raises(TypeError, match="expected to be an instance of"):
            make_tls(kind, below, Plain(), None)
        for name in ("ssl_handshake_timeout", "ssl_shutdown_timeout"):
            with pytest.raises(ValueError, match=f"{name} should be a positive number"):
                make_tls(kind, below, Plain(), context, **{name: 0})
        below.abort()
        await asyncio.sleep(0)
        other.close()

    run_kind(loop, kind, scenario)


@pytest.mark.parametrize("kind", ["pump", pytest.param("direct", marks=needs_native)])
def test_handshakes_take_too_long(kind):
    """A peer that says nothing is given up."""

    async def scenario():
        sock, other = tcp_pair()
        with pytest.raises(ConnectionAbortedError, match="longer than 7 seconds"):
            await open_tls(
                kind, sock, Plain(), client_context(), ssl_handshake_timeout=7
            )
        await asyncio.sleep(0)
        other.close()

    run_jumping(scenario)


@pytest.mark.parametrize("kind", ["pump", pytest.param("direct", marks=needs_native)])
def test_goodbyes_take_too_long(kind):
    """A peer that doesn't say goodbye is given up; what it sends is forgotten."""

    async def scenario():
        protocol = Plain()
        transport, peer = await connected(kind, protocol, ssl_shutdown_timeout=7)
        transport.close()
        await peer.send(peer.sealed(b"more"))
        await until(lambda: lost(protocol))
        assert protocol.log == [("made",), ("lost", TimeoutError, None)]
        peer.sock.close()

    run_jumping(scenario)


async def garbage_at_the_end(peer):
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def end_without_goodbye(peer):
    peer.end()


@pytest.mark.parametrize(
    ("react", "error"),
    [(garbage_at_the_end, ssl.SSLError), (end_without_goodbye, type(None))],
)
@ours
def test_goodbyes_fail(loop, kind, react, error):
    """The connection is closed, whatever answers the goodbye."""

    async def scenario():
        protocol = Plain()
        transport, peer = await connected(kind, protocol)
        transport.close()
        await react(peer)
        await until(lambda: lost(protocol))
        assert [entry[:2] for entry in protocol.log] == [("made",), ("lost", error)]
        peer.sock.close()

    run_kind(loop, kind, scenario)


@ours
def test_broken_tls_says_no_goodbye(loop, kind):
    """Closing gives up when TLS is in no state to say goodbye."""

    async def scenario():
        protocol = Plain()
        transport, peer = await connected(kind, protocol)
        transport.pause_reading()
        transport.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        transport.close()
        await until(lambda: lost(protocol))
        assert protocol.log == [("made",), ("lost", ssl.SSLError, 1)]
        peer.sock.close()

    run_kind(loop, kind, scenario)
