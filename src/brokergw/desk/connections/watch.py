"""Watching connections: first all of the caller's, then each that changes. It reads this process's memory alone."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from brokergw.desk.connections.card import ConnectionCard
from brokergw.desk.connections.cards import Cards
from brokergw.desk.sessions import Sessions
from brokergw.model.principal import Caller
from brokergw.ports.clock import Clock

_LOOK_S: Final = 0.2
_SYNC_TOLD_S: Final = 10.0
"""The passing moments of a card are told no more often than this, unless something else has changed too."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A connection as it is now; `first` marks those of the beginning."""

    card: ConnectionCard
    first: bool


@dataclass(frozen=True, slots=True)
class AllShown:
    """Every connection there is has been shown."""

    count: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing has changed for a while."""


@dataclass(frozen=True, slots=True)
class Draining:
    """This process shuts down, and the stream ends."""


WatchedItem: TypeAlias = Shown | AllShown | Quiet | Draining


class ConnectionWatch:
    """Tells watchers what changes."""

    def __init__(self, sessions: Sessions, cards: Cards, clock: Clock) -> None:
        self._sessions = sessions
        self._cards = cards
        self._clock = clock
        self._draining = False

    def drain(self) -> None:
        """End every stream."""
        self._draining = True

    async def stream(self, caller: Caller, heartbeat_s: float) -> AsyncIterator[WatchedItem]:
        """Show the caller's connections, revoked ones too, and then whatever changes of them, until the process drains.

        A connection that another process makes, changes or revokes is shown within a second.
        """
        for connection in await self._sessions.connections_for(caller):
            await self._sessions.open(connection)
        told: dict[str, tuple[ConnectionCard, float]] = {}
        quiet_since = self._clock.monotonic()
        first = True
        while not self._draining:
            cards = [await self._cards.of(session) for session in self._sessions.all_of(caller)]
            now = self._clock.monotonic()
            news = [card for card in cards if _is_news(card, told.get(card.connection.connection_id), now)]
            for card in news:
                told[card.connection.connection_id] = (card, now)
                yield Shown(card, first)
            if first:
                yield AllShown(len(news))
            if news or first:
                first, quiet_since = False, now
            elif now - quiet_since >= heartbeat_s:
                quiet_since = now
                yield Quiet()
            await self._clock.sleep(_LOOK_S)
        yield Draining()


def _is_news(card: ConnectionCard, told: tuple[ConnectionCard, float] | None, now: float) -> bool:
    if told is None:
        return True
    before, told_at = told
    if card.settled() != before.settled():
        return True
    return card != before and now - told_at >= _SYNC_TOLD_S
