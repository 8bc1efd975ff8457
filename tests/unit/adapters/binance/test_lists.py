"""Order lists at spot: how a group is written, which ids its orders have, and how it is found and told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from brokergw.adapters.binance import lists
from brokergw.adapters.binance.terms import essence
from brokergw.model.ids import new_id
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Absent, Accepted, BrokerOrder, Found, Inconclusive, OrderReport, Rejected, Unknown
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import BrokerAdapter, Change
from brokergw.transport.rows import Unsupported, Unusable
from tests.conformance.adapter.bench import Bench
from tests.conformance.adapter.bench_binance import spot_bench
from tests.conformance.adapter.bench_sim import SimBench
from tests.conformance.adapter.cards_groups import bracket, pair
from tests.conformance.adapter.steps import PRICE, Listener, buy, place, resting, show
from tests.fixtures.alpaca_wire import answer
from tests.fixtures.binance_wire import ScriptedBinance, refusal, sample
from tests.fixtures.permits import permit

BRACKET = OrderTerms(
    symbol="BTC/USDT",
    side=Side.BUY,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    quantity=Decimal("0.5"),
    limit_price=Decimal(90_000),
    order_class=OrderClass.BRACKET,
    take_profit_limit_price=Decimal(99_000),
    stop_loss_stop_price=Decimal(80_000),
)
OCO = replace(BRACKET, side=Side.SELL, order_class=OrderClass.OCO, limit_price=None)
OTO = replace(BRACKET, order_class=OrderClass.OTO, take_profit_limit_price=None)
GONE = refusal(-2018, "Order list does not exist.")


def written(terms: OrderTerms) -> dict[str, str]:
    """Give what is sent for a group, without what only names it."""
    params = lists.submit("ord-1", terms).params
    return {name: value for name, value in params.items() if "ClientOrderId" not in name}


def test_a_bracket_is_an_otoco() -> None:
    """The entry is the working order; its exits pend on the other side, the profit above and the stop below."""
    request = lists.submit("ord-1", replace(BRACKET, stop_loss_limit_price=Decimal(79_000)))
    assert (request.path, request.orders) == ("/api/v3/orderList/otoco", 3)
    assert request.params == {
        "symbol": "BTCUSDT", "listClientOrderId": "ordL1", "newOrderRespType": "FULL",
        "workingType": "LIMIT", "workingSide": "BUY", "workingClientOrderId": "ord-1", "workingPrice": "90000",
        "workingQuantity": "0.5", "workingTimeInForce": "GTC", "pendingSide": "SELL", "pendingQuantity": "0.5",
        "pendingAboveType": "LIMIT_MAKER", "pendingAboveClientOrderId": "ordP1", "pendingAbovePrice": "99000",
        "pendingBelowType": "STOP_LOSS_LIMIT", "pendingBelowClientOrderId": "ordS1", "pendingBelowStopPrice": "80000",
        "pendingBelowPrice": "79000", "pendingBelowTimeInForce": "GTC",
    }  # fmt: skip


def test_exits_that_buy_back_change_places() -> None:
    """What closes a sale takes its profit below and its loss above."""
    short = replace(
        BRACKET, side=Side.SELL, take_profit_limit_price=Decimal(80_000), stop_loss_stop_price=Decimal(99_000)
    )
    params = written(short)
    assert (params["pendingBelowType"], params["pendingBelowPrice"]) == ("LIMIT_MAKER", "80000")
    assert (params["pendingAboveType"], params["pendingAboveStopPrice"]) == ("STOP_LOSS", "99000")


def test_a_pair_is_led_by_its_profit() -> None:
    """The limit order of an OCO has the order's own id; its price is the take-profit, however it was given."""
    request = lists.submit("ord-1", OCO)
    assert (request.path, request.orders) == ("/api/v3/orderList/oco", 2)
    assert (request.params["aboveClientOrderId"], request.params["belowClientOrderId"]) == ("ord-1", "ordS1")
    repeated = replace(OCO, limit_price=Decimal(99_000))
    assert lists.submit("ord-1", repeated) == request
    assert lists.submit("ord-1", replace(repeated, take_profit_limit_price=None)) == request
    assert essence(repeated) == essence(OCO)


def test_an_oto_has_either_exit() -> None:
    """One exit pends: a stop, a stop-limit, or a limit order."""
    assert written(OTO)["pendingType"] == "STOP_LOSS"
    assert written(replace(OTO, stop_loss_limit_price=Decimal(79_000)))["pendingType"] == "STOP_LOSS_LIMIT"
    profit = replace(OTO, take_profit_limit_price=Decimal(99_000), stop_loss_stop_price=None)
    assert (written(profit)["pendingType"], written(profit)["pendingTimeInForce"]) == ("LIMIT", "GTC")


