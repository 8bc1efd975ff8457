"""A credential for some accounts: the others are not there for it, whatever it asks."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from brokergw.desk.keys.sends import key_reused
from brokergw.desk.results import Result
from brokergw.desk.streams.watch import WatchRequest
from brokergw.model.account import Environment
from brokergw.model.commands import CancelAllOrders, CancelOrder, CloseAll, Flatten, ModifyOrder
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import EventKind
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Accepted, Outcome
from brokergw.model.principal import Caller
from brokergw.ports.journal import OrderQuery
from tests.fixtures.scripted_broker import Bench, broker_order, report

Ask = Callable[[Bench, Caller, str], Awaitable[Any]]


def restricted(bench: Bench, **restriction: Any) -> Caller:
    """Give alice with a key for something."""
    return replace(bench.caller, principal=replace(bench.caller.principal, **restriction))


def blind(bench: Bench) -> Caller:
    """Give alice with a key for another account than the only one that there is."""
    return restricted(bench, accounts=frozenset({"acc_other"}))


def key() -> str:
    """Make an idempotency key."""
    return str(uuid.uuid4())


def ends_at_once(bench: Bench) -> None:
    """Let the broker end every order as soon as its cancel is asked for."""

    async def cancel(broker_order_id: str) -> Outcome:
        client_id, terms = next(each for each in bench.broker.sent if f"b-{each[0]}" == broker_order_id)
        bench.broker.feed.put_nowait(report(broker_order(client_id, terms, state=State.CANCELED)))
        return Accepted()

    bench.broker.cancel = cancel


async def first_of(bench: Bench, caller: Caller, **request: Any) -> Any:
    """Open a stream and give the first that it tells."""
    stream = bench.desk.watch(caller, WatchRequest(kind=EventKind.ORDER, **request))
    try:
        return await anext(stream)
    finally:
        await stream.aclose()  # type: ignore[attr-defined]


NAMED: dict[str, tuple[Ask, Reason]] = {
    "get order": (lambda b, c, o: b.desk.get_order(c, o), Reason.ORDER_NOT_FOUND),
    "get by client id": (lambda b, c, _: b.desk.get_order_by_client_id(c, "acc_1", "mine"), Reason.ORDER_NOT_FOUND),
    "order events": (lambda b, c, o: b.desk.list_order_events(c, o), Reason.ORDER_NOT_FOUND),
    "list orders": (
        lambda b, c, _: b.desk.list_orders(c, OrderQuery(user_id="alice", account_ids=("acc_1",))),
        Reason.ACCOUNT_NOT_FOUND,
    ),
    "list fills": (lambda b, c, _: b.desk.list_fills(c, ["acc_1"]), Reason.ACCOUNT_NOT_FOUND),
    "wait for": (lambda b, c, _: b.desk.wait_for(c, {"acc_1": 1}), Reason.ACCOUNT_NOT_FOUND),
    "account": (lambda b, c, _: b.desk.get_account(c, "acc_1"), Reason.ACCOUNT_NOT_FOUND),
    "positions": (lambda b, c, _: b.desk.get_positions(c, ["acc_1"], partial=True), Reason.ACCOUNT_NOT_FOUND),
    "transactions": (lambda b, c, _: b.desk.list_transactions(c, "acc_1", 0, 1), Reason.ACCOUNT_NOT_FOUND),
    "quotes": (lambda b, c, _: b.desk.get_quotes(c, "acc_1", ["ACME"]), Reason.ACCOUNT_NOT_FOUND),
    "instrument": (lambda b, c, _: b.desk.get_instrument(c, "acc_1", "ACME"), Reason.ACCOUNT_NOT_FOUND),
    "ping": (lambda b, c, _: b.desk.ping_broker(c, "con_1"), Reason.CONNECTION_NOT_FOUND),
    "connection": (lambda b, c, _: b.desk.get_connection(c, "con_1"), Reason.CONNECTION_NOT_FOUND),
    "test connection": (lambda b, c, _: b.desk.test_connection(c, "con_1"), Reason.CONNECTION_NOT_FOUND),
    "revoke connection": (lambda b, c, _: b.desk.revoke_connection(c, "con_1"), Reason.CONNECTION_NOT_FOUND),
    "preflight": (lambda b, c, _: b.desk.clear(c, b.order()), Reason.ACCOUNT_NOT_FOUND),
    "preflight of a change": (
        lambda b, c, o: b.desk.clear(c, ModifyOrder(idempotency_key=key(), order_id=o)),
        Reason.ORDER_NOT_FOUND,
    ),
    "cancel": (
        lambda b, c, o: b.desk.cancel(c, CancelOrder(idempotency_key=key(), order_id=o)),
        Reason.ORDER_NOT_FOUND,
    ),
    "cancel all": (
        lambda b, c, _: b.desk.cancel_all(c, CancelAllOrders(idempotency_key=key(), account_id="acc_1")),
        Reason.ACCOUNT_NOT_FOUND,
    ),
    "flatten": (
        lambda b, c, _: b.desk.flatten(c, Flatten(idempotency_key=key(), account_id="acc_1")),
        Reason.ACCOUNT_NOT_FOUND,
    ),
    "recall of an order": (
        lambda b, c, o: b.desk.recall(c, CancelOrder(idempotency_key=key(), order_id=o)),
        Reason.ORDER_NOT_FOUND,
    ),
    "recall of an account": (lambda b, c, _: b.desk.recall(c, b.order()), Reason.ACCOUNT_NOT_FOUND),
    "stream": (lambda b, c, _: first_of(b, c, account_ids=("acc_1",)), Reason.ACCOUNT_NOT_FOUND),
    "trading state": (lambda b, c, _: b.desk.halts.state(c, "acc_1", ""), Reason.ACCOUNT_NOT_FOUND),
}

LISTED: dict[str, Ask] = {
    "orders": lambda b, c, _: b.desk.list_orders(c, OrderQuery(user_id="alice")),
    "fills": lambda b, c, _: b.desk.list_fills(c, []),
    "accounts": lambda b, c, _: b.desk.list_accounts(c),
    "connections": lambda b, c, _: b.desk.list_connections(c),
}


@pytest.mark.parametrize("name", NAMED)
async def test_what_is_out_of_reach_answers_like_what_does_not_exist(bench: Bench, name: str) -> None:
    """I2: by id or by account, the answer is that of a thing that nobody has; and nothing reaches the broker."""
    ask, reason = NAMED[name]
    order_id = (await bench.submit(replace(bench.order(), client_order_id="mine"))).order.order_id
    sent = len(bench.broker.sent)
    with pytest.raises(GatewayError) as out_of_reach:
        await ask(bench, blind(bench), order_id)
    assert out_of_reach.value.reason is reason
    assert out_of_reach.value.order_id is None
    assert len(bench.broker.sent) == sent


@pytest.mark.parametrize("name", NAMED)
async def test_what_is_in_reach_is_there(bench: Bench, name: str) -> None:
    """The same key for this account gets the answer that an unrestricted one gets."""
    ask, reason = NAMED[name]
    ends_at_once(bench)
    order_id = (await bench.submit(replace(bench.order(), client_order_id="mine"))).order.order_id
    said = None
    try:
        await ask(bench, restricted(bench, accounts=frozenset({"acc_1"})), order_id)
    except GatewayError as error:
        said = error.reason
    assert said is not reason


@pytest.mark.parametrize("name", LISTED)
async def test_lists_leave_out_what_is_out_of_reach(bench: Bench, name: str) -> None:
    """Where none is named, those in reach are meant; no account at all is not every account."""
    order_id = (await bench.submit(bench.order())).order.order_id
    ask = LISTED[name]
    assert list(await ask(bench, blind(bench), order_id)) == []
    assert list(await ask(bench, restricted(bench, accounts=frozenset()), order_id)) == []
    if name != "fills":
        assert len(list(await ask(bench, restricted(bench, accounts=frozenset({"acc_1"})), order_id))) == 1


async def test_positions_budgets_and_streams_leave_it_out(bench: Bench) -> None:
    """As lists do."""
    caller = blind(bench)
    assert await bench.desk.get_positions(caller, [], partial=False) == ([], [])
    assert list(bench.desk.budgets(caller)) == []
    assert (await first_of(bench, caller)).account_ids == ()
    assert (await first_of(bench, restricted(bench, accounts=frozenset({"acc_1"})))).account_ids == ("acc_1",)


async def test_close_all_closes_what_is_in_reach(bench: Bench) -> None:
    """And its answer under the user's own key is not told to a key that does not reach it."""
    ends_at_once(bench)
    await bench.submit(bench.order())
    command = CloseAll(idempotency_key=key())
    mine = await bench.desk.close_all(blind(bench), CloseAll(idempotency_key=key()))
    assert (mine.cancels, mine.orders, mine.residuals) == ((), (), ())
    whole = await bench.desk.close_all(bench.caller, command)
    assert len(whole.cancels) == 1
    for call in (bench.desk.recall, bench.desk.close_all):
        with pytest.raises(GatewayError) as refused:
            await call(blind(bench), command)
        assert refused.value.reason is Reason.IDEMPOTENCY_KEY_REUSED
        assert refused.value.order_id is None


