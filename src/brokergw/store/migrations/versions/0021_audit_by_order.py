"""An index over the audit rows of an order that tells whose they are, so that no other user's are looked at."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_TABLE = "broker_audit_log"
_BEFORE = "ix_broker_audit_log_order_id"
_AFTER = "ix_broker_audit_log_order_id_user_id"
_ONLY = sa.text("order_id <> ''")


def upgrade() -> None:
    op.drop_index(_BEFORE, table_name=_TABLE)
    op.create_index(_AFTER, _TABLE, ["order_id", "user_id"], sqlite_where=_ONLY, postgresql_where=_ONLY)


def downgrade() -> None:
    op.drop_index(_AFTER, table_name=_TABLE)
    op.create_index(_BEFORE, _TABLE, ["order_id"], sqlite_where=_ONLY, postgresql_where=_ONLY)
