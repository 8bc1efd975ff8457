"""What explains a difference that stands, so that nobody has to be stopped for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from brokergw.desk.reconcile.compare import Suspect, signed
from brokergw.desk.reconcile.comparison import Seen
from brokergw.desk.reconcile.history import News
from brokergw.desk.reconcile.look import Looker
from brokergw.desk.sessions import Session
from brokergw.model.account import Transaction
from brokergw.model.instrument import AssetClass
from brokergw.model.lifecycle import UNRESOLVED, State
from brokergw.model.order import ZERO, Fill, Order
from brokergw.model.outcome import BrokerOrder
from brokergw.model.reconciliation import (
    Baseline,
    CashPolicy,
    Difference,
    DifferenceKind,
    Explanation,
    PositionPolicy,
    ReconciliationPolicy,
)
from brokergw.model.terms import OrderClass, Side
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal

_HISTORY_NS: Final = 3 * 24 * 3600 * 1_000_000_000
_MINUTE_NS: Final = 60 * 1_000_000_000
_COIN_FEE_MAX: Final = Decimal("0.01")
_DOUBTFUL: Final = UNRESOLVED | {State.SENDING, State.CONFIRM_PENDING}


@dataclass(frozen=True, slots=True)
class Explained:
    """The differences with what explains them, those that an order in doubt may explain, and the history's news."""

    differences: tuple[Difference, ...]
    doubtful: tuple[str, ...]
    news: News


class Explaining:
    """Looks for reasons: the broker's account history, orders in doubt, fees in coins, and the user's policy."""

    def __init__(self, journal: Journal, looker: Looker, clock: Clock) -> None:
        self._journal = journal
        self._looker = looker
        self._clock = clock

    async def __call__(
        self, session: Session, seen: Seen, baseline: Baseline | None, policy: ReconciliationPolicy
    ) -> Explained:
        """Explain what stands; raises GatewayError when the history cannot be read."""
        doubtful = await self._doubtful(seen)
        rest = [each for each in seen.standing if each.subject not in doubtful]
        if baseline is None:
            # The history of an account before its first comparison explains nothing that follows.
            history = await self._history(session, seen.look.as_of_ns)
            return Explained(tuple(map(_older, rest)), doubtful, News.of(history, frozenset()))
        if not rest:
            return Explained((), doubtful, News())
        news = News.of(await self._history(session, baseline.as_of_ns), baseline.transactions)
        found = [await self._explain(session, seen, each, news, baseline, policy) for each in rest]
        return Explained(tuple(each for each in found if each is not None), doubtful, news)

    async def _doubtful(self, seen: Seen) -> tuple[str, ...]:
        """Name the symbols that orders may account for of which the record does not know all."""
        positions = [each for each in seen.standing if each.kind is DifferenceKind.POSITION]
        if not positions:
            return ()
        listed = {name: told for told in seen.look.open_orders for name in (told.broker_order_id, told.client_order_id)}
        look = seen.look
        found = await self._journal.open_orders(only(look.user_id), look.account_id)
        orders = [each for each in found if not _is_leg(each)]
        doubts = [order for order in orders if order.state in _DOUBTFUL or _has_moved(order, listed)]
        return tuple(each.subject for each in positions if _in_doubt(each, doubts))

    async def _history(self, session: Session, since_ns: int) -> Sequence[Transaction]:
        until_ns = self._clock.now_ns() + _MINUTE_NS
        return await session.adapter.transactions(since_ns - _HISTORY_NS, until_ns)

    async def _explain(
        self,
        session: Session,
        seen: Seen,
        difference: Difference,
        news: News,
        baseline: Baseline,
        policy: ReconciliationPolicy,
    ) -> Difference | None:
        """Give the difference with what explains it; None where the history shows that there is none."""
        match difference.kind:
            case DifferenceKind.CASH:
                return _cash(difference, seen.cash_excesses, news, policy)
            case DifferenceKind.POSITION:
                suspect = Suspect(difference.subject, Decimal(difference.record), Decimal(difference.broker))
                explanation, detail = news.explains(suspect, baseline.as_of_ns)
                if explanation is Explanation.NONE and await self._is_coin_fee(session, seen, suspect, baseline):
                    explanation, detail = Explanation.TOLERATED, "a fee that was taken in coins"
                if explanation is Explanation.NONE and suspect.excess in await self._spreads(seen, suspect, baseline):
                    explanation, detail = Explanation.TRANSACTION, "the legs of a spread traded it"
                if explanation is not Explanation.NONE:
                    return replace(difference, explanation=explanation, detail=detail)
                return _by_policy(difference, policy)
            case DifferenceKind.LEGS:
                return _by_policy(difference, policy)
            case _:
                return difference

    async def _spreads(self, seen: Seen, suspect: Suspect, baseline: Baseline) -> set[Decimal]:
        """Give what multi-leg orders may have traded of a symbol since the baseline: of all fills, or of the latest.

        Such an order fills as one, and its legs are no orders of their own where the broker does not make them so.
        """
        moved, sums = ZERO, set[Decimal]()
        for event in reversed(await self._looker.fills(seen.look, baseline.sequence)):
            fill = event.payload
            if not isinstance(fill, Fill) or fill.symbol:
                continue
            order = await self._journal.order(only(fill.user_id), fill.order_id)
            for leg in order.terms.legs if order is not None else ():
                if leg.symbol == suspect.symbol:
                    moved += fill.quantity * leg.ratio * (1 if leg.side is Side.BUY else -1)
            sums.add(moved)
        return sums

    async def _is_coin_fee(self, session: Session, seen: Seen, suspect: Suspect, baseline: Baseline) -> bool:
        """Tell whether coins are missing by no more than what buying them since the baseline may have cost.

        Brokers that take a fee in coins take it with the trade and tell it later.
        """
        if suspect.excess >= ZERO:
            return False
        instrument = await session.instrument(suspect.symbol)
        if instrument is None or instrument.asset_class is not AssetClass.CRYPTO:
            return False
        fills = await self._looker.fills(seen.look, baseline.sequence)
        moves = [signed(e.payload) for e in fills if isinstance(e.payload, Fill) and e.payload.symbol == suspect.symbol]
        bought = sum((move for move in moves if move > ZERO), ZERO)
        return -suspect.excess <= bought * _COIN_FEE_MAX


