"""The main job, told as it goes: a gateway, a simulated broker, and a strategy that trades through both.

Everything runs on free loopback ports with SQLite in a temporary directory; what the strategy does goes through the
public API and nothing else. Each scene checks what it shows, so the demo fails when the product does.
"""

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from rich.console import Console

from brokergw.app.build import Gateway
from brokergw.app.demo_scenery import SCENERIES, Scenery
from brokergw.app.keys import add_key, request_of
from brokergw.app.logs import configure_logs
from brokergw.app.settings import Settings
from brokergw.client import Client, GatewayCallError
from brokergw.client.messages import FillEvent, Order, SubmitOrderResponse, Subscribed, words

_FILL_WAIT_S: Final = 10.0


class DemoFailed(RuntimeError):
    """A scene did not come out as it must."""


@dataclass(slots=True)
class Stage:
    """What every scene works with."""

    console: Console
    client: Client
    scenery: Scenery
    fills: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    watching: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, text: str) -> None:
        """Tell what happens."""
        self.console.print(f"  {text}", soft_wrap=True)

    def show(self, what: str, order: Order) -> None:
        """Tell how an order stands."""
        state = words(order, "state")
        spec = order.spec
        size = f"{spec.quantity} {spec.symbol}" if spec.quantity else f"{spec.notional} USD of {spec.symbol}"
        price = f" at {spec.limit_price}" if spec.limit_price else ""
        filled = f", filled {order.cum_quantity} at {order.average_price}" if order.average_price else ""
        self.say(f"{what}: {size}{price} is [bold]{state}[/]{filled}  [dim]{order.order_id}[/]")

    def check(self, holds: bool, what: str) -> None:  # noqa: FBT001 - reads as an assertion
        """Stop the demo unless something holds."""
        if not holds:
            raise DemoFailed(what)

    async def fill_of(self, order_id: str) -> None:
        """Wait until the fill stream has told of an order."""
        async with asyncio.timeout(_FILL_WAIT_S):
            while await self.fills.get() != order_id:
                pass


def main(broker: str = "alpaca") -> int:
    """Run the demo at a broker's simulator; gives the exit code."""
    console = Console(highlight=False)
    configure_logs("ERROR")
    try:
        asyncio.run(_run(console, SCENERIES[broker]))
    except (DemoFailed, GatewayCallError, TimeoutError) as error:
        console.print(f"\n[bold red]The demo failed:[/] {error or type(error).__name__}")
        return 1
    console.print("\n[bold green]Done.[/] Everything above went through the public API; the README shows how to go on.")
    return 0


async def _run(console: Console, scenery: Scenery) -> None:
    with tempfile.TemporaryDirectory(prefix="brokergw-demo-") as directory:
        _title(console, f"Starting a simulated {scenery.name} and a gateway on free loopback ports")
        async with (
            await scenery.start() as broker,
            _gateway(Path(directory), scenery, broker.url) as (gateway, port),
        ):
            _, key = await add_key(gateway.store, gateway.secrets, "demo", request_of("demo strategy", (), 1))
            console.print(
                f"  {scenery.name}'s protocol at {broker.url}, the gateway at 127.0.0.1:{port}, SQLite beside it"
            )
            console.print(f"  an API key for user demo: {key[:15]}…")
            async with Client(f"127.0.0.1:{port}", key) as client:
                await _strategy(Stage(console, client, scenery))


@asynccontextmanager
async def _gateway(directory: Path, scenery: Scenery, url: str) -> AsyncIterator[tuple[Gateway, int]]:
    settings = Settings(
        listen="127.0.0.1:0",
        metrics_listen="",
        data_dir=directory,
        database_url="",
        drain_grace_s=5.0,
        **scenery.settings(url),
    )
    gateway = Gateway.build(settings)
    port = await gateway.start()
    try:
        yield gateway, port
    finally:
        await gateway.drain()
        await gateway.stop()


async def _strategy(stage: Stage) -> None:
    """Be a strategy with two accounts: the mock broker that every user has, and one at the broker of the scenery."""
    client = stage.client
    scenery = stage.scenery
    _title(stage.console, f"Opening a connection to {scenery.name} (paper)")
    mock = (await client.list_accounts()).accounts[0]
    connection = await client.create_connection(scenery.broker, "PAPER", key=scenery.key, secret=scenery.secret)
    stage.say(f"{connection.account_label}, key ending in …{connection.key_last_four}; the secret stays in the gateway")
    stage.say(f"and the mock broker that every user starts with: {mock.label}")

    watching = asyncio.create_task(_watch_fills(stage))
    await asyncio.wait_for(stage.watching.wait(), _FILL_WAIT_S)
    try:
        await _trade_at_mock(stage, mock.account_id)
        await _promote(stage, connection.account_id)
        await _trade_at_broker(stage, connection.account_id)
        await _be_refused(stage, connection.account_id)
        await _work_a_limit(stage, connection.account_id)
        await _flatten(stage, connection.account_id)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch_fills(stage: Stage) -> None:
    """Follow the fills of every account on one stream, from before the first order."""
    async with stage.client.fills(start="now", heartbeat_s=1, raw=True) as stream:
        async for message in stream:
            if isinstance(message, Subscribed):
                stage.watching.set()
            if not isinstance(message, FillEvent):
                continue
            fill = message.fill
            stage.say(
                f"[cyan]fill stream[/] #{message.header.sequence} {fill.broker}: {fill.quantity} {fill.symbol} at "
                f"{fill.price}  [dim]{fill.fill_id}[/]"
            )
            stage.fills.put_nowait(fill.order_id)


