"""Alpaca's rows in canonical terms. Nothing is guessed: an unknown word raises `Unusable`."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final, TypeVar

from brokergw.adapters.alpaca import payloads
from brokergw.model.account import AccountState, Position
from brokergw.model.instrument import AssetClass
from brokergw.model.lifecycle import State
from brokergw.model.order import ZERO
from brokergw.model.outcome import BrokerOrder
from brokergw.model.terms import Leg, OrderClass, OrderTerms, OrderType, PositionEffect, Side
from brokergw.transport.rows import (
    Row,
    Unusable,
    as_row,
    decimal,
    flag,
    optional_decimal,
    optional_text,
    parse_time,
    text,
)

_Word = TypeVar("_Word")

STATES: Final = {
    "pending_new": State.ACKED,
    "accepted": State.ACKED,
    "accepted_for_bidding": State.ACKED,
    "pending_review": State.ACKED,
    # An exit that waits for its entry: Alpaca has it, no venue does.
    "held": State.ACKED,
    "new": State.WORKING,
    "stopped": State.WORKING,
    "suspended": State.SUSPENDED,
    "partially_filled": State.PARTIAL,
    "filled": State.FILLED,
    "pending_cancel": State.PENDING_CANCEL,
    "canceled": State.CANCELED,
    "pending_replace": State.PENDING_MODIFY,
    # The order lives on under `replaced_by`; a terminal state here would end it.
    "replaced": State.PENDING_MODIFY,
    "rejected": State.REJECTED_BY_BROKER,
    "expired": State.EXPIRED,
}
"""Alpaca's statuses (docs, Orders at Alpaca: order lifecycle), except the two that depend on what has been filled."""

_RESTING: Final = frozenset({"done_for_day", "calculated"})
_TYPES: Final = {word: canonical for canonical, word in payloads.TYPES.items()}
_TIMES: Final = {word: canonical for canonical, word in payloads.TIMES_IN_FORCE.items()}
_CLASSES: Final = {word: canonical for canonical, word in payloads.CLASSES.items()} | {"": OrderClass.SIMPLE}
_SIDES: Final = {word: canonical for canonical, word in payloads.SIDES.items()} | {"sell_short": Side.SELL}
_ASSET_CLASSES: Final = {
    "us_equity": AssetClass.STOCK,
    "us_option": AssetClass.OPTION,
    "crypto": AssetClass.CRYPTO,
    "crypto_perp": AssetClass.CRYPTO,
}
_CRYPTO_QUOTES: Final = ("USDT", "USDC", "USD", "BTC", "EUR")


def order(row: Row) -> BrokerOrder:
    """Read an Order object with its nested legs."""
    cum = optional_decimal(row, "filled_qty") or ZERO
    submitted_ns = parse_time(optional_text(row, "submitted_at") or text(row, "created_at"))
    updated = optional_text(row, "updated_at")
    legs = tuple(order(as_row(leg)) for leg in row.get("legs") or ())
    return BrokerOrder(
        broker_order_id=text(row, "id"),
        client_order_id=optional_text(row, "client_order_id"),
        terms=_terms(row, legs),
        state=_state(row, cum),
        cum_quantity=cum,
        average_price=optional_decimal(row, "filled_avg_price"),
        submit_time_ns=submitted_ns,
        update_time_ns=parse_time(updated) if updated else submitted_ns,
        replaces=optional_text(row, "replaces"),
        replaced_by=optional_text(row, "replaced_by"),
        legs=legs,
    )


def same_terms(ours: OrderTerms, found: BrokerOrder) -> bool:
    """Tell whether an order at Alpaca is the one we meant to send, as far as Alpaca repeats the terms."""
    exits = bool(found.legs)
    return _essence(ours, exits=exits) == _essence(found.terms, exits=exits)


def account(row: Row, now_ns: int) -> AccountState:
    """Read the account; Alpaca keeps cash in one currency and crypto as positions, hence no balances."""
    blocked = any(flag(row, name) for name in ("trading_blocked", "account_blocked", "trade_suspended_by_user"))
    return AccountState(
        masked_number=f"****{text(row, 'account_number')[-4:]}",
        currency=text(row, "currency"),
        equity=decimal(row, "equity"),
        cash=decimal(row, "cash"),
        buying_power=decimal(row, "buying_power"),
        balances=(),
        trading_blocked=blocked or text(row, "status") != "ACTIVE",
        shorting_enabled=flag(row, "shorting_enabled"),
        multiplier=decimal(row, "multiplier"),
        as_of_ns=now_ns,
        last_close_equity=optional_decimal(row, "last_equity"),
        close_only=_only_liquidates(row),
    )


def _only_liquidates(row: Row) -> bool:
    """Tell whether Alpaca has restricted the account to liquidation, for whatever reason; a healthy one lists none.

    Account, admin_configurations.restrict_to_liquidation_reasons: a boolean for each reason.
    """
    configurations = row.get("admin_configurations")
    reasons = configurations.get("restrict_to_liquidation_reasons") if isinstance(configurations, dict) else None
    return isinstance(reasons, dict) and any(value is True for value in reasons.values())


def position(row: Row, now_ns: int) -> Position:
    """Read a position; crypto pairs get back the slash that Alpaca leaves out here."""
    asset_class = asset_class_of(text(row, "asset_class"))
    quantity = decimal(row, "qty")
    if row.get("side") == "short" and quantity > 0:
        quantity = -quantity
    available = optional_decimal(row, "qty_available")
    return Position(
        symbol=canonical_symbol(text(row, "symbol"), asset_class),
        asset_class=asset_class,
        quantity=quantity,
        available_quantity=abs(quantity if available is None else available),
        average_price=optional_decimal(row, "avg_entry_price"),
        cost_basis=optional_decimal(row, "cost_basis"),
        market_price=optional_decimal(row, "current_price"),
        market_value=optional_decimal(row, "market_value"),
        unrealized_profit=optional_decimal(row, "unrealized_pl"),
        as_of_ns=now_ns,
    )


