"""What an order may cost at worst: the units it is reserved for, and the price of one in the base currency.

A buy at a limit can cost no more than that. What trades at the market is taken to trade up to the collar away from the
reference price, and a stop up to the collar beyond its stop. A sell that opens a short is worth what buying it back may
cost, so for a sell the higher of its own price and the reference counts, with the collar on top.
"""

from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Final

from brokergw.desk.results import Hold
from brokergw.model.instrument import AssetClass, Instrument
from brokergw.model.order import ZERO
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, Side

HUNDRED: Final = Decimal(100)
_TEN_THOUSAND: Final = Decimal(10_000)
_ONE: Final = Decimal(1)
_UNIT_STEP: Final = Decimal("0.000000001")
_BY_CONTRACT: Final = frozenset({AssetClass.OPTION, AssetClass.FUTURE})


@dataclass(frozen=True, slots=True)
class Fees:
    """What a broker takes of a trade: basis points of its worth, and a sum for each contract."""

    basis_points: Decimal = ZERO
    per_contract: Decimal = ZERO


NO_FEES: Final = Fees()


def hold_of(
    terms: OrderTerms,
    instruments: tuple[Instrument, ...],
    references: tuple[Decimal | None, ...],
    collar_percent: Decimal,
    fees: Fees = NO_FEES,
) -> Hold | None:
    """Give what an order is to be reserved for; None where no price says it.

    `instruments` and `references` are those of the order's symbol, or of its legs in their order.
    """
    margin = _ONE + collar_percent / HUNDRED
    if terms.order_class is OrderClass.MULTI_LEG:
        return _hold_of_legs(terms, instruments, references, margin, fees)
    price = worst_price(terms, references[0], margin)
    if price is None:
        return None
    instrument = instruments[0]
    quantity = terms.quantity
    if quantity is None:
        assert terms.notional is not None, "an order has a quantity or a notional"
        if not references[0]:
            return None
        quantity = (terms.notional / (references[0] * instrument.multiplier)).quantize(_UNIT_STEP, ROUND_UP)
    return Hold(quantity, _with_fees(price, instrument, fees), instrument.multiplier)


def worst_price(terms: OrderTerms, reference: Decimal | None, margin: Decimal) -> Decimal | None:
    """Give the worst price that a unit may trade at, in the instrument's currency; `margin` is one plus the collar."""
    if terms.side is Side.BUY and terms.limit_price is not None:
        return terms.limit_price
    own = [price for price in (terms.limit_price, terms.stop_price) if price is not None]
    if terms.side is Side.BUY and own:
        return own[0] * margin
    if reference is not None:
        own.append(reference + _trail(terms, reference))
    return max(own) * margin if own else None


def _trail(terms: OrderTerms, reference: Decimal) -> Decimal:
    """Give how far above the present price the stop of a trailing buy begins."""
    if terms.type is not OrderType.TRAILING_STOP or terms.side is Side.SELL:
        return ZERO
    if terms.trail_amount is not None:
        return terms.trail_amount
    return reference * (terms.trail_percent or ZERO) / HUNDRED


def _hold_of_legs(
    terms: OrderTerms,
    instruments: tuple[Instrument, ...],
    references: tuple[Decimal | None, ...],
    margin: Decimal,
    fees: Fees,
) -> Hold | None:
    """Add the legs up, sold ones too: that one covers the other is the broker's to prove."""
    total = ZERO
    for leg, instrument, reference in zip(terms.legs, instruments, references, strict=True):
        if reference is None:
            return None
        total += _leg_cost(leg, instrument, reference * margin, fees)
    # The legs are orders of their own once the broker has made them, and count with their contract's multiplier.
    return Hold(terms.quantity or ZERO, total, max(instrument.multiplier for instrument in instruments))


def _leg_cost(leg: Leg, instrument: Instrument, price: Decimal, fees: Fees) -> Decimal:
    return leg.ratio * _with_fees(price, instrument, fees)


def _with_fees(price: Decimal, instrument: Instrument, fees: Fees) -> Decimal:
    cost = price if instrument.multiplier == _ONE else price * instrument.multiplier
    if fees is NO_FEES:
        return cost
    per_contract = fees.per_contract if instrument.asset_class in _BY_CONTRACT else ZERO
    return cost + cost * fees.basis_points / _TEN_THOUSAND + per_contract
