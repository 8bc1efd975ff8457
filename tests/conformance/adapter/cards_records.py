"""Cards about what a broker keeps and quotes: history, transactions, quotes, instruments, budget."""

import asyncio
from decimal import Decimal

from brokergw.model.capability import Feature
from brokergw.model.instrument import AssetClass
from brokergw.model.lifecycle import State
from brokergw.model.outcome import OrderReport
from brokergw.model.terms import Side
from brokergw.ports.broker import BrokerAdapter
from tests.conformance.adapter.bench import Ability, Bench
from tests.conformance.adapter.card import card
from tests.conformance.adapter.steps import buy, market, place, reach, resting

SECOND_NS = 10**9


@card("C87", Feature.ORDER_HISTORY)
async def order_history(bench: Bench, broker: BrokerAdapter) -> None:
    """The history of a span has the orders submitted in it, in any state, oldest first, and no others."""
    await buy(bench, broker, "1")
    await bench.clock.sleep(bench.entry_step_s)
    between_ns = bench.clock.now_ns()
    await bench.clock.sleep(0.002)
    filled = await buy(bench, broker, "2")
    rests = await place(broker, resting(bench.stock))
    until_ns = bench.clock.now_ns() + SECOND_NS
    history = await broker.order_history(between_ns, until_ns)
    assert [order.broker_order_id for order in history] == [filled.broker_order_id, rests.broker_order_id]
    assert [order.state for order in history] == [State.FILLED, State.WORKING]
    assert len(await broker.order_history(0, until_ns)) == 3
    assert list(await broker.order_history(until_ns, until_ns + SECOND_NS)) == []


@card("C88")
async def fills_of_an_order(bench: Bench, broker: BrokerAdapter) -> None:
    """An order's executions are given oldest first, with totals that end at the order's."""
    bench.pin(bench.deep, Decimal(10))
    order = await place(broker, resting(bench.deep, "12000", "11"))
    filled = await reach(bench, broker, order.broker_order_id, State.FILLED)
    await buy(bench, broker)
    reports = [event for event in await broker.fills_of(filled) if isinstance(event, OrderReport)]
    fills = [report.fill for report in reports if report.fill is not None]
    assert len(fills) == len(reports) > 1
    assert sum(fill.quantity for fill in fills) == filled.cum_quantity
    spent = sum(fill.quantity * fill.price for fill in fills)
    assert filled.average_price is not None
    assert abs(spent / filled.cum_quantity - filled.average_price) < Decimal("0.000001")
    assert reports[-1].order.cum_quantity == filled.cum_quantity
    assert [fill.trade_time_ns for fill in fills] == sorted(fill.trade_time_ns for fill in fills)


@card("C89")
async def fills_of_an_unfilled_order(bench: Bench, broker: BrokerAdapter) -> None:
    """An order without executions has none to give."""
    order = await place(broker, resting(bench.stock))
    assert list(await broker.fills_of(order)) == []


@card("C90", Feature.TRANSACTIONS)
async def transactions(bench: Bench, broker: BrokerAdapter) -> None:
    """The account's history has each trade with its sign and order, newest first, and the money it began with."""
    bought = await buy(bench, broker)
    await bench.clock.sleep(bench.entry_step_s)
    sold = await place(broker, market(bench.stock, Side.SELL, "4"))
    await reach(bench, broker, sold.broker_order_id, State.FILLED)
    lines = await broker.transactions(bench.clock.now_ns() - 3600 * SECOND_NS, bench.clock.now_ns() + SECOND_NS)
    trades = [line for line in lines if line.kind == "FILL"]
    assert [(line.broker_order_id, line.quantity) for line in trades] == [
        (sold.broker_order_id, Decimal(-4)),
        (bought.broker_order_id, Decimal(10)),
    ]
    assert all(line.price is not None and line.symbol == bench.stock for line in trades)
    assert len({line.transaction_id for line in lines}) == len(lines)
    assert sum(line.net_amount or 0 for line in lines if line.kind != "FILL") == bench.money


