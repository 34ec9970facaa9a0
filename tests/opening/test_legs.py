"""Requests to a proxy that wants authentication: which, when, over which connection."""

from __future__ import annotations

import logging

import pytest

from tests.opening.legs import TUNNEL, Legs, refusal
from websockets._opening.proxies import auth as auth_module
from websockets._opening.proxies import pairs
from websockets._opening.proxies.auth import (
    AuthFailed,
    AuthUnavailable,
    BasicAuth,
    BearerAuth,
    ProxyAuth,
)
from websockets._opening.proxies.digest import DigestAuth
from websockets._opening.proxies.pairs import AnyAuth, CurrentUser, as_auth
from websockets.exceptions import (
    InvalidHeaderValue,
    InvalidProxyMessage,
    InvalidProxyStatus,
    ProxyAuthenticationError,
    ProxyError,
)


PAIR = ("ann", "s3cret")
BASIC = "Basic YW5uOnMzY3JldA=="
DIGEST = 'Digest realm="r", nonce="n", qop="auth"'
URL = "http://ann:s3cret@p.test:8080"
OFFER = refusal("Basic realm=x")
CLOSE = ["Connection: close"]


class Script(ProxyAuth):
    """
    An authentication bound to the connection, with a script.

    It waits for a challenge; then it yields its words, or raises them.
    """

    connection_bound = True
    schemes = ("ntlm",)

    def __init__(self, *words, schemes=("ntlm",), blocking=False, waits=True):
        self.words = words
        self.schemes = schemes
        self.blocking = blocking
        self.waits = waits
        self.hops = []
        self.seen = []

    def flow(self, hop):
        self.hops.append(hop)
        if self.waits:
            self.seen.append((yield None))
        for word in self.words:
            if isinstance(word, Exception):
                raise word
            self.seen.append((yield f"{self.schemes[0].upper()} {word}"))


def one_two(**kwargs):
    """NTLM, as far as anybody outside can see."""
    return Script("one", "two", **kwargs)


BARE = refusal("NTLM", body=b"sorry")
TOKEN = refusal("NTLM tok", body=b"more")


def failed(legs, reason, schemes=("NTLM",)):
    """Check an exception."""
    error = legs.error
    assert type(error) is ProxyAuthenticationError
    assert str(error) == "proxy rejected connection: HTTP 407"
    assert error.reason == reason
    assert error.schemes == schemes
    assert error.__notes__ == [
        f"http://p.test:8080 offers {', '.join(schemes) or 'no scheme'}; {reason}"
    ]
    assert error.response.status_code == 407
    assert "s3cret" not in repr(error)


# Who authenticates


def test_no_credentials():
    """Without credentials there's one request, and the error says what is offered."""
    legs = Legs([refusal("Negotiate", "NTLM, Basic realm=x")])
    assert legs.sent == [[None]]
    failed(legs, "no credentials given", ("Negotiate", "NTLM", "Basic"))


def test_nothing_offered():
    """A 407 without a challenge is a failure too."""
    failed(Legs([refusal()], auth=PAIR), "none can be used", ())


def test_users_header():
    """Proxy-Authorization in the user's headers is sent, and switches the rest off."""
    headers = (("proxy-authorization", "Basic zzz"),)
    legs = Legs([refusal("Basic")], auth=PAIR, url=URL, headers=headers)
    assert b"proxy-authorization: Basic zzz\r\n" in legs.requests[0]
    assert len(legs.requests) == 1
    failed(legs, "the credentials in proxy_headers were refused", ("Basic",))


def test_url():
    """Credentials in the address are sent at once, as Basic; a refusal is final."""
    legs = Legs([TUNNEL], url=URL)
    assert legs.sent == [[BASIC]]
    assert legs.tunnel.scheme == "basic"
    assert b"Proxy-Connection" not in legs.requests[0]
    legs = Legs([refusal(DIGEST, "Basic")], url=URL)
    assert legs.sent == [[BASIC]]
    failed(legs, "Basic refused", ("Digest", "Basic"))


def test_url_other_scheme():
    """When Basic isn't offered, they go to the strongest scheme that is."""
    legs = Legs([refusal(DIGEST), TUNNEL], url=URL)
    [[first, second]] = legs.sent
    assert first == BASIC
    assert second.startswith('Digest username="ann"')
    assert legs.tunnel.scheme == "digest"


def test_argument_wins():
    """proxy_auth counts more than the address."""
    legs = Legs([TUNNEL], url=URL, auth=BasicAuth("bob", "secret"))
    assert legs.sent == [["Basic Ym9iOnNlY3JldA=="]]


