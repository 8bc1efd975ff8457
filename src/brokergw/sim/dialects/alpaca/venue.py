"""The exchange as Alpaca's customers meet it: with a switch for the market's hours and fees on coins."""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum, unique
from typing import Final

from brokergw.exchange import Exchange, Listing, OrderStatus, RefusalCode, Refused
from brokergw.exchange.sessions import Sessions, midnight_after
from brokergw.model.terms import TimeInForce
from brokergw.sim.dialects.alpaca import hours

_AUCTIONS: Final = frozenset({TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE})


@unique
class Doors(StrEnum):
    """Whether the market is held open, held shut, or keeps New York's hours."""

    OPEN = "open"
    SHUT = "shut"
    HOURS = "hours"


class Hours(Sessions):
    """Trading hours that can be overruled while the simulator runs; crypto always trades."""

    def __init__(self, doors: Doors) -> None:
        super().__init__(always_open=doors is Doors.OPEN)
        self._doors = doors

    @property
    def doors(self) -> Doors:
        """How the hours are kept."""
        return self._doors

    @doors.setter
    def doors(self, doors: Doors) -> None:
        self._doors = doors
        self.always_open = doors is Doors.OPEN

    def is_open(self, time_ns: int) -> bool:
        """Tell whether shares trade in regular hours at a moment."""
        if self._doors is not Doors.HOURS:
            return self._doors is Doors.OPEN
        day = hours.new_york_day(time_ns)
        return hours.is_trading_day(day) and hours.open_ns(day) <= time_ns < hours.close_ns(day)

    def next_open_ns(self, time_ns: int) -> int:
        """Tell when shares trade in regular hours next; held open, their days follow one another in UTC."""
        return midnight_after(time_ns) if self.always_open else hours.next_open_ns(time_ns)

    def next_close_ns(self, time_ns: int) -> int:
        """Tell when regular hours end next."""
        return midnight_after(time_ns) if self.always_open else hours.next_close_ns(time_ns)

    def trades(self, listing: Listing, time_ns: int, *, extended: bool) -> bool:
        """Tell whether an order of a listing can trade at a moment."""
        if listing.always_trades or not extended or self._doors is not Doors.HOURS:
            return listing.always_trades or self.is_open(time_ns)
        day = hours.new_york_day(time_ns)
        return hours.is_trading_day(day) and super().trades(listing, time_ns, extended=True)

    def day_end(self, listing: Listing, time_ns: int, *, extended: bool) -> int:
        """Tell when a day order placed at a moment expires."""
        if self.always_open or listing.always_trades or extended:
            return super().day_end(listing, time_ns, extended=extended)
        return hours.next_close_ns(time_ns)

    def auctions(self, time_ns: int) -> frozenset[TimeInForce]:
        """Tell which auctions take orders: from 19:00 to 9:28 for the opening, to 15:50 for the close."""
        if self._doors is not Doors.HOURS:
            return _AUCTIONS
        until = {TimeInForce.AT_OPEN: hours.OPEN_MINUTE - 2, TimeInForce.AT_CLOSE: hours.CLOSE_MINUTE - 10}
        return frozenset(name for name, minute in until.items() if hours.takes_auction_orders(time_ns, minute))

    def opening_after(self, listing: Listing, time_ns: int) -> int:
        """Tell when the next opening auction is."""
        if self.always_open or listing.always_trades:
            return super().opening_after(listing, time_ns)
        return hours.next_open_ns(time_ns)

    def closing_after(self, listing: Listing, time_ns: int) -> int:
        """Tell when the next closing auction is."""
        if self.always_open or listing.always_trades:
            return super().closing_after(listing, time_ns)
        return hours.next_close_ns(time_ns)


class Venue(Exchange):
    """An exchange whose hours can be switched and where trades can be made by hand."""

    def __init__(self, *, seed: int, now_ns: Callable[[], int], doors: Doors, refuse_wash_trades: bool = True) -> None:
        # Each life forgets the one before, so no id may come back: whoever trades here keeps a record of them.
        super().__init__(
            seed=seed,
            now_ns=now_ns,
            always_open=doors is Doors.OPEN,
            refuse_wash_trades=refuse_wash_trades,
            id_salt=str(now_ns()),
        )
        self.hours = self._floor.sessions = Hours(doors)

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

    def take_fee(self, account_id: str, symbol: str, *, quantity: Decimal, money: Decimal) -> None:
        """Take a fee from a position of coins, or in money from the cash."""
        account = self._floor.account(account_id)
        listing = self._floor.market.path(symbol).listing
        account.position(listing).quantity -= quantity
        account.cash -= money

    def adjust(self, account_id: str, symbol: str, change: Decimal) -> Decimal:
        """Change a position at no cost, as a split does, and give the quantity after it."""
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

    def book(self, account_id: str, symbol: str, quantity: Decimal, price: Decimal) -> Decimal:
        """Book a trade made outside the exchange's own orders, signed, and give the position after it."""
        account = self._floor.account(account_id)
        listing = self._floor.market.path(symbol).listing
        position = account.position(listing)
        position.apply(quantity, price)
        account.cash -= quantity * price * listing.contract_size
        return position.quantity

    def price_at(self, symbol: str, time_ns: int) -> Decimal:
        """Give a symbol's last price at a moment; a pinned price holds for all time."""
        return self._floor.market.path(symbol).at(time_ns).last
