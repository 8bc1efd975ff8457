"""Whose each row is, where a row did not say so yet.

Row security itself is no revision: each upgrade brings it in, for the tables that there are by then.
"""

from urllib.parse import unquote

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_OWNERS = {
    "broker_order_ids": "SELECT user_id FROM broker_orders AS o WHERE o.order_id = broker_order_ids.order_id",
    "reconciliation_requests": (
        "SELECT user_id FROM broker_accounts AS a WHERE a.account_id = reconciliation_requests.account_id"
    ),
}
# Changes of modes were numbered by the rows that they left; from here on the last number stands apart.
_LAST_CHANGE = (
    "INSERT INTO store_meta (name, value) SELECT 'modes', CAST(COALESCE(max(change), 0) AS TEXT) FROM user_modes"
)


def upgrade() -> None:
    for table in (*_OWNERS, "limits_history"):
        op.add_column(table, sa.Column("user_id", sa.Text(), nullable=False, server_default=""))
    for table, owner in _OWNERS.items():
        op.execute(f"UPDATE {table} SET user_id = COALESCE(({owner}), '')")  # noqa: S608 - the texts above
    _name_owners_of_limits()
    op.execute(_LAST_CHANGE)


def downgrade() -> None:
    op.execute("DELETE FROM store_meta WHERE name = 'modes'")
    for table in (*_OWNERS, "limits_history"):
        op.drop_column(table, "user_id")


def _name_owners_of_limits() -> None:
    """Read the user out of each subject: `<source>/<user>/<strategy>`, its parts quoted; a broker's has two parts."""
    history = sa.table("limits_history", sa.column("subject", sa.Text()), sa.column("user_id", sa.Text()))
    database = op.get_bind()
    for subject in list(database.scalars(sa.select(history.c.subject).distinct())):
        parts = subject.split("/")
        if len(parts) == 3 and parts[1]:
            named = history.update().where(history.c.subject == subject)
            database.execute(named.values(user_id=unquote(parts[1])))
