"""A CONNECT proxy whose manners are chosen: for what no packaged proxy does on demand.

Owns: the manners, the server, the record of what clients said.
Doesn't know: how credentials are checked (``acceptors.py``), and ``websockets``.

:func:`in_thread` runs it beside the test. As a program it takes the manners as JSON and
a port, and prints each exchange on a line; its acceptors log in their own process then,
where nobody mistakes their records for the client's.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import json
import pathlib
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import NamedTuple

from tests.proxies.acceptors import Account, Client, Verdict, make_acceptors


ACCOUNT = Account("alice", "s3cret", "CORP", "t0ken-of-alice")

#: Names that the proxy resolves by itself.
NAMES = {"echo.test": "127.0.0.1"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manners:
    """
    How the proxy behaves.

    Attributes:
        auth: Schemes it offers; see ``acceptors.py``.
        challenge: A value of ``Proxy-Authenticate`` to send instead.
        always_407: Refuse the right credentials too.
        joined: All challenges in one field, with commas.
        lower: Names of schemes start with a small letter.
        stale: How many right answers by Digest are called stale.
        authinfo: The last token of the handshake comes with the 2xx.
        framing: How a body ends: ``length``, ``chunked`` or ``eof``.
        body: Its bytes.
        close: Close after the 407 without token (``first``), with one (``token``),
            after ``both``, or ``never``.
        silent_close: No header announces the close.
        proxy_connection: The header is called ``Proxy-Connection``.
        http10: Answer as HTTP/1.0.
        status: Answer this to everything.
        ok_status: Status of success.
        ok_headers: Header lines of a success.
        surplus: Bytes that follow the success at once.
        interim: Two informational responses come before each response.
        fragment: Every byte is sent by itself.
        huge_headers: 800 kB of header fields.
        hang: Say nothing any more: at ``accept``, within the ``headers``, before the
            ``body``.
        client_close: After the request, close without a response.
        certificate: Folder of ``leaf.pem`` and ``leaf.key``, to be an https proxy.
        channel_bindings: NTLM and Negotiate are bound to the certificate.
    """

    auth: tuple[str, ...] = ()
    challenge: str | None = None
    always_407: bool = False
    joined: bool = False
    lower: bool = False
    stale: int = 0
    authinfo: bool = False
    framing: str = "length"
    body: int = 500
    close: str = "never"
    silent_close: bool = False
    proxy_connection: bool = False
    http10: bool = False
    status: int | None = None
    ok_status: int = 200
    ok_headers: tuple[str, ...] = ()
    surplus: str = ""
    interim: bool = False
    fragment: bool = False
    huge_headers: bool = False
    hang: str | None = None
    client_close: bool = False
    certificate: str | None = None
    channel_bindings: bool = False

    @property
    def needs_pyspnego(self) -> bool:
        """Whether an acceptor is pyspnego's."""
        return bool({"ntlm", "negotiate"} & set(self.auth))


class Exchange(NamedTuple):
    """
    One request, and the status it got.

    Attributes:
        connection: Number of the connection, from 1.
        method: ``CONNECT``, if all is well.
        target: ``host:port``.
        scheme: Of the credentials; ``-`` when there are none.
        status: Of the response; 0 when there is none.
        headers: Of the request.
    """

    connection: int
    method: str
    target: str
    scheme: str
    status: int
    headers: list[tuple[str, str]]

    @property
    def credentials(self) -> str:
        """What followed the scheme."""
        return dict_of(self.headers).get("proxy-authorization", "").partition(" ")[2]

    def __str__(self) -> str:
        return " ".join(map(str, self[:5]))


def dict_of(headers: list[tuple[str, str]]) -> dict[str, str]:
    """Return headers by name in lower case."""
    return {name.lower(): value for name, value in headers}