def test_pair(caplog, monkeypatch):
    """A pair waits for the challenge; a log says if the password goes in clear."""
    monkeypatch.setattr(auth_module, "warned", set())
    legs = Legs([OFFER, TUNNEL], auth=PAIR)
    assert legs.sent == [[None, BASIC]]
    assert b"Proxy-Connection: Keep-Alive\r\n" in legs.requests[0]
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.name == "websockets.client"
    assert "http://p.test:8080" in record.getMessage()
    # Who gives a class knows what it does.
    Legs([TUNNEL], auth=BasicAuth(*PAIR))
    assert len(caplog.records) == 1


def test_pair_unused():
    """A pair isn't sent to a proxy that doesn't ask."""
    legs = Legs([TUNNEL], auth=PAIR)
    assert legs.sent == [[None]]
    assert legs.tunnel.scheme is None


@pytest.mark.parametrize("status", [403, 500])
def test_other_status(status):
    """Another refusal than 407 ends it."""
    answer = f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode()
    legs = Legs([OFFER, answer], auth=PAIR)
    assert type(legs.error) is InvalidProxyStatus
    assert legs.error.response.status_code == status


def test_strongest_first():
    """The order is Negotiate, NTLM, Digest, Basic, whatever the order of the proxy."""
    offer = refusal("Basic realm=x", DIGEST)
    legs = Legs([offer, TUNNEL], auth=PAIR)
    assert legs.sent[0][1].startswith("Digest ")
    legs = Legs([offer, TUNNEL], auth=AnyAuth(*PAIR, schemes=["BASIC", "digest"]))
    assert legs.sent[0][1] == BASIC


def test_schemes_are_checked():
    """A scheme that doesn't exist is a mistake."""
    with pytest.raises(
        ValueError, match="scheme 'kerberos' isn't one of negotiate, ntlm"
    ):
        AnyAuth(*PAIR, schemes=["kerberos"])


def test_colon():
    """A user name that Basic can't transport isn't sent by Basic."""
    legs = Legs([OFFER], auth=("a:b", "s3cret"))
    failed(legs, "none can be used", ("Basic",))


@pytest.mark.parametrize("value", [42, "ann", ("ann",), ("ann", None), b"ann"])
def test_types(value):
    """Other things than authentication are refused, without being shown."""
    with pytest.raises(TypeError, match="proxy_auth must be") as info:
        as_auth(value)
    assert "ann" not in str(info.value)


def test_lists_are_pairs():
    """A list of two texts is a pair."""
    assert isinstance(as_auth(["ann", "s3cret"]), AnyAuth)


# Requests and connections


@pytest.mark.parametrize("blocking", [False, True])
def test_one_connection(blocking):
    """All legs use one connection; bodies are read in between."""
    legs = Legs([BARE, TOKEN, TUNNEL], auth=one_two(blocking=blocking))
    assert legs.sent == [[None, "NTLM one", "NTLM two"]]
    assert all(b"Proxy-Connection: Keep-Alive\r\n" in r for r in legs.requests)
    assert legs.tunnel.scheme == "ntlm"
    assert [event for event in legs.network.log if event != "write"] == [
        ("tcp", "p", 1),
        "abort",
    ]


@pytest.mark.parametrize(
    "framing",
    [
        b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nsorry\r\n0\r\nTrailer: x\r\n\r\n",
        b"Transfer-Encoding: gzip, Chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 5\r\n\r\nsorry",
        b"Content-Length: 0\r\nProxy-Connection: Keep-Alive\r\n\r\n",
    ],
)
def test_framing(framing):
    """The body is read whatever its framing, in pieces of any size."""
    bare = b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\n" + framing
    token = bare.replace(b"NTLM", b"NTLM tok")
    pieces = [token[i : i + 1] for i in range(len(token))]
    legs = Legs([bare, *pieces, TUNNEL], auth=one_two())
    assert legs.sent == [[None, "NTLM one", "NTLM two"]]


@pytest.mark.parametrize(
    "script",
    [
        [refusal("NTLM", headers=CLOSE)],
        [refusal("NTLM", headers=["connection: x, Close"])],
        [refusal("NTLM", headers=["Proxy-Connection: close"])],
        [b"HTTP/1.0 407 No\r\nProxy-Authenticate: NTLM\r\n\r\nsorry", b""],
        [
            b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nContent-Length: 9\r\n\r\n",
            b"",
        ],
        [refusal("NTLM", body=bytes(65_537))],
        [refusal("NTLM") + b"what's this?"],
        # Not announced.
        [BARE, b""],
        [BARE, ConnectionResetError()],
        [BARE, BrokenPipeError()],
        [BARE, OSError("TLS was cut off")],
        [BARE, b"HTTP/1.1 4", b""],
    ],
)
def test_close_after_bare_407(script):
    """A connection that ends after a bare 407 is replaced."""
    auth = one_two()
    legs = Legs(script, [TOKEN, TUNNEL], auth=auth)
    assert legs.error is None
    assert legs.sent[-1] == ["NTLM one", "NTLM two"]
    assert legs.tunnel.scheme == "ntlm"
    assert len(legs.network.streams) == 2


