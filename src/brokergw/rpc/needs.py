"""What the edge needs of the rest of the gateway; `app/build.py` hands it in."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from brokergw.desk.connections.card import ConnectionCard
from brokergw.desk.connections.watch import WatchedItem
from brokergw.desk.oauth.authorizing import Beginning, Begun, Callback
from brokergw.desk.reconcile.settling import Settled
from brokergw.desk.results import Cleared, OrderResult, Positions, Result, SweepResult
from brokergw.desk.streams.watch import WatchItem, WatchRequest
from brokergw.desk.verbs.connections import ConnectionChange
from brokergw.desk.verbs.reconcile import SettleReconciliation
from brokergw.desk.verbs.verdict import InDoubt
from brokergw.model.account import AccountState, Connection, Environment, Position, Transaction
from brokergw.model.capability import Capabilities
from brokergw.model.commands import (
    CancelAllOrders,
    CancelOrder,
    CloseAll,
    Flatten,
    KeyedCommand,
    ModifyOrder,
    SettleOrder,
    SubmitOrder,
)
from brokergw.model.events import AuditRow, LogEvent
from brokergw.model.instrument import Instrument, Quote
from brokergw.model.order import Fill, Order
from brokergw.model.outcome import Budget
from brokergw.model.principal import Caller
from brokergw.model.reconciliation import Reconciliation, ReconciliationPolicy
from brokergw.ports.broker import Credentials
from brokergw.ports.journal import OrderQuery
from brokergw.ports.reconciliations import ReconciliationQuery
from brokergw.rpc.risk_needs import HaltsFace, LimitsFace, LiveFace, SettingsFace


class AuditBook(Protocol):
    """Where every audited call leaves its row; the journal is one."""

    @property
    def epoch(self) -> str:
        """The id of the record's life."""
        ...

    def record(self, row: AuditRow) -> None:
        """Put a row into the next commit without waiting for it."""
        ...


class Mutations(Protocol):
    """The desk's verbs. The chain asks `recall`, then `clear`, then the verb."""

    async def recall(self, caller: Caller, command: KeyedCommand) -> Result | None:
        """Give what the key's first call came to; None when the key is fresh."""
        ...

    async def clear(self, caller: Caller, command: SubmitOrder | ModifyOrder) -> Cleared[SubmitOrder | ModifyOrder]:
        """Run the gates."""
        ...

    async def submit(self, caller: Caller, cleared: Cleared[SubmitOrder]) -> OrderResult:
        """Place an order."""
        ...

    async def modify(self, caller: Caller, cleared: Cleared[ModifyOrder]) -> OrderResult:
        """Change an order."""
        ...

    async def cancel(self, caller: Caller, command: CancelOrder) -> OrderResult:
        """Cancel an order."""
        ...

    async def cancel_all(self, caller: Caller, command: CancelAllOrders) -> SweepResult:
        """Cancel the open orders of an account."""
        ...

    async def flatten(self, caller: Caller, command: Flatten) -> SweepResult:
        """Close a position, or all of an account."""
        ...

    async def close_all(self, caller: Caller, command: CloseAll) -> SweepResult:
        """Close everything the caller has."""
        ...


class Queries(Protocol):
    """What the desk can tell; every answer is limited to the caller's own."""

    async def get_order(self, caller: Caller, order_id: str) -> Order:
        """Read one order."""
        ...

    async def get_order_by_client_id(self, caller: Caller, account_id: str, client_order_id: str) -> Order:
        """Read one order by the client's own id."""
        ...

    async def list_orders(self, caller: Caller, query: OrderQuery) -> Sequence[Order]:
        """List orders, newest first."""
        ...

    async def list_order_events(self, caller: Caller, order_id: str) -> Sequence[LogEvent]:
        """List what happened to an order, oldest first."""
        ...

    async def list_fills(
        self,
        caller: Caller,
        account_ids: Sequence[str],
        *,
        order_id: str = "",
        since_ns: int | None = None,
        after_fill_id: str = "",
        limit: int = 100,
    ) -> Sequence[Fill]:
        """List fills, newest first."""
        ...

    async def wait_for(self, caller: Caller, positions: Positions, timeout_s: float = 2.0) -> None:
        """Wait until the record has reached these positions."""
        ...

    async def list_accounts(self, caller: Caller) -> Sequence[Connection]:
        """List accounts, oldest first."""
        ...

    async def get_account(self, caller: Caller, account_id: str) -> tuple[Connection, AccountState]:
        """Ask the broker for an account."""
        ...

    async def get_positions(
        self, caller: Caller, account_ids: Sequence[str], *, partial: bool
    ) -> tuple[list[tuple[Connection, Position]], list[str]]:
        """Ask the brokers for positions; gives the unreachable accounts beside them."""
        ...

    async def list_transactions(
        self, caller: Caller, account_id: str, since_ns: int, until_ns: int
    ) -> Sequence[Transaction]:
        """Ask the broker for an account's history, newest first."""
        ...

    async def get_quotes(self, caller: Caller, account_id: str, symbols: Sequence[str]) -> Sequence[Quote]:
        """Ask the broker for quotes."""
        ...

    async def get_instrument(self, caller: Caller, account_id: str, symbol: str) -> Instrument:
        """Describe an instrument."""
        ...

    def brokers(self) -> Sequence[Capabilities]:
        """List the brokers by id."""
        ...

    async def ping_broker(self, caller: Caller, connection_id: str) -> tuple[str, float]:
        """Give the broker and how many seconds it took to answer."""
        ...

    def budgets(self, caller: Caller) -> Sequence[tuple[Connection, Budget]]:
        """Tell what is left of the brokers' own budgets."""
        ...

    def watch(self, caller: Caller, request: WatchRequest) -> AsyncIterator[WatchItem]:
        """Tell what goes on the record, from a beginning on, until an Ending."""
        ...


