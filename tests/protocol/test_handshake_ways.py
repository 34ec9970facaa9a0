"""Two ways through the opening handshake: the usual one, and the strict one."""

from __future__ import annotations

import itertools

import pytest

from tests.protocol.handshakes import ACCEPT, KEY, client
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHeaderFormat
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.protocol import CONNECTING, OPEN, SEND_EOF
from websockets.server import ServerProtocol
from websockets.uri import parse_uri


DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
REQUEST = [
    "Host: example.com",
    "Upgrade: websocket",
    "Connection: Upgrade",
    f"Sec-WebSocket-Key: {KEY}",
    "Sec-WebSocket-Version: 13",
]
RESPONSE = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    f"Sec-WebSocket-Accept: {ACCEPT}",
]
CHANGES = [
    None,
    "Host: example.org",
    "Upgrade: h2c",
    "Connection: close",
    "Connection: keep-alive, Upgrade",
    "Sec-WebSocket-Key: short",
    "Sec-WebSocket-Key: " + "a" * 24,
    "Sec-WebSocket-Version: 8",
    "Sec-WebSocket-Accept: wrong",
    "Origin: https://example.com",
    "Origin: https://example.org",
    DEFLATE,
    "Sec-WebSocket-Extensions: permessage-deflate; no_such_parameter",
    "Sec-WebSocket-Extensions: ;",
    "Sec-WebSocket-Extensions: " + "a, " * 99 + "permessage-deflate",
    "Sec-WebSocket-Protocol: chat",
    "Sec-WebSocket-Protocol: a, b",
    "Sec-WebSocket-Protocol: ;",
    "Content-Length: 1",
    "Folded: a\r\n b",
]


def message(first, lines, change):
    """Return a message with a header changed, added, or as it is."""
    name = (change or "").partition(":")[0]
    kept = [line for line in lines if not change or line.partition(":")[0] != name]
    added = [change] if change else []
    return "\r\n".join([first, *kept, *added, "", ""]).encode()


def outcome(protocol):
    """Return what shows of a protocol."""
    return (
        protocol.state,
        protocol.data_to_send(),
        repr(protocol.events_received()),
        repr(protocol.handshake_exc),
        repr(protocol.extensions),
        protocol.subprotocol,
        protocol.origin,
    )


def respond(protocol):
    """Send the response, if the request was received, after a look at the headers."""
    for request in protocol.events:
        assert "Host" in request.headers
        protocol.send_response(protocol.accept(request))


@pytest.mark.parametrize("settings", [{}, {"origins": ["https://example.com"]}])
@pytest.mark.parametrize("subprotocols", [None, ["chat"]])
@pytest.mark.parametrize(
    "select", [None, lambda protocol, offered: offered[0] if offered else None]
)
def test_servers_judge_in_the_same_way(monkeypatch, settings, subprotocols, select):
    """A request in one piece has the outcome of one that comes in two."""
    monkeypatch.setattr("email.utils.formatdate", lambda usegmt: "now")
    for change, more in itertools.product(CHANGES, [b"", b"\x81"]):
        data = message("GET / HTTP/1.1", REQUEST, change) + more
        outcomes = []
        for cut in (len(data), 1):
            protocol = ServerProtocol(
                extensions=[ServerPerMessageDeflateFactory()],
                subprotocols=subprotocols,
                select_subprotocol=select,
                **settings,
            )
            protocol.receive_data(data[:cut])
            if cut < len(data):
                protocol.receive_data(data[cut:])
            respond(protocol)
            protocol.receive_eof()
            outcomes.append(outcome(protocol))
        assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("extensions", [None, [ClientPerMessageDeflateFactory()]])
