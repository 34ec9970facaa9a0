"""Attributes of connections that older programs use; each warns.

Owns: what they mean today.
Doesn't know: anything new.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ..protocol import CLOSED, OPEN


if TYPE_CHECKING:
    from ..datastructures import Headers
    from ..http11 import Request, Response
    from ..protocol import State


__all__ = ["DeprecatedAttributes"]


def warn(name: str, instead: str) -> None:
    warnings.warn(
        f"connection.{name} is deprecated; use {instead}", DeprecationWarning, stacklevel=3
    )


class DeprecatedAttributes:
    """What connections had before version 14."""

    if TYPE_CHECKING:
        request: Request | None
        response: Response | None

        @property
        def state(self) -> State: ...

    @property
    def open(self) -> bool:
        """Whether the connection is open."""
        warn("open", "connection.state is State.OPEN")
        return self.state is OPEN

    @property
    def closed(self) -> bool:
        """Whether the connection is closed."""
        warn("closed", "connection.state is State.CLOSED")
        return self.state is CLOSED

    @property
    def path(self) -> str | None:
        """Path and query of the request."""
        warn("path", "connection.request.path")
        return None if self.request is None else self.request.path

    @property
    def request_headers(self) -> Headers | None:
        """Headers of the request."""
        warn("request_headers", "connection.request.headers")
        return None if self.request is None else self.request.headers

    @property
    def response_headers(self) -> Headers | None:
        """Headers of the response."""
        warn("response_headers", "connection.response.headers")
        return None if self.response is None else self.response.headers
