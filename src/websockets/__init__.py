"""
WebSocket clients and servers.

``connect()`` and ``serve()`` are for :mod:`asyncio`; ``recv()`` and ``send()`` are all
you must understand::

    async with connect("ws://localhost:8765") as websocket:
        await websocket.send("Hello world!")
        print(await websocket.recv())

This module only hands names on, and imports what has them when they are used: programs
don't load what they don't need. Submodules are reachable in the same way.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._aliases import deprecated_aliases
from .version import version as __version__  # noqa: F401  # programs compare it


if TYPE_CHECKING:
    # The same names as below, for readers that don't run the code.
    from . import asyncio as asyncio
    from . import auth as auth
    from . import client as client
    from . import connection as connection
    from . import datastructures as datastructures
    from . import exceptions as exceptions
    from . import extensions as extensions
    from . import frames as frames
    from . import headers as headers
    from . import http11 as http11
    from . import protocol as protocol
    from . import proxy as proxy
    from . import server as server
    from . import streams as streams
    from . import typing as typing
    from . import uri as uri
    from . import utils as utils
    from . import version as version
    from .asyncio.client import ClientConnection, connect, unix_connect
    from .asyncio.server import (
        Server,
        ServerConnection,
        basic_auth,
        broadcast,
        serve,
        unix_serve,
    )
    from .client import ClientProtocol
    from .datastructures import Headers, HeadersLike, MultipleValuesError
    from .exceptions import (
        ConcurrencyError,
        ConnectionClosed,
        ConnectionClosedError,
        ConnectionClosedOK,
        DuplicateParameter,
        HeaderLineTooLong,
        InvalidHandshake,
        InvalidHeader,
        InvalidHeaderFormat,
        InvalidHeaderValue,
        InvalidMessage,
        InvalidMethod,
        InvalidOrigin,
        InvalidParameterName,
        InvalidParameterValue,
        InvalidProtocol,
        InvalidProxy,
        InvalidProxyMessage,
        InvalidProxyStatus,
        InvalidState,
        InvalidStatus,
        InvalidUpgrade,
        InvalidURI,
        NegotiationError,
        PayloadTooBig,
        ProtocolError,
        ProxyAuthenticationError,
        ProxyError,
        ProxyTimeout,
        RequestLineTooLong,
        SecurityError,
        StatusLineTooLong,
        TooManyFragments,
        TooManyHeaders,
        WebSocketException,
    )
    from .frames import Close, CloseCode, Frame, Opcode
    from .http11 import Request, Response
    from .protocol import Protocol, Side, State
    from .server import ServerProtocol
    from .typing import (
        Data,
        ExtensionName,
        ExtensionParameter,
        LoggerLike,
        Origin,
        StatusLike,
        Subprotocol,
    )


__all__ = [
    "ClientConnection",
    "ClientProtocol",
    "Close",
    "CloseCode",
    "ConcurrencyError",
    "ConnectionClosed",
    "ConnectionClosedError",
    "ConnectionClosedOK",
    "Data",
    "DuplicateParameter",
    "ExtensionName",
    "ExtensionParameter",
    "Frame",
    "HeaderLineTooLong",
    "Headers",
    "HeadersLike",
    "InvalidHandshake",
    "InvalidHeader",
    "InvalidHeaderFormat",
    "InvalidHeaderValue",
    "InvalidMessage",
    "InvalidMethod",
    "InvalidOrigin",
    "InvalidParameterName",
    "InvalidParameterValue",
    "InvalidProtocol",
    "InvalidProxy",
    "InvalidProxyMessage",
    "InvalidProxyStatus",
    "InvalidState",
    "InvalidStatus",
    "InvalidURI",
    "InvalidUpgrade",
    "LoggerLike",
    "MultipleValuesError",
    "NegotiationError",
    "Opcode",
    "Origin",
    "PayloadTooBig",
    "Protocol",
    "ProtocolError",
    "ProxyAuthenticationError",
    "ProxyError",
    "ProxyTimeout",
    "Request",
    "RequestLineTooLong",
    "Response",
    "SecurityError",
    "Server",
    "ServerConnection",
    "ServerProtocol",
    "Side",
    "State",
    "StatusLike",
    "StatusLineTooLong",
    "Subprotocol",
    "TooManyFragments",
    "TooManyHeaders",
    "WebSocketException",
    "basic_auth",
    "broadcast",
    "connect",
    "serve",
    "unix_connect",
    "unix_serve",
]

# Where names live, in this package.
_EXPORTS: dict[str, str] = {
    name: module
    for module, names in {
        ".asyncio.client": "ClientConnection connect unix_connect",
        ".asyncio.server": (
            "Server ServerConnection basic_auth broadcast serve unix_serve"
        ),
        ".client": "ClientProtocol",
        ".datastructures": "Headers HeadersLike MultipleValuesError",
        ".exceptions": (
            "ConcurrencyError ConnectionClosed ConnectionClosedError "
            "ConnectionClosedOK DuplicateParameter HeaderLineTooLong "
            "InvalidHandshake InvalidHeader InvalidHeaderFormat "
            "InvalidHeaderValue InvalidMessage InvalidMethod "
            "InvalidOrigin InvalidParameterName InvalidParameterValue "
            "InvalidProtocol InvalidProxy InvalidProxyMessage "
            "InvalidProxyStatus InvalidState InvalidStatus "
            "InvalidUpgrade InvalidURI NegotiationError PayloadTooBig "
            "ProtocolError ProxyAuthenticationError ProxyError ProxyTimeout "
            "RequestLineTooLong SecurityError "
            "StatusLineTooLong TooManyFragments TooManyHeaders "
            "WebSocketException"
        ),
        ".frames": "Close CloseCode Frame Opcode",
        ".http11": "Request Response",
        ".protocol": "Protocol Side State",
        ".server": "ServerProtocol",
        ".typing": (
            "Data ExtensionName ExtensionParameter LoggerLike Origin "
            "StatusLike Subprotocol"
        ),
    }.items()
    for name in names.split()
}

_SUBMODULES = frozenset(
    {
        "asyncio",
        "auth",
        "client",
        "connection",
        "datastructures",
        "exceptions",
        "extensions",
        "frames",
        "headers",
        "http11",
        "protocol",
        "proxy",
        "server",
        "streams",
        "typing",
        "uri",
        "utils",
        "version",
    }
)

_deprecated = deprecated_aliases(
    __name__,
    {
        "AbortHandshake": ".exceptions:InvalidHandshake",
        "BasicAuthWebSocketServerProtocol": ".asyncio.server:ServerConnection",
        "InvalidStatusCode": ".exceptions:InvalidStatus",
        "RedirectHandshake": ".exceptions:InvalidHandshake",
        "WebSocketClientProtocol": ".asyncio.client:ClientConnection",
        "WebSocketCommonProtocol": ".asyncio.connection:Connection",
        "WebSocketProtocolError": ".exceptions:ProtocolError",
        "WebSocketServer": ".asyncio.server:Server",
        "WebSocketServerProtocol": ".asyncio.server:ServerConnection",
        "basic_auth_protocol_factory": ".asyncio.server:basic_auth",
    },
)


def __getattr__(name: str) -> Any:
    # Nothing is cached here: whoever replaces a name in the module that has it, as
    # tests of programs do, replaces it here too.
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name], __name__), name)
    if name in _SUBMODULES:
        return importlib.import_module(f".{name}", __name__)
    return _deprecated(name, stacklevel=3)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})
