"""
Small helpers of the opening handshake and of logs (layer 1).

Owns: the nonce of the opening handshake (:rfc:`6455`, section 1.3), and how a socket's
address is written.
Doesn't know: headers, connections.
"""

from __future__ import annotations

import base64
import secrets
import typing

from ._codec import accept_key as codec_accept_key
from ._codec import apply_mask
from ._codec.heads import GUID


if typing.TYPE_CHECKING:
    import socket


__all__ = ["GUID", "accept_key", "apply_mask", "generate_key", "get_socket_name"]


def accept_key(key: str) -> str:
    """
    Return the value of ``Sec-WebSocket-Accept`` (:rfc:`6455`, section 4.2.2).

    Args:
        key: Value of ``Sec-WebSocket-Key``.

    """
    return codec_accept_key(key)


def generate_key() -> str:
    """
    Return a random key for the ``Sec-WebSocket-Key`` header.

    It encodes 16 bytes in base64 (:rfc:`6455`, section 4.1).
    """
    return base64.b64encode(secrets.token_bytes(16)).decode("ascii")


def get_socket_name(sock: socket.socket) -> str:
    """
    Return the local address of a socket, for logs.

    Returns:
        ``host:port``, ``[host]:port`` for IPv6, the path of a Unix socket, or else
        whatever the system returns, as a string.

    """
    name = sock.getsockname()
    # Names instead of constants: this layer doesn't import socket.
    family = getattr(sock.family, "name", "")
    if family == "AF_INET":
        return f"{name[0]}:{name[1]}"
    if family == "AF_INET6":
        return f"[{name[0]}]:{name[1]}"
    return str(name)
