"""Whom client certificates speak for, over a SQL database."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, update

from brokergw.model.account import Environment
from brokergw.model.certificates import CertificateMapping, CertificateMatch
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.principal import Role, Scope
from brokergw.model.whose import Whose, everyone, only
from brokergw.store.audit.chain import write_audit
from brokergw.store.database.reader import Reader
from brokergw.store.database.work import RunsWork
from brokergw.store.identity.directory import make_user_known
from brokergw.store.identity.version import note_change
from brokergw.store.separation.filters import rows_of
from brokergw.store.tables import CLIENT_CERTIFICATES, USER_ROLES

_MAPPINGS: Final = select(CLIENT_CERTIFICATES, USER_ROLES.c.role).outerjoin(
    USER_ROLES, USER_ROLES.c.user_id == CLIENT_CERTIFICATES.c.user_id
)
_PRESENTED: Final = everyone("who is calling is what the look-up by a certificate's names tells")
_NAMES: Final = everyone("a certificate speaks for one user at most, whoever that is")
_NAMED: Final = everyone("an operator names a mapping by its own id alone")
_LISTED: Final = everyone("an operator lists all mappings")
_STANDS: Final = CLIENT_CERTIFICATES.c.revoke_time_ns.is_(None)


class SqlCertificates:
    """Implements `ports.identity.CertificateDirectory`."""

    def __init__(self, run: RunsWork, reader: Reader) -> None:
        self._run = run
        self._reader = reader

    async def add(self, mapping: CertificateMapping, audit: AuditRow) -> None:
        """Store a mapping; raises CERTIFICATE_MAPPED."""

        def work(database: Connection) -> None:
            # Changing the version first, two processes cannot both find that the name is free.
            note_change(database)
            known = select(CLIENT_CERTIFICATES.c.certificate_id).where(_STANDS, _named((mapping.match, mapping.value)))
            if database.scalar(known) is not None:
                raise GatewayError(Reason.CERTIFICATE_MAPPED, "the certificate speaks for somebody already")
            make_user_known(database, mapping.user_id, mapping.create_time_ns)
            database.execute(insert(CLIENT_CERTIFICATES).values(_row(mapping)))
            write_audit(database, audit)

        await self._run(_NAMES, work)

    async def matching(self, names: Collection[tuple[CertificateMatch, str]]) -> Sequence[CertificateMapping]:
        """Give the mappings of a certificate's fingerprint and names that were not taken away."""
        return await self._found(_PRESENTED, _STANDS, or_(*(map(_named, names))))

    async def get(self, certificate_id: str) -> CertificateMapping | None:
        """Find a mapping."""
        found = await self._found(_NAMED, CLIENT_CERTIFICATES.c.certificate_id == certificate_id)
        return found[0] if found else None

    async def list(self, user_id: str | None = None) -> Sequence[CertificateMapping]:
        """List mappings, newest first."""
        whose = _LISTED if user_id is None else only(user_id)
        return await self._found(whose, rows_of(whose, CLIENT_CERTIFICATES))

    async def revoke(self, certificate_id: str, time_ns: int, audit: AuditRow) -> None:
        """Take a mapping away, once."""

        def work(database: Connection) -> None:
            stands = CLIENT_CERTIFICATES.c.certificate_id == certificate_id, _STANDS
            if database.execute(update(CLIENT_CERTIFICATES).where(*stands).values(revoke_time_ns=time_ns)).rowcount:
                note_change(database)
                write_audit(database, audit)

        await self._run(_NAMED, work)

    async def _found(self, whose: Whose, *conditions: ColumnElement[bool]) -> Sequence[CertificateMapping]:
        newest = CLIENT_CERTIFICATES.c.create_time_ns.desc(), CLIENT_CERTIFICATES.c.certificate_id.desc()
        wanted = _MAPPINGS.where(*conditions).order_by(*newest)
        return _mappings(await self._reader.query(whose, lambda database: database.execute(wanted).all()))


def _named(name: tuple[CertificateMatch, str]) -> ColumnElement[bool]:
    match, value = name
    return and_(CLIENT_CERTIFICATES.c.kind == match.value, CLIENT_CERTIFICATES.c.value == value)


def _row(mapping: CertificateMapping) -> dict[str, Any]:
    return {
        "user_id": mapping.user_id,
        "certificate_id": mapping.certificate_id,
        "kind": mapping.match.value,
        "value": mapping.value,
        "name": mapping.name,
        "scopes": " ".join(sorted(mapping.scopes)),
        "accounts": None if mapping.accounts is None else " ".join(sorted(mapping.accounts)),
        "mode_max": mapping.mode_max.value,
        "create_time_ns": mapping.create_time_ns,
        "expire_time_ns": mapping.expire_time_ns,
        "revoke_time_ns": mapping.revoke_time_ns,
    }


def _mappings(rows: Iterable[Any]) -> list[CertificateMapping]:
    """Put the rows of each mapping together; they come one for each role of its user."""
    found: dict[str, CertificateMapping] = {}
    for row in rows:
        mapping = found.get(row.certificate_id) or _mapping(row)
        more = frozenset() if row.role is None else frozenset({Role(row.role)})
        found[row.certificate_id] = replace(mapping, roles=mapping.roles | more)
    return list(found.values())


def _mapping(row: Any) -> CertificateMapping:
    return CertificateMapping(
        certificate_id=row.certificate_id,
        user_id=row.user_id,
        name=row.name,
        match=CertificateMatch(row.kind),
        value=row.value,
        scopes=frozenset(map(Scope, row.scopes.split())),
        create_time_ns=row.create_time_ns,
        accounts=None if row.accounts is None else frozenset(row.accounts.split()),
        mode_max=Environment(row.mode_max),
        expire_time_ns=row.expire_time_ns,
        revoke_time_ns=row.revoke_time_ns,
    )
