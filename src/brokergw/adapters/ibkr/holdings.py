"""Positions, with what open orders hold of them, which the gateway does not tell."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.adapters.ibkr import faults, mapping
from brokergw.adapters.ibkr.api import Api
from brokergw.adapters.ibkr.contracts import Contracts
from brokergw.adapters.ibkr.orders import may_live
from brokergw.adapters.ibkr.payloads import decimal
from brokergw.model.account import Position
from brokergw.model.lifecycle import is_terminal
from brokergw.model.order import ZERO
from brokergw.model.terms import Side
from brokergw.ports.clock import Clock
from brokergw.transport.rows import Row, int64, optional_text

_SENT_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Sent:
    at: float
    conid: int
    side: Side
    quantity: Decimal


class Holdings:
    """The positions of one account.

    The list of orders cannot be read for each question, so what was sent since it was read counts as holding too.
    """

    def __init__(self, api: Api, contracts: Contracts, clock: Clock) -> None:
        self._api = api
        self._contracts = contracts
        self._clock = clock
        self._sent: deque[_Sent] = deque(maxlen=_SENT_MAX)
        self._open: tuple[float, list[Row]] = (-1.0, [])

    def sent(self, conid: int, side: Side, quantity: Decimal | None) -> None:
        """Take note of an order that the broker has just taken."""
        self._sent.append(_Sent(self._clock.monotonic(), conid, side, quantity or ZERO))

    async def all(self) -> list[Position]:
        """Ask for every open position; raises GatewayError."""
        with faults.understood():
            rows = [row for row in await self._api.positions() if decimal(row, "position")]
            if not rows:
                return []
            orders, read_at = await self._api.recent_orders()
            if self._open[0] != read_at:
                # Each order asks, and most of a day's orders have ended.
                self._open = read_at, [row for row in orders if may_live(row)]
            living = self._open[1]
            return [await self._read(row, living, read_at) for row in rows]

    async def _read(self, row: Row, orders: Sequence[Row], read_at: float) -> Position:
        contract = await self._contracts.of_conid(int64(row, "conid"))
        closing = Side.SELL if decimal(row, "position") > 0 else Side.BUY
        held = sum(
            (decimal(each, "remainingQuantity") for each in orders if _closes(each, contract.conid, closing)), ZERO
        )
        for each in self._sent:
            if each.at >= read_at and (each.conid, each.side) == (contract.conid, closing):
                held += each.quantity
        return mapping.position(row, contract, held=held, now_ns=self._clock.now_ns())


def _closes(row: Row, conid: int, closing: Side) -> bool:
    if str(row.get("conid")) != str(conid) or mapping.side_of(optional_text(row, "side")) is not closing:
        return False
    return not is_terminal(mapping.state_of(optional_text(row, "status")))
