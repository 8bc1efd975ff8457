"""Which end of an authorization a person was told of, in place of when: each end is told once."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("oauth_grants", sa.Column("told_end_time_ns", sa.BigInteger(), nullable=True))
    # Whoever was told of the end of a login need not hear of it again.
    op.execute("UPDATE oauth_grants SET told_end_time_ns = end_time_ns WHERE warn_time_ns IS NOT NULL")
    op.drop_column("oauth_grants", "warn_time_ns")


def downgrade() -> None:
    op.add_column("oauth_grants", sa.Column("warn_time_ns", sa.BigInteger(), nullable=True))
    op.drop_column("oauth_grants", "told_end_time_ns")
