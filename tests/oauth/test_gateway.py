"""A whole gateway: authorised in a browser it uses the token, also after a restart, and its log tells nothing."""

import asyncio
import json
import re
from urllib.parse import parse_qsl, urlsplit

import httpx
from brokerapi.v1 import connections_pb2

from brokergw.client import Client
from brokergw.sim.oauth import MANNERS
from tests.fixtures.gateway_process import GatewayProcess, GatewayStarter, settings_for_sim
from tests.fixtures.oauth_world import APPLICATION, BASE, broker_side

HEALTHY = connections_pb2.CONNECTION_HEALTH_HEALTHY


def web_port(gateway: GatewayProcess) -> int:
    """Read where the pages are."""
    lines = [json.loads(line) for line in gateway.log().splitlines() if '"event": "serving"' in line]
    port: int = lines[-1]["web_port"]
    return port


async def walk(gateway: GatewayProcess, start_url: str) -> str:
    """Be the person's browser, and give the last page; the gateway's own address leads to where it really is."""
    here = f"http://127.0.0.1:{web_port(gateway)}"
    async with httpx.AsyncClient() as browser:
        started = await browser.get(start_url.replace(BASE, here))
        agreed = await browser.get(started.headers["location"])
        back = agreed.headers["location"].replace(BASE, here)
        page = await browser.get(back)
    assert page.status_code == 200, page.text
    return back


async def healthy(client: Client, connection_id: str) -> connections_pb2.Connection:
    """Wait until the connection's stream is up."""
    async with asyncio.timeout(20):
        while True:
            connection = await client.get_connection(connection_id)
            if connection.health == HEALTHY:
                return connection
            await asyncio.sleep(0.1)


async def test_a_person_connects_in_a_browser(start_gateway: GatewayStarter) -> None:
    """Begin, browser, callback, healthy stream, account; and the same after a restart; no secret in the whole log."""
    with broker_side(MANNERS["alpaca"]) as side:
        gateway = start_gateway(
            **settings_for_sim(side.sim),
            OAUTH_REDIRECT_BASE_URL=BASE,
            BROKERGW_WEB_LISTEN="127.0.0.1:0",
            BROKERGW_ALPACA_OAUTH_URL=side.sim.url,
            BROKERGW_LOG_LEVEL="DEBUG",
        )
        key = gateway.api_key()
        async with Client(gateway.target, key) as client:
            begun = await client.begin_oauth(
                "alpaca", "PAPER", client_id=APPLICATION.client_id, client_secret=APPLICATION.client_secret
            )
            back = await walk(gateway, begun.start_url)
            (made,) = [c for c in (await client.list_connections()).connections if c.broker == "alpaca"]
            await healthy(client, made.connection_id)
            assert (await client.test_connection(made.connection_id)).authenticated
        gateway.terminate()
        assert gateway.wait() == 0
        gateway.start()
        async with Client(gateway.target, key) as client:
            await healthy(client, made.connection_id)
        token = side.server.memory.grants[0].access_token
        bearers = {entry["path"] for entry in side.sim.journal(path="/v2/account")}
    assert bearers
    secrets = [dict(parse_qsl(urlsplit(back).query))["code"], begun.state, token, APPLICATION.client_secret]
    assert not [secret for secret in secrets if secret in gateway.log()]
    assert re.search(r'"web_port": \d+', gateway.log())
