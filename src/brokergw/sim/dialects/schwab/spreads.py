"""Orders of several legs: they live at the broker, and trade all their legs in one go at a net price.

The exchange trades single orders only, so a spread watches the quotes itself and books its legs when they allow.
"""

from decimal import Decimal
from typing import Final

from brokergw.exchange import EventKind, Execution
from brokergw.exchange.sessions import midnight_after
from brokergw.model.instrument import AssetClass
from brokergw.sim.dialects.alpaca.occ import is_call, strike_of
from brokergw.sim.dialects.schwab import activity
from brokergw.sim.dialects.schwab.brokerage import Brokerage
from brokergw.sim.dialects.schwab.refusals import NO_MONEY, NOT_ELIGIBLE, OVERSOLD, RejectedLater
from brokergw.sim.dialects.schwab.room import ZERO, Entry, Room, Spread
from brokergw.sim.dialects.schwab.terms import Wanted, WantedLeg

_SIZE: Final = Decimal(100)


def enter(brokerage: Brokerage, room: Room, wanted: Wanted) -> Entry:
    """Place a spread; raises RejectedLater."""
    duration = str(wanted.body["duration"])
    _check(brokerage, room, wanted)
    now = brokerage.now_ns()
    expires = midnight_after(now) if duration == "DAY" else now + 180 * 86_400_000_000_000
    spread = Spread(wanted.legs, wanted.net_price, duration, expires)
    entry = Entry(brokerage.next_number(), now, wanted.session, spread=spread)
    room.entries[entry.number] = entry
    brokerage.tell(room, activity.created(entry.number, room.number, now, brokerage.row(room, entry)))
    work(brokerage, room, entry)
    return entry


def tick(brokerage: Brokerage) -> None:
    """Let every open spread try to trade, or expire."""
    for room in brokerage.rooms.values():
        for entry in list(room.entries.values()):
            if entry.spread is not None and entry.spread.status == "WORKING":
                work(brokerage, room, entry)


def work(brokerage: Brokerage, room: Room, entry: Entry) -> None:
    """Let one spread try to trade."""
    spread, now = entry.spread, brokerage.now_ns()
    assert spread is not None
    if now >= spread.expires_at_ns:
        end(brokerage, room, entry, "EXPIRED")
        return
    if not brokerage.hours.trades(spread.legs[0].listing, now, extended=False):
        return
    prices = _prices(brokerage, spread.legs)
    if spread.net_price is not None and _net(spread.legs, prices, spread.quantity) > spread.net_price:
        return
    spread.status, spread.end_ns, spread.leg_prices = "FILLED", now, prices
    for leg, price in zip(spread.legs, prices, strict=True):
        after = brokerage.exchange.book(room.number, leg.listing.symbol, leg.quantity * leg.sign, price)
        execution = Execution(
            execution_id=f"spread {entry.number} {leg.listing.symbol}",
            order_id=str(entry.number),
            account_id=room.number,
            symbol=leg.listing.symbol,
            side=leg.side,
            quantity=leg.quantity,
            price=price,
            fee=ZERO,
            time_ns=now,
            position_quantity=after,
        )
        brokerage.note_trade(room, execution, entry.number, leg.listing)
        brokerage.tell(room, activity.executed(entry.number, room.number, execution, leg.quantity, ZERO))


def end(brokerage: Brokerage, room: Room, entry: Entry, status: str) -> None:
    """End a spread without a trade."""
    spread = entry.spread
    assert spread is not None
    spread.status, spread.end_ns = status, brokerage.now_ns()
    kind = EventKind.EXPIRED if status == "EXPIRED" else EventKind.CANCELED
    brokerage.tell(room, activity.ended(kind, entry.number, room.number, spread.end_ns, spread.quantity))


def _prices(brokerage: Brokerage, legs: tuple[WantedLeg, ...]) -> tuple[Decimal, ...]:
    quotes = (brokerage.exchange.quote(leg.listing.symbol) for leg in legs)
    return tuple(quote.ask if leg.sign > 0 else quote.bid for leg, quote in zip(legs, quotes, strict=True))


def _net(legs: tuple[WantedLeg, ...], prices: tuple[Decimal, ...], quantity: Decimal) -> Decimal:
    """Give what one unit costs, a sold leg taken off."""
    return sum((leg.sign * leg.quantity * price for leg, price in zip(legs, prices, strict=True)), ZERO) / quantity


def _check(brokerage: Brokerage, room: Room, wanted: Wanted) -> None:
    quantity = min(leg.quantity for leg in wanted.legs)
    for leg in wanted.legs:
        held = brokerage.position(room, leg.listing.symbol)
        if leg.closes and (held * -leg.sign < leg.quantity):
            raise RejectedLater(OVERSOLD)
    worst = _worst_payoff(wanted.legs, quantity)
    if worst is None:
        raise RejectedLater(NOT_ELIGIBLE)
    price = wanted.net_price
    net = _net(wanted.legs, _prices(brokerage, wanted.legs), quantity) if price is None else price
    required = max(ZERO, net + max(ZERO, -worst)) * quantity * _SIZE
    if required > brokerage.exchange.account(room.number).non_marginable_buying_power:
        raise RejectedLater(NO_MONEY)


def _worst_payoff(legs: tuple[WantedLeg, ...], quantity: Decimal) -> Decimal | None:
    """Give the least that the opening legs can be worth at expiry, for one unit; None when there is no bound.

    The worth is piecewise linear in the price of the underlying: least at zero, at a strike, or without bound upwards
    when more calls are sold than bought.
    """
    opening = [leg for leg in legs if not leg.closes and leg.listing.asset_class is AssetClass.OPTION]
    if sum(leg.sign * leg.quantity for leg in opening if is_call(leg.listing.symbol)) < 0:
        return None
    prices = [ZERO, *(strike_of(leg.listing.symbol) for leg in opening)]
    return min(sum((_worth(leg, price) for leg in opening), ZERO) for price in prices) / quantity


def _worth(leg: WantedLeg, price: Decimal) -> Decimal:
    strike = strike_of(leg.listing.symbol)
    intrinsic = price - strike if is_call(leg.listing.symbol) else strike - price
    return leg.sign * leg.quantity * max(ZERO, intrinsic)
