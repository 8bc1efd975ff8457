"""The port over the mock broker."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from brokergw.adapters.mock import MockBroker, MockConfig, MockConnection
from brokergw.model.account import Environment
from brokergw.model.errors import Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Absent, Accepted, BrokerOrder, Found, NotSent, OrderReport, Outcome, Rejected
from brokergw.model.terms import OrderClass, OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.ports.broker import AdapterFactory, BrokerAdapter, BrokerLink, BrokerUnavailable, Change
from tests.fixtures.clock import START_NS, FakeClock
from tests.fixtures.permits import permit

FOREVER_NS = 1 << 62
Maker = Callable[..., MockConnection]


def link(account_id: str = "acc_1234") -> BrokerLink:
    """Make a connection's link."""
    return BrokerLink(
        connection_id=f"con_{account_id}", account_id=account_id, environment=Environment.MOCK, credentials=None
    )


def terms(quantity: Any = 1, side: Side = Side.BUY, symbol: str = "AAPL", **more: Any) -> OrderTerms:
    """Write the terms of a market order, or of a limit order when a limit is given."""
    kind = OrderType.MARKET if more.get("limit_price") is None else OrderType.LIMIT
    values = {"type": kind, "time_in_force": TimeInForce.DAY} | more
    size = None if quantity is None else Decimal(str(quantity))
    return OrderTerms(symbol=symbol, side=side, quantity=size, **values)


def placed(outcome: Outcome) -> BrokerOrder:
    """Give the order of an accepted command."""
    assert isinstance(outcome, Accepted)
    assert outcome.order is not None
    return outcome.order


@pytest.fixture
def make(still_clock: FakeClock) -> Maker:
    """Give a maker of connections to new brokers at a round price of AAPL."""

    def make_one(**config: Any) -> MockConnection:
        broker = MockBroker(clock=still_clock, config=MockConfig(**config))
        broker.exchange.set_price("AAPL", Decimal(200))
        return broker.open(link())

    return make_one


@pytest.fixture
def mock(make: Maker) -> MockConnection:
    """Give a connection."""
    return make()


def test_the_room_fulfils_its_ports(still_clock: FakeClock) -> None:
    """Factory and connection are what the ports ask for, and say the same of their capabilities."""
    factory: AdapterFactory = MockBroker(clock=still_clock)
    adapter: BrokerAdapter = factory.open(link())
    assert adapter.capabilities == factory.capabilities
    assert adapter.capabilities.broker == "mock"


async def test_a_new_account_has_its_cash(mock: MockConnection) -> None:
    """An account begins with 100,000 USD, and its number is masked."""
    account = await mock.authenticate()
    assert (account.cash, account.equity, account.buying_power) == (
        Decimal(100_000),
        Decimal(100_000),
        Decimal(400_000),
    )
    assert account.masked_number == "****1234"
    assert [balance.asset for balance in account.balances] == ["USD"]


async def test_a_market_order_is_answered_with_its_fill(mock: MockConnection) -> None:
    """The answer to a filling order is the filled order and its executions."""
    outcome = await mock.submit_order(permit("client-1"), terms(10))
    order = placed(outcome)
    assert (order.client_order_id, order.state, order.cum_quantity) == ("client-1", State.FILLED, Decimal(10))
    assert order.terms == terms(10)
    assert isinstance(outcome, Accepted)
    [fill] = outcome.fills
    assert (fill.quantity, fill.price, fill.position_quantity) == (Decimal(10), Decimal("200.02"), Decimal(10))


async def test_queries_show_the_trade(mock: MockConnection) -> None:
    """Account, positions, look-ups, history and transactions agree on what was bought."""
    order = placed(await mock.submit_order(permit("client-1"), terms(10)))
    assert (await mock.get_account()).cash == Decimal(100_000) - Decimal("2000.20")
    [position] = await mock.get_positions()
    assert (position.symbol, position.quantity, position.asset_class) == ("AAPL", Decimal(10), AssetClass.STOCK)
    assert await mock.get_position("AAPL") == position
    assert await mock.get_position("MSFT") is None
    assert await mock.get_order(order.broker_order_id) == Found(order)
    assert await mock.find_order("client-1") == Found(order)
    assert await mock.order_history(START_NS, FOREVER_NS) == [order]
    assert await mock.order_history(START_NS + 1, FOREVER_NS) == []
    trade, deposit = await mock.transactions(0, FOREVER_NS)
    assert (trade.kind, trade.quantity, trade.net_amount) == ("FILL", Decimal(10), Decimal("-2000.20"))
    assert trade.broker_order_id == order.broker_order_id
    assert (deposit.kind, deposit.net_amount) == ("DEPOSIT", Decimal(100_000))


