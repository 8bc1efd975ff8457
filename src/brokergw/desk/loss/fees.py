"""What executions have cost that the broker has not taken yet: many take their fees once a day."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from brokergw.model.account import Connection
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.order import ZERO, Fill, FillKind
from brokergw.ports.journal import Journal

_PAGE: Final = 500
_AGAIN_NS: Final = 60_000_000_000
_BASIS: Final = Decimal(10_000)


@dataclass(slots=True)
class _Day:
    day: str
    since_ns: int
    costs: dict[str, Decimal] = field(default_factory=dict)


class Fees:
    """Estimates what a day's executions cost, by the fees that the platform has set for a broker."""

    def __init__(self, journal: Journal, config: Callable[[str], BrokerConfig]) -> None:
        self._journal = journal
        self._config = config
        self._days: dict[str, _Day] = {}

    async def estimated(self, own: Connection, day: str, start_ns: int) -> Decimal:
        """Sum up what the executions of a day should cost that name no fee of their own; raises JOURNAL_UNAVAILABLE."""
        account_id, config = own.account_id, self._config(own.broker)
        if not config.fee_bps and not config.fee_per_contract:
            return ZERO
        known = self._days.get(account_id)
        if known is None or known.day != day:
            known = self._days[account_id] = _Day(day, start_ns)
        last, newest = "", known.since_ns
        while True:
            page = await self._journal.fills(
                own.user_id, (account_id,), since_ns=known.since_ns, after_fill_id=last, limit=_PAGE
            )
            known.costs.update((fill.fill_id, cost_of(fill, config)) for fill in page)
            newest = max([newest, *(fill.trade_time_ns for fill in page)])
            if len(page) < _PAGE:
                break
            last = page[-1].fill_id
        # An execution may be told late; what is known already is only counted again.
        known.since_ns = max(start_ns, newest - _AGAIN_NS)
        return sum(known.costs.values(), ZERO)


def cost_of(fill: Fill, config: BrokerConfig) -> Decimal:
    """Estimate what an execution costs; nothing where the broker has said and taken it, or where it was undone."""
    if fill.kind is not FillKind.NEW or any(not fee.estimated for fee in fill.fees):
        return ZERO
    quantity = abs(fill.quantity)
    return quantity * fill.price * config.fee_bps / _BASIS + quantity * config.fee_per_contract
