"""NTLM and Negotiate, with pyspnego on both sides."""

from __future__ import annotations

import base64
import hashlib
import logging
import subprocess
import sys
import types

import pytest
import spnego
from spnego.channel_bindings import GssChannelBindings

from tests.opening.legs import TUNNEL, Legs, asked, refusal
from tests.opening.test_channel_bindings import DER
from websockets._opening.proxies import negotiate as negotiate_module
from websockets._opening.proxies.auth import AuthContext, AuthFailed, AuthUnavailable
from websockets._opening.proxies.challenges import Challenge
from websockets._opening.proxies.negotiate import NegotiateAuth, NTLMAuth, is_ntlmv1
from websockets._opening.proxies.pairs import AnyAuth
from websockets.exceptions import InvalidProxyMessage, ProxyAuthenticationError
from websockets.proxy import parse_proxy


PAIR = ("CORP\\ann", "s3cret")
HOP = AuthContext(parse_proxy("http://p.test:8080"), "h.test:443")


@pytest.fixture(autouse=True)
def users(tmp_path, monkeypatch):
    """The acceptor knows one user, in a domain and without; nobody is logged in."""
    file = tmp_path / "users"
    file.write_text("CORP:ann:s3cret\n:ann:s3cret\n:ann@corp.test:s3cret\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(file))
    monkeypatch.delenv("LM_COMPAT_LEVEL", raising=False)
    # Kerberos, where it's installed, knows no realm and has no ticket.
    settings = tmp_path / "krb5.conf"
    settings.write_text(
        "[libdefaults]\ndefault_realm = NOWHERE.TEST\n"
        "dns_lookup_kdc = false\ndns_lookup_realm = false\n"
    )
    monkeypatch.setenv("KRB5_CONFIG", str(settings))
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path}/tickets")


class Acceptor:
    """The proxy's end of NTLM; use its methods as the acts of a scripted proxy."""

    def __init__(self, scheme="NTLM", bindings=None):
        self.scheme = scheme
        self.bindings = bindings
        self.context = None
        self.complete = False

    def __call__(self, request):
        """Answer a request."""
        scheme, _, token = (asked(request) or "").partition(" ")
        if scheme != self.scheme:
            return refusal(self.scheme, "Basic realm=x")
        token = base64.b64decode(token)
        if token.startswith(b"NTLMSSP\0\x01"):
            self.context = spnego.server(
                protocol="ntlm",
                options=spnego.NegotiateOptions.use_ntlm,
                channel_bindings=self.bindings,
            )
        if self.bindings and b"\x0a\0\x10\0" + bytes(16) in token:
            return refusal(self.scheme)
        try:
            answer = self.context.step(token)
        except spnego.exceptions.SpnegoError:
            return refusal(self.scheme)
        self.complete = self.context.complete
        if self.complete:
            return TUNNEL
        return refusal(f"{self.scheme} {base64.b64encode(answer).decode()}")


def message_type(value):
    """Return the type of the NTLM message in a Proxy-Authorization."""
    token = base64.b64decode(value.partition(" ")[2])
    assert token.startswith(b"NTLMSSP\0")
    return token[8]


@pytest.mark.parametrize("user", ["CORP\\ann", "ann", "ann@corp.test"])
def test_ntlm(user):
    """NTLM takes three requests on one connection, for each way to write a user."""
    acceptor = Acceptor()
    legs = Legs([acceptor] * 3, auth=(user, "s3cret"))
    [[first, second, third]] = legs.sent
    assert first is None
    assert [message_type(value) for value in (second, third)] == [1, 3]
    assert acceptor.complete
    assert legs.tunnel.scheme == "ntlm"


def test_wrong_password():
    """A wrong password is sent once; Basic, which is weaker, isn't tried."""
    legs = Legs([Acceptor()] * 3, auth=("CORP\\ann", "guess"))
    [[_, *values]] = legs.sent
    assert [message_type(value) for value in values] == [1, 3]
    assert type(legs.error) is ProxyAuthenticationError
    assert legs.error.reason == "NTLM refused"


def test_ntlm_in_negotiate():
    """Where Kerberos can't start and NTLM isn't offered, Negotiate carries NTLM."""
    acceptor = Acceptor("Negotiate")
    legs = Legs([acceptor] * 3, auth=("ann@nowhere.test", "s3cret"))
    # The acceptor doesn't know this user: what counts is the way there.
    assert [message_type(value) for value in legs.sent[0][1:]] == [1, 3]
    assert legs.error.reason.endswith("; Negotiate refused")
    legs = Legs([acceptor] * 3, auth=NegotiateAuth(*PAIR))
    assert acceptor.complete
    assert legs.tunnel.scheme == "negotiate"


