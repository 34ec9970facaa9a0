"""Digest authentication (RFC 7616, and RFC 2069 for proxies that never heard of it).

Owns: the computation, and what is remembered of a proxy: its nonce, and how often that
was used. Doesn't know: requests, connections.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import secrets
import urllib.parse
from collections.abc import Iterator, Sequence

from .auth import AuthContext, Flow, ProxyAuth
from .challenges import Challenge


__all__ = ["DigestAuth"]

#: Strongest first; RFC 7616 section 3.7 leaves the choice to the order of the proxy,
#: which whoever sits between can change.
ALGORITHMS = {"SHA-512-256": "sha512_256", "SHA-256": "sha256", "MD5": "md5"}

#: How often a proxy may say that the nonce is stale. Some say so for ever.
MAX_STALE = 2
#: How many proxies one instance remembers.
MAX_NONCES = 64


def digest(algorithm: str, *parts: bytes) -> str:
    """Return the hash of parts joined by colons: H() and KD() of RFC 7616."""
    name = ALGORITHMS[algorithm]
    return hashlib.new(name, b":".join(parts), usedforsecurity=False).hexdigest()


def usable(algorithm: str) -> bool:
    """Return whether an algorithm is known, also to this machine's OpenSSL."""
    try:
        digest(algorithm)
    except (KeyError, ValueError):
        return False
    return True


def quote(text: str) -> str:
    """Return a quoted string (RFC 9110 section 5.6.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclasses.dataclass
class Nonce:
    """
    A challenge that was understood, and how often it was answered.

    Texts are as they came, one character per byte.
    """

    realm: str
    nonce: str
    opaque: str | None
    algorithm: str | None  # as spelled by the proxy
    base: str  # key of ALGORITHMS
    session: bool  # -sess
    qop: bool
    utf8: bool
    userhash: bool
    counts: Iterator[int] = dataclasses.field(
        # next() is atomic: several threads may share an instance.
        default_factory=lambda: itertools.count(1)
    )


def understand(challenge: Challenge) -> Nonce | None:
    """Return what a challenge says; :obj:`None` if it can't be answered."""
    get = challenge.parameters.get
    algorithm = get("algorithm")
    base = (algorithm or "MD5").upper()
    session = base.endswith("-SESS")
    base = base.removesuffix("-SESS")
    qop = get("qop")
    protections = {word.strip().lower() for word in (qop or "auth").split(",")}
    realm, nonce = get("realm"), get("nonce")
    # auth-int protects a body, which CONNECT doesn't have.
    if realm is None or nonce is None or "auth" not in protections or not usable(base):
        return None
    return Nonce(
        realm,
        nonce,
        get("opaque"),
        algorithm,
        base,
        session,
        qop is not None,
        get("charset", "").upper() == "UTF-8",
        get("userhash", "").lower() == "true",
    )


class DigestAuth(ProxyAuth):
    """
    Digest authentication (RFC 7616): the password itself isn't sent.

    Algorithms are MD5, SHA-256, and SHA-512-256, each also as ``-sess``; the strongest
    that is offered is used. Later connections with the same instance use the nonce again
    that the proxy gave to the first, which saves a round trip.

    Args:
        username: User name.
        password: Password.
    """

    schemes = ("digest",)

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._password = password
        self._nonces: dict[str, Nonce] = {}

    def candidates(
        self, challenges: Sequence[Challenge]
    ) -> Iterator[tuple[ProxyAuth, Challenge]]:
        """Choose the strongest algorithm that's offered, if any can be used."""
        offers = []
        for challenge in challenges:
            if challenge.scheme == "digest":
                nonce = understand(challenge)
                if nonce is not None:
                    offers.append((list(ALGORITHMS).index(nonce.base), challenge))
        if offers:
            yield self, min(offers, key=lambda offer: offer[0])[1]

    def flow(self, hop: AuthContext) -> Flow:
        """Answer a nonce, and a new one when that is stale."""
        proxy = str(hop.proxy)
        remembered = self._nonces.get(proxy)
        challenge = yield self.answer(remembered, hop) if remembered else None
        # A nonce that was good may be forgotten by now, without being called stale.
        first = True
        stale = 0
        while True:
            self._nonces.pop(proxy, None)
            if challenge.parameters.get("stale", "").lower() == "true":
                stale += 1
            elif not first:
                return
            first = False
            nonce = understand(challenge)
            if nonce is None or stale > MAX_STALE:
                return
            if len(self._nonces) >= MAX_NONCES:
                self._nonces.clear()
            self._nonces[proxy] = nonce
            challenge = yield self.answer(nonce, hop)

    def answer(self, nonce: Nonce, hop: AuthContext) -> str:
        """Return the value of ``Proxy-Authorization``."""
        count = f"{next(nonce.counts):08x}"
        return respond(
            nonce,
            self._username,
            self._password,
            hop.method,
            hop.target,
            count,
            secrets.token_hex(16),
        )


def respond(
    nonce: Nonce,
    username: str,
    password: str,
    method: str,
    uri: str,
    count: str,
    cnonce: str,
) -> str:
    """
    Return the value of an ``Authorization`` header (RFC 7616 section 3.4).

    Args:
        nonce: What is answered.
        username: User name.
        password: Password.
        method: Method of the request.
        uri: What stands on the request line; proxies compare it.
        count: How often the nonce was used, this time included: 8 hexadecimal digits.
        cnonce: Our own nonce.
    """
    user, secret = encode(username, nonce.utf8), encode(password, nonce.utf8)
    realm = nonce.realm.encode("latin-1")
    server, client = nonce.nonce.encode("latin-1"), cnonce.encode()

    a1 = digest(nonce.base, user, realm, secret)
    if nonce.session:
        a1 = digest(nonce.base, a1.encode(), server, client)
    a2 = digest(nonce.base, method.encode(), uri.encode())
    between = [count.encode(), client, b"auth"] if nonce.qop else []
    response = digest(nonce.base, a1.encode(), server, *between, a2.encode())

    if nonce.userhash:
        name = f'username="{digest(nonce.base, user, realm)}"'
    elif user.isascii() or (not nonce.utf8 and is_latin(username)):
        name = f"username={quote(user.decode('latin-1'))}"
    else:  # RFC 7616 section 3.4
        name = f"username*=UTF-8''{urllib.parse.quote(user, safe='')}"
    fields = [
        name,
        f"realm={quote(nonce.realm)}",
        f"uri={quote(uri)}",
        f"nonce={quote(nonce.nonce)}",
    ]
    if nonce.qop:
        fields.append(f'nc={count}, cnonce="{cnonce}", qop=auth')
    elif nonce.session:
        fields.append(f'cnonce="{cnonce}"')
    fields.append(f'response="{response}"')
    if nonce.algorithm is not None:
        fields.append(f"algorithm={nonce.algorithm}")
    if nonce.opaque is not None:
        fields.append(f"opaque={quote(nonce.opaque)}")
    if nonce.userhash:
        fields.append("userhash=true")
    return "Digest " + ", ".join(fields)


def is_latin(text: str) -> bool:
    """Return whether ISO 8859-1, which HTTP used to be in, has all characters."""
    return all(char <= "\xff" for char in text)


def encode(text: str, utf8: bool) -> bytes:
    """Return what is hashed of a user name or a password (RFC 7616 section 4)."""
    if not utf8 and is_latin(text):
        return text.encode("latin-1")
    # Escapes stand for bytes that weren't UTF-8 in a URL.
    return text.encode(errors="surrogateescape")
