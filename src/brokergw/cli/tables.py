"""The contract's messages as tables and lines for people."""

from collections.abc import Sequence
from datetime import UTC

from rich.table import Table

from brokergw.cli.screen import table
from brokergw.client.messages import (
    Account,
    Broker,
    CancelResult,
    Fill,
    Order,
    OrderInDoubt,
    OrderSpec,
    Position,
    Residual,
    Timestamp,
    TradingSettings,
    words,
)

_STYLES = {
    "FILLED": "green",
    "WORKING": "cyan",
    "ACCEPTED": "cyan",
    "PARTIALLY_FILLED": "cyan",
    "REJECTED": "red",
    "DENIED": "red",
    "NOT_PLACED": "red",
    "IN_DOUBT": "bold yellow",
    "MANUAL_REVIEW": "bold yellow",
    "HEALTHY": "green",
    "DEGRADED": "yellow",
    "REAUTHORIZATION_REQUIRED": "red",
    "ERROR": "red",
}


def moment(time: Timestamp) -> str:
    """Write a point in time, UTC, to the millisecond; empty when it is not set."""
    if not time.seconds:
        return ""
    return time.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def styled(word: str) -> str:
    """Colour a state."""
    style = _STYLES.get(word)
    return f"[{style}]{word}[/]" if style else word


def price_of(spec: OrderSpec) -> str:
    """Tell at which price an order trades, in a few signs."""
    parts = []
    if spec.HasField("stop_price"):
        parts.append(f"stop {spec.stop_price}")
    if spec.HasField("limit_price"):
        parts.append(spec.limit_price)
    match spec.WhichOneof("trail"):
        case "trail_amount":
            parts.append(f"trail {spec.trail_amount}")
        case "trail_percent":
            parts.append(f"trail {spec.trail_percent}%")
        case _:
            pass
    return " → ".join(parts)


def size_of(spec: OrderSpec) -> str:
    """Tell how much an order trades: units, or money with its sign."""
    return f"{spec.notional} (money)" if spec.WhichOneof("size") == "notional" else spec.quantity


def what_of(spec: OrderSpec) -> str:
    """Tell an order's terms as a person would say them: BUY 10 AAPL LIMIT 190.5 GTC."""
    if spec.legs:
        legs = ", ".join(f"{words(leg, 'side')} {leg.ratio} {leg.symbol}" for leg in spec.legs)
        head = f"{size_of(spec)} x ({legs})"
    else:
        head = f"{words(spec, 'side')} {size_of(spec)} {spec.symbol}"
    terms = (head, words(spec, "type"), price_of(spec), words(spec, "time_in_force"))
    return " ".join(filter(None, terms))


def orders_table(orders: Sequence[Order]) -> Table:
    """Lay orders out, one a row."""
    made = table("order", "what", "state", ">filled", ">average", "created")
    made.columns[0].no_wrap = True
    for order in orders:
        made.add_row(
            order.order_id,
            what_of(order.spec),
            styled(words(order, "state")),
            order.cum_quantity,
            order.average_price,
            moment(order.create_time),
        )
    return made


def doubts_table(doubts: Sequence[OrderInDoubt]) -> Table:
    """Lay orders of open outcome out, one a row, with what is known of each."""
    made = table("order", "user", "account", "what", "state", ">age", "known", "etag")
    made.columns[0].no_wrap = True
    for doubt in doubts:
        order = doubt.order
        made.add_row(
            order.order_id,
            doubt.user_id,
            f"{order.account_id} ({order.broker})",
            what_of(order.spec),
            styled(words(order, "state")),
            f"{doubt.age.seconds} s",
            doubt.evidence or ("absence is proved, so far" if doubt.absence_proved else ""),
            order.etag,
        )
    return made


