"""Channel bindings: credentials that are good for one TLS connection (RFC 5929).

Owns: ``tls-server-end-point``, and as much of a certificate's form as that takes.
Doesn't know: TLS. The :mod:`ssl` module offers another type of bindings only, so the
signature algorithm is read here.
"""

from __future__ import annotations

import hashlib


__all__ = ["channel_bindings"]

# DER contents of object identifiers (RFC 4055, RFC 5758), and the hash that signed.
# RFC 5929 section 4.1: SHA-256 for MD5 and SHA-1. Algorithms without a single hash,
# such as Ed25519 and RSASSA-PSS with other parameters, have no such bindings.
RSA = bytes.fromhex("2a864886f70d0101")
ECDSA = bytes.fromhex("2a8648ce3d0403")
DSA = bytes.fromhex("6086480165030403")
HASHES = {
    RSA + b"\x04": "sha256",  # MD5
    RSA + b"\x05": "sha256",  # SHA-1
    RSA + b"\x0b": "sha256",
    RSA + b"\x0c": "sha384",
    RSA + b"\x0d": "sha512",
    RSA + b"\x0e": "sha224",
    bytes.fromhex("2a8648ce3d0401"): "sha256",  # ECDSA with SHA-1
    ECDSA + b"\x01": "sha224",
    ECDSA + b"\x02": "sha256",
    ECDSA + b"\x03": "sha384",
    ECDSA + b"\x04": "sha512",
    DSA + b"\x01": "sha224",
    DSA + b"\x02": "sha256",
}
PSS = RSA + b"\x0a"
# NIST's identifiers of hashes, in the parameters of RSASSA-PSS.
NIST = bytes.fromhex("6086480165030402")
PSS_HASHES = {
    NIST + b"\x01": "sha256",
    NIST + b"\x02": "sha384",
    NIST + b"\x03": "sha512",
}

SEQUENCE = 0x30
OBJECT_IDENTIFIER = 0x06


def channel_bindings(certificate: bytes) -> bytes:
    """
    Return ``tls-server-end-point`` bindings.

    Args:
        certificate: Certificate of the server, as DER.

    Returns:
        The application data of GSS-API bindings; ``b""`` when none are defined for the
        certificate, or when it can't be read.
    """
    name = signature_hash(certificate)
    if name is None:
        return b""
    return b"tls-server-end-point:" + hashlib.new(name, certificate).digest()


def signature_hash(certificate: bytes) -> str | None:
    """Return the name of the hash for the bindings of a certificate."""
    try:
        # Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, ... }
        _, fields, _ = read_value(certificate)
        _, _, rest = read_value(fields)
        _, algorithm, _ = read_value(rest)
        # AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters }
        _, identifier, parameters = read_value(algorithm)
        if identifier != PSS:
            return HASHES.get(identifier)
        # RSASSA-PSS-params ::= SEQUENCE { [0] hashAlgorithm, ... }; SHA-1 by default.
        _, parameters, _ = read_value(parameters)
        _, hash_algorithm, _ = read_value(parameters)
        _, algorithm, _ = read_value(hash_algorithm)
        _, identifier, _ = read_value(algorithm)
        return PSS_HASHES.get(identifier)
    except IndexError:
        return None


def read_value(data: bytes) -> tuple[int, bytes, bytes]:
    """Return tag, contents, and what follows, of the first value in DER."""
    tag, length, start = data[0], data[1], 2
    if length >= 0x80:
        size = length & 0x7F
        start += size
        length = int.from_bytes(data[2:start])
    if len(data) < start + length:
        raise IndexError("value ends too early")
    return tag, data[start : start + length], data[start + length :]
