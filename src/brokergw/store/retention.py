"""What is forgotten in time.

Of old idempotency keys first what they came to, much later that they were used; of an account's log the oldest events;
and which order was the latest of its kind.
"""

from collections.abc import Callable
from itertools import takewhile
from typing import Final

from sqlalchemy import Connection, delete, select, text

from brokergw.model.events import AuditRow
from brokergw.store.audit.chain import write_audit
from brokergw.store.database.work import Work
from brokergw.store.tables import EVENTS

_REST_NS: Final = 24 * 3_600 * 1_000_000_000
"""How long an order must have been at rest, ended, before the key that made it is retired."""

_RETIRE: Final = text("""
UPDATE idempotency_keys SET retired = true, fingerprint = '', decision = '', decision_time_ns = NULL
WHERE (user_id, method, key) IN (
    SELECT user_id, method, key FROM idempotency_keys
    WHERE retired = false AND claim_time_ns < :before AND NOT EXISTS (
        SELECT 1 FROM broker_orders WHERE order_id = subject AND (is_open OR update_time_ns > :rested))
    ORDER BY claim_time_ns LIMIT :most)
""")
_DROP: Final = text("""
DELETE FROM idempotency_keys WHERE (user_id, method, key) IN (
    SELECT user_id, method, key FROM idempotency_keys WHERE retired = true AND claim_time_ns < :before
    ORDER BY claim_time_ns LIMIT :most)
""")
_FORGET: Final = text("""
DELETE FROM risk_repeats WHERE (account_id, likeness) IN (
    SELECT account_id, likeness FROM risk_repeats WHERE time_ns < :before ORDER BY time_ns LIMIT :most)
""")


def retire(before_ns: int, most: int, now_ns: int) -> Work:
    """Retire up to so many keys claimed before a time, but for those whose order is open or ended within a day."""
    values = {"before": before_ns, "most": most, "rested": now_ns - _REST_NS}
    return _told(lambda database: database.execute(_RETIRE, values).rowcount, before_ns, "keys retired", now_ns)


def drop(before_ns: int, most: int, now_ns: int) -> Work:
    """Forget up to so many retired keys claimed before a time."""
    values = {"before": before_ns, "most": most}
    return _told(lambda database: database.execute(_DROP, values).rowcount, before_ns, "retired keys", now_ns)


def forget(before_ns: int, most: int) -> Work:
    """Forget up to so many notes of the latest order of a likeness that are from before a time."""
    return lambda database: database.execute(_FORGET, {"before": before_ns, "most": most}).rowcount


def prune(user_id: str, account_id: str, before_ns: int, most: int, now_ns: int) -> Work:
    """Forget up to so many of an account's oldest events, up to the first that was not published before a time.

    The newest one stays: it says since when the broker must be asked for what was missed.
    """
    mine = (EVENTS.c.user_id == user_id, EVENTS.c.account_id == account_id)
    wanted = select(EVENTS.c.sequence, EVENTS.c.publish_time_ns).where(*mine)

    def work(database: Connection) -> int:
        oldest = database.execute(wanted.order_by(EVENTS.c.sequence).limit(most + 1)).all()
        # Clocks of several processes differ; only what is before every younger event may go, or a hole would be left.
        old = [row.sequence for row in takewhile(lambda row: row.publish_time_ns < before_ns, oldest[:-1])]
        # Another process may have been faster.
        return database.execute(delete(EVENTS).where(*mine, EVENTS.c.sequence <= old[-1])).rowcount if old else 0

    return _told(work, before_ns, f"events of {account_id}", now_ns, user_id)


def pruned_row(before_ns: int, what: str, now_ns: int, user_id: str = "") -> AuditRow:
    """Say what was let go of because it was from before a time."""
    return AuditRow(
        time_ns=now_ns,
        request_id="",
        user_id=user_id,
        key_id="",
        action="record.pruned",
        outcome="OK",
        detail=f"{what}, before {before_ns}",
    )


def _told(
    work: Callable[[Connection], int], before_ns: int, what: str, now_ns: int, user_id: str = ""
) -> Callable[[Connection], int]:
    """Let a work that lets go of something say so in the same commit."""

    def told(database: Connection) -> int:
        count = work(database)
        if count:
            write_audit(database, pruned_row(before_ns, f"{count} {what}", now_ns, user_id))
        return count

    return told
