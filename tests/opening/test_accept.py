"""The server's ceremony, over a stream in memory."""

from __future__ import annotations

import logging
import types

import pytest

from tests.opening.fakes import FakeNetwork, run
from websockets._opening.accept import accept
from websockets.datastructures import Headers
from websockets.exceptions import (
    InvalidHandshake,
    InvalidHeader,
    InvalidMessage,
    InvalidMethod,
    InvalidOrigin,
    InvalidState,
    InvalidStatus,
    InvalidUpgrade,
    NegotiationError,
    RequestLineTooLong,
)
from websockets.http11 import Response
from websockets.protocol import State
from websockets.server import ServerProtocol


UPGRADE = (
    b"GET /chat HTTP/1.1\r\n"
    b"Host: h.test\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
)
GOOD = UPGRADE + b"\r\n"


class Result(types.SimpleNamespace):
    """What happened: protocol, connection, network, stream, exc, log."""

    @property
    def written(self) -> bytes:
        return self.network.streams[0].written

    @property
    def status(self) -> bytes:
        return self.written.partition(b"\r\n")[0]

    @property
    def headers(self) -> Headers:
        lines = self.written.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return Headers([tuple(line.split(": ", 1)) for line in lines])

    @property
    def body(self) -> bytes:
        return self.written.partition(b"\r\n\r\n")[2]


@pytest.fixture
def serve(caplog):
    """Return a function that performs the ceremony with a scripted client."""
    caplog.set_level(logging.INFO, "websockets")

    def serve(*script, protocol=None, **kwargs):
        caplog.clear()
        network = FakeNetwork(script)
        protocol = protocol or ServerProtocol()
        connection = types.SimpleNamespace(
            request=None, response=None, protocol=protocol, respond=protocol.reject
        )
        exc = None

        async def ceremony():
            stream = await network.open_tcp("client", 1)
            await accept(stream, protocol, connection, **kwargs)

        try:
            run(ceremony())
        except Exception as caught:
            exc = caught
        assert bool(network.open) == (exc is None)
        return Result(
            protocol=protocol,
            connection=connection,
            network=network,
            exc=exc,
            log=[(record.levelname, record.getMessage()) for record in caplog.records],
            errors=[record.exc_info[1] for record in caplog.records if record.exc_info],
        )

    return serve


# Success


def test_open(serve):
    """The ceremony returns when the response that opens the connection was written."""
    result = serve(GOOD)
    assert result.exc is None
    assert result.status == b"HTTP/1.1 101 Switching Protocols"
    assert result.headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert result.protocol.state is State.OPEN
    assert result.connection.request.path == "/chat"
    assert result.connection.response.status_code == 101
    assert result.log == [("INFO", "connection open")]
    assert result.network.log == [("tcp", "client", 1), "write"]


def test_pieces(serve):
    """The request may come in pieces."""
    result = serve(*(GOOD[i : i + 1] for i in range(len(GOOD))))
    assert result.status == b"HTTP/1.1 101 Switching Protocols"


def test_frames_after_request(serve):
    """Bytes behind the request stay in the protocol, unparsed, until it's open."""
    result = serve(GOOD + b"\x81\x80\0\0\0\0")
    assert result.protocol.lazy
    assert result.protocol.events_received() == []


# Server header


def test_server_header(serve):
    """Server is the library's, the given one, or none."""
    assert serve(GOOD).headers["Server"].startswith("Python/")
    assert serve(GOOD, server_header="Me/1").headers["Server"] == "Me/1"
    assert "Server" not in serve(GOOD, server_header=None).headers
    assert "Server" not in serve(GOOD, server_header="").headers


def test_server_header_of_callbacks(serve):
    """A Server header that a callback sets replaces the library's; it may be removed."""

    def process_request(connection, request):
        return Response(200, "OK", Headers(Server="Mine/1"))

    result = serve(GOOD, process_request=process_request)
    assert result.headers["Server"] == "Mine/1"

    def process_response(connection, request, response):
        del response.headers["Server"]

    result = serve(GOOD, process_response=process_response)
    assert "Server" not in result.headers

    def respond(connection, request):
        response = connection.respond(200, "")
        response.headers.set_insecure("X-Checked", "yes")
        return response

    result = serve(GOOD, process_request=respond, server_header="Me/1")
    assert list(result.headers)[-2:] == ["x-checked", "server"]


def test_server_header_of_a_protocol(serve):
    """A Server header remains that a program's own accept() has set."""

    class Mine(ServerProtocol):
        def accept(self, request):
            response = super().accept(request)
            response.headers["Server"] = "Mine/1"
            return response

    assert serve(GOOD, protocol=Mine()).headers["Server"] == "Mine/1"
    protocol = ServerProtocol()
    protocol.accept = Mine().accept
    assert serve(GOOD, protocol=protocol).headers["Server"] == "Mine/1"


def test_server_header_of_refusals(serve):
    """Refusals carry it too."""
    assert (
        serve(GOOD.replace(b"GET", b"PUT"), server_header="Me/1").headers["Server"]
        == "Me/1"
    )
    assert (
        serve(GOOD, shutting_down=lambda: True, server_header="Me/1").headers["Server"]
        == "Me/1"
    )


