"""Price paths."""

from decimal import Decimal

import pytest

from brokergw.exchange import LISTINGS, Exchange, Listing, RefusalCode, Refused
from tests.fixtures.clock import START_NS, FakeClock

HOUR_NS = 3_600_000_000_000


def exchange_at(time_ns: int, seed: int = 1) -> Exchange:
    """Make an exchange at a fixed moment."""
    return Exchange(seed=seed, now_ns=lambda: time_ns)


def test_a_price_depends_on_seed_symbol_and_time_alone() -> None:
    """Asked in another order and by another exchange, each moment has the same quote."""
    moments = [START_NS + hour * HOUR_NS for hour in range(50)]
    forward = {moment: exchange_at(moment).quote("AAPL") for moment in moments}
    clock = FakeClock(auto=False)
    one = Exchange(seed=1, now_ns=clock.now_ns)
    for moment in reversed(moments):
        clock._now_ns = moment
        assert one.quote("AAPL") == forward[moment]


def test_seeds_give_different_markets() -> None:
    """Another seed gives other prices."""
    assert exchange_at(START_NS, 1).quote("AAPL").last != exchange_at(START_NS, 2).quote("AAPL").last


def test_prices_move() -> None:
    """Over a day a price takes many values."""
    assert len({exchange_at(START_NS + i * HOUR_NS // 4).quote("AAPL").last for i in range(96)}) > 30


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda listing: listing.symbol)
def test_quotes_lie_on_the_tick_within_the_band(listing: Listing) -> None:
    """Bid, last and ask are on the tick, in order, above zero, and near the reference price."""
    symbol = listing.symbol
    for step in range(200):
        exchange = exchange_at(START_NS + step * HOUR_NS)
        known = exchange.listing(symbol)
        assert known is not None
        depth = exchange.quote(symbol)
        assert 0 < depth.bid < depth.last < depth.ask
        for price in (depth.bid, depth.last, depth.ask):
            assert price % known.tick_at(price) == 0
        band = known.reference_price * (known.volatility_basis_points + 100) / 10_000 + known.tick_bands[-1].tick
        assert abs(depth.last - known.reference_price) <= band


def test_a_pinned_price_holds_until_it_is_freed() -> None:
    """A pin overrides the path; freeing it brings the path back."""
    exchange = exchange_at(START_NS)
    before = exchange.quote("AAPL")
    exchange.set_price("AAPL", Decimal(100))
    assert exchange.quote("AAPL").last == 100
    exchange.clear_price("AAPL")
    assert exchange.quote("AAPL") == before


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity"])
def test_a_price_must_be_above_zero(price: str) -> None:
    """A pin that is no price is refused."""
    with pytest.raises(Refused) as caught:
        exchange_at(START_NS).set_price("AAPL", Decimal(price))
    assert caught.value.code is RefusalCode.INVALID_TERMS


def test_an_unlisted_symbol_has_no_quote() -> None:
    """A quote of an unknown symbol is refused with its name."""
    with pytest.raises(Refused) as caught:
        exchange_at(START_NS).quote("NOPE")
    assert caught.value.code is RefusalCode.UNKNOWN_SYMBOL
    assert caught.value.facts == {"symbol": "NOPE"}
