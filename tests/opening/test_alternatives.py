"""PAC files choose proxies; the next one is used when one can't be reached."""

from __future__ import annotations

import ssl

import pytest

from tests.opening.fakes import TUNNEL, FakeNetwork, run
from websockets._opening import choice
from websockets._opening.progress import Progress
from websockets._opening.proxies.pac import PAC, Inquiry, parse_answer
from websockets._opening.route import Planner, open_route
from websockets._opening.settings import Settings
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidProxy, InvalidProxyStatus
from websockets.uri import parse_uri


SCRIPT = "function FindProxyForURL(url, host) {}"
WS = "ws://h.test/"
WSS = "wss://h.test/"
REFUSAL = b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def answers(monkeypatch):
    """What PAC files say; the questions are kept."""
    script = {"answer": "", "questions": []}

    def answer(inquiry):
        script["questions"].append(inquiry.question["uri"])
        return parse_answer(script["answer"], "PAC file")

    monkeypatch.setattr(Inquiry, "run", answer)
    return script


def planner(proxy, **kwargs):
    return Planner(Settings(create_protocol=ClientProtocol, proxy=proxy, **kwargs))


def plan(uri=WS, proxy=None, **kwargs):
    proxy = PAC(SCRIPT) if proxy is None else proxy
    return run(planner(proxy, **kwargs).plan(FakeNetwork(), uri, parse_uri(uri)))


def ways(route):
    return [
        [str(hop.proxy) for hop in candidate.hops]
        for candidate in (route, *route.alternatives)
    ]


def test_answer(answers):
    """Each proxy of the answer is a way to go."""
    answers["answer"] = "PROXY a:1; DIRECT; SOCKS b:2"
    assert ways(plan()) == [["http://a:1"], [], ["socks5h://b:2"]]
    assert answers["questions"] == ["ws://h.test/"]


@pytest.mark.parametrize(
    "proxy",
    ["pac+https://p.test/a.pac", " PAC+file:///a.pac", lambda uri: PAC(SCRIPT)],
)
def test_ways_to_say_it(answers, proxy):
    """A PAC file is also given as a URL, or by a callable."""
    answers["answer"] = "PROXY a:1"
    assert ways(plan(proxy=proxy)) == [["http://a:1"]]


def test_environment(answers, monkeypatch):
    """The environment may name a PAC file."""
    monkeypatch.setattr(choice, "discover_proxy", lambda *args: "pac+https://p.test/a")
    answers["answer"] = "PROXY a:1"
    assert ways(plan(proxy=True)) == [["http://a:1"]]


@pytest.mark.parametrize(
    "proxy", ["pac+ftp://p.test/a", "pac+https://u:secret@p.test/"]
)
def test_invalid_url(proxy):
    """A PAC URL that isn't valid is an InvalidProxy, which hides credentials."""
    with pytest.raises(InvalidProxy) as caught:
        plan(proxy=proxy)
    assert "secret" not in str(caught.value)


def test_no_proxy(answers, monkeypatch):
    """Hosts that no_proxy names, and this machine, aren't asked about."""
    answers["answer"] = "PROXY a:1"
    assert ways(plan(no_proxy="h.test")) == [[]]
    monkeypatch.setenv("no_proxy", "h.test")
    assert ways(plan()) == [[]]
    assert ways(plan(no_proxy="")) == [["http://a:1"]]
    assert ways(plan("ws://localhost/")) == [[]]
    assert ways(plan("ws://h.test/", host="127.0.0.1")) == [[]]
    assert answers["questions"] == ["ws://h.test/"]


def test_proxy_ssl(answers):
    """proxy_ssl is for those proxies that are reached by TLS."""
    answers["answer"] = "HTTPS a:1; PROXY b:2; DIRECT"
    route = plan(proxy_ssl="mine", proxy_server_hostname="g.test")
    [first, second] = [
        candidate.hops[0] for candidate in (route, route.alternatives[0])
    ]
    assert (first.context, first.server_hostname) == ("mine", "g.test")
    assert (second.context, second.server_hostname) == (None, None)


