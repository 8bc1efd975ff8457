"""The gateway with nothing but what it takes to send: `python -m bench.ungated serve`, to measure what the rest costs.

No limits, no ledger, no halts, no loss is followed; orders are still admitted and recorded, and the broker is asked for
account and positions. Nobody trades through this: it is the measure that `python -m bench.gates` holds the gateway
against.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from brokergw.cli.main import main
from brokergw.desk import desk
from brokergw.desk.gates.account import AccountCheck
from brokergw.desk.gates.broker_state import BrokerStateCheck
from brokergw.desk.gates.exposure import AdmissionCheck, HoldCheck, Money
from brokergw.desk.gates.gates import GateChecks
from brokergw.desk.gates.instrument import InstrumentCheck
from brokergw.desk.gates.limits import LimitsLookup
from brokergw.desk.gates.one_at_a_time import OneAtATime
from brokergw.desk.gates.position import PositionAsked
from brokergw.desk.gates.reference import ReferenceCheck
from brokergw.desk.gates.sanity import SanityCheck
from brokergw.desk.gates.standard import GateSettings
from brokergw.desk.limits.desk import LimitsDesk
from brokergw.desk.loss import losses
from brokergw.desk.loss.watching import Watching
from brokergw.desk.session import Session
from brokergw.model.events import LogEvent
from brokergw.model.ledger import Stake
from brokergw.model.order import Order
from brokergw.model.trading import Halt
from brokergw.ports.clock import Clock
from brokergw.store.encoding.rows import Row
from brokergw.store.ledger.book import LedgerBook
from brokergw.store.writing import batch


def few_checks(
    one_at_a_time: OneAtATime, clock: Clock, settings: GateSettings, _live: Any, limits: LimitsDesk, *_others: Any
) -> GateChecks:
    """List the checks that find what an order needs to be sent, and those that the broker's own word answers."""
    return GateChecks(
        authority=(LimitsLookup(limits.book, limits.days, clock), PositionAsked(), AccountCheck()),
        instrument=(InstrumentCheck(),),
        sanity=(SanityCheck(clock), ReferenceCheck(clock), one_at_a_time),
        exposure=(
            HoldCheck(Money(settings.base_currency, settings.par_currencies), limits.book),
            BrokerStateCheck(clock),
            AdmissionCheck(),
        ),
    )


class NoLedger(LedgerBook):
    """A ledger that nothing moves, and that knows of no halt."""

    def open(self, stakes: Iterable[Stake]) -> None:
        """Bring nothing to hand."""
        deque(stakes, maxlen=0)

    def move(self, *_unit: Any) -> None:
        """Let everything through."""

    def halts(self, _orders: Sequence[Order]) -> list[Halt]:
        """Know of none."""
        return []

    def rows(self) -> tuple[list[Row], list[Row]]:
        """Write nothing."""
        return [], []


class Watchless(Watching):
    """Follows no account's losses."""

    async def run(self, _session: Session) -> None:
        """Wait for the end."""
        await asyncio.Event().wait()

    def _hear(self, _events: Sequence[LogEvent]) -> None:
        pass


def ungate() -> None:
    """Take everything away in this process."""
    desk.standard_checks = few_checks  # type: ignore[assignment, attr-defined] # that is what is measured
    batch.LedgerBook = NoLedger  # type: ignore[attr-defined] # the same
    losses.Watching = Watchless  # type: ignore[attr-defined] # the same


if __name__ == "__main__":
    ungate()
    main()
