"""
One measurement of one library: which process does what.

Owns: how each kind of scenario is run. Doesn't know: what comes before or after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .figures import sample
from .processes import Impossible, Laboratory
from .scenarios import KIB, MIB, Scenario


#: Messages of a flood before it is known how many fit into the time.
FIRST_COUNT = 1000

#: Connections of a measurement of memory, and those that are there before it.
IDLE, BEFORE = 2000, 100


def floods_of(scenarios: Sequence[Scenario]) -> list[tuple[int, bool]]:
    """Return what the peer has to have ready: sizes, and whether they are compressed."""
    return sorted(
        {
            (one.options["size"], bool(one.options.get("deflate")))
            for one in scenarios
            if one.method == "receive"
        }
    )


class Measurement:
    """Everything that measurements of one run have in common."""

    def __init__(
        self, laboratory: Laboratory, scenarios: Sequence[Scenario], secs: float
    ) -> None:
        self.laboratory = laboratory
        self.secs = secs
        self.floods = floods_of(scenarios)
        self.ports = laboratory.serve(self.floods)
        #: By scenario and column: how many messages take about the time of a repeat.
        self.counts: dict[tuple[str, str], int] = {}

    def run(self, scenario: Scenario, column: str) -> dict[str, float]:
        """Measure once."""
        method = getattr(self, scenario.method)
        result: dict[str, float] = method(scenario, column, **scenario.options)
        return result

    def url(self, path: str, tls: bool = False, raw: bool = False) -> str:
        """Return the address of the peer's server."""
        if tls and not self.ports["wss"]:
            raise Impossible("the peer was compiled without OpenSSL (libssl-dev)")
        port = self.ports["raw" if raw else "wss" if tls else "ws"]
        return f"{'wss' if tls else 'ws'}://127.0.0.1:{port}{path}"

    # Clients --------------------------------------------------------------------

    def round_trips(
        self, scenario: Scenario, column: str, size: int, **options: Any
    ) -> dict[str, float]:
        """Let a client send a message, wait for it to come back, and so on."""
        raw = column.startswith("raw/")
        tls = options.get("tls", False)
        secs = self.secs * (1 if size < MIB else 2)
        answer = self.laboratory.worker(column).ask(
            do="round_trips",
            url=self.url("/echo", tls, raw),
            size=size,
            secs=secs,
            warm=secs / 4,
            **options,
        )
        return sample(answer)

    def receive(
        self, scenario: Scenario, column: str, size: int, **options: Any
    ) -> dict[str, float]:
        """Let a client receive what comes as fast as it comes."""
        flood = self.floods.index((size, bool(options.get("deflate"))))
        count = self.count(scenario, column)
        url = self.url(f"/flood/{flood}?{count}")
        worker = self.laboratory.worker(column)
        answer = worker.ask(do="receive", url=url, count=count, **options)
        return self.counted(scenario, column, answer)

    def send(self, scenario: Scenario, column: str, **options: Any) -> dict[str, float]:
        """Let a client send as fast as it can."""
        count = self.count(scenario, column)
        url = self.url(f"/count?{count}")
        worker = self.laboratory.worker(column)
        answer = worker.ask(do="send", url=url, count=count, **options)
        return self.counted(scenario, column, answer)

    def connects(self, scenario: Scenario, column: str) -> dict[str, float]:
        """Let a client connect and close, again and again."""
        worker = self.laboratory.worker(column)
        url = self.url("/echo")
        return sample(worker.ask(do="connects", url=url, secs=self.secs))

    def count(self, scenario: Scenario, column: str) -> int:
        """Return how many messages to measure with."""
        return self.counts.get((scenario.name, column), FIRST_COUNT)

    def counted(
        self, scenario: Scenario, column: str, answer: Mapping[str, float]
    ) -> dict[str, float]:
        """Learn how many messages fit into the time of a repeat."""
        count = int(answer["n"] / answer["secs"] * self.secs)
        self.counts[scenario.name, column] = max(50, min(count, 400_000))
        return sample(answer)

    # Servers --------------------------------------------------------------------

    def load(
        self, column: str, port: int, kind: str, *words: str, **options: Any
    ) -> dict[str, Any]:
        """Put a load on a server; return what the peer reports when all is over."""
        laboratory = self.laboratory
        worker = laboratory.worker(column)
        options = {"port": port, "pid": worker.pid, **options}
        with laboratory.load(kind, *laboratory.spin, *words, **options) as load:
            answer = load.answer()
            if "conns" in answer:
                # They are open; when the server knows that as well, it begins.
                worker.ask(do="settle", connections=answer["conns"])
                answer = load.ask(do="begin")
        worker.ask(do="settle", connections=0)
        return answer

    def echo(
        self, scenario: Scenario, column: str, size: int, conns: int
    ) -> dict[str, float]:
        """Let many clients wait for their message to come back."""
        port = self.laboratory.port(column, "echo")
        milliseconds = self.secs * 1000 * (1 if conns < 1000 else 2)
        answer = self.load(
            column,
            port,
            "echo",
            frames=self.laboratory.frames(size, masked=True),
            conns=conns,
            warm=int(milliseconds / 4),
            ms=int(milliseconds),
        )
        answer.pop("bytes")
        return sample(answer)

    def flood(self, scenario: Scenario, column: str, size: int) -> dict[str, float]:
        """Let a server receive what comes as fast as it comes."""
        port = self.laboratory.port(column, "count")
        frames = self.laboratory.frames(size, masked=True)
        count = self.count(scenario, column)
        answer = self.load(column, port, "count", frames=frames, n=count)
        answer.pop("bytes")
        return self.counted(scenario, column, answer)

    def broadcast(
        self,
        scenario: Scenario,
        column: str,
        size: int,
        conns: int,
        deflate: bool = False,
        stalled: int = 0,
    ) -> dict[str, float]:
        """Let a server send a message to everybody."""
        port = self.laboratory.port(column, "broadcast", deflate, size)
        rounds = max(3, int(self.secs * 1e5 / conns))
        words = ["deflate"] if deflate else []
        answer = self.load(
            column,
            port,
            "broadcast",
            *words,
            conns=conns,
            rounds=rounds,
            warm=3,
            stalled=stalled,
        )
        return sample(answer)

    def handshakes(self, scenario: Scenario, column: str) -> dict[str, float]:
        """Let clients open and close connections."""
        port = self.laboratory.port(column, "echo")
        answer = self.load(column, port, "connect", n=int(self.secs * 3000))
        answer.pop("bytes")
        return sample(answer)

    def memory(
        self,
        scenario: Scenario,
        column: str,
        deflate: bool = False,
        used: bool = False,
        tls: bool = False,
    ) -> dict[str, float]:
        """Count the memory of a server, in a process of its own, in KiB per connection."""
        laboratory = self.laboratory
        worker = laboratory.new_worker(column)
        try:
            answer = worker.ask(
                do="serve", kind="echo", deflate=deflate, tls=tls, size=0
            )
            options = {"port": answer["port"]}
            if used:
                options["frames"] = laboratory.frames(
                    KIB, masked=True, text=True, deflate=True
                )
            names = {"deflate": deflate, "tls": tls}
            words = [name for name, asked in names.items() if asked]
            with laboratory.load("idle", *words, conns=BEFORE, **options) as some:
                some.answer()
                worker.ask(do="settle", connections=BEFORE)
                before = worker.ask(do="memory")["bytes"]
                with laboratory.load("idle", *words, conns=IDLE, **options) as load:
                    load.answer()
                    worker.ask(do="settle", connections=BEFORE + IDLE)
                    after = worker.ask(do="memory")["bytes"]
        finally:
            laboratory.end(worker)
        result = {"memory": (after - before) / IDLE / KIB}
        if tls:
            worker = laboratory.new_worker(column)
            try:
                alone = worker.ask(do="tls_alone", count=IDLE)["bytes"] / KIB
            finally:
                laboratory.end(worker)
            result = {"memory": result["memory"] - alone, "tls alone": alone}
        return result
