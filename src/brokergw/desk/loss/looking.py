"""One look at an account: what it is worth, what came and went, and whether the numbers can be believed."""

import asyncio
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

import structlog

from brokergw.desk.limits.day import TradingDays
from brokergw.desk.loss.book import LossBook
from brokergw.desk.loss.doubtful import doubtful_cost
from brokergw.desk.loss.fees import Fees
from brokergw.desk.loss.history import History
from brokergw.desk.results import BrokerState
from brokergw.desk.sessions import Session
from brokergw.model.account import Connection
from brokergw.model.instrument import AssetClass
from brokergw.model.lifecycle import UNRESOLVED
from brokergw.model.loss import OpeningSource, RiskDay
from brokergw.model.order import ZERO
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal
from brokergw.ports.losses import RiskDays

_NS: Final = 1_000_000_000
_ON_TIME_NS: Final = 600 * _NS
"""How long after a day's start its first look still shows what it began with."""

_HISTORY_NS: Final = 4 * 86_400 * _NS
_HISTORY_EVERY_S: Final = 60.0
_HISTORY_TRADING_S: Final = 5.0
_UNEXPLAINED_S: Final = 60.0
_CENT: Final = Decimal("0.01")
_TOLERANCE: Final = Decimal("0.005")
_KEEP_EVERY_NS: Final = 20 * _NS

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Memory:
    """What earlier looks at an account have shown.

    `cash` and `told` (what its history came to) are those of a moment at which they agreed, `sequence` is how far its
    log had come before it, and `seen` at the last look; `strange_at` is since when cash has moved and nothing tells
    why.
    """

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    history: History | None = None
    history_at: float = 0.0
    history_cash: Decimal = ZERO
    cash: Decimal = ZERO
    told: Decimal = ZERO
    sequence: int = -1
    seen: int = -1
    strange_at: float | None = None
    kept: RiskDay | None = None


