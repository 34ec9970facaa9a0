"""HTTP Basic authentication of clients (RFC 7617).

Owns: the challenge, the comparison of credentials.
Doesn't know: connections beyond their ``username`` and ``respond()``.
"""

from __future__ import annotations

import hmac
import http
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from ..exceptions import InvalidHeader
from ..headers import build_www_authenticate_basic, parse_authorization_basic


if TYPE_CHECKING:
    from ..http11 import Request, Response
    from .server import ServerConnection

    Check = Callable[[str, str], Awaitable[bool] | bool]


__all__ = ["basic_auth"]


def basic_auth(
    realm: str = "",
    credentials: tuple[str, str] | Iterable[tuple[str, str]] | None = None,
    check_credentials: Callable[[str, str], Awaitable[bool] | bool] | None = None,
) -> Callable[[ServerConnection, Request], Awaitable[Response | None]]:
    """
    Return a ``process_request`` for :func:`serve` that asks for a name and a password.

    The name is in the attribute ``username`` of connections that open. Others get HTTP
    401. Basic authentication (RFC 7617) sends passwords in clear: use TLS. ::

        serve(handler, ..., process_request=basic_auth("area", ("jane", "secret")))

    Args:
        realm: What is protected; browsers show it. Characters of ISO-8859-1.
        credentials: A pair of name and password, or an iterable of them.
        check_credentials: Function or coroutine function that gets a name and a
            password, and tells whether they're good.

    Raises:
        ValueError: Both ``credentials`` and ``check_credentials`` were given, or none.
        TypeError: ``credentials`` aren't pairs of strings.
    """
    if (credentials is None) == (check_credentials is None):
        raise ValueError("provide either credentials or check_credentials")
    check = check_credentials or password_check(credentials)

    async def process_request(
        connection: ServerConnection,
        request: Request,
    ) -> Response | None:
        """Look for credentials in the request; answer with HTTP 401 without them."""
        try:
            authorization = request.headers["Authorization"]
        except LookupError:
            return refuse(connection, realm, "Missing credentials\n")
        try:
            username, password = parse_authorization_basic(authorization)
        except InvalidHeader:
            return refuse(connection, realm, "Unsupported credentials\n")
        good = check(username, password)
        if inspect.isawaitable(good):
            good = await good
        if not good:
            return refuse(connection, realm, "Invalid credentials\n")
        connection.username = username
        return None

    return process_request


def password_check(credentials: Any) -> Check:
    """Return a function that looks up passwords, in constant time."""
    error = TypeError("invalid credentials argument: it must be pairs of strings")
    if is_pair(credentials):
        credentials = [credentials]
    elif isinstance(credentials, Iterable):
        credentials = list(credentials)
        if not all(is_pair(pair) for pair in credentials):
            raise error
    else:
        raise error
    passwords = {name: encode(password) for name, password in credentials}

    def check(username: str, password: str) -> bool:
        """Compare with something in any case, lest names can be guessed by time."""
        expected = passwords.get(username, b"")
        return hmac.compare_digest(expected, encode(password)) and username in passwords

    return check


def is_pair(value: object) -> bool:
    """Tell whether a value is a name and a password."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return False
    return all(isinstance(item, str) for item in cast("Iterable[object]", value))


def encode(password: str) -> bytes:
    """Return bytes to compare; clients may send what isn't UTF-8."""
    return password.encode(errors="surrogateescape")


def refuse(connection: ServerConnection, realm: str, text: str) -> Response:
    """Return a response that asks for credentials."""
    response = connection.respond(http.HTTPStatus.UNAUTHORIZED, text)
    response.headers["WWW-Authenticate"] = build_www_authenticate_basic(realm)
    return response
