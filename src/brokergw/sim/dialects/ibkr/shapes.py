"""Orders, trades and positions as the broker writes them (Client Portal API: Live Orders, Trades, Positions)."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from brokergw.exchange import ExchangeOrder, Execution, Holding, OrderStatus
from brokergw.model.money import format_decimal
from brokergw.model.terms import OrderType, Side, TimeInForce
from brokergw.sim.dialects.ibkr.contracts import Contract
from brokergw.sim.dialects.ibkr.notes import OrderNote

JsonObject: TypeAlias = dict[str, Any]

_MS: Final = 1_000_000
_KINDS: Final = {
    OrderType.MARKET: ("MARKET", "Market"),
    OrderType.LIMIT: ("LIMIT", "Limit"),
    OrderType.STOP: ("STOP", "Stop"),
    OrderType.STOP_LIMIT: ("STOP_LIMIT", "Stop Limit"),
    OrderType.TRAILING_STOP: ("TRAIL", "Trailing Stop"),
}
_AT_CLOSE: Final = {OrderType.MARKET: ("MOC", "Market on Close"), OrderType.LIMIT: ("LOC", "Limit on Close")}
_TIMES: Final = {
    TimeInForce.DAY: "DAY",
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.AT_OPEN: "OPG",
    TimeInForce.AT_CLOSE: "DAY",
}
_STATUS: Final = {
    OrderStatus.ACCEPTED: "PreSubmitted",
    OrderStatus.HELD: "PreSubmitted",
    OrderStatus.NEW: "Submitted",
    OrderStatus.PARTIALLY_FILLED: "Submitted",
    OrderStatus.FILLED: "Filled",
    OrderStatus.CANCELED: "Cancelled",
    OrderStatus.EXPIRED: "Cancelled",
    OrderStatus.REJECTED: "Inactive",
    OrderStatus.REPLACED: "Submitted",
}
_WAITING: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


def status_of(note: OrderNote, order: ExchangeOrder) -> str:
    """Give the status word; a stop that has not fired is held at the broker."""
    if order.is_open:
        if note.shown_as:
            return note.shown_as
        if note.canceling:
            return "PendingCancel"
        if order.type in _WAITING and not order.triggered:
            return "PreSubmitted"
    return _STATUS[order.status]


def order_row(note: OrderNote, order: ExchangeOrder, contract: Contract, account: str) -> JsonObject:
    """Write a row of `/iserver/account/orders`; where stop and trail stand in it is not documented.

    They are written under the names that the ticket has for them.
    """
    original, kind = _kind(order)
    left = order.quantity - order.filled_quantity
    verb = "Buy" if order.side is Side.BUY else "Sell"
    row: JsonObject = {
        "acct": account,
        "conidex": str(contract.conid),
        "conid": contract.conid,
        "account": account,
        "orderId": note.number,
        "cashCcy": contract.currency,
        "sizeAndFills": _number(order.quantity)
        if left == 0
        else f"{_number(order.filled_quantity)}/{_number(order.quantity)}",
        "orderDesc": f"{verb} {_number(order.quantity)} {contract.ticker} {kind}, {_TIMES[order.time_in_force]}",
        "description1": contract.ticker,
        "ticker": contract.ticker,
        "secType": contract.sec_type,
        "listingExchange": contract.exchange,
        "remainingQuantity": float(left) if order.is_open else 0.0,
        "filledQuantity": float(order.filled_quantity),
        "totalSize": float(order.quantity),
        "companyName": contract.listing.name,
        "status": status_of(note, order),
        "order_ccp_status": status_of(note, order),
        "origOrderType": original,
        "supportsTaxOpt": "1",
        "lastExecutionTime": _compact(order.update_time_ns),
        "lastExecutionTime_r": order.update_time_ns // _MS,
        "orderType": kind,
        "bgColor": "#FFFFFF",
        "fgColor": "#000000",
        "isEventTrading": "0",
        "timeInForce": _TIMES[order.time_in_force],
        "side": order.side.value,
        **_prices(order),
    }
    if contract.sec_type != "STK":
        row["description2"] = contract.local_symbol
    if order.average_price is not None:
        row["avgPrice"] = format_decimal(order.average_price)
    if note.reference:
        row["order_ref"] = note.reference
    if order.extended_hours:
        row["outsideRTH"] = True
    if order.status is OrderStatus.EXPIRED:
        row["order_cancellation_by_system_reason"] = "Order expired"
    elif order.reject_reason:
        row["order_cancellation_by_system_reason"] = order.reject_reason
    return row


def status_row(note: OrderNote, order: ExchangeOrder, contract: Contract, account: str) -> JsonObject:
    """Write the answer of `/iserver/account/order/status/{id}`."""
    left = order.quantity - order.filled_quantity if order.is_open else Decimal(0)
    return {
        "sub_type": None,
        "request_id": "209",
        "server_id": "0",
        "order_id": note.number,
        "conidex": str(contract.conid),
        "conid": contract.conid,
        "symbol": contract.ticker,
        "side": order.side.value[0],
        "contract_description_1": contract.ticker,
        "listing_exchange": contract.exchange,
        "option_acct": "c",
        "company_name": contract.listing.name,
        "size": f"{left:.1f}",
        "total_size": f"{order.quantity:.1f}",
        "currency": contract.currency,
        "account": account,
        "order_type": _kind(order)[0],
        "cum_fill": f"{order.filled_quantity:.1f}",
        "order_status": status_of(note, order),
        "order_status_description": f"Order {status_of(note, order)}",
        "tif": _TIMES[order.time_in_force],
        "order_not_editable": not order.is_open,
        "cannot_cancel_order": not order.is_open,
        "sec_type": contract.sec_type,
        "order_time": _compact(order.create_time_ns),
    }


def trade_row(
    note: OrderNote, execution: Execution, contract: Contract, account: str, commission: Decimal
) -> JsonObject:
    """Write a row of `/iserver/account/trades`."""
    money = execution.price * execution.quantity * contract.listing.contract_size
    buys = execution.side is Side.BUY
    row: JsonObject = {
        "execution_id": execution_name(note, execution),
        "symbol": contract.ticker,
        "supports_tax_opt": "1",
        "side": "B" if buys else "S",
        "order_description": f"{'Bot' if buys else 'Sold'} {_number(execution.quantity)} @ {execution.price}",
        "trade_time": f"{_moment(execution.time_ns):%Y%m%d-%H:%M:%S}",
        "trade_time_r": execution.time_ns // _MS,
        "size": float(execution.quantity),
        "price": format_decimal(execution.price),
        "submitter": "simulated",
        "exchange": contract.exchange,
        "commission": format_decimal(commission),
        "net_amount": float(money),
        "account": account,
        "accountCode": account,
        "account_allocation_name": account,
        "company_name": contract.listing.name,
        "contract_description_1": contract.ticker,
        "sec_type": contract.sec_type,
        "listing_exchange": contract.exchange,
        "conid": contract.conid,
        "conidEx": str(contract.conid),
        "clearing_id": "IB",
        "clearing_name": "IB",
        "liquidation_trade": "0",
        "is_event_trading": "0",
    }
    if note.reference:
        row["order_ref"] = note.reference
    return row


def position_row(holding: Holding, contract: Contract, account: str, *, enriched: bool) -> JsonObject:
    """Write a row of `/portfolio/{account}/positions`: sparse when read for the first time in a session."""
    size = contract.listing.contract_size
    row: JsonObject = {
        "acctId": account,
        "conid": contract.conid,
        "contractDesc": contract.ticker if contract.sec_type == "STK" else contract.local_symbol,
        "position": float(holding.quantity),
        "mktPrice": float(holding.market_price),
        "mktValue": float(holding.market_value),
        "currency": contract.currency,
        "avgCost": float(holding.average_price * size),
        "avgPrice": float(holding.average_price),
        "realizedPnl": 0.0,
        "unrealizedPnl": float(holding.unrealized_profit),
        "exchs": None,
        "expiry": contract.expiry or None,
        "putOrCall": contract.right or None,
        "multiplier": None if size == 1 else float(size),
        "strike": float(contract.strike),
        "exerciseStyle": None,
        "conExchMap": [],
        "assetClass": contract.sec_type,
        "undConid": contract.underlying,
        "model": "",
    }
    if enriched:
        row |= {"ticker": contract.ticker, "name": contract.listing.name, "listingExchange": contract.exchange}
    return row


def recent_row(holding: Holding, contract: Contract, account: str) -> JsonObject:
    """Write a row of `/portfolio2/{account}/positions`."""
    return {
        "account": account,
        "position": float(holding.quantity),
        "conid": str(contract.conid),
        "avgCost": float(holding.average_price * contract.listing.contract_size),
        "avgPrice": float(holding.average_price),
        "currency": contract.currency,
        "description": contract.local_symbol,
        "isLastToLoq": False,
        "marketPrice": float(holding.market_price),
        "marketValue": float(holding.market_value),
        "realizedPnl": 0.0,
        "unrealizedPnl": float(holding.unrealized_profit),
        "secType": contract.sec_type,
        "assetClass": contract.sec_type,
        "sector": None,
        "group": None,
        "model": "",
    }


def execution_name(note: OrderNote, execution: Execution) -> str:
    """Name an execution as the broker does: rising within an order, with its revision last."""
    return f"{note.number & 0xFFFFFFFF:08x}.{note.executions.index(execution) + 1:08x}.01.01"


def _kind(order: ExchangeOrder) -> tuple[str, str]:
    table = _AT_CLOSE if order.time_in_force is TimeInForce.AT_CLOSE else _KINDS
    return table[order.type]


def _prices(order: ExchangeOrder) -> JsonObject:
    match order.type:
        case OrderType.LIMIT:
            return {"price": _text(order.limit_price)}
        case OrderType.STOP:
            return {"price": _text(order.ticket.stop_price)}
        case OrderType.STOP_LIMIT:
            return {"price": _text(order.limit_price), "auxPrice": _text(order.ticket.stop_price)}
        case OrderType.TRAILING_STOP:
            by_percent = order.trail_percent is not None
            trail = order.trail_percent if by_percent else order.trail_amount
            return {"price": "", "trailingAmt": _text(trail), "trailingType": "%" if by_percent else "amt"}
        case _:
            return {"price": ""}


def _text(number: Decimal | None) -> str:
    return "" if number is None else format_decimal(number)


def _number(number: Decimal) -> str:
    return format_decimal(number)


def _moment(time_ns: int) -> datetime:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)


def _compact(time_ns: int) -> str:
    return f"{_moment(time_ns):%y%m%d%H%M%S}"
