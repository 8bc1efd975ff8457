from decimal import Decimal

import pytest

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.outcome import Found, Inconclusive
from tests.fixtures.schwab_wire import HASH, ORDERS, ScriptedSchwab, answer, sample

D = Decimal
ACCOUNT = f"/trader/v1/accounts/{HASH}"
CALL = "AAPL270115C00230000"


@pytest.fixture
def schwab() -> ScriptedSchwab:
    script = ScriptedSchwab()
    script.on("GET", "/marketdata/v1/quotes", answer(sample("quotes")))
    script.on("GET", ACCOUNT, answer(sample("account_margin")))
    script.on("GET", ORDERS, answer([]))
    return script


async def test_a_margin_account_is_read(schwab: ScriptedSchwab) -> None:
    """Money arrives to the cent, and no more than four characters of the number are told."""
    account = await schwab.open().authenticate()
    assert (account.cash, account.equity, account.buying_power) == (D("15000.25"), D("16680.25"), D("30000.5"))
    assert (account.masked_number, account.shorting_enabled, account.close_only) == ("****5678", True, False)


async def test_a_cash_account_has_other_words(schwab: ScriptedSchwab) -> None:
    """Several kinds of accounts: what a cash account may spend stands elsewhere, and closing only is told."""
    schwab.on("GET", ACCOUNT, answer(sample("account_cash")))
    account = await schwab.open().get_account()
    assert (account.cash, account.equity, account.buying_power) == (D("500.1"), D("900.1"), D("480.1"))
    assert (account.shorting_enabled, account.close_only) == (False, True)


async def test_positions_are_signed_and_cash_is_none(schwab: ScriptedSchwab) -> None:
    """Shares, funds and short contracts are held; a money-market fund that holds the cash is not one of them."""
    held = {each.symbol: each for each in await schwab.open().get_positions()}
    assert {symbol: each.quantity for symbol, each in held.items()} == {"AAPL": D(10), "SPY": D(3), CALL: D(-2)}
    assert held["SPY"].asset_class is AssetClass.ETF
    assert (held[CALL].market_price, held[CALL].cost_basis) == (D("5.5"), D(-1000))


@pytest.mark.parametrize(("leaves", "available"), [(9, 1), (10, 0), (11, 0)])
async def test_what_orders_hold_is_not_available(schwab: ScriptedSchwab, leaves: int, available: int) -> None:
    """Schwab does not say what open orders hold of a position: below, at and above the whole it is counted."""
    selling = sample("order_working") | {"quantity": leaves}
    selling["orderLegCollection"][0] |= {"instruction": "SELL", "quantity": leaves}
    schwab.on("GET", f"{ORDERS}?", answer([selling]))
    position = await schwab.open().get_position("AAPL")
    assert position is not None
    assert position.available_quantity == available


async def test_a_pair_holds_what_one_of_its_orders_does(schwab: ScriptedSchwab) -> None:
    """Only one of a pair can trade, and a bracket's exits hold nothing until its entry has ended."""
    schwab.on("GET", f"{ORDERS}?", answer([sample("order_pair")]))
    position = await schwab.open().get_position("AAPL")
    assert position is not None
    assert position.available_quantity == 0
    schwab.on("GET", f"{ORDERS}?", answer([sample("order_bracket")]))
    position = await schwab.open().get_position("AAPL")
    assert position is not None
    assert position.available_quantity == 10


async def test_transactions_tell_what_was_traded(schwab: ScriptedSchwab) -> None:
    """Of a trade's items the one that is not money is told, newest first."""
    schwab.on("GET", f"{ACCOUNT}/transactions", answer(sample("transactions")[::-1]))
    trade, dividend = await schwab.open().transactions(0, schwab.clock.now_ns())
    assert (trade.kind, trade.symbol, trade.quantity, trade.price) == ("FILL", "AAPL", D(10), D(100))
    assert (trade.net_amount, trade.broker_order_id) == (D("-1000.02"), "1005588236651")
    assert (dividend.kind, dividend.symbol, dividend.net_amount) == ("DIVIDEND", "KO", D("3.5"))


async def test_quotes_and_instruments_come_from_one_answer(schwab: ScriptedSchwab) -> None:
    """An unknown symbol is left out; a halt, a fund and a contract's multiplier are told."""
    connection = schwab.open()
    quotes = await connection.get_quotes(["SPY", "ZZZZ", "AAPL"])
    assert [(quote.symbol, quote.bid, quote.ask) for quote in quotes] == [
        ("SPY", None, D("590.1")),
        ("AAPL", D("100.01"), D("100.03")),
    ]
    share, fund, call = [await connection.get_instrument(symbol) for symbol in ("AAPL", "SPY", CALL)]
    assert share is not None
    assert (share.asset_class, share.tradable, share.shortable) == (AssetClass.STOCK, True, True)
    assert fund is not None
    assert (fund.asset_class, fund.tradable, fund.shortable) == (AssetClass.ETF, False, False)
    assert call is not None
    assert (call.asset_class, call.multiplier, call.broker_symbol) == (
        AssetClass.OPTION,
        D(100),
        "AAPL  270115C00230000",
    )
    assert await connection.get_instrument("ZZZZ") is None


async def test_an_id_of_ours_is_never_looked_up(schwab: ScriptedSchwab) -> None:
    """Schwab hears no client order id, so that nothing is said of one, not even that it is absent."""
    assert isinstance(await schwab.open().find_order("c-1"), Inconclusive)


