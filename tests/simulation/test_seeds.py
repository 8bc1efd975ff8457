"""Small worlds, each from one seed: whatever dies or goes astray in them, the promises hold.

This is the short form of `python -m tests.simulation --count 500`.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import structlog

from brokergw.store.database.engine import parse_url, writer_engine
from brokergw.store.migrations import upgrade
from tests.simulation.brokers import BROKERS
from tests.simulation.world import simulate

_SEEDS: Final = 54
_SEEDS_TOGETHER: Final = 6
_ELSEWHERE: Final = {
    "binance": (2, 3),
    "binance-futures": (2, 3),
    "ibkr": (2, 3),
    "ctrader": (2, 3),
    "schwab": (2, 3, 7, 27),
}


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an empty store's file, to be copied."""
    path = tmp_path_factory.mktemp("simulation") / "empty.db"
    engine = writer_engine(parse_url(f"sqlite:///{path}"))
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Say nothing of the thousands of mishaps that are the point here."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    structlog.configure(**before)


@pytest.mark.parametrize("first", range(0, _SEEDS, _SEEDS_TOGETHER))
def test_every_promise_holds_in_every_world(first: int, empty_database: Path, tmp_path: Path) -> None:
    """No crash, lost reply, outage or stray event makes an order doubled, lost, guessed at or told wrongly."""
    faults = {
        seed: found
        for seed in range(first, first + _SEEDS_TOGETHER)
        if (found := list(simulate(seed, empty_database, tmp_path, BROKERS["alpaca"]).faults()))
    }
    assert not faults, f"replay with `python -m tests.simulation --seed {min(faults)}`: {faults}"


@pytest.mark.parametrize(("broker", "seed"), [(name, seed) for name, seeds in _ELSEWHERE.items() for seed in seeds])
def test_every_promise_holds_before_every_other_broker(
    broker: str, seed: int, empty_database: Path, tmp_path: Path
) -> None:
    """Whatever a broker hears of our ids, its orders are neither doubled nor lost, nor taken for a stranger's."""
    faults = list(simulate(seed, empty_database, tmp_path, BROKERS[broker]).faults())
    assert not faults, f"replay with `python -m tests.simulation --broker {broker} --seed {seed}`: {faults}"


@pytest.mark.parametrize(("broker", "seed"), [("alpaca", 11), ("ibkr", 1)])
def test_a_seed_gives_the_same_world_again(broker: str, seed: int, empty_database: Path, tmp_path: Path) -> None:
    """A failing seed can be replayed: answers, log and wire are the same to the nanosecond."""
    first, second = (simulate(seed, empty_database, tmp_path, BROKERS[broker]) for _ in range(2))
    assert first.answers == second.answers
    assert first.events == second.events
    assert first.wire == second.wire
