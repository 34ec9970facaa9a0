"""Headers: lookup, order, several values, and what can't be sent."""

from __future__ import annotations

import copy
import gc
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websockets.datastructures import Headers, MultipleValuesError
from websockets.exceptions import InvalidHeaderValue


@pytest.fixture
def headers():
    """Two headers, and one with two values."""
    return Headers([("Server", "test"), ("X-A", "1"), ("Host", "h"), ("x-a", "2")])


class Pairs:
    """The least that dict() takes for a mapping."""

    def keys(self):
        return ["A"]

    def __getitem__(self, key):
        return key + "!"


@pytest.mark.parametrize(
    ("args", "kwargs", "items"),
    [
        ((), {}, []),
        (([],), {}, []),
        (({"A": "1"},), {}, [("A", "1")]),
        (([("A", "1"), ("a", "2")],), {}, [("A", "1"), ("a", "2")]),
        (([["A", "1"]],), {}, [("A", "1")]),
        ((Headers([("A", "1"), ("a", "2")]),), {}, [("A", "1"), ("a", "2")]),
        ((Pairs(),), {}, [("A", "A!")]),
        ((), {"A": "1", "a": "2"}, [("A", "1"), ("a", "2")]),
        (([("A", "1")],), {"args": "2"}, [("A", "1"), ("args", "2")]),
    ],
)
def test_construction(args, kwargs, items):
    """Headers are made from anything that dict() would take, and keep the order."""
    assert list(Headers(*args, **kwargs).raw_items()) == items
    updated = Headers(Z="0")
    updated.update(*args, **kwargs)
    assert list(updated.raw_items()) == [("Z", "0"), *items]


def test_construction_from_iterator():
    """Pairs are taken from an iterator once."""
    assert list(Headers(iter([("A", "1")])).raw_items()) == [("A", "1")]


def test_construction_from_two():
    """Two arguments are refused, like dict() does."""
    with pytest.raises(
        TypeError, match="expected at most 1 positional argument, got 2"
    ):
        Headers({"A": "1"}, {"B": "2"})


def test_lookup(headers):
    """Names are found in any case."""
    assert headers["SERVER"] == headers["server"] == "test"
    assert headers.get("host") == "h"
    assert headers.get("nope") is None
    assert headers.get_all("X-a") == ["1", "2"]
    assert headers.get_all("nope") == []
    assert "HOST" in headers
    assert "nope" not in headers
    assert 1 not in headers


def test_missing(headers):
    """A missing header is a KeyError."""
    with pytest.raises(KeyError, match=r"^'nope'$"):
        headers["Nope"]
    with pytest.raises(KeyError):
        del headers["nope"]


def test_several_values(headers):
    """Looking up one value of several is an error that names the header."""
    with pytest.raises(MultipleValuesError, match=r"^'X-A'$"):
        headers["X-A"]
    with pytest.raises(LookupError):
        headers.get("x-a")


def test_iteration(headers):
    """Iterating gives names in lower case, once each; len() counts them."""
    assert list(headers) == list(headers.keys()) == ["server", "x-a", "host"]
    assert len(headers) == 3
    assert headers
    assert not Headers()


def test_setting_adds(headers):
    """Setting a header keeps the values that are there."""
    headers["SERVER"] = "again"
    assert headers.get_all("server") == ["test", "again"]
    assert list(headers.raw_items())[-1] == ("SERVER", "again")


def test_deletion(headers):
    """Deleting a header removes all its values."""
    del headers["X-a"]
    assert list(headers.raw_items()) == [("Server", "test"), ("Host", "h")]
    assert list(headers) == ["server", "host"]
    assert headers.pop("host") == "h"
    headers.clear()
    assert headers == Headers()
    assert list(headers.raw_items()) == []


def test_equality(headers):
    """Case and order of names don't matter; order of values does."""
    assert Headers([("A", "1"), ("B", "2")]) == Headers([("b", "2"), ("a", "1")])
    assert Headers([("A", "1"), ("A", "2")]) != Headers([("A", "2"), ("A", "1")])
    assert Headers(A="1") != {"a": "1"}
    with pytest.raises(TypeError, match="unhashable"):
        hash(headers)


