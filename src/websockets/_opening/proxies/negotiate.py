"""NTLM, and Negotiate (RFC 4559) with Kerberos or NTLM inside, by pyspnego.

Owns: which mechanism is used how, and the translation of what pyspnego raises.
Doesn't know: how tokens are made. pyspnego is imported when a proxy asks for such a
scheme, not before; on Windows it uses the system's own implementation.

NTLM is NTLMv2, whatever the environment says. What pyspnego logs holds tokens that a
password can be guessed from, so its loggers keep silent while it works here.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import contextvars
import logging
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from .auth import AuthContext, AuthFailed, AuthUnavailable, Flow, ProxyAuth
from .challenges import Challenge


__all__ = ["NTLMAuth", "NegotiateAuth"]

#: Start of the message of NTLM that proves knowledge of the password, and where it says
#: how long the proof is ([MS-NLMP] section 2.2.1.3).
AUTHENTICATE = b"NTLMSSP\0\x03\0\0\0"
PROOF_LENGTH = slice(20, 22)
#: The proof of NTLMv1, which can be reversed.
NTLMV1 = 24

#: Errors by which a domain refuses a user, and counts it: of Kerberos (RFC 4120 section
#: 7.5.9), revoked, expired, pre-authentication failed, password wrong; of Windows, logon
#: denied.
KERBEROS = 0x96C73A00
REFUSALS = frozenset({*(KERBEROS + code for code in (18, 23, 24, 31)), 0x8009030C})

busy: contextvars.ContextVar[bool] = contextvars.ContextVar("busy", default=False)


def be_silent(record: logging.LogRecord) -> bool:
    """Filter a record of pyspnego: tell whether to log it."""
    return not busy.get()


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep what pyspnego logs here, in this thread, out of the log."""
    for name in ("_gss", "_negotiate", "_ntlm", "_sspi"):
        logging.getLogger(f"spnego.{name}").addFilter(be_silent)  # has it once, at most
    token = busy.set(True)
    try:
        yield
    finally:
        busy.reset(token)


def import_spnego() -> Any:
    """
    Return the package pyspnego.

    Raises:
        AuthUnavailable: It isn't installed.
    """
    try:
        import spnego
        import spnego.channel_bindings
    except ImportError as exc:
        raise AuthUnavailable(
            "pyspnego isn't installed: pip install websockets[negotiate]"
        ) from exc
    return spnego


