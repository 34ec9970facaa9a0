"""Two sessions back to back, or one whose peer is the test; time is a number."""

from __future__ import annotations

from typing import Any

from websockets._session import Session
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.protocol import CLIENT, SERVER, Protocol, Side


def deflate(**settings: Any) -> PerMessageDeflate:
    return PerMessageDeflate(False, False, 15, 15, **settings)


def make(
    side: Side,
    *,
    start: float = 0,
    max_size: Any = 2**20,
    compressed: bool = False,
    protocol_class: type[Protocol] = Protocol,
    **options: Any,
) -> Session:
    """Return a session whose opening handshake is over."""
    protocol = protocol_class(side, max_size=max_size)
    if compressed:
        protocol.extensions = [deflate()]
    return Session(protocol, start, **options)


def client(**options: Any) -> Session:
    """Return a client's session; the test is the server."""
    return make(CLIENT, **options)


def server(**options: Any) -> Session:
    """Return a server's session; the test is the client."""
    return make(SERVER, **options)


class Pair:
    """A client and a server on a perfect network."""

    def __init__(self, **options: Any) -> None:
        self.client = make(CLIENT, **options)
        self.server = make(SERVER, **options)

    def deliver(self, now: float = 0) -> None:
        """Carry what both have to send, until nothing moves."""
        moved = True
        while moved:
            moved = False
            for sender, receiver in (
                (self.client, self.server),
                (self.server, self.client),
            ):
                for data in sender.data_to_send():
                    moved = True
                    sender.written += len(data)
                    if data:
                        receiver.receive_data(data, now)
                    else:
                        receiver.receive_eof(now)

    def lose(self, now: float = 0) -> None:
        """End both transports."""
        self.client.connection_lost(now)
        self.server.connection_lost(now)


def pair(**options: Any) -> Pair:
    """Return a client and a server, joined back to back."""
    return Pair(**options)


def read_all(session: Session, now: float = 0) -> list[Any]:
    """Return all messages that are there; the exception that ended it comes last."""
    messages: list[Any] = []
    try:
        while (message := session.pop_message(now)) is not None:
            messages.append(message)
    except ConnectionClosed as exc:
        messages.append(exc)
    session.stop_waiting()
    return messages


def sent_close(session: Session) -> tuple[int, str] | None:
    """Return code and reason of the Close frame that a session sent."""
    close = session.protocol.close_sent
    return None if close is None else (int(close.code), close.reason)
