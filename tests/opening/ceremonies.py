"""The client's ceremony, performed over a network in memory."""

from __future__ import annotations

import pytest

from tests.opening.fakes import FakeNetwork, parse_request, run
from websockets._opening.connect import open_connection
from websockets._opening.settings import Settings
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake


def connect(uri, *scripts, network=None, process_redirect=None, **kwargs):
    """Perform the ceremony; return what it returns, and the network."""
    network = FakeNetwork(*scripts) if network is None else network
    kwargs.setdefault("create_protocol", ClientProtocol)
    settings = Settings(**kwargs)
    opened = run(open_connection(network, uri, settings, process_redirect))
    return opened, network


def refused(uri, *scripts, exception=InvalidHandshake, **kwargs):
    """Perform a ceremony that fails; return the exception and the network."""
    network = FakeNetwork(*scripts)
    with pytest.raises(exception) as info:
        connect(uri, network=network, **kwargs)
    assert not network.open
    return info.value, network


def requested(network):
    """Return the targets of all upgrade requests."""
    return [parse_request(data).path for data in network.written if data]
