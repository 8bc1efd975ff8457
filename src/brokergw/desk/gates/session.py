"""Gate 2: is the market open for this order, and will it be when the order arrives?"""

from collections.abc import Iterator, Sequence
from typing import Final

from brokergw.desk.gates.question import Question, Said
from brokergw.desk.hours.calendars import house_calendars
from brokergw.desk.hours.markets import Hours, Markets
from brokergw.desk.hours.skew import BROKER_APART_MAX_S, DatabaseClock, require_broker_together, require_together
from brokergw.model.capability import Auctions, MarketRules
from brokergw.model.errors import Objection, Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.sessions import SessionKind, Timetable, local_time
from brokergw.model.terms import OrderTerms, TimeInForce
from brokergw.ports.clock import Clock
from brokergw.ports.permit import VALID_S

SEND_BUDGET_NS: Final = round((VALID_S + 0.5) * 1_000_000_000)
"""How long before a close an order must come that would not wait: its permit may be spent as late as this."""

_SECOND_NS: Final = 1_000_000_000
_MINUTE_NS: Final = 60 * _SECOND_NS
_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_AUCTIONS: Final = frozenset({TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE})
_REGULAR: Final = frozenset({SessionKind.REGULAR})


class SessionCheck:
    """Whether the order can trade now, or may wait at the broker until it can; cancels never come here."""

    def __init__(self, markets: Markets, database: DatabaseClock, clock: Clock) -> None:
        self._markets = markets
        self._database = database
        self._clock = clock

    def __call__(self, question: Question) -> Said:
        """Compare with the market's hours; raises CALENDAR_UNAVAILABLE or CLOCK_SKEW where nobody can tell.

        What it learns is `session_now`, and until when the order may leave.
        """
        self._database.require_together()
        require_broker_together(question.session.adapter)
        asset_class = asset_class_of(question)
        if asset_class is None:
            return ()
        hours = self._markets.at_hand(question.session, asset_class)
        return self._ask(question, asset_class) if hours is None else self._compare(question, asset_class, hours)

    async def _ask(self, question: Question, asset_class: AssetClass) -> Sequence[Objection]:
        return self._compare(question, asset_class, await self._markets.hours(question.session, asset_class))

    def _compare(self, question: Question, asset_class: AssetClass, hours: Hours) -> Sequence[Objection]:
        apart = self._markets.skew_s(question.session)
        if apart is not None:
            require_together(apart, BROKER_APART_MAX_S, "broker")
        rules = question.session.capabilities.markets[asset_class]
        now_ns = self._clock.now_ns()
        question.session_now = hours.timetable.kind_at(now_ns)
        if hours.paused(now_ns):
            question.session_now = SessionKind.CLOSED
            return [_no(Reason.MARKET_CLOSED, f"{question.session.capabilities.name} is in maintenance")]
        table = hours.timetable
        question.leaves_before_ns = latest = leaves_before_ns(question.terms, rules, table, now_ns)
        return [*session_objections(question.terms, rules, table, now_ns), *closing_objections(latest, now_ns)]


class StillOpen:
    """The last look at the clock, behind all that the gates have waited for; what remains is bounded by the permit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Object where the order would leave too late by now."""
        return list(closing_objections(question.leaves_before_ns, self._clock.now_ns()))


def asset_class_of(question: Question) -> AssetClass | None:
    """Tell in which market an order trades; None where its instrument is not known."""
    if question.instrument is not None:
        return question.instrument.asset_class
    return question.legs[0].asset_class if question.legs else None


def session_objections(terms: OrderTerms, rules: MarketRules, table: Timetable, now_ns: int) -> Iterator[Objection]:
    """Compare an order with the sessions of its market."""
    if terms.extended_hours and not _may_extend(terms, rules):
        description = "orders with extended_hours must be simple limit orders that live at least for the day"
        yield _no(Reason.SESSION_NOT_ALLOWED, description, "order.extended_hours")
        return
    span = table.at(now_ns)
    if terms.time_in_force in _AUCTIONS:
        yield from _auction_objections(terms, rules, table, now_ns)
        return
    trades = span is not None and span.kind in _kinds(terms, rules)
    if not trades and _cannot_wait(terms, rules):
        if span is None:
            yield _no(Reason.MARKET_CLOSED, f"the market of {terms.symbol or 'the order'} is closed")
        else:
            description = f"the order does not trade in the {span.kind} session, and cannot wait"
            yield _no(Reason.SESSION_NOT_ALLOWED, description)


