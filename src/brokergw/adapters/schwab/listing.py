"""The lists of an account's orders, whole: cut lists are asked for in parts, and nothing that lives is passed over.

Schwab lists orders by when they were entered, and not by whether they are open. The first look therefore goes back as
far as an open order may; after it, everything entered before the oldest order that was still open has ended for good,
and later looks begin there.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import Final

from brokergw.adapters.schwab.api import Api
from brokergw.adapters.schwab.config import SchwabConfig
from brokergw.adapters.schwab.errors import understood
from brokergw.adapters.schwab.generations import Generations, singles_in
from brokergw.adapters.schwab.mapping import Reading, readings, submitted_ns
from brokergw.adapters.schwab.payloads import id_text
from brokergw.model.lifecycle import is_terminal
from brokergw.model.order import ZERO
from brokergw.model.terms import OrderClass, Side
from brokergw.ports.broker import OrderRecord
from brokergw.ports.clock import Clock
from brokergw.transport.rows import Row, Unusable, whole

_NS: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _NS
_AHEAD_NS: Final = 60 * _NS
_LATE_NS: Final = 600 * _NS
"""How long after its entry an order may first be shown: looks begin so much before the oldest one that is open."""


class Listing:
    """Reads lists of orders, and remembers what they told of generations."""

    def __init__(self, api: Api, config: SchwabConfig, clock: Clock, record: OrderRecord | None) -> None:
        self.generations = Generations()
        self._record = record
        self._api = api
        self._clock = clock
        self._rows_max = config.rows_max
        self._reach_ns = config.reach_days * _DAY_NS
        self._floor_ns: int | None = None
        self._first = asyncio.Lock()

    async def primed(self) -> None:
        """See to it that the generations of what may be open are known: what an earlier process changed, too."""
        if self._floor_ns is None:
            async with self._first:
                if self._floor_ns is None:
                    await self.recent()

    async def recent(self, since_ns: int | None = None) -> list[Row]:
        """Give every row that may be open and, with a time, those entered since; oldest first."""
        now = self._clock.now_ns()
        floor = self._floor_ns if self._floor_ns is not None else now - self._reach_ns
        start = floor if since_ns is None else min(floor, since_ns)
        rows = await self.between(max(start, now - self._reach_ns), now + _AHEAD_NS)
        with understood():
            living = [submitted_ns(row) for row in rows if lives(row)]
        self._floor_ns = min([now, *living]) - _LATE_NS
        return rows

    async def between(self, since_ns: int, until_ns: int) -> list[Row]:
        """Give every row entered in a span of time, oldest first."""
        rows = await self._parts(since_ns, until_ns)
        with understood():
            found = {id_text(row, "orderId"): row for row in rows}
            unclear = self.generations.unclear(found.values())
        unnamed = await self._ask_record(unclear)
        with understood():
            self.generations.learn(found.values(), unnamed)
            return sorted(found.values(), key=lambda row: (submitted_ns(row), whole(row, "orderId")))

    async def _ask_record(self, unclear: Sequence[str]) -> Collection[str]:
        """Take in what the record knows of orders, and give the symbols in which it waits for one itself."""
        if self._record is None or not unclear:
            return ()
        # What is on its way is asked for first: by the second answer it may have its id.
        unnamed = await self._record.unnamed()
        for chain in await asyncio.gather(*(self._record.generations(name) for name in unclear)):
            if chain:
                self.generations.recorded(chain)
        return unnamed

    async def _parts(self, since_ns: int, until_ns: int) -> list[Row]:
        rows = await self._api.orders(since_ns, until_ns, self._rows_max)
        if len(rows) < self._rows_max:
            return rows
        middle = (since_ns + until_ns) // 2 // _NS * _NS
        if not since_ns < middle < until_ns:
            with understood():
                raise Unusable("more orders were entered in a second than one list can have")
        return [*await self._parts(since_ns, middle), *await self._parts(middle, until_ns)]

    def read(self, rows: Iterable[Row]) -> list[Reading]:
        """Read rows, exits behind the order that leads them."""
        with understood():
            return [each for row in rows for each in readings(row, self.generations)]


def lives(row: Row) -> bool:
    """Tell whether anything in a row may still trade."""
    ended = {"FILLED", "CANCELED", "EXPIRED", "REJECTED", "REPLACED"}
    return any(single.get("status") not in ended for single in singles_in(row))


def is_open(reading: Reading) -> bool:
    """Tell whether an order may still trade under its own id."""
    return not is_terminal(reading.order.state) and not reading.replaced


def held_by(groups: Iterable[list[Reading]], symbol: str, position: Decimal) -> Decimal:
    """Tell how much of a position open orders hold: of a pair's two orders only one can trade."""
    held = ZERO
    closing = Side.SELL if position > 0 else Side.BUY
    for group in groups:
        lead, *exits = group
        of_lead = _leaves(lead, symbol, closing)
        of_exits = max([_leaves(each, symbol, closing) for each in exits], default=ZERO)
        if lead.order.terms.order_class is OrderClass.OCO:
            held += max(of_lead, of_exits)
        else:
            # Exits that wait for their entry hold nothing yet.
            held += of_lead if is_open(lead) else of_exits
    return held


def _leaves(reading: Reading, symbol: str, closing: Side) -> Decimal:
    order = reading.order
    if order.terms.order_class is OrderClass.MULTI_LEG:
        legs = [leg for leg in order.terms.legs if leg.symbol == symbol and leg.side is closing]
        ratio = Decimal(sum(leg.ratio for leg in legs))
    else:
        ratio = Decimal(order.terms.symbol == symbol and order.terms.side is closing)
    if not ratio or not is_open(reading) or order.terms.quantity is None:
        return ZERO
    return (order.terms.quantity - order.cum_quantity) * ratio