def go(answers, answer, *scripts, uri=WS, **kwargs):
    """Go a way; return the network and what was raised."""
    answers["answer"] = answer
    network = FakeNetwork(*scripts)

    async def ceremony():
        route = await planner(PAC(SCRIPT), **kwargs).plan(network, uri, parse_uri(uri))
        await open_route(network, route, Progress())

    try:
        run(ceremony())
    except Exception as exc:
        return network, exc
    return network, None


DOWN = ConnectionRefusedError("nobody there")


def test_failover(answers):
    """The next proxy is used when one can't be reached."""
    network, exc = go(answers, "PROXY a:1; PROXY b:2", DOWN, [TUNNEL])
    assert exc is None
    assert network.log == [("tcp", "a", 1), ("tcp", "b", 2), "write"]


def test_failover_tls(answers):
    """A proxy whose certificate isn't right can't be reached."""
    context = ssl.SSLCertVerificationError("wrong name")
    network, exc = go(answers, "HTTPS a:1; PROXY b:2", [], [TUNNEL], proxy_ssl=context)
    assert exc is None
    assert network.log == [("tcp", "a", 1), "abort", ("tcp", "b", 2), "write"]
    assert len(network.open) == 1


def test_failover_to_direct(answers):
    """DIRECT is one of the ways."""
    network, exc = go(answers, "PROXY a:1; DIRECT", DOWN, [])
    assert exc is None
    assert network.log == [("tcp", "a", 1), ("tcp", "h.test", 80)]


def test_all_fail(answers):
    """When none can be reached, the exception tells of all."""
    network, exc = go(answers, "PROXY a:1; PROXY b:2", DOWN, OSError("no route"))
    assert str(exc) == "no route"
    assert exc.__notes__ == [
        "while connecting to the proxy http://b:2",
        "before, http://a:1 failed: nobody there",
    ]
    assert not network.open


def test_no_failover_after_a_status(answers):
    """A proxy that refuses was reached; the next one isn't asked."""
    network, exc = go(answers, "PROXY a:1; PROXY b:2", [REFUSAL])
    assert isinstance(exc, InvalidProxyStatus)
    assert network.log == [("tcp", "a", 1), "write", "abort"]


def test_no_failover_for_the_server(answers):
    """A server that fails behind a proxy isn't the proxy's fault."""
    network, exc = go(
        answers,
        "PROXY a:1; PROXY b:2",
        [TUNNEL],
        uri=WSS,
        ssl=ssl.SSLCertVerificationError("not h.test"),
    )
    assert isinstance(exc, ssl.SSLCertVerificationError)
    assert not network.open


def test_no_failover_from_direct(answers):
    """A server that can't be reached directly isn't reached by a proxy after that."""
    network, exc = go(answers, "DIRECT; PROXY b:2", DOWN)
    assert exc is DOWN
    assert network.log == [("tcp", "h.test", 80)]


def test_redirect_to_another_proxy(answers):
    """What one answer's proxies were told isn't for those of another answer."""

    async def ceremony():
        planning = planner(PAC(SCRIPT), proxy_auth=("ann", "pw"))
        network = FakeNetwork()
        answers["answer"] = "PROXY a:1; PROXY b:2"
        yield await planning.plan(network, WS, parse_uri(WS))
        answers["answer"] = "PROXY b:2"
        yield await planning.plan(network, WS, parse_uri(WS))
        answers["answer"] = "DIRECT"
        yield await planning.plan(network, WS, parse_uri(WS))
        answers["answer"] = "PROXY b:2; PROXY c:3"
        yield await planning.plan(network, WS, parse_uri(WS))

    async def collect():
        return [route async for route in ceremony()]

    first, second, third, fourth = run(collect())
    assert first.hops[0].auth is not None
    assert second.hops[0].auth is not None
    assert third.hops == ()
    assert fourth.hops[0].auth is None
