"""Make and read the operator's certificates, and turn them into what the Secret holds. The one user of `cryptography`.

Loaded only where TLS is on (11 MiB). Profile: RFC 5280 as Python's and Go's strict verification have it; P-256.
"""

import datetime
from collections.abc import Iterable, Mapping

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from grapevine.serving.rotation import Authority, Material, ServingPair

SKEW_S = 3_600
"""How far a sender's clock may be behind: certificates are valid from so long before they were made."""
MAX_PEM_BYTES = 64 << 10
MAX_FORMER = 8
"""Former authorities read back from the Secret; a rotation leaves one behind, and that for a third of a lifetime."""

_CURRENT, _SUCCESSOR = ("tls.crt", "tls.key", "ca.crt"), ("next.crt", "next.key", "next-ca.crt")
_FORMER = "former-ca.crt"
_KEY_USES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def new_pair(names: Iterable[str], now_s: float, lifetime_s: float) -> ServingPair:
    """Return a new certificate for DNS names, of a new authority whose key is not kept."""
    wanted = sorted(names)
    signing_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"grapevine authority {serial:x}"[:64])])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "grapevine operator")])
    issuer_id = x509.SubjectKeyIdentifier.from_public_key(signing_key.public_key())

    def signed(name: x509.Name, public_key: ec.EllipticCurvePublicKey, number: int, *more: _Extension) -> str:
        builder = x509.CertificateBuilder(issuer, name, public_key, number, _date(now_s - SKEW_S), _date(until_s))
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        for extension, is_critical in more:
            builder = builder.add_extension(extension, is_critical)
        return builder.sign(signing_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    until_s = float(int(now_s + lifetime_s))
    authority_pem = signed(
        issuer,
        signing_key.public_key(),
        serial,
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_only("key_cert_sign"), True),
        (x509.NameConstraints([x509.DNSName(name) for name in wanted], None), True),
    )
    certificate_pem = signed(
        subject,
        key.public_key(),
        x509.random_serial_number(),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_only("digital_signature"), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([x509.DNSName(name) for name in wanted]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), False),
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return _read_pair(certificate_pem.encode(), key_pem.encode(), authority_pem.encode())


def material_of(data: Mapping[str, bytes]) -> Material:
    """Return what the Secret's data hold; what is missing or does not fit together is not there."""
    return Material(
        _try_pair(data, _CURRENT), _try_pair(data, _SUCCESSOR), _try_authorities(data.get(_FORMER, b"")[:MAX_PEM_BYTES])
    )


def data_of(material: Material) -> dict[str, bytes]:
    """Return the Secret's data for it, so that `material_of` gives it back."""
    data = {_FORMER: "".join(each.pem for each in material.former)} if material.former else {}
    for pair, keys in ((material.current, _CURRENT), (material.successor, _SUCCESSOR)):
        if pair is not None:
            data |= zip(keys, (pair.certificate_pem, pair.key_pem, pair.authority.pem), strict=True)
    return {key: text.encode() for key, text in data.items()}


_Extension = tuple[x509.ExtensionType, bool]


def _only(use: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{each: each == use for each in _KEY_USES})


def _try_pair(data: Mapping[str, bytes], keys: tuple[str, str, str]) -> ServingPair | None:
    pems = [data.get(key, b"") for key in keys]
    if not all(pems) or max(map(len, pems)) > MAX_PEM_BYTES:
        return None
    try:
        return _read_pair(*pems)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return None


def _read_pair(certificate_pem: bytes, key_pem: bytes, authority_pem: bytes) -> ServingPair:
    """Return the pair in PEM.

    Raises:
        ValueError: the key is another one's, or another authority signed (or what cryptography raises of the bytes).
    """
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    key = serialization.load_pem_private_key(key_pem, None)
    authority = x509.load_pem_x509_certificate(authority_pem)
    if key.public_key() != certificate.public_key():
        raise ValueError("the key is not the certificate's")
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception as error:  # InvalidSignature is no ValueError
        raise ValueError("another authority signed the certificate") from error
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return ServingPair(
        certificate_pem.decode("ascii"),
        key_pem.decode("ascii"),
        _authority(authority),
        frozenset(names.get_values_for_type(x509.DNSName)),
        certificate.not_valid_before_utc.timestamp() + SKEW_S,
        certificate.not_valid_after_utc.timestamp(),
    )


def _try_authorities(pem: bytes) -> tuple[Authority, ...]:
    try:
        return tuple(map(_authority, x509.load_pem_x509_certificates(pem)[:MAX_FORMER])) if pem else ()
    except ValueError:
        return ()


def _authority(certificate: x509.Certificate) -> Authority:
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return Authority(pem, certificate.not_valid_after_utc.timestamp())


def _date(at_s: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(at_s), datetime.UTC)
