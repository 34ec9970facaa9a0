"""No test of this folder uses a proxy of the machine it runs on."""

from __future__ import annotations

import pytest

from websockets._opening import choice


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """No proxy is discovered, except what a test puts into the dictionary."""
    proxies = {}
    monkeypatch.setattr(
        choice,
        "discover_proxy",
        lambda secure, host, port, no_proxy: (
            None if no_proxy == host else proxies.get(host)
        ),
    )
    return proxies
