"""Attempts and grants of OAuth."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "oauth_attempts",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("connection_id", "broker", "environment", "redirect_uri", "sealed")
        ),
        sa.Column("renews", sa.Boolean(), nullable=False),
        sa.Column("create_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_oauth_attempts"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_oauth_attempts_user_id"),
    )
    op.create_index("ix_oauth_attempts_user_id", "oauth_attempts", ["user_id"])
    op.create_index("ix_oauth_attempts_end_time_ns", "oauth_attempts", ["end_time_ns"])
    op.create_table(
        "oauth_grants",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("authorize_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("access_end_time_ns", sa.BigInteger(), nullable=True),
        sa.Column("refresh_time_ns", sa.BigInteger(), nullable=True),
        sa.Column("end_time_ns", sa.BigInteger(), nullable=True),
        sa.Column("warn_time_ns", sa.BigInteger(), nullable=True),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("claim_end_time_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("connection_id", name="pk_oauth_grants"),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["user_broker_connections.connection_id"],
            name="fk_oauth_grants_connection_id",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_oauth_grants_user_id"),
    )
    op.create_index("ix_oauth_grants_user_id", "oauth_grants", ["user_id"])


def downgrade() -> None:
    op.drop_table("oauth_grants")
    op.drop_table("oauth_attempts")
