"""What only makes a position smaller, and what may only do that."""

import asyncio
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from brokergw.desk.gates.position import PositionAsked, ReduceOnlyCheck, makes_smaller, reduces
from brokergw.desk.gates.question import Question
from brokergw.model.commands import ModifyOrder
from brokergw.model.errors import GatewayError, PreflightDenied, Reason
from brokergw.model.outcome import Accepted, Outcome
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, PositionEffect, Side
from brokergw.ports.broker import BrokerUnavailable
from tests.fixtures.questions import position, reasons, state, terms
from tests.fixtures.scripted_broker import Bench, broker_order

D = Decimal
Ask = Callable[..., Question]


@pytest.mark.parametrize(
    ("held", "available", "side", "quantity", "less"),
    [
        ("10", "10", Side.SELL, "9", True),
        ("10", "10", Side.SELL, "10", True),
        ("10", "10", Side.SELL, "11", False),
        ("10", "6", Side.SELL, "6", True),
        ("10", "6", Side.SELL, "7", False),
        ("10", "10", Side.BUY, "1", False),
        ("-10", "10", Side.BUY, "10", True),
        ("-10", "10", Side.BUY, "11", False),
        ("-10", "10", Side.SELL, "1", False),
    ],
)
def test_an_order_reduces_up_to_what_is_held_and_free(
    held: str, available: str, side: Side, quantity: str, *, less: bool
) -> None:
    """What open orders hold of the position cannot be reduced twice; one unit more would turn it."""
    told = state(position(D(held), D(available)))
    assert reduces(terms(side=side, quantity=D(quantity)), told) is less


def test_what_opens_by_its_own_words_or_has_exits_reduces_nothing() -> None:
    """An order meant to open, one by money, and an entry with exits count as adding risk."""
    told = state(position(D(10)))
    sell: dict[str, Any] = {"side": Side.SELL, "quantity": D(5)}
    assert reduces(terms(**sell), told)
    assert not reduces(terms(**sell, position_effect=PositionEffect.OPEN), told)
    assert not reduces(terms(**sell, order_class=OrderClass.BRACKET), told)
    assert not reduces(terms(side=Side.SELL, quantity=None, notional=D(5)), told)
    assert not reduces(terms(**sell), state())


def test_every_leg_must_reduce() -> None:
    """A roll closes one leg and opens another: it adds risk."""
    told = state(position(D(10)))
    closing, opening = Leg("ACME", Side.SELL, 1), Leg("OTHER", Side.BUY, 1)
    shape: dict[str, Any] = {"order_class": OrderClass.MULTI_LEG, "symbol": "", "quantity": D(10)}
    assert reduces(terms(**shape, legs=(closing,)), told)
    assert not reduces(terms(**shape, legs=(closing, opening)), told)


@pytest.mark.parametrize(
    ("change", "smaller"),
    [
        ({"quantity": D(9)}, True),
        ({"quantity": D(10)}, True),
        ({"quantity": D(11)}, False),
        ({"limit_price": D(49)}, True),
        ({"limit_price": D(51)}, False),
        ({"quantity": D(9), "limit_price": D(51)}, False),
    ],
)
def test_a_change_of_a_buy_is_smaller_when_nothing_grows(change: dict[str, Any], *, smaller: bool) -> None:
    """K9: a change up in size or price passes the gates like a new order."""
    assert makes_smaller(terms(), terms(**change)) is smaller


def test_selling_as_much_for_less_is_no_smaller_order() -> None:
    """Only fewer units make a sell smaller."""
    sell: dict[str, Any] = {"side": Side.SELL}
    assert makes_smaller(terms(**sell), terms(**sell, quantity=D(9)))
    assert not makes_smaller(terms(**sell), terms(**sell, limit_price=D(49)))
    assert not makes_smaller(terms(**sell), terms(**sell, quantity=D(9), limit_price=D(51)))


@pytest.mark.parametrize(("quantity", "reason"), [("9", []), ("10", []), ("11", ["REDUCE_ONLY_WOULD_INCREASE"])])
async def test_a_reduce_only_order_may_not_turn_the_position(bench: Bench, quantity: str, reason: list[str]) -> None:
    """Up to the position it goes to the broker; beyond it, nothing does."""
    bench.broker.positions = [position(D(10))]
    await bench.journal.anchor("alice", "acc_1", "ACME", D(10), D(40), D(0))
    command = bench.order(side=Side.SELL, quantity=D(quantity), reduce_only=True)
    if not reason:
        assert (await bench.submit(command)).order.terms.reduce_only
        return
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(command)
    assert [each.reason.value for each in caught.value.objections] == reason
    assert bench.broker.sent == []


