"""Accounts: cash, positions, what open orders hold and reserve, and the margin arithmetic over them.

Margin: a marginable position or reservation uses its value divided by the account's multiplier, anything else its
whole value. What is left of the equity is the excess; buying power is the excess times the multiplier. With
multiplier 1 buying power is therefore the free cash. What is netted has a leverage of its own by symbol instead of the
account's multiplier.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from brokergw.exchange.listings import Listing
from brokergw.exchange.prices import Market
from brokergw.exchange.values import ZERO, AccountOpening, Execution, Holding, Ledger
from brokergw.model.quick import quick
from brokergw.model.terms import Side

if TYPE_CHECKING:
    from brokergw.exchange.book import WorkingOrder

_PLACES: Final = Decimal("0.000000001")
_INITIAL: Final = Decimal("0.5")
_MAINTENANCE_LONG: Final = Decimal("0.25")
_MAINTENANCE_SHORT: Final = Decimal("0.3")
_MAINTENANCE_NETTED: Final = Decimal("0.004")


class Position:
    """What an account has of one listing: signed quantity, and what closing orders hold of it (unsigned)."""

    __slots__ = ("average_price", "held", "listing", "opening_buys", "opening_sells", "quantity")

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.quantity = ZERO
        self.average_price = ZERO
        self.held = ZERO
        self.opening_buys = 0
        self.opening_sells = 0

    @property
    def available(self) -> Decimal:
        """What no order holds, unsigned."""
        return abs(self.quantity) - self.held

    def count_opening(self, buys: bool, by: int) -> None:  # noqa: FBT001 - the side, as the order keeps it
        """Count the open orders that would open or enlarge a position, by side."""
        if buys:
            self.opening_buys += by
        else:
            self.opening_sells += by

    def apply(self, change: Decimal, price: Decimal) -> None:
        """Take a trade of a signed quantity: the average moves when the position grows, or turns over."""
        before = self.quantity
        after = before + change
        if not after:
            self.average_price = ZERO
        elif not before or (before > 0) != (after > 0):
            self.average_price = price
        elif abs(after) > abs(before) and price != self.average_price:
            cost = self.average_price * before + price * change
            self.average_price = (cost / after).quantize(_PLACES).normalize()
        self.quantity = after

    def take_anew(self, executions: Iterable[Execution]) -> None:
        """Find quantity and average from an account's executions, oldest first; those of other symbols are left out."""
        self.quantity = self.average_price = ZERO
        for each in executions:
            if each.symbol == self.listing.symbol:
                self.apply(each.quantity if each.side is Side.BUY else -each.quantity, each.price)


@quick
@dataclass(frozen=True, slots=True)
class Valuation:
    """What an account is worth at a moment, before its open orders."""

    equity: Decimal
    long_market_value: Decimal
    short_market_value: Decimal
    margin_use: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal


