"""One writer's chain of audit rows: each names the hash of the one before, and nobody else writes into it.

The head is kept in memory and follows the transaction: back to where it was with a rollback, also of a savepoint, and
durable only once the writer confirms the commit. After a commit that nobody confirmed the head is not known, and the
next row begins a new chain. So no row is ever read back, and a row that somebody else put behind the head is not
continued.

A chain rides on the engine whose transactions it writes in (`chained`), where `write_audit` finds it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.exc import IntegrityError

from brokergw.model.events import AuditRow
from brokergw.model.ids import new_id
from brokergw.ports.clock import Clock
from brokergw.store.audit.canonical import GENESIS, link
from brokergw.store.audit.signing import Signer
from brokergw.store.encoding.rows import Row, audit_row
from brokergw.store.sql.many import Ask, ManyRows, together, touched
from brokergw.store.sql.statements import column_types, listed
from brokergw.store.tables import AUDIT, AUDIT_CHAINS, AUDIT_CHECKPOINTS

OPENED: Final = "audit.opened"
_OPTION: Final = "audit_chain"


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of a chain; sequence 0 for one that has none."""

    chain: str
    sequence: int
    hash: str


class Chain:
    """The chain of one writer, called from one thread at a time; `durable` may be read from others.

    `writer` says which of a process's writers it is, `signer` vouches that the process began it. `note` hears of each
    head that is durable, in the writing thread.
    """

    def __init__(
        self,
        writer: str,
        instance_id: str,
        clock: Clock,
        signer: Signer | None,
        dialect: str,
        note: Callable[[Head], None] = lambda _: None,
    ) -> None:
        self._note = note
        self._writer = writer
        self._instance_id = instance_id
        self._clock = clock
        self._signer = signer
        self._insert = ManyRows(
            f"INSERT INTO {AUDIT.name} ({listed(AUDIT)}) {{rows}}", column_types(AUDIT), dialect=dialect
        )
        self._marks: list[Head] = []
        self._confirmed = True
        self._spoiled = ""
        self.durable = self._working = _fresh()

    def write(
        self, database: Connection, contents: Sequence[Row], before: Sequence[Ask] = (), after: Sequence[Ask] = ()
    ) -> list[list[Any]]:
        """Add rows in the transaction that is open, in this order; each is a row without its place.

        What is asked `before` them and `after` them goes along in the same journey; gives these asks' cursors.
        """
        head = self._working
        if head.chain == self._spoiled:
            head = _fresh()
        chain, sequence, previous = head.chain, head.sequence, head.hash
        rows: list[Row] = []
        if sequence == 0:
            contents = (self._opening(database, chain), *contents)
        for content in contents:
            sequence += 1
            row = link(chain, sequence, previous, content)
            previous = row[3]
            rows.append(row)
        try:
            answers = together(database, [*before, (self._insert, rows), *after])
            touched(answers.pop(len(before)))
        except IntegrityError:
            # Somebody has written where only this writer writes. That row stays outside, and this chain ends here.
            self._spoiled = chain
            raise
        self._working = Head(chain, sequence, previous)
        return answers

    def confirm(self) -> None:
        """Take note that the last transaction is durable."""
        if self._working is not self.durable:
            self.durable = self._working
            self._note(self.durable)
        self._confirmed = True

    def begin(self, _connection: Connection) -> None:
        """Start a transaction where the last durable one ended."""
        if not self._confirmed:
            self.durable = _fresh()
            self._confirmed = True
        self._working = self.durable
        self._marks = []

    def mark(self, _connection: Connection, _name: str | None) -> None:
        """Remember where a savepoint stands."""
        self._marks.append(self._working)

    def let_go(self, _connection: Connection, _name: str, _context: object) -> None:
        """Forget the innermost savepoint."""
        self._marks.pop()

    def go_back(self, _connection: Connection, _name: str, _context: object) -> None:
        """Go back to the innermost savepoint."""
        self._working = self._marks.pop()

    def ask(self, _connection: Connection) -> None:
        """Take note that a commit has been asked for, which may fail."""
        self._confirmed = self._working is self.durable

    def _opening(self, database: Connection, chain: str) -> Row:
        """Make a chain known, and give its first row: who begins it, behind which checkpoint."""
        now = self._clock.now_ns()
        database.execute(
            AUDIT_CHAINS.insert().values(
                chain=chain,
                instance_id=self._instance_id,
                writer=self._writer,
                open_time_ns=now,
                signed_sequence=0,
                sign_time_ns=0,
                close_time_ns=None,
                pruned_sequence=0,
            )
        )
        newest = AUDIT_CHECKPOINTS.c.time_ns.desc(), AUDIT_CHECKPOINTS.c.number.desc()
        row = AUDIT_CHECKPOINTS.c
        columns = row.instance_id, row.number, row.time_ns, row.hash
        found = database.execute(select(*columns).order_by(*newest).limit(1)).one_or_none()
        before = "" if found is None else "/".join(map(str, found))
        told = {"instance": self._instance_id, "writer": self._writer, "checkpoint": before}
        if self._signer is not None:
            told |= {
                "key": self._signer.key_id,
                "signature": self._signer.sign(opening_text(chain, self._instance_id, self._writer, before)),
            }
        return audit_row(
            AuditRow(
                time_ns=now,
                request_id="",
                user_id="",
                key_id="",
                action=OPENED,
                outcome="OK",
                detail=json.dumps(told),
            )
        )


def opening_text(chain: str, instance_id: str, writer: str, checkpoint: str) -> str:
    """Give what the first row of a chain is signed over."""
    return json.dumps(["brokergw.audit.opening.v1", chain, instance_id, writer, checkpoint], separators=(",", ":"))


def chained(engine: Engine, chain: Chain) -> Engine:
    """Give an engine, over the same connections, whose transactions write into a chain."""
    own: Engine = engine.execution_options(**{_OPTION: chain})
    event.listen(own, "begin", chain.begin)
    event.listen(own, "savepoint", chain.mark)
    event.listen(own, "release_savepoint", chain.let_go)
    event.listen(own, "rollback_savepoint", chain.go_back)
    event.listen(own, "commit", chain.ask)
    return own


def found_chain(bound: Connection | Engine) -> Chain | None:
    """Give the chain that transactions of this engine write into, if there is one."""
    chain: Chain | None = bound.get_execution_options().get(_OPTION)
    return chain


def chain_of(bound: Connection | Engine) -> Chain:
    """Give the chain that transactions of this engine write into; raises LookupError where there is none."""
    chain = found_chain(bound)
    if chain is None:
        raise LookupError("these transactions write into no chain of audit rows")
    return chain


def write_audit(
    database: Connection, *rows: AuditRow, before: Sequence[Ask] = (), after: Sequence[Ask] = ()
) -> list[list[Any]]:
    """Write audit rows in the transaction of what they tell; with asks around them as `Chain.write` takes them."""
    return chain_of(database).write(database, [audit_row(row) for row in rows], before, after)


def _fresh() -> Head:
    return Head(new_id("chn"), 0, GENESIS)
