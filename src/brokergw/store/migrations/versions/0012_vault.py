"""Sealed values with versions, each bound to the one that its row tells; and which process has which keys."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # What was sealed before there were versions opens as the first.
    op.add_column(
        "user_broker_credentials", sa.Column("version", sa.BigInteger(), nullable=False, server_default=sa.text("1"))
    )
    op.add_column(
        "user_broker_connections",
        sa.Column("credentials_version", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
    op.execute("UPDATE user_broker_connections SET credentials_version = 1 WHERE has_key")
    op.create_table(
        "instance_keys",
        sa.Column("instance_id", sa.Text(), primary_key=True),
        sa.Column("key_ids", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("instance_keys")
    op.drop_column("user_broker_connections", "credentials_version")
    op.drop_column("user_broker_credentials", "version")
