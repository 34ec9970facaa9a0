"""
Small helpers of the opening handshake and of logs (layer 1).

Owns: the nonce of the opening handshake (:rfc:`6455`, section 1.3), and how a socket's
address is written.
Doesn't know: headers, connections.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import typing

from ._codec import apply_mask


if typing.TYPE_CHECKING:
    import socket


__all__ = ["accept_key", "apply_mask", "generate_key", "get_socket_name"]

# RFC 6455 §1.3: what a server appends to the key, to prove that it speaks WebSocket.
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def generate_key() -> str:
    """
    Return a random key for the ``Sec-WebSocket-Key`` header.

    It encodes 16 bytes in base64 (:rfc:`6455`, section 4.1).
    """
    return base64.b64encode(secrets.token_bytes(16)).decode("ascii")


def accept_key(key: str) -> str:
    """
    Return the value of ``Sec-WebSocket-Accept`` that answers a key.

    Args:
        key: value of the ``Sec-WebSocket-Key`` header (:rfc:`6455`, section 4.2.2).
    """
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode(
        "ascii"
    )


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