async def test_the_record_has_the_last_word_on_reduce_only(bench: Bench) -> None:
    """The broker still shows ten, but by the record another order on its way has spoken for six of them."""
    bench.broker.positions = [position(D(10))]
    await bench.journal.anchor("alice", "acc_1", "ACME", D(10), D(40), D(0))
    await bench.submit(bench.order(side=Side.SELL, quantity=D(6)))
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(bench.order(side=Side.SELL, quantity=D(5), reduce_only=True))
    (objection,) = caught.value.objections
    assert (objection.reason, objection.limit, objection.observed) == (
        Reason.REDUCE_ONLY_WOULD_INCREASE,
        "4",
        "5",
    )
    assert len(bench.broker.sent) == 1
    await bench.submit(bench.order(side=Side.SELL, quantity=D(4), reduce_only=True))


async def test_a_broker_that_does_not_tell_lets_nothing_count_as_reducing(bench: Bench, question: Ask) -> None:
    """The first check only writes down that it failed; the gate that needs the answer says so."""

    async def down() -> Any:
        raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "down")

    bench.broker.get_account = down  # type: ignore[method-assign]
    asked = question(side=Side.SELL, reduce_only=True)
    assert await reasons(PositionAsked(), asked) == []
    assert isinstance(asked.state_error, GatewayError)
    assert not asked.reduces
    assert await reasons(ReduceOnlyCheck(), asked) == []


async def test_a_smaller_change_asks_the_broker_nothing(bench: Bench) -> None:
    """It can only take risk away; one that is larger is judged like a new order."""
    placed = (await bench.submit(bench.order())).order
    asked = bench.broker.account_asked

    def change(**more: Any) -> ModifyOrder:
        return ModifyOrder(idempotency_key=str(uuid.uuid4()), order_id=placed.order_id, **more)

    await bench.desk.clear(bench.caller, change(quantity=D(9)))
    assert bench.broker.account_asked == asked
    await bench.desk.clear(bench.caller, change(quantity=D(11)))
    assert bench.broker.account_asked == asked + 1
    with pytest.raises(PreflightDenied) as caught:
        await bench.desk.clear(bench.caller, change(quantity=D(1000)))
    assert caught.value.reason is Reason.ORDER_NOTIONAL_EXCEEDS_LIMIT


async def test_a_market_order_is_held_at_the_collar_and_needs_that_much_power(bench: Bench) -> None:
    """K8: ten at 50, with the collar of 5 % on top, need 525: a cent less is too little."""
    market: dict[str, Any] = {"type": OrderType.MARKET, "limit_price": None}
    bench.broker.buying_power = D("524.99")
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(bench.order(**market))
    assert caught.value.reason is Reason.INSUFFICIENT_BUYING_POWER
    bench.broker.buying_power = D(525)
    order = (await bench.submit(bench.order(**market))).order
    assert (order.hold_quantity, order.hold_price) == (D(10), D("52.50"))


async def test_orders_that_the_broker_has_not_taken_off_yet_count_against_its_buying_power(bench: Bench) -> None:
    """K7: two orders of 500 with a power of 999 told for both: the second is denied by the commit."""
    answer = asyncio.Event()

    async def submit(client_order_id: str, asked: OrderTerms) -> Outcome:
        await answer.wait()
        return Accepted(broker_order(client_order_id, asked))

    bench.broker.submit, bench.broker.buying_power = submit, D(999)
    first = asyncio.create_task(bench.submit(bench.order()))
    async with asyncio.timeout(5):
        while not bench.broker.sent:
            await asyncio.sleep(0)
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(bench.order(limit_price=D("49.99")))
    (objection,) = caught.value.objections
    facts = (objection.reason, objection.limit, objection.used, objection.requested)
    assert facts == (Reason.INSUFFICIENT_BUYING_POWER, "999", "500", "499.9")
    bench.broker.buying_power = D("999.90")
    second = asyncio.create_task(bench.submit(bench.order(limit_price=D("49.99"))))
    async with asyncio.timeout(5):
        while len(bench.broker.sent) < 2:
            await asyncio.sleep(0)
    answer.set()
    await asyncio.gather(first, second)
