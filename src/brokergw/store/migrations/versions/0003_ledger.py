"""What each order holds, and the ledger of positions and counts that the caps of an admission are checked against.

Orders from before hold nothing, so the ledger begins empty; positions are anchored to what the brokers tell.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_HOLDS = (("hold_quantity", "0"), ("hold_price", "0"), ("unit_worth", "1"), ("trading_day", ""))


def upgrade() -> None:
    for name, value in _HOLDS:
        op.add_column("broker_orders", sa.Column(name, sa.Text(), nullable=False, server_default=value))
    op.create_table(
        "risk_positions",
        _text("user_id"),
        _text("account_id"),
        _text("symbol"),
        _text("strategy_id"),
        _text("quantity"),
        _text("cost"),
        _text("buy_quantity"),
        _text("buy_worth"),
        _text("buy_top"),
        _text("sell_quantity"),
        _text("sell_worth"),
        _text("sell_top"),
        _text("anchored"),
        _number("version"),
        sa.PrimaryKeyConstraint("account_id", "symbol", "strategy_id", name="pk_risk_positions"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "risk_usage",
        _text("user_id"),
        _text("subject"),
        _text("name"),
        _text("exposure"),
        _number("open_orders"),
        _text("unacknowledged"),
        _text("trading_day"),
        _number("day_orders"),
        _text("day_volume"),
        _text("seconds"),
        _number("version"),
        sa.PrimaryKeyConstraint("user_id", "subject", "name", name="pk_risk_usage"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("risk_usage")
    op.drop_table("risk_positions")
    for name, _ in reversed(_HOLDS):
        op.drop_column("broker_orders", name)


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)


def _number(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), nullable=False)
