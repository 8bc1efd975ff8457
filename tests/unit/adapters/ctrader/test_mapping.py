"""Orders, positions, deals and the account in canonical terms, over recorded rows."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokergw.adapters.ctrader import mapping, payloads
from brokergw.adapters.ctrader.mapping import order_body
from brokergw.adapters.ctrader.messages import Kind
from brokergw.adapters.ctrader.payloads import read_frame, write_frame
from brokergw.adapters.ctrader.symbols import Details
from brokergw.model.instrument import AssetClass
from brokergw.model.lifecycle import State
from brokergw.model.order import Fee
from brokergw.model.outcome import Absent, Found, Rejected
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import Change
from brokergw.transport.rows import Unsupported, Unusable
from tests.fixtures.ctrader_wire import CTID, error, sample, scripted
from tests.fixtures.permits import permit

EURUSD = Details(digits=5, step=Decimal(1000), least=Decimal(1000), shortable=True, tradable=True)
MINUTE_NS = 60 * 10**9


def order_row(**changes: Any) -> dict[str, Any]:
    """Give the recorded order with changes; those of `tradeData` by their names there."""
    row: dict[str, Any] = dict(sample("ws_execution_accepted")["payload"]["order"])
    inner = {name: changes.pop(name) for name in ("volume", "symbolId", "tradeSide") if name in changes}
    merged = row | changes | {"tradeData": row["tradeData"] | inner}
    return {name: value for name, value in merged.items() if value is not None}


def terms(**changes: Any) -> OrderTerms:
    """Make a limit order for a thousand euros, with changes."""
    base: dict[str, Any] = {
        "symbol": "EUR/USD",
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "quantity": Decimal(1000),
        "limit_price": Decimal("1.08123"),
    }
    return OrderTerms(**(base | changes))


async def read(row: dict[str, Any]) -> Any:
    """Read an order as the connection does."""
    async with scripted() as (broker, opened):
        broker.on(Kind.ORDER_DETAILS_REQ, [(Kind.ORDER_DETAILS_RES, {"order": row, "deal": []})])
        found = await opened.get_order(str(row["orderId"]))
        assert isinstance(found, Found), found
        return found.order


async def test_a_recorded_order_is_read_in_units() -> None:
    """Volume counts hundredths, times are milliseconds, the symbol is the pair's."""
    order = await read(order_row())
    assert order.terms == terms()
    assert (order.broker_order_id, order.client_order_id, order.state) == ("101", "abc", State.WORKING)
    assert order.submit_time_ns == order.update_time_ns == 1_735_689_600_000_000_000
    assert order.average_price is None


