"""Arguments of handlers, and headers of older programs, as pure functions."""

from __future__ import annotations

import functools
import types

import pytest

from websockets.asyncio._handlers import add_headers, one_argument
from websockets.datastructures import Headers
from websockets.http11 import Request, Response


CONNECTION = types.SimpleNamespace(request=types.SimpleNamespace(path="/path?query"))


async def one(websocket):
    return websocket


async def two(websocket, path):
    return websocket, path


async def default(websocket, path="default"):
    return path


async def three(websocket, path, other):
    return None


class Handler:
    async def method(self, websocket, path):
        return path


def result(coro):
    with pytest.raises(StopIteration) as stop:
        coro.send(None)
    return stop.value.value


def test_path_is_passed_only_when_needed():
    """The path goes to handlers that can't do with one argument and can with two."""
    assert one_argument(one) is one
    assert one_argument(default) is default
    assert one_argument(three) is three
    assert result(one_argument(two)(CONNECTION)) == (CONNECTION, "/path?query")
    assert result(one_argument(Handler().method)(CONNECTION)) == "/path?query"


def test_handlers_in_decorators_get_what_the_decorator_takes():
    """The function that is called counts; one that takes anything asks the one inside."""

    @functools.wraps(two)
    async def give_a_database(websocket):
        return await two(websocket, "database")

    @functools.wraps(two)
    async def pass_on(*args):
        return await two(*args)

    @functools.wraps(one)
    async def pass_one_on(*args):
        return await one(*args)

    assert one_argument(give_a_database) is give_a_database
    assert result(one_argument(pass_on)(CONNECTION)) == (CONNECTION, "/path?query")
    assert one_argument(pass_one_on) is pass_one_on


def test_callables_without_signature_get_one_argument():
    """What can't be inspected is called with the connection."""
    assert one_argument(type) is type


def test_handlers_are_callable():
    """Anything else is refused, by its type."""
    with pytest.raises(TypeError, match="handler must be callable, not int"):
        one_argument(8765)


@pytest.mark.parametrize(
    "extra_headers",
    [
        {"X-Extra": "1"},
        [("X-Extra", "1")],
        lambda path, headers: {"X-Extra": headers["X-Given"]},
    ],
)
@pytest.mark.parametrize("status", [101, 403])
def test_extra_headers(extra_headers, status):
    """Extra headers are added to responses that open connections, and only there."""
    request = Request("/", Headers({"X-Given": "1"}))
    response = Response(status, "Reason", Headers())
    called = []
    process = add_headers(extra_headers, lambda *args: called.append(args))
    assert process(CONNECTION, request, response) is None
    assert called == [(CONNECTION, request, response)]
    expected = ["1"] if status == 101 else []
    assert response.headers.get_all("X-Extra") == expected


def test_extra_headers_may_be_none():
    """A function may have no headers to add; there may be no process_response."""
    response = Response(101, "Reason", Headers())
    process = add_headers(lambda path, headers: None, None)
    assert process(CONNECTION, Request("/", Headers()), response) is None
    assert not response.headers