def test_slow_body():
    """A body that doesn't come is not waited for: a new connection is faster."""
    bare = b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nContent-Length: 9\r\n\r\n"
    legs = Legs([bare, TimeoutError()], [TOKEN, TUNNEL], auth=one_two())
    assert legs.tunnel.scheme == "ntlm"
    assert legs.network.streams[0].timeouts == [None, 1.0]
    # With a token, it is.
    token = bare.replace(b"NTLM", b"NTLM tok")
    legs = Legs([BARE, token, b"sorry", b"oops", TUNNEL], auth=one_two())
    assert legs.tunnel.scheme == "ntlm"
    assert set(legs.network.streams[0].timeouts) == {None}


def test_large_body_with_token():
    """A connection that carries a token isn't given up for a large body."""
    legs = Legs(
        [BARE, refusal("NTLM tok", body=bytes(200_000)), TUNNEL], auth=one_two()
    )
    assert legs.tunnel.scheme == "ntlm"


def test_timeout_passes():
    """The deadline of the ceremony isn't the proxy's fault."""
    legs = Legs([BARE, TimeoutError()], auth=one_two())
    assert type(legs.error) is TimeoutError


def test_garbage_passes():
    """What isn't HTTP ends it."""
    legs = Legs([BARE, b"SSH-2.0\r\n\r\n"], auth=one_two())
    assert type(legs.error) is InvalidProxyMessage


@pytest.mark.parametrize("answer", [b"", ConnectionResetError()])
def test_close_without_407(answer):
    """A proxy that never answers isn't asked twice."""
    for auth in (None, one_two(), PAIR, BasicAuth(*PAIR)):
        legs = Legs([answer], auth=auth)
        assert type(legs.error) is InvalidProxyMessage
        assert isinstance(legs.error.__cause__, EOFError)


def test_close_for_ever():
    """An unannounced close is forgiven once."""
    legs = Legs([OFFER, b""], [b""], auth=PAIR)
    assert legs.sent == [[None, BASIC], [BASIC]]
    assert type(legs.error) is InvalidProxyMessage


MIDDLE = "the proxy closed the connection in the middle of NTLM"


@pytest.mark.parametrize(
    "script",
    [
        [BARE, refusal("NTLM tok", headers=CLOSE)],
        [BARE, b"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM tok\r\n\r\n", b""],
    ],
)
def test_close_after_token(script):
    """A close that's announced with a token ends the scheme: its last word isn't sent."""
    legs = Legs(script, auth=one_two())
    assert legs.sent == [[None, "NTLM one"]]
    failed(legs, MIDDLE)


@pytest.mark.parametrize("answer", [b"", ConnectionResetError()])
def test_close_after_last_token(answer):
    """A last word that isn't answered is never said again."""
    legs = Legs([BARE, TOKEN, answer], auth=one_two())
    assert legs.sent == [[None, "NTLM one", "NTLM two"]]
    failed(legs, MIDDLE)
    assert legs.error.__cause__ is not None


def test_close_after_first_token():
    """A scheme whose first word closes connections, twice, can't start."""
    legs = Legs([BARE, b""], [b""], auth=one_two())
    assert legs.sent == [[None, "NTLM one"], ["NTLM one"]]
    failed(legs, MIDDLE)


@pytest.mark.parametrize("kind", [AuthUnavailable, AuthFailed])
def test_restart_fails(kind):
    """A flow may be unable to start on the new connection."""

    class Once(Script):
        def flow(self, hop):
            if len(self.hops) == 2:
                raise kind("no more")
                yield
            yield from super().flow(hop)

    failed(Legs([BARE, b""], [], auth=Once("one")), "no more")


def test_certificate():
    """A flow learns the certificate of its own connection."""
    auth = one_two()
    legs = Legs([refusal("NTLM", headers=CLOSE)], [TOKEN, TUNNEL], auth=auth,
                url="https://p.test", certificate=b"DER")  # fmt: skip
    assert legs.error is None
    assert {hop.certificate for hop in auth.hops} == {b"DER"}
    assert {hop.target for hop in auth.hops} == {"h.test:443"}


