"""Who stands behind a client's certificate: a user that its fingerprint, or a name in it, was mapped to.

The transport has checked the chain, and that the client has the certificate's key. What is read here comes from the
connection itself, never from what a caller or a proxy writes into a header.
"""

import hashlib
import math
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from brokergw.model.certificates import CertificateMapping, CertificateMatch
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.principal import CredentialKind, Principal
from brokergw.model.roles import scopes_left
from brokergw.ports.clock import Clock
from brokergw.ports.identity import CertificateDirectory

_TRUSTED_FOR_S: Final = 1.0
_REMEMBERED_MAX: Final = 1_000
_SECOND_NS: Final = 1_000_000_000
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def is_fingerprint(text: str) -> bool:
    """Tell whether a text is a SHA-256 fingerprint as mappings have it: 64 hex digits in lower case."""
    return _FINGERPRINT.fullmatch(text) is not None


def fingerprint_of(pem: bytes) -> str:
    """Give the SHA-256 fingerprint of a certificate; raises ValueError for what is none."""
    certificate = x509.load_pem_x509_certificate(pem)
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


@dataclass(slots=True)
class _Known:
    """A certificate, read once, and what it was mapped to when that was last looked up."""

    fingerprint: str
    names: tuple[tuple[CertificateMatch, str], ...]
    begin_ns: int
    end_ns: int
    looked_up: float = -math.inf
    mappings: Sequence[CertificateMapping] = ()


class Certificates:
    """Turns a client's certificate into the principal behind it; a mapping taken away acts within a second."""

    def __init__(self, directory: CertificateDirectory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def find(self, pem: bytes) -> Principal | None:
        """Give the principal behind a certificate, None for one that is mapped to nobody.

        A fingerprint goes before names. Raises CERTIFICATE_EXPIRED where its time, or its mapping's, is over, which a
        long connection outlives; CERTIFICATE_UNKNOWN where it cannot be read, or its names are several users'.
        """
        known = self._read(pem)
        now_ns = self._clock.now_ns()
        if not known.begin_ns <= now_ns < known.end_ns:
            raise GatewayError(Reason.CERTIFICATE_EXPIRED, "the client's certificate is not valid at this time")
        if self._clock.monotonic() - known.looked_up >= _TRUSTED_FOR_S:
            looked_up = self._clock.monotonic()
            known.mappings = await self._directory.matching(known.names)
            known.looked_up = looked_up
        mapping = _the_one(known.mappings)
        if mapping is None:
            return None
        if mapping.expire_time_ns is not None and mapping.expire_time_ns <= now_ns:
            raise GatewayError(Reason.CERTIFICATE_EXPIRED, "what the client's certificate was mapped to has expired")
        return _principal(known, mapping)

    def forget(self) -> None:
        """Look every mapping up again before it is trusted: somebody's rights have changed."""
        for known in self._known.values():
            known.looked_up = -math.inf

    def _read(self, pem: bytes) -> _Known:
        known = self._known.get(pem)
        if known is None:
            known = self._known[pem] = _parsed(pem)
            if len(self._known) > _REMEMBERED_MAX:
                self._known.popitem(last=False)
        return known


def _parsed(pem: bytes) -> _Known:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = _names(certificate)
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        raise GatewayError(Reason.CERTIFICATE_UNKNOWN, "the client's certificate cannot be read") from None
    fingerprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    return _Known(
        fingerprint,
        ((CertificateMatch.FINGERPRINT, fingerprint), *names),
        int(begin.timestamp()) * _SECOND_NS,
        (int(end.timestamp()) + 1) * _SECOND_NS,
    )


def _names(certificate: x509.Certificate) -> list[tuple[CertificateMatch, str]]:
    """List the names that a mapping can be for; a wildcard is no name."""
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    uris = [(CertificateMatch.URI, uri) for uri in alternative.get_values_for_type(x509.UniformResourceIdentifier)]
    hosts = [name.lower() for name in alternative.get_values_for_type(x509.DNSName)]
    return uris + [(CertificateMatch.DNS, name) for name in hosts if "*" not in name]


def _the_one(mappings: Sequence[CertificateMapping]) -> CertificateMapping | None:
    by_fingerprint = [each for each in mappings if each.match is CertificateMatch.FINGERPRINT]
    meant = by_fingerprint or mappings
    if len(meant) > 1:
        raise GatewayError(Reason.CERTIFICATE_UNKNOWN, "the client's certificate has names that speak for several")
    return meant[0] if meant else None


def _principal(known: _Known, mapping: CertificateMapping) -> Principal:
    ends = (known.end_ns, mapping.expire_time_ns)
    return Principal(
        mapping.user_id,
        known.fingerprint,
        scopes_left(mapping.scopes, mapping.roles, mapping.accounts, mapping.mode_max),
        roles=mapping.roles,
        kind=CredentialKind.CERTIFICATE,
        accounts=mapping.accounts,
        mode_max=mapping.mode_max,
        expire_time_ns=min(end for end in ends if end is not None),
    )
