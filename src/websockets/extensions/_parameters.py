"""Negotiation of permessage-deflate (RFC 7692 §7.1), as functions of values.

Owns: the grammar of its four parameters, and which combinations agree.
Doesn't know: factories, compression, headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from ..exceptions import (
    DuplicateParameter,
    InvalidParameterName,
    InvalidParameterValue,
    NegotiationError,
)
from ..typing import ExtensionParameter


# RFC 7692 §7.1.2: decimal numbers from 8 to 15, without leading zeros.
WINDOW_BITS = {str(bits): bits for bits in range(8, 16)}

# What holds when the parameter is absent.
MAX_BITS = 15

# zlib can read a window of 256 bytes, but not write one: it would silently double it.
MIN_REMOTE_BITS = 8
MIN_LOCAL_BITS = 9


class Agreement(NamedTuple):
    """What holds in the end; window bits are :obj:`None` where nothing was said."""

    server_no_context_takeover: bool
    client_no_context_takeover: bool
    server_max_window_bits: int | None
    client_max_window_bits: int | None


class Parameters(NamedTuple):
    """
    An offer, a response, or what a factory is configured to ask for.

    Window bits are :obj:`None` where nothing is said; for the client's window, :obj:`True`
    says that the server may choose it.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | Literal[True] | None = None


def parse_parameters(
    params: Sequence[ExtensionParameter], *, offer: bool
) -> Parameters:
    """
    Read parameters from a header.

    Args:
        params: pairs of a name and a value or :obj:`None`.
        offer: whether they come from a client.

    Raises:
        DuplicateParameter: if a name appears twice.
        InvalidParameterName: if a name isn't one of the four.
        InvalidParameterValue: if a value is missing, superfluous or out of range.

    """
    found: dict[str, int | Literal[True]] = {}
    for name, value in params:
        if name not in Parameters._fields:
            raise InvalidParameterName(name)
        if name in found:
            raise DuplicateParameter(name)
        if name.endswith("_no_context_takeover"):
            if value is not None:
                raise InvalidParameterValue(name, value)
            found[name] = True
        elif value in WINDOW_BITS:
            found[name] = WINDOW_BITS[value]
        elif value is None and offer and name == "client_max_window_bits":
            found[name] = True
        else:
            raise InvalidParameterValue(name, value)
    return Parameters(**found)  # type: ignore[arg-type]  # each kind was checked above


def build_parameters(parameters: Parameters | Agreement) -> list[ExtensionParameter]:
    """Write parameters for a header."""
    params: list[ExtensionParameter] = []
    for name, value in zip(Parameters._fields, parameters, strict=True):
        if value is True:
            params.append((name, None))
        elif value:
            params.append((name, str(value)))
    return params


def accept_offer(
    offer: Parameters, config: Parameters, require_client_bits: bool
) -> Agreement:
    """
    Choose the server's response to an offer.

    Args:
        offer: what the client offers.
        config: what the server wants, or would rather have.
        require_client_bits: decline clients that don't let the server limit their window.

    Raises:
        NegotiationError: to decline the offer.

    """
    server_bits = smaller(offer.server_max_window_bits, config.server_max_window_bits)
    if server_bits is not None and server_bits < MIN_LOCAL_BITS:
        raise NegotiationError(
            f"unsupported server_max_window_bits = {server_bits}, use {MIN_LOCAL_BITS}"
        )

    limit = config.client_max_window_bits
    assert limit is not True  # a server has nobody else to choose
    client_bits: int | None
    if offer.client_max_window_bits is None:
        # RFC 7692 §7.1.2.2: it may not stand in the response to this offer.
        if limit is not None and require_client_bits:
            raise NegotiationError("required client_max_window_bits")
        client_bits = None
    elif offer.client_max_window_bits is True:
        client_bits = limit
    else:
        client_bits = smaller(offer.client_max_window_bits, limit)

    return Agreement(
        # Either side can ask for these, and the other can always do it.
        offer.server_no_context_takeover or config.server_no_context_takeover,
        offer.client_no_context_takeover or config.client_no_context_takeover,
        server_bits,
        client_bits,
    )


def check_response(response: Parameters, config: Parameters) -> Agreement:
    """
    Return what holds on a client, after the server's response.

    Args:
        response: what the server chose.
        config: what the client offered.

    Raises:
        NegotiationError: if the response doesn't fit the offer.

    """
    if config.server_no_context_takeover and not response.server_no_context_takeover:
        raise NegotiationError("expected server_no_context_takeover")

    if config.server_max_window_bits is not None:
        if response.server_max_window_bits is None:
            raise NegotiationError("expected server_max_window_bits")
        if response.server_max_window_bits > config.server_max_window_bits:
            raise NegotiationError("unsupported server_max_window_bits")

    limit = config.client_max_window_bits
    client_bits = response.client_max_window_bits
    assert client_bits is not True  # in a response it has a value
    if client_bits is None:
        # The server doesn't limit our window; use no more than we meant to.
        client_bits = None if limit is True else limit
    elif limit is None:
        raise NegotiationError("unexpected client_max_window_bits")
    elif client_bits < MIN_LOCAL_BITS:
        raise NegotiationError(
            f"unsupported client_max_window_bits = {client_bits}, use {MIN_LOCAL_BITS}"
        )
    elif limit is not True and client_bits > limit:
        raise NegotiationError("unsupported client_max_window_bits")

    return Agreement(
        response.server_no_context_takeover,
        # RFC 7692 §7.1.1.2: a client may do without, whatever the server says.
        response.client_no_context_takeover or config.client_no_context_takeover,
        response.server_max_window_bits,
        client_bits,
    )


def smaller(first: int | None, second: int | None) -> int | None:
    """Return the smaller number; :obj:`None` says nothing."""
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def check_bits(name: str, bits: int, minimum: int) -> None:
    """Raise :exc:`ValueError` if window bits are out of range."""
    if not minimum <= bits <= MAX_BITS:
        raise ValueError(f"{name} must be between {minimum} and {MAX_BITS}")