@pytest.mark.parametrize(
    "clone",
    [
        Headers.copy,
        copy.copy,
        copy.deepcopy,
        lambda headers: pickle.loads(pickle.dumps(headers)),
        Headers,
    ],
    ids=["method", "copy", "deepcopy", "pickle", "constructor"],
)
def test_copies_are_independent(headers, clone):
    """A copy is equal, in the same order; changing it doesn't change the original."""
    other = clone(headers)
    assert other == headers
    assert list(other.raw_items()) == list(headers.raw_items())
    other["X-A"] = "3"
    del other["host"]
    assert headers.get_all("X-A") == ["1", "2"]
    assert "Host" in headers


def test_get_all_returns_a_copy(headers):
    """Changing the list of values doesn't change the headers."""
    headers.get_all("X-A").append("3")
    assert headers.get_all("X-A") == ["1", "2"]


def test_text(headers):
    """The text of headers is what is sent."""
    lines = "Server: test\r\nX-A: 1\r\nHost: h\r\nx-a: 2\r\n\r\n"
    assert str(headers) == lines
    assert headers.serialize() == lines.encode()
    assert Headers().serialize() == b"\r\n"


def test_latin1_is_sent():
    """Non-ASCII values are sent as ISO-8859-1."""
    assert Headers(A="\xe9").serialize() == b"A: \xe9\r\n\r\n"


def test_representation():
    """The representation shows names and values as they were set."""
    assert (
        repr(Headers([("A", "1"), ("a", "2")])) == "Headers([('A', '1'), ('a', '2')])"
    )


def test_representation_masks_credentials():
    """The representation shows no credentials."""
    headers = Headers({"Authorization": "Basic YTpi", "cookie": "sid=1"})
    assert repr(headers) == "Headers([('Authorization', '***'), ('cookie', '***')])"


@pytest.mark.parametrize(
    "value", ["", " ", "a b", "a\tb", "\t", "~", "\x80", "\xff", "é"]
)
def test_values(value):
    """Visible characters, spaces, tabs, and ISO-8859-1 above 127 can be sent."""
    assert Headers(A=value)["A"] == value


@pytest.mark.parametrize(
    "value", ["\r", "a\nb", "a\r\nB: c", "\0", "\x1f", "\x7f", "Ā", "日", "\ud800"]
)
def test_wrong_values(value):
    """Line breaks, other control characters, and what isn't ISO-8859-1 are refused."""
    with pytest.raises(InvalidHeaderValue) as raised:
        Headers()["A"] = value
    assert str(raised.value) == f"invalid A header: {value}"


def test_wrong_credentials():
    """An error about credentials doesn't show them."""
    with pytest.raises(InvalidHeaderValue) as raised:
        Headers(Authorization="Bearer s3cret\n")
    assert str(raised.value) == "invalid Authorization header: ***"
    assert "s3cret" not in repr(raised.value)


@pytest.mark.parametrize(
    ("value", "text"), [(80, "80"), (0.5, "0.5"), (True, "True"), (-1, "-1")]
)
def test_numbers(value, text):
    """A number is set as its text."""
    headers = Headers({"A": value})
    assert headers["A"] == text
    assert headers.serialize() == f"A: {text}\r\n\r\n".encode()


@pytest.mark.parametrize("value", [b"a", None, ["a"]])
def test_wrong_types_of_values(value):
    """A value of another type is refused, and the error names the header."""
    with pytest.raises(
        TypeError, match=f"^A header must be a str, not {type(value).__name__}$"
    ):
        Headers()["A"] = value


@pytest.mark.parametrize("name", ["a", "X-Y", "0", "a_b", "!#$%&'*+-.^_`|~", "-", "`"])
def test_names(name):
    """A name is a token."""
    assert list(Headers({name: ""}).raw_items()) == [(name, "")]


