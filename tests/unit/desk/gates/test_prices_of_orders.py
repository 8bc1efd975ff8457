"""Reference prices, collars, stops and sizes: just below, at, and just above each limit."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from brokergw.desk.gates.age import AgeCheck
from brokergw.desk.gates.collar import CollarCheck
from brokergw.desk.gates.question import Question
from brokergw.desk.gates.reference import ReferenceCheck, reference_of
from brokergw.desk.gates.size import SizeCheck
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.sessions import SessionKind
from brokergw.model.terms import OrderType, Side
from brokergw.ports.broker import BrokerUnavailable
from tests.fixtures.questions import instrument, limits, position, quote, reasons, said, state
from tests.fixtures.scripted_broker import Bench

D = Decimal
Ask = Callable[..., Question]
S = 1_000_000_000
MARKET = {"type": OrderType.MARKET, "limit_price": None}


@pytest.mark.parametrize(
    ("bid", "ask", "price"),
    [
        ("49.90", "50.10", "50"),
        (None, "50.10", "50.10"),
        ("49.90", None, "49.90"),
        ("0", "50.10", "50.10"),
        ("50", "50", "50"),
        ("50.10", "49.90", None),
        (None, None, None),
        ("0", "0", None),
    ],
)
def test_the_reference_is_the_middle_or_the_side_that_there_is(
    bid: str | None, ask: str | None, price: str | None
) -> None:
    """A missing side leaves the other; a crossed quote and one of zeros say nothing, and no number is made up."""
    told = quote(D(bid) if bid is not None else None, D(ask) if ask is not None else None)
    assert reference_of(told) == (D(price) if price is not None else None)


@pytest.mark.parametrize(
    ("age_ns", "session", "reason"),
    [
        (15 * S - 1, SessionKind.REGULAR, []),
        (15 * S, SessionKind.REGULAR, []),
        (15 * S + 1, SessionKind.REGULAR, ["REFERENCE_PRICE_STALE"]),
        (15 * S + 1, SessionKind.POST, []),
        (86_400 * S, SessionKind.CLOSED, []),
    ],
)
async def test_a_quote_is_stale_after_fifteen_seconds_in_the_session(
    bench: Bench, question: Ask, age_ns: int, session: SessionKind, reason: list[str]
) -> None:
    """Outside the session the last known price of the instrument serves."""
    bench.broker.now_ns = lambda: bench.clock.now_ns() - age_ns
    asked = question({"session_now": session})
    assert await reasons(ReferenceCheck(bench.clock), asked) == reason


async def test_without_any_price_only_what_reduces_passes(bench: Bench, question: Ask) -> None:
    """K8: a market order without a price is denied; what reduces is judged by what was paid, never by a sentinel."""
    bench.broker.bid = bench.broker.ask = None
    check = ReferenceCheck(bench.clock)
    assert await reasons(check, question(**MARKET)) == ["REFERENCE_PRICE_MISSING"]
    held = state(position(D(10)))
    closing = question({"state": held, "reduces": True}, side=Side.SELL, **MARKET)
    assert await reasons(check, closing) == []
    assert closing.reference_price == D(40)
    marked = question({"state": state(position(D(-10), market_price=D(51)))}, side=Side.SELL, **MARKET)
    assert await reasons(check, marked) == []
    assert marked.reference_price == D(51)


async def test_a_broker_that_gives_no_quotes_uses_up_no_key(
    bench: Bench, question: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that fails is no answer: the caller may come again."""

    async def down(_: object) -> list[object]:
        raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "down")

    monkeypatch.setattr(bench.desk._sessions._by_account["acc_1"].prices, "_ask", down)
    with pytest.raises(GatewayError) as caught:
        await said(ReferenceCheck(bench.clock), question())
    assert caught.value.reason is Reason.RISK_DATA_UNAVAILABLE
    assert await reasons(ReferenceCheck(bench.clock), question({"reduces": True})) == []


