"""Chains of audit rows, and the signed checkpoints over them."""

import sqlalchemy as sa
from alembic import op

from brokergw.store.audit.canonical import GENESIS, link

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_AT_ONCE = 1_000
_EARLIER_CHAIN = "earlier"
"""The chain of the rows that were written before there were chains."""

_CONTENT = (
    "user_id",
    "time_ns",
    "request_id",
    "key_id",
    "principal_kind",
    "address",
    "action",
    "method_class",
    "outcome",
    "reason",
    "account_id",
    "order_id",
    "detail",
    "payload",
    "duration_ns",
)
_COLUMNS = ("chain", "sequence", "previous_hash", "hash", *_CONTENT)
_NUMBERS = frozenset({"sequence", "time_ns", "duration_ns"})

_SQLITE_GUARDS = (
    """
CREATE TRIGGER broker_audit_log_unchanged BEFORE UPDATE ON broker_audit_log
BEGIN SELECT RAISE(ABORT, 'an audit row is never changed'); END
""",
    """
CREATE TRIGGER broker_audit_log_kept BEFORE DELETE ON broker_audit_log
WHEN NOT EXISTS (SELECT 1 FROM audit_chains WHERE chain = OLD.chain AND pruned_sequence >= OLD.sequence)
BEGIN SELECT RAISE(ABORT, 'an audit row is removed by retention only'); END
""",
    """
CREATE TRIGGER audit_checkpoints_unchanged BEFORE UPDATE ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'a checkpoint is never changed'); END
""",
    """
CREATE TRIGGER audit_checkpoints_kept BEFORE DELETE ON audit_checkpoints
WHEN OLD.time_ns >= (SELECT max(horizon_ns) FROM audit_checkpoints)
BEGIN SELECT RAISE(ABORT, 'a checkpoint is removed by retention only'); END
""",
)
_POSTGRESQL_GUARDS = (
    """
CREATE OR REPLACE FUNCTION brokergw_audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF TG_TABLE_NAME = 'broker_audit_log' THEN
      IF EXISTS (SELECT 1 FROM audit_chains WHERE chain = OLD.chain AND pruned_sequence >= OLD.sequence) THEN
        RETURN OLD;
      END IF;
    ELSIF OLD.time_ns < (SELECT max(horizon_ns) FROM audit_checkpoints) THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION 'audit rows and checkpoints are never changed, and removed by retention only'
    USING ERRCODE = 'check_violation';
END $$
""",
    """
CREATE TRIGGER broker_audit_log_guard BEFORE UPDATE OR DELETE ON broker_audit_log
FOR EACH ROW EXECUTE FUNCTION brokergw_audit_guard()
""",
    """
CREATE TRIGGER audit_checkpoints_guard BEFORE UPDATE OR DELETE ON audit_checkpoints
FOR EACH ROW EXECUTE FUNCTION brokergw_audit_guard()
""",
    # The serving role may not delete; it may ask for what a tombstone has released.
    """
CREATE OR REPLACE FUNCTION brokergw_prune_audit(wanted text, most bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE gone bigint;
BEGIN
  DELETE FROM broker_audit_log WHERE chain = wanted AND sequence IN (
    SELECT l.sequence FROM broker_audit_log l JOIN audit_chains c ON c.chain = l.chain
    WHERE l.chain = wanted AND l.sequence <= c.pruned_sequence ORDER BY l.sequence LIMIT most);
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END $$
""",
    """
CREATE OR REPLACE FUNCTION brokergw_prune_checkpoints(most bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE gone bigint;
BEGIN
  DELETE FROM audit_checkpoints WHERE (instance_id, number) IN (
    SELECT instance_id, number FROM audit_checkpoints
    WHERE time_ns < (SELECT max(horizon_ns) FROM audit_checkpoints) ORDER BY time_ns LIMIT most);
  GET DIAGNOSTICS gone = ROW_COUNT;
  RETURN gone;
END $$
""",
)


def upgrade() -> None:
    """Put every row that there is into one chain, and let no row be changed from here on."""
    _make_chains()
    _move_away()
    _make_log()
    _chain_earlier_rows()
    op.drop_table("broker_audit_log_earlier")
    op.create_index("ix_broker_audit_log_user_id_time_ns", "broker_audit_log", ["user_id", "time_ns"])
    nothing = sa.text("time_ns < 0")
    op.create_index("ix_broker_audit_log_time_ns", "broker_audit_log", ["time_ns"], sqlite_where=nothing)
    present = sa.text("order_id <> ''")
    op.create_index(
        "ix_broker_audit_log_order_id",
        "broker_audit_log",
        ["order_id"],
        sqlite_where=present,
        postgresql_where=present,
    )
    for guard in _SQLITE_GUARDS if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL_GUARDS:
        op.execute(guard)