class TokenAuth(ProxyAuth):
    """
    What NTLM and Negotiate have in common: tokens in base64, and pyspnego.

    Args:
        username: ``DOMAIN\\user``, ``user@domain``, or ``user``; :obj:`None` for
            whoever runs the program.
        password: Password.
        service: Name of the service in the proxy's principal, before the slash.
        hostname: Name of the proxy in its principal, after the slash; :obj:`None` means
            the host in the address of the proxy, as it stands there.
    """

    connection_bound = True
    blocking = True
    protocol = "ntlm"

    def __init__(
        self,
        username: str | None = None,
        password: str | None = None,
        *,
        service: str = "HTTP",
        hostname: str | None = None,
    ) -> None:
        if (username is None) != (password is None):
            raise TypeError("username and password go together")
        self._username = username
        self._password = password
        self._service = service
        self._hostname = hostname

    def flow(self, hop: AuthContext) -> Flow:
        """Exchange tokens."""
        challenge = yield None
        context = self.start(hop)
        proved = False
        token: bytes | None = None
        while True:
            try:
                if challenge.token is not None:
                    token = decode(challenge.token)
                answer = self.step(context, token)
            except AuthUnavailable as exc:
                if proved:
                    raise AuthFailed(str(exc)) from exc
                raise
            if not answer:
                return  # nothing more to say, and still no tunnel
            proved = proved or self.proves(answer)
            challenge = yield f"{self.name} {base64.b64encode(answer).decode()}"
            if challenge.token is None:
                if proved:
                    return
                raise AuthUnavailable(f"the proxy doesn't go on with {self.name}")

    @property
    def name(self) -> str:
        """Name of the scheme as RFCs spell it."""
        return "NTLM" if self.schemes == ("ntlm",) else "Negotiate"

    def credential(self, spnego: Any) -> Any:
        """Return the credential for pyspnego; :obj:`None` is the logged-in user's."""
        if self._username is None:
            return None
        # Given as a str, a password that looks like a hash would be taken for one.
        return spnego.Password(self._username, self._password)

    def start(self, hop: AuthContext) -> Any:
        """Return a context of pyspnego, which asks no server yet."""
        spnego = import_spnego()
        bindings = None
        if hop.channel_bindings:
            bindings = spnego.channel_bindings.GssChannelBindings(
                application_data=hop.channel_bindings
            )
        with self.translated(), silence():
            return spnego.client(
                self.credential(spnego),
                hostname=self._hostname or hop.proxy.host,
                service=self._service,
                channel_bindings=bindings,
                context_req=spnego.ContextReq.default,
                protocol=self.protocol,
            )

    def step(self, context: Any, token: bytes | None) -> bytes | None:
        """Return the answer to a token of the proxy."""
        with self.translated(), silence():
            answer: bytes | None = context.step(token)
        if is_ntlmv1(answer or b""):
            raise AuthUnavailable("NTLMv1 is asked for, by LM_COMPAT_LEVEL")
        return answer

    def proves(self, answer: bytes) -> bool:
        """Return whether a token depends on the password, or a ticket."""
        return self.protocol == "kerberos" or not answer.startswith(b"NTLMSSP\0\x01")

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turn whatever pyspnego and those below it raise into our exception."""
        try:
            yield
        except Exception as exc:
            # GSS-API, SSPI, files, parsers: any exception is possible. ImportError is
            # how the lack of GSS-API shows.
            if isinstance(exc, ImportError) and self.protocol == "kerberos":
                text = "Kerberos isn't installed: pip install websockets[kerberos]"
            else:
                text = f"{self.name} failed: {type(exc).__name__}: {exc}"
            kind = AuthFailed if is_refusal(exc) else AuthUnavailable
            raise kind(text) from exc


def is_refusal(exc: BaseException | None) -> bool:
    """Return whether the domain knows the user and refused the password."""
    while exc is not None:
        for name in ("err_code", "min_code", "winerror"):  # krb5, gssapi, sspilib
            code = getattr(exc, name, None)
            if isinstance(code, int) and code % 2**32 in REFUSALS:
                return True
        exc = exc.__cause__ or exc.__context__
    return False


def is_ntlmv1(message: bytes) -> bool:
    """Return whether a message proves knowledge of the password by NTLMv1."""
    length = int.from_bytes(message[PROOF_LENGTH], "little")
    return message.startswith(AUTHENTICATE) and length == NTLMV1


def decode(token: str) -> bytes:
    """Return the bytes of a token."""
    try:
        return base64.b64decode(token, validate=True)
    except binascii.Error as exc:
        raise AuthUnavailable("the proxy's token isn't base64") from exc


class NTLMAuth(TokenAuth):
    """
    NTLM authentication, version 2 ([MS-NLMP]).

    It needs ``pip install websockets[negotiate]``. Without arguments, it's the user who
    is logged in, on Windows only.

    Args:
        username: ``DOMAIN\\user``, ``user@domain``, or ``user``.
        password: Password.
        service: For proxies whose principal isn't ``HTTP/host``.
        hostname: For proxies whose principal isn't ``HTTP/host``.
    """

    schemes = ("ntlm",)
    max_steps = 2


class NegotiateAuth(TokenAuth):
    """
    Negotiate (RFC 4559): Kerberos, and where that can't be NTLM.

    It needs ``pip install websockets[negotiate]``; Kerberos on Unix needs
    ``pip install websockets[kerberos]``. Without arguments, it's the user who is logged
    in: on Unix, whoever the ticket in the credentials cache belongs to (``kinit``).
    Credentials aren't delegated. The proxy's principal is made of its host as the address
    has it; MIT Kerberos asks DNS for another name, unless its ``krb5.conf`` says
    ``dns_canonicalize_hostname = false``. NTLM is used inside Negotiate when a user name
    is given, Kerberos can't start, and the proxy doesn't offer NTLM as such.

    Args:
        username: ``user@REALM``, ``DOMAIN\\user``, or ``user``.
        password: Password.
        service: For proxies whose principal isn't ``HTTP/host``.
        hostname: For proxies whose principal isn't ``HTTP/host``.
    """

    schemes = ("negotiate",)

    def __init__(
        self,
        username: str | None = None,
        password: str | None = None,
        *,
        service: str = "HTTP",
        hostname: str | None = None,
    ) -> None:
        super().__init__(username, password, service=service, hostname=hostname)
        # For the user who is logged in, Windows chooses. pyspnego's own way of choosing
        # makes NTLM in place of Kerberos without a word, even for users unknown to it.
        own = username is None and sys.platform == "win32"
        self.protocol = "negotiate" if own else "kerberos"
        # One instance, so that it's tried once.
        self._ntlm = None if username is None else NTLMInNegotiate(self)

    def candidates(
        self, challenges: Sequence[Challenge]
    ) -> Iterator[tuple[ProxyAuth, Challenge]]:
        """Try Kerberos; then NTLM, if that isn't offered in a better way."""
        for auth, challenge in super().candidates(challenges):
            yield auth, challenge
            offers_ntlm = any(other.scheme == "ntlm" for other in challenges)
            if self._ntlm is not None and not offers_ntlm:
                yield self._ntlm, challenge

    def credential(self, spnego: Any) -> Any:
        """Return the credential for pyspnego, as Kerberos wants it."""
        if self._username is None:
            return None
        domain, slash, user = self._username.partition("\\")
        name = (
            f"{user}@{domain}" if slash and sys.platform != "win32" else self._username
        )
        return spnego.Password(name, self._password)


class NTLMInNegotiate(TokenAuth):
    """NTLM's tokens under the name of Negotiate, as Windows sends them."""

    schemes = ("negotiate",)
    max_steps = 2

    def __init__(self, auth: NegotiateAuth) -> None:
        super().__init__(
            auth._username,
            auth._password,
            service=auth._service,
            hostname=auth._hostname,
        )
