"""Extensions and subprotocols: what each side offers, accepts and refuses."""

from __future__ import annotations

import pytest

from tests.protocol.handshakes import answered, opened
from websockets.exceptions import (
    InvalidHeader,
    InvalidHeaderFormat,
    NegotiationError,
)
from websockets.extensions.base import (
    ClientExtensionFactory,
    Extension,
    ServerExtensionFactory,
)
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.protocol import OPEN
from websockets.server import ServerProtocol


class NamedExtension(Extension):
    """An extension that changes nothing."""

    __slots__ = ("factory", "name", "params")

    def __init__(self, factory, params):
        self.name = factory.name
        self.factory = factory
        self.params = params


# -- extensions: the client


class ClientFactory(ClientExtensionFactory):
    """Offer an extension, and accept it unless the server wants no such thing."""

    def __init__(self, name, params=(), acceptable=True):
        self.name = name
        self.params = list(params)
        self.acceptable = acceptable

    def get_request_params(self):
        return self.params

    def process_response_params(self, params, accepted_extensions):
        if not self.acceptable:
            raise NegotiationError("unacceptable")
        self.accepted_before = list(accepted_extensions)
        return NamedExtension(self, params)


def test_accepted_extensions_are_made_by_their_factories():
    """They come in the server's order; each factory sees those before it."""
    first, second = ClientFactory("x-first"), ClientFactory("x-second")
    connection = opened(
        ("Sec-WebSocket-Extensions", "x-second; a=1"),
        ("Sec-WebSocket-Extensions", "x-first"),
        extensions=[first, second],
    )
    assert connection.state is OPEN
    assert [extension.factory for extension in connection.extensions] == [second, first]
    assert [extension.params for extension in connection.extensions] == [
        [("a", "1")],
        [],
    ]
    assert second.accepted_before == []
    assert first.accepted_before == connection.extensions[:1]


def test_first_factory_that_agrees_makes_the_extension():
    """The same extension may have been offered twice, with other parameters."""
    picky, easy = ClientFactory("x", acceptable=False), ClientFactory("x")
    connection = opened(("Sec-WebSocket-Extensions", "x"), extensions=[picky, easy])
    assert [extension.factory for extension in connection.extensions] == [easy]


@pytest.mark.parametrize(
    ("header", "extensions", "exc_type", "text"),
    [
        ("x", None, NegotiationError, "no extensions supported"),
        ("x", [], NegotiationError, "Unsupported extension: name = x, params = []"),
        (
            "x; a=1; b",
            [ClientFactory("y"), ClientFactory("x", acceptable=False)],
            NegotiationError,
            "Unsupported extension: name = x, params = [('a', '1'), ('b', None)]",
        ),
        (
            "x;;",
            [ClientFactory("x")],
            InvalidHeaderFormat,
            "invalid Sec-WebSocket-Extensions header: expected token at 2 in x;;",
        ),
    ],
)
def test_extension_that_cannot_be_used_fails_the_handshake(
    header, extensions, exc_type, text
):
    """The server must accept only what was offered (RFC 6455 §4.1)."""
    connection = opened(("Sec-WebSocket-Extensions", header), extensions=extensions)
    assert type(connection.handshake_exc) is exc_type
    assert str(connection.handshake_exc) == text
    assert connection.extensions == []


def test_extension_with_a_bug_fails_the_handshake():
    """Whatever it raises becomes the outcome of the handshake."""

    class Broken(ClientFactory):
        def process_response_params(self, params, accepted_extensions):
            raise ZeroDivisionError

    connection = opened(("Sec-WebSocket-Extensions", "x"), extensions=[Broken("x")])
    assert type(connection.handshake_exc) is ZeroDivisionError
    assert connection.close_expected()


# -- extensions: the server


class ServerFactory(ServerExtensionFactory):
    """Accept an extension once, unless a parameter says otherwise."""

    def __init__(self, name, answer=()):
        self.name = name
        self.answer = list(answer)

    def process_request_params(self, params, accepted_extensions):
        if ("bad", None) in params or self.name in [
            x.name for x in accepted_extensions
        ]:
            raise NegotiationError("declined")
        return self.answer, NamedExtension(self, params)


@pytest.mark.parametrize(
    ("offers", "factories", "answer"),
    [
        ([], [ServerFactory("x")], None),
        (["x"], None, None),
        (["x"], [], None),
        (["x;;"], [], None),
        (["y"], [ServerFactory("x")], None),
        (["x"], [ServerFactory("x")], "x"),
        (["x; a=1"], [ServerFactory("x", [("b", "2"), ("c", None)])], "x; b=2; c"),
        (["x; bad"], [ServerFactory("x")], None),
        (["x; bad, x"], [ServerFactory("x")], "x"),
        (["x, x"], [ServerFactory("x")], "x"),
        (["y, z", "x"], [ServerFactory("x"), ServerFactory("y")], "y, x"),
        (
            ["permessage-deflate; client_max_window_bits"],
            [ServerPerMessageDeflateFactory(client_max_window_bits=12)],
            "permessage-deflate; client_max_window_bits=12",
        ),
    ],
)
def test_extensions_are_accepted_in_the_order_of_the_client(offers, factories, answer):
    """What isn't known or not acceptable is left out, silently (RFC 6455 §9.1)."""
    items = [("Sec-WebSocket-Extensions", offer) for offer in offers]
    connection, response = answered(*items, extensions=factories)
    assert response.status_code == 101
    assert response.headers.get("Sec-WebSocket-Extensions") == answer
    assert [extension.name for extension in connection.extensions] == [
        item.partition(";")[0] for item in (answer.split(", ") if answer else [])
    ]


