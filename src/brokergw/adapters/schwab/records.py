"""Schwab's other records in canonical terms: the account, positions, transactions, quotes and instruments."""

from decimal import Decimal
from typing import Final

from brokergw.adapters.schwab.payloads import broker_symbol, canonical_symbol, decimal, is_option, optional_decimal
from brokergw.model.account import AccountState, Position, Transaction
from brokergw.model.instrument import AssetClass, Instrument, Quote, TickBand
from brokergw.model.order import ZERO
from brokergw.transport.rows import Row, Unusable, as_row, flag, optional_text, rows_in, text, time_ns

KINDS: Final = {
    "TRADE": "FILL",
    "RECEIVE_AND_DELIVER": "OTHER",
    "DIVIDEND_OR_INTEREST": "DIVIDEND",
    "ACH_RECEIPT": "DEPOSIT",
    "ACH_DISBURSEMENT": "WITHDRAWAL",
    "CASH_RECEIPT": "DEPOSIT",
    "CASH_DISBURSEMENT": "WITHDRAWAL",
    "ELECTRONIC_FUND": "TRANSFER",
    "WIRE_OUT": "WITHDRAWAL",
    "WIRE_IN": "DEPOSIT",
    "JOURNAL": "TRANSFER",
    "MEMORANDUM": "OTHER",
    "MARGIN_CALL": "OTHER",
    "MONEY_MARKET": "OTHER",
    "SMA_ADJUSTMENT": "OTHER",
}
"""The schema's types of transactions; each has to be asked for by name."""

_CLASSES: Final = {
    "EQUITY": AssetClass.STOCK,
    "COLLECTIVE_INVESTMENT": AssetClass.ETF,
    "OPTION": AssetClass.OPTION,
}
_UNIT: Final = Decimal(1)
_SHARE_TICKS: Final = (TickBand(Decimal(0), Decimal("0.0001")), TickBand(Decimal(1), Decimal("0.01")))
_OPTION_TICKS: Final = (TickBand(Decimal(0), Decimal("0.01")),)
_MILLI_NS: Final = 1_000_000


def account(row: Row, now_ns: int) -> AccountState:
    """Read the account; a cash account has other words for what it may spend."""
    own = as_row(row.get("securitiesAccount"))
    now = as_row(own.get("currentBalances"))
    margin = text(own, "type") == "MARGIN"
    equity = optional_decimal(as_row(row.get("aggregatedBalance") or {}), "currentLiquidationValue")
    cash = decimal(now, "cashBalance") if margin else _first(now, "totalCash", "cashBalance")
    return AccountState(
        masked_number=f"****{text(own, 'accountNumber')[-4:]}",
        currency="USD",
        equity=equity if equity is not None else _first(now, "liquidationValue", "equity"),
        cash=cash,
        buying_power=decimal(now, "buyingPower") if margin else decimal(now, "cashAvailableForTrading"),
        balances=(),
        trading_blocked=flag(now, "isInCall"),
        shorting_enabled=margin,
        multiplier=Decimal(2) if margin else _UNIT,
        as_of_ns=now_ns,
        close_only=flag(own, "isClosingOnlyRestricted"),
    )


def _first(row: Row, *names: str) -> Decimal:
    for name in names:
        value = optional_decimal(row, name)
        if value is not None:
            return value
    raise Unusable(f"field {names[0]} is missing")


def position_rows(row: Row) -> list[Row]:
    """Give the rows of what is held and can be traded here: cash is held as a fund of its own, and is none of it."""
    rows = rows_in(as_row(row.get("securitiesAccount")), "positions")
    return [each for each in rows if as_row(each.get("instrument")).get("assetType") in _CLASSES]


def position(row: Row, held_by_orders: Decimal, now_ns: int) -> Position:
    """Read a position; what open orders hold of it, Schwab does not say."""
    named = as_row(row.get("instrument"))
    quantity = (optional_decimal(row, "longQuantity") or ZERO) - (optional_decimal(row, "shortQuantity") or ZERO)
    asset_class = _CLASSES[text(named, "assetType")]
    value = optional_decimal(row, "marketValue")
    average = optional_decimal(row, "averagePrice")
    units = quantity * (100 if asset_class is AssetClass.OPTION else 1)
    profit = optional_decimal(row, "longOpenProfitLoss" if quantity > 0 else "shortOpenProfitLoss")
    return Position(
        symbol=canonical_symbol(text(named, "symbol")),
        asset_class=asset_class,
        quantity=quantity,
        available_quantity=max(ZERO, abs(quantity) - held_by_orders),
        average_price=average,
        cost_basis=None if average is None else average * units,
        market_price=None if value is None or not units else value / units,
        market_value=value,
        unrealized_profit=profit,
        as_of_ns=now_ns,
    )


def transaction(row: Row) -> Transaction:
    """Read a line of the history; what was traded is the item that is not money."""
    broker_kind = text(row, "type")
    items = [each for each in rows_in(row, "transferItems") if not _is_money(each)]
    item = items[0] if items else {}
    order_id = row.get("orderId")
    return Transaction(
        transaction_id=str(row["activityId"]) if isinstance(row.get("activityId"), int) else text(row, "activityId"),
        kind=KINDS.get(broker_kind, "OTHER"),
        broker_kind=broker_kind,
        time_ns=time_ns(row, "time"),
        symbol=canonical_symbol(text(as_row(item["instrument"]), "symbol")) if item else "",
        quantity=optional_decimal(item, "amount"),
        price=optional_decimal(item, "price"),
        net_amount=optional_decimal(row, "netAmount"),
        currency="USD",
        description=optional_text(row, "description"),
        broker_order_id=str(order_id) if isinstance(order_id, int) else "",
    )


def _is_money(item: Row) -> bool:
    return as_row(item.get("instrument")).get("assetType") == "CURRENCY" or bool(item.get("feeType"))


def quote(symbol: str, row: Row) -> Quote:
    """Read a quote; where there is no bid or ask Schwab writes 0."""
    told = as_row(row.get("quote"))
    bid, ask = optional_decimal(told, "bidPrice") or None, optional_decimal(told, "askPrice") or None
    moment = decimal(told, "quoteTime")
    return Quote(
        symbol=symbol,
        bid=bid,
        ask=ask,
        bid_size=optional_decimal(told, "bidSize") if bid is not None else None,
        ask_size=optional_decimal(told, "askSize") if ask is not None else None,
        time_ns=int(moment) * _MILLI_NS,
    )


def instrument(symbol: str, row: Row) -> Instrument:
    """Read what can be traded from its quote, which has the reference data beside it."""
    reference, told = as_row(row.get("reference")), as_row(row.get("quote"))
    option = is_option(symbol)
    if option:
        asset_class = AssetClass.OPTION
    elif text(row, "assetMainType") == "EQUITY":
        asset_class = AssetClass.ETF if row.get("assetSubType") == "ETF" else AssetClass.STOCK
    else:
        raise Unusable("an instrument is of a class that cannot be traded here")
    return Instrument(
        symbol=symbol,
        broker="schwab",
        broker_symbol=broker_symbol(symbol),
        asset_class=asset_class,
        name=optional_text(reference, "description"),
        currency="USD",
        tick_bands=_OPTION_TICKS if option else _SHARE_TICKS,
        quantity_step=_UNIT,
        quantity_min=_UNIT,
        notional_min=None,
        tradable=text(told, "securityStatus") != "Halted",
        fractionable=False,
        shortable=option or flag(reference, "isShortable"),
        venue=optional_text(reference, "exchangeName"),
        multiplier=decimal(reference, "multiplier") if option else _UNIT,
    )