class Looker:
    """Looks at accounts, and keeps what it sees in the book and on the record."""

    def __init__(
        self, record: RiskDays, journal: Journal, book: LossBook, fees: Fees, days: TradingDays, clock: Clock
    ) -> None:
        self._record = record
        self._journal = journal
        self._book = book
        self._fees = fees
        self._days = days
        self._clock = clock
        self._memories: dict[str, _Memory] = {}

    async def look(self, session: Session, state: BrokerState | None = None, *, sure: bool = False) -> RiskDay | None:
        """Look at an account, by a state at hand or a fresh one; `sure` asks for its history whatever is known.

        None when the broker's numbers contradict each other: nothing is learned from those. Raises GatewayError when
        the broker or the record cannot be asked.
        """
        account_id = session.connection.account_id
        memory = self._memories.setdefault(account_id, _Memory())
        async with memory.turn:
            # What is written while the broker is asked may be in its answer or not: then it counts as written later.
            before = -1 if state is not None else await self._sequence(session.connection)
            state = state or await session.state.get()
            if not is_plausible(state):
                log.warning("an account's numbers contradict each other", account_id=account_id)
                return None
            now = self._clock.now_ns()
            day = self._days.of(now)
            row = self._book.of(account_id, day)
            asked_at = self._clock.monotonic()
            after = await self._sequence(session.connection)
            trades, memory.seen = after != memory.seen, after
            history = await self._history(session, memory, state, day, trades=trades, sure=sure or row is None)
            fresh = memory.history_at >= asked_at
            self._compare_cash(memory, state, history, before if fresh else -1, traded=after != memory.sequence)
            row = row or await self._open(session, state, day, now, history)
            row = await self._brought_up(session, row, state, history, now)
            self._book.put(row)
            await self._keep(memory, row)
            return row

    async def _sequence(self, own: Connection) -> int:
        return (await self._journal.sequences(only(own.user_id), (own.account_id,))).get(own.account_id, 0)

    def is_strange(self, account_id: str) -> bool:
        """Tell whether an account's cash has moved, less than a minute ago, and nothing has told yet why."""
        memory = self._memories.get(account_id)
        return memory is not None and memory.strange_at is not None

    def has_asked_since(self, account_id: str, cash: Decimal) -> bool:
        """Tell whether an account's history was asked for since its cash was what it is now."""
        memory = self._memories.get(account_id)
        return memory is not None and memory.history is not None and memory.history_cash == cash

    async def mark_crossed(self, row: RiskDay) -> None:
        """Write down that a user's loss was at its limit on this day; raises JOURNAL_UNAVAILABLE."""
        if row.crossed_time_ns is None:
            crossed = replace(row, crossed_time_ns=self._clock.now_ns())
            self._book.put(crossed)
            await self._record.keep(crossed)

    async def _history(
        self, session: Session, memory: _Memory, state: BrokerState, day: str, *, trades: bool, sure: bool
    ) -> History:
        """Give the account's history, asked for again when cash has moved or it has grown old."""
        now = self._clock.monotonic()
        moved = state.account.cash != memory.history_cash
        every_s = _HISTORY_EVERY_S if not moved else _HISTORY_TRADING_S if trades else 0.0
        due = sure or memory.history is None or memory.strange_at is not None or now - memory.history_at >= every_s
        if memory.history is None or due:
            since = self._days.start_ns(day) - _HISTORY_NS
            until = self._clock.now_ns() + _NS
            lines = await session.adapter.transactions(since, until, trades=False)
            memory.history = History.of(lines, state.account.currency, state.positions)
            memory.history_at, memory.history_cash = now, state.account.cash
        return memory.history

    def _compare_cash(
        self, memory: _Memory, state: BrokerState, history: History, before: int, *, traded: bool
    ) -> None:
        """Notice cash that moved without a trade and without a word in the history, which may follow.

        `before` is how far the log had come before these numbers; -1 where they are not of one moment, so that what
        comes next is not measured by them.
        """
        now, cash, told = self._clock.monotonic(), state.account.cash, history.total
        strange = not traded and abs((cash - memory.cash) - (told - memory.told)) > _CENT
        if strange and (memory.strange_at is None or now - memory.strange_at < _UNEXPLAINED_S):
            memory.strange_at = memory.strange_at if memory.strange_at is not None else now
            return
        memory.strange_at, memory.sequence, memory.cash, memory.told = None, before, cash, told

    async def _open(self, session: Session, state: BrokerState, day: str, now: int, history: History) -> RiskDay:
        """Begin an account's day."""
        account, connection = state.account, session.connection
        equity, source = account.equity, OpeningSource.BROKER
        begins = self._days.start_ns(day)
        if now - begins > _ON_TIME_NS:
            source, older = OpeningSource.LATE, connection.create_time_ns < begins
            # What came and went since the close cannot be told from what came before it: lines may have a date alone.
            if older and account.last_close_equity is not None and not history.has_flows():
                equity, source = account.last_close_equity, OpeningSource.BROKER_CLOSE
        return await self._record.open(
            RiskDay(
                account_id=connection.account_id,
                user_id=connection.user_id,
                environment=connection.environment,
                trading_day=day,
                opening_equity=equity,
                opening_source=source,
                opening_time_ns=now,
                known_lines=history.ids,
                equity=account.equity,
                equity_time_ns=now,
                exposed=True,
                equity_low=account.equity,
                equity_high=account.equity,
            )
        )

    async def _brought_up(
        self, session: Session, row: RiskDay, state: BrokerState, history: History, now: int
    ) -> RiskDay:
        own = session.connection
        costs = await self._fees.estimated(own, row.trading_day, self._days.start_ns(row.trading_day))
        holds = any(position.quantity for position in state.positions)
        heads = await self._journal.open_heads(own.user_id, own.account_id)
        doubtful = any(head.state in UNRESOLVED for head in heads)
        return replace(
            row.seen(state.account.equity, now),
            flows=history.flows(row.known_lines),
            fees=max(ZERO, costs - history.fees(row.known_lines)),
            doubt=await doubtful_cost(self._journal, session, state) if doubtful else ZERO,
            exposed=holds or bool(heads),
        )

    async def _keep(self, memory: _Memory, row: RiskDay) -> None:
        """Write what has changed, and now and then that nothing has: others judge by how old it is."""
        kept = memory.kept
        if kept is not None and row.equity_time_ns - kept.equity_time_ns < _KEEP_EVERY_NS:
            same = replace(row, equity_time_ns=kept.equity_time_ns) == kept
            if same:
                return
        await self._record.keep(row)
        memory.kept = row


_MARGINED: Final = frozenset({AssetClass.FUTURE, AssetClass.FOREX, AssetClass.CFD})


def is_plausible(state: BrokerState) -> bool:
    """Tell whether equity is what cash and positions come to, within half a percent; where that can be told at all."""
    account = state.account
    if not (account.equity.is_finite() and account.cash.is_finite()):
        return False
    net, gross = account.cash, abs(account.cash)
    for position in state.positions:
        # A margined position was not paid for: the account has what it gained or lost, not what it is about.
        worth = position.unrealized_profit if position.asset_class in _MARGINED else position.market_value
        if worth is None:
            return True
        net += worth
        gross += abs(worth)
    return abs(account.equity - net) <= max(_CENT, gross * _TOLERANCE)
