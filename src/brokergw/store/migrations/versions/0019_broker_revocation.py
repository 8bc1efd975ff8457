"""What became of the tokens of a connection at its broker, when they were no longer wanted here."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_TABLE = "user_broker_connections"


def upgrade() -> None:
    op.add_column(_TABLE, sa.Column("broker_revocation", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column(_TABLE, "broker_revocation")
