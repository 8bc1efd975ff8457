"""Every table says whose its rows are, and every piece of work says for whom it is."""

import ast
from pathlib import Path

from sqlalchemy import UniqueConstraint

from brokergw.store.separation.rows import PLATFORM, user_tables
from brokergw.store.tables import METADATA

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "separation.md"

GATEWAY_MADE = frozenset(
    {
        "account_id",
        "alert_id",
        "attempt_id",
        "audit_id",
        "authenticator_id",
        "broker_order_id",
        "certificate_id",
        "chain",
        "change",
        "connection_id",
        "fill_id",
        "key_hash",
        "key_id",
        "old_hash",
        "order_id",
        "reconciliation_id",
        "subject",
        "sweep_id",
    }
)
"""Columns whose values the gateway makes, unguessable or counted by itself; nobody can choose one to try it.

A `subject` of `limits_history` names its user itself.
"""


def test_every_table_is_a_users_or_has_its_reason() -> None:
    """A table without row security is in the list with a reason; every other one names its user in each row."""
    assert set(PLATFORM) <= set(METADATA.tables)
    assert all(reason and reason[0].islower() for reason in PLATFORM.values())
    for table in user_tables():
        assert "user_id" in table.c, table.name
        assert not table.c.user_id.nullable, table.name


def test_no_client_learns_of_a_value_by_a_key_that_is_not_led_by_its_user() -> None:
    """I2: a unique key begins with the user, or with an id that the gateway made: no chosen value meets another's."""
    for table in user_tables():
        keys = [tuple(column.name for column in table.primary_key)]
        keys += [
            tuple(c.name for c in each.columns) for each in table.constraints if isinstance(each, UniqueConstraint)
        ]
        keys += [tuple(column.name for column in index.columns) for index in table.indexes if index.unique]
        for key in keys:
            assert key[0] == "user_id" or key[0] in GATEWAY_MADE, f"{table.name}: {key}"


def asked() -> dict[tuple[str, str], str]:
    """Find every place that asks for everybody's rows: its file and its reason."""
    found = {}
    for path in sorted((ROOT / "src" / "brokergw").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "everyone":
                (reason,) = node.args
                assert isinstance(reason, ast.Constant), f"{path}: the reason must be written there"
                where = str(path.relative_to(ROOT / "src" / "brokergw"))
                found[where, str(reason.value)] = where
    return found


def test_work_for_everybody_is_listed_with_its_reason() -> None:
    """Each place that asks for everybody's rows stands in docs/separation.md with its reason, and no other does."""
    listed = set()
    for line in DOCUMENT.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if line.startswith("| `") and cells[0].endswith(".py`"):
            listed.add((cells[0].strip("`"), cells[1]))
    assert listed == set(asked())


def test_only_one_function_lifts_the_border() -> None:
    """Nobody makes work for everybody but by `everyone`, and no statement sets the database's word for it elsewhere."""
    for path in sorted((ROOT / "src" / "brokergw").rglob("*.py")):
        source = path.read_text()
        name = path.relative_to(ROOT / "src" / "brokergw").as_posix()
        if "everybody=True" in source:
            assert name == "model/whose.py"
        if "brokergw.everyone" in source:
            assert name.startswith("store/separation/"), name
