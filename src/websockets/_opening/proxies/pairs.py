"""What users give for authentication: pairs, objects, the user who is logged in.

Owns: the meaning of ``proxy_auth`` and of credentials in a proxy's address; the order of
schemes. Doesn't know: what the schemes do, nor when which is tried.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .auth import AuthContext, BasicAuth, Flow, ProxyAuth
from .challenges import Challenge
from .digest import DigestAuth
from .negotiate import NegotiateAuth, NTLMAuth


__all__ = ["AnyAuth", "CurrentUser", "URLAuth", "as_auth"]

SCHEMES: dict[str, type[NegotiateAuth | NTLMAuth | DigestAuth | BasicAuth]] = {
    "negotiate": NegotiateAuth,
    "ntlm": NTLMAuth,
    "digest": DigestAuth,
    "basic": BasicAuth,
}


class AnyAuth(ProxyAuth):
    """
    A user name and password, for the strongest scheme that the proxy offers.

    A weaker scheme is tried only if a stronger one can't start, for want of a library or
    a ticket; never after the proxy refused, because accounts get locked.

    Args:
        username: User name; ``DOMAIN\\user`` and ``user@domain`` for NTLM and Negotiate.
        password: Password.
        schemes: Schemes that may be used, best first.

    Raises:
        ValueError: A scheme is unknown.
    """

    def __init__(
        self,
        username: str,
        password: str,
        schemes: Sequence[str] = ("negotiate", "ntlm", "digest", "basic"),
    ) -> None:
        self.schemes = tuple(scheme.lower() for scheme in schemes)
        for scheme in self.schemes:
            if scheme not in SCHEMES:
                raise ValueError(f"scheme {scheme!r} isn't one of {', '.join(SCHEMES)}")
        self._username = username
        self._password = password
        self._parts: dict[str, ProxyAuth] = {}

    def part(self, scheme: str) -> ProxyAuth:
        """Return what authenticates by a scheme; it may remember something."""
        if scheme not in self._parts:
            self._parts[scheme] = SCHEMES[scheme](self._username, self._password)
        return self._parts[scheme]

    def flow(self, hop: AuthContext) -> Flow:
        """Wait for the proxy's challenges: :meth:`candidates` are what answers them."""
        yield None

    def candidates(
        self, challenges: Sequence[Challenge]
    ) -> Iterator[tuple[ProxyAuth, Challenge]]:
        """Try one scheme after the other."""
        for scheme in self.schemes:
            if scheme == "basic" and ":" in self._username:
                continue  # it can't be sent
            if any(challenge.scheme == scheme for challenge in challenges):
                yield from self.part(scheme).candidates(challenges)


class URLAuth(AnyAuth):
    """
    Credentials in a proxy's address: Basic, sent at once.

    If the proxy doesn't even offer Basic, they go to the strongest scheme that it does.
    """

    def flow(self, hop: AuthContext) -> Flow:
        """Send the credentials, as everybody does."""
        yield from self.part("basic").flow(hop)


class CurrentUser(ProxyAuth):
    """The user who is logged in: Negotiate, and NTLM where that's possible."""

    schemes = ("negotiate", "ntlm")

    def __init__(self) -> None:
        self._parts = (NegotiateAuth(), NTLMAuth())

    def flow(self, hop: AuthContext) -> Flow:
        """Wait for the proxy's challenges: :meth:`candidates` are what answers them."""
        yield None

    def candidates(
        self, challenges: Sequence[Challenge]
    ) -> Iterator[tuple[ProxyAuth, Challenge]]:
        """Try Negotiate, then NTLM."""
        for part in self._parts:
            yield from part.candidates(challenges)


def as_auth(value: Any) -> ProxyAuth | None:
    """
    Return what ``proxy_auth`` means.

    Args:
        value: A pair of user name and password, an instance of :class:`ProxyAuth`,
            ``"current-user"``, or :obj:`None`.

    Raises:
        TypeError: It's something else.
    """
    if value is None or isinstance(value, ProxyAuth):
        return value
    if value == "current-user":
        return CurrentUser()
    match value:
        case (str() as username, str() as password):
            return AnyAuth(username, password)
    raise TypeError(
        "proxy_auth must be a pair of str, a ProxyAuth, 'current-user', or None, "
        f"not {type(value).__name__}"
    )
