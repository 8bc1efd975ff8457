"""Searching an order at its broker, in the way that the broker's class allows.

Each way gives one of four sightings. A search that failed, or saw only a part, is inconclusive: it never counts as
absence.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from brokergw.desk.fresh import FreshFetch
from brokergw.desk.record.book import OrderBook
from brokergw.desk.record.matching import EARLY_NS, LATE_NS, permit_ns, same_content
from brokergw.desk.sessions import Session
from brokergw.model.capability import ResolutionClass
from brokergw.model.errors import GatewayError
from brokergw.model.lifecycle import State
from brokergw.model.order import Order
from brokergw.model.outcome import Absent, BrokerOrder, Found, Inconclusive
from brokergw.ports.clock import Clock

_AT_ONCE_MAX: Final = 4
_LIST_EVERY_S: Final = 1.0
_SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several orders at the broker may be ours; only a person can tell."""

    candidates: tuple[BrokerOrder, ...]


Sighting: TypeAlias = Found | Absent | Inconclusive | Ambiguous


class Search:
    """The searches at one connection: a few at a time, and one listing for all who need one."""

    def __init__(self, session: Session, book: OrderBook, clock: Clock) -> None:
        self._session = session
        self._book = book
        self._clock = clock
        self._room = asyncio.Semaphore(_AT_ONCE_MAX)
        self._listing = FreshFetch(self._list, clock)
        self._since_ns: list[int] = []
        self._listed_at = -_LIST_EVERY_S

    def serves(self, session: Session) -> bool:
        """Tell whether these are the searches of a session."""
        return self._session is session

    async def __call__(self, order: Order) -> Sighting:
        """Ask the broker once whether it has an order."""
        try:
            match self._session.capabilities.resolution:
                case ResolutionClass.BY_CLIENT_ID:
                    async with self._room:
                        return await self._session.adapter.find_order(order.broker_client_order_id)
                case ResolutionClass.BY_TAG:
                    return await self._by_tag(order)
                case ResolutionClass.BY_CONTENT:
                    return await self._by_content(order)
        except GatewayError as error:
            return Inconclusive(f"{error.reason}: {error.message}")

    async def _by_tag(self, order: Order) -> Sighting:
        """Find the order that carries our tag; a broker that does not check tags may have several."""
        seen = await self._everything_since(permit_ns(order) - EARLY_NS)
        return _one_of(each for each in seen if each.client_order_id == order.broker_client_order_id)

    async def _by_content(self, order: Order) -> Sighting:
        """Find an order with our terms, entered when ours may have been, and not on record as another one."""
        early_ns = EARLY_NS + round(self._session.capabilities.entry_early_s * _SECOND_NS)
        seen = await self._everything_since(permit_ns(order) - early_ns)
        alike = [each for each in seen if same_content(order, each, early_ns=early_ns)]
        free = [each for each in alike if await self._is_free(order, each)]
        changing = await self._changing(order) if free else None
        if changing is State.PENDING_MODIFY:
            return Inconclusive("what is found may be what the change of another order has made")
        if changing is State.MANUAL:
            return Ambiguous(tuple(free))
        sighting = _one_of(free)
        if isinstance(sighting, Found) and self._clock.now_ns() < permit_ns(order) + LATE_NS:
            # A second one may still be entered; a match by content is believed once none can be.
            return Inconclusive("the time in which the order may be entered is not over")
        return sighting

    async def _is_free(self, order: Order, seen: BrokerOrder) -> bool:
        claimed = await self._book.by_broker(order.user_id, order.account_id, seen.broker_order_id, "")
        return claimed is None or claimed.order_id == order.order_id

    async def _changing(self, order: Order) -> State | None:
        """Tell how another order stands that may have become, by a change, what is taken for this one; None if none."""
        rivals = await self._book.of_unknown_generation(order.user_id, order.account_id)
        wanted = (order.terms.symbol, order.terms.side)
        states = {each.state for each in rivals if (each.terms.symbol, each.terms.side) == wanted}
        return next((state for state in (State.PENDING_MODIFY, State.MANUAL) if state in states), None)

    async def _everything_since(self, since_ns: int) -> Sequence[BrokerOrder]:
        """Give a listing made after this call, at most one a second: who comes meanwhile shares the next."""
        if (wait_s := self._listed_at + _LIST_EVERY_S - self._clock.monotonic()) > 0:
            await self._clock.sleep(wait_s)
        self._since_ns.append(since_ns)
        return await self._listing.get()

    async def _list(self) -> Sequence[BrokerOrder]:
        """List what is open, and what was entered since the earliest time asked for; raises unless both are complete.

        The open orders come first: what ends between the two questions is in the second answer.
        """
        self._listed_at = self._clock.monotonic()
        since_ns, self._since_ns = min(self._since_ns), []
        open_orders = await self._session.adapter.get_open_orders()
        history = await self._session.adapter.order_history(since_ns, self._clock.now_ns() + EARLY_NS)
        by_id = {each.broker_order_id: each for each in (*open_orders, *history)}
        return tuple(by_id.values())


def _one_of(candidates: Iterable[BrokerOrder]) -> Sighting:
    newest = [each for each in candidates if not each.replaced_by]
    if len(newest) > 1:
        return Ambiguous(tuple(newest))
    return Found(newest[0]) if newest else Absent()