async def test_a_reused_key_does_not_name_an_order_out_of_reach(bench: Bench) -> None:
    """Keys are the user's, so that another request under one is refused; whose order it was stays untold."""
    order_id = (await bench.submit(bench.order())).order.order_id

    async def recall() -> Result | None:
        raise key_reused(order_id)

    command = CloseAll(idempotency_key=key())
    told = {}
    for name, caller in (("blind", blind(bench)), ("sees", restricted(bench, accounts=frozenset({"acc_1"})))):
        with pytest.raises(GatewayError) as refused:
            await bench.desk._reach.recalled(caller, command, recall)
        assert refused.value.reason is Reason.IDEMPOTENCY_KEY_REUSED
        told[name] = refused.value.order_id
    assert told == {"blind": None, "sees": order_id}


@pytest.mark.parametrize(
    ("environment", "mode", "there"),
    [
        (Environment.MOCK, Environment.MOCK, True),
        (Environment.PAPER, Environment.MOCK, False),
        (Environment.PAPER, Environment.PAPER, True),
        (Environment.LIVE, Environment.PAPER, False),
        (Environment.LIVE, Environment.LIVE, True),
    ],
)
async def test_a_key_for_a_mode_reaches_no_account_beyond_it(
    bench: Bench, environment: Environment, mode: Environment, *, there: bool
) -> None:
    """A paper key does not see a live account, so that no order of it can go there."""
    session = await bench.desk._sessions.usable("alice", "acc_1")
    session.connection = replace(session.connection, environment=environment)
    caller = restricted(bench, mode_max=mode)
    assert await bench.desk._sessions.reaches(caller, "acc_1") is there
    if not there:
        with pytest.raises(GatewayError) as refused:
            await bench.desk.clear(caller, bench.order())
        assert refused.value.reason is Reason.ACCOUNT_NOT_FOUND
