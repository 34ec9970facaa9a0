"""Keys, and names of sockets."""

from __future__ import annotations

import base64
import secrets
import socket

import pytest

from websockets import _codec
from websockets.utils import accept_key, apply_mask, generate_key, get_socket_name


def test_accept_key_follows_the_example_of_the_rfc():
    """RFC 6455 §1.3 gives a key and the answer to it."""
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_generate_key_encodes_sixteen_random_bytes(monkeypatch):
    """The bytes come from secrets.token_bytes, looked up each time."""
    monkeypatch.setattr(secrets, "token_bytes", lambda n: bytes(range(n)))
    assert base64.b64decode(generate_key()) == bytes(range(16))


def test_generate_key_does_not_repeat_itself():
    """Two connections have different keys."""
    assert generate_key() != generate_key()


def test_apply_mask_is_the_codec_s():
    """The public name stands for the implementation that was chosen."""
    assert apply_mask is _codec.apply_mask


class NamedSocket:
    """A socket, as far as its name matters."""

    def __init__(self, family, name):
        self.family = family
        self.name = name

    def getsockname(self):
        return self.name


@pytest.mark.parametrize(
    ("family", "name", "shown"),
    [
        (socket.AF_INET, ("127.0.0.1", 8765), "127.0.0.1:8765"),
        (socket.AF_INET6, ("::1", 8765, 0, 0), "[::1]:8765"),
        (getattr(socket, "AF_UNIX", 1), "/run/ws", "/run/ws"),
        (getattr(socket, "AF_UNIX", 1), b"\0abstract", "b'\\x00abstract'"),
        (9999, (2, 8765), "(2, 8765)"),
    ],
)
def test_get_socket_name_shows_the_local_address(family, name, shown):
    """Each family has its notation; a family that Python doesn't know gets none."""
    assert get_socket_name(NamedSocket(family, name)) == shown


def test_get_socket_name_works_on_a_real_socket():
    """The family of a real socket has the name that is looked for."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        assert get_socket_name(sock) == f"127.0.0.1:{sock.getsockname()[1]}"
