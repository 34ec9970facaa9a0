"""Listening for connections that do their own input and output.

Owns: a server like :class:`asyncio.Server`, whose connections are ours from ``accept()`` on.
Doesn't know: what is done with connections (see ``_acceptor``).

The loop makes the sockets, with all the options that it knows, and closes them; it
never starts to serve. Duplicates of them listen and accept: a loop may object to others
who watch descriptors of its own.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from asyncio.trsock import TransportSocket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from ._direct import direct_poller


if TYPE_CHECKING:
    from ..speedups import Poller


__all__ = ["SocketServer", "listen"]

# Errors that mean that the process or the system has run out of something.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

# Seconds for which a server doesn't accept then, as in asyncio.
RETRY_DELAY = 1


async def listen(
    factory: Callable[[], asyncio.BaseProtocol],
    *,
    unix: bool,
    start_serving: bool = True,
    **options: Any,
) -> asyncio.Server:
    """
    Listen.

    Args:
        factory: Makes a protocol for each connection.
        unix: Whether on a Unix socket.
        start_serving: Whether to accept connections at once.
        options: More arguments of :meth:`asyncio.loop.create_server` or
            :meth:`asyncio.loop.create_unix_server`.

    Raises:
        OSError: Listening failed.
    """
    loop = asyncio.get_running_loop()
    method = "create_unix_server" if unix else "create_server"
    create: Callable[..., Any] = getattr(loop, method)
    poller = direct_poller(loop, method)
    if poller is None:
        server: asyncio.Server = await create(
            factory, start_serving=start_serving, **options
        )
        return server
    inner = await create(factory, start_serving=False, **options)
    ours = SocketServer(inner, poller, factory, options.get("backlog", 100))
    if start_serving:
        try:
            await ours.start_serving()
        except BaseException:
            ours.close()
            raise
    # It's no subclass, nor is uvloop's.
    return cast(asyncio.Server, ours)


class SocketServer(asyncio.AbstractServer):
    """
    A server that accepts connections by itself.

    Args:
        inner: Server of the loop, which has sockets and doesn't serve.
        poller: What accepts connections, and keeps them.
        factory: Makes a protocol for each.
        backlog: How many may wait to be accepted.
    """

    def __init__(
        self,
        inner: asyncio.Server,
        poller: Poller,
        factory: Callable[[], asyncio.BaseProtocol],
        backlog: int,
    ) -> None:
        self._inner = inner
        self._poller = poller
        self._factory = factory
        self._backlog = backlog
        self._loop = inner.get_loop()
        self._listeners: list[socket.socket] = []
        self._retries: dict[socket.socket, asyncio.TimerHandle] = {}
        self._closed = False
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._forever: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        """Show the sockets."""
        return f"<{type(self).__name__} sockets={self.sockets!r}>"

    # information

    @property
    def sockets(self) -> Sequence[Any]:
        """Sockets that listen; none once the server is closed."""
        return tuple(self._inner.sockets)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop of the server."""
        return self._loop

    def is_serving(self) -> bool:
        """Tell whether the server accepts connections."""
        return bool(self._listeners)

    # accepting

    async def start_serving(self) -> None:
        """
        Start accepting connections, unless it does.

        Raises:
            OSError: Listening failed.
            RuntimeError: The server is closed.
        """
        if self._closed:
            raise RuntimeError(f"server {self!r} is closed")
        if self._listeners:
            return
        for sock in self._inner.sockets:
            listener = socket.socket(fileno=os.dup(sock.fileno()))
            self._listeners.append(listener)
            listener.setblocking(False)
            listener.listen(self._backlog)
            self._watch(listener)
        # As in asyncio: whatever waits gets a turn before the first connection.
        await asyncio.sleep(0)

    def _watch(self, listener: socket.socket) -> None:
        self._loop.add_reader(listener.fileno(), self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            self._poller.accept(listener.fileno(), self._backlog, self._factory)
        except OSError as exc:
            if exc.errno not in EXHAUSTED:
                raise
            self._loop.call_exception_handler(
                {
                    "message": "socket.accept() out of system resource",
                    "exception": exc,
                    "socket": TransportSocket(listener),
                }
            )
            self._loop.remove_reader(listener.fileno())
            self._retries[listener] = self._loop.call_later(
                RETRY_DELAY, self._watch, listener
            )

    async def serve_forever(self) -> None:
        """
        Serve until the server is closed, or this is cancelled, which closes it.

        Raises:
            RuntimeError: It's done already, or the server is closed.
        """
        if self._forever is not None:
            raise RuntimeError(
                f"server {self!r} is already being awaited on serve_forever()"
            )
        await self.start_serving()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        finally:
            self._forever = None
            self.close()
            await self.wait_closed()

    # closing

    def close(self) -> None:
        """Stop listening. Connections go on."""
        if self._closed:
            return
        self._closed = True
        for listener in self._listeners:
            self._loop.remove_reader(listener.fileno())
            listener.close()
        self._listeners.clear()
        for timer in self._retries.values():
            timer.cancel()
        self._retries.clear()
        self._inner.close()
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._poller.close(self._all_gone)

    def _all_gone(self) -> None:
        if not self._gone.done():
            self._gone.set_result(None)

    async def wait_closed(self) -> None:
        """Wait until the server is closed, and the last connection has gone."""
        await asyncio.shield(self._gone)

    def close_clients(self) -> None:
        """Close all connections."""
        for transport in self._poller.transports():
            transport.close()

    def abort_clients(self) -> None:
        """Close all connections at once."""
        for transport in self._poller.transports():
            transport.abort()
