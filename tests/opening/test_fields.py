"""Header fields that users give."""

from __future__ import annotations

from websockets._opening.headers import (
    checked_fields,
    pack,
    replaced,
    without_credentials,
)
from websockets.datastructures import Headers
from websockets.http11 import Request


class Keyed:
    """Neither a mapping nor pairs, but good enough for dict()."""

    def keys(self):
        return ["A", "B"]

    def __getitem__(self, key):
        return key * 2


def test_kinds():
    """Anything that dict() takes will do; None is nothing."""
    assert checked_fields(None, "headers") == ()
    assert checked_fields(Keyed(), "headers") == (("A", "AA"), ("B", "BB"))
    assert checked_fields({"A": "1"}, "headers") == (("A", "1"),)


def test_replaced():
    """A user's fields replace all of that name, where the first one stood."""
    ours = [("A", "1"), ("B", "2"), ("a", "3"), ("C", "4")]
    theirs = (("D", "5"), ("A", "6"), ("a", "7"))
    assert replaced(ours, theirs) == (
        ("A", "6"),
        ("a", "7"),
        ("B", "2"),
        ("C", "4"),
        ("D", "5"),
    )
    assert replaced(ours, ()) == tuple(ours)


def test_without_credentials():
    """These fields are credentials, in any case."""
    fields = (
        ("cookie", "1"),
        ("AUTHORIZATION", "2"),
        ("Proxy-Authorization", "3"),
        ("X", "4"),
    )
    assert without_credentials(fields) == (("X", "4"),)


def test_pack():
    """Headers are packed; what a program has put in their place is left alone."""
    request = Request("/", Headers(Host="a"))
    assert list(request.headers.raw_items()) == [("Host", "a")]
    other = Request("/", {"Host": "a"})
    pack(request, other, None)
    assert request.headers._list is None
    assert request.headers["Host"] == "a"
    assert other.headers == {"Host": "a"}
