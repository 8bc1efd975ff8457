"""The exchange as Binance's customers meet it: never closed, with trades by hand and money moved without an order."""

from collections.abc import Callable
from decimal import Decimal

from brokergw.exchange import Exchange, OrderStatus, RefusalCode, Refused
from brokergw.sim.dialects.binance.listings import LISTINGS


class Venue(Exchange):
    """An exchange where trades can be made by hand."""

    def __init__(self, *, seed: int, now_ns: Callable[[], int], fee_rate: Decimal) -> None:
        super().__init__(seed=seed, now_ns=now_ns, listings=LISTINGS, fee_rate=fee_rate, id_salt=str(now_ns()))

    def execute(self, account_id: str, order_id: str, *, quantity: Decimal | None, price: Decimal | None) -> None:
        """Trade an open order now, whatever the market says; raises Refused.

        `quantity` is at most what is left of it (None: all), `price` the market's when None.
        """
        order = self._working(account_id, order_id)
        if not order.is_open or order.status is OrderStatus.HELD:
            raise Refused(RefusalCode.NOT_OPEN, f"the order is {order.status.value}", status=order.status.value)
        if quantity is not None and quantity > order.leaves:
            raise Refused(RefusalCode.INVALID_TERMS, "quantity is above what is left of the order", field="quantity")
        depth = self.quote(order.listing.symbol)
        at = price if price is not None else depth.ask if order.buys else depth.bid
        # The exchange has no door for a trade made by hand.
        self._matcher._fill(order, at, quantity if quantity is not None else order.leaves)  # noqa: SLF001

    def adjust(self, account_id: str, symbol: str, change: Decimal) -> Decimal:
        """Change a position at no cost, and give the quantity after it."""
        account = self._floor.account(account_id)
        position = account.position(self._floor.market.path(symbol).listing)
        cost = position.quantity * position.average_price
        position.quantity += change
        position.average_price = cost / position.quantity if position.quantity else Decimal(0)
        return position.quantity

    def pay(self, account_id: str, money: Decimal) -> Decimal:
        """Move an account's cash, and give what it is after that."""
        account = self._floor.account(account_id)
        account.cash += money
        return account.cash

    def leverage_of(self, account_id: str, symbol: str) -> Decimal:
        """Give the leverage of an account for a contract."""
        return self._floor.account(account_id).leverage_of(self._floor.market.path(symbol).listing)
