"""Self-signed certificates, made on the spot."""

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_VALID: Final = timedelta(days=7)
# The clocks of two machines may differ.
_ALLOWANCE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, both PEM. Clients that trust it load `pem` as an authority's."""

    pem: bytes
    key_pem: bytes = field(repr=False)

    def server_context(self) -> ssl.SSLContext:
        """The TLS context of a server with this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # `ssl` loads only files. Only the owner can read the directory.
        with TemporaryDirectory() as directory:
            chain, key = Path(directory, "certificate.pem"), Path(directory, "key.pem")
            chain.write_bytes(self.pem)
            key.write_bytes(self.key_pem)
            context.load_cert_chain(chain, key)
        return context


def self_signed(host: str, valid: timedelta = _VALID) -> Certificate:
    """Make a certificate for a host (an address or a name) that is valid from now on.

    A negative `valid` makes an expired certificate.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "callstream listen")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + valid) - _ALLOWANCE)
        .not_valid_after(now + valid)
        .add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    return Certificate(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
