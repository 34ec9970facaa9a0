"""Which proxies to go through, as the ``proxy`` argument of ``connect()`` says.

Owns: what the argument may be, and what it means.
Doesn't know: how to go through them; the environment, which ``proxies.discovery``
looks at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from ..exceptions import InvalidProxy
from ..uri import WebSocketURI
from .network import Network
from .proxies.discovery import discover_proxy, is_exempt
from .proxies.pac import PAC, consult
from .proxies.url import Proxy, parse_proxy
from .settings import Settings


__all__ = ["DIRECT", "Chain", "Choice", "choose_chains", "no_proxy_rules"]

#: Proxies to go through, nearest first; none for a direct connection.
Chain: TypeAlias = "tuple[Proxy, ...]"


class Choice(NamedTuple):
    """
    The proxies to go through.

    Attributes:
        chains: The best first; the next one is for when it can't be reached.
        by_script: Whether the user doesn't know them, because a PAC file chose.
    """

    chains: tuple[Chain, ...]
    by_script: bool = False


# No proxy.
DIRECT = Choice(((),))


async def choose_chains(
    network: Network, settings: Settings, uri: str, parsed: WebSocketURI
) -> Choice:
    """
    Return the proxies to go through to a URI.

    Args:
        network: What asks a PAC file.
        settings: What the user wants.
        uri: Where to go.
        parsed: The same, parsed.

    Raises:
        InvalidProxy: A URL isn't one of a proxy.
        ProxyError: A PAC file has no answer.
        TypeError: An argument is of a wrong type.
    """
    choice = choose(settings, uri, parsed)
    if not choice:
        return DIRECT
    if not isinstance(choice, PAC):
        return Choice((choice,))
    host, port = destination(settings, parsed)
    if is_exempt(host, port, no_proxy_rules(settings.no_proxy)):
        return DIRECT
    answer = await consult(network, choice, parsed.secure, host, port)
    chains = tuple(() if proxy is None else (proxy,) for proxy in answer)
    return Choice(chains, by_script=True)


def destination(settings: Settings, parsed: WebSocketURI) -> tuple[str, int]:
    """Return the host and port to reach."""
    host = parsed.host if settings.host is None else settings.host
    port = parsed.port if settings.port is None else settings.port
    return host, port


def choose(settings: Settings, uri: str, parsed: WebSocketURI) -> Chain | PAC:
    """Return the proxies, or who knows them."""
    no_proxy = no_proxy_rules(settings.no_proxy)
    if settings.sock is not None or settings.unix:
        return ()
    proxy = settings.proxy
    if callable(proxy):
        proxy = proxy(uri)
    if proxy is True:
        host, port = destination(settings, parsed)
        proxy = discover_proxy(parsed.secure, host, port, no_proxy)
    if proxy is None:
        return ()
    if isinstance(proxy, str) and proxy.strip().lower().startswith("pac+"):
        try:
            return PAC(proxy)
        except ValueError as exc:
            raise InvalidProxy(proxy, str(exc)) from None
    if isinstance(proxy, PAC):
        return proxy
    if isinstance(proxy, list | tuple):
        return tuple(map(one_proxy, proxy))
    return (one_proxy(proxy),)


def one_proxy(proxy: object) -> Proxy:
    """Return a proxy that's given in either way."""
    if isinstance(proxy, str):
        return parse_proxy(proxy)
    if isinstance(proxy, Proxy):
        return proxy
    raise TypeError(
        "proxy must be a str, a Proxy, True, or None, a list of str or Proxy, a PAC, "
        f"or a callable that returns one of these, not {type(proxy).__name__}"
    )


def no_proxy_rules(no_proxy: str | Iterable[str] | None) -> str | None:
    """
    Return the rules of the ``no_proxy`` argument, like those of the environment.

    Raises:
        TypeError: The argument is of a wrong type.
    """
    if no_proxy is None or isinstance(no_proxy, str):
        return no_proxy
    rules = tuple(no_proxy)
    for rule in rules:
        if not isinstance(rule, str):
            raise TypeError(f"no_proxy rules are str, not {type(rule).__name__}")
    return ",".join(rules)
