"""SOCKS4, SOCKS4a, and SOCKS5: a tunnel through a proxy that doesn't speak HTTP.

Owns: the messages of RFC 1928, of RFC 1929 (user name and password), and of SOCKS4,
which has no RFC; what refusals mean.
Doesn't know: streams, how names are resolved, which proxy to use.

``socks4a`` and ``socks5h`` leave it to the proxy to resolve the server's name. For
``socks4`` and ``socks5`` it's resolved before; when the server has several addresses,
the next one is tried, by a new connection, if the proxy can't reach one.

The proxy may refuse with fewer bytes than a complete reply has, so nothing behind the
code of a refusal is waited for. Authentication by GSSAPI (RFC 1961) isn't supported.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from ..._secrets import MASK
from ...exceptions import InvalidProxyMessage, ProxyError
from ...streams import StreamReader
from .dialogue import RECONNECT, Dialogue, Resolve, Trace, Tunnel, feed
from .url import Proxy


__all__ = ["SOCKS", "SOCKSHop"]

#: Schemes of SOCKS proxies.
SOCKS = frozenset({"socks4", "socks4a", "socks5", "socks5h"})

#: Those that are given addresses, not names.
RESOLVED_HERE = frozenset({"socks4", "socks5"})

#: Addresses of one server that are tried at most; the deadline covers all.
MAX_ADDRESSES = 4

REFUSED = "failed to connect to SOCKS proxy"
INVALID = "did not receive a valid SOCKS response from proxy"

# RFC 1929: the length is one byte. SOCKS5 names too.
MAX_LENGTH = 255

# Methods of authentication, RFC 1928 section 3.
NO_AUTHENTICATION, PASSWORD, NONE_OF_THESE = 0, 2, 255

ADDRESS_SIZES = {1: 4, 4: 16}


class Reply(NamedTuple):
    """What the code of a refusal means."""

    text: str
    #: Whether the proxy would have connected but could not: trying again may help.
    temporary: bool = False


# RFC 1928 section 6. Proxies say 1 for any reason.
REPLIES5 = {
    1: Reply("general failure", True),
    2: Reply("not allowed by the rules of the proxy"),
    3: Reply("network unreachable", True),
    4: Reply("host unreachable", True),
    5: Reply("connection refused by the server", True),
    6: Reply("TTL expired", True),
    7: Reply("CONNECT isn't supported"),
    8: Reply("this type of address isn't supported", True),
}

REPLIES4 = {
    91: Reply("rejected or failed", True),
    92: Reply("the proxy cannot ask this machine who the user is (identd)"),
    93: Reply("the user differs from what this machine says (identd)"),
}


def encode(text: str) -> bytes:
    """Encode a user name or a password; bytes of a URL that aren't UTF-8 survive."""
    return text.encode("utf-8", "surrogateescape")


def check_socks(proxy: Proxy) -> None:
    """
    Look for credentials that can't be sent.

    Raises:
        ValueError: There are. The text doesn't show them.
    """
    username, password = map(encode, proxy.user_info or ("", ""))
    if proxy.scheme in ("socks4", "socks4a"):
        if b"\0" in username:
            raise ValueError(f"the user name for {proxy} contains NUL")
        return  # there is no password
    for what, value in (("user name", username), ("password", password)):
        if len(value) > MAX_LENGTH:
            raise ValueError(
                f"the {what} for {proxy} has {len(value)} bytes; "
                f"SOCKS5 allows {MAX_LENGTH} bytes"
            )