@pytest.mark.parametrize(
    "name", ["", "a b", "a:", "a\n", "é", "²", "a\r\nb", "[a]", "a\0"]
)
def test_wrong_names(name):
    """A name that isn't a token is refused."""
    with pytest.raises(ValueError, match=r"^invalid header name: "):
        Headers()[name] = ""


def test_wrong_types_of_names():
    """A name of another type is refused."""
    with pytest.raises(TypeError, match=r"^header name must be a str, not bytes$"):
        Headers({b"a": "b"})


@pytest.mark.parametrize("headers", ["Authorization: s", ["Authorization: s"], ["ab"]])
def test_lines_are_not_headers(headers):
    """Lines, as other libraries take them, are refused, and don't show."""
    text = "^headers must be pairs of name and value, not str$"
    with pytest.raises(TypeError, match=text):
        Headers(headers)


def test_set_insecure():
    """Nothing is checked when the caller takes responsibility."""
    headers = Headers(A="1")
    headers.set_insecure("a", "b\nc")
    headers.set_insecure("d e", "f")
    assert list(headers.raw_items()) == [("A", "1"), ("a", "b\nc"), ("d e", "f")]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["A", "a", "B", "b-c", "B-C"]),
            st.text(st.characters(codec="iso-8859-1", exclude_categories=["Cc"])),
        )
    )
)
def test_views_agree(pairs):
    """The values by name and the items in order are always the same headers."""
    headers = Headers(pairs)
    assert list(headers.raw_items()) == pairs
    for name in headers:
        assert headers.get_all(name) == [v for k, v in pairs if k.lower() == name]
    assert set(headers) == {name.lower() for name, _ in pairs}
    lines = headers.serialize().decode("iso-8859-1").split("\r\n")
    assert lines == [*(f"{name}: {value}" for name, value in pairs), "", ""]


@given(st.text(), st.text())
def test_accepted_headers_stay_one_line(name, value):
    """No accepted header can add a line, or end the headers."""
    try:
        data = Headers({name: value}).serialize()
    except (ValueError, InvalidHeaderValue):
        return
    assert data.splitlines() == [f"{name}: {value}".encode("iso-8859-1"), b""]


NAMES = st.sampled_from(["Host", "host", "X", "Cookie"])
VALUES = st.sampled_from(["", "a", " b ", "c: d", "\xe9\t"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["set", "insecure", "get", "delete", "pack"]), NAMES, VALUES
    )
)


@given(STEPS)
def test_packing_changes_nothing(steps):
    """Headers that are packed now and then look the same as those that never are."""
    packed, plain = Headers(), Headers({"Gone": ""})
    del plain["Gone"]
    for step, name, value in steps:
        for headers in (packed, plain):
            if step == "set":
                headers[name] = value
            elif step == "insecure":
                headers.set_insecure(name, value)
            elif step == "delete" and name in headers:
                del headers[name]
        if step == "pack":
            packed._pack()
        assert (name in packed) is (name in plain)
        if step == "get":
            assert packed.get_all(name) == plain.get_all(name)
        assert str(packed) == str(plain)
    assert packed == plain
    assert repr(packed) == repr(plain)
    assert list(packed) == list(plain)
    packed.clear()
    assert "X" not in packed


def test_what_cannot_be_packed():
    """Headers that nobody checked are kept as they were set."""
    headers = Headers()
    headers.set_insecure("A", "b\r\nC: d")
    headers._pack()
    assert list(headers.raw_items()) == [("A", "b\r\nC: d")]


def test_packed_headers_are_small():
    """Packed headers take little more memory than their bytes."""
    headers = Headers([(f"Name-{i}", "value") for i in range(20)])
    assert headers.get_all("Name-1") == ["value"]
    size = len(headers.serialize())
    headers._pack()
    assert sum(
        map(sys.getsizeof, gc.get_referents(headers))
    ) < size + 100 + sys.getsizeof(Headers)
