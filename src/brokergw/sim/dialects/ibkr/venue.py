"""The exchange as this broker's customers meet it: what is listed, when it trades, and trades made by hand."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import StrEnum, unique

from brokergw.exchange import Exchange, Listing, OrderStatus, RefusalCode, Refused
from brokergw.exchange.sessions import Sessions


@unique
class Doors(StrEnum):
    """Whether the market is held open, held shut, or keeps New York's hours."""

    OPEN = "open"
    SHUT = "shut"
    HOURS = "hours"


class Hours(Sessions):
    """Trading hours that can be overruled while the simulator runs."""

    def __init__(self, doors: Doors) -> None:
        super().__init__(always_open=doors is Doors.OPEN)
        self.doors = doors

    def turn(self, doors: Doors) -> None:
        """Keep other hours from now on."""
        self.doors, self.always_open = doors, doors is Doors.OPEN

    def trades(self, listing: Listing, time_ns: int, *, extended: bool) -> bool:
        """Tell whether an order of a listing can trade at a moment."""
        return self.doors is not Doors.SHUT and super().trades(listing, time_ns, extended=extended)


class Venue(Exchange):
    """An exchange whose hours can be switched and where trades can be made by hand."""

    def __init__(self, *, seed: int, now_ns: Callable[[], int], doors: Doors, listings: Sequence[Listing]) -> None:
        super().__init__(
            seed=seed, now_ns=now_ns, listings=listings, always_open=doors is Doors.OPEN, id_salt=str(now_ns())
        )
        self.hours = self._floor.sessions = Hours(doors)

    def execute(self, account_id: str, order_id: str, *, quantity: Decimal | None, price: Decimal | None) -> None:
        """Trade an open order now, whatever the market says; raises Refused."""
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
        """Change a position at no cost, as a split does, and give the quantity after it."""
        position = self._floor.account(account_id).position(self._floor.market.path(symbol).listing)
        cost = position.quantity * position.average_price
        position.quantity += change
        position.average_price = cost / position.quantity if position.quantity else Decimal(0)
        return position.quantity

    def pay(self, account_id: str, money: Decimal) -> Decimal:
        """Move an account's cash, and give what it is after that."""
        account = self._floor.account(account_id)
        account.cash += money
        return account.cash
