"""Commands that cTrader has no single word for: cancel everything, close everything. One request after another.

The first look tells what there is. Where some of it was done and some not, the outcome is unknown, since only another
look tells what is left.
"""

from collections.abc import Sequence
from typing import Final

from brokergw.adapters.ctrader import mapping, outcomes, payloads
from brokergw.adapters.ctrader.api import Api
from brokergw.adapters.ctrader.errors import understood
from brokergw.adapters.ctrader.mapping import Held
from brokergw.adapters.ctrader.messages import Kind
from brokergw.adapters.ctrader.payloads import Message
from brokergw.adapters.ctrader.reader import Reader
from brokergw.adapters.ctrader.session import Session
from brokergw.adapters.ctrader.symbols import SymbolBook
from brokergw.model.errors import GatewayError
from brokergw.model.order import ZERO
from brokergw.model.outcome import Accepted, BrokerOrder, NotSent, Outcome, Rejected, Unknown
from brokergw.transport.answers import NOT_FOUND
from brokergw.transport.outcomes import together
from brokergw.transport.rows import Row, int64

_GONE: Final = frozenset({NOT_FOUND})


class Closing:
    """Ends orders and positions of one account."""

    def __init__(self, session: Session, api: Api, reader: Reader, symbols: SymbolBook) -> None:
        self._session = session
        self._api = api
        self._reader = reader
        self._symbols = symbols

    async def cancel(self, order_id: int) -> Outcome:
        """Cancel one order."""
        reply = await self._session.command(Kind.CANCEL_ORDER_REQ, {"orderId": order_id}, cancel=True)
        if not isinstance(reply, Message):
            return reply
        outcome = await outcomes.of_order(reply, self._reader, order_id=str(order_id))
        return Accepted() if isinstance(outcome, Accepted) else outcome

    async def cancel_all(self) -> Outcome:
        """Cancel every pending order; protections of positions are not among them."""
        try:
            _, orders = await self._api.open_things()
            with understood():
                ids = [int64(row, "orderId") for row in orders if not mapping.is_protection(row)]
        except GatewayError as error:
            return NotSent.by(error)
        return together([await self.cancel(order_id) for order_id in ids], _GONE)

    async def flatten(self, symbol: str) -> Outcome:
        """Close every position of a symbol; refused where open orders would trade against what is closed."""
        try:
            parts, orders = await self._looked(symbol)
        except GatewayError as error:
            return NotSent.by(error)
        if not parts:
            return Rejected(NOT_FOUND, broker_message=f"there is no position in {symbol}")
        quantity = sum((part.quantity for part in parts), ZERO)
        if mapping.available(self._symbols.of(parts[0].symbol_id).canonical, quantity, orders) < abs(quantity):
            return Rejected("INSUFFICIENT_POSITION", broker_message="open orders are for a part of the position")
        if len(parts) == 1:
            return await self._close(parts[0])
        return together([await self._close(part) for part in parts], _GONE)

    async def close_all(self) -> Outcome:
        """Cancel every order, then close every position."""
        cancelled = await self.cancel_all()
        if not isinstance(cancelled, Accepted):
            return cancelled
        try:
            positions, _ = await self._api.open_things()
            with understood():
                parts = [mapping.held(row) for row in positions]
        except GatewayError as error:
            return Unknown(f"the orders were cancelled; what is held cannot be read: {error.message}")
        return together([cancelled, *[await self._close(part) for part in parts]], _GONE)

    async def _close(self, part: Held) -> Outcome:
        body = {"positionId": part.position_id, "volume": payloads.volume_of(abs(part.quantity))}
        reply = await self._session.command(Kind.CLOSE_POSITION_REQ, body)
        return await outcomes.of_order(reply, self._reader) if isinstance(reply, Message) else reply

    async def _looked(self, name: str) -> tuple[list[Held], list[BrokerOrder]]:
        symbol = await self._symbols.find(name)
        positions, orders = await self._api.open_things()
        if symbol is None:
            return [], []
        with understood():
            parts = [part for row in positions if (part := mapping.held(row)).symbol_id == symbol.symbol_id]
        return parts, await self._reader.orders(_pending(orders))


def _pending(orders: Sequence[Row]) -> list[Row]:
    return [row for row in orders if not mapping.is_protection(row)]