async def test_quotes_are_shared_kept_three_seconds_and_renewed_before(bench: Bench) -> None:
    """Orders of a burst cost one request; after three seconds the next one asks again."""
    prices = bench.desk._sessions._by_account["acc_1"].prices
    for _ in range(3):
        await prices.of("ACME")
    assert bench.broker.quotes_asked == 1
    bench.clock.advance(3.0)
    await prices.of("ACME")
    await bench.clock.pass_time(0)
    assert bench.broker.quotes_asked == 2
    bench.clock.advance(3.1)
    await prices.of("ACME")
    assert bench.broker.quotes_asked == 3


@pytest.mark.parametrize(
    ("side", "limit", "reason"),
    [
        (Side.BUY, "55.49", []),
        (Side.BUY, "55.50", []),
        (Side.BUY, "55.51", ["PRICE_OUTSIDE_COLLAR"]),
        (Side.BUY, "0.01", []),
        (Side.SELL, "44.51", []),
        (Side.SELL, "44.50", []),
        (Side.SELL, "44.49", ["PRICE_OUTSIDE_COLLAR"]),
        (Side.SELL, "500", []),
    ],
)
async def test_a_limit_may_be_worse_than_the_market_by_the_collar(
    question: Ask, side: Side, limit: str, reason: list[str]
) -> None:
    """With 11 % of 50 the bounds are 55.50 and 44.50; the better side is free."""
    asked = question({"limits": limits(price_collar_percent=D(11))}, side=side, limit_price=D(limit))
    assert await reasons(CollarCheck(), asked) == reason


async def test_a_stop_limit_is_compared_with_its_stop(question: Ask) -> None:
    """It trades from there on, however far the market is now."""
    known = {"limits": limits(price_collar_percent=D(10))}
    shape = {"type": OrderType.STOP_LIMIT, "stop_price": D(100)}
    assert await reasons(CollarCheck(), question(known, limit_price=D(110), **shape)) == []
    assert await reasons(CollarCheck(), question(known, limit_price=D("110.01"), **shape)) == ["PRICE_OUTSIDE_COLLAR"]


@pytest.mark.parametrize(
    ("side", "stop", "reason"),
    [
        (Side.BUY, "50.01", []),
        (Side.BUY, "50.00", ["STOP_PRICE_WRONG_SIDE"]),
        (Side.BUY, "49.99", ["STOP_PRICE_WRONG_SIDE"]),
        (Side.SELL, "49.99", []),
        (Side.SELL, "50.00", ["STOP_PRICE_WRONG_SIDE"]),
        (Side.SELL, "50.01", ["STOP_PRICE_WRONG_SIDE"]),
    ],
)
async def test_a_stop_lies_beyond_the_market(question: Ask, side: Side, stop: str, reason: list[str]) -> None:
    """One that would fire at once is a mistake."""
    asked = question(side=side, type=OrderType.STOP, limit_price=None, stop_price=D(stop))
    assert await reasons(CollarCheck(), asked) == reason


@pytest.mark.parametrize(("ask", "reason"), [("54.99", []), ("55", []), ("55.01", ["MARKET_ORDER_NOT_ALLOWED"])])
async def test_a_market_order_needs_a_price_within_the_collar(question: Ask, ask: str, reason: list[str]) -> None:
    """The side it would trade at may lie as far from the reference as a limit may."""
    known = {"quote": quote(D(49), D(ask)), "limits": limits(price_collar_percent=D(10))}
    assert await reasons(CollarCheck(), question(known, **MARKET)) == reason


async def test_a_market_order_that_nobody_would_meet_is_refused_unless_it_reduces(question: Ask) -> None:
    """Without an offer the price of a buy cannot be told."""
    one_sided = {"quote": quote(D(50), None)}
    assert await reasons(CollarCheck(), question(one_sided, **MARKET)) == ["MARKET_ORDER_NOT_ALLOWED"]
    assert await reasons(CollarCheck(), question({**one_sided, "reduces": True}, **MARKET)) == []


async def test_market_orders_can_be_forbidden(question: Ask) -> None:
    """The objection names who did."""
    (objection,) = await said(CollarCheck(), question({"limits": limits(market_orders=False)}, **MARKET))
    assert (objection.reason, objection.source) == (Reason.MARKET_ORDER_NOT_ALLOWED, "USER")


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [("99", []), ("100", []), ("101", ["ORDER_QUANTITY_EXCEEDS_LIMIT"])],
)
async def test_one_order_has_a_most_in_units(question: Ask, quantity: str, reason: list[str]) -> None:
    """At the limit it passes."""
    asked = question({"limits": limits(order_quantity_max=D(100))}, quantity=D(quantity))
    assert await reasons(SizeCheck(), asked) == reason


