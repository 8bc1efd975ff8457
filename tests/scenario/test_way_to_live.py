"""The way to live money on running processes: two gateways, one PostgreSQL, and an account at the live API."""

import asyncio
import time
from typing import Any, Final

import pytest
from brokerapi.v1 import live_pb2

from brokergw.client import Client, GatewayCallError
from brokergw.client.messages import words
from tests.fixtures.gateway_process import GatewayProcess, GatewayStarter, settings_for_sim
from tests.fixtures.pace import Pace
from tests.fixtures.phone import Phone
from tests.fixtures.sim import SimHandle
from tests.scenario.broker_record import placed

ACTS_WITHIN_S: Final = 1.0
ACTS_AT_ALL_S: Final = 30.0
_SECRET: Final = "YnJva2VyZ3cgdGVzdHMgb25seSwgMzIgYnl0ZXMgISE="


def replicas(start: GatewayStarter, sim: SimHandle, url: str) -> list[GatewayProcess]:
    """Start gateways in front of a simulator that stands for Alpaca's live API too."""
    settings = {
        **settings_for_sim(sim),
        "BROKERGW_ALPACA_LIVE_URL": sim.url,
        "BROKERGW_INITIAL_MODE": "MOCK",
        "BROKERGW_SIGNING_KEY": _SECRET,
        "CREDENTIALS_ENCRYPTION_KEY": _SECRET,
        "BROKERGW_DATABASE_URL": url,
    }
    return [start(**settings) for _ in range(2)]


async def buy(client: Client, account_id: str) -> Any:
    """Place a small order."""
    return await client.submit(account_id, symbol="AAPL", side="BUY", quantity="1", type="MARKET", time_in_force="DAY")


async def denied(client: Client, account_id: str) -> GatewayCallError:
    """Place an order that must be denied."""
    with pytest.raises(GatewayCallError) as caught:
        await buy(client, account_id)
    return caught.value


async def let_through(client: Client, account_id: str) -> bool:
    """Place a small order; tells whether the gates let it through, or held that live is not in force."""
    try:
        await buy(client, account_id)
    except GatewayCallError as error:
        if error.reason != "LIVE_NOT_ENABLED":
            raise
        return False
    return True


async def seconds_until(client: Client, account_id: str, *, through: bool) -> float:
    """Place orders until they are let through, or until they no longer are; gives how long that took."""
    began = time.monotonic()
    while await let_through(client, account_id) is not through:
        assert time.monotonic() - began < ACTS_AT_ALL_S
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def test_live_money_takes_every_step_and_ends_everywhere_within_a_second(
    start_gateway: GatewayStarter, broker_sim: SimHandle, postgresql_of_module: str, pace: Pace
) -> None:
    """T3: mock, then paper, then live by grant, acknowledgement, authenticator and code; the revocation acts at once.

    What is done on one process holds on the other within a second; before the last step no byte of an order reaches the
    live account, and none after the end.
    """
    first, second = replicas(start_gateway, broker_sim, postgresql_of_module)
    own = first.api_key("alice")
    root = first.api_key("root", "--role", "admin", "--scope", "admin.read", "--scope", "admin.write")
    async with (
        Client(first.target, own) as alice,
        Client(second.target, own) as alice_elsewhere,
        Client(second.target, root) as admin,
    ):
        made = await alice.create_connection("alpaca", "LIVE", key=broker_sim.key_id, secret=broker_sim.secret_key)
        account = made.account_id
        assert (await denied(alice, account)).metadata["missing"] == "GRANT RISK_ACKNOWLEDGEMENT MFA ESCALATION"

        await admin.grant_live_trading("alice")
        text = await alice.get_risk_text()
        await alice.acknowledge_risk(text.version)
        phone = Phone((await alice.enroll_mfa()).secret)
        await alice.confirm_mfa(phone.code())
        assert (await denied(alice, account)).metadata["missing"] == "ESCALATION"
        assert placed(broker_sim) == []
        modes = await alice.escalate_to_live(phone.code())
        assert (words(modes, "mode"), list(modes.missing)) == ("LIVE", [])

        await buy(alice, account)
        assert await seconds_until(alice_elsewhere, account, through=True) <= pace.allows(ACTS_WITHIN_S)

        await admin.revoke_live_trading("alice")
        assert (await denied(alice_elsewhere, account)).metadata["missing"] == "GRANT ESCALATION"
        assert await seconds_until(alice, account, through=False) <= pace.allows(ACTS_WITHIN_S)
        sent = len(placed(broker_sim))
        await denied(alice, account)
        assert len(placed(broker_sim)) == sent
        assert live_pb2.LIVE_STEP_GRANT in (await alice.get_modes()).missing
        # Who has lost live can still get out.
        closed = await alice.flatten(account)
        assert (len(closed.orders), list(closed.residuals)) == (1, [])
    assert phone.secret not in first.log()
