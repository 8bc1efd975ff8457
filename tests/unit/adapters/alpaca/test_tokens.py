"""What Alpaca's adapter does with an access token that is refused because another one has just taken its place."""

from decimal import Decimal

import pytest

from brokergw.model.errors import Reason
from brokergw.model.outcome import Accepted, NotSent
from brokergw.ports.broker import Change
from tests.fixtures.alpaca_wire import ScriptedAlpaca, answer, sample
from tests.fixtures.permits import permit
from tests.fixtures.tokens import Tokens
from tests.unit.adapters.alpaca.test_commands import LIMIT, OLD

REFUSED = answer({"message": "unauthorized."}, 401)


def bearers(alpaca: ScriptedAlpaca, method: str) -> list[str]:
    return [request.headers["authorization"] for request in alpaca.requests if request.method == method]


async def test_an_order_under_a_replaced_token_is_sent_once_and_welcome_again() -> None:
    """An order whose token was replaced on the way was thrown away: its key places it under the next one."""
    alpaca = ScriptedAlpaca()
    alpaca.on("POST", "/v2/orders", REFUSED, answer(sample("http_get_order")))
    broker = alpaca.open(tokens=Tokens("old", "new"))
    outcome = await broker.submit_order(permit("gw-limit-1"), LIMIT)
    assert isinstance(outcome, NotSent)
    assert outcome.reason is Reason.BROKER_SESSION_DOWN
    assert bearers(alpaca, "POST") == ["Bearer old"]
    assert isinstance(await broker.submit_order(permit("gw-limit-1"), LIMIT), Accepted)
    assert bearers(alpaca, "POST") == ["Bearer old", "Bearer new"]


async def test_a_change_under_a_replaced_token_is_sent_once() -> None:
    """What has a permit is never sent under a second token."""
    alpaca = ScriptedAlpaca()
    alpaca.on("GET", "/v2/orders", answer(sample("http_get_order")))
    alpaca.on("PATCH", "/v2/orders", REFUSED)
    change = Change(limit_price=Decimal(181))
    outcome = await alpaca.open(tokens=Tokens("old", "new")).modify_order(permit("gw-limit-2"), OLD, change)
    assert isinstance(outcome, NotSent)
    assert outcome.reason is Reason.BROKER_SESSION_DOWN
    assert bearers(alpaca, "PATCH") == ["Bearer old"]


async def test_a_cancel_under_a_replaced_token_is_made_again() -> None:
    """What has no permit is made once more under the next token."""
    alpaca = ScriptedAlpaca()
    alpaca.on("DELETE", "/v2/orders", REFUSED, answer("", 204))
    assert isinstance(await alpaca.open(tokens=Tokens("old", "new")).cancel_order(OLD), Accepted)
    assert bearers(alpaca, "DELETE") == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("tokens", [Tokens("only"), None], ids=["a grant that is over", "keys"])
async def test_what_cannot_be_replaced_needs_a_person(tokens: Tokens | None) -> None:
    """Where there is no other token, or there are keys, the refusal stands."""
    alpaca = ScriptedAlpaca()
    alpaca.on("POST", "/v2/orders", REFUSED)
    outcome = await alpaca.open(tokens=tokens).submit_order(permit("gw-limit-1"), LIMIT)
    assert isinstance(outcome, NotSent)
    assert outcome.reason is Reason.BROKER_CREDENTIALS_REFUSED
