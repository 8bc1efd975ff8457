"""Everything that is shown of a connection, on one card. It offers no order and holds no secret."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Self

from brokergw.desk.connections.tiers import Known, tiers_of
from brokergw.desk.results import ConnectionStatus
from brokergw.model.account import BrokerRevocation, Connection, ConnectionHealth, Environment
from brokergw.model.connections import (
    ConnectionWarning,
    ReadScope,
    Sync,
    SyncState,
    Tier,
    TierStanding,
    TierState,
    WarningCode,
)
from brokergw.model.modes import ModeBinding

FRESH_FOR_NS: Final = 30_000_000_000
"""How old the last agreement with the broker may be: three sweeps of the usual pace."""

_S: Final = 1_000_000_000
_IDLE: Final = {
    ConnectionHealth.REVOKED: "access was revoked",
    ConnectionHealth.ERROR: "the connection cannot be used as it is",
    ConnectionHealth.REAUTHORIZATION_REQUIRED: "the broker refuses the stored credentials",
}


_THERE: Final = "take the application's access away there."
_AT_BROKER: Final = {
    BrokerRevocation.ENDED: "The broker has ended the tokens too.",
    BrokerRevocation.ASKED: "The broker was asked to end the tokens; its answer is not on record.",
    BrokerRevocation.NOT_OFFERED: f"The broker lets nobody end its tokens from outside: {_THERE}",
    BrokerRevocation.REFUSED: f"The broker has refused to end its tokens: {_THERE}",
    BrokerRevocation.UNANSWERED: f"The broker did not say whether it has ended the tokens: {_THERE}",
    BrokerRevocation.UNREADABLE: f"The tokens did not open, so that the broker could not be told which: {_THERE}",
}
"""What became of the tokens at the broker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCard:
    """A connection, how it fares, how fresh it is, what it may do, what is bound to it, and what to know about it."""

    status: ConnectionStatus
    sync: Sync
    tiers: tuple[TierStanding, ...]
    scopes: tuple[ReadScope, ...]
    bindings: tuple[ModeBinding, ...]
    warnings: tuple[ConnectionWarning, ...]

    @property
    def connection(self) -> Connection:
        """The connection itself."""
        return self.status.connection

    def settled(self) -> Self:
        """Give the card without the moments that pass by themselves, to be compared with another."""
        status = replace(self.status, last_message_ns=None, last_sync_ns=None, next_sync_ns=None)
        return replace(self, status=status, sync=replace(self.sync, last_ns=None, next_ns=None))


def card_of(known: Known, now_ns: int) -> ConnectionCard:
    """Make the card of a connection as of a moment."""
    connection = known.status.connection
    sync, tiers = sync_of(known.status, now_ns), tiers_of(known)
    reads = _state(tiers, Tier.READ_ONLY) is TierState.GRANTED
    return ConnectionCard(
        status=known.status,
        sync=sync,
        tiers=tiers,
        scopes=tuple(ReadScope) if reads else (),
        bindings=tuple(each for each in known.standing.bindings if each.account_id == connection.account_id),
        warnings=tuple(_warnings(known, sync, tiers)),
    )


def sync_of(status: ConnectionStatus, now_ns: int) -> Sync:
    """Tell how fresh a connection is: its account must have been in step with the broker within half a minute."""
    moments = [moment for moment in (status.last_sync_ns, status.last_message_ns) if moment is not None]
    last_ns = max(moments, default=None)
    if status.health in _IDLE:
        return Sync(SyncState.DISABLED, last_ns, None, _IDLE[status.health])
    fresh = status.last_sync_ns is not None and now_ns - status.last_sync_ns <= FRESH_FOR_NS
    why = "" if status.next_sync_ns is not None else status.detail or "the account is about to be compared"
    return Sync(SyncState.FRESH if fresh else SyncState.STALE, last_ns, status.next_sync_ns, why)


def _warnings(known: Known, sync: Sync, tiers: tuple[TierStanding, ...]) -> Iterator[ConnectionWarning]:
    status, connection = known.status, known.status.connection
    if connection.revoke_time_ns is not None:
        words = f"Access was revoked on {_moment(connection.revoke_time_ns)}; the credentials are destroyed."
        at_broker = _AT_BROKER.get(connection.broker_revocation, "")
        yield ConnectionWarning(WarningCode.ACCESS_REVOKED, f"{words} {at_broker}".strip())
    elif status.health is ConnectionHealth.REAUTHORIZATION_REQUIRED:
        yield ConnectionWarning(WarningCode.CREDENTIALS_REFUSED, f"{connection.broker}: {status.detail}.")
    elif status.health is ConnectionHealth.ERROR:
        words = f"The connection cannot be used: {status.detail}."
        yield ConnectionWarning(WarningCode.CREDENTIALS_UNREADABLE, words)
    elif sync.state is SyncState.STALE:
        yield ConnectionWarning(WarningCode.DATA_STALE, _how_stale(status))
    if status.end_ahead is not None and not connection.revoked:
        yield ConnectionWarning(WarningCode.AUTHORIZATION_ENDS, f"{status.end_ahead.words}.")
    if known.halt is not None and not connection.revoked:
        words = f"Trading through it is {known.halt.state.value}: {known.halt.reason}."
        yield ConnectionWarning(WarningCode.TRADING_HALTED, words)
    if all(each.state is not TierState.GRANTED for each in tiers):
        yield ConnectionWarning(WarningCode.NOTHING_GRANTED, "Nothing is granted: it can neither read nor trade.")
    yield from _no_binding(connection, tiers)


def _no_binding(connection: Connection, tiers: tuple[TierStanding, ...]) -> Iterator[ConnectionWarning]:
    """Warn where no strategy can trade through it, whatever is bound; a practice account takes every strategy."""
    if connection.environment is Environment.MOCK and not connection.revoked:
        return
    trading = [each for each in tiers if each.tier is not Tier.READ_ONLY]
    if any(each.state in {TierState.GRANTED, TierState.BLOCKED} for each in trading):
        return
    why = next(each.why for each in trading if each.tier.value == connection.environment.value or connection.revoked)
    words = f"No strategy binding can exist: {why}."
    yield ConnectionWarning(WarningCode.NO_BINDING_POSSIBLE, words)


def _how_stale(status: ConnectionStatus) -> str:
    if status.last_sync_ns is None:
        return "The account has not been compared with the broker yet."
    return f"The account was last in step with the broker on {_moment(status.last_sync_ns)}."


def _moment(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // _S, UTC).strftime("%Y-%m-%d at %H:%M:%S UTC")


def _state(tiers: tuple[TierStanding, ...], tier: Tier) -> TierState:
    return next(each.state for each in tiers if each.tier is tier)
