"""What the adapter makes of each way a command can end; each command is sent at most once."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from brokergw.adapters.alpaca import AlpacaConfig, AlpacaConnection
from brokergw.model.account import Environment
from brokergw.model.errors import Reason
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import Change
from tests.fixtures.alpaca_wire import KEY, SECRET, ScriptedAlpaca, answer, sample
from tests.fixtures.permits import permit

LIMIT = OrderTerms(
    symbol="AAPL",
    side=Side.BUY,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    quantity=Decimal(10),
    limit_price=Decimal("180.25"),
)

OLD = "0b6e8a34-2b7f-4f62-8a7d-2f2c0a4d9e01"
UNIQUE = answer({"code": 40010001, "message": "client_order_id must be unique"}, 422)

Command = Callable[[AlpacaConnection], Awaitable[Outcome]]

COMMANDS: dict[str, Command] = {
    "submit": lambda broker: broker.submit_order(permit("gw-limit-1"), LIMIT),
    "modify": lambda broker: broker.modify_order(permit("gw-limit-2"), OLD, Change(limit_price=Decimal(181))),
    "cancel": lambda broker: broker.cancel_order(OLD),
    "cancel all": lambda broker: broker.cancel_all(),
    "flatten": lambda broker: broker.flatten("AAPL"),
    "close all": lambda broker: broker.close_all(),
}
METHODS = {"submit": "POST", "modify": "PATCH"}


@pytest.fixture
def alpaca() -> ScriptedAlpaca:
    """An Alpaca that answers what the test tells it to."""
    return ScriptedAlpaca()


async def test_an_accepted_order_comes_back_as_alpaca_tells_it(alpaca: ScriptedAlpaca) -> None:
    """One POST carries the order and both auth headers, and its answer is the order."""
    alpaca.on("POST", "/v2/orders", answer(sample("http_get_order")))
    outcome = await alpaca.open().submit_order(permit("gw-limit-1"), LIMIT)
    assert isinstance(outcome, Accepted)
    assert outcome.order is not None
    assert (outcome.order.broker_order_id, outcome.order.state) == (OLD, State.WORKING)
    assert outcome.order.terms == LIMIT
    (request,) = alpaca.requests
    assert str(request.url) == "https://paper-api.alpaca.markets/v2/orders"
    assert (request.headers["APCA-API-KEY-ID"], request.headers["APCA-API-SECRET-KEY"]) == (KEY, SECRET)
    assert alpaca.sent() == {
        "symbol": "AAPL",
        "side": "buy",
        "type": "limit",
        "time_in_force": "gtc",
        "client_order_id": "gw-limit-1",
        "qty": "10",
        "limit_price": "180.25",
    }


async def test_a_live_connection_speaks_to_the_live_host(alpaca: ScriptedAlpaca) -> None:
    """Real money goes to the live address and nowhere else."""
    alpaca.on("POST", "/v2/orders", answer(sample("http_get_order")))
    await alpaca.open(environment=Environment.LIVE).submit_order(permit("gw-limit-1"), LIMIT)
    assert alpaca.requests[0].url.host == "api.alpaca.markets"


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.PoolTimeout("busy")], ids=["refused", "busy"])
async def test_a_command_that_never_left_is_not_sent(alpaca: ScriptedAlpaca, name: str, error: Exception) -> None:
    """Without a connection every command ends as NotSent."""
    alpaca.on(METHODS.get(name, "DELETE"), "/v2/", error)
    assert isinstance(await COMMANDS[name](alpaca.open()), NotSent)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    "broken",
    [
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("hung up"),
        answer("oops", 500),
        answer("<html>Bad Gateway</html>", 502),
        answer("", 504),
        answer({"code": 42210000, "message": "words that nobody has seen before"}, 422),
        answer("", 302),
        answer({"id": "half an ord"}),
        answer('{"id":"'),
        answer("", 201),
    ],
    ids=["timeout", "hung up", "500", "502", "504", "unlisted", "redirect", "wrong shape", "cut", "created"],
)
async def test_a_command_without_a_clear_answer_is_unknown(
    alpaca: ScriptedAlpaca, name: str, broken: httpx.Response | Exception
) -> None:
    """Whatever happens after the first byte, short of a documented answer, is Unknown, and nothing is sent again."""
    alpaca.on(METHODS.get(name, "DELETE"), "/v2/", broken)
    assert isinstance(await COMMANDS[name](alpaca.open()), Unknown)
    assert len(alpaca.requests) == 1


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_throttled_command_is_not_sent_and_bans_the_next(alpaca: ScriptedAlpaca, name: str) -> None:
    """A 429 proves that the command was thrown away; until the time it names nothing more goes out."""
    throttled = answer({"code": 42910000, "message": "rate limit exceeded"}, 429, {"Retry-After": "7"})
    alpaca.on(METHODS.get(name, "DELETE"), "/v2/", throttled)
    broker = alpaca.open()
    assert await COMMANDS[name](broker) == NotSent(
        "Alpaca takes no more requests for now", 7.0, Reason.BROKER_RATE_LIMITED
    )
    again = await COMMANDS[name](broker)
    assert isinstance(again, NotSent)
    assert again.retry_after_s == 7.0
    assert len(alpaca.requests) == 1


async def test_our_own_budget_keeps_a_share_for_cancels(alpaca: ScriptedAlpaca) -> None:
    """When orders have used their share, another order is not sent while a cancel still is."""
    alpaca.on("POST", "/v2/orders", answer({"code": 40310000, "message": "insufficient buying power"}, 403))
    alpaca.on("DELETE", "/v2/orders/", answer("", 204))
    broker = alpaca.open(AlpacaConfig(requests_per_minute=10))
    outcomes = [await broker.submit_order(permit("gw-limit-1"), LIMIT) for _ in range(9)]
    assert [type(outcome) for outcome in outcomes] == [Rejected] * 8 + [NotSent]
    assert await broker.cancel_order(OLD) == Accepted()


async def test_a_refusal_tells_reason_code_and_words(alpaca: ScriptedAlpaca) -> None:
    """A documented refusal is definitive and carries Alpaca's own code and message."""
    alpaca.on("POST", "/v2/orders", answer({"code": 40310000, "message": "insufficient buying power"}, 403))
    assert await alpaca.open().submit_order(permit("gw-limit-1"), LIMIT) == Rejected(
        "INSUFFICIENT_FUNDS", "40310000", "insufficient buying power"
    )


