import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from brokergw.adapters.alpaca import mapping
from brokergw.model.instrument import AssetClass
from brokergw.model.lifecycle import State
from brokergw.model.terms import Leg, OrderClass, OrderType, PositionEffect, Side, TimeInForce
from brokergw.transport.rows import Unusable, read_json
from tests.fixtures.alpaca_wire import NOW_NS, sample


def row(name: str, **changes: Any) -> dict[str, Any]:
    """Read a sample as the adapter would, changed where asked."""
    changed: dict[str, Any] = read_json(json.dumps(sample(name) | changes).encode())
    return changed


def test_an_order_is_read_whole() -> None:
    """Ids, terms, totals and times of a limit order arrive exactly."""
    order = mapping.order(row("http_get_order", filled_qty="4", filled_avg_price="180.2", status="partially_filled"))
    assert order.broker_order_id == "0b6e8a34-2b7f-4f62-8a7d-2f2c0a4d9e01"
    assert order.client_order_id == "gw-limit-1"
    assert order.state is State.PARTIAL
    assert order.cum_quantity == Decimal(4)
    assert order.average_price == Decimal("180.2")
    assert order.submit_time_ns == 1_791_472_218_094_153_596
    assert order.update_time_ns == 1_791_472_218_095_307_123
    terms = order.terms
    assert (terms.symbol, terms.side, terms.type) == ("AAPL", Side.BUY, OrderType.LIMIT)
    assert (terms.quantity, terms.notional, terms.limit_price) == (Decimal(10), None, Decimal("180.25"))
    assert (terms.time_in_force, terms.order_class) == (TimeInForce.GTC, OrderClass.SIMPLE)


def test_a_notional_order_has_no_quantity() -> None:
    """An order for an amount of money keeps its quantity open."""
    terms = mapping.order(row("http_post_order_notional")).terms
    assert (terms.quantity, terms.notional) == (None, Decimal(5))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending_new", State.ACKED),
        ("accepted", State.ACKED),
        ("accepted_for_bidding", State.ACKED),
        ("pending_review", State.ACKED),
        ("held", State.ACKED),
        ("new", State.WORKING),
        ("stopped", State.WORKING),
        ("suspended", State.SUSPENDED),
        ("partially_filled", State.PARTIAL),
        ("filled", State.FILLED),
        ("done_for_day", State.WORKING),
        ("calculated", State.WORKING),
        ("pending_cancel", State.PENDING_CANCEL),
        ("canceled", State.CANCELED),
        ("pending_replace", State.PENDING_MODIFY),
        ("replaced", State.PENDING_MODIFY),
        ("rejected", State.REJECTED_BY_BROKER),
        ("expired", State.EXPIRED),
    ],
)
def test_each_documented_status_has_its_state(status: str, state: State) -> None:
    """Every status of Alpaca's order lifecycle is mapped."""
    assert mapping.order(row("http_get_order", status=status)).state is state


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("calculated", "10", State.FILLED),
        ("calculated", "4", State.PARTIAL),
        ("done_for_day", "4", State.PARTIAL),
        ("done_for_day", "10", State.FILLED),
    ],
)
def test_a_resting_status_follows_what_was_filled(status: str, filled: str, state: State) -> None:
    """Done for the day and calculated say nothing by themselves; the filled quantity decides."""
    assert mapping.order(row("http_get_order", status=status, filled_qty=filled)).state is state


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "brand_new_status"},
        {"status": ""},
        {"type": "iceberg", "order_type": "iceberg"},
        {"side": "hold"},
        {"time_in_force": "gtx"},
        {"order_class": "pair"},
        {"asset_class": "bond"},
        {"id": None},
        {"filled_qty": "a lot"},
        {"submitted_at": "yesterday"},
        {"legs": ["leg"]},
    ],
)
def test_an_undocumented_word_is_never_guessed(changes: dict[str, Any]) -> None:
    """An unknown status, type, side, time in force or class makes the order unusable, as does a broken field."""
    with pytest.raises(Unusable):
        mapping.order(row("http_get_order", **changes))


def test_a_bracket_has_its_exits_as_terms_and_as_legs() -> None:
    """Take-profit and stop-loss are read from the legs, which are orders of their own."""
    order = mapping.order(row("http_post_order_bracket"))
    assert order.terms.order_class is OrderClass.BRACKET
    assert order.terms.take_profit_limit_price == Decimal(200)
    assert order.terms.stop_loss_stop_price == Decimal(160)
    assert order.terms.stop_loss_limit_price == Decimal("159.5")
    assert [leg.state for leg in order.legs] == [State.ACKED, State.ACKED]
    assert [leg.terms.side for leg in order.legs] == [Side.SELL, Side.SELL]


def test_a_multi_leg_order_has_legs_with_ratio_and_effect() -> None:
    """The parent's empty symbol and side are no error, and each leg is told."""
    order = mapping.order(row("http_post_order_mleg"))
    assert order.terms.order_class is OrderClass.MULTI_LEG
    assert order.terms.limit_price == Decimal("1.25")
    assert order.terms.legs == (
        Leg("AAPL270115C00200000", Side.BUY, 1, PositionEffect.OPEN),
        Leg("AAPL270115C00210000", Side.SELL, 1, PositionEffect.OPEN),
    )