def test_factory_sees_the_parameters_of_the_offer():
    """Each offer has its own."""
    connection, _ = answered(
        ("Sec-WebSocket-Extensions", "x; bad, x; a=1"), extensions=[ServerFactory("x")]
    )
    assert [extension.params for extension in connection.extensions] == [[("a", "1")]]


def test_malformed_extensions_are_refused():
    """A header that can't be parsed isn't an offer that can be declined."""
    connection, response = answered(
        ("Sec-WebSocket-Extensions", "x;;"), extensions=[ServerFactory("x")]
    )
    assert response.status_code == 400
    assert str(connection.handshake_exc) == (
        "invalid Sec-WebSocket-Extensions header: expected token at 2 in x;;"
    )


# -- subprotocols: the client


@pytest.mark.parametrize("subprotocols", [None, ["chat"]])
def test_server_may_choose_no_subprotocol(subprotocols):
    """The connection is open without one."""
    connection = opened(subprotocols=subprotocols)
    assert connection.state is OPEN
    assert connection.subprotocol is None


def test_server_may_choose_any_subprotocol_that_was_offered():
    """The client's preference doesn't bind it."""
    connection = opened(
        ("Sec-WebSocket-Protocol", "superchat"), subprotocols=["chat", "superchat"]
    )
    assert connection.subprotocol == "superchat"


@pytest.mark.parametrize(
    ("values", "subprotocols", "exc_type", "text"),
    [
        (["chat"], None, NegotiationError, "no subprotocols supported"),
        (["chat"], [], NegotiationError, "unsupported subprotocol: chat"),
        (["other"], ["chat"], NegotiationError, "unsupported subprotocol: other"),
        (
            ["a", "b"],
            ["a", "b"],
            InvalidHeader,
            "invalid Sec-WebSocket-Protocol header: multiple values: a, b",
        ),
        (
            ["a, b"],
            ["a", "b"],
            InvalidHeader,
            "invalid Sec-WebSocket-Protocol header: multiple values: a, b",
        ),
        (
            ["a b"],
            ["a"],
            InvalidHeaderFormat,
            "invalid Sec-WebSocket-Protocol header: expected comma at 2 in a b",
        ),
    ],
)
def test_subprotocol_that_was_not_offered_fails_the_handshake(
    values, subprotocols, exc_type, text
):
    """Nor may the server choose several (RFC 6455 §4.1)."""
    items = [("Sec-WebSocket-Protocol", value) for value in values]
    connection = opened(*items, subprotocols=subprotocols)
    assert type(connection.handshake_exc) is exc_type
    assert str(connection.handshake_exc) == text
    assert connection.subprotocol is None


# -- subprotocols: the server


def choose_last(connection, subprotocols):
    assert isinstance(connection, ServerProtocol)
    return subprotocols[-1] if subprotocols else None


@pytest.mark.parametrize(
    ("offers", "kwargs", "chosen"),
    [
        ([], {}, None),
        (["a"], {}, None),
        (["a"], {"subprotocols": []}, None),
        (["a"], {"subprotocols": ["a"]}, "a"),
        (["a, b"], {"subprotocols": ["c", "b", "a"]}, "b"),
        (["a", "b"], {"subprotocols": ["b", "a"]}, "b"),
        (["a, b"], {"select_subprotocol": choose_last}, "b"),
        ([], {"select_subprotocol": choose_last}, None),
        (["a"], {"subprotocols": ["b"], "select_subprotocol": choose_last}, "a"),
    ],
)
def test_server_chooses_the_subprotocol(offers, kwargs, chosen):
    """By default, it is the first of its list that the client offers."""
    items = [("Sec-WebSocket-Protocol", offer) for offer in offers]
    connection, response = answered(*items, **kwargs)
    assert response.status_code == 101
    assert response.headers.get("Sec-WebSocket-Protocol") == chosen
    assert connection.subprotocol == chosen


def refuse(connection, subprotocols):
    raise NegotiationError(f"none of {subprotocols}") from KeyError("internal")


@pytest.mark.parametrize(
    ("offers", "kwargs", "text"),
    [
        ([], {"subprotocols": ["a"]}, "missing subprotocol"),
        (
            ["c"],
            {"subprotocols": ["a", "b"]},
            "invalid subprotocol; expected one of a, b",
        ),
        (["c"], {"select_subprotocol": refuse}, "none of ['c']"),
        (
            ["a b"],
            {},
            "invalid Sec-WebSocket-Protocol header: expected comma at 2 in a b",
        ),
        ([""], {}, "invalid Sec-WebSocket-Protocol header: expected token at 0 in "),
    ],
)
def test_connection_without_common_subprotocol_is_refused(offers, kwargs, text):
    """The response says why, and nothing about the server's internals."""
    items = [("Sec-WebSocket-Protocol", offer) for offer in offers]
    connection, response = answered(*items, **kwargs)
    assert response.status_code == 400
    assert response.body.decode() == f"Failed to open a WebSocket connection: {text}.\n"
    assert str(connection.handshake_exc) == text
    assert connection.subprotocol is None


@pytest.mark.parametrize("subprotocols", ["chat", [1], ["a b"]])
def test_subprotocols_of_a_server_must_be_a_list_of_tokens(subprotocols):
    """A string is a list of letters: that is never meant."""
    with pytest.raises((TypeError, ValueError), match="subprotocol"):
        ServerProtocol(subprotocols=subprotocols)
