"""PAC files: what they're given as, what they're asked, what they answer."""

from __future__ import annotations

import json
import sys

import pytest

from tests.opening.fakes import Cancelled, FakeNetwork, run
from websockets._opening.proxies import pac as pac_module
from websockets._opening.proxies import pac_child
from websockets._opening.proxies.pac import PAC, Inquiry, consult, parse_answer
from websockets.exceptions import ProxyError


SCRIPT = "function FindProxyForURL(url, host) { return 'DIRECT' }"

# It stands for pypac, in this process and in the child: what a script "answers" is in a
# comment of it.
PYPAC = """
class PACFile:
    def __init__(self, text):
        self.text = text.partition("//")[2]
    def find_proxy_for_url(self, uri, host):
        return eval(self.text)
"""


@pytest.fixture
def pypac(tmp_path, monkeypatch):
    """Have a pypac."""
    package = tmp_path / "pypac"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "parser.py").write_text(PYPAC)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("pypac", "pypac.parser"):
        # Set first, so that what is imported meanwhile is forgotten afterwards.
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def no_pypac(monkeypatch):
    """Have none, here and in children."""
    monkeypatch.setitem(sys.modules, "pypac.parser", None)


def script(expression):
    return f"function FindProxyForURL(url, host) {{}} //{expression}"


def ask(pac, secure=True, host="h.test", port=443):
    return [str(proxy) for proxy in Inquiry(pac, secure, host, port).run()]


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://p.test/a.pac", "https://p.test/a.pac"),
        (" HTTP://p.test/a.pac\n", "HTTP://p.test/a.pac"),
        ("pac+https://p.test/a.pac", "https://p.test/a.pac"),
        ("pac+file:///etc/a.pac", "file:///etc/a.pac"),
        (SCRIPT, None),
        (f"// see http://p.test/\n{SCRIPT}", None),
    ],
)
def test_url_or_text(given, url):
    """A URL is told from a text."""
    pac = PAC(given)
    assert pac.url == url
    assert pac.text == (given if url is None else None)


@pytest.mark.parametrize(
    "given", ["", "p.test", "ftp://p.test/a.pac", "http://u:secret@p.test/a.pac"]
)
def test_neither(given):
    """Anything else is a mistake, and credentials don't show."""
    with pytest.raises(ValueError, match="PAC file") as caught:
        PAC(given)
    assert "secret" not in str(caught.value)


def test_shown():
    """A PAC file shows where it's from."""
    assert repr(PAC(SCRIPT)) == "PAC(a text, as_http=False, timeout=5)"
    assert repr(PAC("http://p/", as_http=True, timeout=1)) == (
        "PAC('http://p/', as_http=True, timeout=1)"
    )
    assert str(PAC(SCRIPT)) == "PAC file"
    assert str(PAC("http://p/")) == "PAC file http://p/"


def test_token_in_the_url():
    """A query isn't shown: it may hold a token."""
    pac = PAC("http://p/f.pac?token=s3cret")
    assert repr(pac) == "PAC('http://p/f.pac?***', as_http=False, timeout=5)"
    assert str(pac) == "PAC file http://p/f.pac?***"
    assert pac.url == "http://p/f.pac?token=s3cret"


@pytest.mark.parametrize(
    ("secure", "host", "port", "as_http", "uri"),
    [
        (True, "h.test", 444, False, "wss://h.test:444/"),
        (False, "h.test", 81, False, "ws://h.test:81/"),
        (True, "h.test", 444, True, "https://h.test:444/"),
        (False, "h.test", 81, True, "http://h.test:81/"),
        (True, "h.test", 443, False, "wss://h.test/"),
        (False, "::1", 81, False, "ws://[::1]:81/"),
    ],
)
def test_question(secure, host, port, as_http, uri):
    """A script is asked like a browser's: by scheme, host, and port if it's special."""
    question = Inquiry(PAC(SCRIPT, as_http=as_http), secure, host, port).question
    assert question["uri"] == uri
    assert question["host"] == host


@pytest.mark.parametrize(
    ("answer", "proxies"),
    [
        ("", ["None"]),
        (" ; ", ["None"]),
        ("DIRECT", ["None"]),
        ("PROXY a:3128", ["http://a:3128"]),
        ("proxy a", ["http://a:80"]),
        ("HTTP a:1", ["http://a:1"]),
        ("HTTPS a", ["https://a:443"]),
        ("SOCKS a", ["socks5h://a:1080"]),
        ("SOCKS5 a:1", ["socks5h://a:1"]),
        ("SOCKS4 a:1", ["socks4a://a:1"]),
        ("PROXY [::1]:1", ["http://[::1]:1"]),
        ("PROXY a:1;SOCKS b:2 ; DIRECT;", ["http://a:1", "socks5h://b:2", "None"]),
        ("QUIC a:1; PROXY a:port; PROXY b:2", ["http://b:2"]),
    ],
)
def test_answer(answer, proxies):
    """An answer is a list; what isn't understood is skipped."""
    assert [str(proxy) for proxy in parse_answer(answer, "PAC file")] == proxies