class ScriptedProxy:
    """
    The proxy's server side.

    Args:
        manners: How it behaves.
        report: Called with each exchange before the response is sent.
    """

    def __init__(self, manners: Manners, report: Callable[[Exchange], None]) -> None:
        self.manners = manners
        self.report = report
        self.connections = 0
        certificate = None
        if manners.certificate is not None and manners.channel_bindings:
            certificate = pathlib.Path(manners.certificate, "leaf.pem")
        self.acceptors = make_acceptors(
            manners.auth, ACCOUNT, manners.stale, certificate
        )

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[int]:
        """Run the server while the block runs; the value is its port."""
        tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self.serve(reader, writer))
            tasks[task] = writer
            task.add_done_callback(tasks.pop)

        context = None
        if self.manners.certificate is not None:
            folder = pathlib.Path(self.manners.certificate)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "leaf.pem", folder / "leaf.key")
            context.set_alpn_protocols(["http/1.1"])
        server = await asyncio.start_server(accept, "127.0.0.1", port, ssl=context)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            left = dict(tasks)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            # A task that didn't start yet doesn't close anything.
            for writer in left.values():
                writer.transport.abort()
                # The task may have been cancelled while it waited for the same.
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await writer.wait_closed()
            # An aborted transport ends in the next turn of the loop.
            await asyncio.sleep(0)

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection."""
        try:
            if self.manners.hang == "accept":
                await reader.read()
            else:
                conversation = Conversation(self, reader, writer)
                while await conversation.exchange():
                    pass
        except (asyncio.IncompleteReadError, OSError):
            pass  # the client went away
        finally:
            if self.manners.certificate is None:
                writer.close()
            else:
                writer.transport.abort()  # a client that's gone says no goodbye
            with contextlib.suppress(OSError):
                await writer.wait_closed()


class Conversation:
    """One connection of a client."""

    def __init__(
        self,
        proxy: ScriptedProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.proxy = proxy
        self.manners = proxy.manners
        self.number = 0
        self.reader = reader
        self.writer = writer
        self.client = Client()
        self.version = "HTTP/1.0" if self.manners.http10 else "HTTP/1.1"

    async def send(self, data: bytes) -> None:
        """Send bytes, one by one if these are the manners."""
        step = 1 if self.manners.fragment else len(data) or 1
        for start in range(0, len(data), step):
            self.writer.write(data[start : start + step])
            await self.writer.drain()
            await asyncio.sleep(0)

    async def exchange(self) -> bool:
        """Answer one request; tell whether another may follow."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if self.number == 0:
            # Not before: who only looks whether the port is open doesn't count.
            self.proxy.connections += 1
            self.number = self.proxy.connections
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers = [
            (name, value.strip())
            for name, _, value in (line.partition(":") for line in lines)
        ]
        scheme, _, answer = (
            dict_of(headers).get("proxy-authorization", "").partition(" ")
        )
        verdict = self.check(scheme, answer, target)
        status = self.manners.ok_status if verdict.passed else 407
        if self.manners.always_407:
            status = 407
        if self.manners.status is not None:
            status = self.manners.status
        if self.manners.client_close:
            status = 0
        self.proxy.report(
            Exchange(self.number, method, target, scheme or "-", status, headers)
        )
        if self.manners.client_close:
            return False
        if self.manners.interim:
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await self.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        if self.manners.hang == "headers":
            await self.send(f"{self.version} {status} ".encode())
            await self.reader.read()
            return False
        if 200 <= status < 300:
            await self.tunnel(status, target, scheme, verdict)
            return False
        return await self.refuse(status, verdict)

    def check(self, scheme: str, answer: str, target: str) -> Verdict:
        """Return the verdict of the acceptor for the scheme."""
        self.client.stale = False
        self.client.token = b""
        if not self.proxy.acceptors and self.manners.challenge is None:
            return Verdict(True)
        for acceptor in self.proxy.acceptors:
            if acceptor.name.lower() == scheme.lower():
                verdict = acceptor.check(self.client, answer, target)
                self.client.scheme = acceptor.name
                self.client.token = verdict.token
                if verdict.passed or verdict.token or self.client.stale:
                    return verdict
        return Verdict(False)

    async def refuse(self, status: int, verdict: Verdict) -> bool:
        """Send a response without a tunnel; tell whether another request may follow."""
        manners = self.manners
        head = [f"{self.version} {status} Refused by the Script"]
        if status == 407:
            challenges = [a.challenge(self.client) for a in self.proxy.acceptors]
            if manners.challenge is not None:
                challenges = [manners.challenge]
            if manners.lower:
                challenges = [c[:1].lower() + c[1:] for c in challenges]
            if manners.joined:
                challenges = [", ".join(challenges)]
            head += [f"Proxy-Authenticate: {c}" for c in challenges]
        if manners.huge_headers:
            head += [f"X-Pad-{i}: {'x' * 4000}" for i in range(200)]
        body = b"#" * manners.body
        # A body until EOF would end the handshake of a token: it must be drained.
        framing = manners.framing
        if verdict.token and framing == "eof":
            framing = "length"
        if framing == "chunked":
            head.append("Transfer-Encoding: chunked")
            pieces = [body[i : i + 100] for i in range(0, len(body), 100)]
            body = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(p), p) for p in pieces)
            body += b"0\r\nTrailer: x\r\n\r\n"
        elif framing == "length":
            head.append(f"Content-Length: {len(body)}")
        kind = "token" if verdict.token else "first"
        closes = manners.close in (kind, "both") or framing == "eof"
        if not manners.silent_close:
            name = "Proxy-Connection" if manners.proxy_connection else "Connection"
            head.append(f"{name}: {'close' if closes else 'keep-alive'}")
        await self.send("\r\n".join([*head, "", ""]).encode())
        if manners.hang == "body":
            await self.reader.read()
            return False
        await self.send(body)
        return not closes

    async def tunnel(
        self, status: int, target: str, scheme: str, verdict: Verdict
    ) -> None:
        """Open the tunnel, and carry bytes until both sides are done."""
        host, _, port = target.rpartition(":")
        host = NAMES.get(host, host.strip("[]"))
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            await self.send(f"{self.version} 502 Bad Gateway\r\n\r\n".encode())
            return
        head = [f"{self.version} {status} Connection established"]
        head += self.manners.ok_headers
        if self.manners.authinfo and verdict.token:
            token = base64.b64encode(verdict.token).decode()
            head.append(f"Proxy-Authenticate: {scheme} {token}")
        try:
            await self.send("\r\n".join([*head, "", self.manners.surplus]).encode())
            await asyncio.gather(
                carry(self.reader, writer),
                carry(reader, self.writer),
            )
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way; at their end, half-close or, in TLS, close."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()


