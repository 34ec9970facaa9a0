"""The grammar of HTTP headers, accepted and refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websockets.exceptions import InvalidHeader, InvalidHeaderFormat, InvalidHeaderValue
from websockets.headers import (
    build_authorization_basic,
    build_extension,
    build_host,
    build_subprotocol,
    build_www_authenticate_basic,
    parse_authorization_basic,
    parse_connection,
    parse_extension,
    parse_subprotocol,
    parse_upgrade,
    validate_subprotocols,
)


TOKEN_CHARS = "!#$%&'*+-.^_`|~09azAZ"

LISTS = [
    ("a", ["a"]),
    ("Upgrade", ["Upgrade"]),
    ("websocket", ["websocket"]),
    ("keep-alive, Upgrade", ["keep-alive", "Upgrade"]),
    ("a,b", ["a", "b"]),
    ("a ,b", ["a", "b"]),
    ("a\t,\tb", ["a", "b"]),
    ("a ", ["a"]),
    (",a", ["a"]),
    (", a", ["a"]),
    ("a,", ["a"]),
    ("a,\t", ["a"]),
    ("a,,b", ["a", "b"]),
    ("a , ,b", ["a", "b"]),
    ("a,,,b,,", ["a", "b"]),
    (TOKEN_CHARS, [TOKEN_CHARS]),
]

# What isn't a list of tokens: what was expected, and where.
WRONG_LISTS = [
    ("", "item", 0),
    (" ", "item", 0),
    (" a", "item", 0),
    (",", "item", 1),
    (",,", "item", 2),
    ("é", "item", 0),
    ("a,é", "item", 2),
    ('"a"', "item", 0),
    ("\0", "item", 0),
    ("@", "item", 0),
    ("/b", "item", 0),
    ("a b", "comma", 2),
    ("a, b c", "comma", 5),
    ("a;b", "comma", 1),
    ("a=b", "comma", 1),
    ('a"', "comma", 1),
    ("a@b", "comma", 1),
    ("a\r\n", "comma", 1),
    ("a/", "comma", 1),
    ("a /b", "comma", 2),
    ("a/ b", "comma", 1),
]

PARSERS = {
    "Connection": (parse_connection, "token"),
    "Upgrade": (parse_upgrade, "protocol"),
    "Sec-WebSocket-Protocol": (parse_subprotocol, "token"),
}


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize(("header", "items"), LISTS)
def test_lists(name, header, items):
    """Lists may have empty items, and spaces around commas, as RFC 9110 says."""
    parse, _ = PARSERS[name]
    assert parse(header) == items


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize(("header", "expected", "pos"), WRONG_LISTS)
def test_wrong_lists(name, header, expected, pos):
    """The error tells what was expected, and where."""
    parse, item = PARSERS[name]
    expected = item if expected == "item" else expected
    with pytest.raises(InvalidHeaderFormat) as raised:
        parse(header)
    assert str(raised.value) == (
        f"invalid {name} header: expected {expected} at {pos} in {header}"
    )


@pytest.mark.parametrize(
    ("header", "items"),
    [("a/b", ["a/b"]), ("HTTP/2.0, h2c", ["HTTP/2.0", "h2c"])],
)
def test_upgrade_with_versions(header, items):
    """A protocol may have a version."""
    assert parse_upgrade(header) == items


@pytest.mark.parametrize(("header", "pos"), [("a/b/c", 3), ("a/b c", 4)])
def test_upgrade_with_wrong_versions(header, pos):
    """A version is a token."""
    with pytest.raises(InvalidHeaderFormat, match=f"expected comma at {pos} in "):
        parse_upgrade(header)


@pytest.mark.parametrize("parse", [parse_connection, parse_subprotocol])
def test_tokens_have_no_slash(parse):
    """Only Upgrade accepts a version."""
    with pytest.raises(InvalidHeaderFormat, match="expected comma at 1 in a/b"):
        parse("a/b")


EXTENSIONS = [
    ("foo", [("foo", [])]),
    ("foo, bar", [("foo", []), ("bar", [])]),
    ("foo,,bar", [("foo", []), ("bar", [])]),
    (
        'foo; name; token=token; quoted="quoted", bar; quux; quuux',
        [
            ("foo", [("name", None), ("token", "token"), ("quoted", "quoted")]),
            ("bar", [("quux", None), ("quuux", None)]),
        ],
    ),
    ("foo ; a = b", [("foo", [("a", "b")])]),
    ("foo\t;\ta", [("foo", [("a", None)])]),
    ("foo;a,", [("foo", [("a", None)])]),
    ("foo;a='b'", [("foo", [("a", "'b'")])]),
    (r'foo;a="\b\\c"'.replace(r"\\", ""), [("foo", [("a", "bc")])]),
    ("foo; a=b; a=c", [("foo", [("a", "b"), ("a", "c")])]),
    (
        "permessage-deflate; client_max_window_bits, "
        "permessage-deflate; client_max_window_bits=10",
        [
            ("permessage-deflate", [("client_max_window_bits", None)]),
            ("permessage-deflate", [("client_max_window_bits", "10")]),
        ],
    ),
]

WRONG_EXTENSIONS = [
    ("", "expected token", 0),
    (" foo", "expected token", 0),
    ("foo;", "expected token", 4),
    ("foo;a;", "expected token", 6),
    ("foo;;a", "expected token", 4),
    ("foo;=b", "expected token", 4),
    ("foo;é", "expected token", 4),
    ("foo; a=", "expected token", 7),
    ("foo;a=é", "expected token", 6),
    ("foo a", "expected comma", 4),
    ("foo/1", "expected comma", 3),
    ("foo=1", "expected comma", 3),
    ("foo; a=b c", "expected comma", 9),
    ("foo; a=1=2", "expected comma", 8),
    ('foo; a="tok"x', "expected comma", 12),
    ('foo; a="b', "expected quoted string", 7),
    ('foo; a="b\\"', "expected quoted string", 7),
    ('foo; a="\x7f"', "expected quoted string", 7),
    ('foo; a="é"', "expected quoted string", 7),
    ('foo; a=""', "invalid quoted header content", 7),
    ('foo; a="b c"', "invalid quoted header content", 7),
    ('foo; a="b,c"', "invalid quoted header content", 7),
    ('foo; a="b\tc"', "invalid quoted header content", 7),
    ('foo; a="b\\"c"', "invalid quoted header content", 7),
    ('foo; a="b\\\\c"', "invalid quoted header content", 7),
    ('foo; a="\\é"', "invalid quoted header content", 7),
]


@pytest.mark.parametrize(("header", "extensions"), EXTENSIONS)
def test_extensions(header, extensions):
    """Extensions are names with parameters, in order, quoted or not."""
    assert parse_extension(header) == extensions


@pytest.mark.parametrize(("header", "error", "pos"), WRONG_EXTENSIONS)
def test_wrong_extensions(header, error, pos):
    """The error tells what was expected, and where."""
    with pytest.raises(InvalidHeaderFormat) as raised:
        parse_extension(header)
    assert str(raised.value) == (
        f"invalid Sec-WebSocket-Extensions header: {error} at {pos} in {header}"
    )


tokens = st.text(TOKEN_CHARS, min_size=1)


@given(
    st.lists(
        st.tuples(tokens, st.lists(st.tuples(tokens, st.none() | tokens))), min_size=1
    )
)
def test_extensions_round_trip(extensions):
    """Parsing what was built gives the same extensions."""
    assert parse_extension(build_extension(extensions)) == extensions


@given(st.lists(tokens, min_size=1))
def test_subprotocols_round_trip(subprotocols):
    """Parsing what was built gives the same subprotocols."""
    assert parse_subprotocol(build_subprotocol(subprotocols)) == subprotocols


def test_build_extension():
    """Extensions are built without quotes."""
    extensions = [("foo", [("a", None)]), ("bar", [("b", "c"), ("d", None)])]
    assert build_extension(extensions) == "foo; a, bar; b=c; d"
    assert build_extension([]) == ""


@pytest.mark.parametrize("parse", [p for p, _ in PARSERS.values()] + [parse_extension])
@given(header=st.text('ab ,;=/"\\\té', max_size=30))
def test_parsers_give_items_or_an_error(parse, header):
    """Whatever the header, parsing gives at least one item, or InvalidHeaderFormat."""
    try:
        items = parse(header)
    except InvalidHeaderFormat:
        return
    assert items


@pytest.mark.parametrize(
    "subprotocols", [[], ["a"], ["a", "b"], ("a", "b"), ["a", "a"]]
)
def test_validate_subprotocols(subprotocols):
    """Lists and tuples of tokens are subprotocols."""
    validate_subprotocols(subprotocols)


@pytest.mark.parametrize(
    ("subprotocols", "text"),
    [
        ("chat", "subprotocols must be a list, not a str"),
        (b"chat", "subprotocols must be a list"),
        (None, "subprotocols must be a list"),
        ({"chat"}, "subprotocols must be a list"),
        (iter(["chat"]), "subprotocols must be a list"),
        ([1], "subprotocol must be a str, not int"),
        ([b"chat"], "subprotocol must be a str, not bytes"),
    ],
)
def test_wrong_types_of_subprotocols(subprotocols, text):
    """Anything but a list of str is refused; the error tells what it should be."""
    with pytest.raises(TypeError) as raised:
        validate_subprotocols(subprotocols)
    assert str(raised.value) == text


@pytest.mark.parametrize("subprotocol", ["", "a b", "a,b", "a/b", "é", "a\n", " a"])
def test_wrong_subprotocols(subprotocol):
    """A subprotocol that isn't a token is refused; the error names it."""
    with pytest.raises(ValueError) as raised:  # noqa: PT011  # compared below
        validate_subprotocols(["ok", subprotocol])
    assert str(raised.value) == f"invalid subprotocol: {subprotocol}"