def order_card(order: Order, note: str = "") -> Table:
    """Lay one order out, one field a row."""
    rows = {
        "order": order.order_id,
        "client order": order.client_order_id,
        "account": f"{order.account_id} ({order.broker})",
        "what": what_of(order.spec),
        "state": styled(words(order, "state")),
        "filled": f"{order.cum_quantity} at {order.average_price}" if order.average_price else order.cum_quantity,
        "leaves": order.leaves_quantity,
        "refused": " ".join(filter(None, (order.reject_reason, order.broker_message))),
        "broker order": ", ".join(order.broker_order_ids),
        "etag": order.etag,
        "created": moment(order.create_time),
        "updated": moment(order.update_time),
        "note": note,
    }
    return card(rows)


def card(rows: dict[str, str]) -> Table:
    """Lay named values out, the empty ones left out."""
    made = Table(show_header=False, box=None, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")
    for name, value in rows.items():
        if value:
            made.add_row(name, value)
    return made


def positions_table(positions: Sequence[Position]) -> Table:
    """Lay positions out, one a row."""
    made = table("account", "broker", "symbol", ">quantity", ">average", ">price", ">value", ">profit", "as of")
    for held in positions:
        made.add_row(
            held.account_id,
            held.broker,
            held.symbol,
            held.quantity,
            held.average_price,
            held.market_price,
            held.market_value,
            held.unrealized_profit,
            moment(held.as_of),
        )
    return made


def settings_table(settings: Sequence[TradingSettings]) -> Table:
    """Lay settings of symbols out, one a row."""
    made = table("account", "symbol", ">leverage", ">highest", "margin", "positions", ">worth at most")
    for each in settings:
        made.add_row(
            each.account_id,
            each.symbol,
            str(each.leverage),
            str(each.leverage_max),
            words(each, "margin_type"),
            words(each, "position_mode"),
            each.notional_max,
        )
    return made


def accounts_table(accounts: Sequence[Account]) -> Table:
    """Lay accounts out, one a row."""
    made = table(
        "account", "broker", "environment", "label", ">equity", ">cash", ">buying power", "currency", "trading"
    )
    for account in accounts:
        summary = account.summary
        made.add_row(
            summary.account_id,
            summary.broker,
            words(summary, "environment"),
            summary.label,
            account.equity,
            account.cash,
            account.buying_power,
            account.currency,
            "[red]blocked[/]" if account.trading_blocked else "[green]allowed[/]",
        )
    return made


def brokers_table(brokers: Sequence[Broker]) -> Table:
    """Lay the capability matrix out, one asset class a row."""
    made = table("broker", "environments", "asset class", "order types", "times in force", "features", "authentication")
    for broker in brokers:
        head = (broker.broker, words(broker, "environments"))
        tail = (", ".join(broker.features), broker.authentication)
        for asset in broker.assets:
            types = words(asset, "order_types")
            made.add_row(*head, words(asset, "asset_class"), types, words(asset, "times_in_force"), *tail)
            head, tail = ("", ""), ("", "")
        made.add_section()
    return made


def cancels_table(results: Sequence[CancelResult]) -> Table:
    """Lay out what became of each order of a larger cancel."""
    made = table("order", "symbol", "state", "cancel")
    for result in results:
        told = "[green]taken[/]" if result.accepted else f"[red]{result.reason}[/]"
        made.add_row(result.order.order_id, result.order.spec.symbol, styled(words(result.order, "state")), told)
    return made


def residuals_table(residuals: Sequence[Residual]) -> Table:
    """Lay out what could not be closed."""
    made = table("account", "symbol", "reason", "why", title="could not be closed")
    for left in residuals:
        made.add_row(left.account_id, left.symbol, left.reason, left.description)
    return made


def fill_line(fill: Fill) -> str:
    """Tell a fill in one line."""
    return (
        f"{moment(fill.trade_time)}  {words(fill, 'side')} {fill.quantity} {fill.symbol} at {fill.price}"
        f"  {fill.cum_quantity} filled, {fill.leaves_quantity} to go  {fill.order_id}"
    )


def order_line(order: Order) -> str:
    """Tell an order's state in one line."""
    return (
        f"{moment(order.update_time)}  {words(order, 'state'):<16} {what_of(order.spec)}"
        f"  {order.cum_quantity or 0} filled  {order.order_id}"
    )
