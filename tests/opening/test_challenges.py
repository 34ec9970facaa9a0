"""Proxy-Authenticate: its grammar, whatever proxies make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websockets._opening.proxies.challenges import Challenge, parse_challenges


def parsed(*values):
    """Return what is in the fields, without the spelling of names."""
    return [(c.scheme, c.token, dict(c.parameters)) for c in parse_challenges(values)]


@pytest.mark.parametrize(
    ("values", "challenges"),
    [
        ([], []),
        ([""], []),
        ([" , ,"], []),
        (["Basic"], [("basic", None, {})]),
        (["NTLM"], [("ntlm", None, {})]),
        (["NEGOTIATE"], [("negotiate", None, {})]),
        (["NTLM TlRMTVNTUAACAAAA=="], [("ntlm", "TlRMTVNTUAACAAAA==", {})]),
        (["Negotiate token=oYG"], [("negotiate", None, {"token": "oYG"})]),
        (['Basic realm="lab"'], [("basic", None, {"realm": "lab"})]),
        (["Basic realm=lab"], [("basic", None, {"realm": "lab"})]),
        (["Basic\trealm = lab "], [("basic", None, {"realm": "lab"})]),
        (['Basic realm="a, \\"b\\" \\\\ c=d"'], [("basic", None, {"realm": 'a, "b" \\ c=d'})]),
        (['Basic realm=""'], [("basic", None, {"realm": ""})]),
        (["Basic realm=a/b=="], [("basic", None, {"realm": "a/b=="})]),
        # Several.
        (["Negotiate", "NTLM"], [("negotiate", None, {}), ("ntlm", None, {})]),
        (["Negotiate, NTLM"], [("negotiate", None, {}), ("ntlm", None, {})]),
        (["Negotiate YII=, NTLM"], [("negotiate", "YII=", {}), ("ntlm", None, {})]),
        (
            ['Digest realm="r", nonce="n", QOP="auth,auth-int", Basic realm="r"', "NTLM"],
            [
                ("digest", None, {"realm": "r", "nonce": "n", "qop": "auth,auth-int"}),
                ("basic", None, {"realm": "r"}),
                ("ntlm", None, {}),
            ],
        ),
        ([", ,Basic ,, realm=x,,"], [("basic", None, {"realm": "x"})]),
        # One list over two fields.
        (['Digest realm="r"', 'nonce="n"'], [("digest", None, {"realm": "r", "nonce": "n"})]),
        # The first of two equal parameters.
        (["Digest a=1, A=2"], [("digest", None, {"a": "1"})]),
        # What nobody knows is read all the same.
        (["Kerberos", "X-New a=b"], [("kerberos", None, {}), ("x-new", None, {"a": "b"})]),
        # Outside of the grammar.
        (["realm=x"], []),
        (['"', "Basic"], [("basic", None, {})]),
        (['Basic realm="x', "NTLM"], [("basic", None, {}), ("ntlm", None, {})]),
        (['Basic realm="x"y, a=b'], [("basic", None, {"a": "b"})]),
        (["Basic @@@ , NTLM"], [("basic", None, {}), ("ntlm", None, {})]),
        (["Ba/sic, NTLM"], [("ntlm", None, {})]),
        (["Basic realm=\\, NTLM"], [("basic", None, {"realm": "\\"}), ("ntlm", None, {})]),
    ],
)  # fmt: skip
def test_challenges(values, challenges):
    """Fields with one or several challenges, and with junk, are read."""
    assert parsed(*values) == challenges


def test_names():
    """The proxy's own spelling is kept; tokens and parameters don't show."""
    [one] = parse_challenges(["nEgOtIaTe c2VjcmV0"])
    assert one.name == "nEgOtIaTe"
    assert "c2VjcmV0" not in repr(one)
    [one] = parse_challenges(["Digest nonce=c2VjcmV0"])
    assert "c2VjcmV0" not in repr(one)


NAMES = st.text("aB1!#$%&'*+.^_`|~-", min_size=1)
TOKENS = st.builds(
    str.__add__, st.text("aB1._~+/-", min_size=1), st.sampled_from(["", "=", "=="])
)
TEXTS = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]))


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(
    st.lists(
        st.tuples(NAMES, st.one_of(st.none(), TOKENS, st.dictionaries(NAMES, TEXTS))),
    ),
    st.sampled_from([", ", ",", " ,\t", ", ,"]),
    st.booleans(),
)
def test_what_is_written_is_read(challenges, comma, joined):
    """Whatever follows the grammar is understood, in one field or in many."""
    fields, expected = [], []
    for name, rest in challenges:
        if isinstance(rest, dict):
            parameters = {}
            for key, value in rest.items():
                parameters.setdefault(key.lower(), value)
            items = comma.join(f"{k}={quote(v)}" for k, v in rest.items())
            fields.append(f"{name} {items}".rstrip())
            expected.append((name.lower(), None, parameters))
        else:
            fields.append(name if rest is None else f"{name} {rest}")
            expected.append((name.lower(), rest, {}))
    assert parsed(*([comma.join(fields)] if joined else fields)) == expected


@given(st.lists(st.text(st.sampled_from('aB1=",\\ \t/@') | st.characters())))
def test_anything_is_read(values):
    """No text raises an exception."""
    assert all(isinstance(c, Challenge) for c in parse_challenges(values))


@pytest.mark.parametrize(
    "piece",
    [
        'a="',
        "a",
        "a ",
        "a,",
        "a=",
        " ",
        ",",
        '"',
        '\\"',
        'a="\\',
        "a=b c",
        "a \\,",
        "a/",
    ],
)
def test_time_is_linear(piece):
    """A field of 200 kB takes no noticeable time (quadratic time would be minutes)."""
    parse_challenges([piece * (200_000 // len(piece)), "@" + piece * 1000])