@dataclasses.dataclass(frozen=True)
class SOCKSHop:
    """
    A SOCKS proxy on the way to a server.

    Attributes:
        proxy: Its address; its user name and password authenticate.

    Raises:
        ValueError: These can't be sent.
    """

    proxy: Proxy
    # It's reached in clear.
    context: ClassVar[Any] = None
    server_hostname: ClassVar[str | None] = None
    tls_options: ClassVar[Mapping[str, Any]] = {}

    def __post_init__(self) -> None:
        check_socks(self.proxy)

    @property
    def host(self) -> str:
        """Host to connect to."""
        return self.proxy.host

    @property
    def port(self) -> int:
        """Port to connect to."""
        return self.proxy.port

    def tunnel(self, host: str, port: int) -> Dialogue[Tunnel]:
        """
        Ask the proxy to connect to ``host`` and ``port``.

        Returns:
            How the user was authenticated.

        Raises:
            Exception: See :func:`socks_connect`.
            OSError: The name of the host can't be resolved.
        """
        hosts = (host,)
        if self.proxy.scheme in RESOLVED_HERE:
            hosts = yield Resolve(host, ipv4=self.proxy.scheme == "socks4")
        return (yield from socks_connect(self.proxy, hosts, port))


def socks_connect(proxy: Proxy, hosts: tuple[str, ...], port: int) -> Dialogue[Tunnel]:
    """
    Ask a SOCKS proxy for a tunnel.

    Args:
        proxy: The proxy; its user name and password authenticate.
        hosts: Host names or IP addresses of the server, IPv6 without brackets, in
            order of preference. They all mean the same server.
        port: Port to reach.

    Raises:
        ProxyError: The proxy refused. ``__cause__`` is an :exc:`OSError` if the proxy
            couldn't reach the server.
        InvalidProxyMessage: It sent something that isn't SOCKS, or more than that, or
            closed the connection; then ``__cause__`` is an :exc:`EOFError`.
    """
    connect = connect4 if proxy.scheme in ("socks4", "socks4a") else connect5
    candidates = list(hosts[:MAX_ADDRESSES])
    while True:
        reader = StreamReader()
        try:
            scheme = yield from connect(reader, proxy, candidates.pop(0), port)
            break
        except ProxyError as exc:
            if not candidates or not isinstance(exc.__cause__, OSError):
                raise
            yield RECONNECT
    surplus = reader.take()
    if surplus:
        raise InvalidProxyMessage(f"proxy sent {len(surplus)} bytes after its response")
    return Tunnel(scheme=scheme)


def connect4(
    reader: StreamReader, proxy: Proxy, host: str, port: int
) -> Dialogue[str | None]:
    """Ask by SOCKS4; return how the user was authenticated."""
    username, _ = map(encode, proxy.user_info or ("", ""))
    address = literal(host)
    name = b""
    if isinstance(address, ipaddress.IPv6Address):
        error = ProxyError(REFUSED)
        error.add_note(f"SOCKS4 cannot reach IPv6 addresses: {host}")
        raise error
    if address is None:
        # SOCKS4a: an impossible address announces a name behind the user name.
        address = ipaddress.IPv4Address("0.0.0.1")
        name = encode_name(host) + b"\0"
    yield Trace((f"> SOCKS4 CONNECT {host} port {port}",))
    head = b"\x04\x01" + port.to_bytes(2) + address.packed
    yield head + username + b"\0" + name
    version, code = yield from receive(reader, 2)
    yield Trace((f"< SOCKS4 reply {code}",))
    if version != 0:
        raise not_socks(f"version of SOCKS4 reply is {version}, not 0")
    if code != 90:
        raise refusal(4, code, REPLIES4)
    yield from receive(reader, 6)
    return "username" if proxy.user_info is not None else None


