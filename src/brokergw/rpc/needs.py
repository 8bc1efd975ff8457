"""What the edge needs of the rest of the gateway; `app/build.py` hands it in."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from brokergw.desk.connections.card import ConnectionCard
from brokergw.desk.connections.watch import WatchedItem
from brokergw.desk.halts.states import HaltRequest, KillSwitchView, ResumeRequest, TradingStateView
from brokergw.desk.halts.switch import Halted
from brokergw.desk.limits.verbs import BrokerChange, LimitsChange, LimitsView
from brokergw.desk.live.live import ModesView
from brokergw.desk.live.mfa import Enrolment
from brokergw.desk.live.risk_text import RiskText
from brokergw.desk.oauth.authorizing import Beginning, Begun, Callback
from brokergw.desk.reconcile.settling import Settled
from brokergw.desk.results import Cleared, OrderResult, Positions, Result, SweepResult
from brokergw.desk.streams.watch import WatchItem, WatchRequest
from brokergw.desk.verbs.connections import ConnectionChange
from brokergw.desk.verbs.reconcile import SettleReconciliation
from brokergw.desk.verbs.verdict import InDoubt
from brokergw.model.account import AccountState, Connection, Environment, Position, Transaction
from brokergw.model.broker_config import BrokerConfig
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
from brokergw.model.limits import ScopeLimits
from brokergw.model.order import Fill, Order
from brokergw.model.outcome import Budget
from brokergw.model.principal import Caller
from brokergw.model.reconciliation import Reconciliation, ReconciliationPolicy
from brokergw.model.trading import Halt
from brokergw.ports.broker import Credentials
from brokergw.ports.journal import OrderQuery
from brokergw.ports.reconciliations import ReconciliationQuery


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


class LimitsFace(Protocol):
    """The desk's part for limits and broker configurations."""

    async def view(self, user_id: str, broker: str, strategy_id: str) -> LimitsView:
        """Show a user's limits; empty leaves the broker's, or the strategy's, out."""
        ...

    async def view_of_user(self, user_id: str, broker: str, strategy_id: str) -> LimitsView:
        """Show the limits of a user that may not exist."""
        ...

    async def set_limits(self, caller: Caller, change: LimitsChange) -> ScopeLimits:
        """Replace a scope's limits."""
        ...

    async def broker_configs(self) -> Sequence[BrokerConfig]:
        """List every broker's configuration."""
        ...

    async def set_broker(self, caller: Caller, change: BrokerChange) -> BrokerConfig:
        """Replace one broker's configuration."""
        ...


class LiveFace(Protocol):
    """The desk's part for modes, the risk text and the second factor."""

    @property
    def text(self) -> RiskText:
        """The present risk text."""
        ...

    async def view(self, user_id: str) -> ModesView:
        """Show how a user stands."""
        ...

    async def view_of_user(self, user_id: str) -> ModesView:
        """Show how a user stands that may not exist."""
        ...

    async def set_mode(self, caller: Caller, place: tuple[str, str], mode: Environment | None) -> ModesView:
        """Choose mock or paper, or take a binding away."""
        ...

    async def acknowledge(self, caller: Caller, version: str) -> ModesView:
        """Put on record that the risk text was read."""
        ...

    async def enroll(self, caller: Caller) -> Enrolment:
        """Begin the enrolment of an authenticator."""
        ...

    async def confirm(self, caller: Caller, code: str) -> ModesView:
        """Take a code."""
        ...

    async def escalate(self, caller: Caller, place: tuple[str, str], code: str) -> ModesView:
        """Take live trading up."""
        ...

    async def grant(self, caller: Caller, user_id: str) -> ModesView:
        """Let a user take the steps to live trading."""
        ...

    async def revoke(self, caller: Caller, user_id: str) -> ModesView:
        """Take the grant away."""
        ...

    async def reset_mfa(self, caller: Caller, user_id: str) -> ModesView:
        """Remove a user's authenticator."""
        ...

    async def unlock_mfa(self, caller: Caller, user_id: str) -> ModesView:
        """Let a user's codes be looked at again."""
        ...


class HaltsFace(Protocol):
    """The desk's part for halts and the kill switch."""

    async def state(self, caller: Caller, account_id: str, strategy_id: str) -> TradingStateView:
        """Show a user what is halted for it."""
        ...

    async def halt_own(self, caller: Caller, request: HaltRequest) -> Halted:
        """Halt something of the caller's."""
        ...

    async def resume_own(self, caller: Caller, request: ResumeRequest) -> TradingStateView:
        """Lift a halt that the caller has set."""
        ...

    async def kill_switch(self) -> KillSwitchView:
        """Show everything that is halted and swept."""
        ...

    async def set_kill_switch(self, caller: Caller, request: HaltRequest) -> Halted:
        """Throw the switch."""
        ...

    async def clear_kill_switch(self, caller: Caller, request: ResumeRequest) -> Sequence[Halt]:
        """Lift a halt of any cause."""
        ...

    async def halt_user(self, caller: Caller, request: HaltRequest) -> Halted:
        """Halt a user."""
        ...

    async def resume_user(self, caller: Caller, request: ResumeRequest) -> Sequence[Halt]:
        """Lift a halt of a user."""
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
    def halts(self) -> HaltsFace:
        """Halts and the kill switch."""
        ...

    def drain(self) -> None:
        """End the streams, and refuse every new mutation."""
        ...
