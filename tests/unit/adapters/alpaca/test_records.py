import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from brokergw.adapters.alpaca import records
from brokergw.desk.hours.calendars import house_calendars
from brokergw.model.instrument import AssetClass
from brokergw.transport.rows import Unusable, read_json
from tests.fixtures.alpaca_wire import sample


def read(name: str) -> Any:
    """Read a sample as the adapter would."""
    return read_json(json.dumps(sample(name)).encode())


def test_a_fill_row_names_its_execution_by_order_and_total() -> None:
    """The identity is the order and its running total, the time is the transaction's and not the id's."""
    first, second = (records.filled_row(row) for row in read("http_get_activities_fill"))
    assert first.fill.execution_id == "0b6e8a34-2b7f-4f62-8a7d-2f2c0a4d9e01:4"
    assert second.fill.execution_id == "0b6e8a34-2b7f-4f62-8a7d-2f2c0a4d9e01:10"
    assert (first.fill.quantity, first.fill.price, first.leaves_quantity) == (Decimal(4), Decimal("180.2"), Decimal(6))
    assert first.fill.trade_time_ns == 1_791_472_219_100_000_000


def test_one_execution_has_one_identity_however_its_total_is_written() -> None:
    """`4`, `4.0` and `4.000000000` are the same total."""
    assert {records.execution_id("o", Decimal(written)) for written in ("4", "4.0", "4.000000000")} == {"o:4"}


def test_activities_become_transactions() -> None:
    """Fills, dividends, deposits and kinds of tomorrow are told with signs and times as Alpaca gives them."""
    fill, dividend, deposit, new = (records.transaction(row) for row in read("http_get_activities"))
    assert (fill.kind, fill.quantity, fill.price, fill.net_amount) == ("FILL", Decimal(-6), Decimal("180.1"), None)
    assert fill.broker_order_id == "0b6e8a34-2b7f-4f62-8a7d-2f2c0a4d9e01"
    assert (dividend.kind, dividend.broker_kind, dividend.net_amount) == ("DIVIDEND", "DIVNRA", Decimal("-0.35"))
    assert dividend.time_ns == 1_791_331_200_000_000_000
    assert (deposit.kind, deposit.net_amount, deposit.time_ns) == ("DEPOSIT", Decimal(1000), 1_791_293_400_500_000_000)
    assert (new.kind, new.broker_kind) == ("OTHER", "NEWKIND")


def test_a_stock_has_two_price_bands_and_a_fractional_step() -> None:
    """Prices of a dollar and more move in cents, below in hundredths of a cent; fractions go to nine decimals."""
    stock = records.instrument(read("http_get_asset_stock"))
    assert stock.tick_at(Decimal("0.99")) == Decimal("0.0001")
    assert stock.tick_at(Decimal(1)) == Decimal("0.01")
    assert (stock.quantity_step, stock.notional_min) == (Decimal("1e-9"), Decimal(1))
    assert (stock.asset_class, stock.venue, stock.tradable, stock.shortable) == (AssetClass.STOCK, "NYSE", True, True)


def test_a_stock_that_is_not_fractionable_trades_in_whole_shares() -> None:
    """Without fractions the step is one share and there is no notional order."""
    stock = records.instrument(read("http_get_asset_stock") | {"fractionable": False})
    assert (stock.quantity_step, stock.quantity_min, stock.notional_min) == (Decimal(1), Decimal(1), None)


def test_a_crypto_pair_has_its_own_increments() -> None:
    """Price and quantity steps of a pair are the asset's, its currency the second half of its name."""
    pair = records.instrument(read("http_get_asset_crypto"))
    assert (pair.symbol, pair.currency, pair.asset_class) == ("BTC/USD", "USD", AssetClass.CRYPTO)
    assert pair.tick_at(Decimal(50_000)) == Decimal("0.01")
    assert (pair.quantity_step, pair.quantity_min) == (Decimal("1e-9"), Decimal("0.00001"))
    assert not pair.shortable


def test_an_option_contract_trades_in_whole_contracts() -> None:
    """Contracts move in cents and are not divisible."""
    contract = records.contract(read("http_get_option_contract"))
    assert (contract.asset_class, contract.quantity_step) == (AssetClass.OPTION, Decimal(1))
    assert contract.tradable


@pytest.mark.parametrize("changes", [{"tradable": False}, {"status": "inactive"}])
def test_an_asset_halted_or_inactive_is_not_tradable(changes: dict[str, Any]) -> None:
    """Both of Alpaca's ways to take an asset out of trading count."""
    assert not records.instrument(read("http_get_asset_stock") | changes).tradable


def test_a_zero_bid_or_ask_is_none() -> None:
    """Zero means that nobody quotes; the other side stands."""
    quotes = read("http_get_quotes_stocks")["quotes"]
    whole, half = records.quote("AAPL", quotes["AAPL"]), records.quote("TSLA", quotes["TSLA"])
    assert (whole.bid, whole.ask, whole.bid_size, whole.ask_size) == (
        Decimal("172.62"),
        Decimal("172.7"),
        Decimal(2),
        Decimal(1),
    )
    assert whole.time_ns == 1_791_472_218_094_153_596
    assert (half.bid, half.ask, half.ask_size) == (Decimal("250.1"), None, None)


def test_the_market_clock_reads_new_york_offsets() -> None:
    """Times with an offset become the same instants in UTC."""
    clock = records.market_clock(read("http_get_clock"))
    assert clock.is_open
    assert clock.time_ns == 1_791_472_522_500_000_000
    assert clock.next_close_ns == 1_791_489_600_000_000_000


def test_a_quote_without_prices_is_unusable() -> None:
    """A quote that lacks its prices is no quote."""
    with pytest.raises(Unusable):
        records.quote("AAPL", {"t": "2026-10-08T15:10:18Z"})


def test_a_calendar_day_has_three_sessions_by_new_yorks_clocks() -> None:
    """Extended hours surround the regular session; on a short day they end early too."""
    row = {"date": "2026-11-27", "open": "09:30", "close": "13:00", "session_open": "0400", "session_close": "1700"}
    day = records.market_day(row)
    assert day == house_calendars()["XNYS"].day(date(2026, 11, 27))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("date", "27.11.2026"),
        ("open", "9:30"),
        ("open", "09:60"),
        ("close", "24:01"),
        ("close", "09:29"),
        ("session_open", ""),
        ("session_close", "12:00"),
    ],
)
def test_a_calendar_day_that_cannot_be_is_unusable(name: str, value: str) -> None:
    """Nothing is guessed of a day whose times make no sense."""
    row = {"date": "2026-11-27", "open": "09:30", "close": "13:00", "session_open": "0400", "session_close": "1700"}
    with pytest.raises(Unusable):
        records.market_day({**row, name: value})


def test_a_market_clock_whose_change_is_over_is_unusable() -> None:
    """A clock that is open until a moment ago says nothing of now."""
    row = read("http_get_clock")
    opens = row["next_open"] if not row["is_open"] else row["next_close"]
    with pytest.raises(Unusable):
        records.market_clock({**row, "timestamp": opens})
