"""Stories of accounts whose broker shows something else than the record: what stops a user, and what does not."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Final

import grpc
import pytest
from brokerapi.v1 import orders_pb2, reconciliation_pb2, trading_pb2

from brokergw.sim.dialects.alpaca import AlpacaOptions
from tests.fixtures.bare_client import CALL_S, ClientOpener, error_info
from tests.fixtures.gateway_process import GatewayProcess, settings_for_sim
from tests.fixtures.pace import Pace
from tests.fixtures.patience import until
from tests.fixtures.sim import SimHandle, sim_in_thread
from tests.fixtures.story import Story
from tests.scenario.stories.books import AGREED, FAILED, MISMATCH, WARNED, begun, compared, findings, refusal, stub_of

EVERY_S: Final = 2.0
SELDOM_S: Final = 600.0
SURE_S: Final = 6.0
"""What it takes to be sure of a mismatch."""
_ACCOUNTS: Final = 40


@dataclass(frozen=True, slots=True)
class Stage:
    """A gateway that compares now and then, and its broker."""

    gateway: GatewayProcess
    sim: SimHandle
    api_key: str
    numbers: Iterator[int]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One gateway and one simulator for the stories that ask for each comparison, which no other may anticipate."""
    with opened(tmp_path_factory.mktemp("books"), SELDOM_S) as one:
        yield one


@pytest.fixture(scope="module")
def quick_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One gateway that compares by itself every few seconds."""
    with opened(tmp_path_factory.mktemp("quick-books"), EVERY_S) as one:
        yield one


@contextmanager
def opened(directory: Path, every_s: float) -> Iterator[Stage]:
    """Start a gateway, and a simulator for it."""
    keys = {f"PKBOOKS{number}": f"secret-{number}" for number in range(_ACCOUNTS)}
    with sim_in_thread(AlpacaOptions(keys=keys, tick_interval_s=0.05)) as sim:
        settings = {
            "BROKERGW_SWEEP_LIVE_S": "0.5",
            "BROKERGW_SWEEP_BLIND_S": "0.5",
            "BROKERGW_RECONCILE_EVERY_S": str(every_s),
        }
        gateway = GatewayProcess(directory, settings_for_sim(sim) | settings)
        gateway.start()
        yield Stage(gateway, sim, gateway.api_key(), count())
        gateway.stop()


@pytest.fixture
async def story(stage: Stage, open_client: ClientOpener) -> AsyncIterator[Story]:
    """The story of an account and a user of its own; nothing in it may halt the user."""
    told = await a_story(stage, open_client, stage.gateway.api_key(f"user-{uuid.uuid4().hex[:8]}"))
    yield told
    told.mend()
    await told.leave()


@pytest.fixture
async def lone_story(quick_stage: Stage, open_client: ClientOpener) -> AsyncIterator[Story]:
    """The story of a user of its own, who may be halted."""
    api_key = quick_stage.gateway.api_key(f"lone{next(quick_stage.numbers)}")
    told = await a_story(quick_stage, open_client, api_key)
    yield told
    told.mend()
    await told.leave()


async def a_story(stage: Stage, open_client: ClientOpener, api_key: str) -> Story:
    """Connect an account of its own."""
    number = next(stage.numbers)
    sim = replace(stage.sim, key_id=f"PKBOOKS{number}", secret_key=f"secret-{number}")
    sim.control("DELETE", "faults")
    sim.control("DELETE", "journal")
    client = open_client(stage.gateway, api_key)
    account = await client.connect_alpaca(sim)
    told = Story(client, lambda: open_client(stage.gateway, api_key), sim, stage.gateway, account)
    await until(told.listens, bool)
    return told


def enter(story: Story, **entry: str) -> None:
    """Move the account at the broker without an order."""
    story.sim.control("POST", "entry", {"key_id": story.sim.key_id, **entry})


async def bought(story: Story, quantity: str = "10") -> None:
    """Buy through the gateway, filled at once."""
    order, at_broker = await story.resting(quantity)
    story.execute(at_broker, quantity, "50")
    await story.reaches(order.order_id, orders_pb2.ORDER_STATE_FILLED, quantity)


async def mismatch_of(story: Story, timeout_s: float = 40.0) -> reconciliation_pb2.Reconciliation:
    """Wait for a mismatch."""
    found = await until(lambda: findings(story), lambda rows: any(r.finding == MISMATCH for r in rows), timeout_s)
    return next(row for row in found if row.finding == MISMATCH)


async def test_an_injected_discrepancy_halts_its_user_alone_within_one_cycle(
    quick_stage: Stage, lone_story: Story, open_client: ClientOpener, pace: Pace
) -> None:
    """T9: one share too many at the broker halts the user's strategies within one cycle; another user trades on."""
    story = lone_story
    other = await a_story(quick_stage, open_client, quick_stage.api_key)
    await bought(story)
    await begun(story)
    await begun(other)
    assert await refusal(story.client, story.account) == ""
    enter(story, symbol="AAPL", quantity="1")
    entered_at = time.monotonic()
    mismatch = await mismatch_of(story)
    assert time.monotonic() - entered_at < pace.allows(EVERY_S + SURE_S)
    [difference] = mismatch.differences
    assert (difference.subject, difference.record, difference.broker) == ("AAPL", "10", "11")
    assert await refusal(story.client, story.account) == "TRADING_HALTED"
    assert await refusal(other.client, other.account) == ""
    assert "RECONCILIATION_MISMATCH" in quick_stage.gateway.log()
    await asyncio.sleep(EVERY_S)
    assert len([row for row in await findings(story) if row.finding == MISMATCH]) == 1
    await other.leave()


