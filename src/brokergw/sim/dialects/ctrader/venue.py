"""The exchange as this broker's customers meet it: on margin, with doors that can be shut, and trades made by hand."""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum, unique

from brokergw.exchange import Exchange, Listing, OrderStatus, RefusalCode, Refused
from brokergw.exchange.sessions import Sessions
from brokergw.sim.dialects.ctrader.symbols import SYMBOLS


@unique
class Doors(StrEnum):
    """Whether the market is held open or shut."""

    OPEN = "open"
    SHUT = "shut"


class Hours(Sessions):
    """Trading hours that somebody holds."""

    def __init__(self, doors: Doors) -> None:
        super().__init__(always_open=True)
        self.doors = doors

    def trades(self, listing: Listing, time_ns: int, *, extended: bool) -> bool:
        """Tell whether an order of a listing can trade."""
        return self.doors is Doors.OPEN and super().trades(listing, time_ns, extended=extended)


class Venue(Exchange):
    """An exchange for contracts for difference."""

    def __init__(self, *, seed: int, now_ns: Callable[[], int], doors: Doors) -> None:
        super().__init__(
            seed=seed,
            now_ns=now_ns,
            listings=tuple(symbol.listing for symbol in SYMBOLS),
            on_margin=True,
            id_salt=str(now_ns()),
        )
        self.hours = self._floor.sessions = Hours(doors)

    def execute(self, account_id: str, order_id: str, *, quantity: Decimal | None, price: Decimal | None) -> None:
        """Trade an open order now, whatever the market says; raises Refused."""
        order = self._working(account_id, order_id)
        if not order.is_open:
            raise Refused(RefusalCode.NOT_OPEN, f"the order is {order.status.value}", status=order.status.value)
        if quantity is not None and quantity > order.leaves:
            raise Refused(RefusalCode.INVALID_TERMS, "quantity is above what is left of the order", field="quantity")
        if order.status is OrderStatus.ACCEPTED:
            order.status = OrderStatus.NEW
        depth = self.quote(order.listing.symbol)
        at = price if price is not None else depth.ask if order.buys else depth.bid
        # The exchange has no door for a trade made by hand.
        self._matcher._fill(order, at, quantity if quantity is not None else order.leaves)  # noqa: SLF001

    def adjust(self, account_id: str, symbol: str, quantity: Decimal, price: Decimal) -> None:
        """Book a trade made outside the exchange's own orders, signed."""
        account = self._floor.account(account_id)
        account.position(self._floor.market.path(symbol).listing).apply(quantity, price)
        account.cash -= quantity * price

    def pay(self, account_id: str, money: Decimal) -> None:
        """Move an account's cash."""
        self._floor.account(account_id).cash += money
