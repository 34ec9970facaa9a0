"""SOCKS: requests, replies, refusals."""

from __future__ import annotations

import pytest

from websockets._opening.proxies.dialogue import RECONNECT, Read, Trace
from websockets._opening.proxies.socks import check_socks, socks_connect
from websockets.exceptions import InvalidProxyMessage, ProxyError
from websockets.proxy import parse_proxy


NONE = b"\x05\x00"
PASSWORD = b"\x05\x02"
WELCOME = b"\x01\x00"
DONE4 = b"\x00\x5a\x00\x00\x00\x00\x00\x00"
DONE5 = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x04\xd2"


class Talk:
    """
    A dialogue with a SOCKS proxy.

    Args:
        replies: What the proxy sends; each reply answers what was written since the
            one before. ``b""`` ends the stream; exceptions are thrown.
        size: Bytes that arrive at once.

    Attributes:
        written: What each connection got, message by message.
        tunnel: What the dialogue returned.
        traced: Lines for the log.
    """

    def __init__(self, url, *replies, hosts=("h.test",), port=443, size=1000):
        replies = list(replies)
        self.written = [[]]
        self.tunnel = None
        self.traced = []
        chunks = []
        dialogue = socks_connect(parse_proxy(url), hosts, port)
        step = next(dialogue)
        try:
            while True:
                if step is RECONNECT:
                    self.written.append([])
                    step = dialogue.send(None)
                elif isinstance(step, Trace):
                    self.traced.extend(step.lines)
                    step = dialogue.send(None)
                elif isinstance(step, Read):
                    if not chunks:
                        reply = replies.pop(0)
                        if isinstance(reply, Exception):
                            step = dialogue.throw(reply)
                            continue
                        chunks = [
                            reply[i : i + size] for i in range(0, len(reply), size)
                        ] or [b""]
                    step = dialogue.send(chunks.pop(0))
                else:
                    self.written[-1].append(step)
                    step = dialogue.send(None)
        except StopIteration as stop:
            assert not replies
            self.tunnel = stop.value


every_size = pytest.mark.parametrize("size", [1, 2, 3, 1000])


# SOCKS4


@every_size
@pytest.mark.parametrize(
    ("url", "host", "request_"),
    [
        ("socks4://p", "192.0.2.1", b"\x04\x01\x01\xbb\xc0\x00\x02\x01\x00"),
        ("socks4://ann@p", "192.0.2.1", b"\x04\x01\x01\xbb\xc0\x00\x02\x01ann\x00"),
        ("socks4://%ff:pw@p", "192.0.2.1", b"\x04\x01\x01\xbb\xc0\x00\x02\x01\xff\x00"),
        ("socks4a://p", "192.0.2.1", b"\x04\x01\x01\xbb\xc0\x00\x02\x01\x00"),
        ("socks4a://p", "h.test", b"\x04\x01\x01\xbb\x00\x00\x00\x01\x00h.test\x00"),
        (
            "socks4a://ann@p",
            "münchen.test",
            b"\x04\x01\x01\xbb\x00\x00\x00\x01ann\x00xn--mnchen-3ya.test\x00",
        ),
    ],
)
def test_socks4(url, host, request_, size):
    """SOCKS4 sends an address; SOCKS4a can send a name; both can send a user name."""
    talk = Talk(url, DONE4, hosts=(host,), size=size)
    assert talk.written == [[request_]]
    assert talk.tunnel.response is None
    assert talk.tunnel.scheme == ("username" if "@" in url else None)


@pytest.mark.parametrize(
    ("code", "text", "temporary"),
    [
        (91, "SOCKS4 reply 91: rejected or failed", True),
        (
            92,
            "SOCKS4 reply 92: "
            "the proxy cannot ask this machine who the user is (identd)",
            False,
        ),
        (
            93,
            "SOCKS4 reply 93: the user differs from what this machine says (identd)",
            False,
        ),
        (5, "SOCKS4 reply 5: unknown reply", False),
    ],
)
@pytest.mark.parametrize("rest", [b"", b"\0\0\0\0\0\0"])
def test_socks4_refusal(code, text, temporary, rest):
    """A refusal says why, and whether trying again may help, even when it's short."""
    with pytest.raises(ProxyError) as info:
        Talk("socks4a://p", bytes([0, code]) + rest)
    assert type(info.value) is ProxyError
    assert str(info.value) == "failed to connect to SOCKS proxy"
    assert info.value.__notes__ == [text]
    assert isinstance(info.value.__cause__, OSError) == temporary


@pytest.mark.parametrize("scheme", ["socks4", "socks4a"])
def test_socks4_and_ipv6(scheme):
    """SOCKS4 cannot reach IPv6 addresses; nothing is sent."""
    with pytest.raises(ProxyError) as info:
        Talk(f"{scheme}://p", hosts=("2001:db8::1",))
    assert info.value.__notes__ == ["SOCKS4 cannot reach IPv6 addresses: 2001:db8::1"]


# SOCKS5