async def test_a_person_settles_a_mismatch_and_trading_goes_on(
    quick_stage: Stage, lone_story: Story, open_client: ClientOpener
) -> None:
    """T9: an operator takes the broker's position over on evidence; the halt goes, and the account agrees."""
    story = lone_story
    await begun(story)
    enter(story, symbol="AAPL", quantity="3")
    mismatch = await mismatch_of(story)
    operator = open_client(
        quick_stage.gateway, quick_stage.gateway.api_key("olga", "--role", "operator", "--scope", "operations.write")
    )

    async def settle() -> reconciliation_pb2.SettleReconciliationResponse:
        request = reconciliation_pb2.SettleReconciliationRequest(
            reconciliation_id=mismatch.reconciliation_id, evidence="the broker's desk confirms three shares"
        )
        return await stub_of(operator).SettleReconciliation(request, metadata=operator.identity, timeout=CALL_S)

    answer = await settle()
    assert answer.halt_lifted
    assert answer.reconciliation.settled_by == "olga"
    assert await refusal(story.client, story.account) == ""
    assert (await compared(story)).finding == AGREED
    with pytest.raises(grpc.aio.AioRpcError) as again:
        await settle()
    assert error_info(again.value).reason == "RECONCILIATION_SETTLED"


async def test_positions_older_than_the_gateway_are_taken_over(stage: Stage, open_client: ClientOpener) -> None:
    """R10: what an account held before it was connected is the record's, from the first comparison on."""
    number = next(stage.numbers)
    key = {"key_id": f"PKBOOKS{number}"}
    stage.sim.control("POST", "entry", {**key, "symbol": "MSFT", "quantity": "7"})
    stage.sim.control("POST", "entry", {**key, "symbol": "KO", "quantity": "-3"})
    sim = replace(stage.sim, key_id=key["key_id"], secret_key=f"secret-{number}")
    client = open_client(stage.gateway, stage.api_key)
    account = await client.connect_alpaca(sim)
    story = Story(client, lambda: open_client(stage.gateway, stage.api_key), sim, stage.gateway, account)
    first = await begun(story)
    assert first.finding == WARNED
    assert {d.subject: d.broker for d in first.differences} == {"MSFT": "7", "KO": "-3"}
    assert {d.explanation for d in first.differences} == {reconciliation_pb2.DIFFERENCE_EXPLANATION_OLDER}
    assert (await compared(story)).finding == AGREED
    await story.leave()


async def test_a_trade_at_the_brokers_own_site_explains_itself(story: Story) -> None:
    """R6: a manual trade is adopted as an order of its own, stream or no stream, and the books agree."""
    await begun(story)
    story.silence()
    order = {"symbol": "AAPL", "qty": "4", "side": "buy", "type": "market", "time_in_force": "day"}
    await asyncio.to_thread(story.sim.ask, "POST", "/v2/orders", order)
    assert (await compared(story)).finding == AGREED
    [adopted] = await story.orders()
    assert (adopted.external, adopted.cum_quantity) == (True, "4")
    assert await refusal(story.client, story.account) == ""