FILLED = sample("http_get_order") | {"status": "filled", "filled_qty": "10", "filled_avg_price": "180.14"}


async def test_an_order_answered_as_filled_brings_its_executions(alpaca: ScriptedAlpaca) -> None:
    """An answer that already counts executions is completed with them, under the ids that the stream gives them."""
    alpaca.on("POST", "/v2/orders", answer(FILLED))
    alpaca.on("GET", "/v2/account/activities/FILL?", answer(sample("http_get_activities_fill")))
    outcome = await alpaca.open().submit_order(permit("gw-limit-1"), LIMIT)
    assert isinstance(outcome, Accepted)
    assert outcome.order is not None
    assert (outcome.order.state, outcome.order.cum_quantity) == (State.FILLED, Decimal(10))
    assert [fill.execution_id for fill in outcome.fills] == [f"{OLD}:4", f"{OLD}:10"]


@pytest.mark.parametrize("activities", [answer(sample("http_get_activities_fill")[:1]), answer("", 500)])
async def test_executions_that_cannot_be_told_yet_are_left_to_the_stream(
    alpaca: ScriptedAlpaca, activities: httpx.Response
) -> None:
    """An order is given without a total where its executions are not at hand, so that none counts twice."""
    alpaca.on("POST", "/v2/orders", answer(FILLED))
    alpaca.on("GET", "/v2/account/activities/FILL?", activities)
    outcome = await alpaca.open().submit_order(permit("gw-limit-1"), LIMIT)
    assert isinstance(outcome, Accepted)
    assert outcome.order is not None
    assert (outcome.order.state, outcome.order.cum_quantity, outcome.fills) == (State.ACKED, Decimal(0), ())
    assert outcome.order.average_price is None


async def test_an_answer_about_another_order_is_unknown(alpaca: ScriptedAlpaca) -> None:
    """An order with a client order id that we did not send says nothing of ours."""
    alpaca.on("POST", "/v2/orders", answer(sample("http_get_order")))
    assert isinstance(await alpaca.open().submit_order(permit("gw-other"), LIMIT), Unknown)


async def test_a_duplicate_that_equals_ours_is_our_earlier_order(alpaca: ScriptedAlpaca) -> None:
    """Alpaca's refusal of a repeated id leads to the order that has it."""
    alpaca.on("POST", "/v2/orders", UNIQUE)
    alpaca.on("GET", "/v2/orders:by_client_order_id?client_order_id=gw-limit-1", answer(sample("http_get_order")))
    outcome = await alpaca.open().submit_order(permit("gw-limit-1"), LIMIT)
    assert isinstance(outcome, Accepted)
    assert outcome.order is not None
    assert outcome.order.broker_order_id == OLD


async def test_a_duplicate_with_other_terms_is_refused(alpaca: ScriptedAlpaca) -> None:
    """Another order under the same id is not ours, and ours was not placed."""
    alpaca.on("POST", "/v2/orders", UNIQUE)
    alpaca.on("GET", "/v2/orders:by", answer(sample("http_get_order")))
    outcome = await alpaca.open().submit_order(permit("gw-limit-1"), replace(LIMIT, quantity=Decimal(11)))
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "DUPLICATE_CLIENT_ID"


