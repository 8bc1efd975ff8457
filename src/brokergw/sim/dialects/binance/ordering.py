"""What orders of both products have in common: names, counts, limits of a symbol, and finding one."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import ExchangeOrder, Listing, Refused, Ticket
from brokergw.sim.dialects.binance.call import Call
from brokergw.sim.dialects.binance.listings import Kind, min_notional
from brokergw.sim.dialects.binance.refusals import NO_SUCH_ORDER, ApiError, filtered, from_exchange, rejected
from brokergw.sim.dialects.binance.spot_shapes import JsonObject
from brokergw.sim.faults import FaultName

_DAY_MS: Final = 86_400_000
_SPAN_MS: Final = {Kind.SPOT: _DAY_MS, Kind.FUTURES: 7 * _DAY_MS}
_LIMIT, _LIMIT_MAX = 500, 1000


def count_order(call: Call, orders: int) -> dict[str, str]:
    """Count some orders of the account and give the headers that say so; raises -1015."""
    window = call.room.orders_10s
    if window.limit is None:
        return {}
    now_ns = call.brokerage.now_ns()
    if not window.spend(orders, now_ns):
        words = f"Too many new orders; current limit is {window.limit} orders per 10 SECOND."
        raise ApiError(-1015, words, 429, retry_after_s=window.left_s(now_ns))
    return {"X-MBX-ORDER-COUNT-10S": str(window.used), "X-MBX-ORDER-COUNT-1D": str(len(call.room.generations) + orders)}


def refuse_open_name(call: Call, name: str) -> None:
    """Refuse a client order id that an open order has; raises -2010 or -4116."""
    number = call.room.by_name.get(name)
    order = None if number is None else call.brokerage.newest(call.room, number)
    if not name or order is None or not order.is_open:
        return
    if call.kind is Kind.SPOT:
        raise rejected("Duplicate order sent.")
    raise ApiError(-4116, "ClientOrderId is duplicated.")


def check_limits(call: Call, listing: Listing, quantity: Decimal | None, price: Decimal | None) -> None:
    """Check the symbol's filters in Binance's order: price, lot, least worth, and how many orders may be open."""
    spot = call.kind is Kind.SPOT
    if price is not None and price % listing.tick_at(price):
        raise filtered("PRICE_FILTER") if spot else ApiError(-4014, "Price not increased by tick size.")
    if quantity is not None and quantity % listing.quantity_step:
        raise filtered("LOT_SIZE") if spot else ApiError(-4023, "Qty not increased by step size.")
    worth = None if quantity is None else quantity * (price or call.brokerage.exchange.quote(listing.symbol).last)
    least = min_notional(listing)
    if worth is not None and worth < least and not call.flag("reduceOnly"):
        if spot:
            raise filtered("NOTIONAL")
        raise ApiError(-4164, f"Order's notional must be no smaller than {least} (unless you choose reduce only).")
    if len(call.brokerage.open_numbers(call.room, listing.symbol)) >= call.brokerage.options.orders_open_max:
        if spot:
            raise filtered("MAX_NUM_ORDERS")
        raise ApiError(-2025, "Reach max open order limit.")


def find(call: Call, id_name: str = "orderId", client_name: str = "origClientOrderId") -> tuple[int, ExchangeOrder]:
    """Find the order of a request by number or client order id, with its symbol; raises -1102 or -2013."""
    listing, room = call.listing(), call.room
    number = call.whole(id_name)
    name = call.text(client_name)
    if number is None and not name:
        raise ApiError(-1102, f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!")
    if call.strike(FaultName.UNKNOWN_ORDER) is not None:
        raise ApiError(*NO_SUCH_ORDER)
    if number is None:
        number = room.by_name.get(name, -1)
    order = call.brokerage.visible(room, number)
    if order.symbol != listing.symbol:
        raise ApiError(*NO_SUCH_ORDER)
    return number, order


def known(call: Call) -> Iterator[tuple[int, ExchangeOrder]]:
    """Give the account's orders in the request's symbol that lists show by now, with their numbers, oldest first."""
    symbol, brokerage, room = call.listing().symbol, call.brokerage, call.room
    for number in sorted(room.generations):
        order = brokerage.newest(room, number)
        if order is not None and order.symbol == symbol and room.is_born(number, brokerage.options.now_ns()):
            yield number, order


def window(call: Call) -> tuple[int, int]:
    """Give the span of time a list is asked for, in milliseconds; raises -1127 where it is too long."""
    start, end = call.whole("startTime"), call.whole("endTime")
    if start is not None and end is not None and (end - start > _SPAN_MS[call.kind] or start > end):
        raise ApiError(-1127, f"More than {_SPAN_MS[call.kind] // 3_600_000} hours between startTime and endTime.")
    if call.kind is Kind.FUTURES and start is None and end is None and not {"orderId", "fromId"} & set(call.values):
        start = call.brokerage.now_ms() - _SPAN_MS[call.kind]
    return start or 0, 10**15 if end is None else end


def page(call: Call, rows: Sequence[JsonObject]) -> list[JsonObject]:
    """Give as many rows as asked for: the first from an id or a time on, else the latest."""
    limit = min(_LIMIT_MAX, call.whole("limit") or _LIMIT)
    kept = list(rows)
    if call.strike(FaultName.SHUFFLED_LIST) is not None:
        kept.reverse()
    if (fault := call.strike(FaultName.TRUNCATED_LIST)) is not None:
        return kept[: fault.keep]
    from_start = {"orderId", "fromId", "startTime"} & set(call.values)
    return kept[:limit] if from_start else kept[-limit:]


def place(call: Call, ticket: Ticket, facts: Mapping[str, Any]) -> tuple[int, ExchangeOrder]:
    """Hand a ticket to the exchange and give the order with its number; raises ApiError."""
    room, brokerage = call.room, call.brokerage
    if (fault := call.strike(FaultName.SHOWN_AS)) is not None:
        room.show_next_as = fault.status_word
    room.next_facts = {"created_ns": brokerage.options.now_ns(), **facts}
    room.arriving = True
    try:
        order = brokerage.exchange.submit(room.account_id, ticket)
    except Refused as refused:
        room.show_next_as, room.next_facts = "", {}
        raise from_exchange(call.kind, refused) from None
    finally:
        room.arriving = False
    number = room.numbers[order.order_id]
    if (fault := call.strike(FaultName.LATE_BIRTH)) is not None:
        room.births[number] = brokerage.options.now_ns() + int(fault.duration_s * 1_000_000_000)
    return number, order


def cancel(call: Call, number: int, name: str = "") -> None:
    """Cancel an open order, at once or (as a fault) some time later, under the cancel's own name if it has one."""
    fault = call.strike(FaultName.SLOW_CANCEL)
    if fault is None:
        call.brokerage.cancel(call.room, number, name)
    else:
        call.brokerage.cancel_later(fault.duration_s, call.room, number, name)
