"""From the words of ProtoOANewOrderReq and ProtoOAAmendOrderReq to what the exchange trades.

Prices are checked and never rounded; volumes must lie on the symbol's steps.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import Ticket
from brokergw.model.terms import OrderType, Side, TimeInForce
from brokergw.sim.dialects.ctrader.accounts import Note
from brokergw.sim.dialects.ctrader.enums import Life, OrderKind, TradeSide
from brokergw.sim.dialects.ctrader.refusals import OpenApiError, invalid, order_error, too_precise
from brokergw.sim.dialects.ctrader.symbols import BY_ID, CENTS, Symbol

_CLIENT_ID_MAX, _LABEL_MAX, _COMMENT_MAX = 50, 100, 512
_MS_NS: Final = 1_000_000
_TIMES: Final = {
    Life.GOOD_TILL_DATE: TimeInForce.GTD,
    Life.GOOD_TILL_CANCEL: TimeInForce.GTC,
    Life.IMMEDIATE_OR_CANCEL: TimeInForce.IOC,
    Life.FILL_OR_KILL: TimeInForce.FOK,
}
_PROTECTIONS: Final = ("stopLoss", "takeProfit", "relativeStopLoss", "relativeTakeProfit")
_AT_MARKET: Final = frozenset({OrderKind.MARKET, OrderKind.MARKET_RANGE})
_LIMITED: Final = frozenset({OrderKind.LIMIT})
_STOPPED: Final = frozenset({OrderKind.STOP, OrderKind.STOP_LIMIT})


def note_of(body: Mapping[str, Any], order_id: int, now_ms: int) -> Note:
    """Read a new order; raises OpenApiError."""
    symbol = symbol_of(body)
    for name, most in (("clientOrderId", _CLIENT_ID_MAX), ("label", _LABEL_MAX), ("comment", _COMMENT_MAX)):
        if len(body.get(name, "")) > most:
            raise invalid(f"{name} is longer than {most} symbols")
    if any(name in body for name in _PROTECTIONS):
        raise invalid("protections are not part of this simulator")
    kind = _member(OrderKind, body["orderType"], "orderType")
    if kind is OrderKind.STOP_LOSS_TAKE_PROFIT:
        raise invalid("orderType is the server's own")
    life = _member(Life, body.get("timeInForce", int(Life.GOOD_TILL_CANCEL)), "timeInForce")
    if life is Life.MARKET_ON_OPEN:
        raise invalid("MARKET_ON_OPEN is not supported for the symbol")
    note = Note(
        order_id=order_id,
        symbol=symbol,
        side=Side.BUY if _member(TradeSide, body["tradeSide"], "tradeSide") is TradeSide.BUY else Side.SELL,
        kind=kind,
        # What trades at once is shown as such, whatever was asked for.
        life=Life.IMMEDIATE_OR_CANCEL if kind in _AT_MARKET and life is not Life.FILL_OR_KILL else life,
        position_id=body.get("positionId", 0),
        quantity=checked_volume(symbol, body["volume"]) / CENTS,
        limit=body.get("limitPrice"),
        stop=body.get("stopPrice"),
        slippage=body.get("slippageInPoints"),
        base_price=body.get("baseSlippagePrice"),
        expires_ms=body.get("expirationTimestamp"),
        client_order_id=body.get("clientOrderId", ""),
        label=body.get("label", ""),
        comment=body.get("comment", ""),
        opened_ms=now_ms,
        changed_ms=now_ms,
    )
    check(note, now_ms)
    return note


def amended(note: Note, body: Mapping[str, Any], now_ms: int) -> Note:
    """Give an order with its amendments; raises OpenApiError."""
    changes: dict[str, Any] = {
        ours: body[theirs]
        for ours, theirs in (
            ("limit", "limitPrice"),
            ("stop", "stopPrice"),
            ("slippage", "slippageInPoints"),
            ("expires_ms", "expirationTimestamp"),
        )
        if theirs in body
    }
    if "volume" in body:
        changes["quantity"] = checked_volume(note.symbol, body["volume"]) / CENTS
    new = replace(note, **changes)
    if all(getattr(new, name) == getattr(note, name) for name in changes):
        raise invalid("Nothing to amend.")
    check(new, now_ms)
    return new


def check(note: Note, now_ms: int) -> None:
    """Check that an order has the prices of its type, on the grid; raises OpenApiError."""
    for name, price in (("Order price", note.limit), ("Order price", note.stop), ("Base price", note.base_price)):
        if price is not None and (price <= 0 or -_exponent(price) > note.symbol.digits):
            raise too_precise(name, price, note.symbol.digits)
    needed = (
        (note.kind in _LIMITED, note.limit, "limitPrice"),
        (note.kind in _STOPPED, note.stop, "stopPrice"),
        (note.kind is OrderKind.MARKET_RANGE, note.base_price, "baseSlippagePrice"),
    )
    for must, price, name in needed:
        if must and price is None:
            raise invalid(f"{name} must be set for the order type")
    if note.slippage is not None and note.slippage < 0:
        raise invalid("slippageInPoints must not be negative")
    if note.life is Life.GOOD_TILL_DATE and (note.expires_ms is None or note.expires_ms <= now_ms):
        raise order_error("TRADING_BAD_EXPIRATION_DATE", "Expiration date is in the past")


def checked_volume(symbol: Symbol, volume: int) -> Decimal:
    """Check a volume against the symbol's bounds and step; raises OpenApiError."""
    if not symbol.least <= volume <= symbol.most or volume % symbol.step:
        raise order_error(
            "TRADING_BAD_VOLUME",
            f"Order volume = {volume / 100:.2f} is not within {symbol.least / 100:.2f} and {symbol.most / 100:.2f}",
        )
    return Decimal(volume)


