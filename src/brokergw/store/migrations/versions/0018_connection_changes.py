"""The number of each connection's last change, so that a process reads those alone that are new to it."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_TABLE = "user_broker_connections"
_INDEX = "ix_user_broker_connections_change"


def upgrade() -> None:
    op.add_column(_TABLE, sa.Column("change", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index(_INDEX, _TABLE, ["change"])


def downgrade() -> None:
    op.drop_index(_INDEX, _TABLE)
    op.drop_column(_TABLE, "change")
