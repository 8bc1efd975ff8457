"""The checks that every gateway runs, gate by gate: the page to read to learn what an order must pass."""

from dataclasses import dataclass
from decimal import Decimal

from brokergw.desk.gates.account import AccountCheck
from brokergw.desk.gates.age import AgeCheck
from brokergw.desk.gates.answering import BrokerAnswering
from brokergw.desk.gates.broker_state import BrokerStateCheck
from brokergw.desk.gates.collar import CollarCheck
from brokergw.desk.gates.environment import EnvironmentCheck, StepUpCheck
from brokergw.desk.gates.exposure import AdmissionCheck, HoldCheck, Money
from brokergw.desk.gates.gates import GateChecks
from brokergw.desk.gates.halts import HaltCheck
from brokergw.desk.gates.instrument import InstrumentCheck
from brokergw.desk.gates.limits import BrokerPermitted, LimitsLookup
from brokergw.desk.gates.loss import LossCheck
from brokergw.desk.gates.one_at_a_time import OneAtATime
from brokergw.desk.gates.own_orders import OwnOrders
from brokergw.desk.gates.permitted import PermittedCheck
from brokergw.desk.gates.position import PositionAsked, ReduceOnlyCheck
from brokergw.desk.gates.reference import ReferenceCheck
from brokergw.desk.gates.repeats import RepeatCheck, SelfMatchCheck
from brokergw.desk.gates.sanity import SanityCheck
from brokergw.desk.gates.session import SessionCheck, StillOpen
from brokergw.desk.gates.size import SizeCheck
from brokergw.desk.halts.halting import Halting
from brokergw.desk.hours.parts import HoursParts
from brokergw.desk.limits.desk import LimitsDesk
from brokergw.desk.live.live import Live
from brokergw.desk.loss.losses import Losses
from brokergw.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What the platform allows; amounts in the base currency, with which those in `par_currencies` are at par.

    The same order again within `duplicate_window_s` is taken for a mistake; 0 takes everything.
    """

    order_notional_max: Decimal
    base_currency: str = "USD"
    par_currencies: frozenset[str] = frozenset({"USD", "USDT", "USDC"})
    duplicate_window_s: float = 0.0


def standard_checks(
    one_at_a_time: OneAtATime,
    clock: Clock,
    settings: GateSettings,
    live: Live,
    limits: LimitsDesk,
    hours: HoursParts,
    halting: Halting,
    own_orders: OwnOrders,
    losses: Losses | None = None,
) -> GateChecks:
    """List the checks of each gate."""
    return GateChecks(
        authority=(
            BrokerAnswering(),
            LimitsLookup(limits.book, limits.days, clock),
            PositionAsked(),
            AccountCheck(),
            EnvironmentCheck(live, clock),
            BrokerPermitted(limits.book),
            HaltCheck(halting.standing, halting.clearance),
        ),
        instrument=(
            InstrumentCheck(),
            SessionCheck(hours.markets, hours.database, clock),
            PermittedCheck(clock),
        ),
        sanity=(
            SanityCheck(clock),
            ReferenceCheck(clock),
            CollarCheck(),
            SizeCheck(),
            AgeCheck(clock),
            ReduceOnlyCheck(),
            SelfMatchCheck(own_orders),
            RepeatCheck(own_orders, clock, settings.duplicate_window_s),
            one_at_a_time,
        ),
        exposure=(
            HoldCheck(Money(settings.base_currency, settings.par_currencies), limits.book),
            StepUpCheck(live, clock),
            BrokerStateCheck(clock),
            *([LossCheck(losses, clock)] if losses is not None else []),
            AdmissionCheck(),
            StillOpen(clock),
        ),
    )