def test_at_once():
    """A scheme may speak first."""
    auth = Script("one", "two", waits=False)
    legs = Legs([TOKEN, TUNNEL], auth=auth)
    assert legs.sent == [["NTLM one", "NTLM two"]]
    # When its first word is ignored, it gets another chance; then it's closed in public.
    legs = Legs([b""], auth=Script("one", waits=False))
    assert type(legs.error) is InvalidProxyMessage


def test_digest_survives():
    """Digest doesn't mind a new connection."""
    offer = refusal(DIGEST, headers=CLOSE)
    legs = Legs([offer], [TUNNEL], auth=PAIR)
    [[first], [second]] = legs.sent
    assert first is None
    assert second.startswith("Digest ")


def test_digest_stale():
    """A nonce may be stale twice; that isn't a refusal."""
    auth = DigestAuth(*PAIR)
    stale = refusal(DIGEST + ", stale=TRUE")
    legs = Legs([refusal(DIGEST), stale, stale, TUNNEL], auth=auth)
    assert legs.tunnel.scheme == "digest"
    legs = Legs([TUNNEL], auth=auth)
    assert "nc=00000002" in legs.sent[0][0]
    legs = Legs([stale] * 3, auth=auth)
    failed(legs, "Digest refused", ("Digest",))


def test_digest_unusable():
    """A Digest that nobody knows leaves no choice."""
    failed(
        Legs([refusal("Digest realm=r, nonce=n, algorithm=X")], auth=DigestAuth(*PAIR)),
        "none can be used",
        ("Digest",),
    )


# Ends


@pytest.mark.parametrize("answer", [BARE, TOKEN, OFFER, refusal()])
def test_refused(answer):
    """A flow that has said all is refused by any other 407; nothing weaker follows."""

    class Both(Script):
        def candidates(self, challenges):
            yield from super().candidates(challenges)
            yield from BasicAuth(*PAIR).candidates(challenges)

    legs = Legs([BARE, TOKEN, answer], auth=Both("one", "two"))
    assert legs.sent == [[None, "NTLM one", "NTLM two"]]
    assert legs.error.reason == "NTLM refused"


def test_too_many_steps():
    """A scheme has a limit of steps."""
    legs = Legs([BARE, *[TOKEN] * 5], auth=Script(*"123456789"))
    assert legs.sent == [[None, *(f"NTLM {n}" for n in range(1, 6))]]
    failed(legs, "NTLM refused")


def test_too_many_requests():
    """A proxy is asked eight times at most."""
    auth = Script(*"123456789")
    auth.max_steps = 100
    legs = Legs([BARE, *[TOKEN] * 7], auth=auth)
    assert len(legs.requests) == 8
    failed(legs, "still 407 after 8 requests")


class Several(ProxyAuth):
    """Some schemes, one after the other."""

    def __init__(self, *parts):
        self.parts = parts

    def flow(self, hop):
        yield None

    def candidates(self, challenges):
        for part in self.parts:
            yield from part.candidates(challenges)


OFFERS = refusal("Negotiate", "NTLM", "Basic")


def test_unavailable():
    """What can't start is followed by the next scheme, on the same connection."""
    auth = Several(
        Script(AuthUnavailable("no ticket"), schemes=("negotiate",)),
        Script(schemes=("ntlm",)),
        BasicAuth(*PAIR),
    )
    legs = Legs([OFFERS, TUNNEL], auth=auth)
    assert legs.sent == [[None, BASIC]]
    assert legs.tunnel.scheme == "basic"


def test_unavailable_all():
    """The error tells about all that was tried."""
    auth = Several(
        Script(AuthUnavailable("no ticket"), schemes=("negotiate",)),
        Script(AuthUnavailable("no library"), schemes=("ntlm",)),
    )
    legs = Legs([OFFERS], auth=auth)
    failed(legs, "no ticket; no library", ("Negotiate", "NTLM", "Basic"))


def test_unavailable_in_the_middle():
    """What can't go on leaves a connection that another scheme can't use."""
    auth = Several(Script("one", AuthUnavailable("garbage")), BasicAuth(*PAIR))
    legs = Legs([OFFERS, refusal("NTLM tok", "Basic")], [TUNNEL], auth=auth)
    assert legs.sent == [[None, "NTLM one"], [BASIC]]
    # The same when the proxy closes before the password was at stake.
    auth = Several(one_two(), BasicAuth(*PAIR))
    answer = refusal("NTLM tok", "Basic", headers=CLOSE)
    legs = Legs([OFFERS, answer], [TUNNEL], auth=auth)
    assert legs.sent == [[None, "NTLM one"], [BASIC]]
    legs = Legs(
        [OFFERS, b""], [b""], [TUNNEL], auth=Several(one_two(), BasicAuth(*PAIR))
    )
    assert legs.sent == [[None, "NTLM one"], ["NTLM one"], [BASIC]]


