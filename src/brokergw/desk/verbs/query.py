"""Questions: about the record from the journal, about the account from the broker, never beyond the caller's own."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from brokergw.desk.results import Positions
from brokergw.desk.sessions import Session, Sessions
from brokergw.desk.streams.tail import Tail
from brokergw.model.account import AccountState, Connection, Position, Transaction
from brokergw.model.capability import Capabilities
from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.events import EventKind, LogEvent
from brokergw.model.instrument import Instrument, Quote
from brokergw.model.order import Fill, Order
from brokergw.model.outcome import Budget
from brokergw.model.principal import Caller
from brokergw.model.whose import only
from brokergw.ports.clock import Clock
from brokergw.ports.journal import Journal, OrderQuery


class RecordQuery:
    """Reads the record."""

    def __init__(self, journal: Journal, sessions: Sessions, tail: Tail, clock: Clock) -> None:
        self._journal = journal
        self._sessions = sessions
        self._tail = tail
        self._clock = clock

    async def order(self, caller: Caller, order_id: str) -> Order:
        """Read one order; foreign and missing answer alike."""
        return await self._own(caller, await self._journal.order(only(caller.user_id), order_id), order_id)

    async def order_by_client_id(self, caller: Caller, account_id: str, client_order_id: str) -> Order:
        """Read one order by the client's own id."""
        found = await self._journal.order_by_client_id(caller.user_id, account_id, client_order_id)
        return await self._own(caller, found, client_order_id)

    async def orders(self, caller: Caller, query: OrderQuery) -> Sequence[Order]:
        """List orders, newest first."""
        accounts = await self._accounts(caller, query.account_ids)
        if not accounts:
            # Without accounts a query is about all of the user's.
            return ()
        if caller.principal.restricted:
            query = replace(query, account_ids=tuple(accounts))
        return await self._journal.orders(replace(query, user_id=caller.user_id))

    async def order_events(self, caller: Caller, order_id: str) -> Sequence[LogEvent]:
        """List every version of an order."""
        await self.order(caller, order_id)
        events = await self._journal.order_events(caller.user_id, order_id)
        return [event for event in events if event.kind is EventKind.ORDER]

    async def fills(
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
        accounts = await self._accounts(caller, account_ids)
        return await self._journal.fills(
            caller.user_id, accounts, order_id=order_id, since_ns=since_ns, after_fill_id=after_fill_id, limit=limit
        )

    async def wait_for(self, caller: Caller, positions: Positions, timeout_s: float = 2.0) -> None:
        """Wait until the record has reached some positions, at most so long."""
        await self._accounts(caller, tuple(positions))
        until = self._clock.monotonic() + timeout_s
        with self._tail.watching(caller.user_id, positions) as bell:
            while True:
                reached = await self._journal.sequences(only(caller.user_id), tuple(positions))
                if all(reached.get(account_id, 0) >= sequence for account_id, sequence in positions.items()):
                    return
                if self._clock.monotonic() >= until:
                    raise GatewayError(
                        Reason.CURSOR_INVALID, "the record has not reached this cursor", retry_after_s=1.0
                    )
                self._tail.learn(reached)
                bell.due = until
                await bell.wait()

    async def _own(self, caller: Caller, order: Order | None, name: str) -> Order:
        if (
            order is None
            or order.user_id != caller.user_id
            or not await self._sessions.reaches(caller, order.account_id)
        ):
            raise NotFound(Reason.ORDER_NOT_FOUND, "order", name)
        return order

    async def _accounts(self, caller: Caller, account_ids: Sequence[str]) -> list[str]:
        """Resolve account ids: all of the caller's when empty, NotFound for any that is not."""
        mine = await self._sessions.connections_for(caller)
        own = [connection.account_id for connection in mine]
        for account_id in account_ids:
            if account_id not in own:
                raise NotFound(Reason.ACCOUNT_NOT_FOUND, "account", account_id)
        return list(account_ids) or own


class BrokerQuery:
    """Asks brokers."""

    def __init__(self, sessions: Sessions, clock: Clock) -> None:
        self._sessions = sessions
        self._clock = clock

    async def accounts(self, caller: Caller) -> Sequence[Connection]:
        """List the caller's accounts, oldest first."""
        return [c for c in await self._sessions.connections_for(caller) if not c.revoked]

    async def account(self, caller: Caller, account_id: str) -> tuple[Connection, AccountState]:
        """Ask for one account."""
        session = await self._sessions.usable_by(caller, account_id)
        return session.connection, await session.adapter.get_account()

    async def positions(
        self, caller: Caller, account_ids: Sequence[str], *, partial: bool
    ) -> tuple[list[tuple[Connection, Position]], list[str]]:
        """Ask for open positions; with `partial`, name the accounts that cannot be reached instead of failing."""
        sessions = await self._named(caller, account_ids)
        answers = await asyncio.gather(*(s.adapter.get_positions() for s in sessions), return_exceptions=True)
        found: list[tuple[Connection, Position]] = []
        unreachable: list[str] = []
        for session, answer in zip(sessions, answers, strict=True):
            if not isinstance(answer, BaseException):
                found.extend((session.connection, position) for position in answer if position.quantity)
            elif isinstance(answer, GatewayError) and partial:
                unreachable.append(session.connection.account_id)
            else:
                raise answer
        return found, unreachable

    async def transactions(
        self, caller: Caller, account_id: str, since_ns: int, until_ns: int
    ) -> Sequence[Transaction]:
        """Ask for an account's history."""
        session = await self._sessions.usable_by(caller, account_id)
        return await session.adapter.transactions(since_ns, until_ns)

    async def quotes(self, caller: Caller, account_id: str, symbols: Sequence[str]) -> Sequence[Quote]:
        """Ask for quotes."""
        session = await self._sessions.usable_by(caller, account_id)
        return await session.adapter.get_quotes(symbols)

    async def instrument(self, caller: Caller, account_id: str, symbol: str) -> Instrument:
        """Describe an instrument."""
        session = await self._sessions.usable_by(caller, account_id)
        instrument = await session.instrument(symbol)
        if instrument is None:
            raise NotFound(Reason.SYMBOL_NOT_FOUND, "instrument", symbol)
        return instrument

    def brokers(self) -> Sequence[Capabilities]:
        """List the brokers of the catalog."""
        return [factory.capabilities for _, factory in sorted(self._sessions.brokers.items())]

    async def ping(self, caller: Caller, connection_id: str) -> tuple[str, float]:
        """Ask a broker for a sign of life; gives the broker and the round trip in seconds."""
        session = await self._sessions.owned_by(caller, connection_id)
        session.require_usable()
        started = self._clock.monotonic()
        await session.adapter.ping()
        return session.connection.broker, self._clock.monotonic() - started

    def budgets(self, caller: Caller) -> Sequence[tuple[Connection, Budget]]:
        """Give the brokers' own request budgets, as last heard."""
        mine = (session for session in self._sessions.all_of(caller) if not session.connection.revoked)
        return [(session.connection, session.adapter.budget()) for session in mine]

    async def _named(self, caller: Caller, account_ids: Sequence[str]) -> list[Session]:
        if not account_ids:
            return await self._sessions.of_caller(caller)
        return [await self._sessions.usable_by(caller, account_id) for account_id in dict.fromkeys(account_ids)]
