"""Alpaca's other records in canonical terms: activities, assets, contracts, quotes and the market clock."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from brokergw.adapters.alpaca.mapping import asset_class_of, canonical_symbol, side_of
from brokergw.model.account import Transaction
from brokergw.model.instrument import AssetClass, Instrument, Quote, TickBand
from brokergw.model.money import format_decimal
from brokergw.model.outcome import BrokerFill
from brokergw.model.sessions import MarketClock, MarketDay, SessionKind, Span, local_ns
from brokergw.model.terms import Side
from brokergw.transport.rows import (
    Row,
    Unusable,
    decimal,
    flag,
    optional_decimal,
    optional_text,
    parse_time,
    text,
    time_ns,
)

KINDS: Final = {
    "FILL": "FILL",
    "CSD": "DEPOSIT",
    "CSW": "WITHDRAWAL",
    "FEE": "FEE",
    "CFEE": "FEE",
    "PTC": "FEE",
    "INT": "INTEREST",
    "JNL": "TRANSFER",
    "JNLC": "TRANSFER",
    "JNLS": "TRANSFER",
    "ACATC": "TRANSFER",
    "ACATS": "TRANSFER",
    "TRANS": "TRANSFER",
    "OPEXP": "OPTION_EVENT",
    "OPASN": "OPTION_EVENT",
    "OPEXC": "OPTION_EVENT",
    "OPEXS": "OPTION_EVENT",
    "OPTRD": "OPTION_EVENT",
    "OPCA": "OPTION_EVENT",
    "OPCSH": "OPTION_EVENT",
    "SPLIT": "CORPORATE_ACTION",
    "SPIN": "CORPORATE_ACTION",
    "MA": "CORPORATE_ACTION",
    "NC": "CORPORATE_ACTION",
    "REORG": "CORPORATE_ACTION",
    "SC": "CORPORATE_ACTION",
    "SSO": "CORPORATE_ACTION",
    "SSP": "CORPORATE_ACTION",
}
"""Activity types (docs, Account Activities); dividends are every type that starts with DIV."""

_STOCK_TICKS: Final = (TickBand(Decimal(0), Decimal("0.0001")), TickBand(Decimal(1), Decimal("0.01")))
_OPTION_TICKS: Final = (TickBand(Decimal(0), Decimal("0.01")),)
_FRACTION: Final = Decimal("0.000000001")
_ONE: Final = Decimal(1)
_NEW_YORK: Final = ZoneInfo("America/New_York")
_CONTRACT_SIZE: Final = Decimal(100)
"""Shares behind one option contract."""
_CRYPTO_NOTIONAL_MIN: Final = Decimal(10)


@dataclass(frozen=True, slots=True)
class FilledRow:
    """A FILL activity: the execution, its order, and the order's running total after it."""

    order_id: str
    cum_quantity: Decimal
    leaves_quantity: Decimal
    fill: BrokerFill


def execution_id(order_id: str, cum_quantity: Decimal) -> str:
    """Name an execution by its order and the order's total after it, which stream and history both tell.

    The stream's own execution id does not exist in the account history, so it cannot be the identity.
    """
    return f"{order_id}:{format_decimal(cum_quantity)}"


def filled_row(row: Row) -> FilledRow:
    """Read a FILL activity."""
    order_id = text(row, "order_id")
    cum = decimal(row, "cum_qty")
    fill = BrokerFill(
        execution_id=execution_id(order_id, cum),
        quantity=decimal(row, "qty"),
        price=decimal(row, "price"),
        trade_time_ns=time_ns(row, "transaction_time"),
        synthetic_id=True,
    )
    return FilledRow(order_id, cum, decimal(row, "leaves_qty"), fill)


def transaction(row: Row) -> Transaction:
    """Read an activity of any type; a sold quantity is negative."""
    broker_kind = text(row, "activity_type")
    filled = broker_kind == "FILL"
    quantity = optional_decimal(row, "qty")
    if filled and quantity is not None and side_of(text(row, "side")) is Side.SELL:
        quantity = -abs(quantity)
    return Transaction(
        transaction_id=text(row, "id"),
        kind="DIVIDEND" if broker_kind.startswith("DIV") else KINDS.get(broker_kind, "OTHER"),
        broker_kind=broker_kind,
        time_ns=_activity_time(row, filled=filled),
        symbol=optional_text(row, "symbol"),
        quantity=quantity,
        price=optional_decimal(row, "price"),
        net_amount=optional_decimal(row, "net_amount"),
        currency=optional_text(row, "currency"),
        description=optional_text(row, "description"),
        broker_order_id=optional_text(row, "order_id"),
    )


