"""One message to many connections, without waiting for any of them.

Owns: what is done once instead of once per connection: encoding, framing, compressing.
Doesn't know: how a connection queues bytes.

Compressing once. Connections that have sent the same since some message have the same
history: compressed with it, the next message is the same for all of them, and as small as if
each had compressed it. So they keep one compressor together, their lineage, which is copied
before anybody changes it. A connection that sends anything else leaves its lineage. To join
another one, a message must be sent that refers to no earlier one: JSON of 1 KiB compresses to
27 % then, instead of 18 %, at 100 bytes to 87 % instead of 25 %. So this is done for large
messages, and where it promises to be worth it.

Anything unusual (other extensions, an overridden ``send_frame``, DEBUG logs) takes the way of
``send()``.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from .._codec import mask_key, serialize_frame
from ..exceptions import ConcurrencyError
from ..extensions._deflate import ShareKey
from ..frames import Opcode
from ..protocol import OPEN, SERVER, Protocol
from ._native import native_broadcast
from .connection import Connection


if TYPE_CHECKING:
    from collections.abc import Hashable

    from ..extensions.permessage_deflate import PerMessageDeflate
    from ..typing import DataLike


__all__ = ["broadcast"]

# Bytes from which connections with different histories begin anew, together.
SHARED_SIZE = 1024

# For smaller messages, a connection does that when so many messages in a row were for others
# as well.
LONG_STREAK = 32

# Connections that open between two messages make a lineage of their own. Beyond this number,
# the smaller half begins anew.
MAX_LINEAGES = 8

# Loops over connections in ordinary circumstances; None leaves all to those in Python.
native = native_broadcast()

FIN = 0x80
RSV1 = 0x40


def broadcast(
    connections: Iterable[Connection],
    message: DataLike,
    *,
    text: bool | None = None,
    raise_exceptions: bool = False,
    unsent_limit: int | None = 2**24,
    when_slow: Literal["skip", "abort"] = "skip",
) -> None:
    """
    Send a message to many connections.

    This isn't a coroutine: it queues the message everywhere and returns; nobody waits
    for a slow client. The message is encoded once, and compressed once for connections
    that negotiated the same compression and have sent the same before, or begin anew.

    Connections that aren't open are skipped silently. A connection is skipped with a
    warning in the log when it is in the middle of a fragmented message, when more than
    ``unsent_limit`` bytes wait to be sent already, or when writing fails.

    Keepalive closes connections that stay stuck, unless it's disabled.

    Args:
        connections: Connections, usually :attr:`Server.connections`.
        message: A :class:`str`, sent as text, or bytes-like, sent as binary.
        text: :obj:`True` sends bytes as text (they must be UTF-8), :obj:`False` sends a
            :class:`str` as binary.
        raise_exceptions: Raise an :exc:`ExceptionGroup` at the end, with an exception
            per connection that was skipped, instead of logging warnings.
        unsent_limit: Bytes that may wait to be sent on a connection before a message is
            added; more is a slow connection. 16 MiB by default; :obj:`None` disables
            the limit, and memory isn't bounded then.
        when_slow: ``"skip"`` leaves a slow connection without this message; ``"abort"``
            drops the connection (code 1006), and frees what waits.

    Raises:
        TypeError: The message has an unsupported type.
        ExceptionGroup: If you ask for it, see above.
    """
    if isinstance(message, str):
        data = message.encode()
        opcode = Opcode.BINARY if text is False else Opcode.TEXT
    elif isinstance(message, (bytes, bytearray, memoryview)):
        data = bytes(message)
        opcode = Opcode.TEXT if text else Opcode.BINARY
    else:
        raise TypeError("data must be str or bytes")
    skipped = Skipped(raise_exceptions)
    compressed = Compressed(data, FIN | RSV1 | opcode, skipped)
    plain = serialize_frame(FIN | opcode, data, None)
    if native is not None:
        connections, compressed.lineages, failures = native[0](
            connections, plain, len(data), compressed.frame_for
        )
        skipped.add_failures(failures)
    for connection in connections:
        protocol = connection.protocol
        if protocol.state is not OPEN or not connection.attached:
            continue
        if protocol.expect_continuation_frame:
            skipped.add(connection, ConcurrencyError("sending a fragmented message"))
            continue
        if (
            unsent_limit is not None
            and connection._output.paused
            and (unsent := connection.buffered_amount) > unsent_limit
        ):
            reason = f"{unsent} unsent bytes exceed unsent_limit of {unsent_limit}"
            skipped.add(connection, RuntimeError(reason))
            if when_slow == "abort":
                connection.abort()
            continue
        try:
            if not straight(protocol):
                send_like_others(connection, data, opcode)
                continue
            deflate = protocol.deflate
            # An empty message is smaller as it is.
            if deflate is not None and len(data) >= (deflate.compress_threshold or 1):
                compressed.add(connection, deflate)
            elif protocol.side is SERVER:
                connection.send_prepared(plain)
            else:
                send_frame(connection, FIN | opcode, data)
        except Exception as exc:
            skipped.add_failure(connection, exc)
    compressed.send()
    skipped.done()


def straight(protocol: Protocol) -> bool:
    """Tell whether a message may pass by the methods that programs override."""
    return (
        not protocol.debug
        and (protocol.deflate is not None or not protocol.extensions)
        and not protocol.sends_itself
    )


def send_like_others(connection: Connection, data: bytes, opcode: Opcode) -> None:
    """Send a message in the way of ``send()``, without waiting."""
    session = connection._open_session()
    session.send_message(data, text=opcode is Opcode.TEXT)
    connection._pump()


def send_frame(connection: Connection, head: int, payload: bytes) -> None:
    """Send a frame that is for this connection only."""
    mask = None if connection.protocol.side is SERVER else mask_key()
    connection.send_prepared(serialize_frame(head, payload, mask))


class Compressed:
    """
    A message for connections that compress it.

    Args:
        data: The message.
        head: First byte of its frames.
        skipped: Where failures go.
    """

    def __init__(self, data: bytes, head: int, skipped: Skipped) -> None:
        self.data = data
        self.head = head
        self.skipped = skipped
        # Connections that have sent the same to this day, and those that haven't.
        self.lineages: dict[Hashable, list[Connection]] = {}
        self.others: list[Connection] = []
        # Payload, frame of a server and history, by lineage.
        self.results: dict[Hashable, tuple[bytes, bytes, Any]] = {}

    def add(self, connection: Connection, deflate: PerMessageDeflate) -> None:
        """Note that a connection gets the message."""
        lineage = deflate.lineage
        if lineage is None:
            self.others.append(connection)
        else:
            self.lineages.setdefault(lineage, []).append(connection)

    def send(self) -> None:
        """Send the message to all."""
        lineages = self.lineages
        alone = self.join_others()
        if len(lineages) > MAX_LINEAGES:
            lineages = self.merge()
        elif len(lineages) == 1 and not alone and not self.results:
            # A single connection has nobody to share with.
            (group,) = lineages.values()
            if len(group) == 1:
                lineages, alone = {}, group
        for connection in alone:
            self.send_alone(connection)
        for lineage, group in lineages.items():
            self.send_shared(group, lineage)

    def join_others(self) -> list[Connection]:
        """Let those begin anew for whom it's worth it; return the rest."""
        alone = []
        joining: dict[Hashable, list[Connection]] = {}
        for connection in self.others:
            deflate = deflate_of(connection)
            if len(self.data) >= SHARED_SIZE or (
                deflate.streak >= LONG_STREAK and deflate.share_key.copies
            ):
                joining.setdefault(deflate.share_key, []).append(connection)
            else:
                alone.append(connection)
        for key, group in joining.items():
            group = self.lineages.get(key, []) + group
            if len(group) > 1:
                self.lineages[key] = group
            else:
                alone += group
        return alone

    def merge(self) -> dict[Hashable, list[Connection]]:
        """Keep the larger lineages; the others begin anew, together."""
        merged: dict[Hashable, list[Connection]] = {}
        kept: dict[ShareKey, int] = {}
        for lineage, group in sorted(
            self.lineages.items(), key=lambda item: len(item[1]), reverse=True
        ):
            key = deflate_of(group[0]).share_key
            count = kept[key] = kept.get(key, 0) + 1
            target = lineage if count <= MAX_LINEAGES // 2 else key
            merged.setdefault(target, []).extend(group)
        return merged

    def send_alone(self, connection: Connection) -> None:
        """Compress the message for one connection."""
        deflate = deflate_of(connection)
        streak = deflate.streak
        try:
            send_frame(connection, self.head, deflate.deflate(self.data, final=True))
        except Exception as exc:
            self.skipped.add_failure(connection, exc)
        deflate.streak = streak + 1

    def compress(
        self, deflate: PerMessageDeflate, lineage: Hashable
    ) -> tuple[bytes, bytes, Any]:
        """Compress the message once for a lineage; return payload, frame and history."""
        result = self.results.get(lineage)
        if result is None:
            payload, history = deflate.deflate_shared(
                self.data, fresh=isinstance(lineage, ShareKey)
            )
            frame = serialize_frame(self.head, payload, None)
            result = self.results[lineage] = payload, frame, history
        return result

    def frame_for(self, deflate: PerMessageDeflate) -> tuple[bytes, Any]:
        """Return a server's frame for the lineage of a connection, and its history."""
        return self.compress(deflate, deflate.lineage)[1:]

    def send_shared(self, group: list[Connection], lineage: Hashable) -> None:
        """Send the message to a group."""
        try:
            payload, frame, history = self.compress(deflate_of(group[0]), lineage)
        except Exception as exc:
            self.skipped.add_failures([(connection, exc) for connection in group])
            return
        if native is not None:
            group, failures = native[1](group, frame, history)
            self.skipped.add_failures(failures)
        for connection in group:
            deflate = deflate_of(connection)
            if deflate.has_adopted(history):
                # It's in the group twice; the payload refers to what came before.
                self.send_alone(connection)
                continue
            deflate.adopt(history)
            try:
                if connection.protocol.side is SERVER:
                    connection.send_prepared(frame)
                else:
                    send_frame(connection, self.head, payload)
            except Exception as exc:
                # Whether the peer gets it is unknown.
                deflate.adopt(None)
                self.skipped.add_failure(connection, exc)


