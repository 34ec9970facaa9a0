"""A proxy in memory that asks for authentication, and the client's side of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.opening.fakes import TUNNEL, Act, FakeNetwork, fields, run
from websockets._opening.proxies.dialogue import converse
from websockets._opening.proxies.http_connect import HTTPHop
from websockets.proxy import parse_proxy


def refusal(*challenges: str, headers: Sequence[str] = (), body: bytes = b"") -> bytes:
    """Return a 407."""
    lines = [f"Proxy-Authenticate: {challenge}" for challenge in challenges]
    lines += [f"Content-Length: {len(body)}", *headers]
    head = "\r\n".join(["HTTP/1.1 407 No", *lines, "", ""])
    return head.encode() + body


def asked(request: bytes) -> str | None:
    """Return what a request has as Proxy-Authorization."""
    return dict(fields(request)).get("Proxy-Authorization")


class Legs:
    """
    What happened when a client asked a scripted proxy for a tunnel.

    Attributes:
        tunnel: How it ended, if it did.
        error: Or the exception.
        sent: The values of Proxy-Authorization, a list per connection.
        requests: The requests, over all connections.
        network: The network, in which nothing is open.
    """

    def __init__(
        self,
        *scripts: Sequence[Act],
        auth: Any = None,
        url="http://p.test:8080",
        headers: Any = (),
        certificate: bytes = b"",
    ) -> None:
        self.sent: list[list[str | None]] = []
        self.requests: list[bytes] = []
        self.tunnel: Any = None
        self.error: Any = None
        self.network = FakeNetwork(*map(self.watched, scripts))
        self.network.certificate = certificate
        proxy = parse_proxy(url)
        hop = HTTPHop(
            proxy,
            headers,
            context="tls" if proxy.scheme == "https" else None,
            auth=auth,
        )
        run(self.exchange(hop))
        assert self.network.open == set()
        # The proxy was asked all that it had answers for.
        assert not any(script for script in self.network.scripts)

    def watched(self, script: Sequence[Act]) -> list[Act]:
        """Take down what the proxy is asked."""
        sent: list[str | None] = []

        def watch(act: Act) -> Act:
            def answer(request: bytes) -> bytes:
                if not sent:
                    self.sent.append(sent)
                if request:
                    sent.append(asked(request))
                    self.requests.append(request)
                if isinstance(act, Exception):
                    raise act
                return act if isinstance(act, bytes) else act(request)

            return answer

        return [watch(act) for act in script]

    async def exchange(self, hop: HTTPHop) -> None:
        """Ask for the tunnel."""
        line = Line(self.network, await self.network.open_tcp("p", 1))
        try:
            self.tunnel = await converse(line, hop.tunnel("h.test", 443))
        except Exception as exc:
            self.error = exc
        line.stream.abort()
        self.traced = line.traced


class Line:
    """A connection to the proxy."""

    def __init__(self, network: FakeNetwork, stream: Any) -> None:
        self.network = network
        self.stream = stream
        self.traced: list[str] = []

    def trace(self, lines: Sequence[str]) -> None:
        self.traced.extend(lines)

    async def reconnect(self) -> None:
        self.stream.abort()
        self.stream = await self.network.open_tcp("p", 1)

    async def run_blocking(self, call: Any) -> Any:
        return await self.network.run_blocking(call)


__all__ = ["TUNNEL", "Legs", "asked", "refusal"]
