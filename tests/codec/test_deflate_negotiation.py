"""Negotiation of permessage-deflate (RFC 7692 §7.1)."""

from __future__ import annotations

import itertools
import re
import types
import zlib
from pathlib import Path

import pytest

from websockets.exceptions import NegotiationError
from websockets.extensions import (
    ClientExtensionFactory,
    Extension,
    ServerExtensionFactory,
)
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
    enable_client_permessage_deflate,
    enable_server_permessage_deflate,
)
from websockets.typing import ExtensionName


TABLE = Path(__file__).with_name("data") / "negotiation.txt"

ROWS = [
    tuple(line.split(" | "))
    for line in TABLE.read_text().splitlines()
    if line and not line.startswith("#")
]


def read(text):
    """Turn "a; b=1" into pairs."""
    pairs = [] if text == "-" else [item.partition("=") for item in text.split("; ")]
    return [(name, value if equal else None) for name, equal, value in pairs]


def write(params):
    """Turn pairs into "a; b=1"."""
    items = [name if value is None else f"{name}={value}" for name, value in params]
    return "; ".join(items) or "-"


def outcome(extension):
    """Describe what holds, as the table does."""
    remote = " fresh" if extension.remote_no_context_takeover else ""
    local = " fresh" if extension.local_no_context_takeover else ""
    return (
        f"remote {extension.remote_max_window_bits}{remote}, "
        f"local {extension.local_max_window_bits}{local}"
    )


def factory(side, config):
    """Make a factory from a column of the table."""
    settings = {
        name: True if value is None else int(value) for name, value in read(config)
    }
    if side == "server":
        return ServerPerMessageDeflateFactory(**settings)
    settings.setdefault("client_max_window_bits", None)
    return ClientPerMessageDeflateFactory(**settings)


def test_the_table_is_read():
    """The table has rows for both sides, good and bad."""
    kinds = {(side, "Error" in result) for side, _, _, result in ROWS}
    assert len(kinds) == 4
    assert len(ROWS) > 300


@pytest.mark.parametrize(("side", "config", "params", "expected"), ROWS)
def test_negotiation_is_that_of_17_4(side, config, params, expected):
    """Every configuration answers every offer or response as 17.4 does."""
    negotiator = factory(side, config)
    try:
        if side == "server":
            response, extension = negotiator.process_request_params(read(params), [])
            result = f"{write(response)} => {outcome(extension)}"
        else:
            extension = negotiator.process_response_params(read(params), [])
            result = outcome(extension)
    except NegotiationError as exc:
        # An unknown name or a wrong value is a kind of NegotiationError.
        result = f"{type(exc).__name__}: {exc}"
    assert result == expected


@pytest.mark.parametrize("fresh", list(itertools.product([False, True], repeat=4)))
@pytest.mark.parametrize("server_bits", [None, 9, 15])
@pytest.mark.parametrize("client_bits", [None, True, 9, 15])
def test_our_two_sides_agree(fresh, server_bits, client_bits):
    """Whatever both sides want, what one sends is what the other expects."""
    client = ClientPerMessageDeflateFactory(
        *fresh[:2], server_max_window_bits=None, client_max_window_bits=client_bits
    )
    server = ServerPerMessageDeflateFactory(
        *fresh[2:], server_max_window_bits=server_bits, client_max_window_bits=12
    )
    response, ours = server.process_request_params(client.get_request_params(), [])
    theirs = client.process_response_params(response, [])
    assert ours.remote_max_window_bits >= theirs.local_max_window_bits
    assert theirs.remote_max_window_bits == ours.local_max_window_bits
    assert ours.local_no_context_takeover == theirs.remote_no_context_takeover
    assert ours.remote_no_context_takeover <= theirs.local_no_context_takeover


@pytest.mark.parametrize(
    ("settings", "offer"),
    [
        ({}, "client_max_window_bits"),
        ({"client_max_window_bits": None}, "-"),
        ({"client_max_window_bits": 12}, "client_max_window_bits=12"),
        (
            {"server_max_window_bits": 8},
            "server_max_window_bits=8; client_max_window_bits",
        ),
        (
            {"server_no_context_takeover": True, "client_no_context_takeover": True},
            "server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
        ),
    ],
)
def test_offer(settings, offer):
    """A client offers what it is configured to, and else lets its window be chosen."""
    assert (
        write(ClientPerMessageDeflateFactory(**settings).get_request_params()) == offer
    )


def test_duplicates_are_refused():
    """The extension stands once in a connection, whatever other extensions there are."""

    class Other(Extension):
        name = ExtensionName("other")

    deflate = PerMessageDeflate(False, False, 15, 15)
    client, server = ClientPerMessageDeflateFactory(), ServerPerMessageDeflateFactory()
    client.process_response_params([], [Other()])
    server.process_request_params([], [Other()])
    with pytest.raises(NegotiationError) as raised:
        client.process_response_params([], [Other(), deflate])
    assert str(raised.value) == "received duplicate permessage-deflate"
    with pytest.raises(NegotiationError) as raised:
        server.process_request_params([], [Other(), deflate])
    assert str(raised.value) == "skipped duplicate permessage-deflate"


