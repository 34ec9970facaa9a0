"""Our client goes through several proxies, one after the other."""

from __future__ import annotations

import contextlib
import socket

import pytest

from tests.daemons import free_port
from tests.proxies.conftest import Script, Talk
from tests.proxies.lab import ECHO_HOST, PASSWORD, USER, Lab
from websockets.exceptions import InvalidProxyStatus, ProxyError
from websockets.proxy import Proxy


pytestmark = pytest.mark.parametrize("scheme", ["ws", "wss"])


def test_chain(script: Script, talk: Talk, scheme: str) -> None:
    """The nearest proxy connects to the next one, and the last one to the server."""
    first, second = script(), script(auth=["basic"])
    visit = talk(scheme, proxy=[first.url(), second.url(USER, PASSWORD)])
    assert [e.target for e in first.exchanges] == [f"localhost:{second.port}"]
    assert [e.target for e in second.exchanges] == [
        f"{ECHO_HOST}:{talk.lab.echo[scheme]}"
    ]
    assert first.exchanges[0].scheme == "-"
    assert len(visit.proxies) == 2


def test_arguments_are_for_the_last(script: Script, talk: Talk, scheme: str) -> None:
    """proxy_auth and proxy_headers reach the last proxy only."""
    first, second = script(), script(auth=["digest-sha256"])
    talk(
        scheme,
        proxy=[first.url(), second.url()],
        proxy_auth=(USER, PASSWORD),
        proxy_headers={"X-Tenant": "blue"},
    )
    seen = {name.lower() for e in first.exchanges for name, _ in e.headers}
    assert "x-tenant" not in seen
    assert "proxy-authorization" not in seen
    assert all(("X-Tenant", "blue") in e.headers for e in second.exchanges)


def test_each_has_its_own(script: Script, talk: Talk, scheme: str) -> None:
    """Proxy objects carry credentials and headers of each hop."""
    first, second = script(auth=["ntlm"]), script(auth=["bearer", "digest-sess"])
    hops = [
        Proxy(first.url(), auth=(USER, PASSWORD), headers={"X-Hop": "1"}),
        Proxy(second.url(), auth=(USER, PASSWORD), headers={"X-Hop": "2"}),
    ]
    visit = talk(scheme, proxy=hops)
    assert [hop.auth for hop in visit.proxies] == ["ntlm", "digest"]
    for proxy, number in ((first, "1"), (second, "2")):
        assert {dict(e.headers)["X-Hop"] for e in proxy.exchanges} == {number}


def test_reconnect_behind_a_proxy(script: Script, talk: Talk, scheme: str) -> None:
    """When the second proxy closes after its 407, both are connected to again."""
    first, second = script(), script(auth=["digest-md5"], close="first")
    talk(scheme, proxy=[first.url(), second.url()], proxy_auth=(USER, PASSWORD))
    assert [e.connection for e in first.exchanges] == [1, 2]
    assert [e.connection for e in second.exchanges] == [1, 2]


def test_all_kinds(lab: Lab, script: Script, talk: Talk, scheme: str) -> None:
    """SOCKS, TLS, and CONNECT in one chain."""
    context = lab.certificates.client_context()
    https = script(tls=True)
    hops = [
        f"socks5h://127.0.0.1:{lab.dante().port}",
        Proxy(https.url(), ssl=context),
        script().url(),
    ]
    assert len(talk(scheme, proxy=hops).proxies) == 3


def test_tls_in_tls(lab: Lab, script: Script, talk: Talk, scheme: str) -> None:
    """TLS to a proxy inside TLS to another one, with TLS to the server inside both."""
    context = lab.certificates.client_context()
    hops = [Proxy(script(tls=True).url(), ssl=context) for _ in range(2)]
    talk(scheme, proxy=hops, proxy_ssl=context)


@pytest.mark.parametrize("place", [0, 1])
def test_whose_fault(script: Script, talk: Talk, scheme: str, place: int) -> None:
    """The exception says which proxy refused."""
    proxies = [script(), script()]
    proxies[place] = script(status=403)
    with pytest.raises(InvalidProxyStatus) as caught:
        talk(scheme, proxy=[proxy.url() for proxy in proxies])
    assert caught.value.hop == place + 1
    assert caught.value.proxy == proxies[place].url()
    assert f"(proxy {place + 1} of 2)" in "\n".join(caught.value.__notes__)


def test_second_is_down(script: Script, talk: Talk, scheme: str) -> None:
    """A proxy that the one before can't reach is that one's status."""
    first = script()
    with pytest.raises(InvalidProxyStatus, match="502"):
        talk(scheme, proxy=[first.url(), f"http://localhost:{free_port()}"])
    assert len(first.exchanges) == 1


def test_callable(script: Script, talk: Talk, scheme: str) -> None:
    """A callable gets the URI and answers with any of these."""
    first, second = script(), script()
    asked = []

    def choose(uri: str) -> list[str]:
        asked.append(uri)
        return [first.url(), second.url()]

    talk(scheme, proxy=choose)
    assert asked == [talk.uri(scheme)]
    assert len(second.exchanges) == 1
    assert talk(scheme, uri=talk.uri(scheme, "localhost"), proxy=lambda uri: None)


def test_sock(script: Script, talk: Talk, scheme: str) -> None:
    """A socket of the user is connected already: no proxy is asked."""
    proxy = script()
    address = ("127.0.0.1", talk.lab.echo[scheme])
    with contextlib.closing(socket.create_connection(address)) as sock:
        visit = talk(
            scheme, uri=talk.uri(scheme, "localhost"), sock=sock, proxy=proxy.url()
        )
    assert visit.proxies == ()
    assert proxy.exchanges == []


def test_timeout_names_the_proxy(script: Script, talk: Talk, scheme: str) -> None:
    """When time runs out, a note says who was waited for."""
    proxies = [script(), script(hang="headers")]
    with pytest.raises(TimeoutError) as caught:
        talk(scheme, proxy=[proxy.url() for proxy in proxies], open_timeout=0.3)
    assert isinstance(caught.value, ProxyError)
    assert str(caught.value) == "timed out during opening handshake"
    assert caught.value.proxy == proxies[1].url()
