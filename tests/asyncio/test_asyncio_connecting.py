"""Connecting sockets: names, addresses, who answers first, and what's raised."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from typing import Any, ClassVar

import pytest

from tests.asyncio.helpers import LOOPS, run, run_jumping, run_on, run_own
from websockets.asyncio._connecting import (
    begin,
    combined,
    connect_tcp,
    connect_unix,
    finish,
    interleaved,
    race,
    wake,
)


every_loop = pytest.mark.parametrize("loop", LOOPS)


def info(family: int, host: str) -> Any:
    rest = (0, 0) if family == V6 else ()
    return family, socket.SOCK_STREAM, 6, "", (host, 80, *rest)


V4, V6 = socket.AF_INET, socket.AF_INET6


@contextlib.contextmanager
def listener(host="127.0.0.1", family=V4):
    with socket.create_server((host, 0), family=family) as sock:
        yield sock, sock.getsockname()[1]


def free_port() -> int:
    with listener() as (_, port):
        return port


def unblocking(sock: socket.socket) -> bool:
    return sock.gettimeout() == 0


@every_loop
@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", V4), ("::1", V6)])
def test_addresses_need_no_resolving(loop, host, family):
    """The system isn't asked for the address of an address."""

    async def scenario():
        loop = asyncio.get_running_loop()
        with listener(host, family) as (_, port):
            asked = []
            with contextlib.suppress(AttributeError):  # uvloop's is read-only
                loop.getaddrinfo = lambda *args, **kwargs: asked.append(args)
            sock = await connect_tcp(loop, host, port)
            assert sock.getpeername()[:2] == (host, port)
            assert unblocking(sock)
            assert asked == []
            sock.close()

    run_on(loop, scenario)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("127.0.0.1", str),
        ("127.0.0.1", float),
        ("::ffff:127.0.0.1", str),
        (b"127.0.0.1", int),
        (b"localhost", str),
        ("localhost", float),
        ("127.0.0.1", "no-such-service {}".format),
        (5, int),
    ],
)
def test_types_of_addresses(host, port):
    """They are those that asyncio takes."""

    async def scenario():
        loop = asyncio.get_running_loop()
        with listener() as (_, number):
            try:
                transport, _ = await loop.create_connection(
                    asyncio.Protocol, host, port(number)
                )
            except (OSError, TypeError) as exc:
                with pytest.raises(type(exc)):
                    await connect_tcp(loop, host, port(number))
            else:
                transport.close()
                (await connect_tcp(loop, host, port(number))).close()

    run_own(scenario)


def test_null_characters():
    """The system would take what comes before them."""

    async def scenario():
        with listener() as (_, port), pytest.raises(ValueError, match="null"):
            await connect_tcp(asyncio.get_running_loop(), "127.0.0.1\0.example", port)

    run(scenario)


@every_loop
def test_names_are_resolved(loop):
    """A name has addresses, which are tried in order."""

    async def scenario():
        with listener() as (_, port):
            loop = asyncio.get_running_loop()
            sock = await connect_tcp(loop, "localhost", port, interleave=1)
            assert sock.getpeername()[1] == port
            sock.close()
            with pytest.raises(socket.gaierror):
                await connect_tcp(loop, "::1", port, family=V4)

    run_on(loop, scenario)


def resolving_to(*found):
    """Have the loop resolve names to something."""

    async def getaddrinfo(host, port, **kwargs):
        return [(*item[:4], (item[4][0], port, *item[4][2:])) for item in found]

    asyncio.get_running_loop().getaddrinfo = getaddrinfo


def test_a_name_without_addresses():
    """An empty list of addresses is an error, as with asyncio."""

    async def scenario():
        resolving_to()
        loop = asyncio.get_running_loop()
        with pytest.raises(OSError, match=r"getaddrinfo\(\) returned empty list"):
            await connect_tcp(loop, "nowhere.test", 80)

    run(scenario)


@pytest.mark.parametrize("delay", [None, 0.25])
def test_the_next_address_is_tried(delay):
    """One address of a name that works is enough."""

    async def scenario():
        with listener() as (_, port):
            resolving_to(info(V6, "::1"), info(V4, "127.0.0.1"))
            sock = await connect_tcp(
                asyncio.get_running_loop(),
                "name.test",
                port,
                happy_eyeballs_delay=delay,
            )
            assert sock.getpeername() == ("127.0.0.1", port)
            sock.close()

    run(scenario)