@pytest.mark.parametrize("subprotocols", [None, ["chat"]])
def test_clients_judge_in_the_same_way(extensions, subprotocols):
    """A response in one piece has the outcome of one that comes in two."""
    for change, more in itertools.product(CHANGES, [b"", b"\x81"]):
        data = message("HTTP/1.1 101 Switching", RESPONSE, change) + more
        outcomes = []
        for cut in (len(data), 1):
            protocol = client(extensions=extensions, subprotocols=subprotocols)
            protocol.receive_data(data[:cut])
            if cut < len(data):
                protocol.receive_data(data[cut:])
            protocol.receive_eof()
            outcomes.append(outcome(protocol))
        assert outcomes[0] == outcomes[1]


def test_frames_wait_for_the_response():
    """What follows a request is read when the connection is open."""
    protocol = ServerProtocol()
    protocol.receive_data(message("GET / HTTP/1.1", REQUEST, None))
    protocol.receive_data(b"\x89\x80")
    protocol.receive_data(b"\0\0\0\0")
    [request] = protocol.events_received()
    assert protocol.state is CONNECTING
    protocol.send_response(protocol.accept(request))
    assert protocol.data_to_send()[1:] == [b"\x8a\x00"]


def test_nothing_is_read_after_the_end():
    """Bytes after the end of the stream are an error, before a request, too."""
    for protocol in (ServerProtocol(), client()):
        protocol.receive_eof()
        with pytest.raises(EOFError, match="stream ended"):
            protocol.receive_data(b"GET / HTTP/1.1\r\n")


class Server(ServerProtocol):
    """A server that chooses in its own way."""

    def process_subprotocol(self, headers):
        return "own"


class Client(ClientProtocol):
    """A client that takes no extensions."""

    def process_extensions(self, headers):
        raise InvalidHeaderFormat("Sec-WebSocket-Extensions", "none", "", 0)


def test_subclasses_decide():
    """What a subclass overrides is called, whatever the headers are."""
    server = Server()
    server.receive_data(message("GET / HTTP/1.1", REQUEST, None))
    [request] = server.events_received()
    response = server.accept(request)
    assert response.headers["Sec-WebSocket-Protocol"] == server.subprotocol == "own"

    other = Client(parse_uri("ws://example.com/"))
    other.key = KEY
    other.receive_data(message("HTTP/1.1 101 OK", RESPONSE, None))
    assert isinstance(other.handshake_exc, InvalidHeaderFormat)
    assert other.data_to_send() == [SEND_EOF]


class Reading(ClientProtocol):
    """A client that reads in its own way, which is the same."""

    def parse(self):
        yield from super().parse()


@pytest.mark.parametrize("state", [CONNECTING, OPEN])
def test_subclasses_read(state):
    """What a subclass does to read is done from the first byte on."""
    protocol = Reading(parse_uri("ws://example.com/"), state=state)
    protocol.key = KEY
    if state is CONNECTING:
        protocol.receive_data(message("HTTP/1.1 101 OK", RESPONSE, None))
    protocol.receive_data(b"\x82\x01a")
    assert protocol.state is OPEN
    assert protocol.events_received()[-1].data == b"a"


def test_a_method_of_an_object_decides():
    """select_subprotocol may be assigned to an object, too."""
    server = ServerProtocol()
    server.select_subprotocol = lambda offered: "own"
    server.receive_data(message("GET / HTTP/1.1", REQUEST, None))
    [request] = server.events_received()
    server.send_response(server.accept(request))
    assert (server.state, server.subprotocol) == (OPEN, "own")


def test_a_program_may_change_the_request():
    """Headers that a program changes before accept() are judged as they are."""
    server = ServerProtocol()
    server.receive_data(message("GET / HTTP/1.1", REQUEST, None))
    [request] = server.events_received()
    del request.headers["Sec-WebSocket-Version"]
    request.headers["Sec-WebSocket-Version"] = "8"
    assert server.accept(request).status_code == 400


def test_date_is_that_of_the_standard_library():
    """Programs may replace the function that makes the date, in their tests."""
    before = ServerProtocol().reject(200, "").headers["Date"]
    assert before.endswith(" GMT")
