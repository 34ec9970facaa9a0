"""What the network of asyncio does for proxies: threads, certificates."""

from __future__ import annotations

import asyncio
import ssl
import threading

import pytest

from tests.asyncio.helpers import (
    CERTIFICATE,
    LOOPS,
    client_context,
    run_on,
    serving,
    uri_of,
)
from tests.asyncio.helpers import server_context as tls
from websockets.asyncio._network import AsyncioNetwork


every_loop = pytest.mark.parametrize("loop", LOOPS)


@every_loop
def test_a_call_runs_in_a_thread(loop):
    """A blocking call runs in a daemon thread; its result and its exception pass."""

    async def scenario():
        network = AsyncioNetwork()
        thread = await network.run_blocking(threading.current_thread)
        assert thread is not threading.current_thread()
        assert thread.daemon
        with pytest.raises(ZeroDivisionError):
            await network.run_blocking(lambda: 1 / 0)
        thread.join()

    run_on(loop, scenario)


@every_loop
@pytest.mark.parametrize("loop_is_open", [True, False])
def test_a_call_is_abandoned(loop, loop_is_open):
    """Cancelling doesn't wait for the call, nor does the end of the loop."""
    go_on = threading.Event()
    threads = []

    def call():
        threads.append(threading.current_thread())
        go_on.wait()

    async def scenario():
        task = asyncio.create_task(AsyncioNetwork().run_blocking(call))
        while not threads:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if loop_is_open:
            go_on.set()
            threads[0].join()
            await asyncio.sleep(0)

    run_on(loop, scenario)
    go_on.set()
    threads[0].join()


@every_loop
def test_the_certificate_of_the_peer(loop):
    """A stream knows the certificate of its peer when there's TLS."""

    async def scenario():
        async with serving(ssl=tls()) as server:
            port = int(uri_of(server).rpartition(":")[2])
            stream = await AsyncioNetwork().open_tcp("127.0.0.1", port)
            assert stream.peer_certificate() == b""
            stream = await stream.start_tls(client_context(), "localhost")
            pem = ssl.DER_cert_to_PEM_cert(stream.peer_certificate())
            assert pem in CERTIFICATE.read_text()
            stream.abort()
            while not stream.take_pending()[2]:
                await asyncio.sleep(0)

    run_on(loop, scenario)
