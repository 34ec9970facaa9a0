"""Compression of messages: permessage-deflate (RFC 7692).

Owns: the factories that negotiate it, and their defaults.
Doesn't know: the rules of negotiation, nor how payloads are compressed; two private modules
beside this one do.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Sequence
from typing import Any, Literal

from ..exceptions import NegotiationError
from ..typing import ExtensionParameter
from ._deflate import PerMessageDeflate
from ._engines import Engine
from ._parameters import (
    MAX_BITS,
    MIN_LOCAL_BITS,
    MIN_REMOTE_BITS,
    Agreement,
    Parameters,
    accept_offer,
    build_parameters,
    check_bits,
    check_response,
    parse_parameters,
)
from .base import ClientExtensionFactory, Extension, ServerExtensionFactory


__all__ = [
    "ClientPerMessageDeflateFactory",
    "PerMessageDeflate",
    "ServerPerMessageDeflateFactory",
    "enable_client_permessage_deflate",
    "enable_server_permessage_deflate",
]


# Clients offer one of a few sets of parameters, and a server answers all in one way.


@functools.lru_cache(maxsize=64)
def judge_offer(
    params: tuple[ExtensionParameter, ...], config: Parameters, require_bits: bool
) -> tuple[Agreement, tuple[ExtensionParameter, ...]]:
    """Return what a server agrees to, and the parameters that say so."""
    agreed = accept_offer(parse_parameters(params, offer=True), config, require_bits)
    return agreed, tuple(build_parameters(agreed))


@functools.lru_cache(maxsize=64)
def judge_response(
    params: tuple[ExtensionParameter, ...], config: Parameters
) -> Agreement:
    """Return what a client agrees to."""
    return check_response(parse_parameters(params, offer=False), config)


@functools.lru_cache(maxsize=16)
def try_zlib(settings: tuple[tuple[str, Any], ...]) -> None:
    """Have zlib raise an exception if it doesn't know these settings."""
    # It takes a quarter of a megabyte; clients make a factory for each connection.
    zlib.compressobj(wbits=-MAX_BITS, **dict(settings))


def check_duplicate(accepted_extensions: Sequence[Extension], text: str) -> None:
    """Raise :exc:`NegotiationError` if permessage-deflate was accepted already."""
    if any(other.name == PerMessageDeflate.name for other in accepted_extensions):
        raise NegotiationError(text)


class _Factory:
    """What both factories know: the configuration, and how to compress."""

    name = PerMessageDeflate.name
    local_side: str

    def __init__(
        self,
        parameters: Parameters,
        compress_settings: dict[str, Any] | None,
        compress_threshold: int,
        engine: Engine | None,
    ) -> None:
        if compress_settings is not None and "wbits" in compress_settings:
            raise ValueError(
                "compress_settings must not include wbits, "
                f"set {self.local_side}_max_window_bits instead"
            )
        # A wrong setting should fail here, not when the first message is sent.
        settings = compress_settings or {}
        if engine is None and all(type(value) is int for value in settings.values()):
            try_zlib(tuple(settings.items()))
        else:
            known = zlib if engine is None else engine
            known.compressobj(wbits=-MAX_BITS, **settings)
        self.server_no_context_takeover = parameters.server_no_context_takeover
        self.client_no_context_takeover = parameters.client_no_context_takeover
        self.server_max_window_bits = parameters.server_max_window_bits
        self.client_max_window_bits = parameters.client_max_window_bits
        self.compress_settings = compress_settings
        self.compress_threshold = compress_threshold
        self.engine = engine

    def _parameters(self) -> Parameters:
        """Return the configuration, of which every part may have been assigned."""
        return Parameters(
            self.server_no_context_takeover,
            self.client_no_context_takeover,
            self.server_max_window_bits,
            self.client_max_window_bits,
        )

    def _make(
        self, remote: tuple[bool, int | None], local: tuple[bool, int | None]
    ) -> PerMessageDeflate:
        """Make the extension, given "no context takeover" and window bits of each side."""
        return PerMessageDeflate(
            remote[0],
            local[0],
            remote[1] or MAX_BITS,
            local[1] or MAX_BITS,
            self.compress_settings,
            compress_threshold=self.compress_threshold,
            engine=self.engine,
        )


class ClientPerMessageDeflateFactory(_Factory, ClientExtensionFactory):
    """
    Negotiate permessage-deflate on the client's side (RFC 7692 §7.1).

    Args:
        server_no_context_takeover: ask the server to compress each message by itself.
        client_no_context_takeover: compress each message by itself.
        server_max_window_bits: limit the server's window, 8 to 15; :obj:`None` for no limit.
        client_max_window_bits: limit our window, 9 to 15; :obj:`True` lets the server
            choose; :obj:`None` neither limits nor lets choose.
        compress_settings: arguments for :func:`zlib.compressobj`, except ``wbits``.
        compress_threshold: bytes; shorter messages go uncompressed unless ``send()`` is
            told to compress; 0 compresses all.
        engine: a module like :mod:`zlib`, which itself is one; by default zlib, or what
            the extra ``speed`` installed where that is faster.

    Raises:
        ValueError: if window bits are out of range or in ``compress_settings``.

    A window of ``bits`` takes about ``2 ** (bits + 2)`` bytes to compress and ``2 ** bits``
    to decompress, from the first compressed message on.
    """

    local_side = "client"

    def __init__(
        self,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int | None = None,
        client_max_window_bits: int | Literal[True] | None = True,
        compress_settings: dict[str, Any] | None = None,
        *,
        compress_threshold: int = 0,
        engine: Engine | None = None,
    ) -> None:
        if server_max_window_bits is not None:
            check_bits(
                "server_max_window_bits", server_max_window_bits, MIN_REMOTE_BITS
            )
        if client_max_window_bits is not None and client_max_window_bits is not True:
            check_bits("client_max_window_bits", client_max_window_bits, MIN_LOCAL_BITS)
        super().__init__(
            Parameters(
                server_no_context_takeover,
                client_no_context_takeover,
                server_max_window_bits,
                client_max_window_bits,
            ),
            compress_settings,
            compress_threshold,
            engine,
        )

    def get_request_params(self) -> Sequence[ExtensionParameter]:
        """Return the parameters to offer."""
        return build_parameters(self._parameters())

    def process_response_params(
        self,
        params: Sequence[ExtensionParameter],
        accepted_extensions: Sequence[Extension],
    ) -> PerMessageDeflate:
        """
        Judge the parameters that the server chose, and make the extension.

        Args:
            params: parameters from the response.
            accepted_extensions: extensions that stand before this one in the response.

        Raises:
            NegotiationError: if they don't fit the offer.

        """
        check_duplicate(accepted_extensions, f"received duplicate {self.name}")
        agreed = judge_response(
            tuple(map(tuple, params)),
            self._parameters(),
        )
        return self._make(
            remote=(agreed.server_no_context_takeover, agreed.server_max_window_bits),
            local=(agreed.client_no_context_takeover, agreed.client_max_window_bits),
        )


