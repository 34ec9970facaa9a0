"""
Names for the types that appear in signatures (layer 0).

Owns: type aliases and new types, nothing else; there is no behavior here.
Doesn't know: any other module of this package.
"""

from __future__ import annotations

import http
import logging
import os
import typing
from collections.abc import Sequence


__all__ = [
    "Data",
    "ExtensionName",
    "ExtensionParameter",
    "LoggerLike",
    "Origin",
    "StatusLike",
    "Subprotocol",
]

# The aliases are evaluated at run time, so that programs can introspect them.

Data = str | bytes
"""A message as ``recv()`` returns it: :class:`str` for Text, :class:`bytes` for Binary
frames (:rfc:`6455`, section 5.6)."""

BytesLike = bytes | bytearray | memoryview
"""Bytes as ``send()``, ``ping()`` and ``pong()`` accept them."""

DataLike = str | bytes | bytearray | memoryview
"""A message, or a fragment of one, as ``send()`` accepts it."""

LoggerLike = logging.Logger | logging.LoggerAdapter[typing.Any]
"""What every ``logger`` argument accepts."""

PathLike = str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""The path of a Unix socket."""

StatusLike = http.HTTPStatus | int
"""The status code of an HTTP response."""

Origin = typing.NewType("Origin", str)
"""The value of an ``Origin`` header (:rfc:`6454`)."""

Subprotocol = typing.NewType("Subprotocol", str)
"""The name of a subprotocol (:rfc:`6455`, section 1.9)."""

ExtensionName = typing.NewType("ExtensionName", str)
"""The name of an extension (:rfc:`6455`, section 9.1)."""

ExtensionParameter = tuple[str, str | None]
"""Name and value of a parameter of an extension; the value may be absent."""

ExtensionHeader = tuple[ExtensionName, Sequence[ExtensionParameter]]
"""An item of ``Sec-WebSocket-Extensions``: a name and its parameters, in order."""

ConnectionOption = typing.NewType("ConnectionOption", str)
"""An item of a ``Connection`` header (:rfc:`9110`, section 7.6.1)."""

UpgradeProtocol = typing.NewType("UpgradeProtocol", str)
"""An item of an ``Upgrade`` header (:rfc:`9110`, section 7.8)."""