async def test_a_cut_list_is_asked_for_in_parts(schwab: ScriptedSchwab) -> None:
    """R5: a list as long as lists may be is cut; below that it is whole. Nothing on a later page is passed over."""
    rows = [sample("order_working") | {"orderId": 1005588236600 + n} for n in range(4)]
    schwab.on("GET", f"{ORDERS}?", answer(rows[:3]), answer(rows[:2]), answer(rows[2:]))
    found = await schwab.open(rows_max=3).get_open_orders()
    assert len(found) == 4
    assert len(schwab.asked("GET")) == 4
    schwab.requests.clear()
    schwab.on("GET", f"{ORDERS}?", answer(rows[:2]))
    assert len(await schwab.open(rows_max=3).get_open_orders()) == 2
    assert len(schwab.asked("GET")) == 2


async def test_a_list_that_stays_cut_is_an_error(schwab: ScriptedSchwab) -> None:
    """More orders in a second than one list can have are never taken for all of them."""
    schwab.on("GET", f"{ORDERS}?", answer([sample("order_working")]))
    with pytest.raises(GatewayError) as caught:
        await schwab.open(rows_max=1).order_history(schwab.clock.now_ns() - 10**9, schwab.clock.now_ns())
    assert caught.value.reason is Reason.BROKER_ANSWER_UNUSABLE


async def test_later_looks_begin_at_the_oldest_open_order(schwab: ScriptedSchwab) -> None:
    """The first look goes back as far as an open order may lie, the next ones to the oldest that still is open."""
    oldest = sample("order_working") | {"enteredTime": "2026-08-01T00:00:00+0000"}
    schwab.on("GET", f"{ORDERS}?", answer([oldest]))
    connection = schwab.open()
    for _ in range(2):
        await connection.get_open_orders()
    first, second = [request.url.params["fromEnteredTime"] for request in schwab.requests if request.url.path == ORDERS]
    assert first.startswith("2026-04-")
    assert second == "2026-07-31T23:50:00.000Z"


async def test_a_successor_is_found_without_being_told(schwab: ScriptedSchwab) -> None:
    """R3: after a restart the one order of the same legs, entered when the old one closed, is its next generation."""
    old, new = sample("order_replaced"), sample("order_successor")
    schwab.on("GET", f"{ORDERS}?", answer([new, old]))
    schwab.on("GET", f"{ORDERS}/{old['orderId']}", answer(old))
    schwab.on("GET", f"{ORDERS}/{new['orderId']}", answer(new))
    connection = schwab.open()
    before, after = await connection.get_order(str(old["orderId"])), await connection.get_order(str(new["orderId"]))
    assert isinstance(before, Found)
    assert before.order.replaced_by == str(new["orderId"])
    assert isinstance(after, Found)
    assert (after.order.replaces, after.order.cum_quantity) == (str(old["orderId"]), D(4))
    assert [order.broker_order_id for order in await connection.get_open_orders()] == [str(new["orderId"])]
    assert [report.fill.quantity for report in await connection.fills_of(after.order) if report.fill] == [D(4)]


@pytest.mark.parametrize("entered", ["2026-03-04T14:59:58+0000", "2026-03-04T15:00:02+0000"])
async def test_an_order_of_another_moment_is_no_successor(schwab: ScriptedSchwab, entered: str) -> None:
    """Just before and just after the moments that are allowed, an order is another one."""
    old, new = sample("order_replaced"), sample("order_successor") | {"enteredTime": entered}
    schwab.on("GET", f"{ORDERS}?", answer([old, new]))
    schwab.on("GET", f"{ORDERS}/{old['orderId']}", answer(old))
    found = await schwab.open().get_order(str(old["orderId"]))
    assert isinstance(found, Found)
    assert found.order.replaced_by == ""


@pytest.mark.parametrize("entered", ["2026-03-04T14:59:59+0000", "2026-03-04T15:00:01+0000"])
async def test_the_last_moments_that_are_allowed_count(schwab: ScriptedSchwab, entered: str) -> None:
    """At both ends of the moments that are allowed an order is the successor."""
    old, new = sample("order_replaced"), sample("order_successor") | {"enteredTime": entered}
    schwab.on("GET", f"{ORDERS}?", answer([old, new]))
    schwab.on("GET", f"{ORDERS}/{old['orderId']}", answer(old))
    found = await schwab.open().get_order(str(old["orderId"]))
    assert isinstance(found, Found)
    assert found.order.replaced_by == str(new["orderId"])


async def test_two_possible_successors_are_none(schwab: ScriptedSchwab) -> None:
    """With two orders that may have taken its place, an order lives on under an id that nobody guesses."""
    old, new = sample("order_replaced"), sample("order_successor")
    twin = new | {"orderId": new["orderId"] + 1}
    schwab.on("GET", f"{ORDERS}?", answer([old, new, twin]))
    schwab.on("GET", f"{ORDERS}/{old['orderId']}", answer(old))
    found = await schwab.open().get_order(str(old["orderId"]))
    assert isinstance(found, Found)
    assert found.order.replaced_by == ""
    assert {order.broker_order_id for order in await schwab.open().get_open_orders()} == {
        str(new["orderId"]),
        str(twin["orderId"]),
    }
