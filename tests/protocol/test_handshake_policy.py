"""Both sides joined, retries, and names that are deprecated."""

from __future__ import annotations

import importlib
import itertools
import os
import random
import ssl
import subprocess
import sys
import typing

import hypothesis.strategies as st
import pytest
from hypothesis import given

from websockets import client, server
from websockets.client import (
    ClientConnection,
    ClientProtocol,
    backoff,
    process_exception,
)
from websockets.datastructures import Headers
from websockets.exceptions import (
    InvalidHandshake,
    InvalidMessage,
    InvalidProxyMessage,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
    SecurityError,
)
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CLOSED, OPEN, Event
from websockets.server import ServerConnection, ServerProtocol
from websockets.uri import parse_uri


URI = parse_uri("ws://ann:secret@example.com/chat")

bits = st.none() | st.integers(9, 15)


@given(
    st.booleans(), st.booleans(), bits, bits | st.just(True),
    st.booleans(), st.booleans(), bits, bits,
    st.data(),
)  # fmt: skip
def test_both_sides_agree(a, b, c, d, e, f, g, h, data):
    """Whatever they are set to, they open a connection and understand each other."""
    here = ClientProtocol(
        URI,
        extensions=[ClientPerMessageDeflateFactory(a, b, c, d)],
        subprotocols=["chat", "superchat"],
    )
    there = ServerProtocol(
        extensions=[ServerPerMessageDeflateFactory(e, f, g, h)],
        subprotocols=["superchat"],
    )
    here.send_request(here.connect())
    [sent] = here.data_to_send()
    cut = data.draw(st.integers(0, len(sent)))
    there.receive_data(sent[:cut])
    there.receive_data(sent[cut:])
    [request] = there.events_received()
    there.send_response(there.accept(request))
    there.send_text(b"hello " * 3)
    sent = b"".join(there.data_to_send())
    cut = data.draw(st.integers(0, len(sent)))
    here.receive_data(sent[:cut])
    here.receive_data(sent[cut:])
    assert (here.state, there.state) == (OPEN, OPEN)
    assert (here.subprotocol, there.subprotocol) == ("superchat", "superchat")
    assert len(here.extensions) == len(there.extensions)
    [response, frame] = here.events_received()
    assert response.status_code == 101
    assert frame == Frame(Opcode.TEXT, b"hello " * 3)
    here.send_binary(b"\x00" * 100)
    there.receive_data(b"".join(here.data_to_send()))
    assert there.events_received() == [Frame(Opcode.BINARY, b"\x00" * 100)]


def test_refusal_reaches_the_client():
    """The client has the response of the server, and both end closed."""
    here, there = ClientProtocol(URI), ServerProtocol(subprotocols=["chat"])
    here.send_request(here.connect())
    there.receive_data(b"".join(here.data_to_send()))
    [request] = there.events_received()
    there.send_response(there.accept(request))
    here.receive_data(b"".join(there.data_to_send()))
    assert isinstance(here.handshake_exc, InvalidStatus)
    assert here.handshake_exc.response.body == (
        b"Failed to open a WebSocket connection: missing subprotocol.\n"
    )
    here.receive_eof()
    there.receive_eof()
    assert (here.state, there.state) == (CLOSED, CLOSED)


def test_state_is_assignable():
    """Programs that drive a protocol themselves set it."""
    connection = ServerProtocol()
    connection.state = OPEN
    assert connection.state is OPEN


def test_event_names_the_types_of_events():
    """Programs that drive a protocol import it from websockets.protocol."""
    assert typing.get_args(Event) == (Request, Response, Frame)


# -- retries


def test_backoff_is_random_first_and_grows_then(monkeypatch):
    """The first delay is a share of 5 seconds; then 3.1 grows by 1.618 up to 90."""
    monkeypatch.setattr(random, "random", lambda: 0.25)
    delays = list(itertools.islice(backoff(), 11))
    assert delays[0] == 1.25
    assert delays[1:9] == pytest.approx([3.1 * 1.618**n for n in range(8)])
    assert delays[9:] == [90.0, 90.0]


