"""Modes, live grants, risk acknowledgements and authenticators."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Who traded on paper before there were modes goes on; who traded live must take the steps to it first.
_KEEP_ON_PAPER = """
INSERT INTO user_modes (user_id, mode, grant_by, grant_time_ns, live_risk_version, change)
SELECT user_id, 'PAPER', '', NULL, '', row_number() OVER (ORDER BY user_id) FROM (
    SELECT DISTINCT user_id FROM user_broker_connections WHERE environment <> 'MOCK') AS at_brokers
"""


def upgrade() -> None:
    op.create_table(
        "user_modes",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("grant_by", sa.Text(), nullable=False),
        sa.Column("grant_time_ns", sa.BigInteger(), nullable=True),
        sa.Column("live_risk_version", sa.Text(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_user_modes"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_user_modes_user_id"),
    )
    op.create_index("ix_user_modes_change", "user_modes", ["change"], unique=True)
    op.create_table(
        "mode_bindings",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("strategy_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("set_time_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "account_id", "strategy_id", name="pk_mode_bindings"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_mode_bindings_user_id"),
    )
    op.create_table(
        "risk_acknowledgements",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("text_hash", sa.Text(), nullable=False),
        sa.Column("time_ns", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "version", name="pk_risk_acknowledgements"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_risk_acknowledgements_user_id"),
    )
    op.create_table(
        "mfa_authenticators",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("authenticator_id", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("enroll_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("confirm_time_ns", sa.BigInteger(), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("code_time_ns", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.Column("lock_time_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("user_id", name="pk_mfa_authenticators"),
        sa.UniqueConstraint("authenticator_id", name="uq_mfa_authenticators_authenticator_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_mfa_authenticators_user_id"),
    )
    op.execute(_KEEP_ON_PAPER)


def downgrade() -> None:
    for table in ("mfa_authenticators", "risk_acknowledgements", "mode_bindings", "user_modes"):
        op.drop_table(table)