@pytest.mark.parametrize(
    ("host", "port", "secure", "short", "long"),
    [
        ("h", 80, False, "h", "h:80"),
        ("h", 80, True, "h:80", "h:80"),
        ("h", 443, True, "h", "h:443"),
        ("h", 443, False, "h:443", "h:443"),
        ("1.2.3.4", 80, False, "1.2.3.4", "1.2.3.4:80"),
        ("::1", 80, False, "[::1]", "[::1]:80"),
        ("::1", 81, False, "[::1]:81", "[::1]:81"),
        ("[::1]", 80, False, "[::1]", "[::1]:80"),
        ("fe80::1%eth0", 80, False, "[fe80::1]", "[fe80::1]:80"),
    ],
)
def test_build_host(host, port, secure, short, long):
    """The port is there if it isn't the default one, or if it is asked for."""
    assert build_host(host, port, secure) == short
    assert build_host(host, port, secure, always_include_port=True) == long


@pytest.mark.parametrize("host", ["a\r\nX: y", "a b", "a\0", "é", "a\x7f", "fe80::1\n"])
def test_build_host_that_cannot_be_sent(host):
    """A host that would break a header, or a request line, is a ValueError."""
    with pytest.raises(ValueError, match=r"^invalid host: "):
        build_host(host, 80, False)


