"""Digest: the examples of the RFCs, and what proxies make of it."""

from __future__ import annotations

import hashlib
import re

import pytest

from websockets._opening.proxies import digest as digest_module
from websockets._opening.proxies.auth import AuthContext
from websockets._opening.proxies.challenges import parse_challenges
from websockets._opening.proxies.digest import (
    MAX_NONCES,
    DigestAuth,
    respond,
    understand,
)
from websockets.proxy import parse_proxy


HOP = AuthContext(parse_proxy("http://p.test:3128"), "h.test:443")


def challenge(text, **more):
    """Return a challenge, with parameters added."""
    text += "".join(f", {name}={value}" for name, value in more.items())
    [one] = parse_challenges([f"Digest {text}"])
    return one


def fields(value):
    """Return the parameters of an answer."""
    [one] = parse_challenges([value])
    assert one.scheme == "digest"
    return one.parameters


def expected(text, user, password, method, uri, count, cnonce):
    """Return the response that the proxy would compute."""
    return fields(
        respond(understand(challenge(text)), user, password, method, uri, count, cnonce)
    )


RFC_7616 = (
    'realm="http-auth@example.org", qop="auth, auth-int", '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_section_3_9_1(algorithm, response):
    """The answers are those of the RFC, field by field."""
    value = respond(
        understand(challenge(RFC_7616, algorithm=algorithm)),
        "Mufasa",
        "Circle of Life",
        "GET",
        "/dir/index.html",
        "00000001",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert value == (
        'Digest username="Mufasa", realm="http-auth@example.org", '
        'uri="/dir/index.html", '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'nc=00000001, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, '
        f'response="{response}", algorithm={algorithm}, '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )


def test_rfc_7616_section_3_9_2():
    """User names are hashed, texts are UTF-8, when the proxy wants that."""
    text = (
        'realm="api@example.org", qop="auth", algorithm=SHA-512-256, '
        'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", '
        'opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", '
        "charset=UTF-8, userhash=true"
    )
    answer = expected(
        text,
        "J\xe4s\xf8n Doe",
        "Secret, or not?",
        "GET",
        "/doe.json",
        "00000001",
        "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    # The erratum 4897 of the RFC corrects its numbers.
    assert answer["username"] == (
        "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
    )
    assert answer["response"] == (
        "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
    )
    assert answer["userhash"] == "true"


def test_rfc_2617_section_3_5():
    """The example of the RFC before, without an algorithm."""
    answer = expected(
        'realm="testrealm@host.com", qop="auth,auth-int", '
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'opaque="5ccc069c403ebaf9f0171e9517f40e41"',
        "Mufasa",
        "Circle Of Life",
        "GET",
        "/dir/index.html",
        "00000001",
        "0a4f113b",
    )
    assert answer["response"] == "6629fae49393a05397450978507c4ef1"
    assert "algorithm" not in answer


def test_rfc_2069():
    """Without qop there are no count and no nonce of ours."""
    text = 'realm="r", nonce="n", algorithm=md5'
    answer = expected(text, "u", "p", "CONNECT", "h:1", "00000001", "c")
    a1, a2 = (hashlib.md5(x).hexdigest() for x in (b"u:r:p", b"CONNECT:h:1"))
    assert answer == {
        "username": "u",
        "realm": "r",
        "uri": "h:1",
        "nonce": "n",
        "response": hashlib.md5(f"{a1}:n:{a2}".encode()).hexdigest(),
        "algorithm": "md5",
    }


@pytest.mark.parametrize("qop", ["", ', qop="auth"'])
@pytest.mark.parametrize("algorithm", ["MD5-sess", "SHA-256-sess", "SHA-512-256-SESS"])
def test_sess(algorithm, qop):
    """With -sess, both nonces go into the key, so ours is told."""
    text = f'realm="r", nonce="n", algorithm={algorithm}{qop}'
    answer = expected(text, "u", "p", "CONNECT", "h:1", "0000000a", "c")
    name = {"M": "md5", "-": "sha256", "2": "sha512_256"}[
        "2" if "512" in algorithm else "-" if "SHA" in algorithm else "M"
    ]

    def h(text):
        return hashlib.new(name, text.encode()).hexdigest()

    a1 = h(f"{h('u:r:p')}:n:c")
    between = "0000000a:c:auth:" if qop else ""
    assert answer["response"] == h(f"{a1}:n:{between}{h('CONNECT:h:1')}")
    assert answer["cnonce"] == "c"
    assert answer["algorithm"] == algorithm


@pytest.mark.parametrize(
    ("charset", "user", "field"),
    [
        ("", "m\xfcller", 'username="m\xfcller"'),
        ("", "\u0436", "username*=UTF-8''%D0%B6"),
        (", charset=utf-8", "m\xfcller", "username*=UTF-8''m%C3%BCller"),
        (", charset=utf-8", "a b", 'username="a b"'),
        ("", 'a"b\\c', 'username="a\\"b\\\\c"'),
        ("", "a\udcffb", "username*=UTF-8''a%FFb"),
    ],
)
def test_user_names(charset, user, field):
    """A user name is sent as text where that's unambiguous."""
    nonce = understand(challenge('realm="r\xe9", nonce="n", qop=auth' + charset))
    value = respond(nonce, user, "p", "CONNECT", "h:1", "00000001", "c")
    assert value.startswith(f"Digest {field}, realm=")
    a1 = (
        user.encode(errors="surrogateescape")
        if "*" in field
        else user.encode("latin-1")
    )
    a1 = hashlib.md5(a1 + b":r\xe9:p").hexdigest()
    a2 = hashlib.md5(b"CONNECT:h:1").hexdigest()
    response = hashlib.md5(f"{a1}:n:00000001:c:auth:{a2}".encode()).hexdigest()
    assert f'response="{response}"' in value


@pytest.mark.parametrize(
    "text",
    [
        'realm="r", nonce="n", qop="auth-int"',
        'realm="r", nonce="n", algorithm=SHA-3',
        'realm="r", nonce="n", algorithm=MD5-sess-x',
        'realm="r"',
        'nonce="n"',
    ],
)
def test_unusable(text):
    """What isn't understood is not answered: no hash of a password for nothing."""
    one = challenge(text)
    auth = DigestAuth("u", "p")
    assert list(auth.candidates([one])) == []
    flow = auth.flow(HOP)
    assert next(flow) is None
    with pytest.raises(StopIteration):
        flow.send(one)


def test_algorithm_that_openssl_lacks(monkeypatch):
    """An algorithm that this machine doesn't have counts as unknown."""
    monkeypatch.setitem(digest_module.ALGORITHMS, "SHA-256", "no such hash")
    assert understand(challenge('realm="r", nonce="n", algorithm=SHA-256')) is None


def test_strongest():
    """The strongest algorithm is chosen, wherever it stands."""
    offers = [
        challenge('realm="r", nonce="n"', algorithm=name)
        for name in ("MD5", "SHA-3", "SHA-256", "SHA-512-256-sess", "MD5-sess")
    ]
    others = parse_challenges(["NTLM", "Basic realm=x"])
    auth = DigestAuth("u", "p")
    assert list(auth.candidates(others + offers)) == [(auth, offers[3])]


FIRST = 'realm="r", nonce="n1", qop="auth"'
SECOND = 'realm="r", nonce="n2", qop="auth"'


def test_first_connection():
    """The first challenge is answered, the second one is a refusal."""
    flow = DigestAuth("u", "p").flow(HOP)
    assert next(flow) is None
    answer = fields(flow.send(challenge(FIRST)))
    assert answer["uri"] == "h.test:443"
    assert answer["nc"] == "00000001"
    with pytest.raises(StopIteration):
        flow.send(challenge(SECOND))


def test_later_connections():
    """The nonce serves later connections at once; the count goes on."""
    auth = DigestAuth("u", "p")
    flow = auth.flow(HOP)
    next(flow)
    nonces = {fields(flow.send(challenge(FIRST)))["cnonce"]}
    for count in range(2, 12):
        answer = fields(next(auth.flow(HOP)))
        assert answer["nc"] == f"{count:08x}"
        assert answer["nonce"] == "n1"
        nonces.add(answer["cnonce"])
    assert len(nonces) == 11
    # Another proxy has nonces of its own.
    elsewhere = AuthContext(parse_proxy("http://p.test:3129"), "h.test:443")
    assert next(auth.flow(elsewhere)) is None


@pytest.mark.parametrize("stale", ["true", "TRUE", '"true"', "false"])
def test_forgotten_nonce(stale):
    """A nonce that the proxy doesn't know any more is replaced, once."""
    auth = DigestAuth("u", "p")
    flow = auth.flow(HOP)
    next(flow)
    flow.send(challenge(FIRST))
    flow = auth.flow(HOP)
    assert fields(next(flow))["nc"] == "00000002"
    answer = fields(flow.send(challenge(SECOND, stale=stale)))
    assert (answer["nonce"], answer["nc"]) == ("n2", "00000001")
    with pytest.raises(StopIteration):
        flow.send(challenge(FIRST))
    # Refused: nothing is remembered.
    assert next(auth.flow(HOP)) is None


def test_stale_for_ever():
    """A nonce may be stale twice."""
    auth = DigestAuth("u", "p")
    flow = auth.flow(HOP)
    next(flow)
    flow.send(challenge(FIRST))
    flow.send(challenge(SECOND, stale="true"))
    flow.send(challenge(FIRST, stale="true"))
    with pytest.raises(StopIteration):
        flow.send(challenge(SECOND, stale="true"))
    assert next(auth.flow(HOP)) is None


def test_memory():
    """An instance remembers a limited number of proxies."""
    auth = DigestAuth("u", "p")
    for port in range(1, MAX_NONCES + 2):
        flow = auth.flow(AuthContext(parse_proxy(f"http://p.test:{port}"), "h:1"))
        next(flow)
        flow.send(challenge(FIRST))
    assert len(auth._nonces) == 1


def test_secrets():
    """Neither name nor password show; the answer doesn't have the password."""
    auth = DigestAuth("ann", "s3cret")
    assert repr(auth) == str(auth) == "DigestAuth(***)"
    flow = auth.flow(HOP)
    next(flow)
    answer = flow.send(challenge(FIRST))
    assert not re.search("s3cret", answer + repr(auth._nonces))
