"""Both ceremonies under drive(), over blocking sockets: a face for threads fits."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import types

import pytest

from tests.opening.blocking import (
    BlockingNetwork,
    SocketStream,
    TLSStream,
    client_context,
    server_context,
)
from tests.opening.fakes import TUNNEL
from websockets._opening.accept import accept
from websockets._opening.connect import open_connection
from websockets._opening.network import drive
from websockets._opening.settings import Settings
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidProxyStatus, InvalidStatus
from websockets.protocol import State
from websockets.server import ServerProtocol


REFUSAL = (
    b"HTTP/1.1 407 Authenticate\r\n"
    b"Proxy-Authenticate: Basic\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
    b"3\r\nwhy\r\n0\r\n\r\n"
)


class Server:
    """
    A server, perhaps behind a proxy of its own, that accepts one connection.

    Args:
        tls: Whether it speaks TLS.
        proxy: Scheme of the proxy, None for none.
        answer: What the proxy answers.
        status: Status of the response to an upgrade, when it isn't 101.
    """

    def __init__(self, listener, *, tls=False, proxy=None, answer=TUNNEL, status=None):
        self.listener = listener
        self.tls = tls
        self.proxy = proxy
        self.answer = answer
        self.status = status
        self.request = None
        self.failure = None
        self.alpn = None
        self.thread = threading.Thread(target=self.run)

    def run(self):
        sock, _ = self.listener.accept()
        with sock:
            try:
                drive(self.serve(SocketStream(sock)))
            except Exception as exc:
                self.failure = exc

    async def serve(self, stream):
        if self.proxy == "https":
            stream = await self.start_tls(stream)
            self.alpn = stream.tls.selected_alpn_protocol()
        if self.proxy is not None:
            self.request = await stream.read()
            await stream.write(self.answer)
        if self.answer != TUNNEL:
            await stream.close()
            return
        if self.tls:
            stream = await self.start_tls(stream)
        protocol = ServerProtocol()
        connection = types.SimpleNamespace(request=None, response=None)

        def process_request(connection, request):
            return None if self.status is None else protocol.reject(self.status, "why")

        await accept(stream, protocol, connection, process_request=process_request)
        assert protocol.state is State.OPEN
        await stream.close()

    async def start_tls(self, stream):
        stream = TLSStream(stream, server_context(), server_side=True)
        await stream.handshake()
        return stream


@pytest.fixture
def start():
    """Return a function that starts a server; return it and its port."""
    with contextlib.ExitStack() as stack:

        def start(listener=None, **kwargs):
            if listener is None:
                listener = socket.create_server(("127.0.0.1", 0))
            stack.enter_context(listener)
            server = Server(listener, **kwargs)
            server.thread.start()
            stack.callback(server.thread.join)
            address = listener.getsockname()
            return server, address[1] if isinstance(address, tuple) else address

        yield start


def connect(uri, network=None, **kwargs):
    """Perform the ceremony under drive(); release the connection; return what it had."""
    settings = Settings(**{"create_protocol": ClientProtocol, "proxy": None, **kwargs})
    opened = drive(open_connection(network or BlockingNetwork(), uri, settings))
    opened.stream.abort()
    return opened


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_direct(start, tls):
    """The ceremony runs over TCP and TLS."""
    server, port = start(tls=tls)
    opened = connect(f"{'wss' if tls else 'ws'}://localhost:{port}/", host="127.0.0.1")
    assert opened.protocol.state is State.OPEN
    server.thread.join()


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("proxy", ["http", "https"])
def test_proxy(start, tls, proxy):
    """The ceremony runs through proxies, TLS in TLS included."""
    server, port = start(tls=tls, proxy=proxy)
    uri = f"{'wss' if tls else 'ws'}://localhost:1/"
    opened = connect(uri, proxy=f"{proxy}://127.0.0.1:{port}")
    assert opened.protocol.state is State.OPEN
    server.thread.join()
    assert server.request.startswith(b"CONNECT localhost:1 HTTP/1.1\r\n")
    assert server.alpn == (None if proxy == "http" else "http/1.1")


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_unix(start, tls, tmp_path):
    """The ceremony runs over Unix sockets."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    _, path = start(listener, tls=tls)
    uri = f"{'wss' if tls else 'ws'}://localhost/"
    assert connect(uri, unix=True, path=path).response.status_code == 101


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_sock(start, tls):
    """The ceremony runs over preexisting sockets."""
    _, port = start(tls=tls)
    sock = socket.create_connection(("127.0.0.1", port))
    uri = f"{'wss' if tls else 'ws'}://localhost/"
    assert connect(uri, sock=sock).response.status_code == 101


def test_refused_by_server(start):
    """A refusal arrives with its body, and the server's ceremony ends too."""
    server, port = start(status=403)
    with pytest.raises(InvalidStatus) as info:
        connect(f"ws://127.0.0.1:{port}/")
    assert info.value.response.body == b"why"
    server.thread.join()
    assert isinstance(server.failure, InvalidStatus)


def test_refused_by_proxy(start):
    """A proxy's refusal arrives with its body."""
    _, port = start(proxy="http", answer=REFUSAL)
    with pytest.raises(InvalidProxyStatus) as info:
        connect("wss://localhost/", proxy=f"http://127.0.0.1:{port}")
    assert info.value.response.body == b"why"


@pytest.mark.parametrize("proxy", [None, "https"])
def test_wrong_name(start, proxy):
    """A certificate for another name is refused, a proxy's too; nothing stays open."""
    server, port = start(tls=proxy is None, proxy=proxy)
    kwargs = {"server_hostname": "h.test"}
    if proxy is not None:
        kwargs = {
            "proxy": f"https://127.0.0.1:{port}",
            "proxy_server_hostname": "h.test",
        }
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(f"wss://localhost:{port}/", host="127.0.0.1", **kwargs)
    server.thread.join()
    assert isinstance(server.failure, ssl.SSLError)


def test_context(start):
    """A context of the user is used."""
    _, port = start(tls=True)
    context = client_context()
    assert connect(f"wss://127.0.0.1:{port}/", ssl=context).response.status_code == 101


@pytest.mark.parametrize("operations", range(1, 9))
def test_deadline(start, operations):
    """A deadline that passes, at whatever operation, leaves nothing open."""
    _, port = start(tls=True, proxy="https")
    left = [5.0] * operations

    def time_left():
        return left.pop() if left else 0.0

    with pytest.raises(TimeoutError):
        connect(
            "wss://localhost:1/",
            BlockingNetwork(time_left),
            proxy=f"https://127.0.0.1:{port}",
        )