async def test_coins_are_balances_too(mock: MockConnection) -> None:
    """A coin that is held shows as a balance of its own beside the position."""
    await mock.submit_order(permit("c"), terms("0.25", symbol="BTC/USD", time_in_force=TimeInForce.GTC))
    _, coin = (await mock.get_account()).balances
    assert (coin.asset, coin.total, coin.available) == ("BTC", Decimal("0.25"), Decimal("0.25"))


async def test_what_is_not_there_is_absent(mock: MockConnection) -> None:
    """Unknown ids are definitively absent."""
    assert await mock.get_order("nope") == Absent()
    assert await mock.find_order("nope") == Absent()


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (terms(10_000), "INSUFFICIENT_FUNDS"),
        (terms(1, Side.SELL, "BTC/USD"), "INSUFFICIENT_POSITION"),
        (terms(1, symbol="NOPE"), "UNKNOWN_SYMBOL"),
        (terms(1, symbol="AAPL270115C00230000"), "UNKNOWN_SYMBOL"),
        (terms(1, symbol="HALT"), "NOT_TRADABLE"),
        (terms("0.5", symbol="OCGN"), "NOT_FRACTIONABLE"),
        (terms(1, Side.SELL, "OCGN"), "SHORT_NOT_ALLOWED"),
        (terms(1, limit_price=Decimal("1.001")), "INVALID_PRICE"),
        (terms(1, limit_price=Decimal(0)), "INVALID_PRICE"),
        (terms("0.0000000001"), "INVALID_QUANTITY"),
        (terms(0), "INVALID_QUANTITY"),
        (terms(None, notional=Decimal("0.10")), "MINIMUM_SIZE"),
        (terms(1, time_in_force=TimeInForce.GTD), "INVALID_TERMS"),
        (terms(1, order_class=OrderClass.MULTI_LEG), "INVALID_TERMS"),
        (terms(1, position_effect=PositionEffect.CLOSE), "INSUFFICIENT_POSITION"),
    ],
)
async def test_a_refusal_is_told_in_canonical_words(mock: MockConnection, asked: OrderTerms, reason: str) -> None:
    """Each refusal has its canonical reason, and leaves no order."""
    outcome = await mock.submit_order(permit("client-1"), asked)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == reason
    assert outcome.broker_code
    assert outcome.broker_message
    assert await mock.find_order("client-1") == Absent()


async def test_a_client_order_id_places_one_order(mock: MockConnection) -> None:
    """A second order under one client order id is refused."""
    await mock.submit_order(permit("client-1"), terms())
    outcome = await mock.submit_order(permit("client-1"), terms())
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "DUPLICATE_CLIENT_ID"
    assert len(await mock.order_history(0, FOREVER_NS)) == 1


async def test_an_order_meant_to_open_does_not_close(mock: MockConnection) -> None:
    """A position effect that contradicts the position is refused, one that agrees is not."""
    await mock.submit_order(permit("1"), terms(2))
    outcome = await mock.submit_order(permit("2"), terms(1, Side.SELL, position_effect=PositionEffect.OPEN))
    assert isinstance(outcome, Rejected)
    assert placed(await mock.submit_order(permit("3"), terms(1, Side.SELL, position_effect=PositionEffect.CLOSE)))


async def test_a_modify_makes_a_new_generation(mock: MockConnection) -> None:
    """The answer is the new order, which names the old one, and the old one names it."""
    old = placed(await mock.submit_order(permit("first"), terms(10, limit_price=Decimal(150))))
    change = Change(quantity=Decimal(12), limit_price=Decimal(151))
    new = placed(await mock.modify_order(permit("second"), old.broker_order_id, change))
    assert (new.replaces, new.client_order_id) == (old.broker_order_id, "second")
    assert (new.terms.quantity, new.terms.limit_price) == (Decimal(12), Decimal(151))
    found = await mock.get_order(old.broker_order_id)
    assert isinstance(found, Found)
    assert found.order.replaced_by == new.broker_order_id
    assert await mock.get_open_orders() == [new]


