"""
The old names for HTTP Basic authentication on a server (above all layers).

Deprecated: importing it warns. :func:`~websockets.asyncio.server.basic_auth` makes the
``process_request`` argument of ``serve()``; it takes the same arguments as
``basic_auth_protocol_factory`` did, except ``create_protocol``. The connection has the
attribute ``username``, as before.
"""

from __future__ import annotations

import warnings

from .asyncio.server import (
    ServerConnection as BasicAuthWebSocketServerProtocol,
)
from .asyncio.server import (
    basic_auth as basic_auth_protocol_factory,
)


__all__ = ["BasicAuthWebSocketServerProtocol", "basic_auth_protocol_factory"]

warnings.warn(
    "websockets.auth is deprecated; use basic_auth() of websockets.asyncio.server",
    DeprecationWarning,
    stacklevel=2,
)