@every_size
@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("h.test", b"\x03\x06h.test"),
        ("münchen.test", b"\x03\x13xn--mnchen-3ya.test"),
        ("192.0.2.1", b"\x01\xc0\x00\x02\x01"),
        ("2001:db8::1", b"\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01"),
        ("h" * 255, b"\x03\xff" + b"h" * 255),
    ],
)
def test_socks5(host, target, size):
    """SOCKS5 sends a name or an address, IPv6 included."""
    talk = Talk("socks5h://p", NONE, DONE5, hosts=(host,), port=8443, size=size)
    assert talk.written == [[b"\x05\x01\x00", b"\x05\x01\x00" + target + b"\x20\xfb"]]
    assert talk.tunnel.scheme is None


@every_size
@pytest.mark.parametrize(
    "reply",
    [
        DONE5,
        b"\x05\x00\x00\x04" + bytes(18),
        b"\x05\x00\x00\x03\x06p.test\x00\x50",
        b"\x05\x00\x00\x03\x00\x00\x50",
        b"\x05\x00\xff\x01" + bytes(6),
    ],
)
def test_socks5_reply(reply, size):
    """The address in the reply may be of any type, and come in pieces."""
    assert Talk("socks5h://p", NONE, reply, size=size).tunnel is not None


@every_size
@pytest.mark.parametrize(
    ("user_info", "request_"),
    [
        ("ann:s3cret", b"\x01\x03ann\x06s3cret"),
        ("ann", b"\x01\x03ann\x00"),
        (":s3cret", b"\x01\x00\x06s3cret"),
        ("%C3%BC:%ff", b"\x01\x02\xc3\xbc\x01\xff"),
        ("u" * 255 + ":" + "p" * 255, b"\x01\xff" + b"u" * 255 + b"\xff" + b"p" * 255),
    ],
)
def test_password(user_info, request_, size):
    """User name and password are offered, and sent when the proxy picks them."""
    talk = Talk(f"socks5h://{user_info}@p", PASSWORD, WELCOME, DONE5, size=size)
    assert talk.written[0][:2] == [b"\x05\x02\x00\x02", request_]
    assert talk.tunnel.scheme == "password"


def test_trace():
    """The log tells what's said, without user name and password."""
    talk = Talk("socks5h://ann:s3cret@p", PASSWORD, WELCOME, DONE5)
    assert talk.traced == [
        "> SOCKS5 methods [0, 2]",
        "< SOCKS5 method 2",
        "> SOCKS5 user name *** password ***",
        "< SOCKS5 status 0",
        "> SOCKS5 CONNECT h.test port 443",
        "< SOCKS5 reply 0",
    ]
    talk = Talk("socks4a://ann@p", DONE4)
    assert talk.traced == ["> SOCKS4 CONNECT h.test port 443", "< SOCKS4 reply 90"]


def test_password_not_wanted():
    """User name and password aren't sent when the proxy does without."""
    talk = Talk("socks5h://ann:s3cret@p", NONE, DONE5)
    assert b"s3cret" not in b"".join(talk.written[0])
    assert talk.tunnel.scheme is None


@pytest.mark.parametrize("reply", [b"\x01\x01", b"\x05\xff", b"\x01\x02" + b"x" * 9])
def test_password_refused(reply):
    """A refused password is a ProxyError, which isn't temporary and doesn't show it."""
    with pytest.raises(ProxyError) as info:
        Talk("socks5h://ann:s3cret@p", PASSWORD, reply)
    assert str(info.value) == "failed to connect to SOCKS proxy"
    assert info.value.__notes__ == ["the proxy refused the user name and password"]
    assert info.value.__cause__ is None


@pytest.mark.parametrize(
    ("user_info", "text"),
    [
        ("", "the proxy wants authentication; no user name was given"),
        (
            "ann:s3cret@",
            "the proxy accepts neither the user name and password nor none",
        ),
    ],
)
def test_no_method(user_info, text):
    """A proxy that accepts no method that was offered is a ProxyError."""
    with pytest.raises(ProxyError) as info:
        Talk(f"socks5://{user_info}p", b"\x05\xff")
    assert info.value.__notes__ == [text]


@pytest.mark.parametrize(
    ("code", "text", "temporary"),
    [
        (1, "general failure", True),
        (2, "not allowed by the rules of the proxy", False),
        (3, "network unreachable", True),
        (4, "host unreachable", True),
        (5, "connection refused by the server", True),
        (6, "TTL expired", True),
        (7, "CONNECT isn't supported", False),
        (8, "this type of address isn't supported", True),
        (99, "unknown reply", False),
    ],
)
@pytest.mark.parametrize("rest", [b"", b"\0", b"\0\x01\0\0\0\0\0\0"])
def test_socks5_refusal(code, text, temporary, rest):
    """A refusal says why, and whether trying again may help, even in 2 or 3 bytes."""
    with pytest.raises(ProxyError) as info:
        Talk("socks5h://p", NONE, bytes([5, code]) + rest)
    assert type(info.value) is ProxyError
    assert str(info.value) == "failed to connect to SOCKS proxy"
    assert info.value.__notes__ == [f"SOCKS5 reply {code}: {text}"]
    assert isinstance(info.value.__cause__, OSError) == temporary


