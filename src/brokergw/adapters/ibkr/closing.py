"""Closing positions: the broker has no call for it, so it is an order against the position, sent once.

What the position is and what open orders hold of it is asked immediately before. A fill in between could turn it; the
gateway's own flatten therefore does not come here, but sends orders of its own through all of its gates.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from brokergw.adapters.ibkr.contracts import Contract, Contracts
from brokergw.model.account import Position
from brokergw.model.errors import GatewayError
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import BrokerAdapter
from brokergw.ports.clock import Clock
from brokergw.transport.answers import NOT_FOUND
from brokergw.transport.outcomes import together

_TURNS_MAX: Final = 10

_Place: TypeAlias = Callable[[Contract, OrderTerms], Awaitable[Outcome]]


class Closing:
    """Closes positions of one account."""

    def __init__(
        self, broker: BrokerAdapter, contracts: Contracts, place: _Place, clock: Clock, pause_s: float
    ) -> None:
        self._broker = broker
        self._contracts = contracts
        self._place = place
        self._clock = clock
        self._pause_s = pause_s

    async def one(self, symbol: str) -> Outcome:
        """Close one position at market; NOT_FOUND where there is none, refused where open orders hold a part of it."""
        try:
            held = await self._broker.get_position(symbol)
            contract = await self._contracts.of_symbol(symbol)
        except GatewayError as error:
            return NotSent.by(error)
        if held is None or contract is None:
            return Rejected(NOT_FOUND, broker_message="there is no such position")
        if held.available_quantity < abs(held.quantity):
            return Rejected("INSUFFICIENT_POSITION", broker_message="open orders hold a part of the position")
        return await self._place(contract, _against(held))

    async def all(self) -> Outcome:
        """Cancel every order, wait until none is open, and close every position at market."""
        outcome = await self._broker.cancel_all()
        if not isinstance(outcome, Accepted):
            return outcome
        try:
            await self._none_open()
            held = await self._broker.get_positions()
        except GatewayError as error:
            return Unknown(f"orders were cancelled, and then: {error.message}")
        return together([outcome, *[await self.one(position.symbol) for position in held]])

    async def _none_open(self) -> None:
        for _ in range(_TURNS_MAX):
            if not await self._broker.get_open_orders():
                return
            await self._clock.sleep(self._pause_s)


def _against(held: Position) -> OrderTerms:
    return OrderTerms(
        symbol=held.symbol,
        side=Side.SELL if held.quantity > 0 else Side.BUY,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        quantity=abs(held.quantity),
    )
