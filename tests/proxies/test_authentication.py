"""Our client authenticates to scripted proxies, whatever their manners."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proxies.conftest import Script, Talk
from tests.proxies.lab import DOMAIN, PASSWORD, TOKEN, USER, Lab, Proxy
from websockets.exceptions import InvalidProxyStatus, ProxyError
from websockets.proxy import AnyAuth, BearerAuth


PAIR = (USER, PASSWORD)
WRONG = (USER, "wr0ng")

DIGESTS = [
    "digest-md5",
    "digest-sha256",
    "digest-sess",
    "digest-noqop",
    "digest-userhash",
]

pytestmark = pytest.mark.parametrize("scheme", ["ws", "wss"])


def tries(proxy: Proxy, scheme: str) -> list[tuple[int, int]]:
    """Return connection and status of each request with credentials of a scheme."""
    return [
        (e.connection, e.status)
        for e in proxy.exchanges
        if e.scheme.lower() == scheme.lower()
    ]


# Schemes that authenticate requests


@pytest.mark.parametrize("auth", ["basic", *DIGESTS])
@pytest.mark.parametrize(
    "manners",
    [
        {},
        {"framing": "chunked"},
        {"framing": "eof"},
        {"close": "first"},
        {"close": "first", "silent_close": True},
        {"http10": True, "close": "first", "silent_close": True},
        {"body": 200_000},
        {"fragment": True, "interim": True, "lower": True},
    ],
    ids=repr,
)
def test_pair(
    script: Script, talk: Talk, scheme: str, auth: str, manners: dict[str, Any]
) -> None:
    """A pair waits for the challenge, and then gets through at the first try."""
    proxy = script(auth=[auth], **manners)
    visit = talk(scheme, proxy=proxy.url(), proxy_auth=PAIR)
    name = auth.partition("-")[0].title()
    [first, second] = proxy.exchanges
    assert (first.scheme, first.status) == ("-", 407)
    assert (second.scheme, second.status) == (name, 200)
    [hop] = visit.proxies
    assert hop.auth == name.lower()


@pytest.mark.parametrize("auth", ["basic", *DIGESTS])
def test_wrong_password(script: Script, talk: Talk, scheme: str, auth: str) -> None:
    """A wrong password is sent once, and the refusal is a ValueError with the status."""
    proxy = script(auth=[auth])
    with pytest.raises(InvalidProxyStatus) as caught:
        talk(scheme, proxy=proxy.url(), proxy_auth=WRONG)
    assert str(caught.value) == "proxy rejected connection: HTTP 407"
    assert len(tries(proxy, auth.partition("-")[0])) == 1


@pytest.mark.parametrize("stale", [1, 2])
def test_stale(script: Script, talk: Talk, scheme: str, stale: int) -> None:
    """A nonce that isn't fresh any more is replaced."""
    proxy = script(auth=["digest-sha256"], stale=stale)
    talk(scheme, proxy=proxy.url(), proxy_auth=PAIR)
    assert [status for _, status in tries(proxy, "digest")] == [407] * stale + [200]


def test_stale_for_ever(script: Script, talk: Talk, scheme: str) -> None:
    """A proxy that calls each nonce stale is given up."""
    proxy = script(auth=["digest-sha256"], stale=1000)
    with pytest.raises(InvalidProxyStatus, match="407"):
        talk(scheme, proxy=proxy.url(), proxy_auth=PAIR)
    assert len(tries(proxy, "digest")) <= 3


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize(
    ("offered", "used"),
    [
        (["basic", "digest-md5"], "digest"),
        (["digest-int", "basic"], "basic"),
        (["digest-unknown", "basic"], "basic"),
        (["digest-md5", "digest-sha256"], "digest"),
        (["bearer", "basic"], "basic"),
    ],
)
def test_choice(
    script: Script,
    talk: Talk,
    scheme: str,
    offered: list[str],
    used: str,
    joined: bool,
) -> None:
    """The strongest scheme that can be used is, in whatever way they're offered."""
    proxy = script(auth=offered, joined=joined)
    talk(scheme, proxy=proxy.url(), proxy_auth=PAIR)
    assert [status for _, status in tries(proxy, used)] == [200]
    assert len(proxy.exchanges) == 2


