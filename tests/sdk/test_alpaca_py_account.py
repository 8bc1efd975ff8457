"""alpaca-py, unchanged but for its base URL, reads accounts, positions, assets, calendars and market data."""

import warnings
from datetime import UTC, date, datetime
from typing import Any

import pytest
import requests

from brokergw.sim.dialects.alpaca import AlpacaOptions
from brokergw.sim.dialects.alpaca.shapes import asset_id
from tests.fixtures.sim import SimHandle, sim_in_thread

with warnings.catch_warnings():
    # alpaca-py 0.44 still uses the old interface of websockets, which warns once, when it is imported.
    warnings.filterwarnings("ignore", message="websockets.legacy is deprecated", category=DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.data.historical import CryptoHistoricalDataClient, OptionHistoricalDataClient, StockHistoricalDataClient
    from alpaca.data.requests import (
        CryptoLatestQuoteRequest,
        CryptoSnapshotRequest,
        OptionLatestQuoteRequest,
        StockLatestQuoteRequest,
        StockLatestTradeRequest,
        StockSnapshotRequest,
    )
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import AssetClass, ContractType, OrderSide, PositionSide, TimeInForce
    from alpaca.trading.requests import (
        ClosePositionRequest,
        GetAssetsRequest,
        GetCalendarRequest,
        GetOptionContractsRequest,
        GetPortfolioHistoryRequest,
        MarketOrderRequest,
    )

BUY, SELL = OrderSide.BUY, OrderSide.SELL


@pytest.fixture
def client(alpaca_sim_thread: SimHandle) -> TradingClient:
    """The SDK against a simulator with AAPL at 200."""
    sim = alpaca_sim_thread
    sim.control("POST", "price", {"symbol": "AAPL", "price": "200"})
    return TradingClient(sim.key_id, sim.secret_key, url_override=sim.url)


def trade(client: TradingClient, symbol: str, quantity: float, side: OrderSide = BUY) -> None:
    """Trade at the market."""
    time_in_force = TimeInForce.GTC if "/" in symbol else TimeInForce.DAY
    client.submit_order(MarketOrderRequest(symbol=symbol, qty=quantity, side=side, time_in_force=time_in_force))


def test_the_account_shows_its_money(client: TradingClient) -> None:
    """Cash, equity and buying power follow a trade; the day-trading fields are gone."""
    before: Any = client.get_account()
    assert (before.cash, before.equity, before.buying_power, before.multiplier) == ("100000", "100000", "400000", "4")
    assert (before.status.value, before.pattern_day_trader, before.daytrade_count) == ("ACTIVE", None, None)
    trade(client, "AAPL", 10)
    after: Any = client.get_account()
    assert (after.cash, after.long_market_value, after.equity) == ("97999.8", "2000", "99999.8")


def test_the_configuration_can_be_changed(client: TradingClient) -> None:
    """A changed configuration is shown, and it holds: without shorting, a short sale is refused."""
    configuration: Any = client.get_account_configurations()
    assert configuration.no_shorting is False
    configuration.no_shorting = True
    changed: Any = client.set_account_configurations(configuration)
    assert changed.no_shorting is True
    with pytest.raises(APIError) as refused:
        trade(client, "AAPL", 1, SELL)
    assert (refused.value.status_code, refused.value.message) == (403, "account is not allowed to short")


def test_positions_are_listed_long_and_short(client: TradingClient) -> None:
    """Positions carry their side, signed quantity, cost and price; crypto loses its slash."""
    trade(client, "AAPL", 10)
    trade(client, "MSFT", 2, SELL)
    trade(client, "BTC/USD", 0.5)
    positions: Any = client.get_all_positions()
    shown = {position.symbol: position for position in positions}
    assert {symbol: position.qty for symbol, position in shown.items()} == {
        "AAPL": "10",
        "MSFT": "-2",
        "BTCUSD": "0.49875",
    }
    assert (shown["MSFT"].side, shown["AAPL"].side) == (PositionSide.SHORT, PositionSide.LONG)
    apple: Any = client.get_open_position("AAPL")
    assert (apple.avg_entry_price, apple.cost_basis, apple.current_price) == ("200.02", "2000.2", "200")
    by_asset: Any = client.get_open_position(apple.asset_id)
    assert by_asset.symbol == "AAPL"
    with pytest.raises(APIError) as refused:
        client.get_open_position("KO")
    assert (refused.value.status_code, refused.value.message) == (404, "position does not exist")


def test_a_position_is_closed_in_parts_and_whole(client: TradingClient) -> None:
    """A quantity, a percentage, or everything is closed by a market order the other way."""
    trade(client, "AAPL", 10)
    order: Any = client.close_position("AAPL", ClosePositionRequest(qty="4"))
    assert (order.side, order.qty) == (SELL, "4")
    part: Any = client.close_position("AAPL", ClosePositionRequest(percentage="50"))
    assert part.qty == "3"
    rest: Any = client.close_position("AAPL")
    assert rest.qty == "3"
    assert client.get_all_positions() == []


def test_everything_is_closed_at_once(client: TradingClient) -> None:
    """Closing all gives a row with an order for each position, or the error that stood in the way."""
    trade(client, "AAPL", 10)
    trade(client, "MSFT", 2, SELL)
    rows: Any = client.close_all_positions(cancel_orders=True)
    assert {(row.symbol, row.status, row.body.side) for row in rows} == {("AAPL", 200, SELL), ("MSFT", 200, BUY)}
    assert client.get_all_positions() == []


def test_assets_are_listed_and_found(client: TradingClient) -> None:
    """Assets are filtered by class and found by symbol, by pair and by id."""
    coins: Any = client.get_all_assets(GetAssetsRequest(asset_class=AssetClass.CRYPTO))
    assert {asset.symbol for asset in coins} >= {"BTC/USD", "ETH/USD"}
    assert all(asset.min_order_size is not None for asset in coins)
    shares: Any = client.get_all_assets()
    assert {asset.asset_class for asset in shares} == {AssetClass.US_EQUITY}
    found: list[Any] = [client.get_asset(name) for name in ("AAPL", "BTC/USD", asset_id("SPY"))]
    assert [asset.symbol for asset in found] == ["AAPL", "BTC/USD", "SPY"]
    halted: Any = client.get_asset("HALT")
    assert halted.tradable is False
    with pytest.raises(APIError) as refused:
        client.get_asset("ZZZZ")
    assert refused.value.message == "asset not found for ZZZZ"


def test_option_contracts_are_listed_and_found(client: TradingClient) -> None:
    """Contracts are filtered by underlying and type and spell out what their symbols say."""
    answer: Any = client.get_option_contracts(
        GetOptionContractsRequest(underlying_symbols=["AAPL"], type=ContractType.CALL)
    )
    assert [contract.symbol for contract in answer.option_contracts] == ["AAPL270115C00230000"]
    contract: Any = client.get_option_contract("AAPL270115C00230000")
    assert (contract.strike_price, contract.expiration_date, contract.size) == (230.0, date(2027, 1, 15), "100")


def test_clock_and_calendar_keep_new_york_days(client: TradingClient) -> None:
    """The calendar leaves out holidays and knows early closes; the clock is open while the market is held open."""
    days: Any = client.get_calendar(GetCalendarRequest(start=date(2026, 11, 23), end=date(2026, 11, 30)))
    assert [day.date.day for day in days] == [23, 24, 25, 27, 30]
    assert [day.close.hour for day in days] == [16, 16, 16, 13, 16]
    clock: Any = client.get_clock()
    assert clock.is_open is True
    assert clock.timestamp < clock.next_close
    assert abs((clock.timestamp - datetime.now(UTC)).total_seconds()) < 60


def test_portfolio_history_has_one_point_for_each_window(client: TradingClient) -> None:
    """Equity, profit and times come in equally long lists."""
    history: Any = client.get_portfolio_history(GetPortfolioHistoryRequest(period="1D", timeframe="1Min"))
    assert history.timeframe == "1Min"
    assert len(history.timestamp) == len(history.equity) == len(history.profit_loss) > 1000
    assert history.base_value == 100_000.0


def test_activities_page_by_the_last_id(client: TradingClient, alpaca_sim_thread: SimHandle) -> None:
    """Fills and other activities are listed newest first, by type, in pages (the SDK has no method for them)."""
    for quantity in (1, 2, 3):
        trade(client, "AAPL", quantity)
    sim = alpaca_sim_thread
    headers = {"APCA-API-KEY-ID": sim.key_id, "APCA-API-SECRET-KEY": sim.secret_key}

    def get(path: str = "", **query: str) -> Any:
        answer = requests.get(f"{sim.url}/v2/account/activities{path}", params=query, headers=headers, timeout=5)
        assert answer.status_code == 200
        return answer.json()

    fills = get("/FILL")
    assert [(row["qty"], row["price"], row["type"], row["leaves_qty"]) for row in fills] == [
        ("3", "200.02", "fill", "0"),
        ("2", "200.02", "fill", "0"),
        ("1", "200.02", "fill", "0"),
    ]
    first = get(activity_types="FILL", page_size="2")
    assert first == fills[:2]
    assert get(activity_types="FILL", page_size="2", page_token=first[-1]["id"]) == fills[2:]
    others = get(category="non_trade_activity")
    assert [(row["activity_type"], row["net_amount"]) for row in others] == [("JNLC", "100000")]


def test_latest_market_data_comes_in_numbers(alpaca_sim_thread: SimHandle) -> None:
    """The data clients read quotes, trades and snapshots of shares, coins and options; unknown symbols are left out."""
    sim = alpaca_sim_thread
    sim.control("POST", "price", {"symbol": "AAPL", "price": "200"})
    stocks = StockHistoricalDataClient(sim.key_id, sim.secret_key, url_override=sim.url)
    quotes: Any = stocks.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=["AAPL", "KO", "ZZZZ"]))
    assert set(quotes) == {"AAPL", "KO"}
    assert (quotes["AAPL"].bid_price, quotes["AAPL"].ask_price) == (199.98, 200.02)
    trades: Any = stocks.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="AAPL"))
    assert trades["AAPL"].price == 200.0
    snapshots: Any = stocks.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols="AAPL"))
    assert snapshots["AAPL"].daily_bar.close == 200.0
    coins = CryptoHistoricalDataClient(sim.key_id, sim.secret_key, url_override=sim.url)
    pair: Any = coins.get_crypto_latest_quote(CryptoLatestQuoteRequest(symbol_or_symbols="BTC/USD"))
    assert pair["BTC/USD"].ask_price > pair["BTC/USD"].bid_price > 0
    shots: Any = coins.get_crypto_snapshot(CryptoSnapshotRequest(symbol_or_symbols="BTC/USD"))
    assert shots["BTC/USD"].latest_quote is not None
    options = OptionHistoricalDataClient(sim.key_id, sim.secret_key, url_override=sim.url)
    symbol = "AAPL270115C00230000"
    contracts: Any = options.get_option_latest_quote(OptionLatestQuoteRequest(symbol_or_symbols=symbol))
    assert contracts[symbol].ask_price > contracts[symbol].bid_price