async def test_an_order_that_has_ended_is_left_alone(mock: MockConnection) -> None:
    """Cancel and modify of a filled order are refused by different words than those of an unknown one."""
    done = placed(await mock.submit_order(permit("1"), terms())).broker_order_id
    answers = [
        await mock.cancel_order(done),
        await mock.cancel_order("nope"),
        await mock.modify_order(permit("2"), done, Change(quantity=Decimal(2))),
        await mock.modify_order(permit("2"), "nope", Change(quantity=Decimal(2))),
    ]
    reasons = [answer.reason for answer in answers if isinstance(answer, Rejected)]
    assert reasons == ["ORDER_NOT_OPEN", "NOT_FOUND", "REPLACE_REJECTED", "NOT_FOUND"]


async def test_a_cancel_is_done_when_it_is_answered(mock: MockConnection) -> None:
    """The answer to a cancel is the cancelled order."""
    order = placed(await mock.submit_order(permit("1"), terms(limit_price=Decimal(150))))
    assert placed(await mock.cancel_order(order.broker_order_id)).state is State.CANCELED
    assert await mock.get_open_orders() == []


async def test_cancel_all_ends_groups_once(mock: MockConnection) -> None:
    """Every open order is cancelled, a bracket's three together."""
    bracket: dict[str, Any] = {"take_profit_limit_price": Decimal(300), "stop_loss_stop_price": Decimal(100)}
    order = placed(
        await mock.submit_order(permit("1"), terms(limit_price=Decimal(150), order_class=OrderClass.BRACKET, **bracket))
    )
    assert [leg.state for leg in order.legs] == [State.ACKED, State.ACKED]
    await mock.submit_order(permit("2"), terms(limit_price=Decimal(150)))
    assert len(await mock.get_open_orders()) == 4
    assert await mock.cancel_all() == Accepted()
    assert {order.state for order in await mock.order_history(0, FOREVER_NS)} == {State.CANCELED}


async def test_flatten_closes_one_position(mock: MockConnection) -> None:
    """Flatten sells a long and buys a short back, is refused while orders hold it, and when there is none."""
    await mock.submit_order(permit("1"), terms(10))
    holder = placed(await mock.submit_order(permit("2"), terms(4, Side.SELL, limit_price=Decimal(300))))
    refused = await mock.flatten("AAPL")
    assert isinstance(refused, Rejected)
    assert refused.reason == "INSUFFICIENT_POSITION"
    await mock.cancel_order(holder.broker_order_id)
    assert placed(await mock.flatten("AAPL")).terms.side is Side.SELL
    await mock.submit_order(permit("3"), terms(3, Side.SELL))
    assert placed(await mock.flatten("AAPL")).terms.side is Side.BUY
    assert await mock.get_positions() == []
    nothing = await mock.flatten("AAPL")
    assert isinstance(nothing, Rejected)
    assert nothing.reason == "NOT_FOUND"


async def test_close_all_leaves_nothing(mock: MockConnection) -> None:
    """Close-all cancels what is open and closes longs, shorts and coins."""
    await mock.submit_order(permit("1"), terms(10))
    await mock.submit_order(permit("2"), terms(4, Side.SELL, limit_price=Decimal(300)))
    await mock.submit_order(permit("3"), terms(5, Side.SELL, "MSFT"))
    await mock.submit_order(permit("4"), terms("0.1", symbol="BTC/USD", time_in_force=TimeInForce.GTC))
    assert await mock.close_all() == Accepted()
    assert await mock.get_positions() == []
    assert await mock.get_open_orders() == []


async def test_a_fired_stop_shows_as_triggered(mock: MockConnection) -> None:
    """A stop-limit whose stop has fired is TRIGGERED until it fills."""
    asked = terms(
        type=OrderType.STOP_LIMIT, stop_price=Decimal(199), limit_price=Decimal(210), side=Side.SELL, quantity=1
    )
    await mock.submit_order(permit("1"), terms(1))
    order = placed(await mock.submit_order(permit("2"), asked))
    mock._exchange.set_price("AAPL", Decimal(198))
    mock._exchange.tick()
    found = await mock.get_order(order.broker_order_id)
    assert isinstance(found, Found)
    assert found.order.state is State.TRIGGERED


