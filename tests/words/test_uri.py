"""WebSocket URIs, accepted and refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websockets.exceptions import InvalidURI
from websockets.uri import WebSocketURI, _parse_uri, parse_uri


URIS = [
    ("ws://localhost/", (False, "localhost", 80, "/", "")),
    ("wss://localhost/", (True, "localhost", 443, "/", "")),
    ("ws://localhost", (False, "localhost", 80, "", "")),
    ("ws://localhost?a=b", (False, "localhost", 80, "", "a=b")),
    ("WS://Host/Path?Query", (False, "host", 80, "/Path", "Query")),
    ("ws://h/p?", (False, "h", 80, "/p", "")),
    ("ws://h/#", (False, "h", 80, "/", "")),
    ("ws://h//a/../b;c", (False, "h", 80, "//a/../b;c", "")),
    ("ws://h./", (False, "h.", 80, "/", "")),
    ("ws://a_b/", (False, "a_b", 80, "/", "")),
    # Ports
    ("ws://h:1/", (False, "h", 1, "/", "")),
    ("ws://h:65535/", (False, "h", 65535, "/", "")),
    ("ws://h:443/", (False, "h", 443, "/", "")),
    ("wss://h:/", (True, "h", 443, "/", "")),
    # IP addresses
    ("ws://1.2.3.4:5/", (False, "1.2.3.4", 5, "/", "")),
    ("ws://[::1]/", (False, "::1", 80, "/", "")),
    ("ws://[::FFFF:1.2.3.4]:5/", (False, "::ffff:1.2.3.4", 5, "/", "")),
    ("ws://[fe80::1%25eth0]/", (False, "fe80::1%eth0", 80, "/", "")),
    ("ws://[fe80::1%eth0]/", (False, "fe80::1%eth0", 80, "/", "")),
    # Credentials
    ("ws://u:p@h/", (False, "h", 80, "/", "", "u", "p")),
    ("ws://u:@h/", (False, "h", 80, "/", "", "u", "")),
    ("ws://:@h/", (False, "h", 80, "/", "", "", "")),
    ("ws://u:p:q@h/", (False, "h", 80, "/", "", "u", "p:q")),
    ("ws://u@v:p@h/", (False, "h", 80, "/", "", "u@v", "p")),
    ("ws://u%40v:%3a%2F@h/", (False, "h", 80, "/", "", "u@v", ":/")),
    ("ws://é:%C3%A8@h/", (False, "h", 80, "/", "", "é", "è")),
    ("ws://u:%ff@h/", (False, "h", 80, "/", "", "u", "\udcff")),
    # What is ASCII stays, unless it would break the request line
    ("ws://h/%20%zz?%3F", (False, "h", 80, "/%20%zz", "%3F")),
    ('ws://h/"<>\\^`{|}?"{}', (False, "h", 80, '/"<>\\^`{|}', '"{}')),
    ("ws://h/a b\0?c d\x7f", (False, "h", 80, "/a%20b%00", "c%20d%7F")),
    # What isn't is converted
    ("ws://café.example/", (False, "xn--caf-dma.example", 80, "/", "")),
    ("ws://\uff25\uff38\uff0ecom/", (False, "ex.com", 80, "/", "")),
    ("ws://h/é?é=è", (False, "h", 80, "/%C3%A9", "%C3%A9=%C3%A8")),
    ("ws://é/%C3%A9 {}?%zz", (False, "xn--9ca", 80, "/%C3%A9%20%7B%7D", "%zz")),
]

WRONG_URIS = [
    ("", "scheme isn't ws or wss"),
    ("localhost", "scheme isn't ws or wss"),
    ("//localhost/", "scheme isn't ws or wss"),
    ("http://localhost/", "scheme isn't ws or wss"),
    ("ws://", "hostname isn't provided"),
    ("ws:///p", "hostname isn't provided"),
    ("ws:h", "hostname isn't provided"),
    ("ws://:80/", "hostname isn't provided"),
    ("ws://::1/", "hostname isn't provided"),
    ("ws://h/#f", "fragment identifier is meaningless"),
    ("ws://h/?q#f", "fragment identifier is meaningless"),
    ("ws://h:0/", "port isn't a number from 1 to 65535"),
    ("ws://h:65536/", "port isn't a number from 1 to 65535"),
    ("ws://h:-1/", "port isn't a number from 1 to 65535"),
    ("ws://h:+1/", "port isn't a number from 1 to 65535"),
    ("ws://h:1_0/", "port isn't a number from 1 to 65535"),
    ("ws://h:http/", "port isn't a number from 1 to 65535"),
    ("ws://h:\uff18\uff10/", "port isn't a number from 1 to 65535"),
    ("ws://[::1/", "host isn't valid"),
    ("ws://a\uff0fb/", "host isn't valid"),
    ("ws://[::1::]/", None),
    ("ws://[host]/", None),
    ("ws://[v1.a]/", "host isn't a valid IPv6 address"),
    ("ws://é..x/", "hostname isn't a valid domain name"),
    (f"ws://{'é' * 64}/", "hostname isn't a valid domain name"),
    ("ws://h /", "hostname contains a space or a control character"),
    ("ws://h\0/", "hostname contains a space or a control character"),
    ("ws://a\u3000b/", "hostname contains a space or a control character"),
    ("ws://h/\ud800", "a character can't be encoded"),
]

WRONG_CREDENTIALS = [
    ("ws://u:p[@h/", "ws://***@h/", "host isn't valid"),
    ("ws://u@h/", "ws://***@h/", "username provided without password"),
    ("ws://@h/", "ws://***@h/", "username provided without password"),
    ("ws://u%3Av:p@h/", "ws://***@h/", "username contains a colon"),
    ("ws://u:pass/word@h/", "ws://***@h/", "port isn't a number from 1 to 65535"),
    ("ws://u:pass\uff0fword@h/", "ws://***@h/", "host isn't valid"),
]


@pytest.mark.parametrize(("uri", "parts"), URIS)
def test_uris(uri, parts):
    """A URI gives its parts, ready to be used."""
    assert parse_uri(uri) == WebSocketURI(*parts)


def test_delimiters_stay_in_iris():
    """Converting an IRI leaves the characters that delimit its parts."""
    uri = parse_uri("ws://é/:/[]@!$&'()*+,;=??/:[]@!$&'()*+,;=")
    assert uri.path == "/:/[]@!$&'()*+,;="
    assert uri.query == "?/:[]@!$&'()*+,;="


@pytest.mark.parametrize(("uri", "msg"), WRONG_URIS)
def test_wrong_uris(uri, msg):
    """What isn't a WebSocket URI is refused; the error tells why."""
    with pytest.raises(InvalidURI) as raised:
        parse_uri(uri)
    # Some versions of Python see that an IPv6 address is wrong earlier than others.
    msg = msg or raised.value.msg
    assert str(raised.value) == f"{uri} isn't a valid URI: {msg}"


