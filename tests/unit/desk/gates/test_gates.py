"""The gates, check by check."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.desk.fresh import FreshFetch
from brokergw.model.account import ConnectionHealth, Position
from brokergw.model.errors import GatewayError, InvalidRequest, PreflightDenied, Reason
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderClass, OrderType, Side, TimeInForce
from brokergw.ports.broker import BrokerUnavailable
from tests.fixtures.clock import FakeClock
from tests.fixtures.scripted_broker import Bench

D = Decimal


@pytest.mark.parametrize(
    ("terms", "gate", "reason"),
    [
        ({"symbol": "NOPE"}, "instrument", Reason.INSTRUMENT_NOT_FOUND),
        ({"quantity": D(1000)}, "sanity", Reason.ORDER_NOTIONAL_EXCEEDS_LIMIT),
        ({"time_in_force": TimeInForce.GTD, "expire_time_ns": 1}, "instrument", Reason.UNSUPPORTED_TIME_IN_FORCE),
        ({"order_class": OrderClass.OCO}, "instrument", Reason.UNSUPPORTED_FEATURE),
        (
            {"quantity": None, "notional": D(100), "type": OrderType.MARKET, "limit_price": None},
            "instrument",
            Reason.UNSUPPORTED_FEATURE,
        ),
        ({"side": Side.SELL}, "exposure", Reason.SHORT_NOT_PERMITTED),
        (
            {
                "order_class": OrderClass.BRACKET,
                "take_profit_limit_price": D("55.00"),
                "stop_loss_stop_price": D("51.00"),
            },
            "instrument",
            Reason.STOP_PRICE_WRONG_SIDE,
        ),
    ],
)
async def test_a_gate_names_itself_and_its_reason(
    bench: Bench, terms: dict[str, Any], gate: str, reason: Reason
) -> None:
    """Each refusal comes from the gate it belongs to, before anything is sent."""
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(bench.order(**terms))
    assert (caught.value.gate, caught.value.reason) == (gate, reason)
    assert bench.broker.sent == []


@pytest.mark.parametrize(
    ("terms", "field", "reason"),
    [
        ({"limit_price": D("50.001")}, "order.limit_price", Reason.PRICE_OFF_TICK),
        ({"order_class": OrderClass.BRACKET, "take_profit_limit_price": D("55.005")}, None, Reason.PRICE_OFF_TICK),
    ],
)
async def test_an_off_grid_value_names_its_field_and_uses_up_no_key(
    bench: Bench, terms: dict[str, Any], field: str | None, reason: Reason
) -> None:
    """The caller may mend the field and come again with the same key."""
    with pytest.raises(InvalidRequest) as caught:
        await bench.submit(bench.order(**terms))
    assert caught.value.reason is reason
    assert field in {None, caught.value.violations[0].field}
    assert not bench.journal.keys


async def test_all_failed_checks_of_a_gate_speak_at_once(bench: Bench) -> None:
    """A caller learns everything that is wrong at one gate in one answer."""
    command = bench.order(time_in_force=TimeInForce.GTD, expire_time_ns=1, order_class=OrderClass.OCO)
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(command)
    assert {o.reason for o in caught.value.objections} == {Reason.UNSUPPORTED_TIME_IN_FORCE, Reason.UNSUPPORTED_FEATURE}


async def test_the_account_is_asked_from_the_broker_for_every_order(bench: Bench) -> None:
    """Two orders one after the other make two questions; nothing is remembered in between."""
    for _ in range(2):
        await bench.submit(bench.order())
    assert bench.broker.account_asked == 2


async def test_a_broker_that_does_not_answer_closes_the_gate_without_using_up_the_key(bench: Bench) -> None:
    """No account, no order; the same key may come again."""

    async def down() -> Any:
        raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "down")

    bench.broker.get_account = down  # type: ignore[method-assign]
    with pytest.raises(GatewayError) as caught:
        await bench.submit(bench.order())
    assert caught.value.reason is Reason.RISK_DATA_UNAVAILABLE
    assert not bench.journal.keys


@pytest.mark.parametrize(
    ("held", "available", "sell", "reason"),
    [
        ("10", "10", "10", None),
        ("10", "4", "6", Reason.INSUFFICIENT_POSITION),
        ("10", "10", "11", Reason.SHORT_NOT_PERMITTED),
    ],
)
async def test_a_sell_needs_what_is_held_and_free(
    bench: Bench, held: str, available: str, sell: str, reason: Reason | None
) -> None:
    """What open orders hold cannot be sold again, and what is not there cannot be sold short unless permitted."""
    bench.broker.positions = [
        Position(
            symbol="ACME",
            asset_class=AssetClass.STOCK,
            quantity=D(held),
            available_quantity=D(available),
            average_price=None,
            cost_basis=None,
            market_price=None,
            market_value=None,
            unrealized_profit=None,
            as_of_ns=0,
        )
    ]
    command = bench.order(side=Side.SELL, quantity=D(sell))
    if reason is None:
        await bench.submit(command)
        return
    with pytest.raises(PreflightDenied) as caught:
        await bench.submit(command)
    assert caught.value.reason is reason


async def test_validate_only_runs_the_gates_and_leaves_nothing_behind(bench: Bench) -> None:
    """No key, no order, no send; a refusal is not recorded either."""
    command = replace(bench.order(), validate_only=True)
    cleared = await bench.desk.clear(bench.caller, command)
    result = await bench.desk.submit(bench.caller, cleared)  # type: ignore[arg-type]
    assert result.order.order_id
    bench.broker.buying_power = D(0)
    with pytest.raises(PreflightDenied):
        await bench.desk.clear(bench.caller, command)
    assert not bench.journal.keys
    assert not bench.journal.by_id
    assert bench.broker.sent == []


async def test_a_newcomer_never_joins_a_question_that_is_already_being_asked(clock: FakeClock) -> None:
    """Whoever arrives while a fetch runs waits for the next one, together with the others who do."""
    started: list[int] = []
    gates = [asyncio.Event(), asyncio.Event()]

    async def fetch() -> int:
        number = len(started)
        started.append(number)
        await gates[number].wait()
        return number

    fresh = FreshFetch(fetch, clock)
    early = [asyncio.create_task(fresh.get()) for _ in range(3)]
    await asyncio.sleep(0.01)
    late = [asyncio.create_task(fresh.get()) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert started == [0]
    gates[0].set()
    gates[1].set()
    assert await asyncio.gather(*early) == [0, 0, 0]
    assert await asyncio.gather(*late) == [1, 1, 1]


async def test_a_failed_question_fails_only_those_who_shared_it(clock: FakeClock) -> None:
    """The next question is asked anew."""
    outcomes: list[Any] = [GatewayError(Reason.BROKER_UNREACHABLE, "down"), 7]

    async def fetch() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, GatewayError):
            raise outcome
        return int(outcome)

    fresh = FreshFetch(fetch, clock)
    with pytest.raises(GatewayError):
        await fresh.get()
    assert await fresh.get() == 7


async def test_a_connection_whose_credentials_do_not_open_stops_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is shown as broken and refuses orders; the desk starts all the same."""
    directory = bench.desk._sessions._directory
    sealed = replace(directory.connection, connection_id="con_2", account_id="acc_2", has_key=True)  # type: ignore[attr-defined]

    async def unseal(*_: object) -> None:
        raise GatewayError(Reason.CONNECTION_NOT_USABLE, "another key sealed them")

    monkeypatch.setattr(directory, "credentials", unseal)
    session = await bench.desk._sessions.open(sealed)
    assert session.status.health is ConnectionHealth.ERROR
    with pytest.raises(GatewayError) as caught:
        await bench.submit(replace(bench.order(), account_id="acc_2"))
    assert caught.value.reason is Reason.CONNECTION_NOT_USABLE
    await bench.submit(bench.order())


async def test_while_many_ask_at_once_the_next_question_lets_them_gather(clock: FakeClock) -> None:
    """Whoever arrives within the time an answer takes shares the next question; a lone asker never waits."""
    asked: list[float] = []

    async def fetch() -> int:
        asked.append(clock.monotonic())
        await clock.sleep(0.004)
        return len(asked)

    fresh = FreshFetch(fetch, clock)
    await asyncio.gather(fresh.get(), fresh.get())
    assert await fresh.get() == 2
    assert await fresh.get() == 3
    assert asked == pytest.approx([0.0, 0.008, 0.012])
