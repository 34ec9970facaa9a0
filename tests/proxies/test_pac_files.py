"""Our client asks PAC files, run by pypac, which proxies to use."""

from __future__ import annotations

import http.server
import importlib.util
import pathlib
import threading
from collections.abc import Iterator

import pytest

from tests.daemons import free_port, missing
from tests.proxies.conftest import Script, Talk
from tests.proxies.lab import PASSWORD, USER, Lab
from websockets.exceptions import InvalidProxyStatus, ProxyError
from websockets.proxy import PAC


pytestmark = [pytest.mark.parametrize("scheme", ["ws", "wss"])]


@pytest.fixture(autouse=True)
def pypac() -> None:
    """pypac is there."""
    if importlib.util.find_spec("pypac") is None:
        missing("pypac")


def returning(expression: str) -> str:
    """Return a PAC file."""
    return f"function FindProxyForURL(url, host) {{ return {expression}; }}"


def test_text(script: Script, talk: Talk, scheme: str) -> None:
    """A PAC file given as text is asked; its proxy is used."""
    proxy = script()
    talk(scheme, proxy=PAC(returning(f"'PROXY localhost:{proxy.port}; DIRECT'")))
    assert proxy.story == ["1 - 200"]


def test_credentials(script: Script, talk: Talk, scheme: str) -> None:
    """proxy_auth is for the proxy that the file chooses."""
    proxy = script(auth=["digest-sha256"])
    pac = PAC(returning(f"'PROXY localhost:{proxy.port}'"))
    talk(scheme, proxy=pac, proxy_auth=(USER, PASSWORD))


def test_what_it_is_asked(script: Script, talk: Talk, scheme: str) -> None:
    """The file sees neither path, query, nor user name."""
    proxy = script()
    bare = talk.uri(scheme)
    secret = bare.replace("://", "://u:p@") + "path?token=1"
    pac = PAC(returning(f"url == '{bare}' ? 'PROXY localhost:{proxy.port}' : 'X'"))
    talk(scheme, uri=secret, proxy=pac)


def test_as_http(script: Script, talk: Talk, scheme: str) -> None:
    """A file that knows http and https only can be asked about these."""
    proxy = script()
    test = "url.substring(0, 4) == 'http'"
    text = returning(f"{test} ? 'PROXY localhost:{proxy.port}' : 'PROXY 127.0.0.1:1'")
    with pytest.raises(OSError, match="127"):
        talk(scheme, proxy=PAC(text))
    talk(scheme, proxy=PAC(text, as_http=True))


def test_kinds(lab: Lab, script: Script, talk: Talk, scheme: str) -> None:
    """A file knows SOCKS and https proxies too."""
    socks = f"'SOCKS 127.0.0.1:{lab.dante().port}'"
    talk(
        scheme,
        uri=talk.uri(scheme, "localhost"),
        proxy=PAC(returning(socks)),
        no_proxy="<-loopback>",
    )
    tls = script(tls=True)
    talk(
        scheme,
        proxy=PAC(returning(f"'PROXY localhost:1; HTTPS localhost:{tls.port}'")),
        proxy_ssl=lab.certificates.client_context(),
    )


def test_failover(script: Script, talk: Talk, scheme: str) -> None:
    """The next proxy is used when one is down, or no name, or isn't who it says."""
    proxy, impostor = script(), script(tls=True)
    answer = (
        f"PROXY localhost:{free_port()}; PROXY p.invalid:1; "
        f"HTTPS localhost:{impostor.port}; PROXY localhost:{proxy.port}; DIRECT"
    )
    visit = talk(scheme, proxy=PAC(returning(f"'{answer}'")))
    assert [hop.url for hop in visit.proxies] == [f"http://localhost:{proxy.port}"]
    assert impostor.exchanges == []


def test_no_failover(script: Script, talk: Talk, scheme: str) -> None:
    """A proxy that refuses has the last word; credentials go to no other one."""
    first, second = script(auth=["basic"]), script()
    answer = f"'PROXY localhost:{first.port}; PROXY localhost:{second.port}'"
    with pytest.raises(InvalidProxyStatus, match="407"):
        talk(scheme, proxy=PAC(returning(answer)), proxy_auth=(USER, "wr0ng"))
    assert second.exchanges == []