def test_no_weaker_scheme_after_a_refusal(
    script: Script, talk: Talk, scheme: str
) -> None:
    """A wrong password isn't sent again by a weaker scheme: accounts get locked."""
    proxy = script(auth=["digest-sha256", "basic"])
    with pytest.raises(InvalidProxyStatus):
        talk(scheme, proxy=proxy.url(), proxy_auth=WRONG)
    assert tries(proxy, "basic") == []
    assert len(tries(proxy, "digest")) == 1


def test_url_credentials_are_sent_at_once(
    script: Script, talk: Talk, scheme: str
) -> None:
    """Credentials of a URL are Basic, without waiting to be asked."""
    proxy = script(auth=["basic"])
    talk(scheme, proxy=proxy.url(USER, PASSWORD))
    assert proxy.story == ["1 Basic 200"]


def test_url_credentials_for_digest(script: Script, talk: Talk, scheme: str) -> None:
    """If only other schemes are offered, they go to the strongest of them."""
    proxy = script(auth=["digest-sha256"])
    talk(scheme, proxy=proxy.url(USER, PASSWORD))
    assert [e.scheme for e in proxy.exchanges] == ["Basic", "Digest"]


def test_schemes_of_the_user(script: Script, talk: Talk, scheme: str) -> None:
    """AnyAuth restricts the schemes: nothing is sent in clear then."""
    proxy = script(auth=["basic"])
    auth = AnyAuth(USER, PASSWORD, schemes=["digest"])
    with pytest.raises(InvalidProxyStatus, match="407"):
        talk(scheme, proxy=proxy.url(), proxy_auth=auth)
    assert {e.scheme for e in proxy.exchanges} == {"-"}


def test_bearer(script: Script, talk: Talk, scheme: str) -> None:
    """A token is sent at once."""
    proxy = script(auth=["bearer"])
    talk(scheme, proxy=proxy.url(), proxy_auth=BearerAuth(TOKEN))
    assert proxy.story == ["1 Bearer 200"]


@pytest.mark.parametrize(
    "challenge",
    [
        "Negotiate",
        "Kerberos",
        "Basic",
        ", ,",
        'Digest realm="x',
        "Digest",
        "NTLM !!!",
        "=",
        "\xff\xfe",
    ],
)
def test_odd_challenges(
    script: Script, talk: Talk, scheme: str, challenge: str
) -> None:
    """Whatever a proxy asks for, what is raised is ours, and it ends soon."""
    proxy = script(challenge=challenge)
    with pytest.raises(ProxyError):
        talk(scheme, proxy=proxy.url(), proxy_auth=WRONG)
    assert len(proxy.exchanges) <= 8


def test_notes_tell_what_was_offered(script: Script, talk: Talk, scheme: str) -> None:
    """Without credentials, the exception tells what the proxy offers."""
    with pytest.raises(InvalidProxyStatus) as caught:
        talk(scheme, proxy=script(auth=["digest-md5", "basic"]).url())
    notes = "\n".join(caught.value.__notes__)
    assert "Digest" in notes
    assert "Basic" in notes
    assert "no credentials" in notes


def test_later_connections(script: Script, talk: Talk, scheme: str) -> None:
    """An object that authenticates serves many connections."""
    proxy = script(auth=["digest-sha256"])
    auth = AnyAuth(USER, PASSWORD)
    for _ in range(3):
        talk(scheme, proxy=proxy.url(), proxy_auth=auth)
    assert [e.status for e in proxy.exchanges].count(200) == 3


# NTLM, which authenticates a connection


@pytest.mark.parametrize("user", [USER, f"{DOMAIN}\\{USER}"])
def test_ntlm_user(script: Script, talk: Talk, scheme: str, user: str) -> None:
    """A user's domain comes before the name, or is the proxy's."""
    proxy = script(auth=["ntlm"])
    talk(scheme, proxy=proxy.url(), proxy_auth=(user, PASSWORD))
    assert [s for _, s in tries(proxy, "ntlm")] == [407, 200]