async def _trade_at_mock(stage: Stage, account_id: str) -> None:
    _title(stage.console, "A market order at the mock broker")
    answer = await stage.client.submit(
        account_id, symbol="AAPL", side="BUY", quantity="10", type="MARKET", time_in_force="DAY"
    )
    stage.show("submitted", answer.order)
    await stage.fill_of(answer.order.order_id)


async def _promote(stage: Stage, account_id: str) -> None:
    _title(stage.console, "From mock to paper: every user starts with the mock broker only")
    try:
        await stage.client.submit(
            account_id,
            symbol=stage.scenery.symbol,
            side="BUY",
            quantity=stage.scenery.quantity,
            type="MARKET",
            time_in_force=stage.scenery.market_time,
        )
    except GatewayCallError as refusal:
        stage.check(refusal.reason == "ENVIRONMENT_MISMATCH", f"the first gate said {refusal.reason}")
        stage.say(f"[yellow]{refusal.reason}[/] order_effect={refusal.order_effect}: {refusal.message}")
    else:
        raise DemoFailed("a user in mock reached a broker")
    modes = await stage.client.set_mode("paper")
    stage.say(f"promoted itself to [bold]{words(modes, 'mode')}[/]; open steps to live: {words(modes, 'missing')}")


async def _trade_at_broker(stage: Stage, account_id: str) -> None:
    _title(stage.console, f"The same through the wire protocol of {stage.scenery.name}, and the same key again")
    key = str(uuid.uuid4())

    async def submit() -> SubmitOrderResponse:
        return await stage.client.submit(
            account_id,
            symbol=stage.scenery.symbol,
            side="BUY",
            quantity=stage.scenery.quantity,
            type="MARKET",
            time_in_force=stage.scenery.market_time,
            idempotency_key=key,
        )

    first = await submit()
    stage.show("submitted", first.order)
    await stage.fill_of(first.order.order_id)
    again = await submit()
    stage.check(again.replayed and again.order.order_id == first.order.order_id, "a replayed key made another order")
    stage.show("the same key: [green]replayed[/], nothing was sent", again.order)


async def _be_refused(stage: Stage, account_id: str) -> None:
    _title(stage.console, "An order that a gate refuses before anything is sent")
    try:
        await stage.client.submit(
            account_id,
            symbol=stage.scenery.symbol,
            side="BUY",
            quantity=stage.scenery.too_much,
            type="LIMIT",
            limit_price=stage.scenery.too_much_price,
            time_in_force="GTC",
        )
    except GatewayCallError as refusal:
        stage.say(f"[yellow]{refusal.reason}[/] order_effect={refusal.order_effect}: {refusal.message}")
        return
    raise DemoFailed("the gate let the order through")


async def _work_a_limit(stage: Stage, account_id: str) -> None:
    scenery = stage.scenery
    changes = "is modified, and " if scenery.changes else "and "
    _title(stage.console, f"A limit order that rests, {changes}is cancelled")
    bid = await _bid(stage, account_id, scenery.limit_symbol)
    low, lower = (str((bid * part).quantize(Decimal(scenery.places))) for part in (Decimal("0.96"), Decimal("0.95")))
    resting = await stage.client.submit(
        account_id,
        symbol=scenery.limit_symbol,
        side="BUY",
        quantity=scenery.limit_quantity,
        type="LIMIT",
        limit_price=low,
        time_in_force="GTC",
    )
    stage.show("submitted", resting.order)
    order = await _settled(stage, resting.order.order_id, "WORKING")
    if scenery.changes:
        changed = await stage.client.modify(order.order_id, limit_price=lower)
        stage.show("modified", changed.order)
        stage.check(Decimal(changed.order.spec.limit_price) == Decimal(lower), "the new price did not hold")
        await _settled(stage, order.order_id, "WORKING")
    await stage.client.cancel(order.order_id)
    stage.show("cancelled", await _settled(stage, order.order_id, "CANCELED"))


async def _flatten(stage: Stage, account_id: str) -> None:
    _title(stage.console, f"Flattening the account at {stage.scenery.name}")
    answer = await stage.client.flatten(account_id)
    stage.check(len(answer.orders) == 1 and not answer.residuals, "the account was not flattened")
    for order in answer.orders:
        stage.show("closing order", order)
        await stage.fill_of(order.order_id)
    left = await stage.client.get_positions([account_id])
    stage.check(not left.positions, "a position was left")
    stage.say("no position is left there")


async def _bid(stage: Stage, account_id: str, symbol: str) -> Decimal:
    answer = await stage.client.get_quotes(account_id, [symbol])
    quote = answer.quotes[0]
    stage.say(f"{symbol} stands at {quote.bid_price} / {quote.ask_price}")
    return Decimal(quote.bid_price)


async def _settled(stage: Stage, order_id: str, state: str) -> Order:
    """Wait until an order is in a state."""
    async with asyncio.timeout(_FILL_WAIT_S):
        while True:
            order = await stage.client.get_order(order_id)
            if words(order, "state") == state:
                return order
            await asyncio.sleep(0.05)


def _title(console: Console, text: str) -> None:
    console.print(f"\n[bold]{text}[/]")
