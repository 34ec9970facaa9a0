"""What programs give to ``serve()``, made to fit: handlers and headers.

Owns: how many arguments a handler gets; extra headers of responses.
Doesn't know: connections beyond ``request``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..datastructures import Headers, HeadersLike


if TYPE_CHECKING:
    from .._opening.accept import ProcessResponse
    from ..http11 import Request, Response


__all__ = ["add_headers", "one_argument"]


def one_argument(handler: Callable[..., Awaitable[None]]) -> Callable[[Any], Any]:
    """
    Return a handler that takes a connection.

    Handlers of older programs take a second argument: the path of the request, with its
    query. They get it when one argument doesn't fit, and two do.

    Args:
        handler: What the program gave.

    Raises:
        TypeError: It can't be called.
    """
    if not callable(handler):
        raise TypeError(f"handler must be callable, not {type(handler).__name__}")
    # What is called is the outermost function; functools.wraps makes it look like the
    # one inside, which may take other arguments.
    for follow_wrapped in (False, True):
        try:
            signature = inspect.signature(handler, follow_wrapped=follow_wrapped)
        except (TypeError, ValueError):  # of some callables written in C
            return handler
        if not fits(signature, 2):
            return handler
        if not fits(signature, 1):
            break
    else:
        return handler

    def handler_with_path(connection: Any) -> Awaitable[None]:
        """Call the handler with the connection and the path of its request."""
        return handler(connection, connection.request.path)

    return handler_with_path


def fits(signature: inspect.Signature, count: int) -> bool:
    """Tell whether a function can be called with that many positional arguments."""
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def add_headers(
    extra_headers: HeadersLike | Callable[[str, Headers], HeadersLike | None],
    process_response: ProcessResponse | None,
) -> ProcessResponse:
    """
    Return a ``process_response`` that adds headers to responses that open connections.

    Args:
        extra_headers: Headers, or a function of the path and the headers of the request
            that returns headers, or :obj:`None` for none.
        process_response: What the program wants besides.
    """

    def process_with_headers(
        connection: Any,
        request: Request,
        response: Response,
    ) -> Awaitable[Response | None] | Response | None:
        """Add the headers, then do what the program wants."""
        if response.status_code == 101:
            if callable(extra_headers):
                headers = extra_headers(request.path, request.headers)
            else:
                headers = extra_headers
            for name, value in Headers(headers or ()).raw_items():
                response.headers[name] = value
        if process_response is None:
            return None
        return process_response(connection, request, response)

    return process_with_headers
