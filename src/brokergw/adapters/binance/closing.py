"""Cancelling and closing everything, which Binance has no single request for: one request for each order and position.

Nothing is sent again: a request whose answer is lost leaves the whole unknown, and only a look tells what is left.
"""

from decimal import Decimal
from typing import Final

from brokergw.adapters.binance.account import Account
from brokergw.adapters.binance.api import Api
from brokergw.adapters.binance.commands import Commands
from brokergw.adapters.binance.config import Product
from brokergw.adapters.binance.errors import understood
from brokergw.adapters.binance.orders import Orders
from brokergw.adapters.binance.session import Request, Session
from brokergw.adapters.binance.symbols import SymbolBook, floored, outward
from brokergw.model.errors import GatewayError
from brokergw.model.money import format_decimal
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected
from brokergw.transport.answers import GONE, NOT_FOUND
from brokergw.transport.http import Reply
from brokergw.transport.outcomes import together
from brokergw.transport.rows import decimal, optional_text, text

_DUST: Final = "MINIMUM_SIZE"
_HELD: Final = "INSUFFICIENT_POSITION"


class Closing:
    """Ends what one account has open."""

    def __init__(
        self,
        session: Session,
        orders: Orders,
        account: Account,
        commands: Commands,
        symbols: SymbolBook,
        api: Api,
    ) -> None:
        self._session = session
        self._orders = orders
        self._account = account
        self._commands = commands
        self._symbols = symbols
        self._api = api

    async def cancel_all(self) -> Outcome:
        """Cancel every open order; one that ended meanwhile is as good as cancelled."""
        try:
            open_orders = await self._orders.open()
        except GatewayError as error:
            return NotSent.by(error)
        results: list[Outcome] = []
        ended: set[str] = set()
        for order in open_orders:
            if order.broker_order_id in ended:
                continue
            results.append(await self._commands.cancel(order.broker_order_id))
            if isinstance(results[-1], Accepted):
                # A cancel ends the whole list that an order leads.
                ended |= {leg.broker_order_id for leg in order.legs}
        return together(results, GONE)

    async def flatten(self, symbol: str) -> Outcome:
        """Close one position at market."""
        try:
            requests = await self._closing_requests(outward(symbol))
        except GatewayError as error:
            return NotSent.by(error)
        if isinstance(requests, Rejected):
            return requests
        return together([await self._send(request) for request in requests])

    async def close_all(self) -> Outcome:
        """Cancel every order, then close every position; dust that is too small to be sold stays."""
        canceled = await self.cancel_all()
        if isinstance(canceled, NotSent):
            return canceled
        results: list[Outcome] = [canceled]
        try:
            held = await self._account.positions()
        except GatewayError as error:
            return together([*results, NotSent.by(error)])
        for position in held:
            outcome = await self.flatten(position.symbol)
            dust = isinstance(outcome, Rejected) and outcome.reason in {_DUST, NOT_FOUND}
            results.append(Accepted() if dust else outcome)
        return together(results)

    async def _send(self, request: Request) -> Outcome:
        reply = await self._session.command(request)
        if not isinstance(reply, Reply):
            return reply
        return Accepted() if reply.status == 200 else self._commands.refused(reply)

    async def _closing_requests(self, wire: str) -> list[Request] | Rejected:
        if self._session.product is Product.SPOT:
            return await self._sale(wire)
        rows = await self._api.rows("/fapi/v3/positionRisk", 5, symbol=wire)
        with understood():
            sides = [(optional_text(row, "positionSide") or "BOTH", decimal(row, "positionAmt")) for row in rows]
            wires = [text(row, "symbol") for row in rows]
        held = [(side, amount) for side, amount in sides if amount]
        if not held or set(wires) != {wire}:
            return Rejected(NOT_FOUND)
        self._orders.touch(wire)
        return [_closing(wire, side, amount) for side, amount in held]

    async def _sale(self, wire: str) -> list[Request] | Rejected:
        """Sell what is free of a coin, down to the pair's step; what an order locks is not sold over it."""
        with understood():
            pair = await self._symbols.listed(wire, self._api.exchange_info)
        _, held = await self._account.balances()
        amounts = {asset: (free, locked) for asset, free, locked in held}
        free, locked = amounts.get(pair.base if pair is not None else wire, (Decimal(0), Decimal(0)))
        if not free + locked:
            return Rejected(NOT_FOUND)
        if pair is None:
            return Rejected("NOT_TRADABLE", broker_message="the coin has no pair that it could be sold in")
        quantity = floored(free, pair.instrument.quantity_step)
        if not quantity:
            return Rejected(_HELD if locked else _DUST)
        self._orders.touch(wire)
        params = {"symbol": wire, "side": "SELL", "type": "MARKET", "quantity": format_decimal(quantity)}
        return [Request(method="POST", path="/api/v3/order", params=params, order=True)]


def _closing(wire: str, side: str, amount: Decimal) -> Request:
    params = {
        "symbol": wire,
        "side": "SELL" if amount > 0 else "BUY",
        "type": "MARKET",
        "quantity": format_decimal(abs(amount)),
        **({"reduceOnly": "true"} if side == "BOTH" else {"positionSide": side}),
    }
    return Request(method="POST", path="/fapi/v1/order", params=params, weight=0, order=True)
