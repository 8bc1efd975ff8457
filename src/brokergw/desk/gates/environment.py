"""Gate 1: may the user's orders reach this account, by its environment? Gate 4: is the code fresh for so much money?"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from brokergw.desk.gates.question import Question, Said
from brokergw.desk.live.live import Live
from brokergw.model.account import Connection, Environment
from brokergw.model.errors import Objection, Reason
from brokergw.model.modes import LiveStep, Standing, above
from brokergw.model.money import format_decimal
from brokergw.model.order import ZERO
from brokergw.ports.clock import Clock

_S: Final = 1_000_000_000


class EnvironmentCheck:
    """Whether the account's environment is within the mode that holds for the order.

    Looks at this process's memory, a second old at most. A code that has grown old keeps nobody in a position: orders
    that reduce one pass. Of the mode they are no exception, since they are orders at real accounts; who has lost live
    closes by Flatten and CloseAll, which pass no gate.
    """

    def __init__(self, live: Live, clock: Clock) -> None:
        self._live = live
        self._clock = clock

    def __call__(self, question: Question) -> Said:
        """Compare; raises JOURNAL_UNAVAILABLE when nobody can tell how the user stands."""
        return () if question.session.connection.environment is Environment.MOCK else self._compare(question)

    async def _compare(self, question: Question) -> Sequence[Objection]:
        connection = question.session.connection
        standing = await self._live.standings.of(connection.user_id)
        found = mode_objections(self._live, standing, connection, question.strategy_id)
        if found or connection.environment is not Environment.LIVE:
            return found
        found = code_objections(standing, self._live.rules.code_age_max_s, self._clock.now_ns())
        return _unless_it_reduces(question, found)


class StepUpCheck:
    """Whether a code is fresh enough for a large live order, by the worst that it may cost in the base currency.

    One of which nobody knows that is held to be large. Orders that reduce a position pass, lest somebody is held in it.
    """

    def __init__(self, live: Live, clock: Clock) -> None:
        self._live = live
        self._clock = clock

    def __call__(self, question: Question) -> Said:
        """Compare, where the platform asks for it; raises JOURNAL_UNAVAILABLE as `EnvironmentCheck` does."""
        connection, threshold = question.session.connection, self._live.rules.step_up_notional
        if threshold is None or connection.environment is not Environment.LIVE:
            return ()
        if ZERO < question.hold.quantity * question.hold.price <= threshold:
            return ()
        return self._compare(question, threshold)

    async def _compare(self, question: Question, threshold: Decimal) -> Sequence[Objection]:
        standing = await self._live.standings.of(question.session.connection.user_id)
        why = f"orders above {format_decimal(threshold)} need"
        found = code_objections(standing, self._live.rules.step_up_age_max_s, self._clock.now_ns(), why)
        return _unless_it_reduces(question, found)


def mode_objections(
    live: Live, standing: Standing, connection: Connection, strategy_id: str = ""
) -> Sequence[Objection]:
    """Object unless an account's environment is within the mode that holds for it; codes are another question."""
    bound = standing.bound(connection.account_id, strategy_id)
    if connection.environment is Environment.LIVE:
        return _open_steps(standing.open_steps(live.text.version), bound)
    mode = standing.reach(live.text.version, live.rules.initial_mode)
    return [
        Objection(
            Reason.ENVIRONMENT_MISMATCH,
            "account",
            f"the account is {connection.environment.value}, above {what} {held.value}",
            limit=held.value,
            observed=connection.environment.value,
        )
        for what, held in (("the user's mode", mode), ("the binding of its account or strategy", bound))
        if held is not None and above(connection.environment, held)
    ]


def _open_steps(missing: tuple[LiveStep, ...], bound: Environment | None) -> Sequence[Objection]:
    if bound is not None and above(Environment.LIVE, bound):
        missing = (*missing, LiveStep.BINDING)
    if not missing:
        return []
    names = " ".join(missing)
    description = f"the account trades live money, and these steps to it are open: {names}"
    return [Objection(Reason.LIVE_NOT_ENABLED, "account", description, missing=missing)]


def _unless_it_reduces(question: Question, found: Sequence[Objection]) -> Sequence[Objection]:
    if found and question.reduces:
        question.excused = True
        return ()
    return found


def code_objections(
    standing: Standing, age_max_s: float, now_ns: int, why: str = "live orders need"
) -> Sequence[Objection]:
    """Object unless a code was taken at most so many seconds ago."""
    code_ns = standing.code_time_ns
    if code_ns is not None and now_ns - code_ns <= round(age_max_s * _S):
        return ()
    observed = None if code_ns is None else str((now_ns - code_ns) // _S)
    description = f"{why} a code of the authenticator that is at most {age_max_s:g} s old"
    return [Objection(Reason.MFA_REQUIRED, "caller", description, limit=f"{age_max_s:g}", observed=observed)]
