"""Gate 4: does the broker's account carry it, by what the broker says now?"""

from collections.abc import Iterator
from decimal import Decimal

from brokergw.desk.gates.sanity import estimated_notional
from brokergw.desk.sessions import BrokerState
from brokergw.model.account import AccountState, Position
from brokergw.model.errors import Objection, Reason
from brokergw.model.instrument import Instrument
from brokergw.model.money import format_decimal
from brokergw.model.order import ZERO
from brokergw.model.terms import OrderClass, OrderTerms, Side


def state_objections(terms: OrderTerms, instrument: Instrument, state: BrokerState) -> Iterator[Objection]:
    """Compare an order with the account and the positions."""
    if state.account.trading_blocked:
        yield Objection(Reason.ACCOUNT_DISABLED, "account", "the broker has blocked trading on this account")
    if terms.order_class in {OrderClass.OCO, OrderClass.MULTI_LEG}:
        # Exits hold what is there already, and the cost of a spread is the broker's to say.
        return
    held = state.position(terms.symbol)
    if terms.side is Side.BUY:
        yield from _buying_power_objections(terms, state.account, held)
    else:
        yield from _position_objections(terms, instrument, state.account, held)


def _buying_power_objections(terms: OrderTerms, account: AccountState, held: Position | None) -> Iterator[Objection]:
    covers = held is not None and terms.quantity is not None and terms.quantity <= -held.quantity
    if covers:
        return
    cost = estimated_notional(terms, held.market_price if held is not None else None)
    enough = account.buying_power > ZERO if cost is None else account.buying_power >= cost
    if not enough:
        yield _too_little(account, cost)


def _too_little(account: AccountState, cost: Decimal | None) -> Objection:
    power = format_decimal(account.buying_power)
    asked = "an unpriced amount" if cost is None else format_decimal(cost)
    return Objection(
        Reason.INSUFFICIENT_BUYING_POWER,
        "account",
        f"the order needs {asked} {account.currency}, the broker's buying power is {power}",
        power,
        None if cost is None else asked,
    )


def _position_objections(
    terms: OrderTerms, instrument: Instrument, account: AccountState, held: Position | None
) -> Iterator[Objection]:
    available = max(ZERO, held.available_quantity) if held is not None else ZERO
    if terms.quantity is None or terms.quantity <= available:
        return
    observed, limit = format_decimal(terms.quantity), format_decimal(available)
    if held is not None and held.quantity > ZERO and held.quantity >= terms.quantity:
        description = f"open orders hold the rest: {limit} of {format_decimal(held.quantity)} {terms.symbol} are free"
        yield Objection(Reason.INSUFFICIENT_POSITION, "account", description, limit, observed)
    elif not (account.shorting_enabled and instrument.shortable):
        description = f"{limit} {terms.symbol} can be sold, and a short sale is not permitted"
        yield Objection(Reason.SHORT_NOT_PERMITTED, "account", description, limit, observed)
