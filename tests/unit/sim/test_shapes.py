"""The JSON shapes of Alpaca, field by field where the facts give them."""

from tests.fixtures.sim_wire import MakeWire, Wire

ORDER_FIELDS = [
    "id",
    "client_order_id",
    "created_at",
    "updated_at",
    "submitted_at",
    "filled_at",
    "expired_at",
    "expires_at",
    "canceled_at",
    "failed_at",
    "replaced_at",
    "replaced_by",
    "replaces",
    "asset_id",
    "symbol",
    "asset_class",
    "notional",
    "qty",
    "filled_qty",
    "filled_avg_price",
    "order_class",
    "order_type",
    "type",
    "side",
    "position_intent",
    "time_in_force",
    "limit_price",
    "stop_price",
    "status",
    "extended_hours",
    "legs",
    "trail_percent",
    "trail_price",
    "hwm",
    "subtag",
    "source",
]
POSITION_FIELDS = [
    "asset_id",
    "symbol",
    "exchange",
    "asset_class",
    "asset_marginable",
    "qty",
    "qty_available",
    "avg_entry_price",
    "side",
    "market_value",
    "cost_basis",
    "unrealized_pl",
    "unrealized_plpc",
    "unrealized_intraday_pl",
    "unrealized_intraday_plpc",
    "current_price",
    "lastday_price",
    "change_today",
]
REMOVED = {"pattern_day_trader", "daytrade_count", "daytrading_buying_power"}
CALL = "AAPL270115C00230000"


async def test_an_order_has_every_field_in_order(wire: Wire) -> None:
    """All 36 fields are there, nulls explicit, numbers as texts."""
    order = await wire.placed(qty=None, notional=5)
    assert list(order) == ORDER_FIELDS
    assert (order["notional"], order["qty"], order["filled_qty"]) == ("5", None, "0")
    assert (order["status"], order["order_class"], order["position_intent"]) == ("pending_new", "", "buy_to_open")
    assert order["expires_at"] == "2027-01-16T00:00:00Z"


async def test_a_simple_option_order_says_so(wire: Wire) -> None:
    """The class of a single order is empty for shares and `simple` for options."""
    order = await wire.placed(symbol=CALL, type="limit", limit_price=1)
    assert (order["order_class"], order["asset_class"]) == ("simple", "us_option")


async def test_a_trailing_stop_shows_its_mark(wire: Wire) -> None:
    """The high-water mark and the stop move with the price."""
    await wire.placed(qty=2)
    order = await wire.placed(qty=2, side="sell", type="trailing_stop", trail_price=10)
    wire.price("210")
    shown = await wire.found(order["id"])
    assert (shown["hwm"], shown["stop_price"], shown["trail_price"]) == ("210", "200", "10")


async def test_a_position_has_every_field(wire: Wire) -> None:
    """All 18 fields are there, a short one with a negative quantity."""
    await wire.placed(qty=3, side="sell")
    position = (await wire.ask("GET", "/v2/positions/AAPL")).document
    assert list(position) == POSITION_FIELDS
    assert (position["qty"], position["side"], position["market_value"]) == ("-3", "short", "-600")
    assert (position["unrealized_pl"], position["cost_basis"]) == ("-0.06", "-599.94")


async def test_the_old_account_can_be_shown(make_wire: MakeWire) -> None:
    """The day-trading fields are gone unless the profile asks for them."""
    assert not REMOVED & set((await (await make_wire()).ask("GET", "/v2/account")).document)
    old = await make_wire(legacy_account_fields=True)
    assert set((await old.ask("GET", "/v2/account")).document) > REMOVED


async def test_closing_everything_reports_what_stood_in_the_way(wire: Wire) -> None:
    """A position whose shares an order holds is refused in its row, the others are closed."""
    await wire.placed(qty=2)
    await wire.placed(symbol="KO", qty=1)
    await wire.placed(qty=2, side="sell", type="limit", limit_price=250)
    reply = await wire.ask("DELETE", "/v2/positions")
    rows = {row["symbol"]: row for row in reply.document}
    assert (reply.status, rows["KO"]["status"], rows["KO"]["body"]["side"]) == (207, 200, "sell")
    assert rows["AAPL"]["status"] == 403
    assert rows["AAPL"]["body"]["available"] == "0"
    again = await wire.ask("DELETE", "/v2/positions", cancel_orders="True")
    assert [row["status"] for row in again.document] == [200]
    assert (await wire.ask("GET", "/v2/positions")).document == []


async def test_coins_are_found_with_and_without_their_slash(wire: Wire) -> None:
    """Positions say BTCUSD, orders BTC/USD; both find it, percent-encoded or not."""
    await wire.placed(symbol="BTC/USD", qty="0.5", time_in_force="gtc")
    for path in ("/v2/positions/BTCUSD", "/v2/positions/BTC%2FUSD", "/v2/positions/BTC/USD"):
        assert (await wire.ask("GET", path)).document["symbol"] == "BTCUSD"
    assert (await wire.ask("GET", "/v2/assets/BTC%2FUSD")).document["symbol"] == "BTC/USD"
    assert (await wire.placed(symbol="BTCUSD", qty="0.1", time_in_force="ioc"))["symbol"] == "BTC/USD"


async def test_the_fee_on_coins_is_an_activity(wire: Wire) -> None:
    """25 basis points are kept in coins on a buy and in money on a sale, each with a CFEE row."""
    wire.price("1000", "ETH/USD")
    await wire.placed(symbol="ETH/USD", qty=2, time_in_force="gtc")
    await wire.placed(symbol="ETH/USD", qty=1, side="sell", time_in_force="gtc")
    fees = (await wire.ask("GET", "/v2/account/activities/CFEE")).document
    assert {(row["qty"], row["net_amount"]) for row in fees} == {("-0.005", "0"), ("0", "-2.5")}
    assert (await wire.ask("GET", "/v2/positions/ETHUSD")).document["qty"] == "0.995"


async def test_a_short_sale_is_an_activity_of_its_own(wire: Wire) -> None:
    """Opening a short position is `sell_short` among the activities; partial fills say what is left."""
    await wire.placed(symbol="F", qty=6000, side="sell")
    wire.later(1)
    rows = (await wire.ask("GET", "/v2/account/activities/FILL", direction="asc")).document
    shown = [(row["type"], row["side"], row["qty"], row["cum_qty"], row["leaves_qty"]) for row in rows]
    assert shown == [
        ("partial_fill", "sell_short", "5000", "5000", "1000"),
        ("fill", "sell_short", "1000", "6000", "0"),
    ]
    assert rows[0]["id"].startswith("20270115030000000::")


async def test_equity_is_sampled_for_the_history(wire: Wire) -> None:
    """Portfolio history shows the equity of each minute, nothing before the account was opened."""
    await wire.placed(qty=100)
    wire.later(60)
    wire.price("210")
    wire.later(60)
    history = (await wire.ask("GET", "/v2/account/portfolio/history", period="1D", timeframe="1Min")).document
    assert history["equity"][-3:] == [100000.0, 99998.0, 100998.0]
    assert history["profit_loss"][-1] == 998.0
    assert history["equity"][0] == 0.0
