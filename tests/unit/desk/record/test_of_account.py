"""What the record tells an adapter of one account's orders."""

from typing import Any, cast

from brokergw.desk.record.book import OrderBook
from brokergw.desk.record.of_account import AccountRecord
from brokergw.model.lifecycle import State
from brokergw.model.whose import Whose
from brokergw.ports.journal import Journal, OrderQuery


class Row:
    """As much of an order as is looked at."""

    def __init__(self, number: int, symbol: str, *broker_ids: str, state: State = State.WORKING) -> None:
        self.order_id = f"ord_{number:05}"
        self.user_id, self.account_id = "u", "a"
        self.version, self.broker_order_ids, self.state = 1, broker_ids, state
        self.broker_order_id = broker_ids[-1] if broker_ids else ""
        self.broker_client_order_id = f"gw-{number}"
        self.terms = type("Terms", (), {"symbol": symbol})


class Pages:
    """A journal of open and ended orders that counts what it is asked."""

    shared = False

    def __init__(self, newest: list[Row], opened: list[Row]) -> None:
        self._newest, self._open = newest, opened
        self.asked: list[OrderQuery] = []

    async def orders(self, query: OrderQuery) -> list[Row]:
        """Give a page, newest first."""
        self.asked.append(query)
        rows = self._open if query.open_only else self._newest
        later = [row for row in rows if not query.after_order_id or row.order_id < query.after_order_id]
        return later[: query.limit]

    async def order_by_broker_id(self, user_id: str, account_id: str, broker_id: str, client_id: str) -> Any:
        """Find an order by the id it was sent under."""
        rows = (
            row for row in self._newest if client_id == row.broker_client_order_id or broker_id in row.broker_order_ids
        )
        return next(rows, None)

    async def open_orders(self, _: Whose, account_id: str, states: frozenset[State]) -> list[Row]:
        """List an account's open orders in some states."""
        return [row for row in self._open if row.account_id == account_id and row.state in states]


def record(pages: Pages) -> AccountRecord:
    """Make the record of an account."""
    journal = cast("Journal", pages)
    return AccountRecord(journal, OrderBook(journal).by_broker, "u", "a")


async def test_an_order_tells_its_symbol_by_the_id_it_was_sent_under() -> None:
    """A known client order id has a symbol, an unknown one has none."""
    pages = Pages([cast("Any", Row(1, "BTC/USDT"))], [])
    assert await record(pages).symbol_of("gw-1") == "BTC/USDT"
    assert await record(pages).symbol_of("gw-2") == ""


async def test_every_open_orders_symbol_is_told() -> None:
    """Open orders are read to their end, page by page, beside the newest of all."""
    opened = [Row(2000 - number, f"S{number}/USDT") for number in range(1000)]
    pages = Pages([Row(3000, "NEW/USDT"), Row(2999, "")], opened)
    symbols = await record(pages).symbols()
    assert len(symbols) == 1001
    assert "NEW/USDT" in symbols
    assert "" not in symbols
    assert len(pages.asked) == 4
    assert all(query.account_ids == ("a",) for query in pages.asked)


async def test_an_order_tells_its_generations_by_any_of_its_ids() -> None:
    """A broker's id leads to all ids of its order, oldest first; one that no order has leads to none."""
    pages = Pages([Row(1, "AAPL", "b-1", "b-2"), Row(2, "AAPL", "b-3")], [])
    for name in ("b-1", "b-2"):
        assert await record(pages).generations(name) == ("b-1", "b-2")
    assert await record(pages).generations("b-3") == ("b-3",)
    assert not await record(pages).generations("b-4")


async def test_what_may_be_at_the_broker_without_an_id_is_named_by_its_symbol() -> None:
    """An order on its way or in doubt is unnamed until the broker has given it an id; one that works never is."""
    opened = [
        Row(1, "SENT", state=State.SENDING),
        Row(2, "ASKED", state=State.CONFIRM_PENDING),
        Row(3, "DOUBTED", state=State.IN_DOUBT),
        Row(4, "ABSENT", state=State.RESOLVED_ABSENT),
        Row(5, "JUDGED", state=State.MANUAL),
        Row(6, "KNOWN", "b-6", state=State.IN_DOUBT),
        Row(7, "WORKS", "b-7"),
    ]
    assert await record(Pages([], opened)).unnamed() == {"SENT", "ASKED", "DOUBTED", "ABSENT", "JUDGED"}
