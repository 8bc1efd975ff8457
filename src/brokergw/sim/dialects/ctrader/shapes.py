"""Orders, deals, positions and accounts as documents of the protocol."""

from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import OrderStatus
from brokergw.model.terms import Side
from brokergw.sim.dialects.ctrader.accounts import Account, DealNote, Note, cents
from brokergw.sim.dialects.ctrader.enums import FILLED_DEAL, PARTIAL_DEAL, Standing, Status, TradeSide
from brokergw.sim.dialects.ctrader.positions import HeldPosition
from brokergw.sim.dialects.ctrader.symbols import CENTS, USD

MONEY_DIGITS: Final = 2
SIDE: Final = {Side.BUY: TradeSide.BUY, Side.SELL: TradeSide.SELL}
_STATUS: Final = {
    OrderStatus.FILLED: Status.FILLED,
    OrderStatus.CANCELED: Status.CANCELLED,
    OrderStatus.EXPIRED: Status.EXPIRED,
    OrderStatus.REJECTED: Status.REJECTED,
}
_PRICE_PLACES: Final = Decimal("0.00000001")


def volume(quantity: Decimal) -> int:
    """Write units as hundredths of them."""
    return int(quantity * CENTS)


def order(note: Note) -> dict[str, Any]:
    """Write a ProtoOAOrder as it stands."""
    shot = note.shot
    assert shot is not None, "an order is shown once the exchange has it"
    document: dict[str, Any] = {
        "orderId": note.order_id,
        "tradeData": _trade_data(note),
        "orderType": int(note.kind),
        "orderStatus": int(_STATUS.get(shot.status, Status.ACCEPTED)),
        "timeInForce": int(note.life),
        "utcLastUpdateTimestamp": note.changed_ms,
        "positionId": note.position_id,
    }
    if shot.filled_quantity:
        document["executedVolume"] = volume(shot.filled_quantity)
    if shot.average_price is not None:
        document["executionPrice"] = shot.average_price.quantize(_PRICE_PLACES).normalize()
    optional = {
        "limitPrice": note.limit,
        "stopPrice": note.stop,
        "slippageInPoints": note.slippage,
        "baseSlippagePrice": note.base_price,
        "expirationTimestamp": note.expires_ms,
        "clientOrderId": note.client_order_id or None,
        "closingOrder": note.closing or None,
    }
    return document | {name: value for name, value in optional.items() if value is not None}


def deal(row: DealNote) -> dict[str, Any]:
    """Write a ProtoOADeal."""
    execution = row.execution
    document: dict[str, Any] = {
        "dealId": row.deal_id,
        "orderId": row.note.order_id,
        "positionId": row.position_id,
        "volume": volume(execution.quantity),
        "filledVolume": volume(execution.quantity),
        "symbolId": row.note.symbol.symbol_id,
        "createTimestamp": row.time_ms,
        "executionTimestamp": row.time_ms,
        "utcLastUpdateTimestamp": row.time_ms,
        "executionPrice": execution.price,
        "tradeSide": int(SIDE[execution.side]),
        "dealStatus": FILLED_DEAL if row.whole else PARTIAL_DEAL,
        "commission": 0,
        "moneyDigits": MONEY_DIGITS,
    }
    if (closing := row.closing) is not None:
        document["closePositionDetail"] = {
            "entryPrice": closing.entry,
            "grossProfit": cents(closing.profit),
            "swap": 0,
            "commission": 0,
            "balance": row.balance_cents,
            "closedVolume": volume(closing.quantity),
            "moneyDigits": MONEY_DIGITS,
        }
    return document


def position(held: HeldPosition, leverage: int) -> dict[str, Any]:
    """Write a ProtoOAPosition that is open, or has just been closed."""
    trade_data: dict[str, Any] = {
        "symbolId": held.symbol.symbol_id,
        "volume": volume(held.quantity),
        "tradeSide": int(SIDE[held.side]),
        "openTimestamp": held.open_ms,
    }
    if held.label:
        trade_data["label"] = held.label
    if held.comment:
        trade_data["comment"] = held.comment
    return {
        "positionId": held.position_id,
        "tradeData": trade_data,
        "positionStatus": int(Standing.OPEN if held.quantity else Standing.CLOSED),
        "swap": 0,
        "price": held.price.quantize(_PRICE_PLACES).normalize(),
        "utcLastUpdateTimestamp": held.update_ms,
        "commission": 0,
        "usedMargin": cents(held.quantity * held.price / leverage),
        "moneyDigits": MONEY_DIGITS,
    }


def empty_position(note: Note) -> dict[str, Any]:
    """Write the position that an accepted order will trade into."""
    return {
        "positionId": note.position_id,
        "tradeData": _trade_data(note) | {"volume": 0},
        "positionStatus": int(Standing.CREATED),
        "swap": 0,
        "moneyDigits": MONEY_DIGITS,
    }


def trader(account: Account, leverage: int) -> dict[str, Any]:
    """Write a ProtoOATrader."""
    return {
        "ctidTraderAccountId": account.holder.ctid,
        "balance": account.balance_cents,
        "balanceVersion": account.version,
        "accessRights": 0,
        "depositAssetId": USD,
        "leverageInCents": leverage * 100,
        "traderLogin": account.holder.login,
        "accountType": int(account.holder.kind),
        "brokerName": account.holder.broker.partition(" ")[0].lower(),
        "moneyDigits": MONEY_DIGITS,
    }


def _trade_data(note: Note) -> dict[str, Any]:
    document: dict[str, Any] = {
        "symbolId": note.symbol.symbol_id,
        "volume": volume(note.quantity),
        "tradeSide": int(SIDE[note.side]),
        "openTimestamp": note.opened_ms,
    }
    if note.label:
        document["label"] = note.label
    if note.comment:
        document["comment"] = note.comment
    return document