def _cannot_wait(terms: OrderTerms, rules: MarketRules) -> bool:
    return terms.time_in_force in _AT_ONCE or not rules.queues or terms.type in rules.open_only_types


def closing_objections(leaves_before_ns: int | None, now_ns: int) -> Iterator[Objection]:
    """Object to an order that could leave after the last moment that it has."""
    if leaves_before_ns is not None and now_ns >= leaves_before_ns:
        yield _no(Reason.SESSION_CLOSING, "the session ends, or the auction closes, before the order is sure to arrive")


def leaves_before_ns(terms: OrderTerms, rules: MarketRules, table: Timetable, now_ns: int) -> int | None:
    """Tell when an order that cannot wait must be past the gates at the latest; None for one that can."""
    if terms.time_in_force in _AUCTIONS:
        cutoff_ns = _cutoff_ns(terms.time_in_force, rules.auctions, table, now_ns)
        return None if cutoff_ns is None else cutoff_ns - SEND_BUDGET_NS
    if not _cannot_wait(terms, rules):
        return None
    span = table.at(now_ns)
    kinds = _kinds(terms, rules)
    if span is None or span.kind not in kinds:
        return None
    return table.end_of(span, kinds) - SEND_BUDGET_NS


def _kinds(terms: OrderTerms, rules: MarketRules) -> frozenset[SessionKind]:
    return _REGULAR | rules.extended if terms.extended_hours else _REGULAR


def _may_extend(terms: OrderTerms, rules: MarketRules) -> bool:
    return (
        terms.type in rules.extended_types
        and terms.time_in_force in rules.extended_times_in_force
        and terms.order_class in rules.extended_classes
    )


def _auction_objections(terms: OrderTerms, rules: MarketRules, table: Timetable, now_ns: int) -> Iterator[Objection]:
    """An order for an auction comes before its cut-off, and not before the broker takes orders for the next one."""
    auctions, tif = rules.auctions, terms.time_in_force
    if auctions is None:
        # The broker sets no cut-off; what is not open now has to wait.
        if table.at(now_ns) is None and not rules.queues:
            yield _no(Reason.MARKET_CLOSED, f"the market of {terms.symbol} is closed")
        return
    if not table.held and not _takes_auction_orders(tif, rules.calendar, auctions, table, now_ns):
        hour, minute = divmod(auctions.from_minute, 60)
        description = f"{tif} orders for the next auction are taken from {hour:02d}:{minute:02d} by the market's clocks"
        yield _no(Reason.SESSION_CLOSING, description, "order.time_in_force")


def _takes_auction_orders(tif: TimeInForce, calendar: str, auctions: Auctions, table: Timetable, now_ns: int) -> bool:
    """Tell whether it is before today's cut-off, or late enough for the next day's orders."""
    zone = house_calendars()[calendar].zone
    today, minute = local_time(zone, now_ns)
    auction_ns = table.next_boundary(now_ns, end=tif is TimeInForce.AT_CLOSE)
    if minute >= auctions.from_minute or auction_ns is None:
        return auction_ns is not None
    day, auction_minute = local_time(zone, auction_ns)
    # Before the first day's cut-off the night is still the one in which its orders are taken.
    return day == today or minute * _MINUTE_NS < auction_minute * _MINUTE_NS - _cut_ns(tif, auctions)


def _cutoff_ns(tif: TimeInForce, auctions: Auctions | None, table: Timetable, now_ns: int) -> int | None:
    """Tell the cut-off of the auction that is next; None where the broker has none, or nobody knows the auction."""
    auction_ns = table.next_boundary(now_ns, end=tif is TimeInForce.AT_CLOSE)
    return None if auctions is None or auction_ns is None else auction_ns - _cut_ns(tif, auctions)


def _cut_ns(tif: TimeInForce, auctions: Auctions) -> int:
    seconds = auctions.open_cutoff_s if tif is TimeInForce.AT_OPEN else auctions.close_cutoff_s
    return seconds * _SECOND_NS


def _no(reason: Reason, description: str, subject: str = "order.symbol") -> Objection:
    return Objection(reason, subject, description)