@pytest.mark.parametrize(
    "manners",
    [
        {},
        {"framing": "chunked"},
        {"framing": "eof"},
        {"close": "first"},
        {"close": "first", "silent_close": True},
        {"close": "first", "proxy_connection": True},
        {"http10": True, "proxy_connection": True},
        {"body": 200_000, "close": "first"},
        {"body": 0},
        {"joined": True, "lower": True},
        {"fragment": True, "interim": True},
        {"authinfo": True},
    ],
    ids=repr,
)
def test_ntlm(script: Script, talk: Talk, scheme: str, manners: dict[str, Any]) -> None:
    """All legs of NTLM go over one connection."""
    proxy = script(auth=["ntlm", "basic"], **manners)
    visit = talk(scheme, proxy=proxy.url(), proxy_auth=PAIR)
    [(start, first), (end, second)] = tries(proxy, "ntlm")
    assert start == end
    assert (first, second) == (407, 200)
    assert tries(proxy, "basic") == []
    assert visit.proxies[-1].auth == "ntlm"


def test_ntlm_wrong_password(script: Script, talk: Talk, scheme: str) -> None:
    """A wrong password is proved once, by one Type 3."""
    proxy = script(auth=["ntlm", "digest-sha256", "basic"])
    with pytest.raises(InvalidProxyStatus, match="407"):
        talk(scheme, proxy=proxy.url(), proxy_auth=WRONG)
    assert [status for _, status in tries(proxy, "ntlm")] == [407, 407]
    assert tries(proxy, "digest") == tries(proxy, "basic") == []


@pytest.mark.parametrize("close", ["token", "both"])
def test_ntlm_close_with_token(
    script: Script, talk: Talk, scheme: str, close: str
) -> None:
    """A proxy that closes after its Type 2 gets no Type 3 on another connection."""
    proxy = script(auth=["ntlm"], close=close)
    with pytest.raises(ProxyError):
        talk(scheme, proxy=proxy.url(), proxy_auth=PAIR)
    # A Type 3 is much longer than a Type 1.
    assert all(len(e.credentials) < 200 for e in proxy.exchanges)
    assert len(tries(proxy, "ntlm")) <= 2


def test_ntlm_over_tls(lab: Lab, script: Script, talk: Talk, scheme: str) -> None:
    """NTLM to an https:// proxy is bound to its certificate, which may be demanded."""
    proxy = script(tls=True, auth=["ntlm"], channel_bindings=True)
    talk(
        scheme,
        proxy=proxy.url(),
        proxy_auth=PAIR,
        proxy_ssl=lab.certificates.client_context(),
    )
    assert [status for _, status in tries(proxy, "ntlm")] == [407, 200]


def test_ntlm_always_refused(script: Script, talk: Talk, scheme: str) -> None:
    """The right password isn't proved twice either, nor sent by a weaker scheme."""
    proxy = script(auth=["ntlm", "basic"], always_407=True)
    with pytest.raises(InvalidProxyStatus, match="407"):
        talk(scheme, proxy=proxy.url(), proxy_auth=PAIR)
    proofs = [e for e in proxy.exchanges if len(e.credentials) > 200]
    assert len(proofs) == 1
    assert tries(proxy, "basic") == []


def test_ntlm_in_negotiate(script: Script, talk: Talk, scheme: str) -> None:
    """Negotiate carries NTLM, over one connection, where nothing better is offered."""
    proxy = script(auth=["negotiate"])
    visit = talk(scheme, proxy=proxy.url(), proxy_auth=PAIR)
    assert visit.proxies[-1].auth == "negotiate"
    [(start, first), (end, second)] = tries(proxy, "negotiate")
    assert start == end
    assert (first, second) == (407, 200)


def test_ntlm_hang(script: Script, talk: Talk, scheme: str) -> None:
    """open_timeout holds for the legs too."""
    proxy = script(auth=["ntlm"], hang="body", body=100)
    with pytest.raises(TimeoutError):
        talk(scheme, proxy=proxy.url(), proxy_auth=PAIR, open_timeout=0.5)