def test_failed_before_the_first_request():
    """A flow that fails before anything was asked is an error of the proxy's family."""

    class Early(ProxyAuth):
        schemes = ("bearer",)

        def flow(self, hop):
            raise AuthFailed("no key")
            yield

    legs = Legs([], auth=Early())
    assert type(legs.error) is ProxyError
    assert str(legs.error) == "no key"
    assert legs.sent == []


def test_failed():
    """Whatever goes wrong after the password was at stake ends it."""
    auth = Several(Script("one", AuthFailed("no more")), BasicAuth(*PAIR))
    failed(Legs([OFFERS, TOKEN], auth=auth), "no more")
    auth = Several(Script(AuthFailed("not you")), BasicAuth(*PAIR))
    legs = Legs([OFFERS], auth=auth)
    assert legs.sent == [[None]]
    assert legs.error.reason == "not you"


def test_unavailable_at_once():
    """What can't start before it was asked is tried again when it is."""
    auth = Script(AuthUnavailable("no library"), waits=False)
    failed(Legs([BARE], auth=auth), "no library; no library")


def test_exceptions_of_users():
    """A mistake in a scheme that a user wrote passes, also through a thread."""
    for blocking in (False, True):
        legs = Legs([BARE], auth=Script(ZeroDivisionError(), blocking=blocking))
        assert type(legs.error) is ZeroDivisionError


@pytest.mark.parametrize("token", ["a\r\nX: y", "a\0", "", "\u20ac"])
def test_values(token):
    """A value that isn't one isn't sent, and doesn't show."""
    legs = Legs([], auth=BearerAuth(token)) if token else None
    if legs is not None:
        assert type(legs.error) is InvalidHeaderValue
        assert str(legs.error) == "invalid Proxy-Authorization header: ***"
        assert legs.requests == []


# The proxy's own proof


def success(value):
    return TUNNEL[:-2] + f"Proxy-Authenticate: {value}\r\n\r\n".encode()


def test_last_token():
    """A token in the response that opens the tunnel goes to the flow."""
    auth = one_two()
    legs = Legs([BARE, TOKEN, success("Basic, NTLM last")], auth=auth)
    assert legs.tunnel.scheme == "ntlm"
    assert auth.seen[-1].token == "last"
    # None is needed; one of another scheme isn't for it.
    assert Legs([BARE, TOKEN, success("NTLM")], auth=one_two()).error is None
    assert Legs([OFFER, success("Basic last")], auth=PAIR).error is None


def test_last_token_is_wrong():
    """A proxy that can't prove its identity isn't the one."""
    auth = Script("one", AuthFailed("wrong"))
    legs = Legs([BARE, success("NTLM last")], auth=auth)
    assert type(legs.error) is InvalidProxyMessage
    assert str(legs.error) == "proxy failed to prove its identity"


# The logged-in user


def test_current_user(monkeypatch):
    """current-user tries Negotiate, then NTLM, as whoever is logged in."""
    negotiate = Script(AuthUnavailable("no ticket"), schemes=("negotiate",))
    monkeypatch.setattr(pairs, "NegotiateAuth", lambda: negotiate)
    monkeypatch.setattr(pairs, "NTLMAuth", one_two)
    auth = as_auth("current-user")
    assert isinstance(auth, CurrentUser)
    legs = Legs([OFFERS, TOKEN, TUNNEL], auth="current-user")
    assert legs.sent == [[None, "NTLM one", "NTLM two"]]
    failed(Legs([OFFER], auth=auth), "none can be used", ("Basic",))
    assert repr(auth) == "CurrentUser(***)"


def test_secrets():
    """Traces, exceptions and representations show nothing."""
    for auth, url in ((PAIR, "http://p.test:8080"), (None, URL)):
        legs = Legs([refusal(DIGEST), refusal(DIGEST)], auth=auth, url=url)
        text = "".join(
            [*legs.traced, str(legs.error), repr(legs.error), *legs.error.__notes__]
        )
        assert legs.traced
        for secret in ("s3cret", "ann", "YW5u", "response="):
            assert secret not in text
    assert repr(AnyAuth(*PAIR)) == "AnyAuth(***)"