@pytest.mark.parametrize(
    ("realm", "header"),
    [
        ("", 'Basic realm="", charset="UTF-8"'),
        ("foo", 'Basic realm="foo", charset="UTF-8"'),
        ("a\tb é", 'Basic realm="a\tb é", charset="UTF-8"'),
        ('a"b\\c', 'Basic realm="a\\"b\\\\c", charset="UTF-8"'),
    ],
)
def test_build_www_authenticate_basic(realm, header):
    """The realm is quoted, and the encoding announced."""
    assert build_www_authenticate_basic(realm) == header


@pytest.mark.parametrize("realm", ["a\nb", "\0", "\x7f", "日"])
def test_wrong_realms(realm):
    """A realm that can't be sent is refused."""
    with pytest.raises(
        ValueError, match=r"^invalid characters for quoted-string encoding$"
    ):
        build_www_authenticate_basic(realm)


@pytest.mark.parametrize(
    ("header", "credentials"),
    [
        ("Basic aGVsbG86aXA=", ("hello", "ip")),
        ("basic aGVsbG86aXA=", ("hello", "ip")),
        ("BASIC aGVsbG86aXA=", ("hello", "ip")),
        ("Basic Og==", ("", "")),
        ("Basic Ojo6", ("", "::")),
        ("Basic w6k6w6g=", ("é", "è")),
        ("Basic 6To=", ("\udce9", "")),
    ],
)
def test_parse_authorization_basic(header, credentials):
    """Credentials are decoded, in UTF-8 as far as possible."""
    assert parse_authorization_basic(header) == credentials


