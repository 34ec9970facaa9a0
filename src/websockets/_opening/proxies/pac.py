"""PAC files: a script that says which proxies to use for a URI.

Owns: what a PAC file is given as, what it's asked, what its answer means.
Doesn't know: JavaScript. :mod:`~.pac_child` runs the script, with pypac, in a process
that is killed when its time is over: a script may loop for ever, or wait for DNS, and no
thread could be stopped in there.

The script sees the scheme, host, and port of the URI. Path and query aren't its business:
they often hold tokens, and a script can tell anybody, by asking DNS.
"""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from ...exceptions import InvalidProxy, ProxyError
from ...headers import build_host
from ..network import Network
from .url import Proxy, parse_proxy


if TYPE_CHECKING:
    import subprocess


__all__ = ["PAC", "Answer", "Inquiry", "consult"]

#: Proxies to use, the best first; None stands for a direct connection.
Answer: TypeAlias = "tuple[Proxy | None, ...]"

# The last one isn't in any specification, but browsers know it.
SCHEMES = {
    "PROXY": "http",
    "HTTP": "http",
    "HTTPS": "https",
    # Version 5, with names for the proxy, like everywhere else where none is said.
    "SOCKS": "socks5h",
    "SOCKS5": "socks5h",
    "SOCKS4": "socks4a",
}

URL = re.compile(r"(?:pac\+)?((?:https?|file)://\S+)", re.IGNORECASE)

# The child finds our modules where we did, wherever it's started.
PROGRAM = """
import json, sys
question = json.load(sys.stdin)
sys.path[:] = question.pop("path")
from websockets._opening.proxies.pac_child import main
main(question)
"""


class PAC:
    """
    A proxy auto-configuration file, as browsers have it.

    Give it to ``connect()`` as ``proxy``; there, ``"pac+https://wpad.example/proxy.pac"``
    is a short form of ``PAC("https://wpad.example/proxy.pac")``. The script is asked for
    each connection; it learns scheme, host, and port of the URI, not path and query. When a
    proxy can't be reached, the next one of its answer is tried. Hosts that ``no_proxy``
    names and this machine are reached directly.

    This takes ``pip install websockets[pac]``. The script runs in a process of its own.

    Args:
        url_or_text: URL of the file (``https``, ``http``, or ``file``; it's fetched
            without a proxy, each time), or its text.
        as_http: Ask for ``https://`` in place of ``wss://``, and for ``http://`` in place
            of ``ws://``: many scripts know no others and say that there's no proxy.
        timeout: Seconds for fetching and running the script.

    Raises:
        ValueError: This is neither a URL nor a script, or the URL holds credentials.
    """

    def __init__(
        self,
        url_or_text: str,
        *,
        as_http: bool = False,
        timeout: float = 5,
    ) -> None:
        match = URL.fullmatch(url_or_text.strip())
        if match is None and "FindProxyForURL" not in url_or_text:
            raise ValueError(
                "a PAC file is an https, http, or file URL, "
                "or a text with a function FindProxyForURL"
            )
        if match is not None and "@" in urlsplit(match[1]).netloc:
            raise ValueError("the URL of a PAC file can't have a user name")
        self.url = None if match is None else match[1]
        self.text = None if match is not None else url_or_text
        self.as_http = as_http
        self.timeout = timeout

    def __repr__(self) -> str:
        source = "a text" if self.url is None else repr(without_query(self.url))
        return f"PAC({source}, as_http={self.as_http!r}, timeout={self.timeout!r})"

    def __str__(self) -> str:
        """Return what it's called in texts."""
        return "PAC file" if self.url is None else f"PAC file {without_query(self.url)}"


def without_query(url: str) -> str:
    """Return a URL for a text: its query may hold a token."""
    address, mark, _ = url.partition("?")
    return f"{address}?***" if mark else address


class Inquiry:
    """
    One question to a PAC file. :meth:`run` blocks; :meth:`abandon` stops it.

    Args:
        pac: The file.
        secure: Whether the URI is ``wss://``.
        host: Host of the URI, IPv6 without brackets.
        port: Port of the URI.
    """

    def __init__(self, pac: PAC, secure: bool, host: str, port: int) -> None:
        self.pac = pac
        scheme = "http" if pac.as_http else "ws"
        authority = build_host(host, port, secure)
        self.question = {
            "path": sys.path,
            "url": pac.url,
            "text": pac.text,
            "uri": f"{scheme}{'s' if secure else ''}://{authority}/",
            "host": host,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.abandoned = False

    def abandon(self) -> None:
        """Kill the process, now or as soon as it exists. Never waits."""
        self.abandoned = True
        if self.process is not None:
            self.process.kill()

    def run(self) -> Answer:
        """
        Ask the file.

        Raises:
            ProxyError: There's no answer, or none that's of use.
        """
        answer = self.ask()
        if "error" in answer:
            raise ProxyError(f"{self.pac}: {answer['error']}")
        return parse_answer(answer["result"], str(self.pac))

    def ask(self) -> dict[str, str]:
        """Run the child, and return what it says."""
        import subprocess

        if not sys.executable or getattr(sys, "frozen", False):
            # A frozen program is no interpreter: it would start itself.
            raise ProxyError(f"{self.pac}: there is no Python interpreter to run it")
        # What it leaves when it's killed isn't interesting.
        with subprocess.Popen(
            [sys.executable, "-I", "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        ) as self.process:
            if self.abandoned:
                self.process.kill()
            try:
                output, _ = self.process.communicate(
                    json.dumps(self.question).encode(), self.pac.timeout
                )
            except subprocess.TimeoutExpired:
                raise ProxyError(
                    f"{self.pac}: no answer within {self.pac.timeout} seconds"
                ) from None
            finally:
                self.process.kill()
        try:
            answer: dict[str, str] = json.loads(output)
        except ValueError:
            status = self.process.returncode
            raise ProxyError(
                f"{self.pac}: its process ended with status {status}"
            ) from None
        return answer


async def consult(
    network: Network, pac: PAC, secure: bool, host: str, port: int
) -> Answer:
    """
    Ask a PAC file. Cancelling kills its process.

    Args:
        network: Where to run what blocks.
        pac: The file.
        secure: Whether the URI is ``wss://``.
        host: Host of the URI.
        port: Port of the URI.

    Raises:
        ProxyError: See :meth:`Inquiry.run`.
    """
    inquiry = Inquiry(pac, secure, host, port)
    try:
        return await network.run_blocking(inquiry.run)
    except BaseException:
        inquiry.abandon()
        raise


def parse_answer(answer: str, source: str) -> Answer:
    """
    Return what the result of a script means.

    Nothing means a direct connection. What isn't understood is skipped, if there's
    something else.

    Args:
        answer: Such as ``"PROXY a.test:3128; SOCKS b.test; DIRECT"``.
        source: Where it's from, for texts.

    Raises:
        ProxyError: Nothing is understood.
    """
    proxies: list[Proxy | None] = []
    parts = [part.strip() for part in answer.split(";")]
    for part in filter(None, parts):
        keyword, _, address = part.partition(" ")
        if keyword.upper() == "DIRECT":
            proxies.append(None)
        elif keyword.upper() in SCHEMES:
            url = f"{SCHEMES[keyword.upper()]}://{address.strip()}"
            try:
                proxies.append(parse_proxy(url))
            except InvalidProxy:
                continue
    if not proxies and any(parts):
        raise ProxyError(f"{source}: no proxy is understood in its answer")
    return tuple(proxies) or (None,)
