"""Positions, with what open orders hold of them, which the gateway does not tell."""

from collections.abc import Sequence
from decimal import Decimal

from brokergw.adapters.ibkr import faults, mapping
from brokergw.adapters.ibkr.api import Api
from brokergw.adapters.ibkr.contracts import Contracts
from brokergw.adapters.ibkr.payloads import Row, decimal, optional_text, whole
from brokergw.model.account import Position
from brokergw.model.lifecycle import is_terminal
from brokergw.model.order import ZERO
from brokergw.model.terms import Side
from brokergw.ports.clock import Clock


class Holdings:
    """The positions of one account."""

    def __init__(self, api: Api, contracts: Contracts, clock: Clock) -> None:
        self._api = api
        self._contracts = contracts
        self._clock = clock

    async def all(self) -> list[Position]:
        """Ask for every open position; the orders beside them may be one pace old. Raises GatewayError."""
        with faults.understood():
            rows = [row for row in await self._api.positions() if decimal(row, "position")]
            orders = await self._api.recent_orders() if rows else []
            return [await self._read(row, orders) for row in rows]

    async def _read(self, row: Row, orders: Sequence[Row]) -> Position:
        contract = await self._contracts.of_conid(whole(row, "conid"))
        held = _held(orders, contract.conid, decimal(row, "position"))
        return mapping.position(row, contract, held=held, now_ns=self._clock.now_ns())


def _held(orders: Sequence[Row], conid: int, quantity: Decimal) -> Decimal:
    """Give how much of a position open orders would close."""
    closing = Side.SELL if quantity > 0 else Side.BUY
    return sum((decimal(row, "remainingQuantity") for row in orders if _closes(row, conid, closing)), ZERO)


def _closes(row: Row, conid: int, closing: Side) -> bool:
    if str(row.get("conid")) != str(conid) or mapping.side_of(optional_text(row, "side")) is not closing:
        return False
    return not is_terminal(mapping.state_of(optional_text(row, "status")))