def test_ntlm_in_negotiate_ends():
    """A token after the last one of NTLM doesn't start it again."""
    acceptor = Acceptor("Negotiate")
    more = refusal("Negotiate TlRMTVNTUAACAAAA")
    legs = Legs([acceptor, acceptor, more, more], auth=PAIR)
    assert [message_type(value) for value in legs.sent[0][1:]] == [1, 3]
    assert legs.error.reason.endswith("; Negotiate refused")


def test_negotiate_without_kerberos():
    """Where NTLM is offered, Negotiate is for Kerberos only."""
    acceptor = Acceptor()
    offer = refusal("Negotiate", "NTLM")
    legs = Legs([offer, acceptor, acceptor], auth=PAIR)
    assert [value.partition(" ")[0] for value in legs.sent[0][1:]] == ["NTLM", "NTLM"]
    assert legs.tunnel.scheme == "ntlm"
    # Nor is there anything else for the user who is logged in.
    legs = Legs([refusal("Negotiate")], auth=NegotiateAuth())
    assert legs.sent == [[None]]
    assert legs.error.schemes == ("Negotiate",)


@pytest.mark.parametrize("bindings", [b"", b"another certificate"])
def test_channel_bindings(bindings):
    """On an https proxy, NTLM is bound to its certificate."""
    data = b"tls-server-end-point:" + hashlib.sha256(bindings or DER).digest()
    acceptor = Acceptor(bindings=GssChannelBindings(application_data=data))
    legs = Legs([acceptor] * 3, auth=PAIR, url="https://p.test", certificate=DER)
    assert acceptor.complete is not bool(bindings)
    # In clear there's nothing to bind to.
    legs = Legs([Acceptor(bindings=acceptor.bindings)] * 3, auth=PAIR)
    assert legs.error.reason == "NTLM refused"


@pytest.mark.parametrize(
    "token", ["!", "AA", base64.b64encode(b"NTLMSSP\0\x02\0\0\0junk").decode()]
)
def test_broken_token(token):
    """A token that can't be read is our exception; the password wasn't at stake."""
    answer = refusal(f"NTLM {token}", "Basic realm=x")
    legs = Legs([refusal("NTLM", "Basic"), answer], [TUNNEL], auth=PAIR)
    assert legs.sent[1] == ["Basic Q09SUFxhbm46czNjcmV0"]


def test_not_a_token():
    """squid answers NTLM inside Negotiate like this when it knows only Kerberos."""
    legs = Legs(
        [refusal("Negotiate"), refusal("Negotiate token=oYG...")],
        auth=NegotiateAuth(*PAIR),
    )
    assert message_type(legs.sent[0][1]) == 1
    assert legs.error.reason.endswith("; the proxy doesn't go on with Negotiate")


def test_current_user():
    """The logged-in user has NTLM on Windows, or where a file says who it is."""
    acceptor = Acceptor()
    assert Legs([acceptor] * 3, auth="current-user").tunnel.scheme == "ntlm"


def test_no_current_user(monkeypatch):
    """Nobody is logged in: a clear error."""
    monkeypatch.delenv("NTLM_USER_FILE")
    legs = Legs([refusal("NTLM")], auth="current-user")
    assert legs.sent == [[None]]
    assert legs.error.reason.startswith("NTLM failed: OperationNotAvailableError: ")


def test_no_ntlmv1(monkeypatch):
    """The environment can't bring back NTLMv1."""
    monkeypatch.setenv("LM_COMPAT_LEVEL", "2")
    legs = Legs([refusal("NTLM"), Acceptor(), Acceptor()], auth=NTLMAuth(*PAIR))
    assert len(legs.sent[0]) == 2
    assert legs.error.reason == "NTLMv1 is asked for, by LM_COMPAT_LEVEL"


def test_ntlmv1():
    """NTLMv1 shows in the length of its proof."""
    head = b"NTLMSSP\0\x03\0\0\0" + bytes(8)
    assert is_ntlmv1(head + b"\x18\0")
    assert not is_ntlmv1(head + b"\x19\0")
    assert not is_ntlmv1(b"")


def test_password_that_looks_like_a_hash():
    """A password is a password, not a hash of one."""
    password = ":".join(["0" * 32] * 2)
    credential = NTLMAuth("ann", password).credential(spnego)
    assert credential == spnego.Password("ann", password)


@pytest.mark.parametrize("auth_class", [NTLMAuth, NegotiateAuth])
def test_arguments(auth_class):
    """A user needs a password, and nothing shows."""
    with pytest.raises(TypeError, match="go together"):
        auth_class("ann")
    assert repr(auth_class("ann", "s3cret")) == f"{auth_class.__name__}(***)"


