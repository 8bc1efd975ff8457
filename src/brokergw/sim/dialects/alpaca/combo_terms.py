"""From the body of a multi-leg order request to its terms (Alpaca docs, Options Level 3 Trading)."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import gcd
from typing import Any, Final

from brokergw.exchange import Listing
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderType, Side, TimeInForce
from brokergw.sim.dialects.alpaca import body as read
from brokergw.sim.dialects.alpaca import terms
from brokergw.sim.dialects.alpaca.combo import ComboLeg, ComboTerms
from brokergw.sim.dialects.alpaca.occ import is_call, strike_of
from brokergw.sim.dialects.alpaca.refusals import malformed, unprocessable
from brokergw.sim.dialects.alpaca.room import Room

Find = Callable[[str], Listing | None]
_TYPES: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})
_LEGS_MIN, _LEGS_MAX = 2, 4


def terms_of(room: Room, body: Mapping[str, Any], find: Find) -> ComboTerms:
    """Read and check a multi-leg order; raises ApiError."""
    for name in ("symbol", "notional", "stop_price", "trail_price", "trail_percent"):
        if body.get(name) not in {None, ""}:
            raise malformed(f"{name} is not allowed for mleg order")
    quantity, limit_price, type_ = read.number(body, "qty"), read.number(body, "limit_price"), terms.type_of(body)
    if quantity is None:
        raise malformed("qty is required for mleg order")
    if quantity <= 0:
        raise malformed("qty must be > 0")
    if quantity % 1:
        raise malformed("qty must be a whole number for mleg order")
    if type_ not in _TYPES:
        raise malformed("mleg orders must be market or limit orders")
    if terms.time_in_force_of(body) is not TimeInForce.DAY:
        raise unprocessable("mleg orders must be DAY orders")
    if (limit_price is None) is (type_ is OrderType.LIMIT):
        kind = "limit orders require a limit price" if limit_price is None else _NO_PRICE
        raise malformed(kind)
    return ComboTerms(quantity, type_, limit_price, terms.client_order_id_of(body), _legs(room, body, find))


_NO_PRICE: Final = "market orders require no stop or limit price"


def _legs(room: Room, body: Mapping[str, Any], find: Find) -> tuple[ComboLeg, ...]:
    rows = body.get("legs")
    if not isinstance(rows, list) or not _LEGS_MIN <= len(rows) <= _LEGS_MAX:
        raise malformed("mleg orders require between 2 and 4 legs")
    legs = tuple(_leg(room, place, row, find) for place, row in enumerate(rows))
    if len({leg.listing.symbol for leg in legs}) != len(legs):
        raise malformed("mleg orders require unique leg symbols")
    if gcd(*(leg.ratio for leg in legs)) != 1:
        raise malformed("leg ratio quantities must be relatively prime")
    return legs


def _leg(room: Room, place: int, row: Any, find: Find) -> ComboLeg:
    if not isinstance(row, dict):
        raise malformed(f"invalid leg.{place}")
    intent, side = read.word(row, "position_intent"), read.word(row, "side")
    if not intent:
        raise malformed(f"leg.{place} position intent is required")
    if intent not in terms.INTENTS or side not in {"", "buy", "sell"}:
        raise malformed(f"invalid leg.{place}")
    symbol = read.word(row, "symbol")
    listing = find(symbol)
    if listing is None:
        raise unprocessable(f'asset "{symbol}" not found')
    if listing.asset_class is not AssetClass.OPTION:
        raise unprocessable("mleg orders are only supported for options here")
    ratio = read.number(row, "ratio_qty")
    if ratio is None or ratio <= 0 or ratio % 1:
        raise malformed(f"leg.{place} ratio_qty must be a whole number > 0")
    leg = ComboLeg(listing, Side.BUY if intent.startswith("buy") else Side.SELL, int(ratio), intent)
    inferred = room.infer_intent(leg.side, listing.symbol)
    if inferred != intent or (side and not intent.startswith(side)):
        raise unprocessable(f"position intent mismatch, inferred: {inferred}, specified: {intent}")
    return leg


def worst_payoff(legs: tuple[ComboLeg, ...]) -> Decimal | None:
    """Give the least that the opening legs can be worth at expiry, for one unit; None when there is no bound.

    The worth is piecewise linear in the price of the underlying, so it is least at zero, at a strike, or without
    bound upwards when more calls are sold than bought.
    """
    opening = [leg for leg in legs if leg.opens]
    if sum(leg.sign * leg.ratio for leg in opening if is_call(leg.listing.symbol)) < 0:
        return None
    prices = [Decimal(0), *(strike_of(leg.listing.symbol) for leg in opening)]
    return min(sum((_worth(leg, price) for leg in opening), Decimal(0)) for price in prices)


def _worth(leg: ComboLeg, price: Decimal) -> Decimal:
    strike = strike_of(leg.listing.symbol)
    intrinsic = price - strike if is_call(leg.listing.symbol) else strike - price
    return leg.sign * leg.ratio * max(Decimal(0), intrinsic)
