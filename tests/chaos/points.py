"""Every place where a trial crashes something: the crash points of the order protocol, and the faults around them.

C3 (admitted, not yet permitted) does not exist here: admission and permit are one commit. C14 is for brokers that ask
questions, TWIN for those that know no id of ours.
"""

from dataclasses import dataclass
from typing import Final

BOTH: Final = frozenset({"sqlite", "postgresql"})
POSTGRESQL: Final = frozenset({"postgresql"})


@dataclass(frozen=True, slots=True)
class Point:
    """One place: its name, what happens there, on which databases, its share among the trials, and before which brokers
    (none: all).
    """

    name: str
    what: str
    stores: frozenset[str] = BOTH
    weight: int = 3
    brokers: frozenset[str] = frozenset()

    def exists(self, store: str, broker: str) -> bool:
        """Tell whether there is such a place on a database, before a broker."""
        return store in self.stores and (not self.brokers or broker in self.brokers)


POINTS: Final = {
    point.name: point
    for point in (
        Point("C1", "killed before the admission is committed"),
        Point("C2", "killed when the admission is durable and nobody has heard of it (C4 as well)"),
        Point("C5", "killed after the permit, before the first byte"),
        Point("C6", "frozen after the permit, woken when it has expired", weight=1),
        Point("C7", "the broker refuses connections for a while; then killed", weight=2),
        Point("C8", "killed while the broker's answer is awaited, before or after the broker has acted"),
        Point("C9", "the broker answers 5xx or garbage; then killed", weight=2),
        Point("C10", "killed after the broker's answer, before any of it is on record"),
        Point("C11", "killed when the answer is durable and nobody has heard of it"),
        Point("C12", "killed after the answer is on record, before the reply"),
        Point("C13", "the database is gone between the send and the settling commit; then killed", weight=1),
        Point("C14", "killed while the broker waits for the answer to its question", brokers=frozenset({"ibkr"})),
        Point("TWIN", "the reply to an order is lost, and a person enters one like it", BOTH, 3, frozenset({"schwab"})),
        Point("C15", "frozen past its lease, another process taking over; then both are killed", POSTGRESQL, 1),
        Point("DB", "the database is killed and started again under load; then killed", POSTGRESQL, 2),
        Point("COMMIT", "a COMMIT, or the reply to one, is lost; then killed", POSTGRESQL, 4),
        Point("F1", "killed before a commit of the feed, the resolver or the recovery", weight=2),
        Point("F2", "killed right after such a commit", weight=2),
        Point("ANY", "killed at a random moment", weight=4),
    )
}

HOOKED: Final = frozenset({"C1", "C2", "C5", "C6", "C10", "C11", "C12", "F1", "F2"})
"""The points that the process itself finds, by its setting BROKERGW_CHAOS."""
