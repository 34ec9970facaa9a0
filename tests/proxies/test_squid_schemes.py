"""Our client authenticates to squid, by each scheme that its helpers know."""

from __future__ import annotations

import importlib.util
import time

import pytest

from tests.daemons import missing
from tests.proxies.conftest import Talk
from tests.proxies.lab import DOMAIN, PASSWORD, USER, Lab
from websockets.exceptions import InvalidProxyStatus, ProxyError
from websockets.proxy import AnyAuth, DigestAuth, NegotiateAuth, NTLMAuth


PAIR = (USER, PASSWORD)
WRONG = (USER, "wr0ng")
REFUSED = "proxy rejected connection: HTTP 407"

pytestmark = pytest.mark.parametrize("scheme", ["ws", "wss"])


@pytest.mark.parametrize("kind", ["basic", "digest", "ntlm", "ntlm-fake"])
def test_pair(lab: Lab, talk: Talk, scheme: str, kind: str) -> None:
    """A pair is enough for each scheme that takes a password."""
    visit = talk(scheme, proxy=lab.squid(kind).url(), proxy_auth=PAIR)
    assert visit.proxies[-1].auth == kind.partition("-")[0]


@pytest.mark.parametrize("kind", ["basic", "digest", "ntlm"])
def test_wrong_password(lab: Lab, talk: Talk, scheme: str, kind: str) -> None:
    """A wrong password raises the proxy's status, as a ValueError."""
    with pytest.raises(ValueError, match="407") as caught:
        talk(scheme, proxy=lab.squid(kind).url(), proxy_auth=WRONG)
    assert isinstance(caught.value, InvalidProxyStatus)
    assert str(caught.value) == REFUSED


@pytest.mark.parametrize("kind", ["basic", "digest", "ntlm"])
def test_url(lab: Lab, talk: Talk, scheme: str, kind: str) -> None:
    """Credentials in the URL serve each of them."""
    talk(scheme, proxy=lab.squid(kind).url(USER, PASSWORD))


@pytest.mark.parametrize("user", [USER, f"{DOMAIN}\\{USER}", f"{USER}@{DOMAIN}"])
def test_ntlm_user(lab: Lab, talk: Talk, scheme: str, user: str) -> None:
    """Samba knows the user with a domain before the name, after it, and without."""
    auth = NTLMAuth(user, PASSWORD)
    talk(scheme, proxy=lab.squid("ntlm").url(), proxy_auth=auth)


def test_ntlm_keep_alive_off(lab: Lab, talk: Talk, scheme: str) -> None:
    """A close after the first 407 is answered by a new connection."""
    proxy = lab.squid("ntlm", keep_alive=False)
    talk(scheme, proxy=proxy.url(), proxy_auth=PAIR)


@pytest.mark.parametrize("kind", ["basic", "digest", "ntlm"])
def test_tls_to_the_proxy(lab: Lab, talk: Talk, scheme: str, kind: str) -> None:
    """Each scheme goes over TLS to the proxy too, with channel bindings or without."""
    talk(
        scheme,
        proxy=lab.squid(kind, tls=True).url(),
        proxy_auth=PAIR,
        proxy_ssl=lab.certificates.client_context(),
    )


def test_ntlm_in_negotiate(lab: Lab, talk: Talk, scheme: str) -> None:
    """Negotiate carries NTLM where NTLM itself isn't offered."""
    visit = talk(scheme, proxy=lab.squid("negotiate-ntlm").url(), proxy_auth=PAIR)
    assert visit.proxies[-1].auth == "negotiate"


def test_digest_nonce_that_ages(lab: Lab, talk: Talk, scheme: str) -> None:
    """A nonce that squid forgot is replaced, as its stale=true asks for."""
    proxy = lab.squid("digest", nonce_seconds=1)
    auth = DigestAuth(USER, PASSWORD)
    talk(scheme, proxy=proxy.url(), proxy_auth=auth)
    # squid's clock counts seconds; nobody else can age its nonces.
    time.sleep(2.1)
    talk(scheme, proxy=proxy.url(), proxy_auth=auth)


def test_strongest_first(lab: Lab, talk: Talk, scheme: str) -> None:
    """Of four schemes the strongest that a pair can start is used."""
    proxy = lab.squid("negotiate-ntlm", "ntlm", "digest", "basic").url()
    used = talk(scheme, proxy=proxy, proxy_auth=PAIR).proxies[-1].auth
    assert used in ("negotiate", "ntlm")
    for name in ("digest", "basic"):
        auth = AnyAuth(USER, PASSWORD, schemes=[name])
        assert talk(scheme, proxy=proxy, proxy_auth=auth).proxies[-1].auth == name


def test_no_kdc(lab: Lab, talk: Talk, scheme: str) -> None:
    """Where Kerberos is offered and no realm is known, a pair connects by NTLM."""
    proxy = lab.squid("negotiate-kerberos", "ntlm", "digest", "basic").url()
    visit = talk(scheme, proxy=proxy, proxy_auth=PAIR)
    assert visit.proxies[-1].auth == "ntlm"


@pytest.fixture
def ticket(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be ALICE, who is logged in to the realm."""
    for module in ("gssapi", "krb5"):
        if importlib.util.find_spec(module) is None:
            missing(f"the module {module} of pyspnego[kerberos]")
    for name, value in lab.realm.environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("ticket")
def test_kerberos(lab: Lab, talk: Talk, scheme: str) -> None:
    """The user who is logged in gets through, without a password."""
    proxy = lab.squid("negotiate-kerberos").url()
    visit = talk(scheme, proxy=proxy, proxy_auth="current-user")
    assert visit.proxies[-1].auth == "negotiate"
    talk(scheme, proxy=proxy, proxy_auth=NegotiateAuth())


@pytest.mark.usefixtures("ticket")
def test_kerberos_over_tls(lab: Lab, talk: Talk, scheme: str) -> None:
    """Kerberos goes over TLS to the proxy too, with channel bindings."""
    talk(
        scheme,
        proxy=lab.squid("negotiate-kerberos", tls=True).url(),
        proxy_auth="current-user",
        proxy_ssl=lab.certificates.client_context(),
    )


@pytest.mark.usefixtures("ticket")
def test_kerberos_by_password(lab: Lab, talk: Talk, scheme: str) -> None:
    """A pair gets a ticket of its own from the realm."""
    proxy = lab.squid("negotiate-kerberos").url()
    pair = (f"{USER}@LAB.TEST", PASSWORD)
    assert talk(scheme, proxy=proxy, proxy_auth=pair).proxies[-1].auth == "negotiate"


@pytest.mark.usefixtures("ticket")
def test_kerberos_by_wrong_password(lab: Lab, talk: Talk, scheme: str) -> None:
    """A password that the realm refused isn't sent again by NTLM."""
    proxy = lab.squid("negotiate-kerberos", "ntlm", "digest", "basic").url()
    with pytest.raises(InvalidProxyStatus, match="407") as caught:
        talk(scheme, proxy=proxy, proxy_auth=(f"{USER}@LAB.TEST", "wr0ng"))
    [note, _] = caught.value.__notes__
    assert "Negotiate failed" in note
    assert "NTLM refused" not in note


def test_no_ticket(lab: Lab, talk: Talk, scheme: str) -> None:
    """Without a ticket, the exception says that it's about Kerberos."""
    proxy = lab.squid("negotiate-kerberos").url()
    with pytest.raises(ProxyError) as caught:
        talk(scheme, proxy=proxy, proxy_auth="current-user")
    notes = "\n".join([str(caught.value), *caught.value.__notes__])
    assert "Negotiate" in notes