class Account:
    """One account: its cash, positions, orders and executions."""

    def __init__(
        self, account_id: str, *, cash: Decimal, multiplier: Decimal, shorting: bool, create_time_ns: int
    ) -> None:
        self.account_id = account_id
        self.opening_cash = cash
        self.cash = cash
        self.multiplier = multiplier
        self.shorting = shorting
        self.create_time_ns = create_time_ns
        self.reserved_marginable = ZERO
        self.reserved_full = ZERO
        self.reserved_netted: dict[str, Decimal] = {}
        self.leverage: dict[str, Decimal] = {}
        self.positions: dict[str, Position] = {}
        self.orders: dict[str, WorkingOrder] = {}
        self.by_client_id: dict[str, WorkingOrder] = {}
        self.open_orders: dict[str, WorkingOrder] = {}
        self.executions: list[Execution] = []

    def opening(self) -> AccountOpening:
        """Tell how it began."""
        return AccountOpening(
            account_id=self.account_id,
            cash=self.opening_cash,
            multiplier=self.multiplier,
            shorting=self.shorting,
            create_time_ns=self.create_time_ns,
        )

    def position(self, listing: Listing) -> Position:
        """Give the position record of a listing, made when first asked for."""
        position = self.positions.get(listing.symbol)
        if position is None:
            position = self.positions[listing.symbol] = Position(listing)
        return position

    def reserve(self, listing: Listing, amount: Decimal) -> None:
        """Reserve money for an open order; negative gives it back."""
        if listing.netted:
            self.reserved_netted[listing.symbol] = self.reserved_netted.get(listing.symbol, ZERO) + amount
        elif listing.marginable:
            self.reserved_marginable += amount
        else:
            self.reserved_full += amount

    def value(self, market: Market) -> Valuation:
        """Value the account at present prices."""
        long, short, full, maintenance, netted, netted_use = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
        for position in self.positions.values():
            quantity = position.quantity
            if not quantity:
                continue
            listing = position.listing
            value = quantity * market.quote(listing.symbol).last * listing.contract_size
            if quantity < 0:
                short += value
            else:
                long += value
            if listing.netted:
                netted += abs(value)
                netted_use += abs(value) / self.leverage_of(listing)
                maintenance += abs(value) * _MAINTENANCE_NETTED
            elif not listing.marginable:
                full += value
                maintenance += value
            else:
                maintenance += value * _MAINTENANCE_LONG if quantity > 0 else -value * _MAINTENANCE_SHORT
        borrowable = long - full - short - netted
        return Valuation(
            self.cash + long + short,
            long,
            short,
            borrowable / self.multiplier + full + netted_use,
            full + netted_use + borrowable * (_INITIAL if self.multiplier > 1 else Decimal(1)),
            maintenance,
        )

    def excess(self, value: Valuation) -> Decimal:
        """Give the equity that neither positions nor open orders use."""
        reserved = self.reserved_marginable / self.multiplier + self.reserved_full
        for symbol, amount in self.reserved_netted.items():
            reserved += amount / self.leverage.get(symbol, self.multiplier)
        return value.equity - value.margin_use - reserved

    def leverage_of(self, listing: Listing) -> Decimal:
        """Give the leverage that a netted listing has here."""
        return self.leverage.get(listing.symbol, self.multiplier)

    def buying_power(self, market: Market, listing: Listing) -> Decimal:
        """Give what may be spent on a listing now, never below zero."""
        excess = self.excess(self.value(market))
        if listing.netted:
            return max(ZERO, excess * self.leverage_of(listing))
        if listing.marginable:
            return max(ZERO, excess * self.multiplier)
        return max(ZERO, min(excess, self.cash - self.reserved_full))

    def ledger(self, market: Market, now_ns: Callable[[], int]) -> Ledger:
        """Give the account's money as it stands."""
        value = self.value(market)
        excess = self.excess(value)
        return Ledger(
            account_id=self.account_id,
            cash=self.cash,
            equity=value.equity,
            long_market_value=value.long_market_value,
            short_market_value=value.short_market_value,
            initial_margin=value.initial_margin,
            maintenance_margin=value.maintenance_margin,
            reserved=self.reserved_marginable + self.reserved_full,
            buying_power=max(ZERO, excess * self.multiplier),
            non_marginable_buying_power=max(ZERO, min(excess, self.cash - self.reserved_full)),
            multiplier=self.multiplier,
            shorting=self.shorting,
            create_time_ns=self.create_time_ns,
            time_ns=now_ns(),
        )

    def holdings(self, market: Market) -> tuple[Holding, ...]:
        """Give every position that is not zero, by symbol."""
        return tuple(
            _holding(position, market.quote(symbol).last)
            for symbol, position in sorted(self.positions.items())
            if position.quantity
        )


def _holding(position: Position, price: Decimal) -> Holding:
    size = position.listing.contract_size
    value = position.quantity * price * size
    cost = position.quantity * position.average_price * size
    return Holding(
        symbol=position.listing.symbol,
        quantity=position.quantity,
        available=position.available,
        average_price=position.average_price,
        cost_basis=cost,
        market_price=price,
        market_value=value,
        unrealized_profit=value - cost,
    )