@pytest.mark.parametrize(
    "change",
    [
        {"time_in_force": TimeInForce.IOC},
        {"time_in_force": TimeInForce.FOK},
        {"type": OrderType.MARKET, "limit_price": None},
        {"quantity": None, "notional": Decimal(100)},
        {"order_class": OrderClass.MULTI_LEG},
        {"stop_loss_stop_price": None},
        {"take_profit_limit_price": None},
        {"extended_hours": True},
    ],
)
def test_what_binance_has_no_list_for_is_refused_here(change: dict[str, Any]) -> None:
    """No list is led by a market order or ends at once, is sized by money, or lacks an exit."""
    with pytest.raises(Unsupported):
        lists.submit("ord-1", replace(BRACKET, **change))


def test_the_ids_of_a_list_are_as_long_as_the_orders_own() -> None:
    """An id of ours fills the 36 characters that Binance takes, so those that follow from it are no longer."""
    own = new_id("ord").replace("_", "-")
    params = lists.submit(own, BRACKET).params
    names = {value for name, value in params.items() if "ClientOrderId" in name}
    assert len(names) == 4
    assert {len(each) for each in names} == {36}
    with pytest.raises(Unsupported):
        lists.submit("1234", BRACKET)


@pytest.mark.parametrize(
    ("flags", "taken"),
    [
        ({"ocoAllowed": True, "otoAllowed": True}, True),
        ({"ocoAllowed": True}, False),
        ({"otoAllowed": True}, False),
        ({}, False),
    ],
)
async def test_a_bracket_needs_a_pair_that_takes_both(flags: dict[str, bool], taken: bool) -> None:  # noqa: FBT001 - a case
    """Where exchangeInfo does not say that a pair takes a kind of list, none is sent."""
    wire = ScriptedBinance()
    info = sample("http_get_exchange_info")
    for symbol in info["symbols"]:
        for name in ("ocoAllowed", "otoAllowed"):
            symbol.pop(name, None)
        symbol.update(flags)
    wire.on("GET", "/api/v3/exchangeInfo", answer(info))
    wire.on("POST", "/api/v3/orderList/otoco", refusal(-2010, "Account has insufficient balance for requested action."))
    outcome = await wire.open().submit_order(permit("ord-1"), BRACKET)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == ("INSUFFICIENT_FUNDS" if taken else "INVALID_TERMS")
    assert len(wire.asked("POST", "/api/v3/orderList/otoco")) == taken


async def test_a_group_is_absent_only_when_neither_its_id_nor_its_list_is_known() -> None:
    """Both look-ups must say so; a failing one leaves it open."""
    wire = ScriptedBinance()
    wire.on("POST", "/api/v3/orderList/otoco", httpx.ReadTimeout("late"))
    wire.on("GET", "/api/v3/order", refusal(-2013, "Order does not exist."))
    wire.on("GET", "/api/v3/orderList", GONE)
    broker = wire.open()
    assert isinstance(await broker.submit_order(permit("ord-1"), BRACKET), Unknown)
    assert isinstance(await broker.find_order("ord-1"), Absent)
    assert wire.asked("GET", "/api/v3/orderList")[0]["origClientOrderId"] == "ordL1"
    wire.on("GET", "/api/v3/orderList", httpx.Response(502))
    assert isinstance(await broker.find_order("ord-1"), Inconclusive)


async def test_an_answer_that_does_not_report_the_whole_list_is_unusable() -> None:
    """An order whose answer lacks a report, or is about another list, is unknown."""
    rows = [{"symbol": "BTCUSDT", "orderId": each, "clientOrderId": f"x{each}"} for each in (1, 2, 3)]
    told = {
        "orderListId": 1, "contingencyType": "OTO", "listClientOrderId": "ordL1", "symbol": "BTCUSDT", "orders": rows,
    }  # fmt: skip
    for document in ({**told, "orderReports": rows[:2]}, {**told, "orders": rows[:1]}, {}):
        wire = ScriptedBinance()
        wire.on("POST", "/api/v3/orderList/otoco", answer(document))
        assert isinstance(await wire.open().submit_order(permit("ord-1"), BRACKET), Unknown)
    with pytest.raises(Unusable):
        lists.composition({**told, "orders": rows[:1]})


def an_order(number: int, type_: OrderType, side: Side = Side.SELL, quantity: str = "1", **terms: Any) -> BrokerOrder:
    """Make an order of a list as its own row tells it."""
    base = OrderTerms(
        symbol="BTC/USDT",
        side=side,
        type=type_,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(quantity),
        **terms,
    )
    return BrokerOrder(
        broker_order_id=f"BTCUSDT:{number}",
        client_order_id=f"web{number}",
        terms=base,
        state=State.WORKING,
        cum_quantity=Decimal(0),
        average_price=None,
        submit_time_ns=1,
        update_time_ns=1,
    )