async def test_a_cancel_at_the_brokers_own_site_is_no_mismatch(story: Story) -> None:
    """R6: an order that somebody cancelled elsewhere ends here too, and the books agree."""
    await begun(story)
    order, at_broker = await story.resting()
    story.silence()
    await asyncio.to_thread(story.sim.ask, "DELETE", f"/v2/orders/{at_broker}")
    assert (await compared(story)).finding == AGREED
    await story.reaches(order.order_id, orders_pb2.ORDER_STATE_CANCELED, "0")


@pytest.mark.parametrize(
    ("entry", "after"),
    [
        ({"quantity": "30", "activity": "SPLIT", "told_quantity": "0"}, "40"),
        ({"quantity": "-8", "activity": "REORG"}, "2"),
        ({"quantity": "0.5", "activity": "DIV"}, "10.5"),
        ({"quantity": "-10", "activity": "ACATS"}, "0"),
    ],
)
async def test_a_corporate_action_is_no_mismatch(story: Story, entry: dict[str, str], after: str) -> None:
    """R7: a split, a reorganisation, a dividend in shares, a transfer: the history explains the change."""
    await bought(story)
    await begun(story)
    assert (await compared(story)).finding == AGREED
    enter(story, symbol="AAPL", **entry)
    warned = await compared(story)
    assert warned.finding == WARNED
    assert [d.broker for d in warned.differences] == [after]
    assert (await compared(story)).finding == AGREED
    assert await refusal(story.client, story.account) == ""


async def test_comparing_while_it_trades_finds_nothing(story: Story) -> None:
    """R8, R2: comparisons in the midst of live fills neither halt nor write a difference; fills are counted once."""
    await begun(story)
    before = len(await findings(story))
    order, at_broker = await story.resting("200")
    trading = True

    async def trade() -> None:
        # A slow comparison must not see the order filled.
        for _ in range(199):
            if not trading:
                return
            await asyncio.to_thread(story.execute, at_broker, "1", "50")
            await asyncio.sleep(0.02)

    task = asyncio.create_task(trade())
    found = [await compared(story) for _ in range(6)]
    trading = False
    await task
    assert {each.finding for each in found} == {AGREED}
    filled = Decimal((await story.client.order(order.order_id)).cum_quantity)
    assert filled == sum(Decimal(fill.quantity) for fill in await story.fills())
    assert len(await findings(story)) == before


async def test_a_mute_stream_makes_no_mismatch(story: Story) -> None:
    """R8, R9: fills that no stream has told of are fetched before anybody is judged by them."""
    await begun(story)
    order, at_broker = await story.resting("10")
    story.silence()
    story.execute(at_broker, "10", "50")
    assert (await compared(story)).finding == AGREED
    await story.reaches(order.order_id, orders_pb2.ORDER_STATE_FILLED, "10")


async def test_the_same_symbol_in_two_accounts_is_compared_by_account(
    quick_stage: Stage, lone_story: Story, open_client: ClientOpener
) -> None:
    """R11, R13: two accounts of one user with the same symbol do not answer for each other."""
    story = lone_story
    api_key = story.client.identity[0][1].removeprefix("Bearer ")
    second = await a_story(quick_stage, open_client, api_key)
    await bought(story, "10")
    await bought(second, "4")
    assert [(await compared(each)).finding for each in (story, second)] == [AGREED, AGREED]
    enter(story, symbol="AAPL", quantity="-6")
    enter(second, symbol="AAPL", quantity="6")
    assert [(await compared(each)).finding for each in (story, second)] == [MISMATCH, MISMATCH]
    await second.leave()


@pytest.mark.parametrize("fault", ["error_before", "connection_reset", "garbled_reply"])
async def test_an_account_that_cannot_be_read_is_not_flat(story: Story, fault: str) -> None:
    """R15, R4: a failed read is told as such, with the time of the last good one, and changes and halts nothing."""
    await bought(story)
    good = await begun(story)
    story.fault(fault, method="GET", path="/v2/positions", count=None)
    failed = await compared(story)
    assert failed.finding == FAILED
    assert failed.good_time.seconds >= good.good_time.seconds > 0
    story.mend()
    assert (await compared(story)).finding == AGREED
    assert await refusal(story.client, story.account) == ""