def deflate_of(connection: Connection) -> PerMessageDeflate:
    """Return the extension of a connection that compresses."""
    deflate = connection.protocol.deflate
    assert deflate is not None  # or it weren't asked for
    return deflate


class Skipped:
    """
    Connections that don't get the message, and why.

    Args:
        collect: Whether to raise exceptions at the end, instead of logging.
    """

    def __init__(self, collect: bool) -> None:
        self.collect = collect
        self.exceptions: list[Exception] = []

    def add(self, connection: Connection, exc: Exception) -> None:
        """Note a decision of ours."""
        if self.collect:
            self.exceptions.append(exc)
        else:
            connection.logger.warning("skipped broadcast: %s", exc)

    def add_failure(self, connection: Connection, cause: Exception) -> None:
        """Note an exception while writing."""
        if self.collect:
            failure = RuntimeError("failed to write message")
            failure.__cause__ = cause
            self.exceptions.append(failure)
        else:
            connection.logger.warning(
                "skipped broadcast: failed to write message: %s",
                traceback.format_exception_only(cause)[0].strip(),
            )

    def add_failures(self, failures: Iterable[tuple[Connection, Exception]]) -> None:
        """Note exceptions while writing that were caught before."""
        for connection, cause in failures:
            self.add_failure(connection, cause)

    def done(self) -> None:
        """Raise what was collected."""
        if self.exceptions:
            raise ExceptionGroup("skipped broadcast", self.exceptions)
