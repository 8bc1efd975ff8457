"""Which chains are open, how far each has come, and whether it was begun by somebody who holds the key."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select, text

from brokergw.store.audit.chain import OPENED, Head, opening_text
from brokergw.store.audit.signing import TrustedKeys
from brokergw.store.tables import AUDIT

# Where rows are held apart by user, PostgreSQL takes no condition with a question in it to an index: asked for as "the
# row whose sequence is the last", each process's head would cost a pass over its whole chain, every second.
_LAST: Final = "(SELECT l.{} FROM broker_audit_log l WHERE l.chain = c.chain ORDER BY l.sequence DESC LIMIT 1)"
_OPEN: Final = text(f"""
SELECT c.chain, c.instance_id, c.signed_sequence, c.pruned_sequence,
 {_LAST.format("sequence")} AS sequence, {_LAST.format("hash")} AS hash, {_LAST.format("time_ns")} AS time_ns
FROM audit_chains c WHERE c.close_time_ns IS NULL ORDER BY c.chain
""")  # noqa: S608 - our own names


@dataclass(frozen=True, slots=True)
class OpenChain:
    """A chain that may still grow: its last row, and how far it is signed and pruned."""

    instance_id: str
    head: Head
    time_ns: int
    signed_sequence: int
    pruned_sequence: int


def open_chains(database: Connection) -> Sequence[OpenChain]:
    """Read every chain that was not closed."""
    return [
        OpenChain(row.instance_id, Head(row.chain, row.sequence, row.hash), row.time_ns, *row[2:4])
        for row in database.execute(_OPEN)
        if row.sequence is not None
    ]


def is_genuine(database: Connection, chain: str, keys: TrustedKeys) -> bool:
    """Tell whether a chain's first row is signed by a trusted key."""
    first = select(AUDIT.c.action, AUDIT.c.detail).where(AUDIT.c.chain == chain, AUDIT.c.sequence == 1)
    row = database.execute(first).one_or_none()
    return row is not None and row.action == OPENED and is_signed_opening(chain, row.detail, keys)


def is_signed_opening(chain: str, detail: str, keys: TrustedKeys) -> bool:
    """Tell whether what the first row of a chain says is signed by a trusted key."""
    try:
        told: Mapping[str, str] = json.loads(detail)
        signed = opening_text(chain, told["instance"], told["writer"], told["checkpoint"])
        return keys.vouches(told["key"], signed, told["signature"])
    except (ValueError, KeyError, TypeError):
        return False


def opened_behind(detail: str) -> tuple[str, int, int] | None:
    """Give process, number and time of the checkpoint that a chain was begun behind; None for the first of all."""
    told: Mapping[str, str] = json.loads(detail)
    if not told["checkpoint"]:
        return None
    instance_id, number, time_ns, _ = told["checkpoint"].split("/")
    return instance_id, int(number), int(time_ns)
