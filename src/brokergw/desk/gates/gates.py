"""The four gates: every check of a gate speaks, and a gate that says no closes the ones behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from brokergw.desk.gates.question import Check, Question, heard
from brokergw.desk.results import Cleared
from brokergw.desk.sessions import Sessions
from brokergw.model.commands import ModifyOrder, SubmitOrder
from brokergw.model.errors import Objection, PreflightDenied
from brokergw.model.order import Order
from brokergw.model.principal import Caller
from brokergw.model.terms import OrderTerms

C = TypeVar("C", SubmitOrder, ModifyOrder)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateChecks:
    """The checks of each gate, in the order in which they speak."""

    authority: Sequence[Check] = ()
    instrument: Sequence[Check] = ()
    sanity: Sequence[Check] = ()
    exposure: Sequence[Check] = ()


class Gates:
    """What stands between a decoded order and the broker."""

    def __init__(self, sessions: Sessions, checks: GateChecks) -> None:
        self._sessions = sessions
        self._gates = (
            ("authority", checks.authority),
            ("instrument", checks.instrument),
            ("sanity", checks.sanity),
            ("exposure", checks.exposure),
        )

    async def clear_submit(self, caller: Caller, command: SubmitOrder) -> Cleared[SubmitOrder]:
        """Let an order through, or raise what the first closed gate says.

        An account that the caller does not have, or that cannot work, uses up no key.
        """
        session = await self._sessions.usable_by(caller, command.account_id)
        question = Question(
            caller=caller, command=command, session=session, terms=command.terms, strategy_id=command.strategy_id
        )
        await self._pass(question)
        return _cleared(command, question)

    async def clear_modify(self, caller: Caller, command: ModifyOrder, order: Order) -> Cleared[ModifyOrder]:
        """Let a change through: the order as it would become passes the same gates as a new one."""
        session = await self._sessions.usable_by(caller, order.account_id)
        question = Question(
            caller=caller,
            command=command,
            session=session,
            terms=changed_terms(order.terms, command),
            strategy_id=order.strategy_id,
            before=order,
        )
        await self._pass(question)
        return _cleared(command, question)

    async def _pass(self, question: Question) -> None:
        try:
            await self._ask_all(question)
        except BaseException:
            for undo in question.undo:
                undo()
            raise

    async def _ask_all(self, question: Question) -> None:
        for name, checks in self._gates:
            objections: tuple[Objection, ...] = ()
            for check in checks:
                said = check(question)
                if said:
                    objections = (*objections, *await heard(said))
            if objections:
                raise PreflightDenied(name, objections, limits_version=question.limits.version)


def _cleared(command: C, question: Question) -> Cleared[C]:
    return Cleared(
        command,
        question.session.connection,
        question.instrument,
        question.before,
        question.hold,
        question.admission,
        question.trading_day,
        question.limits.version,
    )


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
