"""How an exchange with a proxy asks for bytes.

Owns: the shape of a sans-I/O dialogue, and the loop that runs one over a stream.
Doesn't know: what is said.

A dialogue is a generator. It yields bytes, which are written, or a :class:`Read`,
which is answered with the bytes that come next (``b""`` at the end of the stream).
What goes wrong in the stream is thrown into it, so it can translate errors. It
returns when the tunnel is open; the next byte belongs to whoever is behind the proxy.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from typing import TypeAlias, TypeVar

from ...streams import StreamReader
from ..network import Stream


__all__ = ["READ", "Dialogue", "Read", "converse", "feed"]

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


READ = Read()

Dialogue: TypeAlias = Generator["bytes | Read", bytes, T]


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


async def converse(stream: Stream, dialogue: Dialogue[T]) -> T:
    """
    Run a dialogue over a stream.

    Returns:
        What the dialogue returns; its exceptions pass. The stream is left as it is.
    """
    answer = b""
    try:
        step = next(dialogue)
        while True:
            try:
                if isinstance(step, Read):
                    answer = await stream.read(step.timeout)
                else:
                    await stream.write(step)
            except Exception as exc:
                step = dialogue.throw(exc)
            else:
                step = dialogue.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        dialogue.close()
