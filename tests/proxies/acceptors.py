"""How the scripted proxy checks credentials: one acceptor for each scheme.

Owns: challenges, and the verdict on an answer.
Doesn't know: HTTP. pyspnego is needed by NTLM and Negotiate, and imported when one of
them is asked for.

An acceptor serves all connections; what belongs to one connection, such as a half-done
NTLM handshake, is in the :class:`Client` that it is given.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import itertools
import os
import pathlib
import re
import secrets
import ssl
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol


REALM = "lab"


class Account(NamedTuple):
    """Who may pass."""

    user: str
    password: str
    domain: str
    token: str


class Verdict(NamedTuple):
    """What an acceptor says; a token continues the handshake or ends it."""

    passed: bool
    token: bytes = b""


REFUSED = Verdict(False)


@dataclasses.dataclass
class Client:
    """
    What belongs to one connection.

    Attributes:
        context: The half-done handshake of a scheme that authenticates connections.
        token: What the next challenge of ``scheme`` carries.
        scheme: The scheme that was answered last.
        stale: Whether the answer was right, for a nonce that isn't fresh.
    """

    context: Any = None
    token: bytes = b""
    scheme: str = ""
    stale: bool = False


class Acceptor(Protocol):
    """One scheme."""

    #: Name of the scheme, as in a challenge.
    name: str

    def challenge(self, client: Client) -> str:
        """Return a challenge."""
        ...

    def check(self, client: Client, answer: str, target: str) -> Verdict:
        """Check the part of Proxy-Authorization that follows the scheme's name."""
        ...


class Simple:
    """Basic and Bearer: the right answer is always the same."""

    def __init__(self, name: str, answer: str) -> None:
        self.name = name
        self.answer = answer

    def challenge(self, client: Client) -> str:
        # A parser must see that this is one challenge.
        return f'{self.name} realm="lab, \\"x\\""'

    def check(self, client: Client, answer: str, target: str) -> Verdict:
        return Verdict(answer == self.answer)


class Digest:
    """
    RFC 7616, and RFC 2069 when there's no qop.

    Args:
        account: Who may pass.
        algorithm: ``MD5`` or ``SHA-256``, perhaps with ``-sess``.
        qop: What is offered.
        userhash: Whether the user name must come hashed.
        stale: How many right answers are sent back with ``stale=TRUE``.
    """

    name = "Digest"
    OPAQUE = "op,aque="
    PARAMETER = re.compile(r'([\w-]+\*?)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')

    def __init__(
        self,
        account: Account,
        algorithm: str,
        qop: str | None,
        userhash: bool,
        stale: int,
    ) -> None:
        self.account = account
        self.algorithm = algorithm
        self.qop = qop
        self.userhash = userhash
        self.stale = itertools.chain([True] * stale, itertools.repeat(False))
        #: The counts that were used with each nonce.
        self.nonces: dict[str, set[str]] = {}

    def challenge(self, client: Client) -> str:
        nonce = secrets.token_hex(16)
        self.nonces[nonce] = set()
        parts = [
            f'realm="{REALM}"',
            f'nonce="{nonce}"',
            f'opaque="{self.OPAQUE}"',
            f"algorithm={self.algorithm}",
        ]
        if self.qop is not None:
            parts.append(f'qop="{self.qop}"')
        if self.userhash:
            parts.append("userhash=true")
        if client.stale:
            parts.append("stale=TRUE")
        return "Digest " + ", ".join(parts)

    def hash(self, *parts: str) -> str:
        function = hashlib.sha256 if "SHA-256" in self.algorithm else hashlib.md5
        return function(":".join(parts).encode()).hexdigest()

    def check(self, client: Client, answer: str, target: str) -> Verdict:
        sent = {
            name.lower(): re.sub(r"\\(.)", r"\1", quoted) or token
            for name, quoted, token in self.PARAMETER.findall(answer)
        }
        nonce = sent.get("nonce", "")
        count = sent.get("nc", "")
        expected = {
            "realm": REALM,
            "uri": target,
            "opaque": self.OPAQUE,
            "algorithm": self.algorithm,
            "username": self.account.user,
        }
        if self.userhash:
            expected["username"] = self.hash(self.account.user, REALM)
            expected["userhash"] = "true"
        if self.qop is not None:
            expected["qop"] = self.qop
        if any(sent.get(name) != value for name, value in expected.items()):
            return REFUSED
        used = self.nonces.get(nonce)
        if used is None:
            return REFUSED
        if self.qop is not None:
            # Each count once: who sends it again replays.
            if not re.fullmatch("[0-9a-f]{8}", count) or count in used:
                return REFUSED
            used.add(count)
        secret = self.hash(self.account.user, REALM, self.account.password)
        if self.algorithm.endswith("-sess"):
            secret = self.hash(secret, nonce, sent.get("cnonce", ""))
        middle = [nonce]
        if self.qop is not None:
            middle += [count, sent.get("cnonce", ""), self.qop]
        response = self.hash(secret, *middle, self.hash("CONNECT", target))
        if response != sent.get("response"):
            return REFUSED
        client.stale = next(self.stale)
        return Verdict(not client.stale)


