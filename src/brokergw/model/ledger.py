"""What orders may still cost, as arithmetic on their versions: what one counts for, and what a symbol comes to.

Every version of an order has a stake: what it holds open and what it has traded. Whoever writes a version moves the
holding of its symbol by the difference to the version before, so that a holding is what all versions come to. Amounts
are in the base currency and exact; only where a share of a cost is taken off is anything rounded, and then down.

In hedge mode a symbol's long and short position stand beside each other. Each has a line of its own then, as if it were
a symbol, so that neither hides what the other may come to.
"""

from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Final

from brokergw.model.lifecycle import AT_BROKER, State, is_terminal
from brokergw.model.order import ZERO, Order
from brokergw.model.quick import quick
from brokergw.model.terms import OrderClass, PositionSide, Side

EXACT: Final = Context(prec=200, traps=[InvalidOperation, DivisionByZero, Overflow])
"""The context for all of this arithmetic: quantities and prices have up to 38 digits each, rates some more."""

_SIDE_MARK: Final = "|"
_BOTH_SIDES: Final = (PositionSide.LONG, PositionSide.SHORT)
_SHARE_STEP: Final = Decimal("1e-18")
_AVERAGE_STEP: Final = Decimal("1e-9")
"""How finely the average prices of orders are rounded."""


@quick
@dataclass(frozen=True, slots=True)
class Stake:
    """What one version of an order counts for.

    `line` is the holding that it moves: its symbol, or in hedge mode one side of it. `held` units may still trade, at
    `price` each at worst, for `open_worth` altogether; `traded` units have, for `worth`. `volume`, both together, is
    what it adds to its trading day's. `rounding` is how far `worth` may be off because average prices are rounded.
    `unacknowledged` is what the broker cannot have taken off the buying power it tells. A multi-leg order itself trades
    nothing: its legs do.
    """

    user_id: str
    account_id: str
    strategy_id: str
    line: str
    side: Side
    held: Decimal
    price: Decimal
    traded: Decimal
    worth: Decimal
    rounding: Decimal
    is_open: bool
    unacknowledged: Decimal
    trading_day: str
    open_worth: Decimal
    volume: Decimal

    def none(self) -> "Stake":
        """Give the stake of the same order before it began."""
        return Stake(
            self.user_id,
            self.account_id,
            self.strategy_id,
            self.line,
            self.side,
            ZERO,
            ZERO,
            ZERO,
            ZERO,
            ZERO,
            False,
            ZERO,
            self.trading_day,
            ZERO,
            ZERO,
        )


def line_of(symbol: str, side: PositionSide) -> str:
    """Name the line of a symbol's position, or in hedge mode of one of its two."""
    return symbol if side is PositionSide.NET else f"{symbol}{_SIDE_MARK}{side.value}"


def lines_of(symbol: str) -> tuple[str, str, str]:
    """Name every line that a symbol may have, the one outside of hedge mode first."""
    long, short = (line_of(symbol, side) for side in _BOTH_SIDES)
    return symbol, long, short


def symbol_of(line: str) -> str:
    """Give the symbol of a line."""
    symbol, _, side = line.rpartition(_SIDE_MARK)
    return symbol if side in _BOTH_SIDES else line


def other_side(line: str) -> str | None:
    """Name the line of the other side of a symbol; None outside of hedge mode."""
    symbol, _, side = line.rpartition(_SIDE_MARK)
    return next((line_of(symbol, each) for each in _BOTH_SIDES if side in _BOTH_SIDES and side != each), None)


def stake_of(order: Order) -> Stake:
    """Give what a version of an order counts for."""
    terms = order.terms
    held = order.held_quantity
    is_parent_of_legs = terms.order_class is OrderClass.MULTI_LEG and not order.parent_order_id
    traded = ZERO if is_parent_of_legs else order.cum_quantity
    worth = rounding = ZERO
    if traded and order.average_price is not None:
        worth = traded * order.average_price * order.unit_worth
        rounding = traded * _AVERAGE_STEP * order.unit_worth
    open_worth = held * order.hold_price if held else ZERO
    return Stake(
        order.user_id,
        order.account_id,
        order.strategy_id,
        line_of(terms.symbol, order.position_side),
        terms.side,
        held,
        order.hold_price,
        traded,
        worth,
        rounding,
        # The exits of an entry hold nothing: they are no orders that anybody placed.
        not is_terminal(order.state) and order.hold_quantity > 0,
        _unacknowledged(order, open_worth) if held else ZERO,
        order.trading_day,
        open_worth,
        worth + open_worth,
    )


def _unacknowledged(order: Order, worth: Decimal) -> Decimal:
    if order.state not in AT_BROKER:
        return worth
    if order.state is not State.PENDING_MODIFY:
        return ZERO
    # The broker has taken off what it acknowledged; what the change adds comes on top.
    price = order.terms.limit_price if order.terms.limit_price is not None else order.terms.stop_price
    known = ZERO if price is None else order.leaves_quantity * price * order.unit_worth
    return max(ZERO, worth - known)


