"""Whose the rows of each table are: a user's, named by `user_id`, or the platform's, with the reason."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Table

from brokergw.store import tables

PLATFORM: Final[Mapping[str, str]] = {
    tables.INSTANCES.name: "the processes that live; no user has any",
    tables.INSTANCE_KEYS.name: "the names of the keys that each process has; no user has any",
    tables.LEASES.name: "which process does the background work of which connection; only processes read it, for all",
    tables.TRADING_HALTS.name: "a halt must stop every order that it is about; one hidden from its commit would not",
    tables.HALT_WATCHERS.name: "how far each process has read the halts; no user has any",
    tables.HALT_SWEEPS.name: "what a halt clears away, for everybody in its scope; its user is who ordered it",
    tables.ORDER_EDGES.name: "the lifecycle table, the same for every order",
    tables.META.name: "facts about the store itself",
    tables.BROKER_CONFIGS.name: "what the platform has set for each broker",
    tables.REVOKED_TOKENS.name: "a token is refused before it is known whose it is",
    tables.AUDIT_CHAINS.name: "which process wrote which chain; each chain has rows of many users",
    tables.AUDIT_CHECKPOINTS.name: "hashes over the audit log as a whole",
}
"""Tables without row security, each with its reason; every other table must have a `user_id`."""

APPENDED_BY_ALL: Final = (tables.AUDIT,)
"""Tables into which any transaction may put a row that is no user's (`user_id` empty), and see none of them."""


def user_tables() -> Sequence[Table]:
    """Give the tables whose rows are users'; each has `user_id`."""
    return [table for table in tables.METADATA.sorted_tables if table.name not in PLATFORM]
