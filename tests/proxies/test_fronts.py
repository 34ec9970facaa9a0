"""Our client goes through proxies that are behind TLS of different makes."""

from __future__ import annotations

import ssl

import pytest

from tests.proxies.conftest import Talk
from tests.proxies.fronts import FRONTS, client_certificate
from tests.proxies.lab import PASSWORD, USER, Lab
from websockets.exceptions import InvalidHandshake


pytestmark = pytest.mark.parametrize("scheme", ["ws", "wss"])


@pytest.mark.parametrize("name", FRONTS)
def test_tls_to_the_proxy(lab: Lab, talk: Talk, scheme: str, name: str) -> None:
    """TLS to the proxy is the outer one, TLS to the server runs inside it."""
    proxy = lab.front(name, lab.squid("basic")).url(USER, PASSWORD)
    talk(scheme, proxy=proxy, proxy_ssl=lab.certificates.client_context())


@pytest.mark.parametrize("name", FRONTS)
def test_client_certificate(lab: Lab, talk: Talk, scheme: str, name: str) -> None:
    """A client certificate in proxy_ssl is shown to the proxy."""
    proxy = lab.front(name, lab.squid(), ask_client=True).url()
    context = lab.certificates.client_context()
    context.load_cert_chain(client_certificate(lab.certificates))
    talk(scheme, proxy=proxy, proxy_ssl=context)


def test_no_client_certificate(lab: Lab, talk: Talk, scheme: str) -> None:
    """A proxy that demands a certificate, and gets none, fails with an OSError or ours."""
    proxy = lab.front("haproxy", lab.squid(), ask_client=True).url()
    with pytest.raises((OSError, InvalidHandshake)) as caught:
        talk(scheme, proxy=proxy, proxy_ssl=lab.certificates.client_context())
    assert any("proxy https://localhost" in note for note in caught.value.__notes__)


def test_certificate_of_another(lab: Lab, talk: Talk, scheme: str) -> None:
    """The proxy's own name is verified, or proxy_server_hostname."""
    proxy = lab.front("haproxy", lab.squid()).url()
    context = lab.certificates.client_context()
    talk(scheme, proxy=proxy, proxy_ssl=context, proxy_server_hostname="proxy.test")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"other\.test"):
        talk(scheme, proxy=proxy, proxy_ssl=context, proxy_server_hostname="other.test")
