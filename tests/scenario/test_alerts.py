"""Alerts out of the real process: over HTTP and by mail, and over its death."""

import asyncio
import json
import time

import grpc
import pytest
from brokerapi.v1 import limits_pb2, risk_pb2_grpc

from tests.fixtures.bare_client import CALL_S, BareClient, ClientOpener, error_info, market_buy
from tests.fixtures.gateway_process import GatewayStarter
from tests.fixtures.pace import Pace
from tests.fixtures.patience import until
from tests.fixtures.receivers import MailReceiver, WebReceiver, mail_receiver, web_receiver
from tests.unit.transport.test_webhook import verify

SECRET = "a secret of the receiver's"


async def reach_a_limit(client: BareClient) -> None:
    """Let a user have no orders left, and try one."""
    risk = risk_pb2_grpc.RiskServiceStub(client.channel)
    request = limits_pb2.UpdateLimitsRequest(limits=limits_pb2.Limits(orders_per_day_max=0), etag='"0"')
    await risk.UpdateLimits(request, metadata=client.identity, timeout=CALL_S)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await client.submit(market_buy(await client.mock_account()))
    assert error_info(refused.value).reason == "ORDER_COUNT_EXCEEDS_LIMIT"


def settings(web: WebReceiver, mail: MailReceiver | None = None) -> dict[str, str]:
    """Give the settings that send alerts to receivers."""
    chosen = {"BROKERGW_ALERT_WEBHOOK_URL": web.url, "BROKERGW_ALERT_WEBHOOK_SECRET": SECRET}
    if mail is not None:
        chosen |= {
            "BROKERGW_ALERT_EMAIL_SERVER": f"127.0.0.1:{mail.port}",
            "BROKERGW_ALERT_EMAIL_SECURITY": "none",
            "BROKERGW_ALERT_EMAIL_FROM": "brokergw@example.test",
            "BROKERGW_ALERT_EMAIL_TO": "risk@example.test",
        }
    return chosen


async def test_an_alert_is_everywhere_within_two_seconds(
    start_gateway: GatewayStarter, open_client: ClientOpener, pace: Pace
) -> None:
    """A limit that is reached is told to the webhook, signed, by mail and in the log, in less than two seconds."""
    async with web_receiver() as web, mail_receiver() as mail:
        gateway = start_gateway(**settings(web, mail))
        client = open_client(gateway, gateway.api_key())
        began = time.monotonic()
        await reach_a_limit(client)
        await until(lambda: _arrived(web, mail), lambda seen: min(seen) > 0, 30)
        assert time.monotonic() - began < pace.allows(2)
        [posted] = web.posted
        verify(posted)
        told = json.loads(posted.body)
        assert (told["kind"], told["user_id"]) == ("LIMIT_REACHED", "alice")
        assert told["alert_id"].encode() in mail.mails[0]
        assert told["alert_id"] in gateway.log()
        assert SECRET not in gateway.log()
        assert "hush" not in gateway.log()


async def test_an_alert_outlives_its_process(start_gateway: GatewayStarter, open_client: ClientOpener) -> None:
    """Killed while its receiver refuses, the gateway delivers the same alert after its next start."""
    async with web_receiver([503]) as web:
        gateway = start_gateway(**settings(web))
        client = open_client(gateway, gateway.api_key())
        await reach_a_limit(client)
        await until(lambda: _arrived(web), lambda seen: seen[0] > 0)
        await asyncio.sleep(0.1)
        gateway.kill()
        refused = {posted.headers["brokergw-alert-id"] for posted in web.posted}
        assert len(refused) == 1
        web.posted.clear()
        web.statuses[:] = [204]
        gateway.start()
        await until(lambda: _arrived(web), lambda seen: seen[0] > 0, 30)
        assert {posted.headers["brokergw-alert-id"] for posted in web.posted} == refused
        await asyncio.sleep(3)
        assert len(web.posted) == 1


async def _arrived(web: WebReceiver, mail: MailReceiver | None = None) -> tuple[int, ...]:
    return (len(web.posted),) if mail is None else (len(web.posted), len(mail.mails))
