"""Which hosts are reached without a proxy.

Owns: the syntax of ``no_proxy`` and the hosts that a discovered proxy never serves.
Doesn't know: the environment, DNS. Everything is decided on the name as typed, so a
rule with an IP address never matches a host name.

The rules, separated by commas, semicolons or white space, in any case:

* ``*``: every host;
* ``example.com`` and ``.example.com``: that host and its subdomains;
* ``*.example.com``: subdomains only; ``*`` may stand elsewhere too, as in ``10.*``;
* ``192.0.2.1``, ``2001:db8::1``, ``[2001:db8::1]``: that address, however it's written;
* ``192.0.2.0/24``, ``2001:db8::/32``: every address in the network;
* ``<local>``: host names without a dot;
* each host, name or address, may be followed by ``:port``.

Proxies found in the environment or the operating system aren't used for this machine
(``localhost``, ``*.localhost``, 127.0.0.0/8, ::1) and for link-local addresses
(169.254.0.0/16, fe80::/10), unless ``<-loopback>`` is among the rules.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import re
from typing import TypeAlias


__all__ = ["bypasses"]

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"

SEPARATORS = re.compile(r"[\s,;]+")

THIS_MACHINE = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("::1/128"),
    ipaddress.ip_network("169.254.0.0/16"),
    ipaddress.ip_network("fe80::/10"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """The host and port to reach, in the form in which rules are compared."""

    host: str
    address: Address | None
    port: int


# Clients connect to the same server again and again.
@functools.lru_cache(maxsize=64)
def bypasses(no_proxy: str, host: str, port: int) -> bool:
    """
    Tell whether a discovered proxy must not be used for a host.

    Args:
        no_proxy: The rules; may be empty.
        host: Host name or IP address, IPv6 without brackets.
        port: TCP port.
    """
    name = canonical_name(host)
    target = Target(name, parse_address(name), port)
    rules = [rule for rule in SEPARATORS.split(no_proxy.lower()) if rule]
    if "<-loopback>" not in rules and is_this_machine(target):
        return True
    return any(matches(rule, target) for rule in rules)


def is_this_machine(target: Target) -> bool:
    """Tell whether the host is this machine or a link-local address."""
    if target.address is None:
        return target.host == "localhost" or target.host.endswith(".localhost")
    return any(target.address in network for network in THIS_MACHINE)


def matches(rule: str, target: Target) -> bool:
    """Tell whether one rule, in lower case, covers the host."""
    if rule == "*":
        return True
    if rule == "<local>":
        return target.address is None and "." not in target.host
    if "/" in rule:
        network = parse_network(rule)
        if network is None or target.address is None:
            return False
        return target.address in network
    rule, port = split_port(rule)
    if port is not None and port != target.port:
        return False
    address = parse_address(rule)
    if address is not None:
        return address == target.address
    rule = canonical_name(rule.removeprefix("."))
    if "*" in rule:
        glob = ".*".join(map(re.escape, rule.split("*")))
        return re.fullmatch(glob, target.host) is not None
    if target.address is not None:
        return False
    return target.host == rule or target.host.endswith(f".{rule}")


def split_port(rule: str) -> tuple[str, int | None]:
    """Split a rule into host (IPv6 without brackets) and port."""
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::([0-9]+))?", rule)
    plain = re.fullmatch(r"([^:]*):([0-9]+)", rule)  # more colons: an IPv6 address
    match = bracketed or plain
    if match is None:
        return rule, None
    host, port = match.groups()
    return host, None if port is None else int(port)


def parse_network(rule: str) -> Network | None:
    """Return the network that a CIDR rule names, or :obj:`None`."""
    try:
        return ipaddress.ip_network(rule.replace("[", "").replace("]", ""), False)
    except ValueError:
        return None


def parse_address(host: str) -> Address | None:
    """Return the IP address that a host is, or :obj:`None` if it is a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])  # without the zone
    except ValueError:
        return None
    # ::ffff:192.0.2.1 reaches 192.0.2.1: RFC 4291 section 2.5.5.2
    return getattr(address, "ipv4_mapped", None) or address


def canonical_name(host: str) -> str:
    """Return a host name in lower case, as A-labels, without a final dot."""
    host = host.lower().removesuffix(".")
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host
