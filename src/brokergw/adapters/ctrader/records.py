"""The account, and its history, in canonical terms."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from brokergw.adapters.ctrader import mapping, payloads
from brokergw.adapters.ctrader.mapping import DEALT, Held
from brokergw.adapters.ctrader.payloads import money, money_digits, optional_text
from brokergw.adapters.ctrader.symbols import SymbolBook
from brokergw.model.account import AccountState, Transaction
from brokergw.model.order import ZERO
from brokergw.model.terms import Side
from brokergw.transport.rows import Row, Unusable, as_row, decimal, int64, optional_int64

_CENTS: Final = Decimal(100)
_CLOSE_ONLY: Final = 1
_BARRED: Final = frozenset({2, 3})
"""ProtoOAAccessRights NO_TRADING and NO_LOGIN."""
_PAID_OUT: Final = frozenset({1, 16, 17, 18, 22, 35, 37})
"""Kinds of ProtoOAChangeBalanceType by which money leaves, as far as they are described."""
_KINDS: Final = {
    0: ("DEPOSIT", "BALANCE_DEPOSIT"),
    1: ("WITHDRAWAL", "BALANCE_WITHDRAW"),
    15: ("DIVIDEND", "BALANCE_DEPOSIT_DIVIDENDS"),
    16: ("DIVIDEND", "BALANCE_WITHDRAW_DIVIDENDS"),
    17: ("FEE", "BALANCE_WITHDRAW_GSL_CHARGE"),
    18: ("FEE", "BALANCE_WITHDRAW_ROLLOVER"),
    21: ("INTEREST", "BALANCE_DEPOSIT_SWAP"),
    22: ("INTEREST", "BALANCE_WITHDRAW_SWAP"),
    35: ("FEE", "BALANCE_WITHDRAW_INACTIVITY_FEE"),
    36: ("TRANSFER", "BALANCE_DEPOSIT_TRANSFER"),
    37: ("TRANSFER", "BALANCE_WITHDRAW_TRANSFER"),
    38: ("OTHER", "BALANCE_DEPOSIT_CONVERTED_BONUS"),
    39: ("OTHER", "BALANCE_DEPOSIT_NEGATIVE_BALANCE_PROTECTION"),
}


def account(
    row: Row,
    parts: Sequence[Held],
    profits: Mapping[int, Decimal],
    *,
    login: str,
    currency: str,
    view_only: bool,
    now_ns: int,
) -> AccountState:
    """Read the account: what cTrader does not tell follows from what it does.

    Equity is the balance and the net profit of every open position; what the positions use as margin is not free, and
    the free part may be spent as many times as the leverage says. A position without its profit makes the answer
    unusable, because its loss would be missing.
    """
    if missing := [part.position_id for part in parts if part.position_id not in profits]:
        raise Unusable(f"the profit of {len(missing)} positions is missing")
    balance = money(row, "balance")
    equity = balance + sum((profits[part.position_id] for part in parts), ZERO)
    leverage = max(Decimal(1), (optional_int64(row, "leverageInCents") or 100) / _CENTS)
    free = equity - sum((part.margin for part in parts), ZERO)
    rights = optional_int64(row, "accessRights") or 0
    return AccountState(
        masked_number=f"****{login[-4:]}",
        currency=currency,
        equity=equity,
        cash=balance,
        buying_power=max(ZERO, free * leverage),
        balances=(),
        trading_blocked=view_only or rights in _BARRED,
        shorting_enabled=True,
        multiplier=leverage,
        as_of_ns=now_ns,
        close_only=rights == _CLOSE_ONLY,
    )


def trades(deals: Iterable[Row], symbols: SymbolBook, currency: str) -> list[Transaction]:
    """Read executions as lines of the account's history; a sold quantity is negative."""
    return [_trade(row, symbols, currency) for row in deals if int64(row, "dealStatus") in DEALT]


def flow(row: Row, currency: str) -> Transaction:
    """Read money in or out; a kind that is not described is told as OTHER, by its balance change alone."""
    number = int64(row, "operationType")
    kind, word = _KINDS.get(number, ("OTHER", f"BALANCE_CHANGE_{number}"))
    amount = money(row, "delta")
    return Transaction(
        transaction_id=f"flow-{int64(row, 'balanceHistoryId')}",
        kind=kind,
        broker_kind=word,
        time_ns=payloads.time_ns(row, "changeBalanceTimestamp"),
        net_amount=-abs(amount) if number in _PAID_OUT else amount,
        currency=currency,
        description=optional_text(row, "externalNote"),
    )


def _trade(row: Row, symbols: SymbolBook, currency: str) -> Transaction:
    quantity = payloads.units(row, "filledVolume")
    sold = mapping.side_of(row) is Side.SELL
    return Transaction(
        transaction_id=f"deal-{int64(row, 'dealId')}",
        kind="FILL",
        broker_kind="DEAL",
        time_ns=payloads.time_ns(row, "executionTimestamp"),
        symbol=symbols.of(int64(row, "symbolId")).canonical,
        quantity=-quantity if sold else quantity,
        price=decimal(row, "executionPrice"),
        net_amount=_brought(row),
        currency=currency,
        broker_order_id=str(int64(row, "orderId")),
    )


def _brought(row: Row) -> Decimal:
    """Give what a trade did to the balance: its commission, and the profit and swap of what it closed."""
    closed = row.get("closePositionDetail")
    if closed is None:
        return money(row, "commission")
    detail = as_row(closed)
    digits = money_digits(detail)
    return sum((money(detail, name, digits) for name in ("grossProfit", "swap", "commission")), ZERO)