# process_request


def asynchronous(function):
    """Return a coroutine function that does the same."""

    async def wrapper(*args):
        return function(*args)

    return wrapper


def synchronous(function):
    return function


KINDS = pytest.mark.parametrize("kind", [synchronous, asynchronous])


@KINDS
def test_process_request(serve, kind):
    """process_request gets connection and request; returning None goes on."""
    calls = []

    def process_request(connection, request):
        calls.append((connection.request is request, connection.response, request.path))

    result = serve(GOOD, process_request=kind(process_request))
    assert calls == [(True, None, "/chat")]
    assert result.exc is None


@KINDS
@pytest.mark.parametrize(
    "request_", [GOOD, b"GET /healthz HTTP/1.0\r\n\r\n", GOOD.replace(b"GET", b"HEAD")]
)
def test_health_check(serve, kind, request_):
    """A response of process_request is sent, whatever the request, then the end."""

    def process_request(connection, request):
        return connection.respond(200, "OK\n")

    result = serve(request_, process_request=kind(process_request))
    assert result.status == b"HTTP/1.1 200 OK"
    assert result.body == b"OK\n"
    assert result.connection.response.status_code == 200
    assert isinstance(result.exc, InvalidStatus)
    assert result.exc.response is result.connection.response
    assert result.log == [("INFO", "HTTP response sent (200 OK)")]
    assert result.network.log[1:] == ["write", "close", "abort"]


ERROR_BODY = (
    b"Failed to open a WebSocket connection.\nSee server log for more information.\n"
)


@KINDS
def test_process_request_fails(serve, kind):
    """An exception in process_request is logged, and answered with a 500."""
    failure = RuntimeError("boom")

    def process_request(connection, request):
        raise failure

    result = serve(GOOD, process_request=kind(process_request))
    assert result.status == b"HTTP/1.1 500 Internal Server Error"
    assert result.body == ERROR_BODY
    assert result.log == [
        ("ERROR", "process_request failed"),
        ("INFO", "HTTP response sent (500 Internal Server Error)"),
    ]
    assert result.errors == [failure]
    assert isinstance(result.exc, InvalidStatus)


@KINDS
def test_process_request_returns_nonsense(serve, kind):
    """Returning anything else is a mistake like another; the log says which."""
    result = serve(GOOD, process_request=kind(lambda connection, request: "OK"))
    assert result.status == b"HTTP/1.1 500 Internal Server Error"
    assert str(result.errors[0]) == (
        "process_request must return a Response or None, not str"
    )


def test_process_request_accepts(serve):
    """process_request may return the response that opens the connection, changed."""

    def process_request(connection, request):
        response = connection.protocol.accept(request)
        response.headers["X"] = "1"
        return response

    result = serve(GOOD, process_request=process_request)
    assert result.headers["X"] == "1"
    assert result.exc is None


def test_malformed_response(serve):
    """A response that can't be sent is logged, and replaced by a 500."""

    def process_request(connection, request):
        return Response(200, "OK\r\nX: y", Headers())

    result = serve(GOOD, process_request=process_request)
    assert result.status == b"HTTP/1.1 500 Internal Server Error"
    assert "Server" in result.headers
    assert result.log[0] == ("ERROR", "opening handshake failed")
    assert result.connection.response.status_code == 500


def test_response_already_sent(serve):
    """A callback that sends a response by itself is a mistake; nothing stays open."""

    def process_request(connection, request):
        connection.protocol.send_response(connection.respond(200, "OK\n"))

    result = serve(GOOD, process_request=process_request)
    assert isinstance(result.exc, InvalidState)


# process_response


@KINDS
def test_process_response(serve, kind):
    """process_response gets connection, request, response, and may change it."""
    calls = []

    def process_response(connection, request, response):
        calls.append((connection.request is request, connection.response is response))
        response.headers["X"] = "1"

    result = serve(GOOD, process_response=kind(process_response))
    assert calls == [(True, True)]
    assert result.headers["X"] == "1"
    assert result.exc is None


@KINDS
def test_process_response_replaces(serve, kind):
    """process_response may return another response."""

    def process_response(connection, request, response):
        return connection.respond(418, "tea")

    result = serve(GOOD, process_response=kind(process_response))
    assert result.body == b"tea"
    assert result.log == [("INFO", "connection rejected (418 I'm a Teapot)")]
    assert result.connection.response.status_code == 418
    assert isinstance(result.exc, InvalidStatus)


def test_process_response_insists(serve):
    """process_response may open a connection that the rules refuse."""

    def process_response(connection, request, response):
        return Response(101, "Switching Protocols", response.headers)

    protocol = ServerProtocol(origins=["http://a.test"])
    result = serve(GOOD, process_response=process_response, protocol=protocol)
    assert result.exc is None
    assert protocol.state is State.OPEN


