"""
HTTP headers (layer 0).

Owns: :class:`Headers`, a case-insensitive mapping that keeps several values per name
and the order of everything. What can be set can be sent: names and values that would
break the grammar of HTTP (:rfc:`9110`, section 5) are refused.
Doesn't know: what headers mean, or how they are parsed.
"""

from __future__ import annotations

import string
import typing
from collections.abc import Iterable, Iterator, Mapping, MutableMapping

from ._secrets import mask_header
from .exceptions import InvalidHeaderValue


__all__ = ["Headers", "HeadersLike", "MultipleValuesError"]


class MultipleValuesError(LookupError):
    """
    Raised when looking up one value of a header that has several.

    :meth:`Headers.get_all` returns them.
    """

    def __str__(self) -> str:
        # Like KeyError, which shows the representation of the key.
        return repr(self.args[0]) if len(self.args) == 1 else super().__str__()


# RFC 9110, section 5.5: visible characters, spaces and tabs, and obs-text, which
# stands for bytes above 127.
_VALUE_CHARS = frozenset("\t" + "".join(map(chr, [*range(32, 127), *range(128, 256)])))

# RFC 9110, section 5.6.2
_NAME_CHARS = frozenset("!#$%&'*+-.^_`|~" + string.digits + string.ascii_letters)


def _checked_value(name: str, value: object) -> str:
    """Return the value, as a str, or raise the exception that says what is wrong."""
    if not isinstance(value, str):
        # Numbers have a text that everyone expects. Others, bytes above all, haven't.
        if isinstance(value, (int, float)):
            return str(value)
        raise TypeError(f"{name} header must be a str, not {type(value).__name__}")
    if not _VALUE_CHARS.issuperset(value):
        raise InvalidHeaderValue(name, mask_header(name, value))
    return value


def _check_name(name: object) -> None:
    """Raise the exception that says what is wrong with the name of a header, if any."""
    if not isinstance(name, str):
        raise TypeError(f"header name must be a str, not {type(name).__name__}")
    if not (name and _NAME_CHARS.issuperset(name)):
        raise ValueError(f"invalid header name: {name!r}")


