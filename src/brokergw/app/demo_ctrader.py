"""The same main job at cTrader: a login in the browser first, then orders over its websocket."""

import asyncio
import socket
import tempfile
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Final

from rich.console import Console

from brokergw.app.demo import DemoFailed, Script, Stage, demo_gateway, play, title
from brokergw.app.keys import add_key, request_of
from brokergw.client import Client
from brokergw.client.messages import words
from brokergw.sim.dialects.ctrader import (
    DEFAULT_CLIENT_ID,
    DEFAULT_CLIENT_SECRET,
    DEMO_ACCOUNT,
    CtraderOptions,
    serve_ctrader,
)
from brokergw.sim.oauth import AuthorizationServer
from brokergw.sim.oauth import Client as Application

CTRADER: Final = Script(
    name="cTrader",
    symbol="EUR/USD",
    quantity="2000",
    time_in_force="IOC",
    dear=("AAPL.US", "100000", "220"),
    resting=("KO.US", "3"),
)
_HEALTH_WAIT_S: Final = 20.0


async def show(console: Console) -> None:
    """Show the demo with cTrader behind the gateway."""
    with tempfile.TemporaryDirectory(prefix="brokergw-demo-") as directory:
        title(console, "Starting a simulated cTrader and a gateway on free loopback ports")
        base = f"http://127.0.0.1:{_free_port()}"
        options = CtraderOptions(authorization=_authorization(f"{base}/oauth/callback/ctrader"))
        async with (
            await serve_ctrader(options=options) as broker,
            demo_gateway(
                Path(directory),
                ctrader_paper_url=broker.url,
                ctrader_oauth_url=broker.url,
                oauth_redirect_base_url=base,
                web_listen=base.removeprefix("http://"),
            ) as (gateway, port),
        ):
            _, key = await add_key(gateway.store, gateway.secrets, "demo", request_of("demo strategy", (), 1))
            console.print(f"  cTrader's protocol at {broker.stream_url}, the gateway at 127.0.0.1:{port}")
            async with Client(f"127.0.0.1:{port}", key) as client:
                stage = Stage(console, client, CTRADER)
                mock = (await client.list_accounts()).accounts[0]
                await play(stage, mock.account_id, await _authorized(stage))


async def _authorized(stage: Stage) -> str:
    """Walk a person's way through the broker's page, and give the account that it leads to."""
    title(stage.console, "Authorising the gateway at cTrader, with an application of one's own")
    begun = await stage.client.begin_oauth(
        "ctrader", "PAPER", client_id=DEFAULT_CLIENT_ID, client_secret=DEFAULT_CLIENT_SECRET
    )
    await asyncio.to_thread(_browse, begun.start_url)
    made = [each for each in (await stage.client.list_connections()).connections if each.broker == "ctrader"]
    stage.check(len(made) == 1, "the login led to no connection")
    async with asyncio.timeout(_HEALTH_WAIT_S):
        while True:
            connection = await stage.client.get_connection(made[0].connection_id)
            if words(connection, "health") == "HEALTHY":
                break
            await asyncio.sleep(0.05)
    stage.say(f"{made[0].account_label}, by tokens that the gateway keeps and renews")
    return made[0].account_id


def _browse(url: str) -> None:
    """Open a page and follow where it leads, as a browser does with its cookies."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    with browser.open(url, timeout=_HEALTH_WAIT_S) as page:
        if page.status != 200:
            raise DemoFailed(f"the login ended with HTTP {page.status}")


def _authorization(redirect_uri: str) -> AuthorizationServer:
    application = Application(
        client_id=DEFAULT_CLIENT_ID,
        client_secret=DEFAULT_CLIENT_SECRET,
        redirect_uris=(redirect_uri,),
        account=str(DEMO_ACCOUNT.ctid),
        scopes=frozenset({"trading"}),
    )
    return AuthorizationServer.named("ctrader", application)


def _free_port() -> int:
    """Find a port: the broker must know the gateway's address before it serves there."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
