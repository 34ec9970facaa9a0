"""A connection on threads, just large enough to run the scenarios.

A test driver, not a product: it stands for the threaded face to come, and shows that the
session fits one. Its methods are coroutines that never suspend, so scenarios written
for asyncio run on it, each task in a thread of its own.

Locks are taken in one order, the write lock first, and the session's lock is never held
while a socket blocks. Who finds the write lock taken leaves the bytes to its holder, who
looks again after releasing it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

from tests.loops import PATIENCE
from websockets._session import Session
from websockets.exceptions import ConnectionClosed
from websockets.protocol import OPEN, Protocol


class ThreadedConnection:
    """A socket, a session, a reader thread and a timer thread."""

    def __init__(self, sock: socket.socket, protocol: Protocol, **options: Any) -> None:
        self.sock = sock
        self.protocol = protocol
        self.session = Session(protocol, time.monotonic(), **options)
        self.changed = threading.Condition(threading.Lock())  # guards the session
        self.write_lock = threading.Lock()
        self.lost = False
        self.threads = [
            threading.Thread(target=self.read_loop),
            threading.Thread(target=self.time_loop),
        ]
        for thread in self.threads:
            thread.start()

    # -- threads

    def read_loop(self) -> None:
        cause: BaseException | None = None
        try:
            while True:
                with self.changed:
                    while self.session.reading_paused:
                        self.changed.wait()
                data = self.sock.recv(65536)
                if not data:
                    break
                with self.changed:
                    self.session.receive_data(data, time.monotonic())
                    self.changed.notify_all()
                self.flush(blocking=False)
        except OSError as exc:
            cause = exc
        with self.changed:
            self.session.receive_eof(time.monotonic(), cause)
        self.flush(blocking=False)
        with self.changed:
            self.session.connection_lost(time.monotonic(), cause)
            self.lost = True
            self.changed.notify_all()

    def time_loop(self) -> None:
        while True:
            with self.changed:
                if self.lost:
                    break
                now = time.monotonic()
                deadline = self.session.next_deadline()
                if deadline is None or now < deadline:
                    self.changed.wait(None if deadline is None else deadline - now)
                    continue
                self.session.deadline_reached(now)
                aborted = self.session.aborted
                self.changed.notify_all()
            if aborted:
                self.drop()
            self.flush(blocking=False)

    def drop(self) -> None:
        with contextlib.suppress(OSError):  # the peer may have been faster
            self.sock.shutdown(socket.SHUT_RDWR)

    def flush(self, *, blocking: bool = True) -> None:
        while self.protocol.writes:
            if not self.write_lock.acquire(blocking=blocking):
                return
            try:
                with self.changed:
                    batch = self.session.data_to_send()
                for data in batch:
                    if data:
                        self.sock.sendall(data)
                    else:
                        self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the reader meets the same error and reports it
            finally:
                self.write_lock.release()

    def join(self) -> None:
        for thread in self.threads:
            thread.join(PATIENCE)
        self.sock.close()

    # -- what scenarios call

    @property
    def state(self) -> Any:
        return self.protocol.state

    @property
    def close_code(self) -> int | None:
        return self.protocol.close_code

    @property
    def close_reason(self) -> str | None:
        return self.protocol.close_reason

    @property
    def latency(self) -> float:
        return self.session.latency

    def wait(self) -> None:
        if not self.changed.wait(PATIENCE):
            raise TimeoutError("nothing happened")

    async def recv(self, decode: bool | None = None) -> str | bytes:
        with self.changed:
            while True:
                data = self.session.pop_message(time.monotonic(), decode)
                self.changed.notify_all()
                if data is not None:
                    break
                if not self.protocol.writes:
                    self.wait()
                else:
                    self.changed.release()
                    try:
                        self.flush()
                    finally:
                        self.changed.acquire()
        self.flush(blocking=False)
        return data

    async def recv_streaming(self, decode: bool | None = None) -> Any:
        last = False
        while not last:
            with self.changed:
                while True:
                    item = self.session.pop_fragment(time.monotonic(), decode)
                    if item is not None:
                        break
                    self.wait()
            fragment, last = item
            yield fragment

    async def send(
        self, message: Any, *, text: bool | None = None, compress: bool | None = None
    ) -> None:
        with self.changed:
            while self.protocol.state is not OPEN and not self.lost:
                self.wait()
            if self.lost:
                raise self.session.exception()
            if isinstance(message, (str, bytes)):
                self.session.send_message(message, text=text, compress=compress)
            else:
                for index, data in enumerate(message):
                    self.session.send_fragment(
                        data, first=not index, fin=False, text=text, compress=compress
                    )
                self.session.send_fragment(b"", first=False, fin=True)
        self.flush()

    async def ping(self, data: bytes | None = None) -> Pong:
        pong = Pong()
        with self.changed:
            self.session.ping(data, time.monotonic(), pong.done)
        self.flush()
        return pong

    async def close(self, code: int = 1000, reason: str = "") -> None:
        with self.changed:
            self.session.close(time.monotonic(), code, reason)
            self.changed.notify_all()
        self.flush()
        with self.changed:
            while not self.lost:
                self.wait()

    async def wait_closed(self) -> None:
        with self.changed:
            while not self.lost:
                self.wait()

    def __aiter__(self) -> ThreadedConnection:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.recv()
        except ConnectionClosed:
            raise StopAsyncIteration from None


class Pong:
    """What ``await ping()`` gives: awaited, it waits for the pong."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.result: float | BaseException = 0.0

    def done(self, result: float | BaseException) -> None:
        self.result = result
        self.event.set()

    def __await__(self) -> Any:
        if not self.event.wait(PATIENCE):
            raise TimeoutError("no pong")
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result
        yield  # makes this a generator, as awaitables need