class SSPI:
    """
    NTLM and Negotiate, by pyspnego.

    Args:
        name: ``NTLM`` or ``Negotiate``.
        account: Who may pass.
        certificate: Demand channel bindings to it (RFC 5929).
    """

    #: AvPair 10 of MS-NLMP section 2.2.2.1, sixteen zeros: no channel bindings.
    UNBOUND = b"\x0a\x00\x10\x00" + bytes(16)

    def __init__(
        self, name: str, account: Account, certificate: pathlib.Path | None
    ) -> None:
        import spnego
        from spnego.channel_bindings import GssChannelBindings

        self.spnego = spnego
        self.name = name
        with tempfile.NamedTemporaryFile("w", suffix=".ntlm", delete=False) as users:
            # Each way to write the user is one of its own.
            for user in (f"{account.domain}:{account.user}", f":{account.user}"):
                users.write(f"{user}:{account.password}\n")
        os.environ["NTLM_USER_FILE"] = users.name
        self.bindings = None
        if certificate is not None:
            der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
            data = b"tls-server-end-point:" + hashlib.sha256(der).digest()
            self.bindings = GssChannelBindings(application_data=data)

    def challenge(self, client: Client) -> str:
        if client.scheme == self.name and client.token:
            return f"{self.name} {base64.b64encode(client.token).decode()}"
        return self.name

    def check(self, client: Client, answer: str, target: str) -> Verdict:
        try:
            token = base64.b64decode(answer, validate=True)
        except binascii.Error:
            return REFUSED
        options = self.spnego.NegotiateOptions
        starts = self.name == "NTLM" and token[8:9] == b"\x01"
        if client.context is None or starts:
            client.context = self.spnego.server(
                protocol=self.name.lower(),
                channel_bindings=self.bindings,
                options=options.use_ntlm if self.name == "NTLM" else options.none,
            )
        context = client.context
        if self.bindings is not None and self.UNBOUND in token:
            client.context = None
            return REFUSED
        try:
            reply = context.step(token)
        except Exception:  # a family of its own, and what the parsers raise
            client.context = None
            return REFUSED
        return Verdict(context.complete, reply or b"")


def make_acceptors(
    schemes: tuple[str, ...],
    account: Account,
    stale: int,
    certificate: pathlib.Path | None,
) -> list[Acceptor]:
    """Return an acceptor for each name in ``schemes``, in their order."""
    pair = base64.b64encode(f"{account.user}:{account.password}".encode()).decode()

    def digest(
        algorithm: str, qop: str | None = "auth", userhash: bool = False
    ) -> Callable[[], Acceptor]:
        return lambda: Digest(account, algorithm, qop, userhash, stale)

    table: dict[str, Callable[[], Acceptor]] = {
        "basic": lambda: Simple("Basic", pair),
        "bearer": lambda: Simple("Bearer", account.token),
        "digest-md5": digest("MD5"),
        "digest-sha256": digest("SHA-256"),
        "digest-sess": digest("SHA-256-sess"),
        "digest-noqop": digest("MD5", None),
        "digest-userhash": digest("SHA-256", userhash=True),
        "digest-int": digest("MD5", "auth-int"),
        "digest-unknown": digest("SHA-1024"),
        "ntlm": lambda: SSPI("NTLM", account, certificate),
        "negotiate": lambda: SSPI("Negotiate", account, certificate),
    }
    return [table[scheme]() for scheme in schemes]
