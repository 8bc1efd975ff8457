"""Gate 1: which limits an order is judged by, and whether its broker may be traded at."""

from collections.abc import Iterator, Sequence

from brokergw.desk.gates.question import Question
from brokergw.desk.limits.book import LimitsBook
from brokergw.desk.limits.day import TradingDays
from brokergw.model.account import Connection
from brokergw.model.errors import GatewayError, Objection, Reason
from brokergw.model.limits import LimitsFault
from brokergw.ports.clock import Clock


class LimitsLookup:
    """Puts the limits that hold, and the trading day, into the question: first of all checks."""

    def __init__(self, book: LimitsBook, days: TradingDays, clock: Clock) -> None:
        self._book = book
        self._days = days
        self._clock = clock

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Look up; objects to nothing."""
        connection = question.session.connection
        question.limits = self._book.effective(connection.user_id, connection.broker, question.strategy_id)
        question.trading_day = self._days.of(self._clock.now_ns())
        return ()


class BrokerPermitted:
    """Whether the platform trades at the broker, and for the user's region; and whether the limits can be judged by.

    What makes a position smaller is excused: nobody is to be caught in one. The commit then sees to it that it does.
    """

    def __init__(self, book: LimitsBook) -> None:
        self._book = book

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Compare with the broker's configuration; raises RISK_DATA_STALE where nobody knows which limits hold now.

        No key is used up by that, so that the caller may come again with it.
        """
        fault = question.limits.fault
        found = broker_objections(self._book, question.session.connection, fault)
        stale = fault is not None and fault.reason is Reason.RISK_DATA_STALE
        if (found or stale) and question.reduces:
            question.excused = True
            return ()
        if fault is not None and stale:
            raise GatewayError(fault.reason, fault.description, retry_after_s=1.0)
        return found


def broker_objections(book: LimitsBook, connection: Connection, fault: LimitsFault | None) -> list[Objection]:
    """Object unless the platform trades at a connection's broker, for its user, by limits that can be read."""
    return list(_broker_objections(book, connection, fault))


def _broker_objections(book: LimitsBook, connection: Connection, fault: LimitsFault | None) -> Iterator[Objection]:
    config = book.broker(connection.broker)
    if not config.enabled:
        description = f"the platform takes no orders for {connection.broker} now that add to a position"
        yield Objection(Reason.BROKER_DISABLED, "broker", description, source="BROKER")
    region = book.region(connection.user_id)
    if not config.permits(region):
        told = f"users of {region}" if region else "users without a region"
        description = f"{connection.broker} is not for {told}"
        yield Objection(Reason.REGION_NOT_PERMITTED, "broker", description, observed=region, source="BROKER")
    if fault is not None and fault.reason is not Reason.RISK_DATA_STALE:
        yield Objection(fault.reason, "limits", fault.description)