@pytest.mark.parametrize(("uri", "shown", "msg"), WRONG_CREDENTIALS)
def test_wrong_credentials(uri, shown, msg):
    """An error about a URI with credentials doesn't show them, nor does its context."""
    with pytest.raises(InvalidURI) as raised:
        parse_uri(uri)
    assert str(raised.value) == f"{shown} isn't a valid URI: {msg}"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize("uri", [b"ws://h/", None, 1])
def test_wrong_types(uri):
    """A URI is a str."""
    with pytest.raises(
        TypeError, match=f"^uri must be a str, not {type(uri).__name__}$"
    ):
        parse_uri(uri)


@pytest.mark.parametrize(
    ("uri", "resource_name"),
    [
        ("ws://h", "/"),
        ("ws://h?q", "/?q"),
        ("ws://h/", "/"),
        ("ws://h/p", "/p"),
        ("ws://h/p?q=r", "/p?q=r"),
    ],
)
def test_resource_name(uri, resource_name):
    """The resource name is path and query; the path of a request is never empty."""
    assert parse_uri(uri).resource_name == resource_name


@pytest.mark.parametrize(
    ("credentials", "user_info"),
    [((), None), (("u", "p"), ("u", "p")), (("", ""), ("", "")), (("u",), ("u", ""))],
)
def test_user_info(credentials, user_info):
    """User information is a pair, or nothing."""
    assert WebSocketURI(False, "h", 80, "", "", *credentials).user_info == user_info


def test_representation():
    """The representation has all parts, except the password."""
    assert repr(parse_uri("wss://u:s3cret@h/p?q")) == (
        "WebSocketURI(secure=True, host='h', port=443, path='/p', query='q', "
        "username='u', password='***')"
    )
    assert repr(parse_uri("ws://h")) == (
        "WebSocketURI(secure=False, host='h', port=80, path='', query='', "
        "username=None, password=None)"
    )


@given(st.text(), st.text())
def test_nothing_breaks_the_request_line(path, query):
    """Whatever the path and the query, the resource name is visible ASCII."""
    try:
        uri = parse_uri(f"ws://h/{path}?{query}")
    except InvalidURI as exc:
        assert exc.msg in {  # noqa: PT017  # other values fail
            "fragment identifier is meaningless",
            "a character can't be encoded",
        }
        return
    assert all("\x21" <= char <= "\x7e" for char in uri.resource_name)


@given(st.text("ws:/?#[]@%é１.:-0aA \t\n"))
def test_a_uri_or_an_error(rest):
    """Whatever follows the scheme, parsing gives a URI or InvalidURI."""
    try:
        uri = parse_uri("ws://" + rest)
    except InvalidURI:
        return
    assert uri.host
    assert uri.host.isascii()
    assert 1 <= uri.port <= 65535


def test_equal_uris_are_parsed_once():
    """The parts are remembered, but for credentials; each caller has its own."""
    one = parse_uri("ws://example.com/remembered")
    one.path = "/changed"
    assert parse_uri("ws://example.com/remembered").path == "/remembered"
    before = _parse_uri.cache_info().currsize
    assert parse_uri("ws://user:secret@example.com/").password == "secret"
    assert parse_uri("ws://example.com/" + 2000 * "a").port == 80
    assert _parse_uri.cache_info().currsize == before
