"""Requests that ask: the trader, symbols, positions and orders, history, spot prices."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import Depth
from brokergw.model.terms import Side
from brokergw.sim.dialects.ctrader import shapes
from brokergw.sim.dialects.ctrader.accounts import Account, Note, cents
from brokergw.sim.dialects.ctrader.call import Answer, Call
from brokergw.sim.dialects.ctrader.link import Link
from brokergw.sim.dialects.ctrader.positions import HeldPosition
from brokergw.sim.dialects.ctrader.refusals import OpenApiError, invalid, order_error
from brokergw.sim.dialects.ctrader.schema import TYPES
from brokergw.sim.dialects.ctrader.symbols import BY_ID, CATEGORIES, CLASSES, POINTS, SYMBOLS, Symbol, assets
from brokergw.sim.faults import FaultName

_WEEK_MS: Final = 604_800_000
_SPOT: Final = TYPES["SpotEvent"]


def trader(call: Call) -> Answer:
    """ProtoOATraderReq."""
    return _of(call, trader=shapes.trader(call.account, call.brokerage.options.leverage))


def asset_list(call: Call) -> Answer:
    """ProtoOAAssetListReq."""
    rows = [{"assetId": key, "name": name, "displayName": name, "digits": d} for key, (name, d) in assets().items()]
    return _of(call, asset=rows)


def asset_classes(call: Call) -> Answer:
    """ProtoOAAssetClassListReq."""
    return _of(call, assetClass=[{"id": key, "name": name} for key, name in CLASSES.items()])


def categories(call: Call) -> Answer:
    """ProtoOASymbolCategoryListReq."""
    rows = [{"id": key, "assetClassId": group, "name": name} for key, (group, name) in CATEGORIES.items()]
    return _of(call, symbolCategory=rows)


def symbols_list(call: Call) -> Answer:
    """ProtoOASymbolsListReq."""
    return _of(call, symbol=[symbol.light() for symbol in SYMBOLS])


def symbols_by_id(call: Call) -> Answer:
    """ProtoOASymbolByIdReq."""
    return _of(call, symbol=[symbol.full() for symbol in _symbols(call)])


def reconcile(call: Call) -> Answer:
    """ProtoOAReconcileReq: what is open now."""
    account, leverage = call.account, call.brokerage.options.leverage
    positions = [shapes.position(held, leverage) for held in account.book.open.values()]
    if (fault := call.brokerage.faults.strike(FaultName.WRONG_POSITION, "ASK", "/ReconcileReq")) is not None:
        positions = [_wrong(row, fault.symbol, Decimal(fault.quantity)) for row in positions]
    orders = [shapes.order(note) for note in _born(call, account.notes.values()) if _is_open(note)]
    return _of(call, position=positions, order=orders)


def unrealized(call: Call) -> Answer:
    """ProtoOAGetPositionUnrealizedPnLReq."""
    rows = []
    for held in call.account.book.open.values():
        profit = cents(held.profit_at(_closing_price(call, held)))
        rows.append({"positionId": held.position_id, "grossUnrealizedPnL": profit, "netUnrealizedPnL": profit})
    return _of(call, positionUnrealizedPnL=rows, moneyDigits=shapes.MONEY_DIGITS)


def order_details(call: Call) -> Answer:
    """ProtoOAOrderDetailsReq."""
    account, order_id = call.account, call.body["orderId"]
    note = account.notes.get(order_id)
    if note is None or not _born(call, [note]):
        raise order_error("ORDER_NOT_FOUND", f"Order not found with id {order_id}", orderId=order_id)
    deals = [shapes.deal(deal) for deal in account.deals if deal.note is note]
    return _of(call, order=shapes.order(note), deal=deals)


def order_list(call: Call) -> Answer:
    """ProtoOAOrderListReq: orders entered in a span of time, newest first."""
    account = call.account
    since, until = _span(call)
    notes = [note for note in _born(call, account.notes.values()) if since <= note.opened_ms <= until]
    notes.sort(key=lambda note: note.order_id, reverse=True)
    most = call.brokerage.options.rows_max
    return _of(call, order=[shapes.order(note) for note in notes[:most]], hasMore=len(notes) > most)


def deal_list(call: Call) -> Answer:
    """ProtoOADealListReq: executions in a span of time, newest first."""
    account = call.account
    since, until = _span(call)
    most = min(call.body.get("maxRows") or call.brokerage.options.rows_max, call.brokerage.options.rows_max)
    deals = [deal for deal in reversed(account.deals) if since <= deal.time_ms <= until]
    return _of(call, deal=[shapes.deal(deal) for deal in deals[:most]], hasMore=len(deals) > most)


def deals_of_position(call: Call) -> Answer:
    """ProtoOADealListByPositionIdReq."""
    deals = [deal for deal in reversed(call.account.deals) if deal.position_id == call.body["positionId"]]
    return _of(call, deal=[shapes.deal(deal) for deal in deals], hasMore=False)


def cash_flow(call: Call) -> Answer:
    """ProtoOACashFlowHistoryListReq: a week at most."""
    since, until = call.body["fromTimestamp"], call.body["toTimestamp"]
    if not 0 <= until - since <= _WEEK_MS:
        raise invalid("The period between fromTimestamp and toTimestamp must not exceed 604800000 ms")
    rows = [row for row in call.account.flows if since <= row["changeBalanceTimestamp"] <= until]
    return _of(call, depositWithdraw=rows)


def subscribe_spots(call: Call) -> Answer:
    """ProtoOASubscribeSpotsReq; the first event, with the last known prices, follows the answer."""
    ctid, symbols = call.account.holder.ctid, _symbols(call)
    if any((ctid, symbol.symbol_id) in call.link.spots for symbol in symbols):
        raise OpenApiError("ALREADY_SUBSCRIBED", "Already subscribed to spots")
    for symbol in symbols:
        call.link.spots[(ctid, symbol.symbol_id)] = (0, 0)
    return _of(call)


def unsubscribe_spots(call: Call) -> Answer:
    """ProtoOAUnsubscribeSpotsReq."""
    ctid = call.account.holder.ctid
    for symbol in _symbols(call):
        if call.link.spots.pop((ctid, symbol.symbol_id), None) is None:
            raise OpenApiError("NOT_SUBSCRIBED_TO_SPOTS", "Not subscribed to spots")
    return _of(call)


def tell_spots(link: Link, exchange: Any, now_ms: int) -> None:
    """Send what has changed of the prices that a connection listens to: a side that stands still is left out."""
    for (ctid, symbol_id), told in list(link.spots.items()):
        depth: Depth = exchange.quote(BY_ID[symbol_id].name)
        now = (int(depth.bid * POINTS), int(depth.ask * POINTS))
        if now == told:
            continue
        link.spots[(ctid, symbol_id)] = now
        event: dict[str, Any] = {"ctidTraderAccountId": ctid, "symbolId": symbol_id, "timestamp": now_ms}
        sides = zip(("bid", "ask"), now, told, strict=True)
        link.say(_SPOT, event | {name: price for name, price, before in sides if price != before})


def _closing_price(call: Call, held: HeldPosition) -> Decimal:
    depth = call.brokerage.exchange.quote(held.symbol.name)
    return depth.bid if held.side is Side.BUY else depth.ask


def _wrong(row: dict[str, Any], symbol: str, quantity: Decimal) -> dict[str, Any]:
    listed = BY_ID[row["tradeData"]["symbolId"]]
    if listed.name != symbol:
        return row
    return row | {"tradeData": row["tradeData"] | {"volume": shapes.volume(abs(quantity))}}


def _born(call: Call, notes: Iterable[Note]) -> list[Note]:
    """Give the orders that look-ups may see by now."""
    now_ns = call.brokerage.now_ns()
    return [note for note in notes if note.born_ns <= now_ns]


def _is_open(note: Note) -> bool:
    return note.shot is not None and note.shot.is_open


def _symbols(call: Call) -> list[Symbol]:
    wanted = call.body.get("symbolId", [])
    if unknown := [each for each in wanted if each not in BY_ID]:
        raise OpenApiError("SYMBOL_NOT_FOUND", f"Symbol not found with id {unknown[0]}")
    return [BY_ID[each] for each in wanted]


def _span(call: Call) -> tuple[int, int]:
    since = call.body.get("fromTimestamp", 0)
    until = call.body.get("toTimestamp", call.brokerage.now_ms())
    if since < 0 or until < since:
        raise invalid("fromTimestamp must not be after toTimestamp")
    return since, until


def _of(call: Call, **facts: Any) -> dict[str, Any]:
    account: Account = call.account
    return {"ctidTraderAccountId": account.holder.ctid, **facts}
