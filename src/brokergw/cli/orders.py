"""`brokergw orders`: place, change, cancel and look at orders."""

from datetime import datetime
from typing import Annotated

import typer

from brokergw.cli.exits import Exit, exit_of_state
from brokergw.cli.session import Session, gateway_verb
from brokergw.cli.tables import cancels_table, order_card, orders_table
from brokergw.cli.values import Account, Key, as_moment, the_account
from brokergw.client.messages import Order, words

app = typer.Typer(no_args_is_help=True, help="Place, change, cancel and look at orders.")

OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="The gateway's id of the order, ord_…")]
Etag = Annotated[str, typer.Option(help="Only if the order still has this etag.", show_default=False)]


@app.command(
    epilog="Example: brokergw orders submit --symbol AAPL --side buy --quantity 10 "
    "--type limit --limit-price 190.50 --time-in-force gtc"
)
@gateway_verb
async def submit(
    session: Session,
    *,
    symbol: Annotated[str, typer.Option(help="The canonical symbol, for example AAPL or BTC/USD.")],
    side: Annotated[str, typer.Option(help="buy or sell.")],
    quantity: Annotated[str | None, typer.Option(help="How many units; leave it out with --notional.")] = None,
    account: Account = None,
    order_type: Annotated[
        str, typer.Option("--type", help="market, limit, stop, stop-limit or trailing-stop.")
    ] = "market",
    time_in_force: Annotated[
        str, typer.Option("--time-in-force", "--tif", help="day, gtc, gtd, ioc, fok, at-open or at-close.")
    ] = "day",
    notional: Annotated[str | None, typer.Option(help="How much money, in place of a quantity.")] = None,
    limit_price: Annotated[str | None, typer.Option(help="For limit and stop-limit.")] = None,
    stop_price: Annotated[str | None, typer.Option(help="For stop and stop-limit.")] = None,
    trail_amount: Annotated[str | None, typer.Option(help="For trailing-stop, in money.")] = None,
    trail_percent: Annotated[str | None, typer.Option(help="For trailing-stop, 1.5 is 1.5 %.")] = None,
    expire_time: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%S"], help="For gtd, UTC.")] = None,
    extended_hours: Annotated[bool, typer.Option("--extended-hours", help="May trade outside the session.")] = False,
    take_profit: Annotated[str | None, typer.Option(help="Limit price of the exit; makes it a bracket or oto.")] = None,
    stop_loss: Annotated[str | None, typer.Option(help="Stop price of the exit; makes it a bracket or oto.")] = None,
    stop_loss_limit: Annotated[str | None, typer.Option(help="Makes the stop-loss a stop-limit.")] = None,
    order_class: Annotated[
        str | None, typer.Option("--class", help="simple, bracket, oco or oto; told from the exits when left out.")
    ] = None,
    client_order_id: Annotated[str, typer.Option(help="Your own id, unique per account.")] = "",
    reduce_only: Annotated[bool, typer.Option("--reduce-only", help="May only make a position smaller.")] = False,
    allow_duplicate: Annotated[
        bool, typer.Option("--allow-duplicate", help="The same order as a moment ago is meant twice.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Run every check and send nothing.")] = False,
    key: Key = None,
) -> Exit:
    """Place one order and wait for the broker's answer.

    It goes under one idempotency key. When its outcome stays unknown (status 4), the same command with the key that is
    printed finds out, without placing it twice.
    """
    answer = await session.client.submit(
        await the_account(session, account),
        symbol=symbol,
        side=side,
        type=order_type,
        time_in_force=time_in_force,
        quantity=quantity,
        notional=notional,
        limit_price=limit_price,
        stop_price=stop_price,
        trail_amount=trail_amount,
        trail_percent=trail_percent,
        expire_time=as_moment(expire_time),
        extended_hours=extended_hours,
        order_class=order_class or _class_of(take_profit, stop_loss),
        take_profit_limit_price=take_profit,
        stop_loss_stop_price=stop_loss,
        stop_loss_limit_price=stop_loss_limit,
        reduce_only=reduce_only,
        allow_duplicate=allow_duplicate,
        client_order_id=client_order_id,
        validate_only=check,
        idempotency_key=session.begin(key),
    )
    note = "only checked, nothing was sent" if check else _replay(replayed=answer.replayed)
    session.screen.show([answer], order_card(answer.order, note))
    return Exit.OK if check else _ending(session, answer.order)


