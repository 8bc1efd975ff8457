"""What stands before a change of leverage, margin type or position mode: as before an order, since it changes risk.

Whatever only lowers a leverage puts less at risk. It passes halts, a closed broker, an old code and the limits' own
highest leverage, as orders that reduce a position do; of the mode it is no exception.
"""

from collections.abc import Iterator
from typing import Final

from brokergw.desk.gates.environment import code_objections, mode_objections
from brokergw.desk.gates.limits import broker_objections
from brokergw.desk.halts.denial import halted, not_cleared, objection
from brokergw.desk.halts.halting import Halting
from brokergw.desk.limits.book import LimitsBook
from brokergw.desk.live.live import Live
from brokergw.model.account import Connection, Environment
from brokergw.model.errors import GatewayError, Objection, PreflightDenied, Reason
from brokergw.model.limits import EffectiveLimits
from brokergw.model.trading import Halt, scopes_of
from brokergw.model.trading_settings import SettingsChoice, TradingSettings
from brokergw.ports.clock import Clock

_NAME: Final = "leverage_max"


class ChoosingGate:
    """Judges a change of settings, before it is sent and in the step that lets its first byte out."""

    def __init__(self, live: Live, limits: LimitsBook, halting: Halting, clock: Clock) -> None:
        self._live = live
        self._limits = limits
        self._halting = halting
        self._clock = clock

    async def require(self, connection: Connection, choice: SettingsChoice, stands: TradingSettings) -> None:
        """Raise PreflightDenied with every objection; RISK_DATA_STALE or JOURNAL_UNAVAILABLE while nobody can tell."""
        lowers = choice.only_lowers(stands)
        found = [*_too_high(choice, stands), *await self._of_the_user(connection, lowers=lowers)]
        version = 0
        if not lowers:
            limits = self._limits.effective(connection.user_id, connection.broker)
            version, fault = limits.version, limits.fault
            if fault is not None and fault.reason is Reason.RISK_DATA_STALE:
                raise GatewayError(fault.reason, fault.description, retry_after_s=1.0)
            if not self._halting.clearance.valid:
                raise not_cleared(self._halting.clearance)
            found += [*broker_objections(self._limits, connection, fault), *_above(choice, limits)]
            halt = self._halt_of(connection, stands.symbol)
            found += [objection(halt)] if halt is not None else []
        if found:
            raise PreflightDenied("authority", tuple(found), limits_version=version)

    def _halt_of(self, connection: Connection, symbol: str) -> Halt | None:
        """Find what halts a symbol of an account; every state of it keeps more from being put at risk."""
        scopes = scopes_of(
            user_id=connection.user_id,
            broker=connection.broker,
            account_id=connection.account_id,
            strategy_id="",
            symbols=(symbol,),
        )
        return self._halting.standing.binding(scopes)

    def why_not(self, connection: Connection, symbol: str) -> GatewayError | None:
        """Give, at the last moment, the error that keeps back what may add to risk; None where nothing does."""
        if not self._halting.clearance.valid:
            return not_cleared(self._halting.clearance)
        halt = self._halt_of(connection, symbol)
        return None if halt is None else halted(halt)

    async def _of_the_user(self, connection: Connection, *, lowers: bool) -> list[Objection]:
        if connection.environment is Environment.MOCK:
            return []
        standing = await self._live.standings.of(connection.user_id)
        found = list(mode_objections(self._live, standing, connection))
        if found or lowers or connection.environment is not Environment.LIVE:
            return found
        return list(code_objections(standing, self._live.rules.code_age_max_s, self._clock.now_ns()))


def _too_high(choice: SettingsChoice, stands: TradingSettings) -> Iterator[Objection]:
    if choice.leverage is not None and choice.leverage > stands.leverage_max:
        description = f"the broker offers a leverage of at most {stands.leverage_max} for {stands.symbol}"
        yield _above_limit(description, stands.leverage_max, choice.leverage, "BROKER_OFFER")


def _above(choice: SettingsChoice, limits: EffectiveLimits) -> Iterator[Objection]:
    most, source = limits.values.leverage_max, limits.sources.get(_NAME)
    if choice.leverage is not None and most is not None and choice.leverage > most:
        description = f"the limits allow a leverage of at most {most}"
        yield _above_limit(description, most, choice.leverage, source.value if source is not None else "")


def _above_limit(description: str, most: int, wanted: int, source: str) -> Objection:
    return Objection(
        Reason.LEVERAGE_EXCEEDS_LIMIT,
        "leverage",
        description,
        limit=str(most),
        observed=str(wanted),
        limit_name=_NAME,
        source=source,
    )