def downgrade() -> None:
    """Take the chains away; the rows stay."""
    if op.get_bind().dialect.name != "sqlite":
        for function in ("brokergw_prune_audit(text, bigint)", "brokergw_prune_checkpoints(bigint)"):
            op.execute(f"DROP FUNCTION {function}")
    _move_away()
    op.create_table(
        "broker_audit_log",
        sa.Column("audit_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        *_columns("user_id", "time_ns", "request_id", "key_id", "action", "outcome", "reason", "account_id"),
        *_columns("order_id", "detail", "duration_ns"),
        sa.PrimaryKeyConstraint("audit_id", name="pk_broker_audit_log"),
    )
    kept = "user_id, time_ns, request_id, key_id, action, outcome, reason, account_id, order_id, detail, duration_ns"
    op.execute(
        f"INSERT INTO broker_audit_log ({kept}) SELECT {kept} FROM broker_audit_log_earlier"  # noqa: S608 - our own names
        " ORDER BY time_ns, chain, sequence"
    )
    for table in ("broker_audit_log_earlier", "audit_checkpoints", "audit_chains"):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION brokergw_audit_guard()")
    op.create_index("ix_broker_audit_log_user_id_time_ns", "broker_audit_log", ["user_id", "time_ns"])


def _columns(*names: str) -> list[sa.Column[object]]:
    return [
        sa.Column(name, sa.BigInteger() if name in _NUMBERS else sa.Text(), nullable=name == "duration_ns")
        for name in names
    ]


def _make_chains() -> None:
    texts = ("instance_id", "writer")
    op.create_table(
        "audit_chains",
        sa.Column("chain", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in texts),
        sa.Column("open_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("signed_sequence", sa.BigInteger(), nullable=False),
        sa.Column("sign_time_ns", sa.BigInteger(), nullable=False),
        sa.Column("close_time_ns", sa.BigInteger(), nullable=True),
        sa.Column("pruned_sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name="pk_audit_chains"),
    )
    op.create_index("ix_audit_chains_close_time_ns", "audit_chains", ["close_time_ns"])
    op.create_table(
        "audit_checkpoints",
        sa.Column("instance_id", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("number", "time_ns", "horizon_ns")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("body", "hash", "key_id", "signature")),
        sa.PrimaryKeyConstraint("instance_id", "number", name="pk_audit_checkpoints"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_audit_checkpoints_time_ns", "audit_checkpoints", ["time_ns"])


def _move_away() -> None:
    op.drop_index("ix_broker_audit_log_user_id_time_ns", "broker_audit_log")
    op.rename_table("broker_audit_log", "broker_audit_log_earlier")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("ALTER INDEX pk_broker_audit_log RENAME TO pk_broker_audit_log_earlier")


def _make_log() -> None:
    op.create_table(
        "broker_audit_log",
        *_columns(*_COLUMNS),
        sa.PrimaryKeyConstraint("chain", "sequence", name="pk_broker_audit_log"),
    )


def _chain_earlier_rows() -> None:
    connection = op.get_bind()
    earlier = sa.table("broker_audit_log_earlier", *map(sa.column, ("audit_id", *_CONTENT)))
    told = {name for name in _CONTENT if name not in {"principal_kind", "address", "method_class", "payload"}}
    wanted = [sa.column("audit_id"), *(sa.column(name) if name in told else sa.literal("") for name in _CONTENT)]
    log = sa.table("broker_audit_log", *map(sa.column, _COLUMNS))
    done, sequence, previous, time_ns = -1, 0, GENESIS, 0
    while rows := connection.execute(
        sa.select(*wanted)
        .select_from(earlier)
        .where(sa.column("audit_id") > done)
        .order_by(sa.column("audit_id"))
        .limit(_AT_ONCE)
    ).all():
        made = []
        for _, *content in rows:
            sequence += 1
            row = link(_EARLIER_CHAIN, sequence, previous, tuple(content))
            previous, time_ns = row[3], time_ns or content[1]
            made.append(dict(zip(_COLUMNS, row, strict=True)))
        connection.execute(log.insert(), made)
        done = int(rows[-1][0])
    if sequence:
        chains = sa.table(
            "audit_chains",
            *map(sa.column, ("chain", "instance_id", "writer", "open_time_ns")),
            *map(sa.column, ("signed_sequence", "sign_time_ns", "pruned_sequence")),
        )
        first = {"chain": _EARLIER_CHAIN, "instance_id": "", "writer": "", "open_time_ns": time_ns}
        connection.execute(chains.insert(), [first | {"signed_sequence": 0, "sign_time_ns": 0, "pruned_sequence": 0}])
