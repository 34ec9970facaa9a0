"""What TLS takes is given back, however its connection ends."""

from __future__ import annotations

import ssl

import pytest

from tests.asyncio.helpers import (
    client_context,
    run,
    server_context,
    serving,
    until,
    uri_of,
)
from tests.native.test_reference_leaks import (
    CONVERSATIONS,
    SILENT,
    leaks,
    leaves_nothing,
    serve_client,
    traced_memory,
)
from websockets._codec import NATIVE
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake


__all__ = ["traced_memory"]

pytestmark = pytest.mark.skipif(not NATIVE, reason="TLS of ours needs native code")


def contexts():
    """Return the server's and the client's."""
    found = server_context(), client_context()
    # OpenSSL keeps sessions that it gave tickets for.
    found[0].num_tickets = 0
    return found


@pytest.mark.parametrize("talk", CONVERSATIONS, ids=lambda talk: talk.__name__)
def test_a_conversation_over_tls_leaves_nothing(talk):
    """TLS takes more memory, and gives it back."""
    ours, theirs = contexts()
    run(lambda: leaves_nothing(talk, {"ssl": ours}, ssl=theirs))


def test_a_handshake_that_fails_leaves_nothing():
    """A certificate that isn't trusted ends TLS in the middle of its handshake."""

    async def scenario():
        ours, _ = contexts()
        stranger = ssl.create_default_context()
        async with serving(serve_client, logger=SILENT, ssl=ours) as server:

            async def once():
                with pytest.raises((ssl.SSLError, InvalidHandshake)):
                    await connect(uri_of(server, "wss"), ssl=stranger)
                await until(lambda: not server._opening_tasks())

            assert await leaks(once) == {}

    run(scenario)
