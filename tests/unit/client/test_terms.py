from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from brokerapi.v1 import orders_pb2, trading_pb2

from brokergw.client import encode
from brokergw.client.terms import OrderTerms, order_spec

BASE: OrderTerms = {"symbol": "AAPL", "side": "BUY", "type": "MARKET", "time_in_force": "DAY"}


def spec(**changes: Any) -> orders_pb2.OrderSpec:
    """Write terms that differ from a market order's."""
    return order_spec(**{**BASE, **changes})


@pytest.mark.parametrize("name", ["quantity", "notional", "limit_price", "stop_price", "trail_amount", "trail_percent"])
def test_a_float_is_refused_and_the_reason_told(name: str) -> None:
    """No amount passes through a binary fraction, and the error says what to write instead."""
    with pytest.raises(TypeError, match=rf"{name} is a float.*Decimal\('10.25'\)"):
        spec(**{name: 10.25})


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (Decimal("10.250"), "10.250"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-18"), "0.000000000000000001"),
        ("10.25", "10.25"),
        (7, "7"),
    ],
)
def test_an_amount_is_written_exactly_and_without_an_exponent(given: Any, written: str) -> None:
    """What the caller gave is what the gateway gets."""
    assert spec(quantity=given).quantity == written


@pytest.mark.parametrize("bad", [Decimal("NaN"), Decimal("Infinity")])
def test_an_amount_that_is_not_finite_is_refused(bad: Decimal) -> None:
    """NaN and infinity are no quantities."""
    with pytest.raises(ValueError, match="quantity must be finite"):
        spec(quantity=bad)


@pytest.mark.parametrize("bad", [True, None, b"1", [1]])
def test_what_is_no_number_is_refused(bad: Any) -> None:
    """A truth value or bytes are no amount."""
    with pytest.raises(TypeError, match="price must be a Decimal"):
        encode.decimal_text("price", bad)


@pytest.mark.parametrize("name", ["STOP_LIMIT", "stop_limit", "stop-limit", "ORDER_TYPE_STOP_LIMIT"])
def test_names_are_taken_short_or_whole(name: str) -> None:
    """People and programs write enum names in their own way."""
    assert spec(type=name).type == trading_pb2.ORDER_TYPE_STOP_LIMIT


@pytest.mark.parametrize(
    ("field", "bad"),
    [("side", "HOLD"), ("type", "UNSPECIFIED"), ("time_in_force", "SOON"), ("order_class", "X"), ("side", "")],
)
def test_an_unknown_name_is_refused_with_the_known_ones(field: str, bad: str) -> None:
    """The error lists what would be right."""
    if field == "side" and bad == "":
        assert spec(side="").side == trading_pb2.SIDE_UNSPECIFIED
        return
    with pytest.raises(ValueError, match=f"{field} must be one of [A-Z_]+, "):
        spec(**{field: bad})


@pytest.mark.parametrize("pair", [("quantity", "notional"), ("trail_amount", "trail_percent")])
def test_two_of_a_kind_are_refused(pair: tuple[str, str]) -> None:
    """A oneof would drop the first in silence."""
    with pytest.raises(ValueError, match=f"only one of {pair[0]} and {pair[1]}"):
        spec(**dict.fromkeys(pair, "1"))


def test_a_stop_loss_limit_needs_its_stop() -> None:
    """Half a stop-loss is refused rather than left out."""
    with pytest.raises(ValueError, match="needs stop_loss_stop_price"):
        spec(stop_loss_limit_price="9")


def test_an_unknown_term_is_refused() -> None:
    """A misspelt keyword never vanishes."""
    with pytest.raises(TypeError, match="limt_price"):
        spec(limt_price="10")


def test_every_term_arrives() -> None:
    """Each keyword sets its field of the contract."""
    written = spec(
        type="LIMIT",
        time_in_force="GTD",
        quantity="3",
        limit_price=Decimal("10.5"),
        stop_price="9",
        trail_percent="1.5",
        expire_time=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
        extended_hours=True,
        position_effect="OPEN",
        order_class="BRACKET",
        take_profit_limit_price="12",
        stop_loss_stop_price="8",
        stop_loss_limit_price="7.9",
        legs=[{"symbol": "X", "side": "SELL", "ratio": 2, "position_effect": "CLOSE"}],
    )

    assert (written.limit_price, written.stop_price, written.trail_percent) == ("10.5", "9", "1.5")
    assert written.expire_time.ToJsonString() == "2030-01-02T03:04:05Z"
    assert (written.extended_hours, written.position_effect) == (True, trading_pb2.POSITION_EFFECT_OPEN)
    assert written.order_class == trading_pb2.ORDER_CLASS_BRACKET
    assert (written.take_profit.limit_price, written.stop_loss.stop_price) == ("12", "8")
    assert written.stop_loss.limit_price == "7.9"
    (leg,) = written.legs
    assert (leg.symbol, leg.side, leg.ratio) == ("X", trading_pb2.SIDE_SELL, 2)
    assert leg.position_effect == trading_pb2.POSITION_EFFECT_CLOSE


def test_what_is_not_given_is_not_set() -> None:
    """A market order has no price, trail, expiry or exit."""
    written = spec(quantity="1")

    for name in ("limit_price", "stop_price", "expire_time", "take_profit", "stop_loss"):
        assert not written.HasField(name)
    assert written.WhichOneof("trail") is None


def test_a_time_without_a_zone_is_refused() -> None:
    """A naive datetime would mean another moment on each machine."""
    with pytest.raises(ValueError, match="expire_time has no time zone"):
        spec(expire_time=datetime(2030, 1, 1))  # noqa: DTZ001 - the very thing that is refused


def test_nanoseconds_survive() -> None:
    """A time given as Unix nanoseconds keeps its last digit."""
    written = encode.timestamp("t", 1_700_000_000_123_456_789)

    assert written is not None
    assert written.ToNanoseconds() == 1_700_000_000_123_456_789


def test_half_a_credential_is_refused() -> None:
    """Key and secret come together or not at all."""
    assert encode.api_key_credentials(None, None) is None
    with pytest.raises(ValueError, match="belong together"):
        encode.api_key_credentials("id", None)
