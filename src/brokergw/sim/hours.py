"""Trading hours that somebody holds: a market can be opened or shut while the simulator runs."""

from enum import StrEnum, unique
from typing import Final

from brokergw.exchange import Listing
from brokergw.exchange.sessions import Sessions, midnight_after
from brokergw.model.terms import TimeInForce
from brokergw.sim import new_york

_AUCTIONS: Final = frozenset({TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE})


@unique
class Doors(StrEnum):
    """Whether the market is held open, held shut, or keeps New York's hours."""

    OPEN = "open"
    SHUT = "shut"
    HOURS = "hours"


class Hours(Sessions):
    """The exchange's sessions, which can be overruled."""

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

    def trades(self, listing: Listing, time_ns: int, *, extended: bool) -> bool:
        """Tell whether an order of a listing can trade at a moment."""
        return self._doors is not Doors.SHUT and super().trades(listing, time_ns, extended=extended)


class NewYorkHours(Hours):
    """New York's hours with its holidays and early closes; crypto always trades."""

    def is_open(self, time_ns: int) -> bool:
        """Tell whether shares trade in regular hours at a moment."""
        if self.doors is not Doors.HOURS:
            return self.doors is Doors.OPEN
        day = new_york.new_york_day(time_ns)
        return new_york.is_trading_day(day) and new_york.open_ns(day) <= time_ns < new_york.close_ns(day)

    def next_open_ns(self, time_ns: int) -> int:
        """Tell when shares trade in regular hours next; held open, their days follow one another in UTC."""
        return midnight_after(time_ns) if self.always_open else new_york.next_open_ns(time_ns)

    def next_close_ns(self, time_ns: int) -> int:
        """Tell when regular hours end next."""
        return midnight_after(time_ns) if self.always_open else new_york.next_close_ns(time_ns)

    def trades(self, listing: Listing, time_ns: int, *, extended: bool) -> bool:
        """Tell whether an order of a listing can trade at a moment."""
        if listing.always_trades or not extended or self.doors is not Doors.HOURS:
            return listing.always_trades or self.is_open(time_ns)
        day = new_york.new_york_day(time_ns)
        return new_york.is_trading_day(day) and super().trades(listing, time_ns, extended=True)

    def day_end(self, listing: Listing, time_ns: int, *, extended: bool) -> int:
        """Tell when a day order placed at a moment expires."""
        if self.always_open or listing.always_trades or extended:
            return super().day_end(listing, time_ns, extended=extended)
        return new_york.next_close_ns(time_ns)

    def auctions(self, time_ns: int) -> frozenset[TimeInForce]:
        """Tell which auctions take orders: from 19:00 to 9:28 for the opening, to 15:50 for the close."""
        if self.doors is not Doors.HOURS:
            return _AUCTIONS
        until = {TimeInForce.AT_OPEN: new_york.OPEN_MINUTE - 2, TimeInForce.AT_CLOSE: new_york.CLOSE_MINUTE - 10}
        return frozenset(name for name, minute in until.items() if new_york.takes_auction_orders(time_ns, minute))

    def opening_after(self, listing: Listing, time_ns: int) -> int:
        """Tell when the next opening auction is."""
        if self.always_open or listing.always_trades:
            return super().opening_after(listing, time_ns)
        return new_york.next_open_ns(time_ns)

    def closing_after(self, listing: Listing, time_ns: int) -> int:
        """Tell when the next closing auction is."""
        if self.always_open or listing.always_trades:
            return super().closing_after(listing, time_ns)
        return new_york.next_close_ns(time_ns)
