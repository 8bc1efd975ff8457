"""The lifecycle table inside the database, where triggers hold every change of an order against it."""

from sqlalchemy import Connection, delete, insert, select

from brokergw.model.lifecycle import EDGES
from brokergw.store.tables import ORDER_EDGES


def legal_moves() -> set[tuple[str, str]]:
    """Give every legal move from one state to another, as the lifecycle table has them."""
    return {(before.value, after.value) for before, nexts in EDGES.items() for after in nexts}


def recorded_moves(database: Connection) -> set[tuple[str, str]]:
    """Give every move that the database holds legal."""
    return {(before, after) for before, after in database.execute(select(ORDER_EDGES))}


def record_moves(database: Connection) -> None:
    """Let the database hold legal what the lifecycle table does."""
    if recorded_moves(database) != legal_moves():
        database.execute(delete(ORDER_EDGES))
        rows = [{"from_state": before, "to_state": after} for before, after in sorted(legal_moves())]
        database.execute(insert(ORDER_EDGES), rows)
