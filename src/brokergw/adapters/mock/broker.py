"""The mock broker itself: one exchange for all its connections, its memory, its ticker, and who listens."""

import asyncio
import hashlib
import logging
from collections import deque
from pathlib import Path

from brokergw.adapters.mock.adapter import MockConnection
from brokergw.adapters.mock.capabilities import ASSET_CLASSES, MOCK
from brokergw.adapters.mock.config import MockConfig
from brokergw.adapters.mock.journal import JournalUnusable, MockJournal
from brokergw.exchange import LISTINGS, EventKind, Exchange, ExchangeEvent
from brokergw.model.capability import Capabilities
from brokergw.ports.broker import BrokerLink
from brokergw.ports.clock import Clock

_log = logging.getLogger(__name__)


class Feed:
    """The events of one account for one subscriber, in order; `None` ends it."""

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self._events: deque[ExchangeEvent | None] = deque()
        self._arrived = asyncio.Event()

    def put(self, event: ExchangeEvent | None) -> None:
        """Add an event."""
        self._events.append(event)
        self._arrived.set()

    async def next(self) -> ExchangeEvent | None:
        """Wait for the next event."""
        while not self._events:
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()


class MockBroker:
    """Opens connections to one in-process exchange; each connection's account id is an account there.

    Raises JournalUnusable when the configured journal is damaged, of another format, or in use.
    """

    def __init__(self, *, clock: Clock, config: MockConfig | None = None) -> None:
        self.clock = clock
        self.config = config or MockConfig()
        self.exchange = Exchange(
            seed=self.config.seed,
            now_ns=clock.now_ns,
            listings=tuple(listing for listing in LISTINGS if listing.asset_class in ASSET_CLASSES),
            always_open=self.config.always_open,
            fee_rate=self.config.fee_rate,
            settle_delay_ns=round(self.config.settle_delay_s * 1_000_000_000),
            refuse_wash_trades=self.config.refuse_wash_trades,
            # A gateway may remember orders of a life that the exchange has forgotten; their ids must not return.
            id_salt=str(clock.now_ns()),
        )
        self._journal = None if self.config.journal_path is None else self._remember(self.config.journal_path)
        self._accounts = {opening.account_id for opening in self.exchange.state().accounts}
        self._connections: set[MockConnection] = set()
        self._feeds: dict[str, tuple[Feed, ...]] = {}
        self._ticker: asyncio.Task[None] | None = None
        self.exchange.listen(self._tell, every_change=True)

    @property
    def capabilities(self) -> Capabilities:
        """What this broker can do."""
        return MOCK

    def open(self, link: BrokerLink) -> MockConnection:
        """Make an adapter for a connection, and its account when it is new."""
        self._open_account(link.account_id)
        connection = MockConnection(self, link)
        self._connections.add(connection)
        return connection

    def close(self) -> None:
        """Stop ticking and give the journal free; raises OSError when its rest could not be written."""
        for connection in list(self._connections):
            self.leave(connection)
        if self._journal is not None:
            journal, self._journal = self._journal, None
            journal.close()

    def leave(self, connection: MockConnection) -> None:
        """Forget a connection; the last one stops the ticker."""
        self._connections.discard(connection)
        if not self._connections and self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    def refuses(self, client_order_id: str) -> bool:
        """Tell whether chance refuses an order: always the same for the same seed and id."""
        if not self.config.reject_rate:
            return False
        digest = hashlib.blake2b(f"{self.config.seed}|{client_order_id}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) < self.config.reject_rate * (1 << 64)

    def keep(self) -> None:
        """Make the record of what just happened; raises OSError when that failed."""
        if self._journal is not None:
            self._journal.flush()

    def wake(self) -> None:
        """Start the ticker when there is something to tick for."""
        if (self._ticker is None or self._ticker.done()) and self._connections and self.exchange.has_resting_orders:
            self._ticker = asyncio.get_running_loop().create_task(self._tick())

    def watch(self, account_id: str) -> Feed:
        """Begin to collect the events of an account."""
        feed = Feed(account_id)
        self._feeds[account_id] = (*self._feeds.get(account_id, ()), feed)
        return feed

    def unwatch(self, feed: Feed) -> None:
        """Stop collecting."""
        rest = tuple(each for each in self._feeds.get(feed.account_id, ()) if each is not feed)
        if rest:
            self._feeds[feed.account_id] = rest
        else:
            self._feeds.pop(feed.account_id, None)

    def _remember(self, path: Path) -> MockJournal:
        journal = MockJournal(path)
        try:
            self.exchange.recover(journal.state)
            journal.begin()
        except ValueError as error:
            journal.close()
            raise JournalUnusable(path, f"contradicts itself: {error}") from error
        except OSError:
            journal.close()
            raise
        return journal

    def _open_account(self, account_id: str) -> None:
        if account_id in self._accounts:
            return
        config = self.config
        self.exchange.open_account(
            account_id, cash=config.starting_cash, multiplier=config.multiplier, shorting=config.shorting
        )
        self._accounts.add(account_id)
        if self._journal is not None:
            self._journal.opened(self.exchange.opening(account_id))
            self._journal.flush()

    def _tell(self, event: ExchangeEvent) -> None:
        if self._journal is not None:
            self._journal.note(event)
        # A trail moves with every tick; nobody but the journal needs to know.
        if event.kind is not EventKind.TRAILED:
            for feed in self._feeds.get(event.order.account_id, ()):
                feed.put(event)

    async def _tick(self) -> None:
        while self.exchange.has_resting_orders:
            await self.clock.sleep(self.config.tick_interval_s)
            try:
                self.exchange.tick()
                self.keep()
            except OSError:
                # The market must go on; what a failed write left over is written with the next.
                _log.exception("the mock broker could not write its journal")
