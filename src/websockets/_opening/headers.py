"""Header fields that users give: for the upgrade request, and for proxies.

Owns: how they replace the library's own, and what among them is a credential.
Doesn't know: which requests they go to, nor their grammar, which
:class:`~websockets.datastructures.Headers` checks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from .._secrets import MASK
from ..datastructures import Headers, HeadersLike
from ..exceptions import InvalidHeaderValue
from ..http11 import Request, Response


__all__ = ["Fields", "checked_fields", "pack", "replaced", "without_credentials"]

#: Names and values, in order, duplicates included.
Fields: TypeAlias = "tuple[tuple[str, str], ...]"

CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


def checked_fields(headers: HeadersLike | None, argument: str) -> Fields:
    """
    Return header fields as pairs that can be sent.

    Args:
        headers: :class:`~websockets.datastructures.Headers`, mapping, iterable of
            pairs, or :obj:`None`. An iterator is consumed.
        argument: Name of the argument, for a note on the exceptions.

    Raises:
        InvalidHeaderValue: A value contains CR, LF, NUL or another character that
            cannot be sent.
        ValueError: A name isn't a token.
        TypeError: These aren't headers.
    """
    if headers is None:
        return ()
    try:
        return tuple(Headers(headers).raw_items())
    except InvalidHeaderValue as exc:
        # Any header of a user may be a token, whatever its name.
        failure = InvalidHeaderValue(exc.name, MASK)
    except Exception as exc:
        exc.add_note(f"while checking {argument}")
        raise
    failure.add_note(f"while checking {argument}")
    raise failure


def replaced(ours: Iterable[tuple[str, str]], theirs: Fields) -> Fields:
    """
    Let a user's fields replace the library's fields of the same name.

    Replacements stand where the replaced field stood, so ``Host`` stays first; other
    fields follow, in the user's order.
    """
    names = {name.lower() for name, _ in theirs}
    placed = set()
    fields: list[tuple[str, str]] = []
    for name, value in ours:
        folded = name.lower()
        if folded not in names:
            fields.append((name, value))
        elif folded not in placed:
            placed.add(folded)
            fields.extend(field for field in theirs if field[0].lower() == folded)
    fields.extend(field for field in theirs if field[0].lower() not in placed)
    return tuple(fields)


def without_credentials(fields: Fields) -> Fields:
    """Drop what only the host that it was meant for may see."""
    return tuple(field for field in fields if field[0].lower() not in CREDENTIALS)


def pack(*messages: Request | Response | None) -> None:
    """Make the headers small of a request or a response that a connection keeps."""
    for message in messages:
        headers = getattr(message, "headers", None)
        if isinstance(headers, Headers):  # a program may have made it of what it likes
            headers._pack()
