"""What Schwab's adapter does with a token that is refused, alone or because another one has just taken its place."""

from decimal import Decimal
from typing import Any

import pytest

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import Accepted, NotSent, Unknown
from brokergw.model.terms import OrderTerms, OrderType, PositionEffect, Side, TimeInForce
from brokergw.ports.broker import Change
from tests.fixtures.permits import permit
from tests.fixtures.schwab_wire import HASH, ORDERS, ScriptedSchwab, answer, placed, sample
from tests.fixtures.tokens import Tokens

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


async def test_a_refused_token_sends_nothing_and_says_so(schwab: ScriptedSchwab) -> None:
    """A 401 in the API's own words came before the order was looked at; queries then say that a login is needed."""
    schwab.on("POST", ORDERS, answer({"message": "Client not authorized"}, 401))
    connection = schwab.open()
    outcome = await connection.submit_order(permit("c-1"), TERMS)
    assert isinstance(outcome, NotSent)
    assert outcome.reason is Reason.BROKER_CREDENTIALS_REFUSED
    schwab.on("GET", ACCOUNT, answer({"message": "Client not authorized"}, 401))
    with pytest.raises(GatewayError) as caught:
        await connection.get_positions()
    assert caught.value.reason is Reason.BROKER_CREDENTIALS_REFUSED


async def test_a_query_is_asked_again_under_the_next_token(schwab: ScriptedSchwab) -> None:
    """T6: a token that ended meanwhile is renewed once, and what changes nothing is asked again."""
    schwab.on(
        "GET", f"/trader/v1/accounts/{HASH}", answer({"message": "expired"}, 401), answer(sample("account_margin"))
    )
    account = await schwab.open(Tokens("old", "new")).get_account()
    assert account.masked_number == "****5678"
    assert [request.headers["authorization"] for request in schwab.requests][-2:] == ["Bearer old", "Bearer new"]


async def test_a_command_is_never_sent_under_a_second_token(schwab: ScriptedSchwab) -> None:
    """An order whose token was refused goes out once; the next one has the next token."""
    schwab.on("POST", ORDERS, answer({"message": "expired"}, 401), placed(MINE))
    connection = schwab.open(Tokens("old", "new"))
    outcome = await connection.submit_order(permit("c-1"), TERMS)
    assert isinstance(outcome, NotSent)
    assert outcome.reason is Reason.BROKER_SESSION_DOWN
    assert len(schwab.asked("POST")) == 1
    assert isinstance(await connection.submit_order(permit("c-1"), TERMS), Accepted)
    assert _bearers(schwab, "POST") == ["Bearer old", "Bearer new"]


async def test_a_change_is_never_sent_under_a_second_token(schwab: ScriptedSchwab) -> None:
    """A replacement whose token was refused goes out once, and may be repeated."""
    schwab.on("PUT", ORDERS, answer({"message": "expired"}, 401))
    outcome = await schwab.open(Tokens("old", "new")).modify_order(permit("c-1"), str(MINE), Change(quantity=D(20)))
    assert isinstance(outcome, NotSent)
    assert outcome.reason is Reason.BROKER_SESSION_DOWN
    assert _bearers(schwab, "PUT") == ["Bearer old"]


@pytest.mark.parametrize(
    ("body", "kind", "bearers"),
    [
        ({"message": "expired"}, Accepted, ["Bearer old", "Bearer new"]),
        ("<html>401</html>", Unknown, ["Bearer old"]),
    ],
    ids=["the API's own words", "somebody else's"],
)
async def test_a_cancel_is_made_again_under_the_next_token(
    schwab: ScriptedSchwab, body: Any, kind: type, bearers: list[str]
) -> None:
    """A cancel that certainly was thrown away with its token is made again; one that only may have been is not."""
    schwab.on("DELETE", ORDERS, answer(body, 401), answer())
    assert isinstance(await schwab.open(Tokens("old", "new")).cancel_order(str(MINE)), kind)
    assert _bearers(schwab, "DELETE") == bearers


@pytest.mark.parametrize(
    ("body", "kind"), [({"message": "expired"}, NotSent), ("<html>401</html>", Unknown)], ids=["own", "another's"]
)
async def test_a_renewal_that_takes_a_while_is_no_reason_to_send_for_a_person(
    schwab: ScriptedSchwab, body: Any, kind: type
) -> None:
    """While the authorization server gives no token a refused order may come again; one in doubt stays in doubt."""
    tokens = Tokens("old", "new")
    tokens.away = GatewayError(Reason.BROKER_UNREACHABLE, "no token at the moment")
    connection = schwab.open(tokens)
    schwab.on("POST", ORDERS, answer(body, 401))
    outcome = await connection.submit_order(permit("c-1"), TERMS)
    assert isinstance(outcome, kind)
    assert getattr(outcome, "reason", Reason.BROKER_UNREACHABLE) is Reason.BROKER_UNREACHABLE
    schwab.on("GET", ACCOUNT, answer({"message": "expired"}, 401))
    with pytest.raises(GatewayError) as caught:
        await connection.get_positions()
    assert caught.value.reason is Reason.BROKER_UNREACHABLE
    assert _bearers(schwab, "POST") == ["Bearer old"]


async def test_an_order_that_somebody_else_refused_stays_open_though_the_token_was_replaced(
    schwab: ScriptedSchwab,
) -> None:
    """A 401 without the API's own words proves nothing of the order, whatever becomes of the token."""
    schwab.on("POST", ORDERS, answer("<html>401</html>", 401))
    assert isinstance(await schwab.open(Tokens("old", "new")).submit_order(permit("c-1"), TERMS), Unknown)
    assert _bearers(schwab, "POST") == ["Bearer old"]


def _bearers(schwab: ScriptedSchwab, method: str) -> list[str]:
    return [request.headers["authorization"] for request in schwab.requests if request.method == method]