@card("C91", Feature.QUOTES)
async def quotes(bench: Bench, broker: BrokerAdapter) -> None:
    """Quotes are given in the order asked, near the price, and unknown symbols are left out."""
    symbols = [bench.deep, bench.unknown, bench.stock]
    given = await broker.get_quotes(symbols)
    assert [quote.symbol for quote in given] == [bench.deep, bench.stock]
    quote = given[1]
    assert quote.bid is not None
    assert quote.ask is not None
    assert quote.bid <= quote.ask
    assert abs(quote.bid - 100) <= 1
    assert abs(quote.time_ns - bench.clock.now_ns()) < 600 * SECOND_NS


@card("C92", Feature.QUOTES, AssetClass.CRYPTO)
async def crypto_quotes(bench: Bench, broker: BrokerAdapter) -> None:
    """A pair is quoted under the symbol it is asked by, beside a stock."""
    given = await broker.get_quotes([bench.crypto, bench.stock])
    assert [quote.symbol for quote in given] == [bench.crypto, bench.stock]


@card("C93", Feature.QUOTES, AssetClass.OPTION)
async def option_quotes(bench: Bench, broker: BrokerAdapter) -> None:
    """A contract is quoted under its own symbol."""
    (quote,) = await broker.get_quotes([bench.option])
    assert quote.symbol == bench.option
    assert quote.ask is not None


@card("C94")
async def instrument(bench: Bench, broker: BrokerAdapter) -> None:
    """A stock is described with the grid that its orders must lie on."""
    found = await broker.get_instrument(bench.stock)
    assert found is not None
    assert (found.symbol, found.broker, found.asset_class) == (bench.stock, bench.name, bench.main)
    assert found.tradable
    for price, tick in bench.ticks.items():
        assert found.tick_at(Decimal(price)) == Decimal(tick)
    assert found.quantity_step == bench.quantity_step


@card("C95")
async def instruments_apart(bench: Bench, broker: BrokerAdapter) -> None:
    """What is indivisible, halted or unknown is told apart."""
    whole = await broker.get_instrument(bench.whole_only)
    assert whole is not None
    assert not whole.fractionable
    assert whole.quantity_step == Decimal(1)
    halted = await broker.get_instrument(bench.halted)
    assert halted is not None
    assert not halted.tradable
    assert await broker.get_instrument(bench.unknown) is None


@card("C96", AssetClass.CRYPTO)
async def crypto_instrument(bench: Bench, broker: BrokerAdapter) -> None:
    """A pair is described under the symbol it trades by."""
    found = await broker.get_instrument(bench.crypto)
    assert found is not None
    assert (found.symbol, found.asset_class, found.shortable) == (bench.crypto, AssetClass.CRYPTO, False)
    assert found.quantity_min > 0


@card("C97", AssetClass.OPTION)
async def option_instrument(bench: Bench, broker: BrokerAdapter) -> None:
    """A contract is described as one."""
    found = await broker.get_instrument(bench.option)
    assert found is not None
    assert (found.asset_class, found.quantity_step) == (AssetClass.OPTION, Decimal(1))


@card("C98", Ability.BUDGET)
async def budget(bench: Bench, broker: BrokerAdapter) -> None:
    """The request budget is what the broker last said, and each request costs one."""
    counted = bench.open_with_budget()
    assert counted.budget().remaining is None
    await counted.ping()
    first = counted.budget()
    await counted.get_account()
    second = counted.budget()
    await counted.disconnect()
    assert first.limit == second.limit == 200
    assert first.remaining is not None
    assert second.remaining == first.remaining - bench.account_weight
    assert first.reset_time_ns is not None
    assert first.reset_time_ns > bench.clock.now_ns() - 60 * SECOND_NS


@card("C99")
async def open_orders_beyond_a_page(bench: Bench, broker: BrokerAdapter) -> None:
    """More open orders than any broker gives on a page are all listed, oldest first, each once."""
    for _ in range(20):
        await asyncio.gather(*(place(broker, resting(bench.stock, "1", "50")) for _ in range(26)))
    found = await broker.get_open_orders()
    assert len(found) == len({order.broker_order_id for order in found}) == bench.orders_at_broker() == 520
    assert [order.submit_time_ns for order in found] == sorted(order.submit_time_ns for order in found)