def test_process_response_of_everything(serve):
    """process_response gets refusals and the responses of process_request too."""
    seen = []

    def process_response(connection, request, response):
        seen.append(response.status_code)

    callbacks = {"process_response": process_response}
    serve(GOOD.replace(b"GET", b"PUT"), **callbacks)
    serve(GOOD, process_request=lambda c, r: c.respond(200, ""), **callbacks)
    serve(GOOD, process_request=lambda c, r: 1 / 0, **callbacks)
    assert seen == [405, 200, 500]


@KINDS
def test_process_response_fails(serve, kind):
    """An exception in process_response is logged, and answered with a 500."""
    failure = RuntimeError("boom")

    def process_response(connection, request, response):
        raise failure

    result = serve(GOOD, process_response=kind(process_response))
    assert result.status == b"HTTP/1.1 500 Internal Server Error"
    assert result.body == ERROR_BODY
    assert "Server" in result.headers
    assert result.log == [
        ("ERROR", "process_response failed"),
        ("INFO", "connection rejected (500 Internal Server Error)"),
    ]
    assert result.errors == [failure]


def test_process_response_returns_nonsense(serve):
    """Returning anything else is a mistake like another; the log says which."""
    result = serve(GOOD, process_response=lambda connection, request, response: 200)
    assert str(result.errors[0]) == (
        "process_response must return a Response or None, not int"
    )


# Refusals


@pytest.mark.parametrize(
    ("request_", "options", "status", "exception"),
    [
        (GOOD.replace(b"GET", b"PUT"), {}, "405 Method Not Allowed", InvalidMethod),
        (
            UPGRADE.replace(b"websocket", b"h2c") + b"\r\n",
            {},
            "426 Upgrade Required",
            InvalidUpgrade,
        ),
        (
            UPGRADE + b"Origin: http://b.test\r\n\r\n",
            {"origins": ["http://a.test"]},
            "403 Forbidden",
            InvalidOrigin,
        ),
        (GOOD, {"subprotocols": ["chat"]}, "400 Bad Request", NegotiationError),
        (GOOD.replace(b": 13", b": 14"), {}, "400 Bad Request", InvalidHeader),
    ],
)
def test_refused(serve, request_, options, status, exception):
    """What the rules refuse is answered, logged, and raised."""
    result = serve(request_, protocol=ServerProtocol(**options))
    assert result.status == f"HTTP/1.1 {status}".encode()
    assert type(result.exc) is exception or isinstance(result.exc, exception)
    assert result.log == [("INFO", f"connection rejected ({status})")]
    assert result.network.log[1:] == ["write", "close", "abort"]


def test_select_subprotocol_fails(serve):
    """Mistakes in select_subprotocol are answered with a 500, and are its cause."""

    def select_subprotocol(protocol, subprotocols):
        raise RuntimeError("boom")

    protocol = ServerProtocol(select_subprotocol=select_subprotocol)
    result = serve(GOOD, protocol=protocol)
    assert result.log[0] == ("ERROR", "opening handshake failed")
    assert isinstance(result.exc, InvalidStatus)
    assert isinstance(result.exc.__cause__, RuntimeError)


def test_shutting_down(serve):
    """While the server shuts down, connections are refused with a 503."""
    result = serve(GOOD, shutting_down=lambda: True)
    assert result.status == b"HTTP/1.1 503 Service Unavailable"
    assert result.body == b"Server is shutting down.\n"
    assert result.log == [("INFO", "connection rejected (503 Service Unavailable)")]


def test_shutting_down_meanwhile(serve):
    """That's asked after process_request, which may take its time."""
    down = []

    def process_request(connection, request):
        down.append(True)

    result = serve(
        GOOD, process_request=process_request, shutting_down=lambda: bool(down)
    )
    assert result.status == b"HTTP/1.1 503 Service Unavailable"


# Malformed requests


@pytest.mark.parametrize(
    "script", [[b""], [b"GET / HT", b""], [ConnectionResetError()]]
)
def test_no_request(serve, script):
    """A client that leaves without a request gets no response."""
    result = serve(*script)
    assert result.written == b""
    assert isinstance(result.exc, InvalidMessage)
    assert isinstance(result.exc.__cause__, EOFError)
    assert result.connection.request is None


def test_malformed_request(serve):
    """A malformed request is answered by the protocol; callbacks don't see it."""
    result = serve(
        b"GET /" + b"x" * 9000, process_request=lambda c, r: pytest.fail("called")
    )
    assert result.status.startswith(b"HTTP/1.1 414 ")
    assert isinstance(result.exc, RequestLineTooLong)
    assert result.network.log[1:] == ["write", "close", "abort"]


# The network


def test_network_failure(serve):
    """Errors of the network pass, except when it's all over anyway."""
    assert isinstance(serve(TimeoutError()).exc, TimeoutError)
    result = serve(GOOD.replace(b"GET", b"PUT"), OSError("while closing"))
    assert isinstance(result.exc, InvalidMethod)


def test_family(serve):
    """Whatever a client does, the exception is an InvalidHandshake."""
    for script in [[b""], [b"\0", b""], [b"x\r\n\r\n"], [GOOD.replace(b"Host", b"X")]]:
        assert isinstance(serve(*script).exc, InvalidHandshake)
