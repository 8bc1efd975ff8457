"""The four gates: every check of a gate speaks, and a gate that says no closes the ones behind it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from brokergw.desk.gates.broker_state import state_objections
from brokergw.desk.gates.instrument import capability_objections, group_objections
from brokergw.desk.gates.one_at_a_time import OneAtATime
from brokergw.desk.gates.sanity import expiry_objections, grid_violations, prices_of, size_objections
from brokergw.desk.results import Cleared
from brokergw.desk.sessions import Session, Sessions
from brokergw.model.commands import ModifyOrder, SubmitOrder
from brokergw.model.errors import GatewayError, InvalidRequest, Objection, PreflightDenied, Reason
from brokergw.model.instrument import Instrument
from brokergw.model.order import Order
from brokergw.model.principal import Caller
from brokergw.model.terms import OrderClass, OrderTerms
from brokergw.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What the platform allows; amounts in the instrument's currency."""

    order_notional_max: Decimal


class Gates:
    """What stands between a decoded order and the broker."""

    def __init__(self, sessions: Sessions, one_at_a_time: OneAtATime, clock: Clock, settings: GateSettings) -> None:
        self._sessions = sessions
        self._one_at_a_time = one_at_a_time
        self._clock = clock
        self._settings = settings

    async def clear_submit(self, caller: Caller, command: SubmitOrder) -> Cleared[SubmitOrder]:
        """Let an order through, or raise what the first closed gate says.

        Gate 1, authority, is the look-up of the account; what it refuses uses up no key.
        """
        session = await self._sessions.usable(caller.user_id, command.account_id)
        if command.terms.order_class is OrderClass.MULTI_LEG:
            await self._legs(session, command.terms)
            await self._apart(session, command.terms)
            return Cleared(command, session.connection, None)
        instrument = await self._instrument(session, command.terms)
        self._sanity(command.terms, instrument)
        await self._apart(session, command.terms)
        await self._broker_state(session, command.terms, instrument)
        return Cleared(command, session.connection, instrument)

    async def clear_modify(self, caller: Caller, command: ModifyOrder, order: Order) -> Cleared[ModifyOrder]:
        """Let a change through: the order as it would become passes the same checks as a new one.

        Buying power is asked for only when the change makes the order larger, and then for all of it: the broker counts
        the resting order against it as well, so the check errs on the safe side.
        """
        session = await self._sessions.usable(caller.user_id, order.account_id)
        terms = changed_terms(order.terms, command)
        instrument = await session.instrument(terms.symbol)
        if instrument is not None:
            self._sanity(terms, instrument, prefix="")
            if command.quantity is not None and command.quantity > (order.terms.quantity or command.quantity):
                extra = replace(terms, quantity=command.quantity - (order.terms.quantity or Decimal(0)))
                await self._broker_state(session, extra, instrument)
        return Cleared(command, session.connection, instrument, order)

    async def _instrument(self, session: Session, terms: OrderTerms) -> Instrument:
        instrument = await session.instrument(terms.symbol)
        if instrument is None:
            known = f"{session.capabilities.name} does not know {terms.symbol}"
            raise PreflightDenied("instrument", (Objection(Reason.INSTRUMENT_NOT_FOUND, "order.symbol", known),))
        objections = [*capability_objections(terms, instrument, session.capabilities), *group_objections(terms)]
        _require("instrument", objections)
        return instrument

    async def _legs(self, session: Session, terms: OrderTerms) -> None:
        """Gate 2 for a multi-leg order: each leg must be known and tradable."""
        if OrderClass.MULTI_LEG not in session.capabilities.order_classes:
            refusal = f"{session.capabilities.name} has no multi-leg orders"
            _require("instrument", [Objection(Reason.UNSUPPORTED_FEATURE, "order.order_class", refusal)])
        objections = []
        for index, leg in enumerate(terms.legs):
            instrument = await session.instrument(leg.symbol)
            if instrument is None or not instrument.tradable:
                reason = Reason.INSTRUMENT_NOT_FOUND if instrument is None else Reason.INSTRUMENT_NOT_TRADABLE
                objections.append(Objection(reason, f"order.legs[{index}].symbol", f"{leg.symbol} cannot be traded"))
        _require("instrument", objections)

    def _sanity(self, terms: OrderTerms, instrument: Instrument, prefix: str = "order.") -> None:
        violations = tuple(grid_violations(instrument, terms.quantity, prices_of(terms), prefix))
        if violations:
            raise InvalidRequest(violations)
        objections = [
            *size_objections(terms, instrument, self._settings.order_notional_max),
            *expiry_objections(terms, self._clock.now_ns()),
        ]
        _require("sanity", objections)

    async def _apart(self, session: Session, terms: OrderTerms) -> None:
        if self._one_at_a_time.applies(session):
            _require("sanity", await self._one_at_a_time.objections(session, terms))

    async def _broker_state(self, session: Session, terms: OrderTerms, instrument: Instrument) -> None:
        try:
            state = await session.state.get()
        except GatewayError as error:
            # Nothing was recorded under the key yet, so the caller may come again with it.
            raise GatewayError(
                Reason.RISK_DATA_UNAVAILABLE,
                "the broker did not give the account and positions that the order must be checked against",
                metadata={"cause": error.reason.value},
                retry_after_s=error.retry_after_s or 1.0,
            ) from error
        _require("broker_state", list(state_objections(terms, instrument, state)))


def _require(gate: str, objections: Iterable[Objection]) -> None:
    found = tuple(objections)
    if found:
        raise PreflightDenied(gate, found)


def changed_terms(terms: OrderTerms, command: ModifyOrder) -> OrderTerms:
    """Give an order's terms as a change would make them."""
    trail = command.trail
    return replace(
        terms,
        quantity=command.quantity if command.quantity is not None else terms.quantity,
        limit_price=command.limit_price if command.limit_price is not None else terms.limit_price,
        stop_price=command.stop_price if command.stop_price is not None else terms.stop_price,
        trail_amount=trail if trail is not None and terms.trail_amount is not None else terms.trail_amount,
        trail_percent=trail if trail is not None and terms.trail_percent is not None else terms.trail_percent,
    )