def test_this_machine(script: Script, talk: Talk, scheme: str) -> None:
    """This machine, and what no_proxy names, is reached without asking."""
    pac = PAC(returning("'PROXY 127.0.0.1:1'"))
    assert talk(scheme, uri=talk.uri(scheme, "localhost"), proxy=pac).proxies == ()


BROKEN = [
    ("function FindProxyForURL(url, host) { for (;;) {} }", "no answer within"),
    ("function FindProxyForURL(url, host) { return", "SyntaxError"),
    ("var FindProxyForURL = 1;", "not a function"),
    (returning("unknown(host)"), "unknown"),
    (returning("'NOTHING known'"), "no proxy is understood"),
]


@pytest.mark.parametrize(("text", "error"), BROKEN)
def test_broken(talk: Talk, scheme: str, text: str, error: str) -> None:
    """A file that doesn't work, or doesn't end, fails with a text about it, in time."""
    # One of them is waited for; a busy machine takes its time to start the others.
    limit = 1 if "for (;;)" in text else 30
    with pytest.raises(ProxyError, match=error):
        talk(scheme, proxy=PAC(text, timeout=limit), open_timeout=40)


def test_blocked_by_dns(
    talk: Talk, scheme: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that waits in dnsResolve is given up at its limit."""
    # The resolver of the child asks a server that never answers.
    text = "function FindProxyForURL(url, host) { return dnsResolve('a.test'); }"
    silent = (
        "import socket, time\nsocket.gethostbyname = lambda host: time.sleep(3600)\n"
    )
    (tmp_path / "pypac").mkdir()
    real = importlib.util.find_spec("pypac")
    assert real is not None
    (tmp_path / "pypac" / "__init__.py").write_text(
        f"{silent}__path__ = {list(real.submodule_search_locations or [])!r}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ProxyError, match="no answer within 1 seconds"):
        talk(scheme, proxy=PAC(text, timeout=1))


def test_open_timeout(talk: Talk, scheme: str) -> None:
    """open_timeout covers the file too."""
    pac = PAC("function FindProxyForURL(url, host) { for (;;) {} }", timeout=60)
    with pytest.raises(TimeoutError, match="timed out during opening handshake"):
        talk(scheme, proxy=pac, open_timeout=0.5)


class Server(http.server.BaseHTTPRequestHandler):
    """Serves ``text`` of its server."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/proxy.pac" else 404)
        self.end_headers()
        self.wfile.write(getattr(self.server, "text", "").encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Be silent."""


@pytest.fixture
def site(lab: Lab) -> Iterator[http.server.HTTPServer]:
    """A web server with TLS."""
    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        context = lab.certificates.server_context()
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_url(
    lab: Lab,
    script: Script,
    talk: Talk,
    scheme: str,
    site: http.server.HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file is fetched from where pac+https:// says, directly."""
    monkeypatch.setenv("SSL_CERT_FILE", str(lab.certificates.ca))
    proxy = script()
    site.text = returning(f"'PROXY localhost:{proxy.port}'")  # type: ignore[attr-defined]
    url = f"pac+https://localhost:{site.server_port}/proxy.pac"
    talk(scheme, proxy=url)
    monkeypatch.setenv("all_proxy", url)
    talk(scheme)
    assert proxy.story == ["1 - 200", "2 - 200"]
    with pytest.raises(ProxyError, match="404"):
        talk(scheme, proxy=url.replace("proxy.pac", "gone.pac"))


def test_url_of_an_impostor(
    talk: Talk, scheme: str, site: http.server.HTTPServer
) -> None:
    """The certificate of the file's server is verified."""
    with pytest.raises(ProxyError, match="CERTIFICATE_VERIFY_FAILED"):
        talk(scheme, proxy=f"pac+https://localhost:{site.server_port}/proxy.pac")
