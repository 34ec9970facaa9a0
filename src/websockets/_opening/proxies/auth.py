"""How a user is authenticated to a proxy: the interface, and the schemes without state.

Owns: :class:`ProxyAuth` and what follows from it for Basic, Bearer, and pairs.
Doesn't know: requests, connections. A flow says what goes into ``Proxy-Authorization``
and is told what the proxy asks for; whoever runs it does the rest.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeAlias

from ..._secrets import MASK
from ...headers import build_authorization_basic
from .bindings import channel_bindings
from .challenges import Challenge
from .url import Proxy


__all__ = [
    "AuthContext",
    "AuthFailed",
    "AuthUnavailable",
    "BasicAuth",
    "BearerAuth",
    "Flow",
    "ProxyAuth",
]

logger = logging.getLogger("websockets.client")

#: Yields values of ``Proxy-Authorization``, receives challenges.
Flow: TypeAlias = Generator["str | None", Challenge, None]

#: Schemes and the proxies that were reached in clear, of which the log says so.
warned: set[str] = set()


class AuthFailed(Exception):
    """Raised by a flow that can't go on, for the reason in its text."""


class AuthUnavailable(AuthFailed):
    """
    Raised by a flow that can't be used here, for the reason in its text.

    It means that nothing which depends on the password was sent, so that another scheme
    may be tried without locking an account.
    """


@dataclasses.dataclass(frozen=True)
class AuthContext:
    """
    What a flow authenticates for.

    Attributes:
        proxy: Address of the proxy.
        target: Where the tunnel leads to, ``"host:port"``, as on the request line.
        certificate: Certificate of an ``https://`` proxy, as DER; ``b""`` in clear.
        method: Method of the request.
    """

    proxy: Proxy
    target: str
    certificate: bytes = dataclasses.field(default=b"", repr=False)
    method: str = "CONNECT"

    @property
    def channel_bindings(self) -> bytes:
        """
        What binds credentials to the TLS connection (RFC 5929 section 4).

        ``tls-server-end-point:`` and the hash of the certificate; ``b""`` in clear, and
        for certificates of which the RFC defines no hash.
        """
        return channel_bindings(self.certificate) if self.certificate else b""


class ProxyAuth:
    """
    A way to authenticate to a proxy; base class of all of them.

    An instance serves any number of connections. To write a scheme of your own, set
    :attr:`schemes` and define :meth:`flow`; nothing in it may read or write.

    Attributes:
        schemes: Names of the schemes, in lower case, best first.
        connection_bound: Whether the scheme authenticates the connection rather than the
            request, so that its exchange has to stay on one connection.
        blocking: Whether a step of the flow may take time, as asking a server does.
            Such steps run in a thread, which is abandoned when connecting is.
        max_steps: How many values a flow may yield, at most.
    """

    schemes: tuple[str, ...] = ()
    connection_bound: bool = False
    blocking: bool = False
    max_steps: int = 5

    def flow(self, hop: AuthContext) -> Flow:
        """
        Authenticate once.

        Yield the value of ``Proxy-Authorization`` for the next request, or, first thing,
        :obj:`None` to be told what the proxy asks for. Receive the challenge of the
        proxy when it wants more. Return when it refuses: the same challenge again means
        that the credentials are wrong, and trying again may lock an account.

        Args:
            hop: What to authenticate for.

        Raises:
            AuthUnavailable: The scheme can't be used here, another one may be.
            AuthFailed: Something went wrong after credentials were sent.
        """
        raise NotImplementedError

    def candidates(
        self, challenges: Sequence[Challenge]
    ) -> Iterator[tuple[ProxyAuth, Challenge]]:
        """
        Say what to try for the challenges of a response, best first.

        One is tried after the other as long as they raise :exc:`AuthUnavailable`.
        """
        for scheme in self.schemes:
            for challenge in challenges:
                if challenge.scheme == scheme:
                    yield self, challenge
                    break

    def __repr__(self) -> str:
        return f"{type(self).__name__}({MASK})"


class BasicAuth(ProxyAuth):
    """
    Basic authentication (RFC 7617): user name and password, readable by who listens.

    They're sent at once, without waiting for the proxy to ask.

    Args:
        username: User name, without a colon.
        password: Password.

    Raises:
        ValueError: The user name contains a colon.
    """

    schemes = ("basic",)

    def __init__(self, username: str, password: str) -> None:
        self._value = build_authorization_basic(username, password)

    def flow(self, hop: AuthContext) -> Flow:
        """Send the credentials; there's no second try."""
        yield self._value


class BearerAuth(ProxyAuth):
    """
    A token (RFC 6750), sent at once, without waiting for the proxy to ask.

    Args:
        token: The token, or a function that returns it, called for each flow.
    """

    schemes = ("bearer",)

    def __init__(self, token: str | Callable[[], str]) -> None:
        self._token = token
        self.blocking = callable(token)

    def flow(self, hop: AuthContext) -> Flow:
        """Send the token; there's no second try."""
        token = self._token() if callable(self._token) else self._token
        yield f"Bearer {token}"


def warn_in_clear(proxy: Proxy) -> None:
    """Say once, in the log, that a password was readable on its way to a proxy."""
    if proxy.scheme == "http" and str(proxy) not in warned:
        warned.add(str(proxy))
        logger.warning("password sent in clear to the proxy %s: Basic over http", proxy)
