"""No test of this folder uses a proxy of the machine it runs on."""

from __future__ import annotations

import pytest

from websockets._opening import route as route_module


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """No proxy is discovered, except what a test puts into the dictionary."""
    proxies = {}
    monkeypatch.setattr(
        route_module, "discover_proxy", lambda secure, host, port: proxies.get(host)
    )
    return proxies