def test_a_wrong_key_is_refused_before_anything_else(alpaca_sim_thread: SimHandle) -> None:
    """A secret that does not fit gets 401 in Alpaca's words."""
    sim = alpaca_sim_thread
    stranger = TradingClient(sim.key_id, "wrong", url_override=sim.url)
    with pytest.raises(APIError) as refused:
        stranger.get_account()
    assert (refused.value.status_code, refused.value.message) == (401, "unauthorized.")
    assert sim.journal(path="/v2/account")[0]["status"] == 401


def test_each_key_has_an_account_of_its_own() -> None:
    """What one key buys is on its own account only, and so are its client order ids."""
    with sim_in_thread(AlpacaOptions(keys={"PKONE": "one", "PKTWO": "two"})) as sim:
        one = TradingClient("PKONE", "one", url_override=sim.url)
        two = TradingClient("PKTWO", "two", url_override=sim.url)
        for client in (one, two):
            client.submit_order(
                MarketOrderRequest(
                    symbol="AAPL", qty=1, side=BUY, time_in_force=TimeInForce.DAY, client_order_id="same"
                )
            )
        trade(one, "KO", 1)
        held: list[Any] = [one.get_all_positions(), two.get_all_positions()]
        assert [[position.symbol for position in positions] for positions in held] == [["AAPL", "KO"], ["AAPL"]]