async def test_fills_of_an_order_carry_running_totals(mock: MockConnection) -> None:
    """Each execution is told with what had been filled by then, over the order's generations."""
    exchange = mock._exchange
    exchange.set_price("F", Decimal(10))
    order = placed(await mock.submit_order(permit("1"), terms(12_000, symbol="F", limit_price=Decimal(11))))
    exchange.set_price("F", Decimal("10.50"))
    exchange.tick()
    order = placed(await mock.modify_order(permit("2"), order.broker_order_id, Change(limit_price=Decimal(12))))
    reports = [report for report in await mock.fills_of(order) if isinstance(report, OrderReport)]
    assert [report.order.cum_quantity for report in reports] == [5000, 10_000, 12_000]
    assert [report.order.state for report in reports] == [State.PARTIAL, State.PARTIAL, State.FILLED]
    assert reports[0].order.average_price == Decimal("10.01")
    assert all(report.replayed and report.fill is not None for report in reports)


async def test_quotes_leave_out_what_is_not_listed(mock: MockConnection) -> None:
    """Quotes come in the order asked for; an unknown symbol has none."""
    quotes = await mock.get_quotes(["MSFT", "NOPE", "AAPL"])
    assert [quote.symbol for quote in quotes] == ["MSFT", "AAPL"]
    assert (quotes[1].bid, quotes[1].ask) == (Decimal("199.98"), Decimal("200.02"))


async def test_instruments_are_described(mock: MockConnection) -> None:
    """A listing tells its grid and its rights; what is not listed is None."""
    instrument = await mock.get_instrument("OCGN")
    assert instrument is not None
    assert (instrument.fractionable, instrument.tick_at(Decimal("0.5"))) == (False, Decimal("0.0001"))
    assert await mock.get_instrument("NOPE") is None


async def test_accounts_are_apart(still_clock: FakeClock) -> None:
    """Two connections to one broker see only their own accounts, at the same prices."""
    broker = MockBroker(clock=still_clock)
    one, two = broker.open(link("one1")), broker.open(link("two2"))
    order = placed(await one.submit_order(permit("same"), terms()))
    assert await two.get_order(order.broker_order_id) == Absent()
    assert isinstance(await two.submit_order(permit("same"), terms()), Accepted)
    assert await one.get_quotes(["AAPL"]) == await two.get_quotes(["AAPL"])


async def test_a_forgetful_broker_repeats_no_id(still_clock: FakeClock) -> None:
    """Without a journal the next life has other order and execution ids, though prices have the same seed."""
    ids: set[str] = set()
    for _ in range(3):
        still_clock.advance(0.001)
        answer = await MockBroker(clock=still_clock).open(link()).submit_order(permit("1"), terms())
        assert isinstance(answer, Accepted)
        ids |= {placed(answer).broker_order_id, answer.fills[0].execution_id}
    assert len(ids) == 6


async def test_latency_passes_before_each_call(clock: FakeClock) -> None:
    """The configured latency goes by on the clock before an order is placed."""
    mock = MockBroker(clock=clock, config=MockConfig(latency_s=0.5)).open(link())
    order = placed(await mock.submit_order(permit("1"), terms()))
    assert order.submit_time_ns == START_NS + 500_000_000


async def test_chance_refuses_the_same_orders_every_time(make: Maker) -> None:
    """The reject rate refuses about its share of orders, and the same ones for the same seed."""

    async def refused(connection: MockConnection) -> set[int]:
        answers = {i: await connection.submit_order(permit(f"c{i}"), terms()) for i in range(200)}
        return {i for i, answer in answers.items() if isinstance(answer, Rejected)}

    first = await refused(make(reject_rate=0.3))
    assert 40 <= len(first) <= 80
    assert await refused(make(reject_rate=0.3)) == first
    assert await refused(make(reject_rate=0.3, seed=2)) != first


async def test_a_closed_connection_does_nothing(mock: MockConnection) -> None:
    """After disconnect queries fail and commands are not sent."""
    await mock.ping()
    await mock.disconnect()
    with pytest.raises(BrokerUnavailable) as caught:
        await mock.ping()
    assert caught.value.reason is Reason.BROKER_UNREACHABLE
    assert isinstance(await mock.submit_order(permit("1"), terms()), NotSent)


@pytest.mark.parametrize("wrong", [{"reject_rate": 1.1}, {"latency_s": -1}, {"multiplier": 0}, {"tick_interval_s": 0}])
def test_a_setting_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    """A config outside its bounds says so at once."""
    with pytest.raises(ValueError, match="must"):
        MockConfig(**wrong)
