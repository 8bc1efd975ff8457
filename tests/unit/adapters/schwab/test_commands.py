from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.ports.broker import Change
from brokergw.transport.rows import Row
from tests.fixtures.permits import permit
from tests.fixtures.schwab_wire import HASH, ORDERS, PLACE, ScriptedSchwab, answer, placed, sample

D = Decimal
ACCOUNT = f"/trader/v1/accounts/{HASH}?fields=positions"
MINE = 1005588236651
TERMS = OrderTerms(
    symbol="AAPL",
    side=Side.BUY,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    quantity=D(10),
    limit_price=D(100),
    position_effect=PositionEffect.OPEN,
)


@pytest.fixture
def schwab() -> ScriptedSchwab:
    script = ScriptedSchwab()
    script.on("POST", ORDERS, placed(MINE))
    script.on("GET", f"{ORDERS}/{MINE}", answer(sample("order_working")))
    script.on("GET", ACCOUNT, answer(sample("account_margin")))
    return script


async def submit(schwab: ScriptedSchwab, terms: OrderTerms = TERMS) -> Outcome:
    """Send one order through a new connection."""
    return await schwab.open().submit_order(permit("c-1"), terms)


async def test_an_order_is_sent_once_and_read_back(schwab: ScriptedSchwab) -> None:
    """The answer has no body: what was accepted is what stands behind the place that it names."""
    outcome = await submit(schwab)
    assert isinstance(outcome, Accepted)
    assert outcome.order is not None
    assert (outcome.order.broker_order_id, outcome.order.state) == (str(MINE), State.WORKING)
    assert schwab.asked("POST") == [ORDERS]
    assert schwab.sent("POST") == {
        "session": "NORMAL",
        "duration": "DAY",
        "orderType": "LIMIT",
        "orderStrategyType": "SINGLE",
        "price": "100",
        "orderLegCollection": [
            {"instruction": "BUY", "quantity": 10, "instrument": {"symbol": "AAPL", "assetType": "EQUITY"}}
        ],
    }


def _legs(instruction: str, quantity: float, symbol: str = "AAPL") -> dict[str, Any]:
    (leg,) = sample("order_working")["orderLegCollection"]
    instrument = leg["instrument"] | {"symbol": symbol}
    changed = leg | {"instruction": instruction, "quantity": quantity, "instrument": instrument}
    return {"orderLegCollection": [changed], "quantity": quantity}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(_legs("BUY", 9.0), id="quantity"),
        pytest.param(_legs("SELL", 10.0), id="side"),
        pytest.param(_legs("BUY", 10.0, "AAPB"), id="symbol"),
        pytest.param({"price": 100.01}, id="price"),
        pytest.param({"duration": "GOOD_TILL_CANCEL"}, id="duration"),
        pytest.param({"orderType": "STOP_LIMIT", "stopPrice": 101.0}, id="type"),
    ],
)
async def test_a_place_that_names_another_order_is_unknown(schwab: ScriptedSchwab, changes: dict[str, Any]) -> None:
    """The place was seen naming somebody else's order of the same moment: what differs is never taken for ours."""
    schwab.on("GET", f"{ORDERS}/{MINE}", answer(sample("order_working") | changes))
    assert isinstance(await submit(schwab), Unknown)


@pytest.mark.parametrize(
    "location",
    ["", "nowhere", f"https://api.schwabapi.com/trader/v1/accounts/ANOTHERHASH00/orders/{MINE}", f"{PLACE}/abc"],
)
async def test_a_place_that_is_none_of_ours_is_unknown(schwab: ScriptedSchwab, location: str) -> None:
    """A success that does not say where the order is in this account proves that there is one, and not which."""
    schwab.on("POST", ORDERS, answer(status=201, headers={"Location": location} if location else None))
    assert isinstance(await submit(schwab), Unknown)


async def test_an_order_may_take_a_while_to_show(schwab: ScriptedSchwab) -> None:
    """A new order is looked for again before it counts as not shown; then it is unknown, never absent."""
    missing = answer({"message": "Order not found"}, 404)
    schwab.on("GET", f"{ORDERS}/{MINE}", missing, missing, answer(sample("order_working")))
    assert isinstance(await submit(schwab), Accepted)
    assert schwab.clock.slept == [0.1, 0.25]
    schwab.on("GET", f"{ORDERS}/{MINE}", missing)
    assert isinstance(await submit(schwab), Unknown)
    assert len(schwab.asked("POST")) == 2


