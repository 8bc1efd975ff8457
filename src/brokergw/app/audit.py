"""The audit log from the command line: what signs it, and how it is verified and exported without a gateway."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from brokergw.app.secrets import Secrets, load_secrets
from brokergw.app.settings import Settings
from brokergw.ports.audit import AuditReport
from brokergw.store.audit.signing import Signer, TrustedKeys
from brokergw.store.check import tables_are_current
from brokergw.store.notary import export
from brokergw.store.notary.keeping import AuditKeeping
from brokergw.store.notary.log import SqlAuditLog
from brokergw.store.notary.pages import LogPages
from brokergw.store.open import StoreOutdated

ExportUnreadable = export.ExportUnreadable


def audit_keeping(settings: Settings, secrets: Secrets) -> AuditKeeping:
    """Give what signs the audit log, and where its checkpoints stand outside the database."""
    return AuditKeeping(secrets.audit_key, _folder(settings), settings.audit_retention_days)


async def verify_log(settings: Settings, public_keys: Sequence[str], folders: Sequence[Path]) -> AuditReport:
    """Check the log of the database that the settings name; raises ValueError for what is no public key.

    It is believed what this gateway's own key signed, and what those given did.
    """
    async with _open(settings, public_keys, folders) as (log, _):
        return await log.verify()


async def export_log(settings: Settings, path: Path) -> int:
    """Write the log to a new file; gives the number of rows."""
    async with _open(settings, (), ()) as (_, pages):
        return await export.export(pages, path)


async def verify_export(settings: Settings, path: Path, public_keys: Sequence[str]) -> AuditReport:
    """Check an exported log by itself; with public keys given, this gateway's own is not asked for."""
    keys = TrustedKeys(*public_keys) if public_keys else _keys(settings, ())
    return await export.verify_export(path, keys)


@asynccontextmanager
async def _open(
    settings: Settings, public_keys: Sequence[str], folders: Sequence[Path]
) -> AsyncIterator[tuple[SqlAuditLog, LogPages]]:
    if not tables_are_current(settings.store_url):
        raise StoreOutdated("the database is not up to date: run `brokergw db upgrade`")
    at_hand = (_folder(settings), *folders)
    async with export.open_log(settings.store_url, _keys(settings, public_keys), at_hand) as opened:
        yield opened


def _keys(settings: Settings, public_keys: Sequence[str]) -> TrustedKeys:
    return TrustedKeys(Signer(load_secrets(settings).audit_key).public_key, *public_keys)


def _folder(settings: Settings) -> Path:
    return settings.data_dir / "audit"
