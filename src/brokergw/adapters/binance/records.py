"""Binance's other records in canonical terms: trades and income as transactions, and quotes."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from brokergw.adapters.binance import terms as words
from brokergw.model.account import Transaction
from brokergw.model.instrument import Quote
from brokergw.model.order import ZERO
from brokergw.model.terms import Side
from brokergw.transport.rows import Row, decimal, flag, optional_decimal, optional_text, text, whole

KINDS: Final = {
    "TRANSFER": "TRANSFER",
    "WELCOME_BONUS": "OTHER",
    "FUNDING_FEE": "INTEREST",
    "INSURANCE_CLEAR": "FEE",
    "REFERRAL_KICKBACK": "OTHER",
    "COMMISSION_REBATE": "FEE",
    "API_REBATE": "FEE",
    "INTERNAL_TRANSFER": "TRANSFER",
    "CROSS_COLLATERAL_TRANSFER": "TRANSFER",
    "COIN_SWAP_DEPOSIT": "DEPOSIT",
    "COIN_SWAP_WITHDRAW": "WITHDRAWAL",
    "DELIVERED_SETTELMENT": "OTHER",
}
"""Income types of futures; another one is OTHER."""

_OF_TRADES: Final = frozenset({"REALIZED_PNL", "COMMISSION"})
"""Income that the trade it belongs to carries."""


def spot_transaction(row: Row, names: Mapping[str, str], order_id: str) -> Transaction:
    """Read a spot trade; a sold quantity is negative, and so is the money that a purchase cost."""
    bought = flag(row, "isBuyer")
    money = optional_decimal(row, "quoteQty") or decimal(row, "price") * decimal(row, "qty")
    return _trade(row, names, order_id, bought=bought, net=-money if bought else money)


def trade_transaction(row: Row, names: Mapping[str, str], order_id: str) -> Transaction:
    """Read a futures trade, which moves the cash by what it realised less what it cost."""
    bought = words.side_of(text(row, "side")) is Side.BUY
    net = (optional_decimal(row, "realizedPnl") or ZERO) - (optional_decimal(row, "commission") or ZERO)
    return _trade(row, names, order_id, bought=bought, net=net)


def _trade(row: Row, names: Mapping[str, str], order_id: str, *, bought: bool, net: Decimal) -> Transaction:
    quantity, wire = decimal(row, "qty"), text(row, "symbol")
    return Transaction(
        transaction_id=f"{wire}:{whole(row, 'id')}",
        kind="FILL",
        broker_kind="TRADE",
        time_ns=words.time_ns(row, "time"),
        symbol=names[wire],
        quantity=quantity if bought else -quantity,
        price=decimal(row, "price"),
        net_amount=net,
        currency=optional_text(row, "marginAsset") or "USDT",
        broker_order_id=order_id,
    )


def transaction(row: Row) -> Transaction | None:
    """Read a line of futures' income; None for one that a trade carries already."""
    broker_kind = text(row, "incomeType")
    if broker_kind in _OF_TRADES:
        return None
    return Transaction(
        transaction_id=f"{broker_kind}:{row.get('tranId')}:{optional_text(row, 'symbol')}",
        kind=KINDS.get(broker_kind, "OTHER"),
        broker_kind=broker_kind,
        time_ns=words.time_ns(row, "time"),
        net_amount=decimal(row, "income"),
        currency=text(row, "asset"),
        description=optional_text(row, "info"),
    )


def quote(row: Row, symbol: str, now_ns: int) -> Quote:
    """Read a best bid and ask; Binance writes 0 where there is none, and spot tells no time, so it is now."""
    bid, ask = decimal(row, "bidPrice") or None, decimal(row, "askPrice") or None
    return Quote(
        symbol=symbol,
        bid=bid,
        ask=ask,
        bid_size=optional_decimal(row, "bidQty") if bid else None,
        ask_size=optional_decimal(row, "askQty") if ask else None,
        time_ns=words.time_ns(row, "time") if "time" in row else now_ns,
    )