@pytest.mark.parametrize(
    "exits",
    [
        [an_order(2, OrderType.MARKET)],
        [an_order(2, OrderType.STOP, side=Side.BUY)],
        [an_order(2, OrderType.STOP, quantity="2")],
        [an_order(2, OrderType.LIMIT), an_order(3, OrderType.LIMIT)],
        [an_order(2, OrderType.STOP), an_order(3, OrderType.TRAILING_STOP)],
    ],
)
def test_a_list_of_another_shape_is_told_as_its_orders(exits: list[BrokerOrder]) -> None:
    """What was placed elsewhere and has no name among our groups is told order by order, and nothing is guessed."""
    listed = lists.Composition(1, "OTO", "web", "BTCUSDT", (1, *(2 + index for index in range(len(exits)))))
    lead = an_order(1, OrderType.LIMIT, Side.BUY)
    assert lists.joined(listed, lead, exits) == lead
    assert listed.name_of(lead, leads=True) == "web1"


@asynccontextmanager
async def at_work() -> AsyncIterator[tuple[Bench, BrokerAdapter, BrokerAdapter]]:
    """Give a bench at a round price, and two processes that know nothing of each other over its account."""
    async with spot_bench() as bench:
        bench.pin(bench.stock, PRICE)
        one, other = bench.open(), bench.open()
        try:
            yield bench, one, other
        finally:
            await one.disconnect()
            await other.disconnect()


async def test_a_cancelled_group_is_still_found_by_its_ids() -> None:
    """A cancel calls every order of a list alike; by the list's own name each is found and told as it was placed."""
    async with at_work() as (bench, broker, other):
        assert isinstance(await broker.submit_order(permit("ord-7"), bracket(bench)), Accepted)
        for name, kind in (("ord-7", OrderType.LIMIT), ("ordP7", OrderType.LIMIT), ("ordS7", OrderType.STOP)):
            lookup = await broker.find_order(name)
            assert isinstance(lookup, Found)
            assert (lookup.order.client_order_id, lookup.order.terms.type) == (name, kind)
            # The last of them is the stop.
            stop_id = lookup.order.broker_order_id
        # Another process, which has heard of none of it, ends the list by one of its exits.
        assert isinstance(await other.cancel_order(stop_id), Accepted)
        for finder in (broker, other):
            found = await finder.find_order("ord-7")
            assert isinstance(found, Found)
            assert (found.order.state, found.order.terms) == (State.CANCELED, bracket(bench))
            assert [leg.client_order_id for leg in found.order.legs] == ["ordP7", "ordS7"]
        again = await broker.submit_order(permit("ord-7"), bracket(bench))
        assert isinstance(again, Accepted)
        assert bench.at_broker("ord-7") == 1


async def test_a_group_that_was_used_for_another_is_a_duplicate() -> None:
    """The same id with other exits is refused, and nothing is sent."""
    async with at_work() as (bench, broker, _):
        assert isinstance(await broker.submit_order(permit("ord-8"), bracket(bench)), Accepted)
        other = replace(bracket(bench), stop_loss_stop_price=Decimal(81))
        for terms in (other, resting(bench.stock)):
            outcome = await broker.submit_order(permit("ord-8"), terms)
            assert isinstance(outcome, Rejected)
            assert outcome.reason == "DUPLICATE_CLIENT_ID"


async def test_a_group_is_not_resized_by_its_entry() -> None:
    """Less of an entry would leave exits for more than it buys, so that is refused before anything is sent."""
    async with at_work() as (bench, broker, _):
        entry = await place(broker, bracket(bench))
        outcome = await broker.modify_order(permit("ord-9"), entry.broker_order_id, Change(quantity=Decimal(5)))
        assert isinstance(outcome, Rejected)
        assert outcome.reason == "REPLACE_REJECTED"
        assert (await show(broker, entry.broker_order_id)).terms.quantity == Decimal(10)


async def test_a_listener_that_knows_nothing_hears_of_whole_groups() -> None:
    """Reports of a leading order carry class and exits, those of an exit its own id, also for another process."""
    async with at_work() as (bench, placing, listening):
        await buy(bench, placing)
        async with Listener(bench, listening) as live:
            placed = await place(placing, pair(bench))
            (stop,) = placed.legs
            await live.until(lambda: State.WORKING in live.states(stop.broker_order_id))
            bench.pin(bench.stock, Decimal(94))
            await live.until(lambda: State.FILLED in live.states(stop.broker_order_id))
            await live.until(lambda: State.EXPIRED in live.states(placed.broker_order_id))
            reports = [each for each in live.events if isinstance(each, OrderReport)]
        leading = [each.order for each in reports if each.order.broker_order_id == placed.broker_order_id]
        assert {each.terms.order_class for each in leading} == {OrderClass.OCO}
        assert {each.client_order_id for each in leading} == {placed.client_order_id}
        exits = [each.order for each in reports if each.order.broker_order_id == stop.broker_order_id]
        assert {each.client_order_id for each in exits} == {stop.client_order_id}


async def test_all_is_cancelled_once() -> None:
    """Cancelling everything ends a group by one request, and what is beside it too."""
    async with at_work() as (bench, broker, _):
        await place(broker, bracket(bench))
        await place(broker, resting(bench.stock))
        assert len(await broker.get_open_orders()) == 4
        assert isinstance(await broker.cancel_all(), Accepted)
        assert await broker.get_open_orders() == []
        assert isinstance(bench, SimBench)
        assert bench.requests("DELETE") == 2
