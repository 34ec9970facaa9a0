"""The rules of no_proxy."""

from __future__ import annotations

import pytest

from websockets._opening.proxies.no_proxy import bypasses


@pytest.mark.parametrize(
    ("rules", "host"),
    [
        ("*", "example.com"),
        ("*", "192.0.2.1"),
        ("example.com", "example.com"),
        ("example.com", "www.example.com"),
        (".example.com", "www.example.com"),
        (".example.com", "example.com"),
        ("*.example.com", "www.example.com"),
        ("EXAMPLE.com", "example.COM"),
        ("example.com.", "example.com"),
        ("example.com", "example.com."),
        ("a.test,example.com", "example.com"),
        ("a.test example.com", "example.com"),
        ("a.test;example.com", "example.com"),
        (" a.test ,\texample.com, ", "example.com"),
        ("192.0.2.1", "192.0.2.1"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("10.9.9.9/8", "10.1.2.3"),
        ("10.*", "10.1.2.3"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
        ("2001:DB8::/32", "2001:db8::1"),
        ("[2001:db8::]/32", "2001:db8::1"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("xn--mnchen-3ya.test", "münchen.test"),
        ("münchen.test", "münchen.test"),
        (".münchen.test", "www.xn--mnchen-3ya.test"),
        ("<local>", "intranet"),
        ("*-dev.example.com", "a-dev.example.com"),
    ],
)
def test_rule_covers(rules, host):
    """These hosts are reached directly."""
    assert bypasses(rules, host, 443)


@pytest.mark.parametrize(
    ("rules", "host"),
    [
        ("", "example.com"),
        (",; ", "example.com"),
        ("example.com", "notexample.com"),
        ("example.com", "example.com.test"),
        ("www.example.com", "example.com"),
        ("*.example.com", "example.com"),
        ("*.example.com", "example.com.test"),
        ("192.0.2.1", "192.0.2.10"),
        ("2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1.nip.test"),
        ("10.0.0.0/8", "192.0.2.1"),
        ("10.0.0.0/8", "ten.test"),
        ("10.0.0.0/8", "2001:db8::1"),
        ("10.0.0.0/99", "10.1.2.3"),
        ("10.", "10.1.2.3"),
        ("[2001:db8::1]", "2001:db8::2"),
        ("<local>", "intra.net"),
        ("<local>", "2001:db8::1"),
        ("a*z.test", "a.test"),
        (f"{'ü' * 70}.test", "example.com"),
    ],
)
def test_rule_does_not_cover(rules, host):
    """These hosts are reached through the proxy."""
    assert not bypasses(rules, host, 443)


@pytest.mark.parametrize(
    ("rule", "host"),
    [
        ("example.com:443", "example.com"),
        ("192.0.2.1:443", "192.0.2.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("*.test:443", "a.test"),
    ],
)
def test_port(rule, host):
    """A rule with a port covers that port only."""
    assert bypasses(rule, host, 443)
    assert not bypasses(rule, host, 80)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "a.localhost",
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "0:0:0:0:0:0:0:1",
        "169.254.1.2",
        "fe80::1",
        "fe80::1%eth0",
        "::ffff:127.0.0.1",
    ],
)
def test_this_machine(host):
    """This machine and link-local addresses need no proxy, unless a rule says so."""
    assert bypasses("", host, 80)
    assert bypasses("a.test", host, 80)
    assert not bypasses("<-loopback>", host, 80)
    assert not bypasses("a.test, <-LOOPBACK>", host, 80)


@pytest.mark.parametrize(
    "host", ["localhost.test", "notlocalhost", "128.0.0.1", "fe00::1"]
)
def test_other_machines(host):
    """Names and addresses that only look like this machine's aren't."""
    assert not bypasses("", host, 80)
