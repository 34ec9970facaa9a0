"""How far a ceremony came, for errors, logs, and ``connection.proxy``.

Owns: which proxy is being talked to and what for; which proxies let us through; the
texts about it, without credentials.
Doesn't know: what's said. A face keeps the :class:`Progress` of a ceremony, since the
moment at which time runs out is the face's to know.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable

from ..datastructures import Headers
from ..exceptions import ProxyError, ProxyTimeout
from ..typing import LoggerLike
from .proxies.url import Proxy


__all__ = ["Progress", "ProxyHop"]


@dataclasses.dataclass(frozen=True)
class ProxyHop:
    """
    A proxy that a connection goes through.

    Attributes:
        url: Its URL, without user name and password.
        auth: How it authenticated the user: ``"basic"``, ``"digest"``, ``"ntlm"``,
            ``"negotiate"``, ``"bearer"``..., ``"password"`` with SOCKS5, ``"username"``
            with SOCKS4; :obj:`None` when no credentials were sent.
        headers: Headers of its response; :obj:`None` with SOCKS.
    """

    url: str
    auth: str | None = None
    headers: Headers | None = dataclasses.field(default=None, repr=False)


class Progress:
    """
    How far a ceremony came.

    Args:
        logger: Where the dialogues with proxies are traced at level DEBUG.

    Attributes:
        hops: Proxies that let us through, nearest first.
    """

    hops: tuple[ProxyHop, ...] = ()
    proxy: Proxy | None = None
    position = 0
    total = 0
    doing = ""

    def __init__(self, logger: LoggerLike | None = None) -> None:
        self.logger: LoggerLike = logger or logging.getLogger("websockets.client")

    def start(self) -> None:
        """Note that no proxy was talked to yet."""
        self.hops = ()
        self.proxy = None

    def enter(self, proxy: Proxy, position: int, total: int, doing: str) -> None:
        """
        Note that a proxy is waited for.

        Args:
            proxy: Which one.
            position: Its place on the way, 1 for the nearest.
            total: How many there are.
            doing: What for, as an end of "while ...".
        """
        self.proxy, self.position, self.total = proxy, position, total
        self.doing = doing
        self.hops = self.hops[: position - 1]
        self.trace([f"= {doing}"])

    def passed(self, hop: ProxyHop) -> None:
        """Note that the proxy let us through."""
        self.hops = (*self.hops, hop)
        self.proxy = None

    def trace(self, lines: Iterable[str]) -> None:
        """Log what's said, at level DEBUG."""
        if self.logger.isEnabledFor(logging.DEBUG):
            for line in lines:
                self.logger.debug("%s", line)

    def blame(self, exc: Exception) -> None:
        """Tell an exception which proxy it's about, if any."""
        if self.proxy is None:
            return
        note = f"while {self.doing}"
        if self.total > 1:
            note += f" (proxy {self.position} of {self.total})"
        exc.add_note(note)
        if isinstance(exc, ProxyError):
            exc.proxy, exc.hop = str(self.proxy), self.position

    def timed_out(self) -> TimeoutError:
        """Return the exception for a deadline that passed now."""
        text = "timed out during opening handshake"
        if self.proxy is None:
            return TimeoutError(text)
        exc = ProxyTimeout(text)
        self.blame(exc)
        return exc
