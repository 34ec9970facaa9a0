"""
What a server and a client agree on in the opening handshake (layer 2).

Owns: the server's choice of extensions and of a subprotocol (:rfc:`6455`, sections 1.9
and 9.1), and the origins that it accepts (section 10.2).
Doesn't know: the rest of the request, the response.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ._handshake import all_items, one_value
from .datastructures import Headers
from .exceptions import InvalidOrigin, NegotiationError
from .extensions.base import Extension, ServerExtensionFactory
from .headers import build_extension, parse_extension, parse_subprotocol
from .protocol import Protocol
from .typing import ExtensionHeader, Origin, Subprotocol


__all__ = ["Negotiation"]


class Negotiation(Protocol):
    """What :class:`~websockets.server.ServerProtocol` accepts."""

    #: What is acceptable.
    origins: Sequence[Origin | re.Pattern[str] | None] | None
    available_extensions: Sequence[ServerExtensionFactory] | None
    available_subprotocols: Sequence[Subprotocol] | None

    def process_origin(self, headers: Headers) -> Origin | None:
        """
        Return the origin of a request, if it is acceptable (:rfc:`6455`, section 10.2).

        Args:
            headers: headers of the request.

        Raises:
            InvalidHeader: if the request has several origins.
            InvalidOrigin: if the origin isn't acceptable.

        """
        values = headers.get_all("Origin")
        origin = Origin(one_value(headers, "Origin")) if values else None
        if self.origins is None or origin in self.origins:
            return origin
        for pattern in self.origins:
            if (
                isinstance(pattern, re.Pattern)
                and origin is not None
                and pattern.fullmatch(origin)
            ):
                return origin
        raise InvalidOrigin(origin)

    def process_extensions(
        self, headers: Headers
    ) -> tuple[str | None, list[Extension]]:
        """
        Accept extensions among those that the client offers (:rfc:`6455`, section 9.1).

        Args:
            headers: headers of the request.

        Returns:
            Value of ``Sec-WebSocket-Extensions`` for the response, :obj:`None` without
            extensions, and the extensions in the client's order.

        """
        return self._negotiate(headers.get_all("Sec-WebSocket-Extensions"))

    def _negotiate(self, values: list[str]) -> tuple[str | None, list[Extension]]:
        accepted: list[Extension] = []
        answer: list[ExtensionHeader] = []
        if self.available_extensions:
            offers = [offer for value in values for offer in parse_extension(value)]
            for name, params in offers:
                for factory in self.available_extensions:
                    if factory.name != name:
                        continue
                    # RFC 6455 §9.1: the client may offer the same extension several
                    # times, with other parameters.
                    try:
                        chosen, extension = factory.process_request_params(
                            params, accepted
                        )
                    except NegotiationError:
                        continue
                    answer.append((name, chosen))
                    accepted.append(extension)
                    break
        return (build_extension(answer) if answer else None), accepted

    def process_subprotocol(self, headers: Headers) -> Subprotocol | None:
        """
        Choose the subprotocol of a connection (:rfc:`6455`, section 1.9).

        Args:
            headers: headers of the request.

        Returns:
            The subprotocol; :obj:`None` for none.

        Raises:
            NegotiationError: if there is no acceptable subprotocol.

        """
        offered = all_items(headers, "Sec-WebSocket-Protocol", parse_subprotocol)
        return self.select_subprotocol(offered)

    def select_subprotocol(
        self, subprotocols: Sequence[Subprotocol]
    ) -> Subprotocol | None:
        """
        Choose among the subprotocols that the client offers.

        The ``select_subprotocol`` argument replaces this method. By default, it is the
        first one in the list of the server that the client offers too; no subprotocol is
        acceptable only when the server has no list.

        Args:
            subprotocols: what the client offers, in order of its preference.

        Raises:
            NegotiationError: if the client offers none, or none that the server knows.

        """
        if not self.available_subprotocols:
            return None
        if not subprotocols:
            raise NegotiationError("missing subprotocol")
        for subprotocol in self.available_subprotocols:
            if subprotocol in subprotocols:
                return subprotocol
        expected = ", ".join(self.available_subprotocols)
        raise NegotiationError(f"invalid subprotocol; expected one of {expected}")