async def test_an_order_that_was_rejected_keeps_its_id(schwab: ScriptedSchwab) -> None:
    """Schwab numbers what it rejects: the refusal has the reason, the words, and the record that is ours."""
    schwab.on("GET", f"{ORDERS}/{MINE}", answer(sample("order_rejected")))
    outcome = await submit(schwab)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "INSUFFICIENT_FUNDS"
    assert outcome.order is not None
    assert (outcome.order.broker_order_id, outcome.order.state) == (str(MINE), State.REJECTED_BY_BROKER)


async def test_executions_that_lag_are_left_to_the_stream(schwab: ScriptedSchwab) -> None:
    """R9: a total without its executions would count twice, so the order is given as before any of them."""
    told = sample("order_partly_filled")
    schwab.on("GET", f"{ORDERS}/{MINE}", answer(told))
    whole = await submit(schwab)
    assert isinstance(whole, Accepted)
    assert sum(fill.quantity for fill in whole.fills) == 4
    schwab.on("GET", f"{ORDERS}/{MINE}", answer(told | {"orderActivityCollection": []}))
    lagging = await submit(schwab)
    assert isinstance(lagging, Accepted)
    assert lagging.order is not None
    assert not lagging.fills
    assert (lagging.order.cum_quantity, lagging.order.state) == (D(0), State.ACKED)


@pytest.mark.parametrize(
    ("side", "held", "instruction"),
    [
        (Side.BUY, 0, "BUY"),
        (Side.BUY, 10, "BUY"),
        (Side.BUY, -10, "BUY_TO_COVER"),
        (Side.SELL, 0, "SELL_SHORT"),
        (Side.SELL, -10, "SELL_SHORT"),
        (Side.SELL, 1, "SELL"),
    ],
)
async def test_what_an_order_does_to_the_position_is_asked_before(
    schwab: ScriptedSchwab, side: Side, held: int, instruction: str
) -> None:
    """Schwab's words say whether an order opens or closes: where the client does not, the position tells."""
    account = sample("account_margin")
    (share, *_) = account["securitiesAccount"]["positions"]
    share |= {"longQuantity": max(held, 0), "shortQuantity": max(-held, 0)}
    account["securitiesAccount"]["positions"] = [share]
    schwab.on("GET", ACCOUNT, answer(account))
    await submit(schwab, replace(TERMS, side=side, position_effect=PositionEffect.AUTO))
    assert schwab.sent("POST")["orderLegCollection"][0]["instruction"] == instruction


async def test_without_the_positions_nothing_is_sent(schwab: ScriptedSchwab) -> None:
    """An order whose meaning is not known is not sent, and that is proved."""
    schwab.on("GET", ACCOUNT, answer({"message": "away"}, 503))
    assert isinstance(await submit(schwab, replace(TERMS, position_effect=PositionEffect.AUTO)), NotSent)
    assert schwab.asked("POST") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"time_in_force": TimeInForce.GTD, "expire_time_ns": 1},
        {"quantity": None, "notional": D(100)},
        {"quantity": D("1.5")},
    ],
    ids=["date", "money", "fraction"],
)
async def test_what_schwab_has_no_words_for_is_refused_here(schwab: ScriptedSchwab, changes: dict[str, Any]) -> None:
    """Terms that cannot be said are refused, and nothing is sent."""
    outcome = await submit(schwab, replace(TERMS, **changes))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "INVALID_TERMS"
    assert schwab.asked("POST") == []