def asset_class_of(word: str) -> AssetClass:
    """Read an asset class."""
    return _word(_ASSET_CLASSES, word, "asset_class")


def side_of(word: str) -> Side:
    """Read a side; `sell_short` is a sell."""
    return _word(_SIDES, word, "side")


def canonical_symbol(symbol: str, asset_class: AssetClass) -> str:
    """Write a crypto pair as `BTC/USD` wherever Alpaca writes `BTCUSD`."""
    if asset_class is AssetClass.CRYPTO and "/" not in symbol:
        for quote in _CRYPTO_QUOTES:
            if symbol.endswith(quote) and len(symbol) > len(quote):
                return f"{symbol.removesuffix(quote)}/{quote}"
    return symbol


def _terms(row: Row, legs: tuple[BrokerOrder, ...]) -> OrderTerms:
    order_class = _word(_CLASSES, optional_text(row, "order_class"), "order_class")
    multi_leg = order_class is OrderClass.MULTI_LEG
    asset_class = optional_text(row, "asset_class")
    symbol = optional_text(row, "symbol") if multi_leg else text(row, "symbol")
    exits = _exits(order_class, row, legs)
    return OrderTerms(
        symbol=canonical_symbol(symbol, asset_class_of(asset_class)) if asset_class else symbol,
        # A multi-leg parent has no side of its own: the sign of its price tells debit from credit.
        side=Side.BUY if multi_leg and not row.get("side") else side_of(text(row, "side")),
        type=_type(row),
        time_in_force=_word(_TIMES, text(row, "time_in_force"), "time_in_force"),
        quantity=optional_decimal(row, "qty"),
        notional=optional_decimal(row, "notional"),
        limit_price=optional_decimal(row, "limit_price"),
        stop_price=None if _type(row) is OrderType.TRAILING_STOP else optional_decimal(row, "stop_price"),
        trail_amount=optional_decimal(row, "trail_price"),
        trail_percent=optional_decimal(row, "trail_percent"),
        extended_hours=flag(row, "extended_hours"),
        position_effect=PositionEffect.AUTO,
        order_class=order_class,
        take_profit_limit_price=exits[0],
        stop_loss_stop_price=exits[1],
        stop_loss_limit_price=exits[2],
        legs=tuple(_leg(as_row(leg)) for leg in row.get("legs") or ()) if multi_leg else (),
    )


def _type(row: Row) -> OrderType:
    word = optional_text(row, "type") or optional_text(row, "order_type")
    # The legs of a multi-leg order have an empty type: they trade with their parent.
    return _word(_TYPES, word or "market", "type")


def _exits(
    order_class: OrderClass, row: Row, legs: tuple[BrokerOrder, ...]
) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Read take-profit, stop-loss and its limit from a group's legs; an OCO's parent is its take-profit."""
    if order_class in {OrderClass.SIMPLE, OrderClass.MULTI_LEG} or not legs:
        return None, None, None
    profit = optional_decimal(row, "limit_price") if order_class is OrderClass.OCO else None
    stop, stop_limit = None, None
    for leg in legs:
        if leg.terms.stop_price is None:
            profit = leg.terms.limit_price
        else:
            stop, stop_limit = leg.terms.stop_price, leg.terms.limit_price
    return profit, stop, stop_limit


def _leg(row: Row) -> Leg:
    ratio = optional_decimal(row, "ratio_qty") or Decimal(1)
    intent = optional_text(row, "position_intent")
    effect = PositionEffect.AUTO
    if intent:
        effect = PositionEffect.OPEN if intent.endswith("_to_open") else PositionEffect.CLOSE
    return Leg(text(row, "symbol"), side_of(text(row, "side")), int(ratio), effect)


def _state(row: Row, cum: Decimal) -> State:
    status = text(row, "status")
    if status not in _RESTING:
        return _word(STATES, status, "status")
    if cum > 0 and cum == optional_decimal(row, "qty"):
        return State.FILLED
    return State.PARTIAL if cum > 0 else State.WORKING


def _essence(terms: OrderTerms, *, exits: bool) -> OrderTerms:
    """Keep what Alpaca tells back of an order in a form that two equal orders share."""
    multi_leg = terms.order_class is OrderClass.MULTI_LEG
    oco = terms.order_class is OrderClass.OCO
    # An OCO's own limit is its take-profit.
    profit = terms.take_profit_limit_price or (terms.limit_price if oco else None)
    return replace(
        terms,
        symbol="" if multi_leg else terms.symbol.replace("/", ""),
        side=Side.BUY if multi_leg else terms.side,
        limit_price=None if oco else terms.limit_price,
        take_profit_limit_price=profit if exits else None,
        stop_loss_stop_price=terms.stop_loss_stop_price if exits else None,
        stop_loss_limit_price=terms.stop_loss_limit_price if exits else None,
        position_effect=PositionEffect.AUTO,
        legs=tuple(replace(leg, position_effect=PositionEffect.AUTO) for leg in terms.legs) if exits else (),
    )


def _word(table: Mapping[str, _Word], word: str, field: str) -> _Word:
    found = table.get(word)
    if found is None:
        raise Unusable(f"field {field} has a value that is not documented")
    return found