@pytest.mark.parametrize(
    "found",
    [answer({"code": 40410000, "message": "order not found for X"}, 404), answer("", 500), httpx.ReadError("x")],
)
async def test_a_duplicate_that_cannot_be_looked_up_is_unknown(
    alpaca: ScriptedAlpaca, found: httpx.Response | Exception
) -> None:
    """Without seeing the earlier order nothing is concluded from the refusal."""
    alpaca.on("POST", "/v2/orders", UNIQUE)
    alpaca.on("GET", "/v2/orders:by", found)
    assert isinstance(await alpaca.open().submit_order(permit("gw-limit-1"), LIMIT), Unknown)


async def test_a_time_in_force_alpaca_lacks_is_refused_before_sending(alpaca: ScriptedAlpaca) -> None:
    """Nothing is sent for terms that Alpaca has no words for."""
    dated = replace(LIMIT, time_in_force=TimeInForce.GTD, expire_time_ns=1)
    outcome = await alpaca.open().submit_order(permit("gw-limit-1"), dated)
    assert isinstance(outcome, Rejected)
    assert not alpaca.requests


async def test_a_change_gives_the_next_generation(alpaca: ScriptedAlpaca) -> None:
    """A PATCH names the old order and brings back the new one, which names the old one too."""
    alpaca.on("PATCH", f"/v2/orders/{OLD}", answer(sample("http_patch_order")))
    outcome = await alpaca.open().modify_order(permit("gw-limit-2"), OLD, Change(limit_price=Decimal(181)))
    assert isinstance(outcome, Accepted)
    assert outcome.order is not None
    assert outcome.order.replaces == OLD
    assert alpaca.sent() == {"client_order_id": "gw-limit-2", "limit_price": "181"}


async def test_a_change_answered_about_another_order_is_unknown(alpaca: ScriptedAlpaca) -> None:
    """A new order that replaces something else is not our change."""
    alpaca.on("PATCH", "/v2/orders/", answer(sample("http_patch_order")))
    outcome = await alpaca.open().modify_order(permit("gw-limit-2"), "another-order", Change(limit_price=Decimal(181)))
    assert isinstance(outcome, Unknown)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (204, "", Accepted()),
        (422, {"code": 42210000, "message": 'order is already in "filled" state'}, "ORDER_NOT_OPEN"),
        (404, {"code": 40410000, "message": "order not found for X"}, "NOT_FOUND"),
    ],
)
async def test_a_cancel_is_taken_or_refused(
    alpaca: ScriptedAlpaca, status: int, body: Any, expected: Accepted | str
) -> None:
    """204 is the request taken; an order that has ended or is unknown is a refusal with that reason."""
    alpaca.on("DELETE", f"/v2/orders/{OLD}", answer(body, status))
    outcome = await alpaca.open().cancel_order(OLD)
    assert outcome == expected or (isinstance(outcome, Rejected) and outcome.reason == expected)


async def test_cancel_all_takes_orders_that_were_gone_already_as_done(alpaca: ScriptedAlpaca) -> None:
    """A row that says 404 or not open leaves nothing to cancel."""
    alpaca.on("DELETE", "/v2/orders", answer(sample("http_delete_orders"), 207))
    assert await alpaca.open().cancel_all() == Accepted()


async def test_close_all_with_a_position_left_is_unknown(alpaca: ScriptedAlpaca) -> None:
    """Some closed and some not is neither a success nor a refusal."""
    alpaca.on("DELETE", "/v2/positions?cancel_orders=true", answer(sample("http_delete_positions"), 207))
    outcome = await alpaca.open().close_all()
    assert outcome == Unknown("1 of 2 were not done: INSUFFICIENT_POSITION")


async def test_close_all_refused_for_every_position_is_refused(alpaca: ScriptedAlpaca) -> None:
    """When each row is a definitive refusal, nothing was changed."""
    alpaca.on("DELETE", "/v2/positions", answer(sample("http_delete_positions")[1:], 207))
    outcome = await alpaca.open().close_all()
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "INSUFFICIENT_POSITION"


async def test_close_all_of_an_empty_account_is_done(alpaca: ScriptedAlpaca) -> None:
    """No position is left where there was none."""
    alpaca.on("DELETE", "/v2/positions", answer([], 207))
    assert await alpaca.open().close_all() == Accepted()


async def test_flatten_writes_a_crypto_pair_without_its_slash(alpaca: ScriptedAlpaca) -> None:
    """Alpaca's positions know `BTCUSD`, and closing one gives the order that does it."""
    alpaca.on("DELETE", "/v2/positions/BTCUSD", answer(sample("http_get_order")))
    outcome = await alpaca.open().flatten("BTC/USD")
    assert isinstance(outcome, Accepted)
    assert outcome.order is not None


async def test_flatten_without_a_position_is_refused(alpaca: ScriptedAlpaca) -> None:
    """There being nothing to close is a definitive answer."""
    alpaca.on("DELETE", "/v2/positions/AAPL", answer({"code": 40410000, "message": "position does not exist"}, 404))
    outcome = await alpaca.open().flatten("AAPL")
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "NOT_FOUND"