async def test_groups_and_spreads_are_said_in_schwabs_words(schwab: ScriptedSchwab) -> None:
    """A bracket triggers a pair, a pair stands alone, an entry triggers one exit, a spread has a net price."""
    exits = {"take_profit_limit_price": D(120), "stop_loss_stop_price": D(90)}
    bracket = await _said(schwab, order_class=OrderClass.BRACKET, **exits)
    (pair,) = bracket["childOrderStrategies"]
    assert (bracket["orderStrategyType"], pair["orderStrategyType"]) == ("TRIGGER", "OCO")
    assert [_gist(each) for each in pair["childOrderStrategies"]] == [
        ("LIMIT", "120", None, "SELL"),
        ("STOP", None, "90", "SELL"),
    ]
    oto = await _said(schwab, order_class=OrderClass.OTO, stop_loss_stop_price=D(90), stop_loss_limit_price=D(89))
    assert [_gist(each) for each in oto["childOrderStrategies"]] == [("STOP_LIMIT", "89", "90", "SELL")]
    oco = await _said(schwab, side=Side.SELL, order_class=OrderClass.OCO, limit_price=None, **exits)
    assert (oco["orderStrategyType"], len(oco["childOrderStrategies"])) == ("OCO", 2)
    legs = (
        Leg("AAPL270115C00230000", Side.SELL, 1, PositionEffect.OPEN),
        Leg("AAPL270115P00230000", Side.BUY, 2, PositionEffect.CLOSE),
    )
    credit = await _said(schwab, symbol="", order_class=OrderClass.MULTI_LEG, legs=legs, limit_price=D("-1.25"))
    assert (credit["orderType"], credit["price"], credit["quantity"]) == ("NET_CREDIT", "1.25", 10)
    assert [(leg["instruction"], leg["quantity"]) for leg in credit["orderLegCollection"]] == [
        ("SELL_TO_OPEN", 10),
        ("BUY_TO_CLOSE", 20),
    ]
    assert credit["orderLegCollection"][0]["instrument"]["symbol"] == "AAPL  270115C00230000"


async def _said(schwab: ScriptedSchwab, **changes: Any) -> Row:
    await submit(schwab, replace(TERMS, **changes))
    said: Row = schwab.sent("POST")
    return said


def _gist(body: Row) -> tuple[Any, ...]:
    return body["orderType"], body.get("price"), body.get("stopPrice"), body["orderLegCollection"][0]["instruction"]


async def test_a_change_is_for_what_the_new_total_leaves(schwab: ScriptedSchwab) -> None:
    """The new order begins anew: of a total of 12 with 4 filled it is for 8, and told back as 12 with 4."""
    old, new = MINE, 1005588236700
    schwab.on("GET", f"{ORDERS}/{old}", answer(sample("order_partly_filled")), answer(sample("order_replaced")))
    schwab.on("GET", f"{ORDERS}/{new}", answer(sample("order_successor")))
    schwab.on("PUT", f"{ORDERS}/{old}", placed(new))
    change = Change(quantity=D(12), limit_price=D(101))
    outcome = await schwab.open().modify_order(permit("c-2"), str(old), change)
    assert isinstance(outcome, Accepted)
    order = outcome.order
    assert order is not None
    assert (schwab.sent("PUT")["orderLegCollection"][0]["quantity"], schwab.sent("PUT")["price"]) == (8, "101")
    assert (order.broker_order_id, order.replaces) == (str(new), str(old))
    assert (order.terms.quantity, order.cum_quantity, order.average_price) == (D(12), D(4), D("99.98"))


@pytest.mark.parametrize(
    ("row", "change", "reason"),
    [
        ("order_canceled", Change(quantity=D(20)), "ORDER_NOT_OPEN"),
        ("order_partly_filled", Change(quantity=D(4)), "REPLACE_REJECTED"),
        ("order_bracket", Change(limit_price=D(1)), "REPLACE_REJECTED"),
        ("order_pair", Change(limit_price=D(1)), "REPLACE_REJECTED"),
    ],
)
async def test_what_cannot_be_changed_is_not_tried(
    schwab: ScriptedSchwab, row: str, change: Change, reason: str
) -> None:
    """What has ended, is filled as far already, or leads a group is refused before anything is sent."""
    schwab.on("GET", f"{ORDERS}/{MINE}", answer(sample(row)))
    outcome = await schwab.open().modify_order(permit("c-2"), str(MINE), change)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == reason
    assert schwab.asked("PUT") == []


