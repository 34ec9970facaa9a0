"""How an exchange with a proxy asks for what it needs.

Owns: the shape of a sans-I/O dialogue, and the loop that runs one over a stream.
Doesn't know: what is said.

A dialogue is a generator. It yields steps, and each is answered:

======================  ===============================================================
bytes                   they are written; the answer has no meaning
:class:`Read`           the bytes that come next, ``b""`` at the end of the stream
:class:`Certificate`    the DER certificate that the proxy proved its name with by TLS,
                        ``b""`` when it's talked to in clear
:class:`Reconnect`      the stream is replaced by a new one to the same proxy; the answer
                        has no meaning
:class:`Blocking`       what the call returned
:class:`Resolve`        the IP addresses of a host, a tuple that isn't empty
:class:`Trace`          its lines are logged; the answer has no meaning
======================  ===============================================================

What goes wrong in a step is thrown into it, so it can translate errors. It
returns when the tunnel is open; the next byte belongs to whoever is behind the proxy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeAlias, TypeVar

from ...http11 import Response
from ...streams import StreamReader
from ..network import Stream


__all__ = [
    "CERTIFICATE",
    "READ",
    "RECONNECT",
    "Blocking",
    "Certificate",
    "Dialogue",
    "Line",
    "Read",
    "Reconnect",
    "Resolve",
    "Step",
    "Trace",
    "Tunnel",
    "converse",
    "feed",
]

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Read:
    """
    A request for bytes.

    Args:
        timeout: Seconds after which the dialogue prefers a :exc:`TimeoutError` to
            waiting; :obj:`None` when only the deadline of the whole ceremony counts.
    """

    timeout: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Certificate:
    """A request for the certificate of the proxy."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reconnect:
    """A request for a new connection to the same proxy; the old one is aborted."""


@dataclasses.dataclass(frozen=True, slots=True)
class Blocking:
    """
    A request to call something that may wait, where that stops nobody else.

    Args:
        call: Called without arguments in another thread, which is abandoned when the
            ceremony ends before it.
    """

    call: Callable[[], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Resolve:
    """
    A request for the IP addresses of a host, in order of preference.

    Args:
        host: Host name or IP address.
        ipv4: Whether only IPv4 will do.
    """

    host: str
    ipv4: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Trace:
    """
    A request to log what's said, at level DEBUG.

    Args:
        lines: What to log, without credentials. Each starts with ``">"`` for what is
            sent, ``"<"`` for what was received.
    """

    lines: tuple[str, ...]


READ = Read()
CERTIFICATE = Certificate()
RECONNECT = Reconnect()

Step: TypeAlias = "bytes | Read | Certificate | Reconnect | Blocking | Resolve | Trace"
Dialogue: TypeAlias = Generator[Step, Any, T]


@dataclasses.dataclass(frozen=True)
class Tunnel:
    """
    What a dialogue ends with when the tunnel is open.

    Attributes:
        response: What an HTTP proxy answered; :obj:`None` for others.
        scheme: How the user was authenticated, in lower case, such as ``"basic"``;
            :obj:`None` when it wasn't necessary.
    """

    response: Response | None = None
    scheme: str | None = None


class Line(Protocol):
    """A connection to a proxy that can be made again."""

    @property
    def stream(self) -> Stream:
        """The current stream."""
        ...

    async def reconnect(self) -> None:
        """Abort the current stream; open another one, TLS included."""
        ...

    async def run_blocking(self, call: Callable[[], Any]) -> Any:
        """Call something in a thread, and return what it returns."""
        ...

    def trace(self, lines: tuple[str, ...]) -> None:
        """Log lines at level DEBUG."""
        ...

    async def resolve(self, host: str, ipv4: bool) -> tuple[str, ...]:
        """Return the IP addresses of a host, at least one."""
        ...


def feed(
    reader: StreamReader,
    parser: Generator[None, None, T],
    read: Read = READ,
) -> Dialogue[T]:
    """Run a parser that pulls from ``reader``, reading whenever it wants more."""
    while True:
        try:
            next(parser)
        except StopIteration as stop:
            result: T = stop.value
            return result
        data = yield read
        if data:
            reader.feed_data(data)
        else:
            reader.feed_eof()


async def converse(line: Line, dialogue: Dialogue[T]) -> T:
    """
    Run a dialogue.

    Returns:
        What the dialogue returns; its exceptions pass. The stream is left as it is.
    """
    answer: Any = None
    try:
        step = next(dialogue)
        while True:
            try:
                match step:
                    case Read():
                        answer = await line.stream.read(step.timeout)
                    case Certificate():
                        answer = line.stream.peer_certificate()
                    case Reconnect():
                        await line.reconnect()
                    case Blocking():
                        answer = await line.run_blocking(step.call)
                    case Trace():
                        line.trace(step.lines)
                    case Resolve():
                        answer = await line.resolve(step.host, step.ipv4)
                    case _:
                        await line.stream.write(step)
            except Exception as exc:
                step = dialogue.throw(exc)
            else:
                step = dialogue.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        dialogue.close()
