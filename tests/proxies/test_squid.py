"""Our client goes through squid."""

from __future__ import annotations

from typing import Any

import pytest

from tests.daemons import free_port
from tests.proxies.conftest import Talk
from tests.proxies.lab import ECHO_HOST, PASSWORD, USER, Lab, basic
from websockets.datastructures import Headers
from websockets.exceptions import InvalidProxyStatus


REFUSED = "proxy rejected connection: HTTP 407"
CREDENTIALS = ("Proxy-Authorization", basic(USER, PASSWORD))

pytestmark = pytest.mark.parametrize("scheme", ["ws", "wss"])


def test_open_proxy(lab: Lab, talk: Talk, scheme: str) -> None:
    """A proxy given by proxy= is used, and resolves the server's name."""
    talk(scheme, proxy=lab.squid().url())


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_environment(
    lab: Lab,
    talk: Talk,
    scheme: str,
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy named by the environment when connect() runs is used."""
    monkeypatch.setenv(variable, lab.squid().url())
    talk(scheme)


def test_environment_with_credentials(
    lab: Lab, talk: Talk, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials in the URL of the environment are sent."""
    monkeypatch.setenv("HTTPS_PROXY", lab.squid("basic").url(USER, PASSWORD))
    talk(scheme)


def test_credentials_in_url(lab: Lab, talk: Talk, scheme: str) -> None:
    """Credentials in the proxy's URL are sent, percent-decoded."""
    talk(scheme, proxy=lab.squid("basic").url(USER, "s%33cret"))


@pytest.mark.parametrize("kind", [list, dict, Headers])
def test_credentials_in_proxy_headers(
    lab: Lab, talk: Talk, scheme: str, kind: Any
) -> None:
    """Credentials in proxy_headers reach the proxy, and not the server."""
    headers = kind([CREDENTIALS, ("X-Tenant", "blue")])
    visit = talk(scheme, proxy=lab.squid("basic").url(), proxy_headers=headers)
    assert "Proxy-Authorization" not in visit.headers
    assert "X-Tenant" not in visit.headers


def test_proxy_headers_with_environment(
    lab: Lab, talk: Talk, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy named by the environment gets proxy_headers too."""
    monkeypatch.setenv("https_proxy", lab.squid("basic").url())
    talk(scheme, proxy_headers=[CREDENTIALS])


def test_proxy_headers_win(lab: Lab, talk: Talk, scheme: str) -> None:
    """Credentials in proxy_headers are sent instead of those in the URL."""
    proxy = lab.squid("basic").url(USER, "outdated")
    talk(scheme, proxy=proxy, proxy_headers=[CREDENTIALS])


@pytest.mark.parametrize("password", [None, "wrong"])
def test_refused(lab: Lab, talk: Talk, scheme: str, password: str | None) -> None:
    """Absent or wrong credentials raise a ValueError with the proxy's status."""
    user = None if password is None else USER
    with pytest.raises(ValueError, match="407") as caught:
        talk(scheme, proxy=lab.squid("basic").url(user, password))
    assert str(caught.value) == REFUSED
    assert isinstance(caught.value, InvalidProxyStatus)
    response = caught.value.response
    assert response.status_code == 407
    assert response.headers["Proxy-Authenticate"] == 'Basic realm="lab"'


def test_refused_again(lab: Lab, talk: Talk, scheme: str) -> None:
    """A refusal shows no credentials that were sent."""
    # This user has the right password, but another name. The fixture looks at it.
    proxy = lab.squid("basic").url("bob", PASSWORD)
    with pytest.raises(InvalidProxyStatus):
        talk(scheme, proxy=proxy)


def test_program_that_tries_again(lab: Lab, talk: Talk, scheme: str) -> None:
    """A program that finds 407 in a ValueError gets through with other headers."""
    proxy = lab.squid("basic").url()
    with pytest.raises(ValueError, match="407"):
        talk(scheme, proxy=proxy, proxy_headers=[])
    talk(scheme, proxy=proxy, proxy_headers=[("X-Tenant", "blue"), CREDENTIALS])


def test_server_is_down(lab: Lab, talk: Talk, scheme: str) -> None:
    """When squid can't reach the server, its status is raised."""
    uri = f"{scheme}://{ECHO_HOST}:{free_port()}/"
    with pytest.raises(InvalidProxyStatus) as caught:
        talk(scheme, uri=uri, proxy=lab.squid().url())
    assert str(caught.value) == "proxy rejected connection: HTTP 503"


def test_tls_to_the_proxy(lab: Lab, talk: Talk, scheme: str) -> None:
    """An https:// proxy is talked to in TLS, with TLS to the server inside it."""
    proxy = lab.squid("basic", tls=True).url(USER, PASSWORD)
    talk(scheme, proxy=proxy, proxy_ssl=lab.certificates.client_context())