class Headers(MutableMapping[str, str]):
    """
    HTTP headers: a mapping of names, in any case, to values.

    A header may be present several times. Then ``headers[name]`` raises
    :exc:`MultipleValuesError`, rather than picking a value; :meth:`get_all` returns
    all of them.

    Setting a header adds a value, and keeps those that are there. Delete the header
    first to replace it::

        headers["Set-Cookie"] = "a=1"
        headers["Set-Cookie"] = "b=2"
        assert headers.get_all("set-cookie") == ["a=1", "b=2"]

    Iterating yields the names in lower case, once each, like ``len()`` counts them.
    Two instances are equal when each name has the same values in the same order.
    ``str()`` gives the lines that are sent; ``repr()`` masks credentials.

    Args:
        args: at most one mapping, :class:`Headers`, or iterable of pairs.
        kwargs: more headers.

    Raises:
        InvalidHeaderValue: if a value contains a line break or another character
            that HTTP doesn't allow; only ISO-8859-1 (Latin-1) can be sent.
        ValueError: if a name isn't a token (:rfc:`9110`, section 5.6.2).
        TypeError: if a name isn't a :class:`str`, or a value isn't a :class:`str` or
            a number, or a pair is a :class:`str`.
    """

    __slots__ = ("_dict", "_lines", "_list")

    def __init__(self, *args: HeadersLike, **kwargs: str) -> None:
        # The same values in up to three forms. One of the last two is always there.
        # By name, to look them up.
        self._dict: dict[str, list[str]] | None = None
        # In order, to iterate over them, and to change them.
        self._list: list[tuple[str, str]] | None = None
        # As they are sent: all that connections keep while they last, since it takes a
        # fifth of the memory.
        self._lines: str | None = ""
        if args or kwargs:
            self.update(*args, **kwargs)

    @classmethod
    def _of_lines(cls, lines: str) -> Headers:
        """
        Make headers of lines as they are sent, without checking them.

        Args:
            lines: name, colon, space, value, CRLF, for each header.
        """
        headers = object.__new__(cls)
        headers._dict = headers._list = None
        headers._lines = lines
        return headers

    def _add_lines(self, lines: str) -> None:
        """Add lines as they are sent, without checking them, when there are only lines."""
        assert self._list is None
        self._lines = f"{self._lines}{lines}"

    def _pack(self) -> None:
        """Keep the lines only, until somebody looks at the headers again."""
        if self._list is None:
            return
        lines = self._sendable()
        # What set_insecure() accepts might be read in another way than it was set.
        if lines.count("\n") == len(self._list):
            self._lines = lines
            self._list = self._dict = None

    def _sendable(self) -> str:
        """Return the lines."""
        if self._lines is not None:
            return self._lines
        return "".join([f"{name}: {value}\r\n" for name, value in self._pairs()])

    def _pairs(self) -> list[tuple[str, str]]:
        """Return names and values, in order."""
        pairs = self._list
        if pairs is None:
            assert self._lines is not None  # one of both is there
            pairs = []
            for line in self._lines.split("\r\n")[:-1]:
                name, _, value = line.partition(": ")
                pairs.append((name, value))
            self._list = pairs
        return pairs

    def _values(self) -> dict[str, list[str]]:
        """Return values, by name in lower case."""
        values = self._dict
        if values is None:
            values = {}
            for name, value in self._pairs():
                folded = name.lower()
                if folded in values:
                    values[folded].append(value)
                else:
                    values[folded] = [value]
            self._dict = values
        return values

    def __str__(self) -> str:
        return self._sendable() + "\r\n"

    def __repr__(self) -> str:
        shown = [(name, mask_header(name, value)) for name, value in self._pairs()]
        return f"{type(self).__name__}({shown!r})"

    def copy(self) -> Headers:
        """Return a copy, which can be changed independently."""
        copy = type(self)()
        copy._list = self._pairs().copy()
        copy._lines = self._lines
        return copy

    __copy__ = copy

    def serialize(self) -> bytes:
        """Return the header lines and the empty line after them, as sent."""
        # RFC 9110, section 5.5: bytes above 127 are opaque; Latin-1 is one to one.
        return self.__str__().encode("iso-8859-1")

    # Mapping

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, str):
            return False
        folded = key.lower()
        if self._list is None and ":" not in folded:
            # No name contains a colon.
            return f"\r\n{folded}: " in f"\r\n{self._lines}".lower()
        return folded in self._values()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def __getitem__(self, key: str) -> str:
        values = self._values()[key.lower()]
        if len(values) > 1:
            raise MultipleValuesError(key)
        return values[0]

    # MutableMapping

    def __setitem__(self, key: str, value: str) -> None:
        # Most names and values are clean, which is seen faster than what is wrong.
        if not (
            key.__class__ is str and key.isascii() and key.replace("-", "").isalnum()
        ):
            _check_name(key)
        if not (value.__class__ is str and value.isascii() and value.isprintable()):
            value = _checked_value(key, value)
        if self._list is None:
            # It can be read again, since it was checked.
            self._lines = f"{self._lines}{key}: {value}\r\n"
        else:
            self.set_insecure(key, value)

    def __delitem__(self, key: str) -> None:
        folded = key.lower()
        del self._values()[folded]
        self._list = [pair for pair in self._pairs() if pair[0].lower() != folded]
        self._lines = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self._values() == other._values()

    __hash__ = None  # type: ignore[assignment]  # as for every mutable mapping

    def clear(self) -> None:
        """Remove all headers."""
        self._list = self._dict = None
        self._lines = ""

    def update(self, *args: HeadersLike, **kwargs: str) -> None:
        """
        Add headers, keeping those that are there.

        Args:
            args: at most one mapping, :class:`Headers`, or iterable of pairs.
            kwargs: more headers.
        """
        if len(args) > 1:
            raise TypeError(f"expected at most 1 positional argument, got {len(args)}")
        for other in args:
            for pair in _pairs(other):
                # "Name: value" is what other libraries take. It may be a secret.
                if isinstance(pair, str):
                    raise TypeError("headers must be pairs of name and value, not str")
                name, value = pair
                self[name] = value
        for name, value in kwargs.items():
            self[name] = value

    # Several values

    def get_all(self, key: str) -> list[str]:
        """
        Return all values of a header, in order; an empty list if there is none.

        Args:
            key: name of the header, in any case.
        """
        return list(self._values().get(key.lower(), ()))

    def raw_items(self) -> Iterator[tuple[str, str]]:
        """Return an iterator on ``(name, value)``, in order, with names as set."""
        return iter(self._pairs())

    def set_insecure(self, key: str, value: str) -> None:
        """
        Add a header without checking its name and value.

        A line break coming from someone else would inject headers. This is for
        values that a parser has checked already.
        """
        self._pairs().append((key, value))
        self._lines = None
        if self._dict is not None:
            self._dict.setdefault(key.lower(), []).append(value)


class SupportsKeysAndGetItem(typing.Protocol):
    """A mapping, as far as :class:`dict` needs one."""

    def keys(self) -> Iterable[str]:
        """Return the names."""
        ...

    def __getitem__(self, key: str, /) -> str:
        """Return the value for a name."""
        ...


HeadersLike = (
    Headers | Mapping[str, str] | Iterable[tuple[str, str]] | SupportsKeysAndGetItem
)
"""What :class:`Headers` can be made from, and what ``additional_headers`` accepts."""


def _pairs(headers: HeadersLike) -> Iterable[tuple[str, str]]:
    """Return the items of anything like headers, in order."""
    if isinstance(headers, Headers):
        return headers.raw_items()
    if getattr(headers, "keys", None) is not None:
        mapping = typing.cast(SupportsKeysAndGetItem, headers)
        names = mapping.keys()
        return [(name, mapping[name]) for name in names]
    return typing.cast(Iterable[tuple[str, str]], headers)
