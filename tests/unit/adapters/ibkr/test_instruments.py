"""Contracts of every kind: found by canonical symbol, with their true size, traded and held under the same name."""

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.adapters.ibkr import IbkrConnection, symbols
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.outcome import Accepted, Rejected
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.sim.dialects.ibkr import app
from brokergw.sim.dialects.ibkr import instruments as dialect
from brokergw.sim.dialects.ibkr.call import Call
from brokergw.sim.faults import Fault, FaultName
from brokergw.sim.routes import Routes
from brokergw.transport.rows import Unusable
from tests.fixtures.ibkr_world import IbkrWorld, ibkr_world
from tests.fixtures.permits import permit


@pytest.fixture
async def world() -> AsyncIterator[IbkrWorld]:
    """A gateway that asks no questions."""
    async with ibkr_world() as made:
        yield made


@pytest.fixture
async def broker(world: IbkrWorld) -> AsyncIterator[IbkrConnection]:
    """Its account."""
    made = world.open()
    yield made
    await made.disconnect()


def market(symbol: str, quantity: int = 1) -> OrderTerms:
    """Make a market order."""
    return OrderTerms(
        symbol=symbol,
        side=Side.BUY,
        type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        quantity=Decimal(quantity),
    )


def answer_info_with(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Let the gateway describe contracts otherwise."""
    described = dialect.contract_info

    def otherwise(call: Call) -> Any:
        return {**described(call), **changes}

    endpoints = {where: otherwise if act is described else act for where, act in app._ENDPOINTS.items()}
    monkeypatch.setattr(app, "_ROUTES", Routes(endpoints))


KINDS = {
    "AAPL": (AssetClass.STOCK, 1, "0.01"),
    "BRK.B": (AssetClass.STOCK, 1, "0.01"),
    "SPY": (AssetClass.STOCK, 1, "0.01"),
    "AAPL270115C00230000": (AssetClass.OPTION, 100, "0.01"),
    "SPY270115C00590000": (AssetClass.OPTION, 100, "0.01"),
    "ESZ26": (AssetClass.FUTURE, 50, "0.25"),
    "NQZ26": (AssetClass.FUTURE, 20, "0.25"),
    "CLF27": (AssetClass.FUTURE, 1000, "0.01"),
    "GCG27": (AssetClass.FUTURE, 100, "0.1"),
    "EUR/USD": (AssetClass.FOREX, 1, "0.00005"),
    "BOND:412345678": (AssetClass.BOND, 10, "0.001"),
}


@pytest.mark.parametrize("symbol", KINDS)
async def test_an_instrument_is_described_with_its_size_and_grid(symbol: str, broker: IbkrConnection) -> None:
    """Class, multiplier and price step are the gateway's own, under the canonical symbol."""
    found = await broker.get_instrument(symbol)
    assert found is not None
    asset_class, multiplier, tick = KINDS[symbol]
    assert (found.symbol, found.asset_class, found.multiplier) == (symbol, asset_class, Decimal(multiplier))
    assert found.tick_at(Decimal(100)) == Decimal(tick)


@pytest.mark.parametrize("symbol", ["AAPL", "AAPL270115P00230000", "MESZ26", "EUR/USD"])
async def test_what_is_bought_is_held_and_told_under_one_symbol(
    symbol: str, world: IbkrWorld, broker: IbkrConnection
) -> None:
    """Order, position, trade and quote of a contract carry the same canonical symbol, also in a new process."""
    assert isinstance(await broker.submit_order(permit("o-1"), market(symbol)), Accepted)
    stranger = world.open()
    (order,) = await stranger.order_history(0, world.clock.now_ns() + 10**9)
    (position,) = await stranger.get_positions()
    (line,) = await stranger.transactions(0, world.clock.now_ns() + 10**9)
    (quote,) = await stranger.get_quotes([symbol])
    assert {order.terms.symbol, position.symbol, line.symbol, quote.symbol} == {symbol}
    assert position.cost_basis is not None
    assert position.average_price is not None
    found = await stranger.get_instrument(symbol)
    assert found is not None
    assert position.cost_basis == position.average_price * found.multiplier
    await stranger.disconnect()


async def test_orders_for_futures_say_that_a_program_sends_them(world: IbkrWorld, broker: IbkrConnection) -> None:
    """US futures exchanges want that on the order and on its cancel."""
    terms = replace(market("MESZ26"), type=OrderType.LIMIT, limit_price=Decimal(5000), time_in_force=TimeInForce.GTC)
    placed = await broker.submit_order(permit("o-1"), terms)
    assert isinstance(placed, Accepted)
    assert placed.order is not None
    assert b'"manualIndicator": false, "extOperator": "brokergw"' in world.arrived("POST", "/orders")[0].body
    await broker.get_open_orders()
    assert isinstance(await broker.cancel_order(placed.order.broker_order_id), Accepted)
    (entry,) = world.server.journal.select(method="DELETE")
    assert entry.query == {"manualIndicator": "false", "extOperator": "brokergw"}


@pytest.mark.parametrize(
    "symbol", ["ZZZZ", "AAPL270115C00231000", "AAPL271315C00230000", "ESH30", "EUR/XXX", "BOND:1", "not a symbol!", ""]
)
async def test_what_the_gateway_does_not_know_is_none_and_refused(
    symbol: str, world: IbkrWorld, broker: IbkrConnection
) -> None:
    """An unknown instrument is none, its quote is left out, and an order for it never leaves."""
    assert await broker.get_instrument(symbol) is None
    assert list(await broker.get_quotes([symbol])) == []
    outcome = await broker.submit_order(permit("o-1"), market(symbol))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "UNKNOWN_SYMBOL"
    assert world.arrived("POST", "/orders") == []


async def test_a_ticker_of_two_american_shares_is_ambiguous(
    world: IbkrWorld, broker: IbkrConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two could be meant, neither is traded."""
    one = dialect._stock

    def twice(contract: Any) -> Any:
        row = one(contract)
        return {**row, "contracts": [*row["contracts"], {"conid": 1, "exchange": "NYSE", "isUS": True}]}

    monkeypatch.setattr(dialect, "_stock", twice)
    assert await broker.get_instrument("AAPL") is None


@pytest.mark.parametrize(
    ("symbol", "told", "multiplier"),
    [("ESZ26", None, 50), ("ESZ26", "0", 50), ("ESZ26", "51", 51), ("AAPL", None, 1)],
    ids=["known future", "told as zero", "told otherwise", "share"],
)
async def test_a_multiplier_is_the_gateways_or_that_of_a_known_future(
    symbol: str, told: str | None, multiplier: int, broker: IbkrConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the gateway tells wins; the table helps where it tells nothing."""
    answer_info_with(monkeypatch, multiplier=told)
    found = await broker.get_instrument(symbol)
    assert found is not None
    assert found.multiplier == multiplier


@pytest.mark.parametrize(("symbol", "ticker"), [("ESZ26", "XYZ"), ("AAPL270115C00230000", "AAPL")])
async def test_a_contract_of_unknown_size_is_not_traded(
    symbol: str, ticker: str, world: IbkrWorld, broker: IbkrConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A future or an option whose size nobody tells fails as an unusable answer, and is never taken for size one."""
    answer_info_with(monkeypatch, multiplier=None, symbol=ticker)
    with pytest.raises(GatewayError) as caught:
        await broker.get_instrument(symbol)
    assert caught.value.reason is Reason.BROKER_ANSWER_UNUSABLE
    await broker.submit_order(permit("o-1"), market(symbol))
    assert world.arrived("POST", "/orders") == []


async def test_a_look_up_that_fails_is_an_error_and_not_an_unknown_symbol(
    world: IbkrWorld, broker: IbkrConnection
) -> None:
    """While the gateway cannot describe a contract, nobody says that there is none."""
    await broker.authenticate()
    world.server.faults.arm(Fault(name=FaultName.ERROR_BEFORE, path="/v1/api/iserver/contract/*/info"))
    with pytest.raises(GatewayError):
        await broker.get_instrument("AAPL")
    assert await broker.get_instrument("AAPL") is not None


@pytest.mark.parametrize(
    ("symbol", "wanted"),
    [
        ("AAPL", symbols.Share("AAPL")),
        ("BRK.B", symbols.Share("BRK B")),
        ("ESZ26", symbols.Future("ES", "202612")),
        ("6BH27", symbols.Future("GBP", "202703")),
        ("VXF27", symbols.Future("VIX", "202701")),
        ("M2KM27", symbols.Future("M2K", "202706")),
        ("EUR/USD", symbols.Pair("EUR", "USD")),
        ("BOND:42", symbols.ByNumber("BOND", 42)),
        ("BRK.B270115C00400500", symbols.Option("BRK B", "JAN27", "20270115", "C", Decimal("400.5"))),
        ("AAPL270015C00230000", None),
        ("aapl", None),
        ("", None),
    ],
)
def test_symbols_are_read(symbol: str, wanted: symbols.Wanted | None) -> None:
    """Every form of symbol has one meaning."""
    assert symbols.parse(symbol) == wanted


@pytest.mark.parametrize(
    ("kind", "ticker", "local", "month", "symbol"),
    [
        ("STK", "BRK B", "BRK B", "", "BRK.B"),
        ("OPT", "AAPL", "AAPL  270115C00230000", "202701", "AAPL270115C00230000"),
        ("FUT", "GBP", "6BH7", "202703", "6BH27"),
        ("FUT", "ES", "ESZ6", "202612", "ESZ26"),
        ("FUT", "ES", "ESZ6", "", "FUT:7"),
        ("CASH", "EUR", "EUR.USD", "", "EUR/USD"),
        ("BILL", "US-T", "B 0", "", "BOND:7"),
        ("FOP", "ES", "E1AZ6 C6000", "202612", "FOP:7"),
    ],
)
def test_symbols_are_written(kind: str, ticker: str, local: str, month: str, symbol: str) -> None:
    """A contract that has no canonical name of its own is called by its number."""
    assert symbols.of_contract(kind, 7, ticker=ticker, local=local, month=month) == symbol


def test_an_undocumented_kind_is_no_instrument() -> None:
    """A combination, or a kind that nobody has described, is not guessed at."""
    with pytest.raises(Unusable):
        symbols.of_contract("BAG", 7, ticker="X", local="X", month="")
