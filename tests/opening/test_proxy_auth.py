"""Ways to authenticate to a proxy: the interface, Basic, Bearer."""

from __future__ import annotations

import logging

import pytest

from websockets._opening.proxies import auth as auth_module
from websockets._opening.proxies.auth import (
    AuthContext,
    BasicAuth,
    BearerAuth,
    ProxyAuth,
    warn_in_clear,
)
from websockets._opening.proxies.challenges import parse_challenges
from websockets.proxy import parse_proxy


HOP = AuthContext(parse_proxy("http://p.test:3128"), "h.test:443")
CHALLENGES = parse_challenges(["NTLM", "Basic realm=x, Bearer, Basic realm=y"])


def test_basic():
    """Credentials are sent at once, in UTF-8, and only once."""
    flow = BasicAuth("J\xf6rg", "p:w").flow(HOP)
    assert next(flow) == "Basic SsO2cmc6cDp3"
    with pytest.raises(StopIteration):
        flow.send(CHALLENGES[1])


def test_basic_user_name():
    """A colon in the user name would end it."""
    with pytest.raises(ValueError, match="colon"):
        BasicAuth("a:b", "c")


@pytest.mark.parametrize("token", ["tok", lambda: "tok"])
def test_bearer(token):
    """A token is sent at once; it may be made when it's needed."""
    auth = BearerAuth(token)
    assert auth.blocking == callable(token)
    flow = auth.flow(HOP)
    assert next(flow) == "Bearer tok"
    with pytest.raises(StopIteration):
        flow.send(CHALLENGES[2])


def test_candidates():
    """A scheme answers the first challenge that has its name."""
    auth = BasicAuth("a", "b")
    assert list(auth.candidates(CHALLENGES)) == [(auth, CHALLENGES[1])]
    assert list(auth.candidates(CHALLENGES[:1])) == []

    class Both(ProxyAuth):
        schemes = ("bearer", "basic")

    auth = Both()
    chosen = [challenge for _, challenge in auth.candidates(CHALLENGES)]
    assert chosen == [CHALLENGES[2], CHALLENGES[1]]


def test_no_flow():
    """A scheme without a flow is a mistake of whoever wrote it."""
    with pytest.raises(NotImplementedError):
        ProxyAuth().flow(HOP)


@pytest.mark.parametrize("auth", [BasicAuth("ann", "s3cret"), BearerAuth("s3cret")])
def test_secrets(auth):
    """Nothing shows."""
    assert str(auth) == repr(auth) == f"{type(auth).__name__}(***)"


def test_warning(caplog, monkeypatch):
    """The log says once per proxy that a password was sent in clear."""
    monkeypatch.setattr(auth_module, "warned", set())
    caplog.set_level(logging.WARNING)
    for url in (
        "http://a:b@p.test",
        "http://p.test:80",
        "https://p.test",
        "http://q.test",
    ):
        warn_in_clear(parse_proxy(url))
    assert caplog.messages == [
        "password sent in clear to the proxy http://p.test:80: Basic over http",
        "password sent in clear to the proxy http://q.test:80: Basic over http",
    ]
