"""`brokergw watch`: follow orders and fills as they happen, over reconnects."""

from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from brokergw.cli.exits import Exit
from brokergw.cli.session import Session, gateway_verb
from brokergw.cli.tables import fill_line, moment, order_line, orders_table
from brokergw.client import Subscription
from brokergw.client.messages import Fill, FillEvent, Gap, Heartbeat, Order, OrderEvent, as_dict, words

app = typer.Typer(no_args_is_help=True, help="Follow orders and fills as they happen, over reconnects.")

Accounts = Annotated[list[str] | None, typer.Option("--account", help="Only this account; may be given again.")]
Symbols = Annotated[list[str] | None, typer.Option("--symbol", help="Only this symbol; may be given again.")]
Start = Annotated[
    str, typer.Option("--from", metavar="now|snapshot|CURSOR", help="Where to begin: now, snapshot, or a cursor.")
]
Count = Annotated[int | None, typer.Option(min=1, help="Stop after so many events.")]
Everything = Annotated[bool, typer.Option("--all", help="With --json: heartbeats and the like, too.")]

_ROWS: Final = 20
_NAMES: Final = {"OrderEvent": "event", "FillEvent": "event", "Order": "snapshot_item"}


@app.command(epilog="Example: brokergw watch orders --from snapshot")
@gateway_verb
async def orders(
    session: Session,
    *,
    account: Accounts = None,
    symbol: Symbols = None,
    start: Start = "now",
    count: Count = None,
    everything: Everything = False,
) -> None:
    """Follow every change of your orders until you press Ctrl-C.

    With --json, each line is one message of the stream: {"event": …} or {"snapshot_item": …}.
    """
    stream = session.client.orders(account or (), symbols=symbol or (), start=start, raw=True)
    await _follow(session, stream, _OrderView(), count, everything=everything)


@app.command(epilog="Example: brokergw watch fills --json | jq .event.fill.price")
@gateway_verb
async def fills(
    session: Session,
    *,
    account: Accounts = None,
    symbol: Symbols = None,
    start: Start = "now",
    count: Count = None,
    everything: Everything = False,
) -> None:
    """Follow every fill until you press Ctrl-C.

    With --json, each line is one message of the stream: {"event": …}. Deduplicate on fill_id when you begin again from
    a cursor.
    """
    stream = session.client.fills(account or (), symbols=symbol or (), start=start, raw=True)
    await _follow(session, stream, _FillView(), count, everything=everything)


class _OrderView:
    """The orders of a stream as they stand, the latest changed last."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}

    def take(self, item: Any) -> str | None:
        order = item.order if isinstance(item, OrderEvent) else item
        if not isinstance(order, Order):
            return None
        self._orders.pop(order.order_id, None)
        self._orders[order.order_id] = order
        return order_line(order)

    def draw(self) -> RenderableType:
        return orders_table(list(self._orders.values())[-_ROWS:])


class _FillView:
    """The latest fills of a stream."""

    def __init__(self) -> None:
        self._fills: deque[Fill] = deque(maxlen=_ROWS)

    def take(self, item: Any) -> str | None:
        if not isinstance(item, FillEvent):
            return None
        self._fills.append(item.fill)
        return fill_line(item.fill)

    def draw(self) -> RenderableType:
        return Text("\n".join(fill_line(fill) for fill in self._fills) or "no fills yet")


async def _follow(
    session: Session, stream: Subscription[Any], view: _OrderView | _FillView, count: int | None, *, everything: bool
) -> None:
    session.interrupt = Exit.OK
    status = _Status()
    redrawn = Live(console=session.screen.out, auto_refresh=False) if session.screen.live else nullcontext()
    told = 0
    try:
        with redrawn as live:
            show = _painter(session, live, view, status, everything=everything)
            async with stream:
                async for item in stream:
                    told += show(item)
                    if told == count:
                        break
    finally:
        if stream.cursor:
            session.screen.say(f"to go on from here: --from {stream.cursor}", "dim")


def _painter(
    session: Session, live: Live | None, view: _OrderView | _FillView, status: "_Status", *, everything: bool
) -> Callable[[Any], bool]:
    """Make the function that shows one message and tells whether it was an event."""
    screen = session.screen

    def show(item: Any) -> bool:
        line = view.take(item)
        note = status.take(item)
        if screen.json:
            if line is not None or everything:
                screen.line({_name(item): as_dict(item)})
        elif live is not None:
            live.update(Group(view.draw(), Text(status.line, style="dim")), refresh=True)
        elif line is not None:
            screen.out.print(line, markup=False)
        elif note:
            screen.say(note, "yellow")
        return line is not None

    return show


class _Status:
    """How the stream fares, in one line."""

    def __init__(self) -> None:
        self.line = "connected"

    def take(self, item: Any) -> str:
        """Take a message; gives what a person should be told at once, or nothing."""
        match item:
            case Heartbeat():
                stale = [each.account_id for each in item.brokers if each.stale]
                late = f", stale: {', '.join(stale)}" if stale else ""
                self.line = f"alive at {moment(item.server_time)}{late}"
                return ""
            case Gap():
                self.line = f"gap at {item.broker} ({item.account_id}): {words(item, 'state')}"
                return self.line
            case _:
                return ""


def _name(item: Any) -> str:
    kind = type(item).__name__
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind).lstrip("_")
    return _NAMES.get(kind, snake)
