"""When there's no memory, TLS of our own raises MemoryError, and loses nothing."""

from __future__ import annotations

import contextlib
import ssl
from functools import partial
from typing import Any

import pytest

from tests.asyncio.helpers import client_context, server_context
from tests.asyncio.transports import NATIVE, Buffered, Plain
from tests.native.allocations import lost_blocks, needs_failures, survive
from tests.native.test_transport_memory import Case, Kept


if NATIVE is not None:
    TlsTransport = NATIVE[2]

pytestmark = [
    needs_failures,
    # What was to be closed when memory ended is closed when it's collected.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

CONTEXTS = client_context(), server_context()


class Driver:
    """Stands for what begins and ends TLS."""

    def __init__(self, below):
        self.below = below

    def close(self):
        self.below.close()

    def lost(self, exc):
        pass


class Secure(Case):
    """A transport with TLS; the handshake is over."""

    def __init__(self, make: type = Plain, quick: bool = True) -> None:
        super().__init__(make)
        self.quick = quick
        self.bios = [ssl.MemoryBIO() for _ in range(4)]
        mine, out, theirs, back = self.bios
        self.tls = CONTEXTS[0].wrap_bio(mine, out, server_hostname="localhost")
        self.remote = CONTEXTS[1].wrap_bio(theirs, back, server_side=True)
        ends = [(self.tls, out, theirs), (self.remote, back, mine)]
        while ends:
            for end in list(ends):
                with contextlib.suppress(ssl.SSLWantReadError):
                    end[0].do_handshake()
                    ends.remove(end)
                end[2].write(end[1].read())
        self.secure = self.wrap()
        self.transport.set_protocol(self.secure)
        self.secure.open()

    def wrap(self) -> Any:
        engine = self.tls._sslobj if self.quick else self.tls
        mine, out = self.bios[:2]
        below = self.transport
        # Without memory, CPython 3.11 loses what a star stands for.
        return TlsTransport(
            loop=self.loop,
            below=below,
            protocol=self.protocol,
            ssl_object=self.tls,
            engine=engine,
            incoming=mine,
            outgoing=out,
            driver=Driver(below),
        )

    def sealed(self, data: bytes) -> bytes:
        """Return data as the peer sends it."""
        self.remote.write(data)
        return self.bios[3].read()

    def goodbye(self) -> bytes:
        with contextlib.suppress(ssl.SSLWantReadError):
            self.remote.unwrap()
        return self.bios[3].read()


def receiving(size, *args, **options):
    case = Secure(*args, **options)
    return partial(case.secure.data_received, case.sealed(bytes(size)))


def reading():
    """Return the step of the loop that reads a record."""
    case = Secure()
    case.peer.send(case.sealed(b"hello"))
    return case.loop.read


def ending():
    case = Secure()
    return partial(case.secure.data_received, case.goodbye())


def damaged():
    return partial(Secure().secure.data_received, b"HTTP/1.1 400 Bad Request\r\n\r\n")


def resuming():
    case = Secure()
    case.secure.pause_reading()
    case.secure.data_received(case.sealed(b"hello"))
    return case.secure.resume_reading


OPERATIONS = {
    "make": lambda: Kept(Secure().wrap),
    "write": lambda: partial(Secure().secure.write, b"hello"),
    "write much": lambda: partial(Secure().secure.write, bytes(200_000)),
    "write by Python": lambda: partial(Secure(quick=False).secure.write, b"hello"),
    "read": reading,
    "read much": lambda: receiving(100_000),
    "read by Python": lambda: receiving(300, quick=False),
    "read into a buffer": lambda: receiving(300, Buffered),
    "read the end": ending,
    "read nonsense": damaged,
    "resume": resuming,
    "abort": lambda: Secure().secure.abort,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_allocation_may_fail(name):
    """Whichever allocation fails, the call raises MemoryError or does without it."""
    assert survive(OPERATIONS[name])


@pytest.mark.parametrize("name", OPERATIONS)
def test_failures_lose_nothing(name):
    """What was allocated before the one that failed is given back."""
    survive(OPERATIONS[name])
    assert lost_blocks(OPERATIONS[name]) == 0
