"""What every verb works with, wired once."""

from collections.abc import Callable
from dataclasses import dataclass

from brokergw.desk.alerts.limits import LimitAlerts
from brokergw.desk.doubt.resolver import Resolver
from brokergw.desk.gates.one_at_a_time import OneAtATime
from brokergw.desk.halts.halting import Halting
from brokergw.desk.keys.recall import Recall
from brokergw.desk.keys.sends import Sends
from brokergw.desk.record.admission import Admission
from brokergw.desk.record.answers import Answers
from brokergw.desk.record.book import OrderBook
from brokergw.desk.sessions import Sessions
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The desk's own parts. `instance_id` names this process on the orders that it may send; `day_of` gives the trading
    day (an ISO date) of a moment in Unix nanoseconds.
    """

    journal: Journal
    book: OrderBook
    answers: Answers
    admission: Admission
    sends: Sends
    sessions: Sessions
    recall: Recall
    resolver: Resolver
    one_at_a_time: OneAtATime
    halting: Halting
    limit_alerts: LimitAlerts
    clock: Clock
    instance_id: str
    day_of: Callable[[int], str]
