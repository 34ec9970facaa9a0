"""CONNECT, with as many requests as authentication takes (RFC 9110 section 11.7).

Owns: which request goes over which connection, which scheme is tried when, and when to
give up. Doesn't know: schemes, streams.

Theory of operation. An exchange is a loop of requests; a response other than 407 ends it.
A 407 either continues the attempt that is under way, ends it (the proxy refuses), or
lets the next one start. An attempt is one scheme with one flow.

- A scheme that could not start is followed by the next one; a refusal ends everything,
  because each wrong password counts.
- Schemes that authenticate a connection have all requests on one, so bodies of responses
  are read to their end, and a connection that closes ends such an attempt. Before its
  first token, and for other schemes, a new connection does as well.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

from ..._secrets import MASK
from ...datastructures import Headers
from ...exceptions import (
    InvalidHeaderValue,
    InvalidProxyMessage,
    InvalidProxyStatus,
    ProxyAuthenticationError,
    ProxyError,
)
from ...http11 import Response
from ...streams import StreamReader
from .auth import (
    AuthContext,
    AuthFailed,
    AuthUnavailable,
    BasicAuth,
    Flow,
    ProxyAuth,
    warn_in_clear,
)
from .challenges import Challenge, parse_challenges
from .dialogue import CERTIFICATE, RECONNECT, Blocking, Dialogue, Tunnel
from .responses import read_head, read_refusal
from .traces import request_trace
from .url import Proxy


__all__ = ["Exchange"]

#: Requests to one proxy: NTLM takes three, Negotiate five, what's stale two more.
MAX_REQUESTS = 8

# What may stand in a header; the value of a scheme that a user wrote is checked.
VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]+")


@dataclasses.dataclass
class Attempt:
    """
    One scheme that is being tried.

    Attributes:
        auth: What authenticates.
        flow: Its flow, which has yielded ``value``.
        value: What the next request has as ``Proxy-Authorization``.
        challenge: What started it; :obj:`None` if it started without being asked.
        steps: How many values there were.
    """

    auth: ProxyAuth
    flow: Flow
    value: str = dataclasses.field(repr=False)
    challenge: Challenge | None
    steps: int = 1

    @property
    def name(self) -> str:
        """The scheme."""
        return self.value.partition(" ")[0]

    @property
    def scheme(self) -> str:
        """The scheme, in lower case."""
        return self.name.lower()

    @property
    def bound(self) -> bool:
        """Whether it needs one connection for all requests."""
        return self.auth.connection_bound


class Closed(Exception):
    """The proxy closed the connection instead of answering; the cause says how."""


class Exchange:
    """
    CONNECT requests for one tunnel, until the tunnel is open or refused.

    Args:
        proxy: The proxy.
        target: Where the tunnel leads to, ``"host:port"``.
        auth: How to authenticate, if at all.
        build: Returns a request, given the value of ``Proxy-Authorization`` and whether
            the connection is needed for more than that.
        given: Why there's no ``auth``, for errors.
    """

    def __init__(
        self,
        proxy: Proxy,
        target: str,
        auth: ProxyAuth | None,
        build: Callable[[str | None, bool], bytes],
        given: str = "no credentials given",
    ) -> None:
        self.proxy = proxy
        self.target = target
        self.auth = auth
        self.build = build
        self.reader = StreamReader()
        self.alive = True  # whether the connection can have another request
        self.served = 0  # responses on this connection
        self.retried = False  # whether an unannounced close was forgiven
        self.requests = 0
        self.response: Response | None = None  # the last 407
        self.challenges: list[Challenge] = []  # of that one
        self.tried: list[ProxyAuth] = []
        self.reasons = [given] if auth is None else []

    def run(self) -> Dialogue[Tunnel]:
        """
        Ask for the tunnel.

        Raises:
            ProxyAuthenticationError: Authentication failed, or wasn't possible.
            InvalidProxyStatus: The proxy refused for another reason.
            InvalidProxyMessage: It sent something else than an HTTP response, or
                more than that.
        """
        attempt: Attempt | None = None
        if self.auth is not None:
            try:
                attempt = yield from self.begin(self.auth, None)
            except AuthUnavailable as exc:
                self.reasons.append(str(exc))
            except AuthFailed as exc:
                # There's no response yet that a ProxyAuthenticationError could hold.
                raise ProxyError(str(exc)) from exc
        while True:
            try:
                response = yield from self.ask(attempt)
            except Closed as closed:
                attempt = yield from self.after_close(attempt, closed)
                continue
            if 200 <= response.status_code < 300:
                yield from self.finish(attempt, response)
                return Tunnel(response, None if attempt is None else attempt.scheme)
            if response.status_code != 407:
                raise InvalidProxyStatus(response)
            self.response = response
            self.challenges = challenges_of(response)
            attempt = yield from self.after_refusal(attempt)

    # One request.

    def ask(self, attempt: Attempt | None) -> Dialogue[Response]:
        """Send a request, read the response."""
        if self.requests == MAX_REQUESTS:
            raise self.failure(f"still 407 after {MAX_REQUESTS} requests")
        yield from self.revive()
        self.requests += 1
        # Who hasn't been asked yet may need the connection.
        bound = self.auth is not None if attempt is None else attempt.bound
        request = self.build(None if attempt is None else attempt.value, bound)
        try:
            yield request_trace(request)
            yield request
            response = yield from read_head(self.reader)
        except TimeoutError:
            raise
        except OSError as exc:
            raise Closed from exc
        except InvalidProxyMessage as exc:
            if isinstance(exc.__cause__, EOFError):
                raise Closed from exc
            raise
        self.served += 1
        if 200 <= response.status_code < 300:
            # RFC 9110 section 9.3.6: headers can't announce a body, and we speak first.
            surplus = self.reader.take()
            if surplus:
                raise InvalidProxyMessage(
                    f"proxy sent {len(surplus)} bytes after its response"
                )
            return response
        needed = attempt is not None and attempt.bound and has_token(response, attempt)
        complete = yield from read_refusal(self.reader, response, needed)
        # What follows the body can't be an answer to the next request.
        self.alive = complete and not closes(response) and not self.reader.take()
        return response

    def revive(self) -> Dialogue[None]:
        """Have a connection that can have a request."""
        if not self.alive:
            yield RECONNECT
            self.reader = StreamReader()
            self.alive = True
            self.served = 0

    # What comes after it.

    def after_refusal(self, attempt: Attempt | None) -> Dialogue[Attempt]:
        """Go on after a 407: with the attempt, or with another one."""
        if attempt is not None:
            challenge = self.next_challenge(attempt)
            if challenge is not None:
                going_on = yield from self.advance(attempt, challenge)
                if going_on:
                    return attempt
            elif attempt.challenge is not None:
                raise self.failure(f"{attempt.name} refused")
        return (yield from self.next_attempt())

    def after_close(
        self, attempt: Attempt | None, closed: Closed
    ) -> Dialogue[Attempt | None]:
        """Go on after the connection was closed in place of a response."""
        self.alive = False
        bound = attempt is not None and attempt.bound
        if attempt is not None and bound and attempt.steps > 1:
            raise self.failure(interrupted(attempt)) from closed.__cause__
        if self.served and not self.retried:
            # It wasn't announced, but a connection may close after a response.
            self.retried = True
            if attempt is None or not bound:
                return attempt
            try:
                return (yield from self.begin(attempt.auth, attempt.challenge))
            except AuthUnavailable as exc:
                self.reasons.append(str(exc))
                return (yield from self.next_attempt())
            except AuthFailed as exc:
                raise self.failure(str(exc)) from exc
        if attempt is not None and bound and attempt.challenge is not None:
            self.reasons.append(interrupted(attempt))
            return (yield from self.next_attempt())
        assert closed.__cause__ is not None
        raise closed.__cause__

    def finish(self, attempt: Attempt | None, response: Response) -> Dialogue[None]:
        """Look at the last token of the proxy, with which it proves who it is."""
        if attempt is None or not attempt.bound:
            return
        for challenge in challenges_of(response):
            if challenge.scheme == attempt.scheme and challenge.token is not None:
                try:
                    yield from self.step(attempt.auth, attempt.flow, challenge)
                except AuthFailed as exc:
                    raise InvalidProxyMessage(
                        "proxy failed to prove its identity"
                    ) from exc

    # Attempts.

    def begin(
        self, auth: ProxyAuth, challenge: Challenge | None
    ) -> Dialogue[Attempt | None]:
        """
        Start a flow.

        Returns:
            The attempt; :obj:`None` if it waits for a challenge and there's none.
        """
        if auth.connection_bound:
            yield from self.revive()
        certificate = b""
        if self.proxy.scheme == "https" and self.alive:
            certificate = yield CERTIFICATE
        flow = auth.flow(AuthContext(self.proxy, self.target, certificate))
        value = yield from self.step(auth, flow, None)
        if value is None and challenge is not None:
            value = yield from self.step(auth, flow, challenge)
            if value is None:
                raise AuthUnavailable(f"{auth!r} has no answer")
        if value is None:
            return None
        return Attempt(auth, flow, value, challenge)

    def next_attempt(self) -> Dialogue[Attempt]:
        """Start the best of the schemes that weren't tried, or raise."""
        candidates = [] if self.auth is None else self.auth.candidates(self.challenges)
        for auth, challenge in candidates:
            if auth in self.tried:
                continue
            self.tried.append(auth)
            try:
                attempt = yield from self.begin(auth, challenge)
            except AuthUnavailable as exc:
                self.reasons.append(str(exc))
                continue
            except AuthFailed as exc:
                # A domain refused the password before the proxy heard of it.
                raise self.failure(str(exc)) from exc
            assert attempt is not None  # there was a challenge
            if isinstance(auth, BasicAuth) and auth is not self.auth:
                warn_in_clear(self.proxy)
            return attempt
        raise self.failure(*([] if self.reasons else ["none can be used"]))

    def next_challenge(self, attempt: Attempt) -> Challenge | None:
        """Return the challenge that continues an attempt."""
        candidates = [c for _, c in attempt.auth.candidates(self.challenges)]
        for challenge in [*candidates, *self.challenges]:
            if challenge.scheme == attempt.scheme:
                return challenge
        return None

    def advance(self, attempt: Attempt, challenge: Challenge) -> Dialogue[bool]:
        """Let an attempt answer; return whether it's still good."""
        if attempt.steps == attempt.auth.max_steps:
            raise self.failure(f"{attempt.name} refused")
        try:
            value = yield from self.step(attempt.auth, attempt.flow, challenge)
        except AuthUnavailable as exc:
            self.reasons.append(str(exc))
        except AuthFailed as exc:
            raise self.failure(str(exc)) from exc
        else:
            if value is None:
                raise self.failure(f"{attempt.name} refused")
            if self.alive or not attempt.bound:
                attempt.value = value
                attempt.steps += 1
                return True
            # What would have been sent wasn't: others may be tried.
            self.reasons.append(interrupted(attempt))
        # Another scheme can't start in the middle of this one.
        self.alive = self.alive and not attempt.bound
        return False

    def step(
        self, auth: ProxyAuth, flow: Flow, challenge: Challenge | None
    ) -> Dialogue[str | None]:
        """Return what a flow yields next; :obj:`None` also when it ends."""

        def call() -> str | None:
            try:
                # A generator starts by being sent None.
                return flow.send(challenge)  # type: ignore[arg-type]  # see above
            except StopIteration:  # which no thread can hand over
                return None

        value: Any = (yield Blocking(call)) if auth.blocking else call()
        if value is not None and not VALUE.fullmatch(value):
            raise InvalidHeaderValue("Proxy-Authorization", MASK)
        return value  # type: ignore[no-any-return]  # a thread hands over anything

    # The end.

    def failure(self, *reasons: str) -> ProxyAuthenticationError:
        """Return the exception for the last response."""
        assert self.response is not None  # nothing fails for good before
        names = tuple(dict.fromkeys(challenge.name for challenge in self.challenges))
        reason = "; ".join([*self.reasons, *reasons])
        error = ProxyAuthenticationError(self.response, names, reason)
        offers = ", ".join(names) or "no scheme"
        error.add_note(f"{self.proxy} offers {offers}; {reason}")
        return error


def challenges_of(response: Response) -> list[Challenge]:
    """Return the challenges of a response."""
    return parse_challenges(response.headers.get_all("Proxy-Authenticate"))


def has_token(response: Response, attempt: Attempt) -> bool:
    """Return whether a response continues an attempt."""
    return any(
        challenge.scheme == attempt.scheme and challenge.token is not None
        for challenge in challenges_of(response)
    )


def closes(response: Response) -> bool:
    """
    Return whether a response announces the end of the connection.

    HTTP/1.0 ends it without a word; that shows at the next request.
    """
    return any(map(has_close, words(response.headers)))


def has_close(word: str) -> bool:
    """Return whether a connection option is ``close``."""
    return word.strip().lower() == "close"


def words(headers: Headers) -> Sequence[str]:
    """Return the connection options (RFC 9110 section 7.6.1), the old header included."""
    values = headers.get_all("Connection") + headers.get_all("Proxy-Connection")
    return ",".join(values).split(",")


def interrupted(attempt: Attempt) -> str:
    """Return why an attempt can't go on when the connection is closed."""
    return f"the proxy closed the connection in the middle of {attempt.name}"