# What isn't SOCKS


@pytest.mark.parametrize(
    ("url", "replies"),
    [
        ("socks4a://p", [b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
        ("socks5h://p", [b"HTTP/1.1 400 Bad Request\r\n\r\n"]),
        ("socks5h://p", [PASSWORD]),
        ("socks5h://u:p@p", [b"\x05\x01"]),
        ("socks5h://p", [NONE, b"\x04\x00\x00\x01"]),
        ("socks5h://p", [NONE, b"\x05\x00\x00\x02"]),
    ],
)
def test_not_socks(url, replies):
    """Anything but SOCKS is an InvalidProxyMessage."""
    with pytest.raises(InvalidProxyMessage) as info:
        Talk(url, *replies)
    assert str(info.value) == "did not receive a valid SOCKS response from proxy"
    assert isinstance(info.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("socks4a://p", DONE4),
        ("socks5h://p", NONE + DONE5),
        ("socks5h://u:p@p", PASSWORD + WELCOME + DONE5),
    ],
)
@pytest.mark.parametrize("end", [b"", ConnectionResetError("reset")])
def test_closed(url, whole, end):
    """A close, at whatever byte, is an InvalidProxyMessage caused by an EOFError."""
    for length in range(len(whole)):
        replies = [whole[:length], end] if length else [end]
        with pytest.raises(InvalidProxyMessage) as info:
            Talk(url, *replies)
        assert str(info.value) == "did not receive a valid SOCKS response from proxy"
        assert isinstance(info.value.__cause__, EOFError)


def test_network_error():
    """Errors of the network that don't end the stream pass."""
    with pytest.raises(TimeoutError):
        Talk("socks5h://p", TimeoutError())


@pytest.mark.parametrize(
    ("url", "replies"),
    [("socks4a://p", [DONE4 + b"x"]), ("socks5h://p", [NONE, DONE5 + b"x"])],
)
def test_surplus(url, replies):
    """Bytes after the reply are refused: nobody may speak before the client."""
    with pytest.raises(InvalidProxyMessage) as info:
        Talk(url, *replies)
    assert str(info.value) == "proxy sent 1 bytes after its response"


# Several addresses


def test_next_address():
    """When the proxy can't reach an address, the next one is tried, by a new connection."""
    hosts = ("2001:db8::1", "192.0.2.1", "192.0.2.2")
    talk = Talk("socks5://p", NONE, b"\x05\x04\0", NONE, DONE5, hosts=hosts)
    first, second = talk.written
    assert first[1][3:4] == b"\x04"
    assert second[1][4:8] == b"\xc0\x00\x02\x01"
    talk = Talk("socks4://p", b"\x00\x5b", DONE4, hosts=hosts[1:])
    assert len(talk.written) == 2


def test_last_address():
    """No more than four addresses are tried; the last refusal is raised."""
    hosts = tuple(f"192.0.2.{i}" for i in range(9))
    refusals = [NONE, b"\x05\x05\0"] * 3 + [NONE, b"\x05\x03\0"]
    with pytest.raises(ProxyError) as info:
        Talk("socks5://p", *refusals, hosts=hosts)
    assert info.value.__notes__ == ["SOCKS5 reply 3: network unreachable"]


@pytest.mark.parametrize("replies", [[NONE, b"\x05\x02\0"], [NONE, b""], [b"\x05\xff"]])
def test_no_other_address(replies):
    """Another address isn't tried when the proxy didn't try this one."""
    with pytest.raises(ProxyError):
        Talk("socks5://p", *replies, hosts=("192.0.2.1", "192.0.2.2"))


# Mistakes


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (
            "socks5://" + "s" * 256 + ":pw@p",
            "the user name for socks5://p:1080 has 256 bytes; SOCKS5 allows 255 bytes",
        ),
        (
            "socks5h://u:" + "ü" * 128 + "@p",
            "the password for socks5h://p:1080 has 256 bytes; SOCKS5 allows 255 bytes",
        ),
        ("socks4://a%00b@p", "the user name for socks4://p:1080 contains NUL"),
    ],
)
def test_credentials_that_cannot_be_sent(url, text):
    """Credentials that SOCKS can't carry are a ValueError, which doesn't show them."""
    with pytest.raises(ValueError, match="the ") as info:
        check_socks(parse_proxy(url))
    assert str(info.value) == text


@pytest.mark.parametrize("url", ["socks5://p", "socks4://p", "socks5://u:p@p"])
def test_credentials_that_can_be_sent(url):
    """Others are fine."""
    check_socks(parse_proxy(url))


@pytest.mark.parametrize("host", ["h" * 256, "", "a\0b", "ü" * 64, "a..ü"])
@pytest.mark.parametrize("url", ["socks4a://p", "socks5h://p"])
def test_names_that_cannot_be_sent(url, host):
    """A name that SOCKS can't carry is a ProxyError."""
    with pytest.raises(ProxyError, match="cannot be sent to a SOCKS proxy"):
        Talk(url, hosts=(host,))
