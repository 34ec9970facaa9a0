"""What an extension is (RFC 6455 §9).

Owns: the interface between the protocol and extensions.
Doesn't know: any extension.

To write one, subclass three classes: an extension, which lives as long as its connection,
and two factories, which negotiate it. Factories go into the ``extensions`` argument of
``connect()`` and ``serve()``.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..frames import Frame
from ..typing import ExtensionName, ExtensionParameter


__all__ = ["ClientExtensionFactory", "Extension", "ServerExtensionFactory"]


class Extension:
    """
    An extension of one connection. Subclass it.

    Attributes:
        name: name of the extension, as registered with IANA.

    """

    __slots__ = ()

    name: ExtensionName

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """
        Decode an incoming frame.

        Return the frame itself where the extension doesn't apply, else another one; a
        frame must not be changed. Every reserved bit that the extension uses must be off
        in what it returns.

        Args:
            frame: incoming frame.
            max_size: limit on the payload returned, in bytes; :obj:`None` for no limit.

        Raises:
            PayloadTooBig: if the payload would exceed ``max_size``; this must be found out
                before allocating it.
            ProtocolError: if the frame can't be decoded.

        """
        raise NotImplementedError

    def encode(self, frame: Frame) -> Frame:
        """
        Encode an outgoing frame.

        Return the frame itself where the extension doesn't apply, else another one; a
        frame must not be changed.

        Args:
            frame: outgoing frame.

        """
        raise NotImplementedError


class ClientExtensionFactory:
    """
    Negotiate an extension on the client's side. Subclass it.

    One factory may serve any number of connections.

    Attributes:
        name: name of the extension, as registered with IANA.

    """

    name: ExtensionName

    def get_request_params(self) -> Sequence[ExtensionParameter]:
        """Return the parameters to offer: pairs of a name and a value or :obj:`None`."""
        raise NotImplementedError

    def process_response_params(
        self,
        params: Sequence[ExtensionParameter],
        accepted_extensions: Sequence[Extension],
    ) -> Extension:
        """
        Judge the parameters that the server chose, and make the extension.

        Args:
            params: parameters from the response.
            accepted_extensions: extensions that stand before this one in the response.

        Returns:
            The extension for this connection.

        Raises:
            NegotiationError: if the parameters aren't acceptable; the connection fails.

        """
        raise NotImplementedError


class ServerExtensionFactory:
    """
    Negotiate an extension on the server's side. Subclass it.

    One factory may serve any number of connections.

    Attributes:
        name: name of the extension, as registered with IANA.

    """

    name: ExtensionName

    def process_request_params(
        self,
        params: Sequence[ExtensionParameter],
        accepted_extensions: Sequence[Extension],
    ) -> tuple[list[ExtensionParameter], Extension]:
        """
        Judge one offer of the client, and make the extension.

        A client may offer the same extension several times, with other parameters; this
        is called for each offer in turn until one is accepted.

        Args:
            params: parameters of the offer.
            accepted_extensions: extensions accepted already.

        Returns:
            Parameters for the response, and the extension for this connection.

        Raises:
            NegotiationError: to decline this offer; the connection goes on without it.

        """
        raise NotImplementedError
