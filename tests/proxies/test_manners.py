"""Our client puts up with the manners of proxies, or says what is wrong."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.daemons import free_port
from tests.proxies.conftest import Script, Talk
from tests.proxies.lab import ECHO_HOST, PASSWORD, USER, Lab
from websockets.exceptions import InvalidProxyMessage, InvalidProxyStatus


pytestmark = pytest.mark.parametrize("scheme", ["ws", "wss"])


@pytest.mark.parametrize(
    "manners",
    [
        {},
        {"interim": True},
        {"fragment": True},
        {"fragment": True, "interim": True},
        {"http10": True},
        {"ok_status": 201},
        {"ok_status": 299},
        {"ok_headers": ["Content-Length: 5"]},
        {"ok_headers": ["Transfer-Encoding: chunked"]},
        {"ok_headers": ["Proxy-Authenticate: Basic realm=late", "Connection: close"]},
    ],
    ids=repr,
)
def test_manners(
    script: Script, talk: Talk, scheme: str, manners: dict[str, Any]
) -> None:
    """The tunnel opens, whatever the proxy adds, omits or cuts to pieces."""
    proxy = script(**manners)
    talk(scheme, proxy=proxy.url())
    assert proxy.story == [f"1 - {manners.get('ok_status', 200)}"]


def test_who_sees_what(script: Script, talk: Talk, scheme: str) -> None:
    """The proxy's headers don't reach the server, nor the server's the proxy."""
    proxy = script(auth=["basic"])
    visit = talk(
        scheme,
        proxy=proxy.url(USER, PASSWORD),
        proxy_headers={"X-Tenant": "blue"},
        additional_headers={
            "Authorization": "Bearer of-the-server",
            "Cookie": "a=b",
            "Origin": "https://o.test",
        },
    )
    assert visit.headers["Authorization"] == "Bearer of-the-server"
    assert not [name for name in visit.headers if name.lower().startswith("proxy-")]
    assert "X-Tenant" not in visit.headers
    [exchange] = proxy.exchanges
    assert exchange.method == "CONNECT"
    # RFC 9112 section 3.2: Host equals the target, with its port.
    assert ("Host", exchange.target) in exchange.headers
    assert exchange.target == f"{ECHO_HOST}:{talk.lab.echo[scheme]}"
    names = {name.lower() for name, _ in exchange.headers}
    assert names == {"host", "user-agent", "proxy-authorization", "x-tenant"}


def test_bytes_behind_the_response(script: Script, talk: Talk, scheme: str) -> None:
    """Bytes that follow the 2xx at once aren't the server's: we speak first."""
    with pytest.raises(InvalidProxyMessage):
        talk(scheme, proxy=script(surplus="HTTP/1.1 101 Not Yours\r\n\r\n").url())


@pytest.mark.parametrize(
    "manners", [{"huge_headers": True, "status": 403}, {"client_close": True}], ids=repr
)
def test_no_response(
    script: Script, talk: Talk, scheme: str, manners: dict[str, Any]
) -> None:
    """A response without end, and none, raise InvalidProxyMessage."""
    with pytest.raises(InvalidProxyMessage):
        talk(scheme, proxy=script(**manners).url())


@pytest.mark.parametrize("status", [302, 401, 403, 429, 500, 503])
@pytest.mark.parametrize("framing", ["length", "chunked", "eof"])
def test_status(
    script: Script, talk: Talk, scheme: str, status: int, framing: str
) -> None:
    """A status other than 2xx is raised with its body, and nothing more is written."""
    proxy = script(status=status, framing=framing)
    with pytest.raises(InvalidProxyStatus) as caught:
        talk(scheme, proxy=proxy.url())
    assert str(caught.value) == f"proxy rejected connection: HTTP {status}"
    assert caught.value.response.body == b"#" * 500
    assert proxy.story == [f"1 - {status}"]


@pytest.mark.parametrize("hang", ["accept", "headers"])
@pytest.mark.parametrize("tls", [False, True])
def test_silence(
    lab: Lab, script: Script, talk: Talk, scheme: str, hang: str, tls: bool
) -> None:
    """A proxy that falls silent is given up at open_timeout, at any point."""
    settings: dict[str, Any] = {"open_timeout": 0.3}
    if tls:
        settings["proxy_ssl"] = lab.certificates.client_context()
    with pytest.raises(TimeoutError, match="timed out during opening handshake"):
        talk(scheme, proxy=script(tls=tls, hang=hang).url(), **settings)


def test_body_that_never_comes(script: Script, talk: Talk, scheme: str) -> None:
    """The status of a refusal is raised though its body doesn't come."""
    with pytest.raises(InvalidProxyStatus, match="HTTP 403"):
        talk(scheme, proxy=script(status=403, hang="body").url())


def test_server_refused(script: Script, talk: Talk, scheme: str) -> None:
    """A proxy that can't reach the server isn't asked twice."""
    proxy = script()
    with pytest.raises(InvalidProxyStatus, match="HTTP 502"):
        talk(scheme, uri=f"{scheme}://{ECHO_HOST}:{free_port()}/", proxy=proxy.url())
    assert len(proxy.exchanges) == 1


def test_ipv6_target(script: Script, talk: Talk, scheme: str) -> None:
    """An IPv6 address is in brackets in the target."""
    proxy = script()
    port = talk.lab.echo[scheme]
    talk(scheme, uri=f"{scheme}://[::1]:{port}/", proxy=proxy.url())
    assert [e.target for e in proxy.exchanges] == [f"[::1]:{port}"]


def test_tls_proxy(lab: Lab, script: Script, talk: Talk, scheme: str) -> None:
    """An https:// proxy gets the same dialogue inside TLS."""
    proxy = script(tls=True, auth=["basic"], fragment=True)
    context = lab.certificates.client_context()
    talk(scheme, proxy=proxy.url(USER, PASSWORD), proxy_ssl=context)
    assert proxy.story == ["1 Basic 200"]


def test_header_of_the_user_is_sent_as_it_is(
    script: Script, talk: Talk, scheme: str
) -> None:
    """A Proxy-Authorization in proxy_headers is sent as it is, and not repeated."""
    token = base64.b64encode(b"mine").decode()
    proxy = script(auth=["basic", "digest-md5"])
    with pytest.raises(InvalidProxyStatus, match="407"):
        talk(
            scheme,
            proxy=proxy.url(USER, PASSWORD),
            proxy_headers={"Proxy-Authorization": f"Custom {token}"},
        )
    assert proxy.story == ["1 Custom 407"]
    assert proxy.exchanges[0].credentials == token
