"""Gate 4: does the broker's account carry it, by what the broker says now?"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from brokergw.desk.gates.question import Question
from brokergw.desk.gates.sanity import estimated_notional
from brokergw.desk.sessions import BrokerState
from brokergw.model.account import AccountState, Position
from brokergw.model.errors import GatewayError, Objection, Reason
from brokergw.model.instrument import Instrument
from brokergw.model.money import format_decimal
from brokergw.model.order import ZERO
from brokergw.model.terms import OrderClass, OrderTerms, Side


class BrokerStateCheck:
    """Whether the account can carry the order, by what the broker says for this very order."""

    async def __call__(self, question: Question) -> Sequence[Objection]:
        """Ask the broker and compare; raises RISK_DATA_UNAVAILABLE when it does not tell.

        A change is judged only where it makes the order larger, and then for all of what it adds.
        """
        terms, instrument, before = question.terms, question.instrument, question.before
        if before is not None:
            had = before.terms.quantity
            if had is None or terms.quantity is None or terms.quantity <= had:
                return []
            terms = replace(terms, quantity=terms.quantity - had)
        if instrument is None:
            return []
        question.state = state = await _ask(question)
        return list(state_objections(terms, instrument, state))


async def _ask(question: Question) -> BrokerState:
    try:
        return await question.session.state.get()
    except GatewayError as error:
        # Nothing was recorded under the key yet, so the caller may come again with it.
        raise GatewayError(
            Reason.RISK_DATA_UNAVAILABLE,
            "the broker did not give the account and positions that the order must be checked against",
            metadata={"cause": error.reason.value},
            retry_after_s=error.retry_after_s or 1.0,
        ) from error


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
