"""How a connection ended (RFC 6455 §7.1.5, §7.1.6).

Owns: the Close frames of both sides, the failure, and what follows from them: the code,
the reason, the exception for programs.
Doesn't know: what makes a connection end.
"""

from __future__ import annotations

from ._states import CLOSED, State
from .exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from .frames import OK_CLOSE_CODES, Close, CloseCode


__all__ = ["Ending"]


class Ending:
    """The end of a :class:`~websockets.protocol.Protocol`."""

    _state: State

    #: Close frame sent.
    close_sent: Close | None = None
    #: Close frame received, and whether it came before ours.
    close_rcvd: Close | None = None
    close_rcvd_then_sent: bool | None = None
    #: Why the connection failed after the opening handshake.
    parser_exc: Exception | None = None

    @property
    def close_code(self) -> int | None:
        """
        Close code of the connection (RFC 6455 §7.1.5); :obj:`None` until it is closed.

        1006 when no Close frame was received.
        """
        if self._state is not CLOSED:
            return None
        return (
            CloseCode.ABNORMAL_CLOSURE
            if self.close_rcvd is None
            else self.close_rcvd.code
        )

    @property
    def close_reason(self) -> str | None:
        """Close reason (RFC 6455 §7.1.6); :obj:`None` until the connection is closed."""
        if self._state is not CLOSED:
            return None
        return "" if self.close_rcvd is None else self.close_rcvd.reason

    @property
    def close_exc(self) -> ConnectionClosed:
        """
        Exception to raise when a program uses the closed connection.

        Raises:
            AssertionError: if the connection isn't closed.

        """
        assert self._state is CLOSED, "connection isn't closed yet"
        exc_type = ConnectionClosedOK if self._is_normal() else ConnectionClosedError
        exc = exc_type(self.close_rcvd, self.close_sent, self.close_rcvd_then_sent)
        # Known since the failure; it isn't the exception being handled, if there is one.
        exc.__cause__ = self.parser_exc
        return exc

    # To tell whether a subclass of a program overrides it.
    _own_close_exc = close_exc

    @property
    def _ended_well(self) -> bool:
        """Whether iterating just ends, by the library's own exception."""
        cls = type(self)
        return cls.close_exc is cls._own_close_exc and self._is_normal()

    def _is_normal(self) -> bool:
        """Tell whether both sides closed the connection as they should."""
        rcvd, sent = self.close_rcvd, self.close_sent
        return (
            rcvd is not None
            and sent is not None
            and rcvd.code in OK_CLOSE_CODES
            and sent.code in OK_CLOSE_CODES
            # A message that came before the Close frames may be refused after them.
            and self.parser_exc is None
        )
