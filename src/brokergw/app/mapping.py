"""Which certificate is meant on the command line."""

from collections.abc import Collection, Mapping
from pathlib import Path

from brokergw.desk.identity.access import MappingRequest
from brokergw.desk.identity.certificates import fingerprint_of, is_fingerprint
from brokergw.model.account import Environment
from brokergw.model.certificates import CertificateMatch
from brokergw.model.principal import Scope


def mapping_of(
    user_id: str,
    name: str,
    scopes: Collection[str],
    known_by: Mapping[str, str],
    file: Path | None,
    *,
    accounts: Collection[str],
    mode: str,
) -> MappingRequest:
    """Read whom a certificate shall speak for; raises ValueError where it is not named in one way."""
    given = {match: value for match, value in known_by.items() if value}
    if file is not None:
        given["file"] = fingerprint_of(file.read_bytes())
    if len(given) != 1:
        raise ValueError("name the certificate in one way: by its file, fingerprint, URI or DNS name")
    ((how, value),) = given.items()
    match = CertificateMatch.FINGERPRINT if how == "file" else CertificateMatch(how)
    if match is CertificateMatch.FINGERPRINT:
        value = value.replace(":", "").lower()
        if not is_fingerprint(value):
            raise ValueError("a fingerprint is the 64 hex digits of a SHA-256 hash")
    return MappingRequest(
        user_id=user_id,
        name=name,
        match=match,
        value=value.lower() if match is CertificateMatch.DNS else value,
        scopes=frozenset(map(Scope, scopes)),
        accounts=frozenset(accounts) if accounts else None,
        mode_max=Environment(mode.upper()) if mode else Environment.LIVE,
    )