@pytest.mark.parametrize(
    ("status", "executed", "state"),
    [
        (1, None, State.WORKING),
        (1, 50_000, State.PARTIAL),
        (2, 100_000, State.FILLED),
        (3, None, State.REJECTED_BY_BROKER),
        (4, 50_000, State.EXPIRED),
        (5, None, State.CANCELED),
    ],
)
async def test_states_are_those_of_the_table(status: int, executed: int | None, state: State) -> None:
    """Each documented status is one state; what has traded tells partly filled from working."""
    order = await read(order_row(orderStatus=status, executedVolume=executed))
    assert order.state is state
    assert order.cum_quantity == Decimal(executed or 0) / 100


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"orderType": 1, "limitPrice": None, "timeInForce": 3}, (OrderType.MARKET, None, None)),
        ({"orderType": 3, "limitPrice": None, "stopPrice": 1.1}, (OrderType.STOP, None, Decimal("1.1"))),
        (
            {"orderType": 6, "limitPrice": None, "stopPrice": 1.1, "slippageInPoints": 50},
            (OrderType.STOP_LIMIT, Decimal("1.1005"), Decimal("1.1")),
        ),
        (
            {"orderType": 6, "limitPrice": None, "stopPrice": 1.1, "slippageInPoints": 50, "tradeSide": 2},
            (OrderType.STOP_LIMIT, Decimal("1.0995"), Decimal("1.1")),
        ),
        (
            {"orderType": 5, "limitPrice": None, "baseSlippagePrice": 1.1, "slippageInPoints": 10},
            (OrderType.LIMIT, Decimal("1.1001"), None),
        ),
        ({"orderType": 4, "stopPrice": 1.07, "limitPrice": None}, (OrderType.STOP, None, Decimal("1.07"))),
        ({"orderType": 4, "limitPrice": 1.12}, (OrderType.LIMIT, Decimal("1.12"), None)),
    ],
)
async def test_types_are_read_with_their_prices(changes: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """A stop-limit's limit is so many points from its stop, on the side that it trades."""
    read_terms = (await read(order_row(**changes))).terms
    assert (read_terms.type, read_terms.limit_price, read_terms.stop_price) == expected


@pytest.mark.parametrize(
    "changes", [{"orderStatus": 6}, {"orderType": 7}, {"timeInForce": 5}, {"tradeSide": 3}, {"volume": "x"}]
)
async def test_what_is_not_documented_is_never_guessed(changes: dict[str, Any]) -> None:
    """An unknown number makes a look-up inconclusive."""
    async with scripted() as (broker, opened):
        row = order_row(**changes)
        broker.on(Kind.ORDER_DETAILS_REQ, [(Kind.ORDER_DETAILS_RES, {"order": row})])
        assert type(await opened.get_order("101")).__name__ == "Inconclusive"


@pytest.mark.parametrize(
    ("code", "known"), [("ORDER_NOT_FOUND", True), ("ENTITY_NOT_FOUND", True), ("NO_QUOTES", False)]
)
async def test_only_a_not_found_is_absent(code: str, known: bool) -> None:  # noqa: FBT001 - a case
    """Absent is what the broker says is not found, and nothing else."""
    async with scripted() as (broker, opened):
        broker.on(Kind.ORDER_DETAILS_REQ, error(code))
        assert (await opened.get_order("101") == Absent()) is known


def test_a_deal_is_an_execution_with_its_commission() -> None:
    """A deal's id names the execution; what is taken from the balance is a fee."""
    fill = mapping.fill(read_frame(json.dumps(sample("ws_execution_filled"))).payload["deal"], "USD")
    assert fill is not None
    assert (fill.execution_id, fill.quantity, fill.price) == ("9001", Decimal(1000), Decimal("1.0812"))
    assert fill.fees == (Fee(Decimal("0.07"), "USD", "COMMISSION"),)
    assert fill.trade_time_ns == 1_735_689_601_500_000_000


@pytest.mark.parametrize("status", [1, 4, 5, 6, 7])
def test_a_deal_that_came_to_nothing_is_no_execution(status: int) -> None:
    """Rejected, failed and missed deals are none."""
    assert mapping.fill(sample("ws_execution_filled")["payload"]["deal"] | {"dealStatus": status}, "USD") is None


async def test_hedged_positions_are_one_by_their_sum() -> None:
    """Positions of a symbol are summed, open orders against them are not available, and opposed ones cancel out."""
    async with scripted() as (broker, opened):
        broker.on(Kind.RECONCILE_REQ, [(Kind.RECONCILE_RES, sample("ws_reconcile_hedged"))])
        profits = [{"positionId": number, "grossUnrealizedPnL": 9, "netUnrealizedPnL": 100} for number in (501, 502)]
        broker.on(Kind.UNREALIZED_REQ, [(Kind.UNREALIZED_RES, {"positionUnrealizedPnL": profits, "moneyDigits": 2})])
        euro, gold, yen = await opened.get_positions()
        orders = await opened.get_open_orders()
    assert (euro.symbol, euro.quantity, euro.available_quantity) == ("EUR/USD", Decimal(4000), Decimal(2500))
    assert (euro.average_price, euro.unrealized_profit) == (Decimal("1.0815"), Decimal(2))
    assert (gold.symbol, gold.asset_class, gold.quantity) == ("XAUUSD", AssetClass.CFD, Decimal(-5))
    assert (gold.unrealized_profit, gold.available_quantity) == (None, Decimal(5))
    assert [(part.part_id, part.quantity) for part in euro.parts] == [("501", Decimal(1000)), ("502", Decimal(3000))]
    # Dollars against yen come to nothing, and are two positions all the same; gold is one.
    assert (yen.quantity, [part.quantity for part in yen.parts]) == (Decimal(0), [Decimal(-1000), Decimal(1000)])
    assert gold.parts == ()
    # The stop-loss of a position is no order of its own.
    assert [order.broker_order_id for order in orders] == ["110"]


async def test_equity_is_the_balance_and_every_position_s_profit() -> None:
    """Equity, free margin and buying power follow from balance, profits, used margin and leverage."""
    held = sample("ws_reconcile_hedged") | {"position": sample("ws_reconcile_hedged")["position"][:2]}
    async with scripted() as (broker, opened):
        broker.on(Kind.RECONCILE_REQ, [(Kind.RECONCILE_RES, held)])
        profits = [{"positionId": number, "netUnrealizedPnL": -100} for number in (501, 502)]
        broker.on(Kind.UNREALIZED_REQ, [(Kind.UNREALIZED_RES, {"positionUnrealizedPnL": profits, "moneyDigits": 2})])
        account = await opened.get_account()
        broker.on(Kind.UNREALIZED_REQ, [(Kind.UNREALIZED_RES, {"positionUnrealizedPnL": profits[:1]})])
        with pytest.raises(Exception, match="profit of 1 positions is missing"):
            await opened.get_account()
    assert (account.cash, account.equity, account.currency) == (Decimal("10000.12"), Decimal("9998.12"), "USD")
    assert account.buying_power == (Decimal("9998.12") - Decimal("144.20")) * 30
    assert (account.masked_number, account.multiplier) == ("****2345", Decimal(30))


async def test_instruments_have_the_grid_of_their_digits() -> None:
    """Digits give the tick, volumes the step; a symbol that only closes is not tradable."""
    async with scripted() as (_, opened):
        euro, gold = await opened.get_instrument("EUR/USD"), await opened.get_instrument("XAUUSD")
        yen, by_name = await opened.get_instrument("USD/JPY"), await opened.get_instrument("EURUSD")
        assert await opened.get_instrument("GBP/USD") is None
    assert euro is not None
    assert gold is not None
    assert yen is not None
    assert euro == by_name
    assert (euro.tick_at(Decimal(1)), euro.quantity_step, euro.currency) == (Decimal("0.00001"), Decimal(1000), "USD")
    assert (euro.asset_class, euro.broker_symbol, euro.tradable) == (AssetClass.FOREX, "EURUSD", True)
    assert (gold.asset_class, gold.quantity_step, gold.tradable) == (AssetClass.CFD, Decimal(1), False)
    assert (yen.tick_at(Decimal(150)), yen.currency, yen.shortable) == (Decimal("0.001"), "JPY", False)


@pytest.mark.parametrize(
    "changes",
    [
        {"time_in_force": TimeInForce.DAY},
        {"type": OrderType.MARKET, "limit_price": None, "time_in_force": TimeInForce.GTD, "expire_time_ns": 10**18},
        {"quantity": Decimal("1.001")},
        {"quantity": None, "notional": Decimal(10)},
        {"time_in_force": TimeInForce.GTD, "expire_time_ns": 1_800_000_000_000_000_001},
        {"type": OrderType.STOP_LIMIT, "stop_price": Decimal("1.09")},
        {"type": OrderType.TRAILING_STOP, "limit_price": None, "trail_amount": Decimal(1)},
    ],
)
def test_terms_without_words_are_refused_before_anything_is_sent(changes: dict[str, Any]) -> None:
    """What cTrader has no words for is not worded otherwise."""
    with pytest.raises(Unsupported):
        order_body("abc", terms(**changes), 1, EURUSD)


PRICES = st.integers(1, 300_000).map(lambda points: Decimal(points) / 100_000)
KINDS = {OrderType.MARKET: 1, OrderType.LIMIT: 2, OrderType.STOP: 3, OrderType.STOP_LIMIT: 6}


@st.composite
def worded(draw: st.DrawFn) -> OrderTerms:
    """Make terms that cTrader has words for."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    side = draw(st.sampled_from(Side))
    stop, away = draw(PRICES), Decimal(draw(st.integers(0, 1_000))) / 100_000
    limit = {OrderType.LIMIT: stop, OrderType.STOP_LIMIT: stop + away if side is Side.BUY else stop + 1 - away}
    lives = [TimeInForce.IOC, TimeInForce.FOK] if kind is OrderType.MARKET else list(mapping.LIVES.values())
    life = draw(st.sampled_from(lives))
    stops = {OrderType.STOP: stop, OrderType.STOP_LIMIT: stop if side is Side.BUY else stop + 1}
    return terms(
        side=side,
        type=kind,
        time_in_force=life,
        quantity=Decimal(draw(st.integers(1, 10**9))) / 100,
        limit_price=limit.get(kind),
        stop_price=stops.get(kind),
        expire_time_ns=draw(st.integers(1, 10**13)) * 10**6 if life is TimeInForce.GTD else None,
    )


class OneSymbol:
    """A book of EURUSD."""

    class _Symbol:
        canonical = "EUR/USD"

    def of(self, _: int) -> Any:
        return self._Symbol

    def details_of(self, _: int) -> Details:
        return EURUSD


@given(worded())
def test_an_order_told_back_has_the_terms_that_were_sent(sent: OrderTerms) -> None:
    """Worded, written as JSON, told back by the broker and read again, an order's terms are what they were."""
    frame = read_frame(write_frame(Kind.NEW_ORDER_REQ, order_body("abc", sent, 1, EURUSD), "m"))
    body = frame.payload
    assert "E" not in json.dumps(body, default=str).replace("EUR", "")
    data = {"symbolId": 1, "volume": body["volume"], "tradeSide": body["tradeSide"], "openTimestamp": 1}
    row = body | {"orderId": 1, "tradeData": data, "orderStatus": 1}
    assert mapping.order(row, OneSymbol()).terms == sent  # type: ignore[arg-type] # what is asked of it, it answers


@pytest.mark.parametrize(
    "written", ['{"payloadType":NaN}', "[]", "", '{"payloadType":"x"}', '{"payload":{}}', "\ud800"]
)
def test_frames_of_no_sense_are_unusable(written: str) -> None:
    """Not a number, not an object, not a type: none of them is a message."""
    with pytest.raises(Unusable):
        read_frame(written)


@pytest.mark.parametrize(("quantity", "volume"), [("0.01", 1), ("0.009", None), ("0.011", None), ("1000", 100_000)])
def test_a_volume_is_a_whole_number_of_hundredths(quantity: str, volume: int | None) -> None:
    """A quantity just finer than a hundredth has no volume."""
    assert payloads.volume_of(Decimal(quantity)) == volume


async def test_an_amendment_keeps_what_it_does_not_change() -> None:
    """Volume, protections and expiry are in an amendment of the price, since what is left out is taken away."""
    row = order_row(stopLoss=1.07, takeProfit=1.1, timeInForce=1, expirationTimestamp=1_900_000_000_000)
    async with scripted() as (broker, opened):
        broker.on(Kind.ORDER_DETAILS_REQ, [(Kind.ORDER_DETAILS_RES, {"order": row})])
        broker.on(Kind.AMEND_ORDER_REQ, error("UNABLE_TO_AMEND_ORDER"))
        outcome = await opened.modify_order(permit("x"), "101", Change(limit_price=Decimal("1.082")))
        (body,) = [sent for kind, sent in broker.arrived if kind == Kind.AMEND_ORDER_REQ]
    assert outcome == Rejected("REPLACE_REJECTED", "UNABLE_TO_AMEND_ORDER")
    assert body == {
        "ctidTraderAccountId": CTID,
        "orderId": 101,
        "volume": 100_000,
        "limitPrice": 1.082,
        "stopLoss": 1.07,
        "takeProfit": 1.1,
        "expirationTimestamp": 1_900_000_000_000,
    }


async def test_pages_are_read_until_there_are_no_more() -> None:
    """A list that says that there is more is asked again up to its oldest row, also among rows of one millisecond."""
    rows = [order_row(orderId=number, clientOrderId=f"c{number}") for number in range(1, 8)]
    for number, row in enumerate(rows):
        row["tradeData"] = row["tradeData"] | {"openTimestamp": 1_735_689_600_000 + number // 2}

    def page(asked: dict[str, Any]) -> Any:
        fit = [
            r
            for r in reversed(rows)
            if asked["fromTimestamp"] <= r["tradeData"]["openTimestamp"] <= asked["toTimestamp"]
        ]
        return [(Kind.ORDER_LIST_RES, {"order": fit[:3], "hasMore": len(fit) > 3})]

    async with scripted() as (broker, opened):
        broker.handlers[Kind.ORDER_LIST_REQ] = page
        since = 1_735_689_600_000 * 10**6
        found = await opened.order_history(since, since + MINUTE_NS)
        assert [order.broker_order_id for order in found] == [str(number) for number in range(1, 8)]
        broker.on(Kind.ORDER_LIST_REQ, [(Kind.ORDER_LIST_RES, {"order": [], "hasMore": True})])
        with pytest.raises(Exception, match="the pages repeat"):
            await opened.order_history(since, since + MINUTE_NS)


@pytest.mark.parametrize("life", [TimeInForce.IOC, TimeInForce.GTC, TimeInForce.DAY])
def test_a_market_order_has_no_life(life: TimeInForce) -> None:
    """A market order is immediate or cancelled, whatever it was asked to be."""
    body = order_body("abc", terms(type=OrderType.MARKET, limit_price=None, time_in_force=life), 1, EURUSD)
    assert body["timeInForce"] == mapping.IOC


@pytest.mark.parametrize(
    ("side", "quantity", "place"),
    [
        (Side.SELL, "999", 501),
        (Side.SELL, "1000", 501),
        (Side.SELL, "1001", 502),
        (Side.SELL, "3000", 502),
        (Side.SELL, "3001", None),
        (Side.BUY, "1", None),
    ],
)
async def test_an_order_that_may_only_reduce_names_a_position(side: Side, quantity: str, place: int | None) -> None:
    """It names the smallest position that is large enough, on the other side; where none is, nothing is sent."""
    async with scripted() as (broker, opened):
        broker.on(Kind.RECONCILE_REQ, [(Kind.RECONCILE_RES, sample("ws_reconcile_hedged"))])
        broker.on(Kind.NEW_ORDER_REQ, error("NOT_ENOUGH_MONEY"))
        outcome = await opened.submit_order(
            permit("x"), terms(side=side, quantity=Decimal(quantity), reduce_only=True, time_in_force=TimeInForce.IOC)
        )
        sent = [body["positionId"] for kind, body in broker.arrived if kind == Kind.NEW_ORDER_REQ]
    assert isinstance(outcome, Rejected)
    assert sent == ([] if place is None else [place])
    assert outcome.reason == ("INSUFFICIENT_POSITION" if place is None else "INSUFFICIENT_FUNDS")
