"""Which redirects are followed."""

from __future__ import annotations

import pytest

from websockets._opening.redirects import resolve_redirect, same_origin
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus, InvalidURI, SecurityError
from websockets.http11 import Response
from websockets.uri import parse_uri


def moved(location, status=302):
    return InvalidStatus(Response(status, "Moved", Headers(Location=location)))


@pytest.mark.parametrize(
    ("uri", "location", "result"),
    [
        ("ws://h.test/a/b?x=1", "/c", "ws://h.test/c"),
        ("ws://h.test/a/b?x=1", "c", "ws://h.test/a/c"),
        ("ws://h.test/a/b?x=1", "?y=2", "ws://h.test/a/b?y=2"),
        ("ws://h.test/a/b?x=1", "", "ws://h.test/a/b?x=1"),
        ("ws://h.test:81/a", "/c", "ws://h.test:81/c"),
        ("ws://h.test/a", "//g.test:81/c", "ws://g.test:81/c"),
        ("ws://h.test/a", "ws://g.test/c", "ws://g.test/c"),
        ("ws://h.test/a", "wss://g.test/c", "wss://g.test/c"),
        ("ws://h.test/a", "http://g.test/c", "ws://g.test/c"),
        ("ws://h.test/a", "HTTPS://g.test/c", "wss://g.test/c"),
        ("wss://h.test/a", "https://h.test/c", "wss://h.test/c"),
        ("wss://h.test/a", "wss://u:p@g.test/c", "wss://u:p@g.test/c"),
        ("ws://u:p@h.test/a", "/c", "ws://u:p@h.test/c"),
    ],
)
def test_followed(uri, location, result):
    """These locations are followed."""
    assert resolve_redirect(moved(location), uri) == result


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_status(status):
    """These are the status codes of redirects."""
    assert resolve_redirect(moved("/c", status), "ws://h.test/") == "ws://h.test/c"


@pytest.mark.parametrize(
    "exc",
    [
        ValueError("other"),
        InvalidStatus(Response(302, "Found", Headers())),
        InvalidStatus(
            Response(302, "Found", Headers([("Location", "/a"), ("Location", "/b")]))
        ),
        *(moved("/c", status) for status in [200, 201, 304, 305, 306, 401, 404]),
    ],
    ids=repr,
)
def test_no_redirect(exc):
    """Any other failure is the one to raise."""
    assert resolve_redirect(exc, "ws://h.test/") is exc


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("ftp://h.test/", "ftp://h.test/ isn't a valid URI: scheme isn't ws or wss"),
        ("wss:///c", "wss:///c isn't a valid URI: hostname isn't provided"),
        (
            "http://h.test/#f",
            "ws://h.test/#f isn't a valid URI: fragment identifier is meaningless",
        ),
    ],
)
def test_invalid(location, text):
    """A redirect to something that isn't a WebSocket URI is an InvalidURI."""
    exc = resolve_redirect(moved(location), "ws://h.test/")
    assert isinstance(exc, InvalidURI)
    assert str(exc) == text


def test_unparsable():
    """What isn't a URI at all is an InvalidURI too."""
    exc = resolve_redirect(moved("ws://[/x"), "ws://h.test/")
    assert isinstance(exc, InvalidURI)
    assert str(exc) == "ws://[/x isn't a valid URI: host isn't valid"


@pytest.mark.parametrize(
    "location", ["ws://h.test/c", "http://h.test/c", "ws://g.test/c"]
)
def test_downgrade(location):
    """wss:// never leads to ws://."""
    exc = resolve_redirect(moved(location), "wss://h.test/")
    assert isinstance(exc, SecurityError)
    uri = location.replace("http:", "ws:")
    assert str(exc) == f"cannot follow redirect to non-secure URI {uri}"


@pytest.mark.parametrize("location", ["/c", "ws://g.test/c"])
def test_preexisting(location):
    """No redirect is followed with a socket of the user: it leads somewhere else."""
    exc = resolve_redirect(moved(location), "ws://h.test/", preexisting=True)
    assert type(exc) is ValueError
    uri = location.replace("/c", "ws://h.test/c") if location == "/c" else location
    assert str(exc) == f"cannot follow redirect to {uri} with a preexisting socket"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ({"unix": True}, "with a Unix socket"),
        ({"explicit": True}, "with an explicit host or port"),
    ],
)
def test_bound(kind, text):
    """A Unix socket, and a host or port of the user, serve one origin."""
    assert resolve_redirect(moved("/c"), "ws://h.test/", **kind) == "ws://h.test/c"
    exc = resolve_redirect(moved("ws://g.test/c"), "ws://h.test/", **kind)
    assert type(exc) is ValueError
    assert str(exc) == f"cannot follow cross-origin redirect to ws://g.test/c {text}"


def test_secrets():
    """Credentials in a location aren't shown."""
    for kind in [{"unix": True}, {"explicit": True}, {"preexisting": True}]:
        exc = resolve_redirect(moved("ws://ann:s3cret@g.test"), "ws://h.test/", **kind)
        assert "s3cret" not in str(exc)
    exc = resolve_redirect(moved("ws://ann:s3cret@g.test"), "wss://h.test/")
    assert "s3cret" not in str(exc)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("ws://h.test", True),
        ("ws://u:p@H.test:80/path?query", True),
        ("ws://h.test:81", False),
        ("ws://www.h.test", False),
        ("wss://h.test:80", False),
    ],
)
def test_same_origin(other, same):
    """An origin is scheme, host and port."""
    assert same_origin(parse_uri("ws://h.test/"), parse_uri(other)) is same
