"""Channel bindings: which hash of which certificate."""

from __future__ import annotations

import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from websockets._opening.proxies.auth import AuthContext
from websockets._opening.proxies.bindings import HASHES, channel_bindings
from websockets.proxy import parse_proxy


RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def certificate(key, algorithm, **options):
    """Return a self-signed certificate, as DER."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "p.test")])
    now = datetime.datetime(2025, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now)
    return builder.sign(key, algorithm, **options).public_bytes(Encoding.DER)


PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


@pytest.mark.parametrize(
    ("key", "algorithm", "options", "name"),
    [
        (RSA, hashes.SHA256(), {}, "sha256"),
        (RSA, hashes.SHA384(), {}, "sha384"),
        (RSA, hashes.SHA512(), {}, "sha512"),
        (EC, hashes.SHA256(), {}, "sha256"),
        (EC, hashes.SHA384(), {}, "sha384"),
        (EC, hashes.SHA512(), {}, "sha512"),
        (RSA, hashes.SHA256(), {"rsa_padding": PSS}, "sha256"),
        (RSA, hashes.SHA512(), {"rsa_padding": PSS}, "sha512"),
    ],
)
def test_hash(key, algorithm, options, name):
    """The hash is that of the signature."""
    der = certificate(key, algorithm, **options)
    expected = b"tls-server-end-point:" + hashlib.new(name, der).digest()
    assert channel_bindings(der) == expected


@pytest.mark.parametrize("oid", ["2a864886f70d010104", "2a864886f70d010105"])
def test_weak_hash(oid):
    """SHA-256 stands in for MD5 and SHA-1."""
    assert HASHES[bytes.fromhex(oid)] == "sha256"
    der = certificate(RSA, hashes.SHA256())
    der = der.replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex(oid))
    expected = b"tls-server-end-point:" + hashlib.sha256(der).digest()
    assert channel_bindings(der) == expected


def test_none():
    """A signature without a hash of its own has no bindings, nor does no certificate."""
    assert (
        channel_bindings(certificate(ed25519.Ed25519PrivateKey.generate(), None)) == b""
    )
    assert channel_bindings(b"") == b""


def test_context():
    """A flow learns the bindings of its connection."""
    der = certificate(RSA, hashes.SHA256())
    proxy = parse_proxy("https://p.test")
    assert AuthContext(proxy, "h:1", der).channel_bindings == channel_bindings(der)
    assert AuthContext(proxy, "h:1").channel_bindings == b""


DER = certificate(RSA, hashes.SHA256(), rsa_padding=PSS)


@given(st.integers(0, len(DER) - 1), st.binary(max_size=4))
def test_broken(at, junk):
    """A certificate that can't be read raises nothing."""
    bindings = channel_bindings(DER[:at] + junk)
    assert bindings == b"" or bindings.startswith(b"tls-server-end-point:")
    channel_bindings(DER[:at] + junk + DER[at + len(junk) :])