@pytest.mark.parametrize("delay", [None, 0.25])
@pytest.mark.parametrize(
    "hosts", [["127.0.0.1"], ["127.0.0.1"] * 2, ["127.0.0.1", "::1"]]
)
def test_errors_are_those_of_asyncio(delay, hosts):
    """Exceptions have the types, texts and parts that create_connection() gives them."""

    async def scenario():
        port = free_port()
        loop = asyncio.get_running_loop()
        resolving_to(*(info(V6 if ":" in host else V4, host) for host in hosts))
        options = [{}]
        if sys.version_info >= (3, 12):
            options.append({"all_errors": True})
        for option in options:
            errors = []
            for attempt in (
                loop.create_connection(asyncio.Protocol, "name.test", port, **option),
                connect_tcp(
                    loop, "name.test", port, happy_eyeballs_delay=delay, **option
                ),
            ):
                with pytest.raises((OSError, ExceptionGroup)) as raised:
                    await attempt
                errors.append(raised.value)
            theirs, ours = errors
            assert type(ours) is type(theirs)
            assert str(ours) == str(theirs)
            if option:
                assert list(map(repr, ours.exceptions)) == list(
                    map(repr, theirs.exceptions)
                )
            else:
                assert ours.errno == theirs.errno

    run_own(scenario)


def test_all_errors_on_every_version():
    """all_errors gives a group, whichever asyncio there is."""

    async def scenario():
        loop = asyncio.get_running_loop()
        with pytest.raises(ExceptionGroup, match="create_connection failed"):
            await connect_tcp(loop, "127.0.0.1", free_port(), all_errors=True)

    run(scenario)


@every_loop
def test_local_addresses(loop):
    """A connection may come from an address of choice; one that works is enough."""

    async def scenario():
        loop = asyncio.get_running_loop()
        with listener() as (_, port):
            sock = await connect_tcp(
                loop, "127.0.0.1", port, local_addr=("127.0.0.2", 0)
            )
            assert sock.getsockname()[0] == "127.0.0.2"
            sock.close()

    run_on(loop, scenario)


def test_a_local_address_of_several():
    """A local address that is of no use is passed over."""

    async def scenario():
        loop = asyncio.get_running_loop()
        with listener() as (_, port):
            resolving_to(info(V6, "::1"), info(V4, "192.0.2.1"), info(V4, "127.0.0.3"))
            sock = await connect_tcp(
                loop, "127.0.0.1", port, local_addr=("name.test", 0)
            )
            assert sock.getsockname()[0] == "127.0.0.3"
            sock.close()

    run(scenario)


@pytest.mark.parametrize("local", ["192.0.2.1", "::1"])
def test_local_addresses_that_do_not_work(local):
    """The error of an impossible local address says which, as with asyncio."""

    async def scenario():
        loop = asyncio.get_running_loop()
        with listener() as (_, port):
            errors = []
            for attempt in (
                loop.create_connection(
                    asyncio.Protocol, "127.0.0.1", port, local_addr=(local, 0)
                ),
                connect_tcp(loop, "127.0.0.1", port, local_addr=(local, 0)),
            ):
                with pytest.raises(OSError) as raised:  # noqa: PT011 - compared below
                    await attempt
                errors.append(raised.value)
        # CPython 3.11 puts the reason in other words.
        theirs, ours = (str(exc).rpartition(": ")[0] or str(exc) for exc in errors)
        assert theirs in ours
        assert errors[1].errno == errno.EADDRNOTAVAIL

    run_own(scenario)


def test_families_take_turns():
    """Interleaving alternates between families, after some of the first one."""
    a, b, c = (info(V6, host) for host in ("a", "b", "c"))
    x, y = (info(V4, host) for host in ("x", "y"))
    assert interleaved([a, b, c, x, y], 1) == [a, x, b, y, c]
    assert interleaved([a, b, c, x, y], 2) == [a, b, x, c, y]
    assert interleaved([a, x, y], 1) == [a, x, y]
    assert interleaved([x], 3) == [x]


def test_several_errors_are_one():
    """Errors that say the same are one; others are told together."""
    one, same, other = OSError(1, "one"), OSError(1, "one"), OSError(2, "two")
    assert combined([one, same]) is one
    text = "Multiple exceptions: [Errno 1] one, [Errno 2] two"
    assert str(combined([one, other])) == text


class Answers:
    """Addresses that answer after some time, or fail."""

    def __init__(self, **plans: tuple[float, bool]) -> None:
        self.plans = plans
        self.started: list[tuple[str, float]] = []
        self.sockets: list[socket.socket] = []
        self.begin = asyncio.get_running_loop().time()

    async def attempt(self, item: Any) -> socket.socket | None:
        host = item[4][0]
        elapsed = asyncio.get_running_loop().time() - self.begin
        self.started.append((host, round(elapsed, 1)))
        seconds, works = self.plans[host]
        await asyncio.sleep(seconds)
        if not works:
            return None
        sock = socket.socket()
        self.sockets.append(sock)
        return sock

    async def race(self, delay: float) -> str | None:
        found = [info(V4, host) for host in self.plans]
        winner = await race(self.attempt, found, delay)
        for sock in self.sockets:
            assert (sock.fileno() >= 0) == (sock is winner)
        if winner is None:
            return None
        winner.close()
        return "won"


