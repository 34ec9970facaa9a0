"""One message to many connections, without waiting for any of them.

Owns: what is done once instead of once per connection: encoding, framing, compressing.
Doesn't know: how a connection queues bytes.

Compressing once. A shared message refers to no earlier one, so its ratio is worse for
small messages; and it stands between the peer's copy of the history and ours, so each
connection starts its own anew. That pays for groups of connections whose extensions
agree, and messages of a certain size. Anything unusual (other extensions, an overridden
``send_frame``, DEBUG logs) takes the way of ``send()``.
"""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from .._codec import serialize_frame
from ..exceptions import ConcurrencyError
from ..frames import Opcode
from ..protocol import OPEN, SERVER, Protocol
from .connection import Connection


if TYPE_CHECKING:
    from collections.abc import Hashable

    from ..typing import DataLike


__all__ = ["broadcast"]

# Bytes from which compressing once is worth it: JSON of 1 KiB compresses to 27 % without
# history and to 18 % with it; at 100 bytes it is 87 % and 25 %.
SHARED_SIZE = 1024

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
    that negotiated the same compression.

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
    plain: bytes | None = None
    groups: dict[Hashable, list[Connection]] = {}
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
            if deflate is not None and len(data) >= deflate.compress_threshold:
                if len(data) >= SHARED_SIZE:
                    groups.setdefault(deflate.share_key, []).append(connection)
                else:
                    payload = deflate.deflate(data, final=True)
                    send_frame(connection, FIN | RSV1 | opcode, payload)
            elif protocol.side is SERVER:
                if plain is None:
                    plain = serialize_frame(FIN | opcode, data, None)
                connection.send_prepared(plain)
            else:
                send_frame(connection, FIN | opcode, data)
        except Exception as exc:
            skipped.add_failure(connection, exc)
    for group in groups.values():
        send_to_group(group, FIN | RSV1 | opcode, data, skipped)
    skipped.done()


def straight(protocol: Protocol) -> bool:
    """Tell whether a message may pass by the methods that programs override."""
    return (
        not protocol.debug
        and type(protocol).send_frame is Protocol.send_frame
        and (protocol.deflate is not None or not protocol.extensions)
        and "send_frame" not in protocol.__dict__
    )


def send_like_others(connection: Connection, data: bytes, opcode: Opcode) -> None:
    """Send a message in the way of ``send()``, without waiting."""
    session = connection._open_session()
    session.send_message(data, text=opcode is Opcode.TEXT)
    connection._pump()


def send_frame(connection: Connection, head: int, payload: bytes) -> None:
    """Send a frame that is for this connection only."""
    mask = None if connection.protocol.side is SERVER else secrets.token_bytes(4)
    connection.send_prepared(serialize_frame(head, payload, mask))


def send_to_group(
    group: list[Connection], head: int, data: bytes, skipped: Skipped
) -> None:
    """Send a message to connections that may share what it compresses to."""
    shared = frame = None
    for connection in group:
        deflate = connection.protocol.deflate
        assert deflate is not None  # or it weren't in a group
        try:
            if len(group) == 1:
                send_frame(connection, head, deflate.deflate(data, final=True))
                continue
            if shared is None:
                shared = deflate.deflate_shared(data)
            if connection.protocol.side is SERVER:
                if frame is None:
                    frame = serialize_frame(head, shared, None)
                deflate.forget_history()
                connection.send_prepared(frame)
            else:
                deflate.forget_history()
                send_frame(connection, head, shared)
        except Exception as exc:
            skipped.add_failure(connection, exc)


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
        """Note an exception while writing; call it where that was caught."""
        if self.collect:
            failure = RuntimeError("failed to write message")
            failure.__cause__ = cause
            self.exceptions.append(failure)
        else:
            connection.logger.warning(
                "skipped broadcast: failed to write message: %s",
                traceback.format_exception_only(cause)[0].strip(),
            )

    def done(self) -> None:
        """Raise what was collected."""
        if self.exceptions:
            raise ExceptionGroup("skipped broadcast", self.exceptions)