def test_logs(caplog):
    """pyspnego's log, which holds tokens, is silent here, and only here."""
    caplog.set_level(logging.DEBUG)
    Legs([Acceptor()] * 3, auth=PAIR)
    ours = [r for r in caplog.records if r.name.startswith("spnego")]
    # The acceptor of this test isn't ours.
    assert ours
    caplog.clear()
    flow = NTLMAuth(*PAIR).flow(HOP)
    next(flow)
    flow.send(Challenge("ntlm"))
    assert caplog.records == []
    spnego.client("ann", "s3cret", protocol="ntlm").step()
    assert caplog.records


# Kerberos, and what else isn't here


class FakeKerberos(types.SimpleNamespace):
    """A context of pyspnego, and the call that makes it."""

    def client(self, credential, **options):
        self.credential = credential
        self.options = options
        if isinstance(self.start, Exception):
            raise self.start
        return self

    def step(self, token):
        self.seen.append(token)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def kerberos(monkeypatch):
    """A pyspnego that can do Kerberos; tests say what it answers."""
    fake = FakeKerberos(
        start=None,
        seen=[],
        answers=[],
        Password=spnego.Password,
        ContextReq=spnego.ContextReq,
    )
    monkeypatch.setattr(negotiate_module, "import_spnego", lambda: fake)
    return fake


def negotiating(token):
    return f"Negotiate {base64.b64encode(token).decode()}"


OFFER = refusal("Negotiate", "NTLM")


def test_kerberos(kerberos):
    """Kerberos takes one token, for the principal of the host as it was typed."""
    kerberos.answers = [b"ticket"]
    legs = Legs([OFFER, TUNNEL], auth="current-user")
    assert legs.sent == [[None, negotiating(b"ticket")]]
    assert kerberos.credential is None
    options = kerberos.options
    assert (options["service"], options["hostname"]) == ("HTTP", "p.test")
    assert options["protocol"] == "kerberos"
    assert options["channel_bindings"] is None
    assert not options["context_req"] & spnego.ContextReq.delegate


def test_principal(kerberos):
    """The principal can be another one."""
    kerberos.answers = [b"ticket"]
    auth = NegotiateAuth(service="proxy", hostname="farm.test")
    Legs([OFFER, TUNNEL], auth=auth)
    options = kerberos.options
    assert (options["service"], options["hostname"]) == ("proxy", "farm.test")


@pytest.mark.parametrize(
    ("user", "principal"),
    [("ann", "ann"), ("ann@CORP.TEST", "ann@CORP.TEST"), ("CORP\\ann", "ann@CORP")],
)
def test_kerberos_with_password(kerberos, monkeypatch, user, principal):
    """A pair gets a ticket; Windows understands all ways to write a user itself."""
    kerberos.answers = [b"ticket", b"ticket"]
    Legs([OFFER, TUNNEL], auth=(user, "s3cret"))
    assert kerberos.credential == spnego.Password(principal, "s3cret")
    monkeypatch.setattr(sys, "platform", "win32")
    Legs([OFFER, TUNNEL], auth=(user, "s3cret"))
    assert kerberos.credential == spnego.Password(user, "s3cret")
    assert kerberos.options["protocol"] == "kerberos"


def test_windows(kerberos, monkeypatch):
    """On Windows, the system chooses for the user who is logged in."""
    monkeypatch.setattr(sys, "platform", "win32")
    kerberos.answers = [b"NTLMSSP\0\x01..", b"NTLMSSP\0\x03\0\0\0" + bytes(20)]
    legs = Legs([OFFER, refusal("Negotiate AAAA"), TUNNEL], auth="current-user")
    assert kerberos.options["protocol"] == "negotiate"
    assert len(legs.sent[0]) == 3


def test_ticket_refused(kerberos):
    """A ticket that's refused isn't followed by a password, or by NTLM."""
    kerberos.answers = [b"ticket"]
    legs = Legs([OFFER, OFFER], auth=PAIR)
    assert len(legs.sent[0]) == 2
    assert legs.error.reason == "Negotiate refused"


def test_more_legs(kerberos):
    """Negotiate may take more tokens; five at most."""
    kerberos.answers = [b"1", b"2", b"3"]
    more = refusal("Negotiate AAAA", "NTLM")
    legs = Legs([OFFER, more, more, TUNNEL], auth=PAIR)
    assert legs.tunnel.scheme == "negotiate"
    assert kerberos.seen == [None, bytes(3), bytes(3)]
    kerberos.answers = [b"x"] * 9
    legs = Legs([OFFER, *[more] * 5], auth=PAIR)
    assert legs.sent[0][1:] == [negotiating(b"x")] * 5
    assert legs.error.reason == "Negotiate refused"


