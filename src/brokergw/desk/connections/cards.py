"""Putting a connection's card together from what this process knows: nothing is asked of a broker for it."""

from brokergw.desk.connections.card import ConnectionCard, card_of
from brokergw.desk.connections.tiers import Known
from brokergw.desk.halts.standing import Standing as Halts
from brokergw.desk.limits.book import LimitsBook
from brokergw.desk.live.live import Live
from brokergw.desk.session import Session
from brokergw.model.trading import scopes_of
from brokergw.ports.clock import Clock


class Cards:
    """Makes cards."""

    def __init__(self, live: Live, halts: Halts, limits: LimitsBook, clock: Clock) -> None:
        self._live = live
        self._halts = halts
        self._limits = limits
        self._clock = clock

    async def of(self, session: Session) -> ConnectionCard:
        """Show a connection; raises JOURNAL_UNAVAILABLE when nobody can tell how its user stands."""
        connection = session.connection
        scopes = scopes_of(
            user_id=connection.user_id,
            broker=connection.broker,
            account_id=connection.account_id,
            strategy_id="",
            symbols=(),
        )
        known = Known(
            status=session.status,
            standing=await self._live.standings.of(connection.user_id),
            risk_version=self._live.text.version,
            initial=self._live.rules.initial_mode,
            halt=self._halts.binding(scopes),
            config=self._limits.broker(connection.broker),
            region=self._limits.region(connection.user_id),
        )
        return card_of(known, self._clock.now_ns())
