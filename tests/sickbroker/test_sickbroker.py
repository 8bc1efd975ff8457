"""The short form of `python -m tests.sickbroker`: every mood once, and whatever is no matter of time."""

import asyncio
from collections import Counter

import pytest

from tests.fixtures.patience import repeated
from tests.sickbroker.load import SickCallers
from tests.sickbroker.measure import percentile, ratio
from tests.sickbroker.moods import MOODS, Kind
from tests.sickbroker.rounds import GROWTH_MIB_MAX, afterwards
from tests.sickbroker.ward import Ward, open_ward

_CALLS = 5
"""So many at once at the sick broker: one of each kind."""
_MET_S = 60.0


async def test_a_sick_broker_costs_nobody_else_an_answer() -> None:
    """In every mood of one broker the other's orders are taken, memory is bounded, no redirect is followed; and once
    it is well again all is known of its orders, each of which it had at most once, and it is traded at as before.
    """
    endings: Counter[str] = Counter()
    async with open_ward("alpaca") as ward:
        await warm_up(ward)
        memory_mib = ward.memory_mib()
        for mood in SHORT:
            met, callers = ward.proxy.met(), SickCallers(ward, rate=1000.0)
            ward.proxy.be(mood)
            await asyncio.gather(_meet(ward, callers, met), *(_order(ward) for _ in range(2)))
            assert ward.proxy.be("") == 0, f"{mood}: a redirect was followed"
            await callers.pace.ended()
            endings += callers.endings
            assert ward.memory_mib() - memory_mib < GROWTH_MIB_MAX * 2, mood
        assert await afterwards(ward) == []
    assert any(name.startswith("submit: IN_DOUBT") for name in endings), f"no order got as far as that: {endings}"


SHORT = (
    "ws-flood",
    *(mood.name for mood in MOODS.values() if mood.commands_only),
    *(mood.name for mood in MOODS.values() if mood.kind is not Kind.STREAM and not mood.commands_only),
)
"""A stream that was cut comes back after a pause, so one of its moods must do here. How a link bears them all is proved
in `unit/transport`.
"""


async def warm_up(ward: Ward) -> None:
    """Let the gateway take what memory it takes anyhow."""
    callers = SickCallers(ward, rate=1000.0)
    await asyncio.gather(callers.pace.for_seconds(_CALLS / 1000), _order(ward))
    await callers.pace.ended()


async def _order(ward: Ward) -> None:
    bed = ward.well
    await repeated(lambda: ward.client.submit(bed.account_id, **bed.broker.buy))


async def _meet(ward: Ward, callers: SickCallers, before: int) -> None:
    """Call until the mood is met; an order comes that far only while the gateway believes in the broker."""
    async with asyncio.timeout(_MET_S):
        while True:
            await callers.pace.for_seconds(_CALLS / 1000)
            if ward.proxy.met() > before:
                return
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.98, 98), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_a_measured_value(share: float, expected: int) -> None:
    """The smallest value that such a share does not exceed."""
    assert percentile(range(100, 0, -1), share) == expected


def test_a_ratio_tells_its_spread() -> None:
    """What is twice as slow is found twice as slow, and what is alike is not."""
    quick = [1.0 + number / 1000 for number in range(500)]
    twice = ratio([each * 2 for each in quick], quick, 0.99)
    assert twice.low > 1.9
    assert twice.high < 2.1
    alike = ratio(quick, quick, 0.99)
    assert alike.low < 1.0 < alike.high