@pytest.mark.parametrize("answer", ["QUIC a:1", "PROXY", "5"])
def test_answer_that_is_not_understood(answer):
    """If nothing is understood, going directly would be wrong."""
    with pytest.raises(ProxyError, match="PAC file: no proxy is understood"):
        parse_answer(answer, "PAC file")


@pytest.mark.usefixtures("pypac")
def test_child():
    """The process runs the script, and has our path to find it all."""
    pac = PAC(script("'PROXY ' + host + ':1; HTTPS ' + uri[6:-1]"))
    assert ask(pac, port=2) == ["http://h.test:1", "https://h.test:2"]


@pytest.mark.usefixtures("pypac")
@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("1 / 0", "PAC file: division by zero"),
        ("[][1:][0]", "PAC file: list index out of range"),
        ("(_ for _ in ()).throw(KeyError())", "PAC file: KeyError"),
        ("__import__('os')._exit(3)", "PAC file: its process ended with status 3"),
    ],
)
def test_child_that_fails(expression, error):
    """What goes wrong in the process is a ProxyError."""
    with pytest.raises(ProxyError) as caught:
        ask(PAC(script(expression)))
    assert str(caught.value) == error


@pytest.mark.usefixtures("pypac")
def test_endless_child():
    """A process that goes on for ever is killed."""
    inquiry = Inquiry(
        PAC(script("[0 for _ in iter(int, 1)]"), timeout=0.2), True, "h", 1
    )
    with pytest.raises(ProxyError, match=r"PAC file: no answer within 0\.2 seconds"):
        inquiry.run()
    assert inquiry.process.returncode != 0


def test_abandoned():
    """An inquiry that was abandoned before it started ends at once."""
    inquiry = Inquiry(PAC(SCRIPT, timeout=30), True, "h", 1)
    inquiry.abandon()
    with pytest.raises(ProxyError, match="its process ended"):
        inquiry.run()
    inquiry.abandon()


@pytest.mark.parametrize("way", ["no executable", "frozen"])
def test_no_interpreter(monkeypatch, way):
    """A program that isn't run by an interpreter doesn't start itself again."""
    if way == "frozen":
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    else:
        monkeypatch.setattr(sys, "executable", None)
    with pytest.raises(ProxyError, match="no Python interpreter"):
        ask(PAC(SCRIPT))


@pytest.mark.usefixtures("pypac")
def test_consult():
    """A face's network runs it."""
    network = FakeNetwork()
    pac = PAC(script("'PROXY a:1'"))
    [proxy] = run(consult(network, pac, True, "h.test", 443))
    assert str(proxy) == "http://a:1"


def test_consult_cancelled(monkeypatch):
    """Cancelling kills the process."""
    abandoned = []

    class Inquiry(pac_module.Inquiry):
        def abandon(self):
            abandoned.append(self)

    monkeypatch.setattr(pac_module, "Inquiry", Inquiry)
    coro = consult(FakeNetwork(), PAC(SCRIPT), True, "h.test", 443)
    coro.send(None)
    with pytest.raises(Cancelled):
        coro.throw(Cancelled())
    assert len(abandoned) == 1


# What runs in the child


@pytest.mark.usefixtures("pypac")
def test_main(capsys):
    """The answer is a line of JSON."""
    question = {"url": None, "text": "//host", "uri": "wss://h/", "host": "h"}
    pac_child.main(question)
    assert json.loads(capsys.readouterr().out) == {"result": "h"}
    pac_child.main({**question, "text": "//None"})
    assert json.loads(capsys.readouterr().out) == {"result": ""}
    pac_child.main({**question, "text": "//open('\\n\\n')"})
    error = json.loads(capsys.readouterr().out)["error"]
    assert "No such file" in error
    assert "\n" not in error


@pytest.mark.usefixtures("no_pypac")
def test_extra(capsys):
    """Where pypac is missing, the extra is named."""
    pac_child.main({"url": None, "text": SCRIPT, "uri": "wss://h/", "host": "h"})
    error = json.loads(capsys.readouterr().out)["error"]
    assert "pip install websockets[pac]" in error


@pytest.mark.usefixtures("pypac")
@pytest.mark.parametrize(
    ("data", "result"),
    [
        ("//'ü'".encode(), "ü"),
        ("\ufeff//'ü'".encode(), "ü"),
        ("//'ü'".encode("latin-1"), "ü"),
    ],
)
def test_fetch(tmp_path, data, result):
    """A file is UTF-8, with or without a mark, or Latin-1."""
    path = tmp_path / "a.pac"
    path.write_bytes(data)
    assert pac_child.evaluate(path.as_uri(), None, "wss://h/", "h") == result


@pytest.mark.usefixtures("pypac")
def test_fetch_fails(tmp_path, monkeypatch):
    """A file that isn't there, or is too large, isn't run."""
    path = tmp_path / "a.pac"
    with pytest.raises(RuntimeError, match="it can't be fetched"):
        pac_child.fetch(path.as_uri())
    path.write_bytes(b"1234")
    monkeypatch.setattr(pac_child, "MAX_SIZE", 3)
    with pytest.raises(RuntimeError, match="it's larger than 3 bytes"):
        pac_child.fetch(path.as_uri())
