"""What can be read off a connection on any face, today's names and older ones.

Owns: request, response, logger and session of a connection.
Doesn't know: transports, addresses, waiting.
"""

from __future__ import annotations

import logging
import uuid
import warnings
import weakref
from typing import TYPE_CHECKING

from ..protocol import CLOSED, OPEN, Protocol, State


if TYPE_CHECKING:
    from ..datastructures import Headers
    from ..http11 import Request, Response
    from ..typing import LoggerLike, Subprotocol
    from .session import Session


__all__ = ["ConnectionAttributes"]


class ConnectionAttributes:
    """
    Attributes of a connection.

    Args:
        protocol: Sans-I/O connection.

    """

    #: Opening handshake request; :obj:`None` before it.
    request: Request | None = None
    #: Opening handshake response; :obj:`None` before it.
    response: Response | None = None
    _logger: LoggerLike | None = None
    _session: Session | None = None

    def __init__(self, protocol: Protocol) -> None:
        #: Sans-I/O connection.
        self.protocol = protocol
        self.debug = protocol.debug
        if self.debug:
            protocol.logger = self.logger

    @property
    def id(self) -> uuid.UUID:
        """Unique identifier of the connection; useful in logs."""
        return self.protocol.id

    @property
    def logger(self) -> LoggerLike:
        """Logger of the connection; its records have it as attribute ``websocket``."""
        if self._logger is None:
            self._logger = logging.LoggerAdapter(
                self.protocol.logger, {"websocket": weakref.proxy(self)}
            )
        return self._logger

    @logger.setter
    def logger(self, logger: LoggerLike) -> None:
        self._logger = logger

    @property
    def state(self) -> State:
        """State of the connection (RFC 6455 §4, §7.1); it may change at any ``await``."""
        return self.protocol.state

    @property
    def latency(self) -> float:
        """
        Latency of the connection, in seconds; 0 before the first pong.

        Measured by keepalive pings and by :meth:`ping`.
        """
        return 0.0 if self._session is None else self._session.latency

    @property
    def subprotocol(self) -> Subprotocol | None:
        """Subprotocol negotiated in the opening handshake; :obj:`None` if none was."""
        return self.protocol.subprotocol

    @property
    def close_code(self) -> int | None:
        """
        Close code of the connection (RFC 6455 §7.1.5); :obj:`None` until it is closed.

        1006 when no Close frame was received.
        """
        return self.protocol.close_code

    @property
    def close_reason(self) -> str | None:
        """Close reason of the connection (RFC 6455 §7.1.6); :obj:`None` until it is closed."""
        return self.protocol.close_reason

    # -- names of versions before 14

    @property
    def open(self) -> bool:
        """Whether the connection is open."""
        warn("open", "connection.state is State.OPEN")
        return self.state is OPEN

    @property
    def closed(self) -> bool:
        """Whether the connection is closed."""
        warn("closed", "connection.state is State.CLOSED")
        return self.state is CLOSED

    @property
    def path(self) -> str | None:
        """Path and query of the request."""
        warn("path", "connection.request.path")
        return None if self.request is None else self.request.path

    @property
    def request_headers(self) -> Headers | None:
        """Headers of the request."""
        warn("request_headers", "connection.request.headers")
        return None if self.request is None else self.request.headers

    @property
    def response_headers(self) -> Headers | None:
        """Headers of the response."""
        warn("response_headers", "connection.response.headers")
        return None if self.response is None else self.response.headers


def warn(name: str, instead: str) -> None:
    warnings.warn(
        f"connection.{name} is deprecated; use {instead}",
        DeprecationWarning,
        stacklevel=3,
    )