def test_nothing_to_say(kerberos):
    """A context that's complete while the proxy isn't is a refusal."""
    kerberos.answers = [b"1", None]
    legs = Legs([OFFER, refusal("Negotiate AAAA")], auth=PAIR)
    assert legs.error.reason == "Negotiate refused"


@pytest.mark.parametrize("token", ["AAAA", "AAA"])
def test_error_after_ticket(kerberos, token):
    """What goes wrong after the ticket was sent is no reason to try something weaker."""
    kerberos.answers = [b"1", ValueError("no")]
    legs = Legs([OFFER, refusal(f"Negotiate {token}", "NTLM")], auth=PAIR)
    assert len(legs.sent[0]) == 2
    assert isinstance(legs.error.__cause__, AuthFailed)


@pytest.mark.parametrize("error", [None, ValueError("mutual authentication failed")])
def test_proof_of_the_proxy(kerberos, error):
    """The token of the response that opens the tunnel is verified, if there is one."""
    kerberos.answers = [b"1", error]
    opened = TUNNEL[:-2] + b"Proxy-Authenticate: Negotiate AAAA\r\n\r\n"
    legs = Legs([OFFER, opened], auth=PAIR)
    assert kerberos.seen == [None, bytes(3)]
    if error is None:
        assert legs.tunnel.scheme == "negotiate"
    else:
        assert type(legs.error) is InvalidProxyMessage


def test_no_ticket(kerberos):
    """Without a ticket, and without a password, the error says so."""
    kerberos.answers = [OSError("No Kerberos credentials available")]
    legs = Legs([refusal("Negotiate")], auth="current-user")
    assert legs.error.reason == (
        "Negotiate failed: OSError: No Kerberos credentials available"
    )


@pytest.mark.parametrize(
    ("name", "code", "refused"),
    [
        ("err_code", -1765328353, True),  # decrypt integrity check failed
        ("min_code", 2529638936, True),  # pre-authentication failed
        ("winerror", -2146893044, True),  # logon denied
        ("err_code", -1765328378, False),  # client not found
        ("err_code", "what?", False),
    ],
)
def test_password_refused_by_the_domain(kerberos, name, code, refused):
    """A password that the domain refused isn't sent again by NTLM: accounts get locked."""
    kerberos.start = OSError("no")
    kerberos.start.__cause__ = Exception("why")
    setattr(kerberos.start.__cause__, name, code)
    legs = Legs([OFFER, OFFER], auth=AnyAuth(*PAIR, schemes=["negotiate", "ntlm"]))
    assert legs.sent == [[None]]
    assert (legs.error.reason == "Negotiate failed: OSError: no") == refused
    assert isinstance(legs.error.__cause__, AuthFailed) == refused


def test_kerberos_is_missing(kerberos):
    """The extra that has Kerberos is named."""
    kerberos.start = ImportError("no gssapi")
    legs = Legs([refusal("Negotiate")], auth=NegotiateAuth())
    assert legs.error.reason == (
        "Kerberos isn't installed: pip install websockets[kerberos]"
    )


@pytest.mark.parametrize("auth", [NTLMAuth(*PAIR), AnyAuth(*PAIR, schemes=["ntlm"])])
def test_pyspnego_is_missing(monkeypatch, auth):
    """The extra that has pyspnego is named."""
    monkeypatch.setitem(sys.modules, "spnego", None)
    legs = Legs([refusal("NTLM")], auth=auth)
    assert legs.error.reason == (
        "pyspnego isn't installed: pip install websockets[negotiate]"
    )


def test_pyspnego_is_missing_for_a_pair(monkeypatch):
    """Without pyspnego, a pair goes on to schemes that don't need it."""
    monkeypatch.setitem(sys.modules, "spnego", None)
    offer = refusal("NTLM", 'Digest realm="r", nonce="n"')
    legs = Legs([offer, TUNNEL], auth=PAIR)
    assert legs.tunnel.scheme == "digest"


def test_flow_alone():
    """A flow can be driven without a proxy."""
    flow = NTLMAuth(*PAIR).flow(HOP)
    assert next(flow) is None
    assert message_type(flow.send(Challenge("ntlm"))) == 1
    with pytest.raises(AuthUnavailable):
        flow.send(Challenge("ntlm"))


def test_imports():
    """Importing websockets, or its proxies, imports no pyspnego."""
    code = "import sys, websockets.proxy, websockets.asyncio.client; "
    code += "assert 'spnego' not in sys.modules and 'gssapi' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
