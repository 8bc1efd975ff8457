"""What the record tells an adapter of one account's orders."""

from typing import Any, cast

from brokergw.desk.record.book import OrderBook
from brokergw.desk.record.of_account import AccountRecord
from brokergw.ports.journal import Journal, OrderQuery


class Row:
    """As much of an order as is looked at."""

    def __init__(self, number: int, symbol: str) -> None:
        self.order_id = f"ord_{number:05}"
        self.user_id, self.account_id = "u", "a"
        self.version, self.broker_order_ids = 1, ()
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
        return next((row for row in self._newest if row.broker_client_order_id == client_id), None)


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