@app.command(epilog="Example: brokergw orders modify ord_1 --quantity 20 --limit-price 191")
@gateway_verb
async def modify(
    session: Session,
    *,
    order: OrderId,
    quantity: Annotated[str | None, typer.Option(help="The new total, what has filled included.")] = None,
    limit_price: Annotated[str | None, typer.Option(help="The new limit price.")] = None,
    stop_price: Annotated[str | None, typer.Option(help="The new stop price.")] = None,
    trail: Annotated[str | None, typer.Option(help="The new trail, in the unit that the order has.")] = None,
    etag: Etag = "",
    key: Key = None,
) -> Exit:
    """Change a working order; what is not given stays."""
    if not any((quantity, limit_price, stop_price, trail)):
        raise typer.BadParameter("give at least one of --quantity, --limit-price, --stop-price and --trail")
    answer = await session.client.modify(
        order,
        quantity=quantity,
        limit_price=limit_price,
        stop_price=stop_price,
        trail=trail,
        etag=etag,
        idempotency_key=session.begin(key),
    )
    session.screen.show([answer], order_card(answer.order, _replay(replayed=answer.replayed)))
    return _ending(session, answer.order)


@app.command(epilog="Example: brokergw orders cancel ord_1")
@gateway_verb
async def cancel(session: Session, *, order: OrderId, etag: Etag = "", key: Key = None) -> Exit:
    """Ask for the cancel of one order; it may still fill before the broker has carried that out."""
    answer = await session.client.cancel(order, etag=etag, idempotency_key=session.begin(key))
    session.screen.show([answer], order_card(answer.order, _replay(replayed=answer.replayed)))
    return _ending(session, answer.order)


@app.command("cancel-all", epilog="Example: brokergw orders cancel-all --symbol AAPL")
@gateway_verb
async def cancel_all(
    session: Session,
    *,
    account: Account = None,
    symbol: Annotated[str, typer.Option(help="Only this symbol.", show_default=False)] = "",
    key: Key = None,
) -> Exit:
    """Ask for the cancel of every open order of an account.

    Status 4 when the broker did not take every one of them.
    """
    chosen = await the_account(session, account)
    answer = await session.client.cancel_all(chosen, symbol=symbol, idempotency_key=session.begin(key))
    session.screen.show([answer], cancels_table(answer.results))
    return Exit.OK if all(result.accepted for result in answer.results) else Exit.UNKNOWN


@app.command("list", epilog="Example: brokergw orders list --status open --symbol AAPL")
@gateway_verb
async def list_orders(
    session: Session,
    *,
    account: Annotated[list[str] | None, typer.Option(help="Only this account; may be given again.")] = None,
    status: Annotated[str, typer.Option(help="all, open or closed.")] = "all",
    symbol: Annotated[str, typer.Option(help="Only this symbol.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
) -> None:
    """List orders, newest first."""
    found: list[Order] = []
    token = ""
    while len(found) < limit:
        page = await session.client.list_orders(
            account or (), status=status, symbol=symbol, page_size=min(limit - len(found), 500), page_token=token
        )
        found += page.orders
        token = page.next_page_token
        if not token:
            break
    session.screen.show(found[:limit], orders_table(found[:limit]))


@app.command(epilog="Example: brokergw orders get ord_1")
@gateway_verb
async def get(
    session: Session,
    *,
    order: Annotated[str, typer.Argument(help="The gateway's id, or yours together with --account.")],
    account: Annotated[str, typer.Option(help="The account of your own id.", show_default=False)] = "",
) -> None:
    """Show one order as it stands."""
    if account:
        found = await session.client.get_order(account_id=account, client_order_id=order)
    else:
        found = await session.client.get_order(order)
    session.screen.show([found], order_card(found))


def _class_of(take_profit: str | None, stop_loss: str | None) -> str | None:
    exits = (take_profit is not None) + (stop_loss is not None)
    return (None, "OTO", "BRACKET")[exits]


def _replay(*, replayed: bool) -> str:
    return "the key had been used before: nothing was sent now" if replayed else ""


def _ending(session: Session, order: Order) -> Exit:
    ending = exit_of_state(words(order, "state"))
    if ending is Exit.UNKNOWN:
        session.screen.say(
            f"The outcome is not known yet. `brokergw orders get {order.order_id}` follows it; the gateway finds out. "
            f"Do not place it again under another key (this one is {session.key}).",
            "yellow",
        )
    return ending
