"""When to connect again."""

from __future__ import annotations

import pytest

from websockets import client
from websockets._opening.retry import Retries, retry_message
from websockets.datastructures import Headers
from websockets.exceptions import (
    InvalidMessage,
    InvalidProxyMessage,
    InvalidProxyStatus,
    InvalidStatus,
    ProxyError,
    SecurityError,
)
from websockets.http11 import Response


def always(exc):
    return None


def never(exc):
    return exc


def test_delays():
    """Failures in a row take delays from one series; a success ends the series."""
    retries = Retries(always, lambda: iter([1.0, 2.0, 3.0]))
    assert [retries.failed(OSError()) for _ in range(2)] == [1.0, 2.0]
    retries.succeeded()
    assert [retries.failed(OSError()) for _ in range(3)] == [1.0, 2.0, 3.0]


def test_last_delay():
    """When the series ends, the last failure is raised."""
    retries = Retries(always, lambda: iter([1.0]))
    retries.failed(OSError("first"))
    last = OSError("last")
    with pytest.raises(OSError, match="last") as info:
        retries.failed(last)
    assert info.value is last


def test_verdict():
    """The exception that process_exception returns is raised; the failure is its cause."""
    failure = OSError("failure")
    with pytest.raises(OSError, match="failure") as info:
        Retries(never).failed(failure)
    assert info.value is failure
    assert info.value.__cause__ is None

    with pytest.raises(KeyError) as info:
        Retries(lambda exc: KeyError("verdict")).failed(failure)
    assert info.value.__cause__ is failure


def test_defaults():
    """The defaults are those of websockets.client."""
    retries = Retries()
    assert retries.process_exception is client.process_exception
    assert 0 <= retries.failed(OSError()) <= 5


@pytest.mark.parametrize("exception", [InvalidStatus, InvalidProxyStatus])
@pytest.mark.parametrize(
    ("status", "again"),
    [(status, True) for status in (500, 502, 503, 504)]
    + [(status, False) for status in (301, 400, 401, 403, 404, 407, 429, 501)],
)
def test_status(exception, status, again):
    """A server or a proxy in trouble may recover; a refusal is final."""
    exc = exception(Response(status, "", Headers()))
    assert client.process_exception(exc) is (None if again else exc)


@pytest.mark.parametrize("exception", [InvalidMessage, InvalidProxyMessage])
def test_no_answer(exception):
    """A server or a proxy that closes without answering may recover; nonsense is final."""
    exc = exception("did not receive a valid HTTP response")
    exc.__cause__ = ValueError("nonsense")
    assert client.process_exception(exc) is exc
    exc.__cause__ = EOFError("closed")
    assert client.process_exception(exc) is None


def test_unreachable_behind_socks():
    """A server that a SOCKS proxy couldn't reach may recover."""
    exc = ProxyError("failed to connect to SOCKS proxy")
    exc.__cause__ = OSError("SOCKS5 reply 5")
    assert client.process_exception(exc) is None


@pytest.mark.parametrize("exc", [OSError(), TimeoutError(), ConnectionResetError()])
def test_network(exc):
    """The network may recover."""
    assert client.process_exception(exc) is None


@pytest.mark.parametrize("exc", [ValueError(), ProxyError(), SecurityError()])
def test_final(exc):
    """Everything else is final."""
    assert client.process_exception(exc) is exc


def test_message():
    """The message names the delay and the failure, without its notes."""
    assert retry_message(OSError("broken"), 3.14) == (
        "connect failed; reconnecting in 3.1 seconds: OSError: broken"
    )
    exc = InvalidStatus(Response(503, "Later", Headers()))
    exc.add_note("a note")
    assert retry_message(exc, 0) == (
        "connect failed; reconnecting in 0.0 seconds: "
        "websockets.exceptions.InvalidStatus: "
        "server rejected WebSocket connection: HTTP 503"
    )