def instrument(row: Row) -> Instrument:
    """Read an asset: price grid and quantity step follow Alpaca's rules for the asset's class."""
    asset_class = asset_class_of(text(row, "class"))
    if asset_class is AssetClass.CRYPTO:
        return _crypto(row)
    fractionable = flag(row, "fractionable")
    step = _FRACTION if fractionable else _ONE
    symbol = text(row, "symbol")
    return Instrument(
        symbol=symbol,
        broker="alpaca",
        broker_symbol=symbol,
        asset_class=asset_class,
        name=optional_text(row, "name"),
        currency="USD",
        tick_bands=_STOCK_TICKS if asset_class is AssetClass.STOCK else _OPTION_TICKS,
        quantity_step=step,
        quantity_min=step,
        notional_min=_ONE if fractionable else None,
        tradable=flag(row, "tradable") and text(row, "status") == "active",
        fractionable=fractionable,
        shortable=flag(row, "shortable"),
        venue=optional_text(row, "exchange"),
    )


def contract(row: Row) -> Instrument:
    """Read an option contract."""
    symbol = text(row, "symbol")
    return Instrument(
        symbol=symbol,
        broker="alpaca",
        broker_symbol=symbol,
        asset_class=AssetClass.OPTION,
        name=optional_text(row, "name"),
        currency="USD",
        tick_bands=_OPTION_TICKS,
        quantity_step=_ONE,
        quantity_min=_ONE,
        notional_min=None,
        tradable=flag(row, "tradable") and text(row, "status") == "active",
        fractionable=False,
        shortable=True,
        multiplier=_CONTRACT_SIZE,
    )


def quote(symbol: str, row: Row) -> Quote:
    """Read a latest quote; Alpaca writes 0 where there is no bid or ask."""
    bid, ask = decimal(row, "bp"), decimal(row, "ap")
    return Quote(
        symbol=symbol,
        bid=bid or None,
        ask=ask or None,
        bid_size=optional_decimal(row, "bs") if bid else None,
        ask_size=optional_decimal(row, "as") if ask else None,
        time_ns=time_ns(row, "t"),
    )


def market_clock(row: Row) -> MarketClock:
    """Read the market clock; its times carry New York's offset."""
    clock = MarketClock(
        time_ns=time_ns(row, "timestamp"),
        is_open=flag(row, "is_open"),
        next_open_ns=time_ns(row, "next_open"),
        next_close_ns=time_ns(row, "next_close"),
    )
    if (clock.next_close_ns if clock.is_open else clock.next_open_ns) <= clock.time_ns:
        raise Unusable("the market clock tells a change that is over")
    return clock


def market_day(row: Row) -> MarketDay:
    """Read a row of the calendar: `open` and `close` as HH:MM, the extended session's bounds as HHMM, New York time."""
    try:
        day = date.fromisoformat(text(row, "date"))
    except ValueError:
        raise Unusable("field date is no date") from None
    bounds = [_minute(row, name) for name in ("session_open", "open", "close", "session_close")]
    if bounds != sorted(bounds):
        raise Unusable("the sessions of a calendar day are out of order")
    times = [local_ns(_NEW_YORK, day, minute) for minute in bounds]
    kinds = (SessionKind.PRE, SessionKind.REGULAR, SessionKind.POST)
    spans = (Span(kind, start, end) for kind, start, end in zip(kinds, times, times[1:], strict=False))
    return MarketDay(day, tuple(span for span in spans if span.start_ns < span.end_ns))


def _minute(row: Row, name: str) -> int:
    digits = text(row, name).replace(":", "")
    if len(digits) != 4 or not digits.isascii() or not digits.isdecimal() or digits > "2400" or digits[2:] > "59":
        raise Unusable(f"field {name} is no time of day")
    return int(digits[:2]) * 60 + int(digits[2:])


def _crypto(row: Row) -> Instrument:
    symbol = canonical_symbol(text(row, "symbol"), AssetClass.CRYPTO)
    return Instrument(
        symbol=symbol,
        broker="alpaca",
        broker_symbol=symbol,
        asset_class=AssetClass.CRYPTO,
        name=optional_text(row, "name"),
        currency=symbol.partition("/")[2] or "USD",
        tick_bands=(TickBand(Decimal(0), decimal(row, "price_increment")),),
        quantity_step=decimal(row, "min_trade_increment"),
        quantity_min=decimal(row, "min_order_size"),
        notional_min=_CRYPTO_NOTIONAL_MIN,
        tradable=flag(row, "tradable") and text(row, "status") == "active",
        fractionable=True,
        shortable=False,
        venue=optional_text(row, "exchange"),
    )


def _activity_time(row: Row, *, filled: bool) -> int:
    if filled:
        return time_ns(row, "transaction_time")
    created = optional_text(row, "created_at")
    # The row's id starts with New York local time, which is no instant; the date is the only other time it has.
    return parse_time(created or f"{text(row, 'date')}T00:00:00Z")