def enable_client_permessage_deflate(
    extensions: Sequence[ClientExtensionFactory] | None,
) -> Sequence[ClientExtensionFactory]:
    """
    Add permessage-deflate with default settings, unless it's there.

    They save memory: the server may choose our window, and ``memLevel`` is 5.

    Args:
        extensions: factories, or :obj:`None`.

    """
    extensions = [] if extensions is None else extensions
    if any(factory.name == PerMessageDeflate.name for factory in extensions):
        return extensions
    return [
        *extensions,
        ClientPerMessageDeflateFactory(compress_settings={"memLevel": 5}),
    ]


class ServerPerMessageDeflateFactory(_Factory, ServerExtensionFactory):
    """
    Negotiate permessage-deflate on the server's side (RFC 7692 §7.1).

    Args:
        server_no_context_takeover: compress each message by itself.
        client_no_context_takeover: make the client compress each message by itself.
        server_max_window_bits: limit our window, 9 to 15; :obj:`None` for no limit.
        client_max_window_bits: limit the client's window, 8 to 15, if it lets us;
            :obj:`None` for no limit.
        compress_settings: arguments for :func:`zlib.compressobj`, except ``wbits``.
        require_client_max_window_bits: go without the extension if the client doesn't let us
            limit its window. Some browsers don't.
        compress_threshold: bytes; shorter messages go uncompressed unless ``send()`` is
            told to compress; 0 compresses all.
        engine: a module like :mod:`zlib`, which itself is one; by default zlib, or what
            the extra ``speed`` installed where that is faster.

    Raises:
        ValueError: if window bits are out of range or in ``compress_settings``, or required
            of the client without a limit.

    A window of ``bits`` takes about ``2 ** (bits + 2)`` bytes to compress and ``2 ** bits``
    to decompress, from the first compressed message on.
    """

    local_side = "server"

    def __init__(
        self,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int | None = None,
        client_max_window_bits: int | None = None,
        compress_settings: dict[str, Any] | None = None,
        require_client_max_window_bits: bool = False,
        *,
        compress_threshold: int = 0,
        engine: Engine | None = None,
    ) -> None:
        if server_max_window_bits is not None:
            check_bits("server_max_window_bits", server_max_window_bits, MIN_LOCAL_BITS)
        if client_max_window_bits is not None:
            check_bits(
                "client_max_window_bits", client_max_window_bits, MIN_REMOTE_BITS
            )
        elif require_client_max_window_bits:
            raise ValueError(
                "require_client_max_window_bits is enabled, "
                "but client_max_window_bits isn't configured"
            )
        super().__init__(
            Parameters(
                server_no_context_takeover,
                client_no_context_takeover,
                server_max_window_bits,
                client_max_window_bits,
            ),
            compress_settings,
            compress_threshold,
            engine,
        )
        self.require_client_max_window_bits = require_client_max_window_bits

    def process_request_params(
        self,
        params: Sequence[ExtensionParameter],
        accepted_extensions: Sequence[Extension],
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        """
        Judge one offer of the client, and make the extension.

        Args:
            params: parameters of the offer.
            accepted_extensions: extensions accepted already.

        Returns:
            Parameters for the response, and the extension.

        Raises:
            NegotiationError: to decline the offer.

        """
        check_duplicate(accepted_extensions, f"skipped duplicate {self.name}")
        agreed, answer = judge_offer(
            tuple(map(tuple, params)),
            self._parameters(),
            self.require_client_max_window_bits,
        )
        return list(answer), self._make(
            remote=(agreed.client_no_context_takeover, agreed.client_max_window_bits),
            local=(agreed.server_no_context_takeover, agreed.server_max_window_bits),
        )


def enable_server_permessage_deflate(
    extensions: Sequence[ServerExtensionFactory] | None,
) -> Sequence[ServerExtensionFactory]:
    """
    Add permessage-deflate with default settings, unless it's there.

    They save memory: windows of 4 KiB, and ``memLevel`` is 5.

    Args:
        extensions: factories, or :obj:`None`.

    """
    extensions = [] if extensions is None else extensions
    if any(factory.name == PerMessageDeflate.name for factory in extensions):
        return extensions
    return [
        *extensions,
        ServerPerMessageDeflateFactory(
            server_max_window_bits=12,
            client_max_window_bits=12,
            compress_settings={"memLevel": 5},
        ),
    ]
