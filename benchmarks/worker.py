"""
A measured process: one library on one event loop, until its standard input ends.

    python -m benchmarks.worker LIBRARY LOOP CERTIFICATE

Each line of the standard input is a command in JSON; each gets a line as an answer.

Owns: the event loop of the measured process. Doesn't know: what is compared with what.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import json
import logging
import os
import platform
import resource
import ssl
import sys
import traceback
from typing import Any

from .adapters import adapter_of, loop_factory
from .messages import noise, trades


Answer = dict[str, Any]


def resident() -> int:
    """Return the memory of this process that is in RAM, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


class Worker:
    """Carries out commands."""

    def __init__(self, library: str, loop: str, certificate: str) -> None:
        self.adapter = adapter_of(library)
        self.loop = loop
        self.server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server_tls.load_cert_chain(certificate)
        # Who the peer is was decided by who started it.
        self.client_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.client_tls.check_hostname = False
        self.client_tls.verify_mode = ssl.CERT_NONE

    async def do(self, command: str, **options: Any) -> Answer:
        """Carry out one command."""
        method = getattr(self, f"do_{command}", None) or self.scenario(command)
        try:
            answer: Answer = await method(**options)
        except NotImplementedError as error:
            return {"impossible": str(error)}
        return answer

    def scenario(self, name: str) -> Any:
        """Return a method that runs a scenario of the adapter."""
        method = getattr(self.adapter, name)

        async def run(
            tls: bool = False, size: int = 0, text: bool = False, **options: Any
        ) -> Answer:
            if tls:
                options["tls"] = self.client_tls
            if size:
                options["message"] = trades(size) if text else noise(size)
            answer: Answer = await method(**options)
            return answer

        return run

    async def do_about(self) -> Answer:
        """Say what is measured."""
        loop = importlib.metadata.version("uvloop") if self.loop == "uvloop" else ""
        about = {
            "version": self.adapter.version(),
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "uvloop": loop,
        }
        codec = sys.modules.get("websockets._codec")
        if codec is not None:
            about["native"] = str(codec.NATIVE)
        return about

    async def do_serve(self, kind: str, deflate: bool, tls: bool, size: int) -> Answer:
        """Start a server."""
        settings = self.server_tls if tls else None
        port = await self.adapter.serve(kind, size, deflate=deflate, tls=settings)
        return {"port": port}

    async def do_settle(self, connections: int) -> Answer:
        """Wait until there are so many connections, and none that only waits for the GC."""
        await self.adapter.settle(connections)
        gc.collect()
        return {}

    async def do_memory(self) -> Answer:
        """Say how much memory there is."""
        gc.collect()
        return {"bytes": resident()}

    async def do_tls_alone(self, count: int) -> Answer:
        """Say how much TLS objects take that belong to no library, for one connection."""
        kept = [self.tls_objects() for _ in range(100)]
        gc.collect()
        before = resident()
        kept += [self.tls_objects() for _ in range(count)]
        gc.collect()
        return {"bytes": (resident() - before) / count}

    def tls_objects(self) -> tuple[Any, ...]:
        """Make a server's TLS objects after their handshake with a client's."""
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = self.server_tls.wrap_bio(received, sent, server_side=True)
        client = self.client_tls.wrap_bio(sent, received)
        for side in (client, server, client, server, client):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        return server, received, sent


async def main(library: str, loop: str, certificate: str) -> None:
    """Carry out commands until there are no more."""
    running = asyncio.get_running_loop()
    commands: asyncio.Queue[bytes] = asyncio.Queue()
    pending = bytearray()
    # Libraries and programs print; answers have a way of their own.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    logging.getLogger().addHandler(logging.NullHandler())
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    worker = Worker(library, loop, certificate)

    def read() -> None:
        data = os.read(0, 65536)
        pending.extend(data)
        if not data:
            # Nothing here is worth an orderly end, and a hanging library must not hold it.
            os._exit(0)
        while b"\n" in pending:
            line, _, rest = bytes(pending).partition(b"\n")
            pending[:] = rest
            commands.put_nowait(line)

    running.add_reader(0, read)
    while True:
        options = json.loads(await commands.get())
        gc.collect()
        try:
            answer = await worker.do(options.pop("do"), **options)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory(sys.argv[2])) as runner:
        runner.run(main(*sys.argv[1:]))
