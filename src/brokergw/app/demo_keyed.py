"""The demo at the brokers that are reached with a key: how to start each one's simulator, and what is traded there."""

import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from brokergw.app.demo import Script, Stage, demo_gateway, play, title
from brokergw.app.keys import add_key, request_of
from brokergw.client import Client
from brokergw.sim.dialects import binance
from brokergw.sim.dialects.alpaca import DEFAULT_KEY, DEFAULT_SECRET, AlpacaOptions, serve_alpaca
from brokergw.sim.dialects.ibkr import DEFAULT_ACCOUNT, IbkrOptions, serve_ibkr
from brokergw.sim.server import SimServer

_IBKR_CODE: Final = "code-of-the-demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedBroker:
    """One broker of the demo: the gateway's `settings` by the simulator's address, the user's `key` and `secret`."""

    broker: str
    script: Script
    serve: Callable[[], Awaitable[SimServer]]
    settings: Callable[[str], Mapping[str, Any]]
    key: str
    secret: str

    async def show(self, console: Console) -> None:
        """Show the demo with this broker behind the gateway."""
        name = self.script.name
        with tempfile.TemporaryDirectory(prefix="brokergw-demo-") as directory:
            title(console, f"Starting a simulated {name} and a gateway on free loopback ports")
            async with (
                await self.serve() as simulator,
                demo_gateway(Path(directory), **self.settings(simulator.url)) as (gateway, port),
            ):
                _, key = await add_key(gateway.store, gateway.secrets, "demo", request_of("demo strategy", (), 1))
                where = f"{name}'s protocol at {simulator.url}, the gateway at 127.0.0.1:{port}, SQLite beside it"
                console.print(f"  {where}", soft_wrap=True)
                console.print(f"  an API key for user demo: {key[:15]}…")
                async with Client(f"127.0.0.1:{port}", key) as client:
                    await self._strategy(Stage(console, client, self.script))

    async def _strategy(self, stage: Stage) -> None:
        """Be a strategy with two accounts: the mock broker that every user has, and one at this broker."""
        title(stage.console, f"Opening a connection to {self.script.name} (paper)")
        mock = (await stage.client.list_accounts()).accounts[0]
        made = await stage.client.create_connection(self.broker, "PAPER", key=self.key, secret=self.secret)
        stage.say(f"{made.account_label}, key ending in …{made.key_last_four}; the secret stays in the gateway")
        stage.say(f"and the mock broker that every user starts with: {mock.label}")
        await play(stage, mock.account_id, made.account_id)


def _alpaca(url: str) -> Mapping[str, Any]:
    return {"alpaca_paper_url": url, "alpaca_data_url": url, "alpaca_requests_per_minute": 0}


def _binance(url: str) -> Mapping[str, Any]:
    socket = url.replace("http", "ws", 1)
    return {
        "binance_paper_url": url,
        "binance_futures_paper_url": url,
        "binance_paper_stream_url": f"{socket}/ws-api/v3",
        "binance_futures_paper_stream_url": f"{socket}/private/stream",
    }


def _at_binance(broker: str, name: str, kind: str, *, changes: bool) -> KeyedBroker:
    """Give one of Binance's two products; `kind` is how its symbols end."""
    script = Script(
        name=name,
        symbol=f"ETH/USDT{kind}",
        quantity="0.5",
        time_in_force="GTC",
        dear=(f"ETH/USDT{kind}", "100000", "3200"),
        resting=(f"BNB/USDT{kind}", "1"),
        # Its band of prices is narrow.
        bids=("0.96", "0.95"),
        changes=changes,
    )
    return KeyedBroker(
        broker=broker,
        script=script,
        serve=lambda: binance.serve_binance("127.0.0.1", 0, binance.BinanceOptions()),
        settings=_binance,
        key=binance.DEFAULT_KEY,
        secret=binance.DEFAULT_SECRET,
    )


def _ibkr(url: str) -> Mapping[str, Any]:
    return {
        "ibkr_gateway_url": f"{url}/v1/api",
        "ibkr_access_code": _IBKR_CODE,
        # The demo's limit order rests far below the market, which the broker asks about.
        "ibkr_confirmed_questions": "o163",
        "ibkr_requests_per_second": 0,
    }


KEYED: Final = (
    KeyedBroker(
        broker="alpaca",
        script=Script(name="Alpaca"),
        serve=lambda: serve_alpaca("127.0.0.1", 0, AlpacaOptions()),
        settings=_alpaca,
        key=DEFAULT_KEY,
        secret=DEFAULT_SECRET,
    ),
    _at_binance("binance", "Binance Spot", "", changes=False),
    _at_binance("binance-futures", "Binance USDⓈ-M Futures", ":PERP", changes=True),
    KeyedBroker(
        broker="ibkr",
        script=Script(name="Interactive Brokers"),
        serve=lambda: serve_ibkr("127.0.0.1", 0, IbkrOptions()),
        settings=_ibkr,
        key=DEFAULT_ACCOUNT,
        secret=_IBKR_CODE,
    ),
)