def _older(difference: Difference) -> Difference:
    if difference.kind in {DifferenceKind.ORDER_ABSENT, DifferenceKind.ORDER_UNKNOWN}:
        return difference
    return replace(difference, explanation=Explanation.OLDER, detail="it was there before the first comparison")


def _cash(
    difference: Difference, excesses: Sequence[Decimal], news: News, policy: ReconciliationPolicy
) -> Difference | None:
    if any(abs(excess - news.cash) <= policy.cash_tolerance for excess in excesses):
        return None
    if policy.cash is CashPolicy.HALT:
        return difference
    if policy.cash is CashPolicy.IGNORE:
        return None
    return replace(difference, explanation=Explanation.TOLERATED, detail="cash moved without a reason on record")


def _by_policy(difference: Difference, policy: ReconciliationPolicy) -> Difference:
    if policy.positions is not PositionPolicy.ADOPT:
        return difference
    return replace(difference, explanation=Explanation.TOLERATED, detail="taken over, as the user's policy has it")


def _is_leg(order: Order) -> bool:
    """Tell whether an order is a leg of a spread, which brokers neither list nor fill by itself."""
    return order.terms.order_class is OrderClass.MULTI_LEG and bool(order.parent_order_id)


def _has_moved(order: Order, listed: Mapping[str, BrokerOrder]) -> bool:
    """Tell whether the broker shows an open order otherwise than the record has it, or no longer as open."""
    told = next((listed[n] for n in (*order.broker_order_ids, order.broker_client_order_id) if n in listed), None)
    return told is None or told.cum_quantity != order.cum_quantity


def _in_doubt(difference: Difference, doubts: Sequence[Order]) -> bool:
    """Tell whether an order of which not all is known may be what a position differs by."""
    excess = Decimal(difference.broker) - Decimal(difference.record)
    side = Side.BUY if excess > ZERO else Side.SELL
    own = [order for order in doubts if order.terms.symbol == difference.subject and order.terms.side is side]
    if any(order.terms.quantity is None for order in own):
        return True
    return bool(own) and abs(excess) <= sum(
        ((order.terms.quantity or ZERO) - order.cum_quantity for order in own), ZERO
    )
