"""When accounts are compared: by themselves while this process holds the connection, and whenever somebody asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import structlog

from brokergw.desk.feeds.upkeep import budget_is_short
from brokergw.desk.reconcile.rounds import Rounds
from brokergw.desk.sessions import Session
from brokergw.model.account import Connection
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.reconciliation import CashPolicy, PositionPolicy, Reconciliation, ReconciliationPolicy, Trigger
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal
from brokergw.ports.leases import LeaseGone
from brokergw.ports.reconciliations import Reconciliations

_LOOK_S: Final = 0.5
_FIRST_AFTER_S: Final = 3.0
_STREAM_WAIT_S: Final = 30.0
_ANSWER_WAIT_S: Final = 30.0
_POLL_S: Final = 0.2

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileSettings:
    """How often accounts are compared, in seconds, and what is tolerated where a user has no policy of its own."""

    every_s: float = 60.0
    positions: PositionPolicy = PositionPolicy.HALT
    cash: CashPolicy = CashPolicy.WARN
    cash_tolerance: Decimal = Decimal(1)
    keep_days: int = 90

    @property
    def policy(self) -> ReconciliationPolicy:
        """The policy of users that have none."""
        return ReconciliationPolicy(positions=self.positions, cash=self.cash, cash_tolerance=self.cash_tolerance)


class Schedule:
    """Runs rounds when they are due."""

    def __init__(
        self,
        rounds: Rounds,
        reconciliations: Reconciliations,
        journal: Journal,
        settings: ReconcileSettings,
        clock: Clock,
    ) -> None:
        self._rounds = rounds
        self._reconciliations = reconciliations
        self._journal = journal
        self._settings = settings
        self._clock = clock
        self._wanted: Mapping[str, int] = {}

    def start(self, session: Session) -> None:
        """Compare a session's account for as long as this process holds the connection."""
        session.later("reconcile", lambda: self._run(session))

    async def ask(self, session: Session) -> Reconciliation:
        """Compare an account now, in whichever process does its background work; gives what it came to.

        Raises RISK_DATA_UNAVAILABLE when no process gets to it in time.
        """
        if session.lease is not None or not self._journal.shared:
            return await self._rounds.run(session, Trigger.ON_DEMAND)
        own = session.connection
        await self._reconciliations.want(own.user_id, own.account_id, self._clock.now_ns())
        give_up_at = self._clock.monotonic() + _ANSWER_WAIT_S
        while self._clock.monotonic() < give_up_at:
            await self._clock.sleep(_POLL_S)
            if own.account_id not in await self._reconciliations.wanted():
                found = await self._reconciliations.latest(own.user_id, own.account_id)
                if found is not None:
                    return found
        raise GatewayError(
            Reason.RISK_DATA_UNAVAILABLE,
            "no process has compared the account in time",
            metadata={"cause": Reason.BROKER_SESSION_DOWN.value},
            retry_after_s=1.0,
        )

    async def learn(self) -> None:
        """Learn which comparisons other processes ask for."""
        self._wanted = await self._reconciliations.wanted()

    async def _run(self, session: Session) -> None:
        account_id = session.connection.account_id
        await self._stream(session)
        due_at = self._clock.monotonic() + min(_FIRST_AFTER_S, self._settings.every_s)
        while True:
            await self._clock.sleep(self._rest_s(due_at))
            asked_ns = self._wanted.get(account_id)
            now = self._clock.monotonic()
            late_s = now - due_at
            # What is left of a short budget is for orders, though not for ever.
            waits = late_s < 0 or (late_s < self._settings.every_s and budget_is_short(session, self._clock.now_ns()))
            if asked_ns is None and waits:
                continue
            due_at = now + self._settings.every_s
            await self._try(session, Trigger.PERIODIC if asked_ns is None else Trigger.ON_DEMAND)
            if asked_ns is not None:
                await self._answered(session.connection, asked_ns)

    def _rest_s(self, due_at: float) -> float:
        """Tell how long to rest: where no other process can ask for a comparison, until the next is due."""
        look_s = min(_LOOK_S, self._settings.every_s)
        return look_s if self._journal.shared else max(look_s, due_at - self._clock.monotonic())

    async def _stream(self, session: Session) -> None:
        """Wait for the broker's stream, whose back-fill brings what happened before; not for ever."""
        give_up_at = self._clock.monotonic() + _STREAM_WAIT_S
        while not session.stream_up and self._clock.monotonic() < give_up_at:
            await self._clock.sleep(_LOOK_S)

    async def _try(self, session: Session, trigger: Trigger) -> None:
        try:
            await self._rounds.run(session, trigger)
        except LeaseGone:
            raise
        except GatewayError as error:
            log.warning("account not compared", account_id=session.connection.account_id, reason=error.reason.value)
        except Exception:
            log.exception("the comparison failed", account_id=session.connection.account_id)

    async def _answered(self, own: Connection, asked_ns: int) -> None:
        account_id = own.account_id
        try:
            await self._reconciliations.answered(own.user_id, account_id, asked_ns)
            self._wanted = {each: at for each, at in self._wanted.items() if each != account_id}
        except GatewayError as error:
            log.warning("a request for a comparison stays", account_id=account_id, reason=error.reason.value)
