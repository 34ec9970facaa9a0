"""Our client goes through dante."""

from __future__ import annotations

import socket

import pytest

from tests.daemons import free_port, missing
from tests.proxies.conftest import Talk
from tests.proxies.lab import PASSWORD, UNIX_USER, Lab
from websockets.exceptions import ProxyError


pytestmark = pytest.mark.parametrize("scheme", ["ws", "wss"])

VERSIONS = ["socks4", "socks5", "socks5h"]


def url(
    lab: Lab, version: str, credentials: str = "", *, passwords: bool = False
) -> str:
    """Return the URL of dante, for one of the SOCKS schemes."""
    port = lab.dante(passwords=passwords).port
    return f"{version}://{credentials}127.0.0.1:{port}"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_open_proxy(lab: Lab, talk: Talk, scheme: str, version: str, host: str) -> None:
    """Names are resolved by us or by the proxy, as the scheme says."""
    uri = talk.uri(scheme, host)
    talk(scheme, uri=uri, proxy=url(lab, version))


@pytest.mark.parametrize("version", ["socks5", "socks5h"])
def test_ipv6_target(lab: Lab, talk: Talk, scheme: str, version: str) -> None:
    """SOCKS5 carries IPv6 addresses."""
    talk(scheme, uri=talk.uri(scheme, "[::1]"), proxy=url(lab, version))


def test_ipv6_target_with_socks4(lab: Lab, talk: Talk, scheme: str) -> None:
    """SOCKS4 has no IPv6 addresses: there's none to give to the proxy."""
    with pytest.raises((ProxyError, OSError)):
        talk(scheme, uri=talk.uri(scheme, "[::1]"), proxy=url(lab, "socks4"))


def test_password(lab: Lab, talk: Talk, scheme: str) -> None:
    """User name and password of the URL are sent (RFC 1929)."""
    proxy = url(lab, "socks5h", f"{UNIX_USER}:{PASSWORD}@", passwords=True)
    talk(scheme, uri=talk.uri(scheme, "localhost"), proxy=proxy)


@pytest.mark.parametrize("credentials", ["", f"{UNIX_USER}:wr0ng@"])
def test_refused(lab: Lab, talk: Talk, scheme: str, credentials: str) -> None:
    """Absent and wrong credentials raise ProxyError."""
    proxy = url(lab, "socks5h", credentials, passwords=True)
    with pytest.raises(ProxyError):
        talk(scheme, uri=talk.uri(scheme, "localhost"), proxy=proxy)


@pytest.mark.parametrize("version", VERSIONS)
def test_server_is_down(lab: Lab, talk: Talk, scheme: str, version: str) -> None:
    """A reply that isn't success raises ProxyError."""
    uri = f"{scheme}://127.0.0.1:{free_port()}/"
    with pytest.raises(ProxyError):
        talk(scheme, uri=uri, proxy=url(lab, version))


def test_default_port(talk: Talk, scheme: str) -> None:
    """The port of a SOCKS proxy is 1080 unless it's given."""
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.9", 1080))
        except OSError:
            missing("port 1080 of 127.0.0.9")
        sock.listen()
        with pytest.raises(TimeoutError):
            talk(scheme, proxy="socks5h://127.0.0.9", open_timeout=0.2)
        sock.accept()[0].close()