@pytest.mark.parametrize(("limit", "reason"), [("49.99", []), ("50", []), ("50.01", ["ORDER_NOTIONAL_EXCEEDS_LIMIT"])])
async def test_one_order_has_a_most_in_worth(question: Ask, limit: str, reason: list[str]) -> None:
    """K1: whatever the account says, an order of 500 passes a most of 500, and a cent a unit more does not."""
    known = {"limits": limits(order_notional_max=D(500)), "references": (D(49),)}
    (objection,) = (await said(SizeCheck(), question(known, limit_price=D(limit)))) or (None,)
    assert ([] if objection is None else [objection.reason.value]) == reason
    if objection is not None:
        facts = (objection.limit_name, objection.source, objection.limit, objection.requested)
        assert facts == ("order_notional_max", "USER", "500", "500.1")


async def test_the_worth_of_a_sell_is_at_the_market_where_that_is_higher(question: Ask) -> None:
    """A sell far below the market is worth what it trades at; a contract is worth its multiplier."""
    known = {"limits": limits(order_notional_max=D(499))}
    assert await reasons(SizeCheck(), question(known, side=Side.SELL, limit_price=D(1))) == [
        "ORDER_NOTIONAL_EXCEEDS_LIMIT"
    ]
    contract = {"instrument": instrument(multiplier=D(100)), "limits": limits(order_notional_max=D(49_999))}
    assert await reasons(SizeCheck(), question(contract)) == ["ORDER_NOTIONAL_EXCEEDS_LIMIT"]


async def test_what_reduces_may_be_larger_than_one_order(question: Ask) -> None:
    """A position above the most of one order can be closed; the commit then holds it to reducing."""
    asked = question({"limits": limits(order_notional_max=D(1), order_quantity_max=D(1)), "reduces": True})
    assert await reasons(SizeCheck(), asked) == []
    assert asked.excused


@pytest.mark.parametrize(("quantity", "reason"), [("1", ["QUANTITY_BELOW_MINIMUM"]), ("2", []), ("3", [])])
async def test_an_order_has_a_least(question: Ask, quantity: str, reason: list[str]) -> None:
    """K2: below the instrument's least it is clearly reported."""
    asked = question({"instrument": instrument(quantity_min=D(2))}, quantity=D(quantity))
    assert await reasons(SizeCheck(), asked) == reason


async def test_the_last_of_a_position_may_be_closed_however_small(question: Ask) -> None:
    """K2: a protective close below the least is allowed when it is all that is left, and only then."""
    known = {"instrument": instrument(quantity_min=D(5), notional_min=D(500)), "reduces": True}
    whole = question({**known, "state": state(position(D(2)))}, side=Side.SELL, quantity=D(2))
    assert await reasons(SizeCheck(), whole) == []
    part = question({**known, "state": state(position(D(3)))}, side=Side.SELL, quantity=D(2))
    assert await reasons(SizeCheck(), part) == ["QUANTITY_BELOW_MINIMUM", "QUANTITY_BELOW_MINIMUM"]


@pytest.mark.parametrize(
    ("age_ns", "reason"),
    [
        (0, []),
        (30 * S, []),
        (30 * S + 1, ["ORDER_TOO_OLD"]),
        (-30 * S, []),
        (-30 * S - 1, ["ORDER_TOO_OLD"]),
    ],
)
async def test_an_order_decided_on_more_than_thirty_seconds_ago_is_too_old(
    bench: Bench, question: Ask, age_ns: int, reason: list[str]
) -> None:
    """A time far ahead says nothing of the age."""
    asked = question(command={"client_time_ns": bench.clock.now_ns() - age_ns})
    assert await reasons(AgeCheck(bench.clock), asked) == reason
    assert await reasons(AgeCheck(bench.clock), question()) == []
