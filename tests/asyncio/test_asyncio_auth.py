"""HTTP Basic authentication on servers."""

from __future__ import annotations

import pytest

from tests.asyncio.helpers import run, serving, uri_of
from websockets.asyncio.client import connect
from websockets.asyncio.server import basic_auth
from websockets.exceptions import InvalidStatus


def attempt(headers=None, user="", **kwargs):
    """Return the name of the user, or the response that refuses it."""

    async def scenario():
        process_request = basic_auth("area", **kwargs)
        names = []

        async def handler(websocket):
            names.append(websocket.username)

        async with serving(handler, process_request=process_request) as server:
            uri = uri_of(server).replace("ws://", f"ws://{user}")
            try:
                async with connect(uri, additional_headers=headers) as websocket:
                    await websocket.wait_closed()
            except InvalidStatus as exc:
                return exc.response
            return names[0]

    return run(scenario)


async def check_later(username, password):
    return (username, password) == ("jane", "secret")


@pytest.mark.parametrize(
    "kwargs",
    [
        {"credentials": ("jane", "secret")},
        {"credentials": ["jane", "secret"]},
        {"credentials": [("joe", "x"), ("jane", "secret")]},
        {"credentials": iter([("jane", "secret")])},
        {"check_credentials": lambda *pair: pair == ("jane", "secret")},
        {"check_credentials": check_later},
    ],
)
def test_credentials_let_in(kwargs):
    """The right name and password open the connection, which knows the name."""
    assert attempt(user="jane:secret@", **kwargs) == "jane"


@pytest.mark.parametrize(
    "kwargs",
    [{"credentials": ("jane", "secret")}, {"check_credentials": check_later}],
)
@pytest.mark.parametrize(
    ("user", "headers", "text"),
    [
        ("", None, b"Missing credentials\n"),
        ("", {"Authorization": "Bearer x"}, b"Unsupported credentials\n"),
        ("", {"Authorization": "Basic @@"}, b"Unsupported credentials\n"),
        ("jane:wrong@", None, b"Invalid credentials\n"),
        ("joe:secret@", None, b"Invalid credentials\n"),
        ("joe:@", None, b"Invalid credentials\n"),
        ("", {"Authorization": "Basic amFuZTr/"}, b"Invalid credentials\n"),
    ],
)
def test_others_stay_out(kwargs, user, headers, text):
    """Others get HTTP 401, a challenge, and the reason."""
    response = attempt(headers, user, **kwargs)
    assert response.status_code == 401
    assert response.body == text
    assert response.headers["WWW-Authenticate"] == 'Basic realm="area", charset="UTF-8"'


def test_one_kind_of_check_is_needed():
    """Exactly one of credentials and check_credentials is given."""
    for kwargs in ({}, {"credentials": ("a", "b"), "check_credentials": check_later}):
        with pytest.raises(ValueError, match="either credentials or check_credentials"):
            basic_auth(**kwargs)


@pytest.mark.parametrize("credentials", [3, [3], ("jane", 3), {"jane": "secret"}])
def test_credentials_are_pairs(credentials):
    """Anything else is refused, without telling what it is: it may be a secret."""
    with pytest.raises(TypeError, match="invalid credentials argument") as raised:
        basic_auth(credentials=credentials)
    assert "secret" not in str(raised.value)