async def test_one_unit_above_what_is_filled_can_be_asked_for(schwab: ScriptedSchwab) -> None:
    """Just above what is filled a change goes out, for one unit."""
    schwab.on("GET", f"{ORDERS}/{MINE}", answer(sample("order_partly_filled")))
    schwab.on("PUT", f"{ORDERS}/{MINE}", answer({"message": "The order cannot be replaced"}, 400))
    await schwab.open().modify_order(permit("c-2"), str(MINE), Change(quantity=D(5)))
    assert schwab.sent("PUT")["orderLegCollection"][0]["quantity"] == 1


async def test_a_lost_answer_to_a_change_is_unknown(schwab: ScriptedSchwab) -> None:
    """What became of a change is then for the records to tell."""
    schwab.on("PUT", f"{ORDERS}/{MINE}", httpx.ReadError("reset"))
    assert isinstance(await schwab.open().modify_order(permit("c"), str(MINE), Change(quantity=D(5))), Unknown)


async def test_everything_is_cancelled_once_each(schwab: ScriptedSchwab) -> None:
    """There is no word for all: what leads is cancelled and takes its exits along, what has ended is left alone."""
    ended = sample("order_canceled") | {"orderId": 1005588236600}
    bracket = sample("order_bracket") | {"orderId": 1005588236640}
    alone = sample("order_working") | {"orderId": 1005588236690}
    pair = sample("order_pair") | {"orderId": 1005588236680}
    schwab.on("GET", f"{ORDERS}?", answer([ended, bracket, alone, pair]))
    schwab.on("DELETE", ORDERS, answer())
    assert isinstance(await schwab.open().cancel_all(), Accepted)
    assert sorted(path.rpartition("/")[2] for path in schwab.asked("DELETE")) == [
        "1005588236640",
        "1005588236680",
        "1005588236690",
    ]


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ((answer(), answer()), Accepted),
        ((answer(), answer({"message": "in another state"}, 400)), Accepted),
        ((answer(), answer({"message": "broken"}, 500)), Unknown),
        ((answer({"message": "no"}, 403), answer({"message": "no"}, 403)), Rejected),
    ],
    ids=["both", "one-gone-already", "one-lost", "both-refused"],
)
async def test_several_commands_have_one_answer(schwab: ScriptedSchwab, answers: Any, kind: type) -> None:
    """Done is what is done or gone; refused is what is refused whole; everything between is unknown."""
    rows = [sample("order_working") | {"orderId": 1005588236690 + n} for n in range(2)]
    schwab.on("GET", f"{ORDERS}?", answer(rows))
    schwab.on("DELETE", ORDERS, *answers)
    assert isinstance(await schwab.open().cancel_all(), kind)


async def test_too_many_requests_stop_the_next_ones(schwab: ScriptedSchwab) -> None:
    """T1: after a 429 with a time nothing is sent until then, cancels included."""
    schwab.on("POST", ORDERS, answer({"message": "Too many requests"}, 429, {"Retry-After": "20"}))
    connection = schwab.open()
    outcome = await connection.submit_order(permit("c-1"), TERMS)
    assert isinstance(outcome, NotSent)
    assert outcome.retry_after_s == 20
    for seconds, sent in ((19.9, 1), (0.2, 2)):
        await schwab.clock.sleep(seconds)
        await connection.submit_order(permit("c-2"), TERMS)
        assert len(schwab.asked("POST")) == sent


@pytest.mark.parametrize("linked", [0, 1, 2])
async def test_a_connection_is_for_one_account(schwab: ScriptedSchwab, linked: int) -> None:
    """A login that opens none or several is not usable, and no account is chosen by guess."""
    rows = [{"accountNumber": f"1234567{n}", "hashValue": HASH} for n in range(linked)]
    schwab.on("GET", "/trader/v1/accounts/accountNumbers", answer(rows))
    connection = schwab.open()
    if linked == 1:
        assert await connection.get_position("KO") is None
        return
    with pytest.raises(GatewayError) as caught:
        await connection.get_positions()
    assert caught.value.reason is Reason.CONNECTION_NOT_USABLE
    assert isinstance(await connection.submit_order(permit("c-1"), TERMS), NotSent)