@quick
@dataclass(frozen=True, slots=True)
class Holding:
    """One symbol in one account, of everybody or of one strategy: what is held, and what open orders may add.

    `quantity` is signed, `cost` what it cost altogether, never negative. `buy_top` is the highest price that a unit of
    the open buys was held at since there last were none; `sell_top` likewise.
    """

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    buy_quantity: Decimal = ZERO
    buy_worth: Decimal = ZERO
    buy_top: Decimal = ZERO
    sell_quantity: Decimal = ZERO
    sell_worth: Decimal = ZERO
    sell_top: Decimal = ZERO

    @property
    def worst(self) -> Decimal:
        """The most that the symbol may come to, whichever of the open orders trade."""
        return self.worst_at(self.quantity, self.cost)

    def worst_at(self, quantity: Decimal, cost: Decimal) -> Decimal:
        """Give the worst case as if this were held: all open buys trade and no sell, or the other way round.

        Orders against the position only count as far as they could turn it. A fill at its hold price or better never
        raises this.
        """
        if quantity >= 0:
            turned = max(ZERO, self.sell_quantity - quantity) * self.sell_top
            return max(cost + self.buy_worth, min(self.sell_worth, turned))
        turned = max(ZERO, self.buy_quantity + quantity) * self.buy_top
        return max(cost + self.sell_worth, min(self.buy_worth, turned))

    @property
    def average_cost(self) -> Decimal:
        """What a unit of the position cost; zero where nothing is held."""
        return (self.cost / abs(self.quantity)).quantize(_AVERAGE_STEP) if self.quantity else ZERO

    def anchored(self, quantity: Decimal, cost: Decimal) -> "Holding":
        """Give the holding with another position, and what that cost."""
        return replace(self, quantity=quantity, cost=cost)

    def moved(self, before: Stake, after: Stake) -> "Holding":
        """Give the holding after an order's next version; both stakes are of the same side and line."""
        quantity, cost = self.quantity, self.cost
        if after.traded != before.traded or after.worth != before.worth:
            quantity, cost = self._traded(before, after)
        held = after.held - before.held
        worth = after.open_worth - before.open_worth
        if after.side is Side.BUY:
            open_buys = self.buy_quantity + held
            return Holding(
                quantity,
                cost,
                open_buys,
                self.buy_worth + worth,
                _top(self.buy_top, after, open_buys),
                self.sell_quantity,
                self.sell_worth,
                self.sell_top,
            )
        open_sells = self.sell_quantity + held
        return Holding(
            quantity,
            cost,
            self.buy_quantity,
            self.buy_worth,
            self.buy_top,
            open_sells,
            self.sell_worth + worth,
            _top(self.sell_top, after, open_sells),
        )

    def _traded(self, before: Stake, after: Stake) -> tuple[Decimal, Decimal]:
        units = after.traded - before.traded
        worth = after.worth - before.worth
        sign = 1 if after.side is Side.BUY else -1
        if not units:
            # A correction of the price alone: it changes the cost of what still stands from it.
            along = self.quantity * sign > 0
            return self.quantity, max(ZERO, self.cost + worth) if along else self.cost
        if units > 0:
            return self._with(sign * units, _at_most_held(before, after, units, worth))
        # What is taken back had cost what it brought in, and is no share of the average.
        return self._with(sign * units, max(ZERO, -worth), exact=True)

    def _with(self, units: Decimal, worth: Decimal, *, exact: bool = False) -> tuple[Decimal, Decimal]:
        """Give quantity and cost after some signed units more, which came to `worth`."""
        quantity = self.quantity + units
        if self.quantity * units >= 0:
            return quantity, self.cost + worth
        if not quantity:
            return ZERO, ZERO
        if quantity * units > 0:
            # Through zero: what is left of the new units is the position.
            return quantity, _share(worth, abs(quantity), abs(units))
        if exact:
            return quantity, max(ZERO, self.cost - worth)
        return quantity, _share(self.cost, abs(quantity), abs(self.quantity))


def _share(worth: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    return (worth * part / whole).quantize(_SHARE_STEP, ROUND_DOWN)


def _top(top: Decimal, after: Stake, open_units: Decimal) -> Decimal:
    if not open_units:
        return ZERO
    return max(top, after.price) if after.held else top


def _at_most_held(before: Stake, after: Stake, units: Decimal, worth: Decimal) -> Decimal:
    """Take units that traded at their hold price for just that, where only the rounded average says otherwise."""
    if before.held < units:
        return worth
    reserved = units * before.price
    return reserved if reserved < worth <= reserved + before.rounding + after.rounding else worth
