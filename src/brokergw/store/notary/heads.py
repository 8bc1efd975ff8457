"""Which chains are open, how far each has come, and whether it was begun by somebody who holds the key."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from brokergw.store.audit.chain import OPENED, Head, opening_text
from brokergw.store.audit.signing import TrustedKeys
from brokergw.store.tables import AUDIT

_OPEN = text("""
SELECT c.chain, c.instance_id, c.signed_sequence, c.pruned_sequence, l.sequence, l.hash, l.time_ns
FROM audit_chains c JOIN broker_audit_log l ON l.chain = c.chain
 AND l.sequence = (SELECT max(sequence) FROM broker_audit_log WHERE chain = c.chain)
WHERE c.close_time_ns IS NULL ORDER BY c.chain
""")


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