async def test_restarts_compare_again_and_find_nothing_new(story: Story) -> None:
    """R1, R2: what agreed before a restart agrees after it; the first comparison is not made twice."""
    await bought(story)
    await begun(story)
    assert (await compared(story)).finding == AGREED
    story.gateway.terminate()
    assert story.gateway.wait() == 0
    story.gateway.start()
    await story.reconnect()
    again = await compared(story)
    assert (again.finding, again.rounds > 1) == (AGREED, True)


async def test_a_mismatch_survives_a_restart(lone_story: Story) -> None:
    """K5, T9: a halted user stays halted over a restart, and the mismatch is still open."""
    story = lone_story
    await begun(story)
    enter(story, symbol="KO", quantity="1")
    mismatch = await mismatch_of(story)
    story.gateway.kill()
    story.gateway.start()
    await story.reconnect()
    assert await refusal(story.client, story.account) == "TRADING_HALTED"
    [still] = [row for row in await findings(story) if row.open]
    assert still.reconciliation_id == mismatch.reconciliation_id


async def test_cash_that_nothing_explains_is_a_warning(story: Story) -> None:
    """A fee that nobody told of is a warning once, a deposit in the history is none; nobody is halted."""
    await begun(story)
    enter(story, money="250", activity="CSD")
    assert (await compared(story)).finding == AGREED
    enter(story, money="-3.5")
    warned = await compared(story)
    assert (warned.finding, [d.kind for d in warned.differences]) == (
        WARNED,
        [reconciliation_pb2.DIFFERENCE_KIND_CASH],
    )
    assert (await compared(story)).finding == AGREED
    assert await refusal(story.client, story.account) == ""


async def test_coins_come_with_their_fee(story: Story) -> None:
    """R9: a fee that is taken in coins, and told by the history, is no mismatch."""
    await begun(story)
    request = orders_pb2.SubmitOrderRequest(
        account_id=story.account,
        idempotency_key=str(uuid.uuid4()),
        order=orders_pb2.OrderSpec(
            symbol="BTC/USD",
            side=trading_pb2.SIDE_BUY,
            quantity="0.1",
            type=trading_pb2.ORDER_TYPE_MARKET,
            time_in_force=trading_pb2.TIME_IN_FORCE_GTC,
        ),
    )
    order = (await story.client.submit(request, 40.0)).order
    await story.reaches(order.order_id, orders_pb2.ORDER_STATE_FILLED, "0.1")
    found = await compared(story)
    assert found.finding in {AGREED, WARNED}
    assert (await compared(story)).finding == AGREED


async def test_a_spread_is_no_mismatch(story: Story) -> None:
    """The positions that the legs of a multi-leg order bring are its fills', and the books agree with them."""
    await begun(story)
    call, put = "AAPL270115C00230000", "AAPL270115P00230000"
    for symbol, price in ((call, "20"), (put, "10")):
        story.sim.control("POST", "price", {"symbol": symbol, "price": price})
    buy, opens = trading_pb2.SIDE_BUY, trading_pb2.POSITION_EFFECT_OPEN
    legs = [orders_pb2.OrderLeg(symbol=symbol, side=buy, ratio=1, position_effect=opens) for symbol in (call, put)]
    request = orders_pb2.SubmitOrderRequest(
        account_id=story.account,
        idempotency_key=str(uuid.uuid4()),
        order=orders_pb2.OrderSpec(
            quantity="1",
            type=trading_pb2.ORDER_TYPE_LIMIT,
            limit_price="31",
            time_in_force=trading_pb2.TIME_IN_FORCE_DAY,
            order_class=trading_pb2.ORDER_CLASS_MULTI_LEG,
            legs=legs,
        ),
    )
    order = (await story.client.submit(request, 40.0)).order
    await story.reaches(order.order_id, orders_pb2.ORDER_STATE_FILLED, "1")
    assert (await compared(story)).finding in {AGREED, WARNED}
    assert (await compared(story)).finding == AGREED
    assert await refusal(story.client, story.account) == ""
