"""What an API key is restricted to, and who presents certificates or tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Until now a scope was all it took: whoever holds a key with one keeps what it had.
_KEEP_ROLES = """
INSERT INTO user_roles (user_id, role, grant_time_ns, granted_by)
SELECT user_id, '{role}', min(create_time_ns), 'upgrade' FROM api_keys
WHERE revoke_time_ns IS NULL AND scopes LIKE '%{scope}.%' GROUP BY user_id
"""


def upgrade() -> None:
    for name, default in (("last_used_address", ""), ("accounts", None), ("mode_max", "LIVE"), ("addresses", "")):
        nullable = default is None
        op.add_column("api_keys", sa.Column(name, sa.Text(), nullable=nullable, server_default=default))
    op.add_column("api_keys", sa.Column("old_hash", sa.Text(), nullable=True))
    op.add_column("api_keys", sa.Column("old_until_ns", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("api_keys") as batch:
        batch.create_unique_constraint("uq_api_keys_old_hash", ["old_hash"])
    op.create_table(
        "user_roles",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("grant_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("granted_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "role", name="pk_user_roles"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_user_roles_user_id"),
    )
    texts = ("kind", "value", "name", "scopes")
    op.create_table(
        "client_certificates",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("certificate_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        sa.Column("accounts", sa.Text(), nullable=True),
        sa.Column("mode_max", sa.Text(), nullable=False),
        sa.Column("create_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("expire_time_ns", sa.BigInteger(), nullable=True),
        sa.Column("revoke_time_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("certificate_id", name="pk_client_certificates"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_client_certificates_user_id"),
    )
    op.create_index("ix_client_certificates_kind_value", "client_certificates", ["kind", "value"])
    op.create_table(
        "revoked_tokens",
        sa.Column("token_id", sa.Text(), nullable=False),
        sa.Column("revoke_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("keep_until_ns", sa.BigInteger(), nullable=False),
        sa.Column("revoked_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", name="pk_revoked_tokens"),
    )
    op.execute("INSERT INTO store_meta (name, value) VALUES ('identity', 'first')")
    for role, scope in (("ADMIN", "admin"), ("OPERATOR", "operations")):
        op.execute(_KEEP_ROLES.format(role=role, scope=scope))


def downgrade() -> None:
    op.execute("DELETE FROM store_meta WHERE name = 'identity'")
    for table in ("revoked_tokens", "client_certificates", "user_roles"):
        op.drop_table(table)
    with op.batch_alter_table("api_keys") as batch:
        batch.drop_constraint("uq_api_keys_old_hash", type_="unique")
    for column in ("old_until_ns", "old_hash", "addresses", "mode_max", "accounts", "last_used_address"):
        op.drop_column("api_keys", column)