@pytest.mark.parametrize(
    ("make", "settings", "text"),
    [
        (
            ClientPerMessageDeflateFactory,
            {"server_max_window_bits": 7},
            "server_max_window_bits must be between 8 and 15",
        ),
        (
            ClientPerMessageDeflateFactory,
            {"server_max_window_bits": 16},
            "server_max_window_bits must be between 8 and 15",
        ),
        (
            ClientPerMessageDeflateFactory,
            {"client_max_window_bits": 8},
            "client_max_window_bits must be between 9 and 15",
        ),
        (
            ClientPerMessageDeflateFactory,
            {"compress_settings": {"wbits": 12}},
            "compress_settings must not include wbits, set client_max_window_bits instead",
        ),
        (
            ServerPerMessageDeflateFactory,
            {"server_max_window_bits": 8},
            "server_max_window_bits must be between 9 and 15",
        ),
        (
            ServerPerMessageDeflateFactory,
            {"client_max_window_bits": 16},
            "client_max_window_bits must be between 8 and 15",
        ),
        (
            ServerPerMessageDeflateFactory,
            {"client_max_window_bits": True},
            "client_max_window_bits must be between 8 and 15",
        ),
        (
            ServerPerMessageDeflateFactory,
            {"require_client_max_window_bits": True},
            "require_client_max_window_bits is enabled, "
            "but client_max_window_bits isn't configured",
        ),
        (
            ServerPerMessageDeflateFactory,
            {"compress_settings": {"wbits": 12}},
            "compress_settings must not include wbits, set server_max_window_bits instead",
        ),
    ],
)
def test_wrong_configuration(make, settings, text):
    """A factory refuses what it could not negotiate, in the words of 17.4."""
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        make(**settings)


@pytest.mark.parametrize(
    "make", [ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory]
)
def test_wrong_setting_of_zlib(make):
    """A setting that zlib doesn't know fails when it's made, not at the first message."""
    with pytest.raises(TypeError, match="mem_level"):
        make(compress_settings={"mem_level": 5})


@pytest.mark.parametrize(
    ("enable", "make"),
    [
        (enable_client_permessage_deflate, ClientPerMessageDeflateFactory),
        (enable_server_permessage_deflate, ServerPerMessageDeflateFactory),
    ],
)
def test_enable(enable, make):
    """Compression is added once, behind other extensions, and the list isn't changed."""

    class Other(ClientExtensionFactory, ServerExtensionFactory):
        name = ExtensionName("other")

    (added,) = enable(None)
    assert isinstance(added, make)
    mine = [Other()]
    assert [type(factory) for factory in enable(mine)] == [Other, make]
    assert [type(factory) for factory in mine] == [Other]
    there = (make(), Other())
    assert enable(there) is there


def test_default_of_clients():
    """By default, a client lets the server choose its window."""
    (client,) = enable_client_permessage_deflate(None)
    assert write(client.get_request_params()) == "client_max_window_bits"
    assert client.compress_settings == {"memLevel": 5}


def test_default_of_servers():
    """By default, a server limits both windows to 4 KiB, as far as the client lets it."""
    (server,) = enable_server_permessage_deflate(None)
    params, extension = server.process_request_params(
        [("client_max_window_bits", None)], []
    )
    assert write(params) == "server_max_window_bits=12; client_max_window_bits=12"
    assert extension.compress_settings == {"memLevel": 5}
    params, extension = server.process_request_params([], [])
    assert write(params) == "server_max_window_bits=12"
    assert outcome(extension) == "remote 15, local 12"


@pytest.mark.parametrize("side", ["client", "server"])
def test_settings_are_passed_on(side):
    """Threshold, settings and engine reach the extension."""
    engine = types.SimpleNamespace(
        compressobj=zlib.compressobj, decompressobj=zlib.decompressobj
    )
    settings = {"compress_settings": {"level": 1}, "compress_threshold": 10}
    if side == "client":
        client = ClientPerMessageDeflateFactory(**settings, engine=engine)
        extension = client.process_response_params([], [])
    else:
        server = ServerPerMessageDeflateFactory(**settings, engine=engine)
        _, extension = server.process_request_params([], [])
    assert extension.compress_settings == {"level": 1}
    assert extension.compress_threshold == 10
    assert extension.engine is engine


def test_assigned_attributes_count():
    """A factory's attributes may be assigned after it was made."""
    client = ClientPerMessageDeflateFactory()
    client.client_max_window_bits = 10
    assert write(client.get_request_params()) == "client_max_window_bits=10"
