"""What the exchange refuses."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from brokergw.exchange import RefusalCode, Refused
from brokergw.model.terms import OrderType, TimeInForce
from tests.fixtures.market import Trader

INVALID = RefusalCode.INVALID_TERMS


@pytest.mark.parametrize(
    ("terms", "code", "facts"),
    [
        ({"symbol": "NOPE"}, RefusalCode.UNKNOWN_SYMBOL, {"symbol": "NOPE"}),
        ({"symbol": "HALT"}, RefusalCode.NOT_TRADABLE, {"symbol": "HALT"}),
        ({"symbol": "OCGN", "quantity": "1.5"}, RefusalCode.NOT_FRACTIONABLE, {"symbol": "OCGN"}),
        ({"symbol": "OCGN", "quantity": None, "notional": "50"}, RefusalCode.NOT_FRACTIONABLE, {"symbol": "OCGN"}),
        ({"quantity": "0.0000000001"}, RefusalCode.OFF_STEP, {}),
        ({"symbol": "BTC/USD", "quantity": "0.00001"}, RefusalCode.BELOW_MINIMUM, {"minimum": Decimal("0.0001")}),
        ({"quantity": None, "notional": "0.5"}, RefusalCode.BELOW_MINIMUM, {"minimum": Decimal(1)}),
        ({"symbol": "BTC/USD", "quantity": None, "notional": "5"}, RefusalCode.BELOW_MINIMUM, {}),
        ({"quantity": "0"}, INVALID, {"field": "quantity"}),
        ({"quantity": "-1"}, INVALID, {"field": "quantity"}),
        ({"quantity": "NaN"}, INVALID, {"field": "quantity"}),
        ({"quantity": "Infinity"}, INVALID, {"field": "quantity"}),
        ({"quantity": None}, INVALID, {"field": "quantity"}),
        ({"notional": "5"}, INVALID, {"field": "quantity"}),
        ({"quantity": None, "notional": "NaN"}, INVALID, {"field": "notional"}),
        ({"quantity": None, "notional": "50", "stop_price": "210"}, INVALID, {"field": "notional"}),
        ({"type": OrderType.LIMIT}, INVALID, {"field": "limit_price"}),
        ({"type": OrderType.MARKET, "limit_price": "1"}, INVALID, {"field": "limit_price"}),
        ({"type": OrderType.STOP}, INVALID, {"field": "stop_price"}),
        ({"type": OrderType.TRAILING_STOP}, INVALID, {"field": "trail"}),
        ({"trail_amount": "1", "trail_percent": "1"}, INVALID, {"field": "trail"}),
        ({"trail_amount": "0"}, INVALID, {"field": "trail"}),
        ({"trail_percent": "100"}, INVALID, {"field": "trail_percent"}),
        ({"limit_price": "0"}, INVALID, {"field": "limit_price"}),
        ({"limit_price": "NaN"}, INVALID, {"field": "limit_price"}),
        ({"limit_price": "200.005"}, RefusalCode.OFF_TICK, {"field": "limit_price", "tick": Decimal("0.01")}),
        ({"stop_price": "200.005"}, RefusalCode.OFF_TICK, {"field": "stop_price"}),
        ({"time_in_force": TimeInForce.GTD}, INVALID, {"field": "expire_time_ns"}),
        ({"time_in_force": TimeInForce.GTD, "expire_time_ns": 1}, INVALID, {"field": "expire_time_ns"}),
        ({"time_in_force": TimeInForce.IOC, "stop_price": "210"}, INVALID, {"field": "time_in_force"}),
        ({"extended_hours": True}, INVALID, {"field": "extended_hours"}),
    ],
)
def test_bad_terms_are_refused(
    trader: Trader, terms: dict[str, Any], code: RefusalCode, facts: dict[str, object]
) -> None:
    """Each broken rule has its code and facts, and nothing is told or booked."""
    refused = trader.refusal(trader.buy, **({"quantity": "1"} | terms))
    assert refused.code is code
    assert facts.items() <= refused.facts.items()


def test_a_tick_depends_on_the_price(trader: Trader) -> None:
    """Below one dollar shares are priced in hundredths of a cent."""
    assert trader.buy(1, "OCGN", limit_price="0.8001").is_open
    assert trader.refusal(trader.buy, 1, "OCGN", limit_price="1.0001").code is RefusalCode.OFF_TICK


def test_buying_power_is_multiplied_equity(trader: Trader) -> None:
    """With multiplier 4 the account may buy for four times its equity, and not for a cent more."""
    refused = trader.refusal(trader.buy, 2000, limit_price="200.01")
    assert refused.code is RefusalCode.INSUFFICIENT_BUYING_POWER
    assert refused.facts == {"buying_power": Decimal(400_000), "cost_basis": Decimal(400_020)}
    assert trader.buy(2000, limit_price="200").order_id


def test_open_orders_reserve_buying_power(trader: Trader) -> None:
    """What a resting buy may cost is not there for the next one, and comes back with a cancel."""
    first = trader.buy(1000, limit_price="150")
    assert trader.exchange.account(trader.account).buying_power == 250_000
    assert trader.refusal(trader.buy, 2000, limit_price="150").code is RefusalCode.INSUFFICIENT_BUYING_POWER
    trader.exchange.cancel(trader.account, first.order_id)
    assert trader.exchange.account(trader.account).buying_power == 400_000


def test_coins_must_be_paid_in_full(trader: Trader) -> None:
    """Crypto cannot be bought on margin."""
    assert trader.refusal(trader.buy, "1.1", "BTC/USD").code is RefusalCode.INSUFFICIENT_BUYING_POWER
    assert trader.buy("0.9", "BTC/USD").filled_quantity == Decimal("0.9")


def test_open_sells_hold_quantity(trader: Trader) -> None:
    """What an open sell holds cannot be sold again, and the refusal tells all four figures."""
    trader.buy(10)
    trader.sell(6, limit_price="250")
    refused = trader.refusal(trader.sell, 5)
    assert refused.code is RefusalCode.INSUFFICIENT_QUANTITY
    assert refused.facts == {
        "requested": Decimal(5),
        "available": Decimal(4),
        "existing": Decimal(10),
        "held_for_orders": Decimal(6),
    }
    assert trader.sell(4).leaves_quantity == 0


def test_a_short_sale_needs_the_right_and_whole_units(make_trader: Callable[..., Trader]) -> None:
    """Shorts need a shortable listing, an account that may, and whole units; coins are never sold short."""
    trader = make_trader()
    assert trader.sell(10).filled_quantity == 10
    assert trader.position() == -10
    short = RefusalCode.SHORT_NOT_ALLOWED
    assert trader.refusal(trader.sell, "1.5", "MSFT").code is short
    assert trader.refusal(trader.sell, None, "MSFT", notional="50").code is short
    assert trader.refusal(trader.sell, 1, "OCGN").code is short
    assert trader.refusal(trader.sell, 1, "BTC/USD").code is RefusalCode.INSUFFICIENT_QUANTITY
    trader.exchange.open_account("cash", cash=Decimal(1000), shorting=False)
    trader.account = "cash"
    assert trader.refusal(trader.sell, 1).code is short


def test_a_buy_cannot_turn_a_short_around(trader: Trader) -> None:
    """A buy beyond the short position is refused: the position is closed first."""
    trader.sell(10)
    assert trader.refusal(trader.buy, 11).code is RefusalCode.INSUFFICIENT_QUANTITY
    trader.buy(10)
    assert trader.position() == 0


def test_an_account_opens_one_way_at_a_time(trader: Trader) -> None:
    """While an order to open long rests, one to open short is refused and names it."""
    first = trader.buy(1, limit_price="150")
    refused = trader.refusal(trader.sell, 1, limit_price="250")
    assert (refused.code, refused.facts) == (
        RefusalCode.OPPOSITE_ORDER_OPEN,
        {"existing_order_id": first.order_id},
    )


def test_wash_trades_are_refused_on_request(make_trader: Callable[..., Trader]) -> None:
    """With the rule on, an order that could trade with an own open one is refused; without it is not."""
    for refuses in (True, False):
        trader = make_trader(refuse_wash_trades=refuses)
        trader.buy(10)
        resting = trader.sell(5, limit_price="210")
        assert trader.buy(1, limit_price="209").leaves_quantity == 0
        if refuses:
            refused = trader.refusal(trader.buy, 1, limit_price="210")
            assert refused.code is RefusalCode.WASH_TRADE
            assert refused.facts == {"existing_order_id": resting.order_id}
        else:
            assert trader.buy(1, limit_price="210").leaves_quantity == 0


def test_a_client_order_id_is_used_once(trader: Trader) -> None:
    """A client order id is refused a second time, also after its order has ended, and finds its order."""
    order = trader.buy(1, client_order_id="mine")
    refused = trader.refusal(trader.buy, 1, client_order_id="mine")
    assert refused.code is RefusalCode.DUPLICATE_CLIENT_ORDER_ID
    assert refused.facts["existing_order_id"] == order.order_id
    assert trader.exchange.order_by_client_id(trader.account, "mine") == order
    assert trader.exchange.order_by_client_id(trader.account, "yours") is None


def test_dust_can_be_sold_whole(trader: Trader) -> None:
    """A position below the smallest order may still be closed whole."""
    trader.buy("0.00015", "BTC/USD")
    trader.sell("0.0001", "BTC/USD")
    assert trader.refusal(trader.sell, "0.00004", "BTC/USD").code is RefusalCode.BELOW_MINIMUM
    trader.sell("0.00005", "BTC/USD")
    assert trader.position("BTC/USD") == 0


def test_options_trade_in_hundreds(trader: Trader) -> None:
    """An option contract costs a hundred times its price, in full, and cannot be written."""
    symbol = "AAPL270115C00230000"
    trader.exchange.set_price(symbol, Decimal(10))
    order = trader.buy(2, symbol)
    assert order.average_price == Decimal("10.04")
    assert trader.exchange.account(trader.account).cash == 100_000 - 2 * Decimal(1004)
    assert trader.refusal(trader.sell, 3, symbol).code is RefusalCode.INSUFFICIENT_QUANTITY


def test_what_is_not_there_is_not_found(trader: Trader) -> None:
    """Unknown accounts and orders are refused by name; an unknown order reads as None."""
    missing = trader.refusal(trader.exchange.cancel, trader.account, "nope")
    assert (missing.code, missing.facts) == (RefusalCode.NOT_FOUND, {"order_id": "nope"})
    assert trader.exchange.order(trader.account, "nope") is None
    with pytest.raises(Refused) as caught:
        trader.exchange.account("nobody")
    assert caught.value.code is RefusalCode.UNKNOWN_ACCOUNT


def test_an_account_is_opened_once(trader: Trader) -> None:
    """Opening an account that is open changes nothing."""
    trader.exchange.open_account(trader.account, cash=Decimal(1))
    assert trader.exchange.account(trader.account).cash == 100_000