def test_a_replacement_names_its_predecessor() -> None:
    """The lineage of replaced orders is kept in both directions."""
    assert mapping.order(row("http_patch_order")).replaces == "0b6e8a34-2b7f-4f62-8a7d-2f2c0a4d9e01"
    old = mapping.order(row("http_get_order", status="replaced", replaced_by="0b6e8a34-2b7f-4f62-8a7d-2f2c0a4d9e02"))
    assert old.replaced_by == "0b6e8a34-2b7f-4f62-8a7d-2f2c0a4d9e02"


def test_crypto_pairs_are_the_same_with_and_without_slash() -> None:
    """`BTCUSD` in a position and `BTC/USD` in an order are one symbol."""
    assert mapping.order(row("http_get_order", symbol="BTCUSD", asset_class="crypto")).terms.symbol == "BTC/USD"
    assert mapping.canonical_symbol("ETH/BTC", AssetClass.CRYPTO) == "ETH/BTC"
    assert mapping.canonical_symbol("ETHBTC", AssetClass.CRYPTO) == "ETH/BTC"
    assert mapping.canonical_symbol("BTCUSD", AssetClass.STOCK) == "BTCUSD"


def test_the_account_shows_no_more_than_four_characters_of_its_number() -> None:
    """Money is exact and the account number masked."""
    account = mapping.account(row("http_get_account"), NOW_NS)
    assert account.masked_number == "****X7TC"
    assert "PA3ZK81QX7TC" not in repr(account)
    assert (account.equity, account.cash, account.buying_power) == (
        Decimal("99952.12"),
        Decimal("99903.69"),
        Decimal("399421.08"),
    )
    assert (account.currency, account.multiplier, account.as_of_ns) == ("USD", Decimal(4), NOW_NS)
    assert account.shorting_enabled
    assert not account.trading_blocked


@pytest.mark.parametrize(
    "changes",
    [{"trading_blocked": True}, {"account_blocked": True}, {"trade_suspended_by_user": True}, {"status": "INACTIVE"}],
)
def test_an_account_blocked_in_any_way_is_blocked(changes: dict[str, Any]) -> None:
    """Each of Alpaca's ways to stop an account from trading counts."""
    assert mapping.account(row("http_get_account", **changes), NOW_NS).trading_blocked


def test_positions_are_signed_and_keep_their_digits() -> None:
    """Long, short and crypto positions are read with sign, all nine decimals and what is free."""
    long, short, crypto = (
        mapping.position(each, NOW_NS) for each in read_json(json.dumps(sample("http_get_positions")).encode())
    )
    assert (long.symbol, long.quantity, long.available_quantity) == (
        "KO",
        Decimal("0.557436865"),
        Decimal("0.557436865"),
    )
    assert long.average_price == Decimal("86.879891")
    assert (short.quantity, short.available_quantity, short.market_value) == (Decimal(-3), Decimal(1), Decimal(-750))
    assert (crypto.symbol, crypto.asset_class) == ("BTC/USD", AssetClass.CRYPTO)


def test_an_order_equals_the_terms_it_was_made_from() -> None:
    """An order found under our id is recognised whatever way Alpaca writes its numbers."""
    terms = mapping.order(row("http_get_order")).terms
    assert mapping.same_terms(terms, mapping.order(row("http_get_order", qty="10.000", limit_price="180.250")))


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": "KO"},
        {"side": "sell"},
        {"qty": "11"},
        {"limit_price": "180.26"},
        {"time_in_force": "day"},
        {"type": "market", "limit_price": None},
        {"extended_hours": True},
    ],
)
def test_an_order_of_other_terms_is_not_ours(changes: dict[str, Any]) -> None:
    """One differing term is enough to tell two orders apart."""
    terms = mapping.order(row("http_get_order")).terms
    assert not mapping.same_terms(terms, mapping.order(row("http_get_order", **changes)))


def test_a_group_found_without_its_exits_is_compared_by_its_entry() -> None:
    """Where Alpaca does not tell the exits, their absence is no difference; where it does, they count."""
    bracket = mapping.order(row("http_post_order_bracket"))
    bare = mapping.order(row("http_post_order_bracket", legs=None))
    other = replace(bracket.terms, take_profit_limit_price=Decimal(201))
    assert mapping.same_terms(bracket.terms, bracket)
    assert mapping.same_terms(bracket.terms, bare)
    assert not mapping.same_terms(other, bracket)


def test_the_limit_of_an_oco_is_its_take_profit() -> None:
    """An exit pair is the same whether its profit is told as limit or as take-profit."""
    stop = sample("http_post_order_bracket")["legs"][1] | {"order_class": "oco"}
    pair = mapping.order(row("http_get_order", side="sell", order_class="oco", legs=[stop]))
    by_limit = replace(pair.terms, take_profit_limit_price=None)
    by_profit = replace(pair.terms, limit_price=None)
    assert pair.terms.take_profit_limit_price == Decimal("180.25")
    assert mapping.same_terms(by_limit, pair)
    assert mapping.same_terms(by_profit, pair)


@pytest.mark.parametrize(
    ("configurations", "close_only"),
    [
        ({}, False),
        (None, False),
        ({"restrict_to_liquidation_reasons": {"ach_return": False, "pattern_day_trading": False}}, False),
        ({"restrict_to_liquidation_reasons": {"ach_return": True, "pattern_day_trading": False}}, True),
    ],
)
def test_an_account_restricted_to_liquidation_only_closes(configurations: object, *, close_only: bool) -> None:
    """Any reason that is true restricts it; a healthy account lists none."""
    row = sample("http_get_account")
    assert mapping.account({**row, "admin_configurations": configurations}, 0).close_only is close_only
