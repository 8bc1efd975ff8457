"""The main job, told as it goes: a gateway, a simulated broker, and a strategy that trades through both.

Everything runs on free loopback ports with SQLite in a temporary directory; what the strategy does goes through the
public API and nothing else. Each scene checks what it shows, so the demo fails when the product does.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

from rich.console import Console

from brokergw.app.build import Gateway
from brokergw.app.logs import configure_logs
from brokergw.app.settings import Settings
from brokergw.client import Client, GatewayCallError
from brokergw.client.messages import FillEvent, Order, SubmitOrderResponse, Subscribed, words

_FILL_WAIT_S: Final = 10.0


class DemoFailed(RuntimeError):
    """A scene did not come out as it must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the strategy trades at a broker.

    `dear` is a symbol, an order for too much of it, and its limit. `resting` is a symbol and what is bid for it below
    the market, at prices of two places: first the one part of `bids` of the market's own bid, then, where the broker
    `changes` orders, the other.
    """

    name: str
    symbol: str = "MSFT"
    quantity: str = "5"
    time_in_force: str = "DAY"
    dear: tuple[str, str, str] = ("AAPL", "100000", "220")
    resting: tuple[str, str] = ("KO", "3")
    bids: tuple[str, str] = ("0.90", "0.85")
    changes: bool = True


@dataclass(slots=True)
class Stage:
    """What every scene works with."""

    console: Console
    client: Client
    script: Script
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


Show: TypeAlias = Callable[[Console], Coroutine[Any, Any, None]]
"""The demo at one broker."""

Leave: TypeAlias = Callable[[Stage, str], Coroutine[Any, Any, None]]
"""The scene in which a user gets leave to trade at an account."""


def main(show: Show) -> int:
    """Run a demo; gives the exit code."""
    console = Console(highlight=False)
    configure_logs("ERROR")
    try:
        asyncio.run(show(console))
    except (DemoFailed, GatewayCallError, TimeoutError) as error:
        console.print(f"\n[bold red]The demo failed:[/] {error or type(error).__name__}")
        return 1
    console.print("\n[bold green]Done.[/] Everything above went through the public API; the README shows how to go on.")
    return 0


@asynccontextmanager
async def demo_gateway(directory: Path, **broker: Any) -> AsyncIterator[tuple[Gateway, int]]:
    """Run a gateway on a free port, with a broker's own settings."""
    settings = Settings(
        listen="127.0.0.1:0", metrics_listen="", data_dir=directory, database_url="", drain_grace_s=5.0, **broker
    )
    gateway = Gateway.build(settings)
    port = await gateway.start()
    try:
        yield gateway, port
    finally:
        await gateway.drain()
        await gateway.stop()


async def play(stage: Stage, mock_account_id: str, account_id: str, *, may_trade: Leave | None = None) -> None:
    """Show every scene that comes once there is an account at a broker.

    `may_trade` shows how a user comes to trade there; by promoting itself to paper where none is given.
    """
    watching = asyncio.create_task(_watch_fills(stage))
    await asyncio.wait_for(stage.watching.wait(), _FILL_WAIT_S)
    try:
        await _trade_at_mock(stage, mock_account_id)
        await (may_trade or _promote)(stage, account_id)
        await _trade_at_broker(stage, account_id)
        await _be_refused(stage, account_id)
        await _work_a_limit(stage, account_id)
        await _flatten(stage, account_id)
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
    title(stage.console, "A market order at the mock broker")
    answer = await stage.client.submit(
        account_id, symbol="AAPL", side="BUY", quantity="10", type="MARKET", time_in_force="DAY"
    )
    stage.show("submitted", answer.order)
    await stage.fill_of(answer.order.order_id)


async def _promote(stage: Stage, account_id: str) -> None:
    title(stage.console, "From mock to paper: every user starts with the mock broker only")
    await has_no_leave(stage, account_id, "ENVIRONMENT_MISMATCH")
    modes = await stage.client.set_mode("paper")
    stage.say(f"promoted itself to [bold]{words(modes, 'mode')}[/]; open steps to live: {words(modes, 'missing')}")


async def has_no_leave(stage: Stage, account_id: str, reason: str) -> None:
    """Show that an order to an account is denied for a reason."""
    try:
        await _buy(stage, account_id, str(uuid.uuid4()))
    except GatewayCallError as refusal:
        stage.check(refusal.reason == reason, f"the first gate said {refusal.reason}")
        stage.say(f"[yellow]{refusal.reason}[/] order_effect={refusal.order_effect}: {refusal.message}")
    else:
        raise DemoFailed("an order reached a broker without leave")


async def _buy(stage: Stage, account_id: str, key: str) -> SubmitOrderResponse:
    script = stage.script
    return await stage.client.submit(
        account_id,
        symbol=script.symbol,
        side="BUY",
        quantity=script.quantity,
        type="MARKET",
        time_in_force=script.time_in_force,
        idempotency_key=key,
    )


async def _trade_at_broker(stage: Stage, account_id: str) -> None:
    title(stage.console, f"The same through {stage.script.name}'s wire protocol, and the same key again")
    key = str(uuid.uuid4())
    first = await _buy(stage, account_id, key)
    stage.show("submitted", first.order)
    await stage.fill_of(first.order.order_id)
    again = await _buy(stage, account_id, key)
    stage.check(again.replayed and again.order.order_id == first.order.order_id, "a replayed key made another order")
    stage.show("the same key: [green]replayed[/], nothing was sent", again.order)


async def _be_refused(stage: Stage, account_id: str) -> None:
    title(stage.console, "An order that a gate refuses before anything is sent")
    symbol, quantity, limit = stage.script.dear
    try:
        await stage.client.submit(
            account_id,
            symbol=symbol,
            side="BUY",
            quantity=quantity,
            type="LIMIT",
            limit_price=limit,
            time_in_force="GTC",
        )
    except GatewayCallError as refusal:
        stage.say(f"[yellow]{refusal.reason}[/] order_effect={refusal.order_effect}: {refusal.message}")
        return
    raise DemoFailed("the gate let the order through")


async def _work_a_limit(stage: Stage, account_id: str) -> None:
    changes = stage.script.changes
    title(stage.console, f"A limit order that rests, {'is modified, ' if changes else ''}and is cancelled")
    symbol, quantity = stage.script.resting
    bid = await _bid(stage, account_id, symbol)
    low, lower = (str((bid * part).quantize(Decimal("0.01"))) for part in map(Decimal, stage.script.bids))
    resting = await stage.client.submit(
        account_id, symbol=symbol, side="BUY", quantity=quantity, type="LIMIT", limit_price=low, time_in_force="GTC"
    )
    stage.show("submitted", resting.order)
    order = await _settled(stage, resting.order.order_id, "WORKING")
    if changes:
        changed = await stage.client.modify(order.order_id, limit_price=lower)
        stage.show("modified", changed.order)
        stage.check(Decimal(changed.order.spec.limit_price) == Decimal(lower), "the new price did not hold")
        await _settled(stage, order.order_id, "WORKING")
    await stage.client.cancel(order.order_id)
    stage.show("cancelled", await _settled(stage, order.order_id, "CANCELED"))


async def _flatten(stage: Stage, account_id: str) -> None:
    title(stage.console, f"Flattening the {stage.script.name} account")
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


def title(console: Console, text: str) -> None:
    """Begin a scene."""
    console.print(f"\n[bold]{text}[/]")
