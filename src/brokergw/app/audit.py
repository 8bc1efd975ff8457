"""The audit log from the command line: what signs it, and what checks it without a gateway."""

from brokergw.app.secrets import Secrets
from brokergw.app.settings import Settings
from brokergw.store.notary.keeping import AuditKeeping


def audit_keeping(settings: Settings, secrets: Secrets) -> AuditKeeping:
    """Give what signs the audit log, and where its checkpoints stand outside the database."""
    return AuditKeeping(secrets.audit_key, settings.data_dir / "audit")
