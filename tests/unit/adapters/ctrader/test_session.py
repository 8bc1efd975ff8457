"""Signing in at cTrader, staying signed in, and what a connection does when it is told no."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from brokergw.adapters.ctrader import CtraderBroker
from brokergw.adapters.ctrader.messages import Kind
from brokergw.model.account import Environment
from brokergw.model.errors import GatewayError, Reason, Throttled
from brokergw.model.outcome import Accepted, NotSent, Rejected, Unknown
from brokergw.model.terms import OrderTerms, OrderType, Side, TimeInForce
from brokergw.ports.broker import BrokerLink, Credentials
from tests.fixtures.ctrader_wire import CTID, CUT, Answer, ScriptedCtrader, error, sample, scripted
from tests.fixtures.hasty import HastyClock
from tests.fixtures.permits import permit
from tests.fixtures.tokens import Tokens

TERMS = OrderTerms(
    symbol="EUR/USD",
    side=Side.BUY,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    quantity=Decimal(1000),
    limit_price=Decimal("1.08123"),
)


async def signed_in(broker: ScriptedCtrader, times: int) -> None:
    """Wait until the application has signed in so often: a link may go and come between two looks at it."""
    async with asyncio.timeout(60):
        while broker.count(Kind.APPLICATION_AUTH_REQ) < times:
            await asyncio.sleep(0.01)


def accounts(*rows: tuple[int, int, bool]) -> Answer:
    """List accounts: id, login, live."""
    listed = [{"ctidTraderAccountId": ctid, "traderLogin": login, "isLive": live} for ctid, login, live in rows]
    return [(Kind.ACCOUNTS_OF_TOKEN_RES, {"permissionScope": 1, "ctidTraderAccount": listed})]


def accepted(client_order_id: str) -> Answer:
    """Accept an order of an id."""
    payload = sample("ws_execution_accepted")["payload"]
    return [(Kind.EXECUTION_EVENT, payload | {"order": payload["order"] | {"clientOrderId": client_order_id}})]


async def test_a_connection_signs_application_and_account_in() -> None:
    """Application, accounts of the token, account: in this order, by the credentials, and then the question."""
    async with scripted() as (broker, opened):
        await opened.ping()
    kinds = [kind for kind, _ in broker.arrived]
    assert kinds == [
        Kind.APPLICATION_AUTH_REQ,
        Kind.ACCOUNTS_OF_TOKEN_REQ,
        Kind.ACCOUNT_AUTH_REQ,
        Kind.TRADER_REQ,
    ]
    assert broker.arrived[0][1] == {"clientId": "app", "clientSecret": "app-secret"}
    assert broker.arrived[2][1] == {"ctidTraderAccountId": CTID, "accessToken": "token-1"}
    assert broker.arrived[3][1] == {"ctidTraderAccountId": CTID}


@pytest.mark.parametrize(
    ("environment", "account", "chosen"),
    [
        (Environment.PAPER, "", 2),
        (Environment.LIVE, "", 1),
        (Environment.LIVE, "5001", 1),
        (Environment.PAPER, "2", 2),
    ],
)
async def test_the_account_of_the_environment_is_taken(environment: Environment, account: str, chosen: int) -> None:
    """Of a live and a demo account the connection takes the one of its environment; login and id both name one."""
    async with scripted(environment=environment, account=account) as (broker, opened):
        broker.on(Kind.ACCOUNTS_OF_TOKEN_REQ, accounts((1, 5001, True), (2, 5002, False)))
        await opened.ping()
        (auth,) = [row for kind, row in broker.arrived if kind == Kind.ACCOUNT_AUTH_REQ]
    assert auth["ctidTraderAccountId"] == chosen


@pytest.mark.parametrize(
    ("rows", "account"),
    [
        ([], ""),
        ([(1, 5001, True)], ""),
        ([(1, 5001, False), (2, 5002, False)], ""),
        ([(1, 5001, False)], "5009"),
    ],
    ids=["none", "of the other environment", "two of them", "not the one that is named"],
)
async def test_no_account_is_guessed(rows: list[tuple[int, int, bool]], account: str) -> None:
    """Where not exactly one account fits, the connection is not usable, and says no more than last digits."""
    async with scripted(account=account) as (broker, opened):
        broker.on(Kind.ACCOUNTS_OF_TOKEN_REQ, accounts(*rows))
        with pytest.raises(GatewayError) as caught:
            await opened.authenticate()
        assert caught.value.reason is Reason.CONNECTION_NOT_USABLE
        assert "5001" not in caught.value.message.replace("****5001", "")
        assert isinstance(await opened.submit_order(permit("x"), TERMS), NotSent)
        assert broker.count(Kind.ACCOUNT_AUTH_REQ) == broker.count(Kind.NEW_ORDER_REQ) == 0


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Kind.APPLICATION_AUTH_REQ, "CH_CLIENT_AUTH_FAILURE"),
        (Kind.ACCOUNTS_OF_TOKEN_REQ, "CH_ACCESS_TOKEN_INVALID"),
        (Kind.ACCOUNT_AUTH_REQ, "OA_AUTH_TOKEN_EXPIRED"),
        (Kind.ACCOUNT_AUTH_REQ, "CH_CTID_TRADER_ACCOUNT_NOT_FOUND"),
    ],
)
async def test_refused_proofs_are_told_as_such_and_nothing_is_sent(kind: Kind, code: str) -> None:
    """A refused application, token or account is BROKER_CREDENTIALS_REFUSED, and every command is not sent."""
    async with scripted() as (broker, opened):
        broker.on(kind, error(code))
        for ask in (opened.authenticate, opened.ping, opened.get_open_orders):
            with pytest.raises(GatewayError) as caught:
                await ask()
            assert caught.value.reason is Reason.BROKER_CREDENTIALS_REFUSED
        assert isinstance(await opened.submit_order(permit("x"), TERMS), NotSent)
        assert isinstance(await opened.cancel_order("101"), NotSent)
        assert broker.count(Kind.NEW_ORDER_REQ) == broker.count(Kind.CANCEL_ORDER_REQ) == 0


async def test_a_refused_token_is_replaced_while_signing_in() -> None:
    """Where the token is refused the grant is asked for another one, and the account is signed in with that."""
    tokens = Tokens("old", "new")
    async with scripted(tokens=tokens) as (broker, opened):
        broker.on(Kind.ACCOUNT_AUTH_REQ, error("CH_ACCESS_TOKEN_INVALID"), [(Kind.ACCOUNT_AUTH_RES, {})])
        await opened.ping()
        used = [row["accessToken"] for kind, row in broker.arrived if kind == Kind.ACCOUNT_AUTH_REQ]
    assert (used, tokens.refused) == (["old", "new"], ["old"])


async def test_an_invalidated_token_signs_in_again_with_the_next_one() -> None:
    """2147 ends the link; the next one is signed in with the token of the moment, and questions go on."""
    tokens = Tokens("old", "new")
    async with scripted(tokens=tokens) as (broker, opened):
        await opened.ping()
        await tokens.after("old")
        await broker.tell(Kind.TOKEN_INVALIDATED_EVENT, {"ctidTraderAccountIds": [CTID], "reason": "refreshed"})
        await signed_in(broker, 2)
        await opened.ping()
        used = [row["accessToken"] for kind, row in broker.arrived if kind == Kind.ACCOUNT_AUTH_REQ]
    assert used == ["old", "new"]


REPLACED = ("CH_ACCESS_TOKEN_INVALID", "OA_AUTH_TOKEN_EXPIRED")
ENDED = ("ACCOUNT_NOT_AUTHORIZED", "CH_CLIENT_NOT_AUTHENTICATED")


@pytest.mark.parametrize("code", [*REPLACED, *ENDED])
async def test_an_order_under_a_replaced_token_is_not_sent_and_welcome_again(code: str) -> None:
    """An order that meets the renewal of its token was thrown away; it went out once, and its key may be repeated."""
    async with scripted(tokens=Tokens("old", "new")) as (broker, opened):
        await opened.get_instrument("EUR/USD")
        broker.on(Kind.NEW_ORDER_REQ, error(code), accepted("x"))
        outcome = await opened.submit_order(permit("x"), TERMS)
        assert isinstance(outcome, NotSent)
        assert outcome.reason is Reason.BROKER_SESSION_DOWN
        assert broker.count(Kind.NEW_ORDER_REQ) == 1
        assert isinstance(await opened.submit_order(permit("x"), TERMS), Accepted)
        used = [row["accessToken"] for kind, row in broker.arrived if kind == Kind.ACCOUNT_AUTH_REQ]
        assert (len(used), used[-1]) == (2, "new" if code in REPLACED else "old")


@pytest.mark.parametrize("code", [*REPLACED, *ENDED])
async def test_a_cancel_and_a_question_under_a_replaced_token_are_made_again(code: str) -> None:
    """What may be repeated is: a cancel and a question that meet the renewal are made again in the next session."""
    async with scripted(tokens=Tokens("old", "new", "newer")) as (broker, opened):
        await opened.get_instrument("EUR/USD")
        payload = sample("ws_execution_accepted")["payload"]
        over = payload | {"executionType": 5, "order": payload["order"] | {"orderStatus": 5}}
        order_id = payload["order"]["orderId"]
        broker.on(Kind.CANCEL_ORDER_REQ, error(code), [(Kind.EXECUTION_EVENT, over)])
        assert await opened.cancel_order(str(order_id)) == Accepted()
        assert broker.count(Kind.CANCEL_ORDER_REQ) == 2
        answer = broker.handlers[Kind.RECONCILE_REQ]({})
        broker.on(Kind.RECONCILE_REQ, error(code), answer)
        assert await opened.get_open_orders() == []
        assert broker.count(Kind.RECONCILE_REQ) == 2


@pytest.mark.parametrize("code", REPLACED)
async def test_a_token_that_is_refused_and_cannot_be_replaced_needs_a_person(code: str) -> None:
    """Where there is no other token the refusal stands: no repetition helps, and none is made."""
    async with scripted(tokens=Tokens("only")) as (broker, opened):
        await opened.get_instrument("EUR/USD")
        broker.on(Kind.NEW_ORDER_REQ, error(code))
        outcome = await opened.submit_order(permit("x"), TERMS)
        assert isinstance(outcome, NotSent)
        assert outcome.reason is Reason.BROKER_CREDENTIALS_REFUSED
        assert broker.count(Kind.NEW_ORDER_REQ) == 1
        broker.on(Kind.TRADER_REQ, error(code))
        with pytest.raises(GatewayError) as caught:
            await opened.ping()
        assert caught.value.reason is Reason.BROKER_CREDENTIALS_REFUSED


async def test_a_renewal_that_takes_a_while_is_no_reason_to_send_for_a_person() -> None:
    """While the authorization server gives no token, orders and questions are told to come again, and then go on."""
    tokens = Tokens("old", "new")
    async with scripted(tokens=tokens) as (broker, opened):
        await opened.get_instrument("EUR/USD")
        tokens.away = GatewayError(Reason.BROKER_UNREACHABLE, "no token at the moment")
        refusal = error("CH_ACCESS_TOKEN_INVALID")
        for kind in (Kind.NEW_ORDER_REQ, Kind.ACCOUNT_AUTH_REQ):
            broker.on(kind, refusal)
        for _ in range(2):
            outcome = await opened.submit_order(permit("x"), TERMS)
            assert isinstance(outcome, NotSent)
            assert outcome.reason in {Reason.BROKER_SESSION_DOWN, Reason.BROKER_UNREACHABLE}
            with pytest.raises(GatewayError) as caught:
                await opened.ping()
            assert caught.value.reason is Reason.BROKER_UNREACHABLE
            assert isinstance(await opened.cancel_order("101"), NotSent)
        assert broker.count(Kind.NEW_ORDER_REQ) == 1
        tokens.away = None
        broker.on(Kind.NEW_ORDER_REQ, accepted("x"))
        broker.on(Kind.ACCOUNT_AUTH_REQ, refusal, [(Kind.ACCOUNT_AUTH_RES, {})])
        async with asyncio.timeout(30):
            while not isinstance(await opened.submit_order(permit("x"), TERMS), Accepted):
                await asyncio.sleep(0.01)
        assert broker.count(Kind.NEW_ORDER_REQ) == 2


async def test_a_late_refusal_of_the_token_before_costs_no_second_renewal() -> None:
    """Orders that are refused together under one token lead to one renewal of it, and to one sign-in."""
    tokens = Tokens("old", "new", "newer")
    async with scripted(tokens=tokens) as (broker, opened):
        await opened.get_instrument("EUR/USD")
        broker.on(Kind.NEW_ORDER_REQ, *[error("CH_ACCESS_TOKEN_INVALID")] * 5, accepted("x"))
        outcomes = await asyncio.gather(*(opened.submit_order(permit(str(n)), TERMS) for n in range(5)))
        assert all(isinstance(o, NotSent) and o.reason is Reason.BROKER_SESSION_DOWN for o in outcomes)
        assert isinstance(await opened.submit_order(permit("x"), TERMS), Accepted)
        assert await tokens.current() == "new"
        assert broker.count(Kind.APPLICATION_AUTH_REQ) == 2


async def test_an_order_under_way_is_answered_before_the_link_is_left() -> None:
    """2147 between an order and its answer leaves the answer where it is due; nothing falls into doubt."""
    async with scripted(tokens=Tokens("old", "new")) as (broker, opened):
        await opened.get_instrument("EUR/USD")
        told = (Kind.TOKEN_INVALIDATED_EVENT, {"ctidTraderAccountIds": [CTID], "reason": "refreshed"})
        broker.on(Kind.NEW_ORDER_REQ, [told, *accepted("x")], accepted("y"))
        assert isinstance(await opened.submit_order(permit("x"), TERMS), Accepted)
        assert isinstance(await opened.submit_order(permit("y"), TERMS), Accepted)
        assert broker.count(Kind.APPLICATION_AUTH_REQ) == 2


@pytest.mark.parametrize("kind", [Kind.ACCOUNT_DISCONNECT_EVENT, Kind.CLIENT_DISCONNECT_EVENT])
async def test_whoever_is_signed_out_signs_in_again(kind: Kind) -> None:
    """2164 and 2148 renew the link."""
    async with scripted() as (broker, opened):
        await opened.ping()
        await broker.tell(kind, {"ctidTraderAccountId": CTID})
        await signed_in(broker, 2)
        await opened.ping()
        assert broker.count(Kind.APPLICATION_AUTH_REQ) == 2


async def test_a_view_only_token_blocks_trading() -> None:
    """A token that only views is told as an account whose trading is blocked."""
    async with scripted() as (broker, opened):
        broker.on(
            Kind.ACCOUNTS_OF_TOKEN_REQ, [(Kind.ACCOUNTS_OF_TOKEN_RES, sample("ws_accounts") | {"permissionScope": 0})]
        )
        assert (await opened.get_account()).trading_blocked


@pytest.mark.parametrize(
    ("rights", "blocked", "closing"), [(0, False, False), (1, False, True), (2, True, False), (3, True, False)]
)
async def test_access_rights_are_told(rights: int, blocked: bool, closing: bool) -> None:  # noqa: FBT001 - a case
    """CLOSE_ONLY, NO_TRADING and NO_LOGIN are told as what they mean."""
    async with scripted() as (broker, opened):
        broker.on(Kind.TRADER_REQ, [(Kind.TRADER_RES, {"trader": sample("ws_trader") | {"accessRights": rights}})])
        account = await opened.get_account()
    assert (account.trading_blocked, account.close_only) == (blocked, closing)


async def test_what_came_too_often_is_not_sent_again_until_it_is_welcome() -> None:
    """After a refusal with retryAfter nothing more leaves, order or question, and both say how long."""
    async with scripted(config={"requests_per_second": 50}) as (broker, opened):
        await opened.get_instrument("EUR/USD")
        broker.on(Kind.NEW_ORDER_REQ, error("BLOCKED_PAYLOAD_TYPE", retryAfter=30))
        outcome = await opened.submit_order(permit("x"), TERMS)
        assert outcome == NotSent("cTrader takes no more requests for now", 30.0, Reason.BROKER_RATE_LIMITED)
        again = await opened.submit_order(permit("y"), TERMS)
        assert isinstance(again, NotSent)
        assert again.retry_after_s is not None
        assert 25 < again.retry_after_s <= 30
        with pytest.raises(Throttled):
            await opened.ping()
        assert isinstance(await opened.cancel_order("101"), NotSent)
        assert broker.count(Kind.NEW_ORDER_REQ) == 1
        assert broker.count(Kind.CANCEL_ORDER_REQ) == 0


@pytest.mark.parametrize("code", ["SERVER_IS_UNDER_MAINTENANCE", "CANT_ROUTE_REQUEST", "CH_SERVER_NOT_REACHABLE"])
async def test_maintenance_is_unreachable_for_questions_and_open_for_orders(code: str) -> None:
    """A server that is away answers no question, and what became of an order is not known."""
    async with scripted() as (broker, opened):
        await opened.get_instrument("EUR/USD")
        broker.on(Kind.RECONCILE_REQ, error(code, maintenanceEndTimestamp=1))
        broker.on(Kind.NEW_ORDER_REQ, error(code))
        with pytest.raises(GatewayError) as caught:
            await opened.get_positions()
        assert caught.value.reason is Reason.BROKER_UNREACHABLE
        assert isinstance(await opened.submit_order(permit("x"), TERMS), Unknown)
        assert broker.count(Kind.NEW_ORDER_REQ) == 1


async def test_a_lost_session_is_signed_in_again_and_the_order_was_not_taken() -> None:
    """An order that meets a session that is not signed in was thrown away; the next one goes through."""
    async with scripted() as (broker, opened):
        await opened.get_instrument("EUR/USD")
        broker.on(Kind.NEW_ORDER_REQ, error("CH_CLIENT_NOT_AUTHENTICATED"), accepted("y"))
        assert isinstance(await opened.submit_order(permit("x"), TERMS), NotSent)
        await signed_in(broker, 2)
        assert isinstance(await opened.submit_order(permit("y"), TERMS), Accepted)
        assert broker.count(Kind.APPLICATION_AUTH_REQ) == 2


@pytest.mark.parametrize(
    "answer",
    [
        [(CUT, {})],
        [],
        error("A_CODE_OF_TOMORROW"),
        [(Kind.TRADER_RES, {})],
        [(Kind.EXECUTION_EVENT, {"executionType": 2})],
        [(Kind.EXECUTION_EVENT, {"executionType": 10, "depositWithdraw": {}})],
        [(Kind.EXECUTION_EVENT, {"executionType": 99, "order": {}})],
        accepted("another"),
    ],
    ids=["cut", "silence", "code", "message", "no order", "no order event", "unheard of", "another order"],
)
async def test_an_answer_that_proves_nothing_leaves_an_order_open(answer: Answer) -> None:
    """Silence, a cut, an unknown code, another message or order leave the outcome open; one request was made."""
    async with scripted(config={"answer_s": 0.2}) as (broker, opened):
        await opened.get_instrument("EUR/USD")
        broker.on(Kind.NEW_ORDER_REQ, answer)
        assert isinstance(await opened.submit_order(permit("x"), TERMS), Unknown)
        assert broker.count(Kind.NEW_ORDER_REQ) == 1


async def test_a_market_that_is_closed_and_funds_that_lack_are_the_canonical_reasons() -> None:
    """The broker's own codes become the one reason that every broker's have."""
    told: dict[str, Any] = {"MARKET_CLOSED": "MARKET_CLOSED", "NOT_ENOUGH_MONEY": "INSUFFICIENT_FUNDS"}
    async with scripted() as (broker, opened):
        await opened.get_instrument("EUR/USD")
        for code, reason in told.items():
            broker.on(Kind.NEW_ORDER_REQ, [(Kind.ORDER_ERROR_EVENT, {"errorCode": code, "orderId": 0})])
            outcome = await opened.submit_order(permit("x"), TERMS)
            assert isinstance(outcome, Rejected)
            assert (outcome.reason, outcome.broker_code) == (reason, code)


@pytest.mark.parametrize("missing", ["client_id", "client_secret", "access_token"])
def test_a_connection_needs_application_and_authorization(missing: str) -> None:
    """Without any of the three nothing can be opened."""
    fields = {"client_id": "a", "client_secret": "b", "access_token": "c"}
    del fields[missing]
    link = BrokerLink(
        connection_id="c", account_id="a", environment=Environment.PAPER, credentials=Credentials(**fields)
    )
    with pytest.raises(GatewayError) as caught:
        CtraderBroker(HastyClock()).open(link)
    assert caught.value.reason is Reason.CONNECTION_NOT_USABLE


@pytest.mark.parametrize("kind", [Kind.RECONCILE_REQ, Kind.TRADER_REQ])
async def test_a_question_is_asked_again_once_when_its_link_was_lost(kind: Kind) -> None:
    """A link that is lost under a question is renewed and the question asked again; twice is too often."""
    async with scripted() as (broker, opened):
        answer = broker.handlers[kind]({})
        broker.on(kind, [(CUT, {})], answer)
        await opened.get_account()
        broker.on(kind, [(CUT, {})])
        with pytest.raises(GatewayError) as caught:
            await opened.get_account()
        assert caught.value.reason is Reason.BROKER_UNREACHABLE
