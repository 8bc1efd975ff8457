"""The exam that every adapter sits: each card, at each bench, by what the broker claims."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tests.conformance.adapter import (  # noqa: F401 - importing them deals the cards
    cards_account,
    cards_changes,
    cards_clock,
    cards_faults,
    cards_groups,
    cards_health,
    cards_identity,
    cards_orders,
    cards_permits,
    cards_records,
    cards_refusals,
    cards_settings,
    cards_stream,
)
from tests.conformance.adapter.bench import Bench
from tests.conformance.adapter.bench_alpaca import alpaca_bench
from tests.conformance.adapter.bench_binance import futures_bench, spot_bench
from tests.conformance.adapter.bench_ctrader import ctrader_bench
from tests.conformance.adapter.bench_ibkr import ibkr_bench
from tests.conformance.adapter.bench_mock import mock_bench
from tests.conformance.adapter.bench_schwab import schwab_bench
from tests.conformance.adapter.card import CARDS
from tests.conformance.adapter.steps import PRICE, market_time
from tests.reasons import SkipReason, skip

BENCHES: dict[str, Callable[[], AbstractAsyncContextManager[Bench]]] = {
    "mock": mock_bench,
    "alpaca": alpaca_bench,
    "binance": spot_bench,
    "binance-futures": futures_bench,
    "ctrader": ctrader_bench,
    "ibkr": ibkr_bench,
    "schwab": schwab_bench,
}


@pytest.mark.parametrize("bench_name", BENCHES)
@pytest.mark.parametrize("card_id", sorted(CARDS))
async def test_exam(bench_name: str, card_id: str) -> None:
    """An adapter satisfies every card whose needs its broker claims."""
    card = CARDS[card_id]
    async with BENCHES[bench_name]() as bench:
        if missing := card.missing(bench):
            skip(SkipReason.CAPABILITY_NOT_CLAIMED, f"{bench_name} lacks {', '.join(missing)}")
        if spared := card.spared(bench):
            skip(SkipReason.TROUBLE_UNKNOWN_THERE, f"{bench_name}: {', '.join(spared)}")
        market_time.set(bench.market_time)
        bench.pin(bench.stock, PRICE)
        broker = bench.open()
        try:
            await card.claim(bench, broker)
        finally:
            await broker.disconnect()


def test_every_card_makes_a_claim() -> None:
    """A card's docstring says in a sentence what it asks, and the exam is not a short one."""
    assert all((card.claim.__doc__ or "").strip().endswith(".") for card in CARDS.values())
    assert len(CARDS) >= 40