class Running(NamedTuple):
    """A running scripted proxy: its port, and what clients said so far."""

    port: int
    exchanges: list[Exchange]


@contextlib.contextmanager
def in_thread(manners: Manners) -> Iterator[Running]:
    """Run a proxy in a thread of its own while the block runs."""
    exchanges: list[Exchange] = []
    proxy = ScriptedProxy(manners, exchanges.append)
    ready = threading.Event()
    running: list[Running] = []
    handle: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        stopping = asyncio.Event()
        async with proxy.serving() as port:
            running.append(Running(port, exchanges))
            handle.append((asyncio.get_running_loop(), stopping))
            ready.set()
            await stopping.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()), name="scripted proxy")
    thread.start()
    ready.wait()
    try:
        yield running[0]
    finally:
        [(loop, stopping)] = handle
        loop.call_soon_threadsafe(stopping.set)
        thread.join()


def read_exchanges(output: pathlib.Path) -> list[Exchange]:
    """Read what the program printed so far."""
    exchanges = []
    for line in output.read_text().splitlines():
        *fields, headers = json.loads(line)
        exchanges.append(Exchange(*fields, [tuple(pair) for pair in headers]))
    return exchanges


async def main(manners: Manners, port: int) -> None:
    """Run the proxy as a program."""

    def report(exchange: Exchange) -> None:
        print(json.dumps(exchange), flush=True)

    async with ScriptedProxy(manners, report).serving(port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    lists = {name: tuple(options[name]) for name in ("auth", "ok_headers")}
    asyncio.run(main(Manners(**{**options, **lists}), int(sys.argv[2])))