@pytest.mark.parametrize(
    ("header", "error", "pos"),
    [
        ("", "expected token", 0),
        (" Basic aGVsbG86aXA=", "expected token", 0),
        ("Basic", "expected space after scheme", 5),
        ("s3cret", "expected space after scheme", 6),
        ("Basic\taGVsbG86aXA=", "expected space after scheme", 5),
        ("Basic ", "expected token68", 6),
        ("Basic  aGVsbG86aXA=", "expected token68", 6),
        ("Basic =", "expected token68", 6),
        ("Basic aGVsbG86aXA= ", "trailing data", 18),
        ("Basic a:b", "trailing data", 7),
    ],
)
def test_malformed_authorization_basic(header, error, pos):
    """The error tells what was expected, and where, without showing credentials."""
    with pytest.raises(InvalidHeaderFormat) as raised:
        parse_authorization_basic(header)
    shown = "***" if header else ""
    assert str(raised.value) == (
        f"invalid Authorization header: {error} at {pos} in {shown}"
    )


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("Digest x", "unsupported scheme: Digest"),
        ("Basic aGVsbG86aXA", "expected base64-encoded credentials"),
        ("Basic aGVsbG86aXA==", "expected base64-encoded credentials"),
        ("Basic aGV.sbG86aXA=", "expected base64-encoded credentials"),
        ("Basic aGVsbG8=", "expected username:password credentials"),
    ],
)
def test_wrong_authorization_basic(header, error):
    """The error tells what is wrong, without showing credentials."""
    with pytest.raises(InvalidHeaderValue) as raised:
        parse_authorization_basic(header)
    assert str(raised.value) == f"invalid Authorization header: {error}"
    assert raised.value.__cause__ is None


@given(
    st.text(st.characters(exclude_characters=":", codec="utf-8")),
    st.text(st.characters(codec="utf-8")),
)
def test_credentials_round_trip(username, password):
    """Parsing what was built gives the same credentials."""
    header = build_authorization_basic(username, password)
    assert parse_authorization_basic(header) == (username, password)


@given(st.binary(), st.binary())
def test_bytes_round_trip(username, password):
    """Credentials in another encoding than UTF-8 pass unchanged."""
    username = username.replace(b":", b"").decode(errors="surrogateescape")
    password = password.decode(errors="surrogateescape")
    header = build_authorization_basic(username, password)
    assert parse_authorization_basic(header) == (username, password)


@given(
    st.text("Basic =é:\t", max_size=20) | st.text("aGVsbG86=.").map("Basic {}".format)
)
def test_credentials_or_an_error(header):
    """Whatever the header, parsing gives credentials or InvalidHeader."""
    try:
        username, _ = parse_authorization_basic(header)
    except InvalidHeader:
        return
    assert ":" not in username


def test_colon_in_username():
    """A user name with a colon can't be sent; the error doesn't show it."""
    with pytest.raises(ValueError, match=r"^username must not contain a colon$"):
        build_authorization_basic("a:b", "c")