def test_slow_addresses_are_not_waited_for():
    """The next address is tried after a while; the first that answers is taken."""

    async def scenario():
        answers = Answers(a=(10, True), b=(10, False), c=(1, True), d=(0, True))
        assert await answers.race(0.5) == "won"
        assert answers.started == [("a", 0.0), ("b", 0.5), ("c", 1.0), ("d", 1.5)]
        assert len(answers.sockets) == 1

    run_jumping(scenario)


def test_failing_addresses_are_not_waited_for():
    """The next address is tried at once when one fails; in the end all have."""

    async def scenario():
        answers = Answers(a=(0.1, False), b=(0.1, False), c=(2, False))
        assert await answers.race(1) is None
        assert answers.started == [("a", 0.0), ("b", 0.1), ("c", 0.2)]

    run_jumping(scenario)


def test_two_addresses_answer_at_once():
    """Of two connections only one stays open."""

    async def scenario():
        answer = asyncio.Event()
        sockets = []

        async def attempt(_):
            if sockets:
                asyncio.get_running_loop().call_soon(answer.set)
            sockets.append(socket.socket())
            await answer.wait()
            return sockets.pop()

        winner = await race(attempt, [info(V4, "a"), info(V4, "b")], 0.01)
        assert winner is not None
        assert winner.fileno() >= 0
        assert sockets == []
        winner.close()

    run_jumping(scenario)


@every_loop
@pytest.mark.parametrize("delay", [None, 0.01])
def test_connecting_is_cancelled(loop, delay):
    """Cancelling leaves no socket behind."""

    async def scenario():
        with listener() as (sock, port):
            # The queue of a listener that doesn't accept fills up.
            sock.listen(0)
            waiting = []
            for _ in range(5):
                other = socket.socket()
                other.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    other.connect(("127.0.0.1", port))
                waiting.append(other)
            loop = asyncio.get_running_loop()
            connecting = connect_tcp(
                loop, "127.0.0.1", port, happy_eyeballs_delay=delay
            )
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connecting, 0.05)
            for other in waiting:
                other.close()

    run_on(loop, scenario)


@every_loop
def test_connections_that_take_a_while(loop):
    """A server that is slow to answer is waited for, as long as it takes."""

    class Slow(socket.socket):
        """A socket whose first answers are late."""

        answers: ClassVar[list[int]] = [errno.EINPROGRESS, errno.EALREADY]

        def connect_ex(self, address):
            if len(self.answers) == 2:
                super().connect_ex(address)
            return self.answers.pop(0)

    async def scenario():
        loop = asyncio.get_running_loop()
        with listener() as (_, port), Slow() as sock:
            sock.setblocking(False)
            address = "127.0.0.1", port
            assert not begin(sock, address)
            await finish(loop, sock, address)
            assert sock.getpeername() == ("127.0.0.1", port)
        Slow.answers = [errno.EINPROGRESS, errno.EALREADY]
        with Slow() as sock:
            sock.setblocking(False)
            address = "127.0.0.1", free_port()
            assert not begin(sock, address)
            with pytest.raises(ConnectionRefusedError, match="Connect call failed"):
                await finish(loop, sock, address)

    run_on(loop, scenario)


def test_waking_twice():
    """A loop may tell twice that a socket is connected."""

    async def scenario():
        waiter = asyncio.get_running_loop().create_future()
        wake(waiter)
        wake(waiter)
        await waiter

    run(scenario)


@every_loop
def test_who_is_refused_lets_others_run(loop):
    """Trying until a server is there gives the task that starts it a chance."""

    async def scenario():
        loop = asyncio.get_running_loop()
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            address = server.getsockname()
            listening = asyncio.create_task(listen(server))
            attempts = 0
            while not listening.done():
                attempts += 1
                assert attempts < 10
                with pytest.raises(ConnectionRefusedError):
                    await connect_tcp(loop, *address)
            (await connect_tcp(loop, *address)).close()

    async def listen(server):
        server.listen()

    run_on(loop, scenario)


@every_loop
def test_unix_sockets(loop, tmp_path):
    """A path is enough; an error leaves no socket behind."""

    async def scenario():
        path = str(tmp_path / "socket")
        loop = asyncio.get_running_loop()
        with pytest.raises(FileNotFoundError):
            await connect_unix(loop, path)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            sock = await connect_unix(loop, path)
            assert sock.getpeername() == path
            assert unblocking(sock)
            sock.close()

    run_on(loop, scenario)
