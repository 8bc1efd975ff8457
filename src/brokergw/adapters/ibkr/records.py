"""The gateway's other records in canonical terms: trades, quotes, instruments."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from brokergw.adapters.ibkr.contracts import Contract, Rules
from brokergw.adapters.ibkr.mapping import side_of
from brokergw.adapters.ibkr.payloads import decimal, milliseconds_ns, optional_decimal, text
from brokergw.model.account import Transaction
from brokergw.model.instrument import AssetClass, Instrument, Quote
from brokergw.model.order import Fee
from brokergw.model.outcome import BrokerFill
from brokergw.model.terms import Side
from brokergw.transport.rows import Row, Unusable, int64, optional_text

_ONE: Final = Decimal(1)
_UNSHORTABLE: Final = frozenset({AssetClass.BOND})


@dataclass(frozen=True, slots=True)
class Trade:
    """An execution, and what it tells of its order: the reference, and what was traded which way."""

    fill: BrokerFill
    reference: str
    conid: int
    side: Side


def trade(row: Row, currency: str = "") -> Trade:
    """Read a row of the trades; the broker's own execution id is the same from the stream and from the list."""
    commission = optional_decimal(row, "commission")
    fees = (Fee(commission, currency, "COMMISSION"),) if commission and currency else ()
    fill = BrokerFill(
        execution_id=text(row, "execution_id"),
        quantity=abs(decimal(row, "size")),
        price=decimal(row, "price"),
        trade_time_ns=milliseconds_ns(row, "trade_time_r"),
        venue=optional_text(row, "exchange"),
        fees=fees,
    )
    return Trade(fill, optional_text(row, "order_ref"), int64(row, "conid"), side_of(text(row, "side")))


def transaction(row: Row, contract: Contract, order_id: str) -> Transaction:
    """Read a trade as a line of the account's history; what was sold is negative, and what was paid too."""
    told = trade(row)
    sold = told.side is Side.SELL
    money = optional_decimal(row, "net_amount")
    fee = optional_decimal(row, "commission") or Decimal(0)
    return Transaction(
        transaction_id=told.fill.execution_id,
        kind="FILL",
        broker_kind="TRADE",
        time_ns=told.fill.trade_time_ns,
        symbol=contract.symbol,
        quantity=-told.fill.quantity if sold else told.fill.quantity,
        price=told.fill.price,
        net_amount=None if money is None else (abs(money) if sold else -abs(money)) - fee,
        currency=contract.currency,
        description=optional_text(row, "order_description"),
        broker_order_id=order_id,
    )


def quote(symbol: str, row: Row) -> Quote:
    """Read a snapshot; a side that is not there, or is not above zero, is none."""
    bid, ask = _side(row, "84"), _side(row, "86")
    return Quote(
        symbol=symbol,
        bid=bid,
        ask=ask,
        bid_size=None if bid is None else _side(row, "88"),
        ask_size=None if ask is None else _side(row, "85"),
        time_ns=milliseconds_ns(row, "_updated"),
    )


def instrument(contract: Contract, rules: Rules) -> Instrument:
    """Describe a contract with the grid that its orders must lie on."""
    return Instrument(
        symbol=contract.symbol,
        broker="ibkr",
        broker_symbol=str(contract.conid),
        asset_class=contract.asset_class,
        name=contract.name,
        currency=contract.currency,
        tick_bands=rules.tick_bands,
        quantity_step=rules.quantity_step,
        quantity_min=_ONE,
        notional_min=None,
        tradable=rules.tradable,
        fractionable=False,
        shortable=contract.asset_class not in _UNSHORTABLE,
        venue=contract.venue,
        multiplier=contract.multiplier,
    )


def _side(row: Row, name: str) -> Decimal | None:
    """Read a price or a size that may carry a letter for what kind of price it is."""
    written = optional_text(row, name).lstrip("CH")
    try:
        number = optional_decimal({name: written}, name)
    except Unusable:
        return None
    return number if number is not None and number > 0 else None