class Connections(Protocol):
    """The desk's care for the links to brokers."""

    async def create_connection(
        self, caller: Caller, broker: str, environment: Environment, credentials: Credentials | None
    ) -> ConnectionCard:
        """Try the credentials, then keep them."""
        ...

    async def update_connection(self, caller: Caller, change: ConnectionChange) -> ConnectionCard:
        """Change credentials, tried before they are kept, or the label."""
        ...

    def watch_connections(self, caller: Caller, heartbeat_s: float) -> AsyncIterator[WatchedItem]:
        """Show connections, and what changes of them."""
        ...

    async def get_connection(self, caller: Caller, connection_id: str) -> ConnectionCard:
        """Read one connection."""
        ...

    async def list_connections(self, caller: Caller) -> Sequence[ConnectionCard]:
        """List connections, oldest first."""
        ...

    async def test_connection(self, caller: Caller, connection_id: str) -> tuple[ConnectionCard, bool, str]:
        """Ask the broker whether the credentials still work; gives the reason when not."""
        ...

    async def revoke_connection(self, caller: Caller, connection_id: str) -> ConnectionCard:
        """End a connection and destroy its credentials."""
        ...

    async def begin_oauth(self, caller: Caller, wanted: Beginning) -> Begun:
        """Begin an authorization."""
        ...

    async def complete_oauth(self, caller: Caller, callback: Callback) -> ConnectionCard:
        """Complete an authorization."""
        ...


class Operations(Protocol):
    """The desk's part for those who run the gateway; it reaches every user's orders."""

    async def list_orders_in_doubt(self, caller: Caller) -> Sequence[InDoubt]:
        """List the orders whose outcome is open, oldest first."""
        ...

    async def settle_order(self, caller: Caller, command: SettleOrder) -> OrderResult:
        """Settle an order by a verdict."""
        ...


class Comparisons(Protocol):
    """The desk's comparisons of accounts with their brokers."""

    async def reconcile_account(self, caller: Caller, account_id: str) -> Reconciliation:
        """Compare one of the caller's accounts now."""
        ...

    async def list_reconciliations(self, caller: Caller, query: ReconciliationQuery) -> Sequence[Reconciliation]:
        """List findings about the caller's accounts, newest first."""
        ...

    async def list_mismatches(self, caller: Caller) -> Sequence[Reconciliation]:
        """List what stands, of every user, newest first."""
        ...

    async def settle_reconciliation(self, caller: Caller, command: SettleReconciliation) -> Settled:
        """Settle a mismatch of any user."""
        ...

    async def get_reconciliation_policy(self, caller: Caller, user_id: str) -> ReconciliationPolicy:
        """Give what a user's comparisons tolerate."""
        ...

    async def set_reconciliation_policy(
        self, caller: Caller, user_id: str, policy: ReconciliationPolicy
    ) -> ReconciliationPolicy:
        """Set what a user's comparisons tolerate."""
        ...


class DeskFace(Mutations, Queries, Connections, Operations, Comparisons, Protocol):
    """The whole desk, as the edge sees it."""

    @property
    def limits(self) -> LimitsFace:
        """Limits and broker configurations."""
        ...

    @property
    def live(self) -> LiveFace:
        """Modes, the risk text and the second factor."""
        ...

    @property
    def settings(self) -> SettingsFace:
        """Leverage, margin type and position mode."""
        ...

    @property
    def halts(self) -> HaltsFace:
        """Halts and the kill switch."""
        ...

    def drain(self) -> None:
        """End the streams, and refuse every new mutation."""
        ...