def test_backoff_takes_parameters(monkeypatch):
    """Initial, minimum, maximum, factor."""
    monkeypatch.setattr(random, "random", lambda: 1.0)
    assert list(itertools.islice(backoff(2, 3, 10, 2), 5)) == [2, 3, 6, 10, 10]


def test_backoff_is_set_by_the_environment():
    """The defaults are read when the module is imported."""
    program = "from websockets import client; print(client.backoff.__defaults__)"
    names = ["INITIAL_DELAY", "MIN_DELAY", "MAX_DELAY", "FACTOR"]
    settings = {f"WEBSOCKETS_BACKOFF_{name}": str(n) for n, name in enumerate(names)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **settings},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "(0.0, 1.0, 2.0, 3.0)\n"


def status(code, exc_type=InvalidStatus):
    return exc_type(Response(code, "", Headers()))


def caused(exc, cause):
    exc.__cause__ = cause
    return exc


@pytest.mark.parametrize(
    "exc",
    [
        OSError(),
        ConnectionRefusedError(),
        TimeoutError(),
        ssl.SSLError(),
        caused(InvalidMessage(), EOFError()),
        caused(InvalidProxyMessage(), EOFError()),
        *map(status, [500, 502, 503, 504]),
        *[status(code, InvalidProxyStatus) for code in [500, 502, 503, 504]],
    ],
    ids=repr,
)
def test_passing_failures_are_worth_another_attempt(exc):
    """The network, timeouts, servers and proxies that start, stop or are overloaded."""
    assert process_exception(exc) is None


@pytest.mark.parametrize(
    "exc",
    [
        ValueError(),
        EOFError(),
        InvalidURI("", ""),
        InvalidHandshake(),
        SecurityError(),
        InvalidMessage(),
        caused(InvalidMessage(), ValueError()),
        InvalidProxyMessage(),
        caused(InvalidProxyMessage(), ValueError()),
        *map(status, [301, 400, 401, 403, 404, 429, 501, 505]),
        *[status(code, InvalidProxyStatus) for code in [401, 403, 407, 501]],
    ],
    ids=repr,
)
def test_lasting_failures_are_raised(exc):
    """Trying again wouldn't help."""
    assert process_exception(exc) is exc


# -- deprecated names


@pytest.mark.parametrize(
    ("make", "name", "successor"),
    [
        (lambda: ClientConnection(URI), "ClientConnection", "ClientProtocol"),
        (lambda: ServerConnection(), "ServerConnection", "ServerProtocol"),
    ],
)
def test_former_classes_warn(make, name, successor):
    """They still work; the warning points to the line that uses them."""
    with pytest.warns(
        DeprecationWarning, match=f"{name} was renamed to {successor}$"
    ) as caught:
        connection = make()
    assert [warning.filename for warning in caught] == [__file__]
    assert type(connection).__mro__[1].__name__ == successor


@pytest.mark.parametrize(
    ("module", "name", "target"),
    [
        (client, "WebSocketClientProtocol", "ClientConnection"),
        (client, "connect", "connect"),
        (client, "unix_connect", "unix_connect"),
        (server, "WebSocketServer", "Server"),
        (server, "WebSocketServerProtocol", "ServerConnection"),
        (server, "broadcast", "broadcast"),
        (server, "serve", "serve"),
        (server, "unix_serve", "unix_serve"),
    ],
)
def test_former_names_stand_for_those_of_asyncio(module, name, target):
    """The warning gives the old name and points to the line that uses it."""
    vars(module).pop(name, None)  # the first use stores it
    text = f"^{module.__name__}.{name} is deprecated$".replace(".", r"\.")
    with pytest.warns(DeprecationWarning, match=text) as caught:
        value = getattr(module, name)
    assert [warning.filename for warning in caught] == [__file__]
    home = importlib.import_module(
        module.__name__.replace("websockets.", "websockets.asyncio.")
    )
    assert value is getattr(home, target)
    vars(module).pop(name)


@pytest.mark.parametrize("module", [client, server])
def test_other_names_do_not_exist(module):
    """Asking for them raises what Python raises."""
    with pytest.raises(
        AttributeError, match=f"^module '{module.__name__}' has no attribute 'x'$"
    ):
        module.x  # noqa: B018  # looking it up is the test