def ticket_of(note: Note) -> Ticket:
    """Word an order for the exchange, under an id that is nobody's: cTrader does not look for duplicates."""
    kind, limit, stop = _prices(note)
    time_in_force = _TIMES[note.life]
    if note.kind is OrderKind.MARKET and note.life is not Life.FILL_OR_KILL:
        # What the book has no room for at once trades in the next moments.
        time_in_force = TimeInForce.GTC
    return Ticket(
        symbol=note.symbol.name,
        side=note.side,
        type=kind,
        time_in_force=time_in_force,
        quantity=note.quantity,
        limit_price=limit,
        stop_price=stop,
        expire_time_ns=note.expires_ms * _MS_NS if note.life is Life.GOOD_TILL_DATE and note.expires_ms else None,
    )


def symbol_of(body: Mapping[str, Any]) -> Symbol:
    """Find the symbol; raises OpenApiError."""
    symbol = BY_ID.get(body["symbolId"])
    if symbol is None:
        raise order_error("SYMBOL_NOT_FOUND", f"Symbol not found with id {body['symbolId']}")
    return symbol


def _prices(note: Note) -> tuple[OrderType, Decimal | None, Decimal | None]:
    point = Decimal(1).scaleb(-note.symbol.digits)
    away = point * (note.slippage or 0) * (1 if note.side is Side.BUY else -1)
    match note.kind:
        case OrderKind.LIMIT:
            return OrderType.LIMIT, note.limit, None
        case OrderKind.STOP:
            return OrderType.STOP, None, note.stop
        case OrderKind.STOP_LIMIT:
            assert note.stop is not None
            return OrderType.STOP_LIMIT, note.stop + away, note.stop
        case OrderKind.MARKET_RANGE:
            assert note.base_price is not None
            return OrderType.LIMIT, note.base_price + away, None
        case _:
            return OrderType.MARKET, None, None


def _member(words: Any, value: int, name: str) -> Any:
    try:
        return words(value)
    except ValueError:
        raise OpenApiError("INVALID_REQUEST", f"{name} has no meaning {value}") from None


def _exponent(price: Decimal) -> int:
    exponent = price.normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
