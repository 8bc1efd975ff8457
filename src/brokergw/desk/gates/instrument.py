"""Gate 2: can this be traded, here, this way?"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from brokergw.desk.gates.question import Question, Said
from brokergw.model.capability import Capabilities, Feature
from brokergw.model.errors import Objection, Reason
from brokergw.model.instrument import AssetClass, Instrument
from brokergw.model.money import is_multiple
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, Side

_ONE_UNIT: Final = Decimal(1)
_WITHOUT_EXITS: Final = frozenset({OrderClass.SIMPLE, OrderClass.MULTI_LEG})


class InstrumentCheck:
    """Whether the broker knows the instrument, and takes the order's type, time in force, class and features."""

    def __call__(self, question: Question) -> Said:
        """Find the instrument, or each leg's, and compare."""
        terms = question.terms
        if terms.order_class is OrderClass.MULTI_LEG:
            return self._legs(question)
        instrument = question.session.instrument_at_hand(terms.symbol)
        return self._ask(question) if instrument is None else _compare(question, instrument)

    async def _ask(self, question: Question) -> Sequence[Objection]:
        name, symbol = question.session.capabilities.name, question.terms.symbol
        instrument = await question.session.instrument(symbol)
        if instrument is None:
            return [_no(Reason.INSTRUMENT_NOT_FOUND, "order.symbol", f"{name} does not know {symbol}")]
        return _compare(question, instrument)

    async def _legs(self, question: Question) -> Sequence[Objection]:
        """Each leg must be known and tradable."""
        session = question.session
        if OrderClass.MULTI_LEG not in session.capabilities.order_classes:
            refusal = f"{session.capabilities.name} has no multi-leg orders"
            return [_no(Reason.UNSUPPORTED_FEATURE, "order.order_class", refusal)]
        objections, found = [], []
        for index, leg in enumerate(question.terms.legs):
            instrument = await session.instrument(leg.symbol)
            if instrument is None or not instrument.tradable:
                reason = Reason.INSTRUMENT_NOT_FOUND if instrument is None else Reason.INSTRUMENT_NOT_TRADABLE
                objections.append(_no(reason, f"order.legs[{index}].symbol", f"{leg.symbol} cannot be traded"))
            else:
                found.append(instrument)
        question.legs = tuple(found)
        return objections


def _compare(question: Question, instrument: Instrument) -> Sequence[Objection]:
    question.instrument = instrument
    if question.before is not None:
        return ()
    terms = question.terms
    return [*capability_objections(terms, instrument, question.session.capabilities), *group_objections(terms)]


def capability_objections(terms: OrderTerms, instrument: Instrument, capabilities: Capabilities) -> Iterator[Objection]:
    """Compare an order with what the broker and the instrument offer."""
    asset = instrument.asset_class
    name = capabilities.name
    if not instrument.tradable:
        yield _no(Reason.INSTRUMENT_NOT_TRADABLE, "order.symbol", f"{terms.symbol} is not tradable at {name} now")
    if terms.type not in capabilities.order_types.get(asset, frozenset()):
        yield _no(Reason.UNSUPPORTED_ORDER_TYPE, "order.type", f"{name} has no {terms.type} orders for {asset}")
    if terms.time_in_force not in capabilities.times_in_force.get(asset, frozenset()):
        description = f"{name} does not take {terms.time_in_force} for {asset}"
        yield _no(Reason.UNSUPPORTED_TIME_IN_FORCE, "order.time_in_force", description)
    if terms.order_class not in capabilities.order_classes:
        yield _no(Reason.UNSUPPORTED_FEATURE, "order.order_class", f"{name} has no {terms.order_class} orders")
    yield from _feature_objections(terms, instrument, capabilities)


def _feature_objections(terms: OrderTerms, instrument: Instrument, capabilities: Capabilities) -> Iterator[Objection]:
    name = capabilities.name
    has = capabilities.features
    if terms.notional is not None:
        if Feature.NOTIONAL not in has:
            yield _no(Reason.UNSUPPORTED_FEATURE, "order.notional", f"{name} takes no notional orders")
        elif terms.type is not OrderType.MARKET:
            yield _no(Reason.UNSUPPORTED_FEATURE, "order.notional", "only market orders take a notional")
        elif not instrument.fractionable:
            yield _no(Reason.UNSUPPORTED_FEATURE, "order.notional", f"{terms.symbol} trades in whole units only")
    if terms.extended_hours and Feature.EXTENDED_HOURS not in has:
        yield _no(Reason.UNSUPPORTED_FEATURE, "order.extended_hours", f"{name} has no extended hours")
    if _is_fraction(terms, instrument) and (Feature.FRACTIONAL not in has or not instrument.fractionable):
        yield _no(Reason.UNSUPPORTED_FEATURE, "order.quantity", f"{terms.symbol} trades in whole units only")


def _is_fraction(terms: OrderTerms, instrument: Instrument) -> bool:
    """Tell whether an order asks for a part of a share; crypto is divisible by nature."""
    if terms.quantity is None or instrument.asset_class is AssetClass.CRYPTO:
        return False
    return not is_multiple(terms.quantity, _ONE_UNIT)


def group_objections(terms: OrderTerms) -> Iterator[Objection]:
    """Check that a group's exits lie on their sides of the entry."""
    take, stop, entry = terms.take_profit_limit_price, terms.stop_loss_stop_price, terms.limit_price
    if terms.order_class in _WITHOUT_EXITS:
        return
    sign = 1 if (terms.side is Side.BUY) is not (terms.order_class is OrderClass.OCO) else -1
    if take is not None and stop is not None and (take - stop) * sign <= 0:
        description = "the take-profit and the stop-loss lie on each other's side"
        yield _no(Reason.STOP_PRICE_WRONG_SIDE, "order.stop_loss.stop_price", description, str(take), str(stop))
    if (
        entry is not None
        and stop is not None
        and terms.order_class is OrderClass.BRACKET
        and (entry - stop) * sign <= 0
    ):
        description = "the stop-loss lies on the profit side of the entry"
        yield _no(Reason.STOP_PRICE_WRONG_SIDE, "order.stop_loss.stop_price", description, str(entry), str(stop))


def _no(reason: Reason, subject: str, description: str, limit: str | None = None, seen: str | None = None) -> Objection:
    return Objection(reason, subject, description, limit, seen)
