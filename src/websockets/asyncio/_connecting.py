"""Connecting sockets, as :meth:`asyncio.loop.create_connection` does.

Owns: addresses of a name, in which order and how fast they are tried, what is raised
when none answers.
Doesn't know: transports, what a connection is for.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from itertools import chain, zip_longest
from typing import Any, TypeAlias


__all__ = ["connect_tcp", "connect_unix"]

#: Family, type, protocol, canonical name, address: an item of getaddrinfo().
AddrInfo: TypeAlias = tuple[int, int, int, str, Any]

# What an address has besides host and port.
FAMILIES: Sequence[tuple[int, tuple[int, ...]]] = (
    (socket.AF_INET, ()),
    (socket.AF_INET6, (0, 0)),
)


async def connect_unix(loop: asyncio.AbstractEventLoop, path: str) -> socket.socket:
    """
    Connect to a Unix socket.

    Raises:
        OSError: Connecting failed.
    """
    return await connect_socket(
        loop, (socket.AF_UNIX, socket.SOCK_STREAM, 0, "", path), []
    )


async def connect_tcp(
    loop: asyncio.AbstractEventLoop,
    host: str,
    port: int,
    *,
    family: int = 0,
    proto: int = 0,
    flags: int = 0,
    local_addr: tuple[str, int] | None = None,
    happy_eyeballs_delay: float | None = None,
    interleave: int | None = None,
    all_errors: bool = False,
) -> socket.socket:
    """
    Connect to a host name or IP address.

    Args:
        loop: The running loop.
        host: Host name or IP address.
        port: Port.
        family: See :meth:`asyncio.loop.create_connection`, like the others.
        proto: The same.
        flags: The same.
        local_addr: The same.
        happy_eyeballs_delay: The same.
        interleave: The same.
        all_errors: The same.

    Returns:
        A connected socket that doesn't block.

    Raises:
        OSError: Resolving the name or connecting failed.
        ExceptionGroup: The same, with ``all_errors``.
    """

    def resolved(host: str, port: int) -> Coroutine[Any, Any, Sequence[AddrInfo]]:
        return resolve(loop, host, port, family=family, proto=proto, flags=flags)

    found = numeric(host, port, family, proto) or await resolved(host, port)
    bind: Sequence[AddrInfo] = ()
    if local_addr is not None:
        bind = numeric(*local_addr, family, proto) or await resolved(*local_addr)
    if interleave is None and happy_eyeballs_delay is not None:
        interleave = 1
    if interleave:
        found = interleaved(found, interleave)

    failures: list[list[OSError]] = []

    async def attempt(info: AddrInfo) -> socket.socket | None:
        mine: list[OSError] = []
        failures.append(mine)
        try:
            return await connect_socket(loop, info, mine, bind)
        except OSError as exc:
            mine.append(exc)
            return None

    if happy_eyeballs_delay is not None:
        sock = await race(attempt, found, happy_eyeballs_delay)
    else:
        sock = None
        for info in found:
            sock = await attempt(info)
            if sock is not None:
                break
    if sock is not None:
        return sock
    exceptions = list(chain.from_iterable(failures))
    try:
        # Others have their turn, though a program that waits for the server to be there
        # tries again and again, and is refused at once.
        await asyncio.sleep(0)
        if all_errors:
            raise ExceptionGroup("create_connection failed", exceptions)
        raise combined(exceptions)
    finally:
        # They refer to frames that refer to them.
        failures.clear()
        del exceptions


def combined(exceptions: list[OSError]) -> OSError:
    """Return one exception for several attempts."""
    texts = [str(exc) for exc in exceptions]
    if len(set(texts)) == 1:
        return exceptions[0]
    return OSError(f"Multiple exceptions: {', '.join(texts)}")


def numeric(host: str, port: int, family: int, proto: int) -> Sequence[AddrInfo]:
    """
    Return the address that a host is; none if it's a name, or the port is.

    Raises:
        ValueError: There's a null character in it, which :meth:`resolve` wouldn't notice.
    """
    # Asking the system takes a thread; an address needs neither. asyncio takes numbers of
    # any type, too, for addresses.
    try:
        port = int(port)
    except (TypeError, ValueError):
        return ()
    for known, rest in FAMILIES:
        if family in (known, socket.AF_UNSPEC):
            try:
                socket.inet_pton(known, host)
            except (OSError, TypeError):
                continue
            kind = proto or socket.IPPROTO_TCP
            return [(known, socket.SOCK_STREAM, kind, "", (host, port, *rest))]
    return ()


async def resolve(
    loop: asyncio.AbstractEventLoop,
    host: str,
    port: int,
    *,
    family: int,
    proto: int,
    flags: int,
) -> Sequence[AddrInfo]:
    """
    Return addresses of a name, for a stream.

    Raises:
        OSError: There's none.
    """
    found = await loop.getaddrinfo(
        host, port, family=family, type=socket.SOCK_STREAM, proto=proto, flags=flags
    )
    if not found:
        raise OSError("getaddrinfo() returned empty list")
    return found


def interleaved(found: Sequence[AddrInfo], first: int) -> Sequence[AddrInfo]:
    """
    Alternate between families, after the first addresses of the first one (RFC 8305).

    Args:
        found: Addresses in the order of preference.
        first: How many of the first family come first.
    """
    families: dict[int, list[AddrInfo]] = {}
    for info in found:
        families.setdefault(info[0], []).append(info)
    lists = list(families.values())
    head, lists[0] = lists[0][: first - 1], lists[0][first - 1 :]
    return [*head, *(info for row in zip_longest(*lists) for info in row if info)]


async def race(
    attempt: Callable[[AddrInfo], Awaitable[socket.socket | None]],
    found: Sequence[AddrInfo],
    delay: float,
) -> socket.socket | None:
    """
    Try addresses one after the other, without waiting long for one (RFC 8305).

    Args:
        attempt: Connects to an address; :obj:`None` when that fails.
        found: Addresses.
        delay: Seconds after which the next one is tried, too.
    """
    tasks: list[asyncio.Task[socket.socket | None]] = []
    remaining = list(reversed(found))
    winner = None
    try:
        while winner is None:
            pending = [task for task in tasks if not task.done()]
            if remaining:
                task = asyncio.ensure_future(attempt(remaining.pop()))
                tasks.append(task)
                await asyncio.wait({task, *pending}, timeout=delay, return_when=FIRST)
            elif pending:
                await asyncio.wait(pending, return_when=FIRST)
            else:
                break
            done = (task.result() for task in tasks if task.done())
            winner = next(filter(None, done), None)
    finally:
        for task in tasks:
            task.cancel()
        for sock in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(sock, socket.socket) and sock is not winner:
                sock.close()
    return winner


FIRST = asyncio.FIRST_COMPLETED


async def connect_socket(
    loop: asyncio.AbstractEventLoop,
    info: AddrInfo,
    failures: list[OSError],
    bind: Sequence[AddrInfo] = (),
) -> socket.socket:
    """
    Connect to one address.

    Args:
        loop: The running loop.
        info: Where to connect to.
        failures: Where exceptions go that are not raised.
        bind: Local addresses, of which one has to do, if there are any.

    Raises:
        OSError: Connecting failed.
    """
    family, kind, proto, _, address = info
    sock = socket.socket(family, kind, proto)
    try:
        sock.setblocking(False)
        if bind:
            bind_socket(sock, bind, failures)
        if not begin(sock, address):
            await finish(loop, sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def begin(sock: socket.socket, address: Any) -> bool:
    """
    Begin to connect a socket that doesn't block; tell whether there's no need to wait.

    With :func:`finish`, it's what ``loop.sock_connect()`` does, without resolving
    addresses again.

    Raises:
        OSError: Connecting failed.
    """
    error = sock.connect_ex(address)
    if error == 0:
        return True
    if error != errno.EINPROGRESS:
        raise OSError(error, os.strerror(error))
    # Who is on the same machine has answered already.
    error = sock.connect_ex(address)
    if error == errno.EALREADY:
        return False
    check(error, address)
    return True


def check(error: int, address: Any) -> None:
    """
    Look at how connecting ended.

    Raises:
        OSError: It failed.
    """
    if error not in {0, errno.EISCONN}:
        raise OSError(error, f"Connect call failed {address}")


async def finish(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, address: Any
) -> None:
    """
    Wait until a socket is connected.

    Raises:
        OSError: Connecting failed.
    """
    waiter: asyncio.Future[None] = loop.create_future()
    descriptor = sock.fileno()
    loop.add_writer(descriptor, wake, waiter)
    try:
        await waiter
    finally:
        loop.remove_writer(descriptor)
    check(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), address)


def wake(waiter: asyncio.Future[None]) -> None:
    """Let somebody go on; loops may tell twice that they can."""
    if not waiter.done():
        waiter.set_result(None)


def bind_socket(
    sock: socket.socket, bind: Sequence[AddrInfo], failures: list[OSError]
) -> None:
    """
    Bind a socket to the first local address that does.

    Raises:
        OSError: None does.
    """
    for family, _, _, _, address in bind:
        if family != sock.family:
            continue
        try:
            sock.bind(address)
        except OSError as exc:
            text = f"error while attempting to bind on address {address!r}: "
            failures.append(OSError(exc.errno, text + str(exc).lower()))
        else:
            return
    if failures:
        raise failures.pop()
    raise OSError(
        errno.EADDRNOTAVAIL,
        f"no matching local address with family={sock.family!r} found",
    )
