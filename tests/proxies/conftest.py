"""The conversation that every test of a proxy has, and the watch over secrets."""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from tests.proxies.faces import FACES, Face, Visit
from tests.proxies.lab import ECHO_HOST, PASSWORD, TOKEN, USER, Lab, Proxy, basic


#: What must not show anywhere.
SECRETS = [PASSWORD, TOKEN, basic(USER, PASSWORD).split()[1]]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The laboratory."""
    with Lab() as lab:
        yield lab


@pytest.fixture(autouse=True)
def no_proxy_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of whoever runs the tests names no proxy, and no ticket."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("KRB5"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KRB5CCNAME", "FILE:/nonexistent/ticket")


class Watch:
    """
    What a test shows, and what it mustn't.

    Attributes:
        texts: What was shown: exceptions and connections.
        secrets: What must not be in there.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.secrets: set[str] = set(SECRETS)
        self.proxies: list[Proxy] = []

    def exception(self, exc: BaseException) -> None:
        """Watch what a caller prints of an exception, and of all that's behind it."""
        seen: list[BaseException] = []
        queue = [exc]
        while queue:
            exc = queue.pop()
            if exc not in seen:
                seen.append(exc)
                self.texts.append(repr(exc))
                self.texts += traceback.format_exception_only(exc)
                behind = (
                    exc.__cause__,
                    exc.__context__,
                    *getattr(exc, "exceptions", ()),
                )
                queue += [other for other in behind if other is not None]

    def judge(self) -> None:
        """Fail if a secret was shown."""
        for proxy in self.proxies:
            # Also those that were made up on the way, such as NTLM's.
            self.secrets.update(e.credentials for e in proxy.exchanges)
        self.secrets.discard("")
        for text in self.texts:
            for secret in self.secrets:
                assert secret not in text


@pytest.fixture(autouse=True)
def watch(caplog: pytest.LogCaptureFixture) -> Iterator[Watch]:
    """Fail a test in which a secret shows in a log record or an exception."""
    caplog.set_level(logging.DEBUG)
    watch = Watch()
    yield watch
    formatter = logging.Formatter("%(name)s %(message)s")
    watch.texts += map(formatter.format, caplog.get_records("call"))
    watch.judge()


class Talk:
    """How tests hold a conversation over a proxy, with one of the faces."""

    def __init__(self, lab: Lab, face: Face, watch: Watch) -> None:
        self.lab = lab
        self.face = face
        self.watch = watch

    def uri(self, scheme: str, host: str = ECHO_HOST) -> str:
        """Return the URI of the server behind the proxies."""
        return f"{scheme}://{host}:{self.lab.echo[scheme]}/"

    def __call__(
        self, scheme: str, *, uri: str | None = None, **settings: Any
    ) -> Visit:
        """
        Hold a conversation over a proxy.

        Args:
            scheme: ``"ws"`` or ``"wss"``.
            uri: Where to, instead of the server behind the proxies.
            settings: Arguments for ``connect()``.
        """
        if scheme == "wss":
            settings.setdefault("ssl", self.lab.certificates.client_context())
        try:
            visit = self.face.visit(uri or self.uri(scheme), **settings)
        except Exception as exc:
            self.watch.exception(exc)
            raise
        self.watch.texts += [visit.shown, repr(visit.proxies)]
        return visit


@pytest.fixture(params=list(FACES))
def face(request: pytest.FixtureRequest) -> Face:
    """Each face of the library."""
    return FACES[request.param]()


@pytest.fixture
def talk(lab: Lab, face: Face, watch: Watch) -> Talk:
    """How to hold a conversation over a proxy."""
    return Talk(lab, face, watch)


class Script:
    """How tests run scripted proxies, which end with the test."""

    def __init__(self, lab: Lab, watch: Watch, stack: contextlib.ExitStack) -> None:
        self.lab = lab
        self.watch = watch
        self.stack = stack

    def __call__(self, *, tls: bool = False, **manners: Any) -> Proxy:
        """Run one with these manners; with TLS it's an ``https://`` proxy."""
        proxy = self.lab.scripted(self.stack, tls=tls, **manners)
        self.watch.proxies.append(proxy)
        return proxy


@pytest.fixture
def script(lab: Lab, watch: Watch) -> Iterator[Script]:
    """How to run a scripted proxy."""
    with contextlib.ExitStack() as stack:
        yield Script(lab, watch, stack)
