"""Looking at a broker and at the record at the same time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from brokergw.desk.reconcile.compare import Holdings, Passage, holdings_of, passages
from brokergw.desk.results import BrokerState
from brokergw.desk.sessions import Session
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import EventKind, LogEvent
from brokergw.model.outcome import BrokerOrder
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal

_PAGE: Final = 500
_TRIES: Final = 5
_FILLS: Final = frozenset({EventKind.FILL})
_JUDGED_WITHIN_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the broker showed, and where the account's log stood when it was asked."""

    user_id: str
    account_id: str
    asked_ns: int
    as_of_ns: int
    replied_at: float
    sequence: int
    state: BrokerState
    open_orders: Sequence[BrokerOrder]

    @property
    def holdings(self) -> Holdings:
        """What the broker shows of each symbol."""
        return holdings_of(self.state.positions)


@dataclass(frozen=True, slots=True)
class RecordSince:
    """What the record went through since a look began: by symbol, and the fills behind it, oldest first."""

    way: Mapping[str, Passage]
    fills: Sequence[LogEvent]


class Looker:
    """Takes looks."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    async def look(self, session: Session) -> Look:
        """Ask the broker for account, positions and open orders; raises GatewayError when any of it fails."""
        own = session.connection
        sequence = (await self._journal.sequences(only(own.user_id), (own.account_id,)))[own.account_id]
        asked_ns = self._clock.now_ns()
        listing = asyncio.create_task(_open_orders(session))
        try:
            state = await session.state.get()
        except BaseException:
            listing.cancel()
            await asyncio.gather(listing, return_exceptions=True)
            raise
        return Look(
            user_id=own.user_id,
            account_id=own.account_id,
            asked_ns=asked_ns,
            open_orders=await listing,
            as_of_ns=self._clock.now_ns(),
            replied_at=self._clock.monotonic(),
            sequence=sequence,
            state=state,
        )

    async def since(self, look: Look) -> RecordSince:
        """Tell what the record has gone through since a look began.

        Raises RISK_DATA_STALE when the look has grown too old to be judged: this process was frozen, say, and what
        the record holds by now the broker could not have shown.
        """
        if self._clock.monotonic() - look.replied_at > _JUDGED_WITHIN_S:
            raise GatewayError(Reason.RISK_DATA_STALE, "the broker's answer grew too old before it could be judged")
        for _ in range(_TRIES):
            fills = await self.fills(look, look.sequence)
            positions = await self._journal.positions_on_record(look.user_id, look.account_id)
            held = {each.symbol: each.quantity for each in positions}
            last = fills[-1].sequence if fills else look.sequence
            if not await self._journal.events(look.user_id, look.account_id, last, 1, _FILLS):
                return RecordSince(passages(held, fills), fills)
        raise GatewayError(Reason.RISK_DATA_STALE, "the record did not rest for long enough to be read")

    async def fills(self, look: Look, after: int, enough: int | None = None) -> list[LogEvent]:
        """Read the fills of the account looked at, after a sequence, oldest first; no page after there are `enough`."""
        found: list[LogEvent] = []
        while True:
            page = await self._journal.events(look.user_id, look.account_id, after, _PAGE, _FILLS)
            found.extend(page)
            if len(page) < _PAGE or (enough is not None and len(found) >= enough):
                return found
            after = page[-1].sequence


async def _open_orders(session: Session) -> Sequence[BrokerOrder]:
    return await session.adapter.get_open_orders()