def connect5(
    reader: StreamReader, proxy: Proxy, host: str, port: int
) -> Dialogue[str | None]:
    """Ask by SOCKS5; return how the user was authenticated."""
    address = literal(host)
    if address is None:
        name = encode_name(host)
        target = bytes([3, len(name)]) + name
    else:
        target = bytes([1 if address.version == 4 else 4]) + address.packed

    # Without credentials there's nothing to offer but none.
    methods = [NO_AUTHENTICATION]
    if proxy.user_info is not None:
        methods.append(PASSWORD)
    yield Trace((f"> SOCKS5 methods {methods}",))
    yield bytes([5, len(methods), *methods])
    version, method = yield from receive(reader, 2)
    yield Trace((f"< SOCKS5 method {method}",))
    if version != 5:
        raise not_socks(f"version of SOCKS5 reply is {version}, not 5")
    if method == NONE_OF_THESE:
        error = ProxyError(REFUSED)
        error.add_note(
            "the proxy wants authentication; no user name was given"
            if proxy.user_info is None
            else "the proxy accepts neither the user name and password nor none"
        )
        raise error
    if method not in methods:
        raise not_socks(f"SOCKS5 method {method} wasn't offered")

    scheme = None
    if method == PASSWORD:
        assert proxy.user_info is not None  # or it wouldn't have been offered
        scheme = "password"
        yield Trace((f"> SOCKS5 user name {MASK} password {MASK}",))
        username, password = map(encode, proxy.user_info)
        yield b"".join(
            [
                b"\x01",
                bytes([len(username)]),
                username,
                bytes([len(password)]),
                password,
            ]
        )
        # Proxies disagree on the version in the reply.
        _, status = yield from receive(reader, 2)
        yield Trace((f"< SOCKS5 status {status}",))
        if status != 0:
            error = ProxyError(REFUSED)
            error.add_note("the proxy refused the user name and password")
            raise error

    yield Trace((f"> SOCKS5 CONNECT {host} port {port}",))
    yield b"\x05\x01\x00" + target + port.to_bytes(2)
    version, code = yield from receive(reader, 2)
    yield Trace((f"< SOCKS5 reply {code}",))
    if version != 5:
        raise not_socks(f"version of SOCKS5 reply is {version}, not 5")
    if code != 0:
        raise refusal(5, code, REPLIES5)
    # The address that the proxy connects from: nobody needs it.
    _, kind = yield from receive(reader, 2)
    if kind == 3:
        [size] = yield from receive(reader, 1)
    elif kind in ADDRESS_SIZES:
        size = ADDRESS_SIZES[kind]
    else:
        raise not_socks(f"SOCKS5 type of address {kind} is unknown")
    yield from receive(reader, size + 2)
    return scheme


def literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an IP address; :obj:`None` when it's a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def encode_name(host: str) -> bytes:
    """
    Encode a host name for the proxy.

    Raises:
        ProxyError: It's too long, empty, or not valid.
    """
    try:
        name = host.encode("ascii" if host.isascii() else "idna")
        if not 0 < len(name) <= MAX_LENGTH or b"\0" in name:
            raise ValueError(f"it has {len(name)} bytes; 1 to {MAX_LENGTH} are allowed")
    except ValueError as exc:
        raise ProxyError(f"host {host!r} cannot be sent to a SOCKS proxy") from exc
    return name


def receive(reader: StreamReader, n: int) -> Dialogue[bytes]:
    """Read exactly ``n`` bytes."""
    try:
        return bytes((yield from feed(reader, reader.read_exact(n))))
    except (EOFError, ConnectionError) as exc:
        # A reset is an end of the stream like any other.
        eof = EOFError("connection closed while reading SOCKS reply")
        eof.__cause__ = exc
        raise InvalidProxyMessage(INVALID) from eof


def not_socks(text: str) -> InvalidProxyMessage:
    """Return the exception for something that isn't SOCKS."""
    error = InvalidProxyMessage(INVALID)
    error.__cause__ = ValueError(text)
    return error


def refusal(version: int, code: int, replies: dict[int, Reply]) -> ProxyError:
    """Return the exception for the reply of a proxy that didn't connect."""
    reply = replies.get(code, Reply("unknown reply"))
    text = f"SOCKS{version} reply {code}: {reply.text}"
    error = ProxyError(REFUSED)
    error.add_note(text)
    if reply.temporary:
        error.__cause__ = OSError(text)
    return error
