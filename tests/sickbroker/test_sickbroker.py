"""The short form of `python -m tests.sickbroker`: every mood once, and whatever is no matter of time."""

import asyncio
from collections import Counter
from math import inf

import pytest

from tests.fixtures.patience import repeated
from tests.sickbroker.frames import ClientFrames
from tests.sickbroker.load import SickCallers
from tests.sickbroker.measure import percentile, ratio, slow_share
from tests.sickbroker.moods import MOODS, Kind
from tests.sickbroker.rounds import GROWTH_MIB_MAX, Block, Report, afterwards
from tests.sickbroker.verdict import Ending, suspects, verdict
from tests.sickbroker.ward import Ward, open_ward

_CALLS = 5
"""So many at once at the sick broker: one of each kind."""
_MET_S = 60.0


@pytest.mark.parametrize("broker", ["alpaca", "ctrader"])
async def test_a_sick_broker_costs_nobody_else_an_answer(broker: str) -> None:
    """In every mood of one broker the other's orders are taken, memory is bounded, no redirect is followed; and once
    it is well again all is known of its orders, each of which it had at most once, and it is traded at as before.
    """
    endings: Counter[str] = Counter()
    async with open_ward(broker) as ward:
        await warm_up(ward)
        memory_mib = ward.memory_mib()
        for mood in SHORT[broker]:
            met, callers = ward.proxy.met(), SickCallers(ward, rate=1000.0)
            ward.make_sick(mood)
            await asyncio.gather(_meet(ward, callers, met), *(_order(ward) for _ in range(2)))
            assert ward.make_sick("") == 0, f"{mood}: a redirect was followed"
            await callers.pace.ended()
            endings += callers.endings
            assert ward.memory_mib() - memory_mib < GROWTH_MIB_MAX * 2, mood
        assert await afterwards(ward) == []
    assert any(name.startswith("submit: IN_DOUBT") for name in endings), f"no order got as far as that: {endings}"


SHORT = {
    "alpaca": (
        "ws-flood",
        *(mood.name for mood in MOODS.values() if mood.commands_only and mood.kind is Kind.ANSWER),
        *(mood.name for mood in MOODS.values() if mood.kind in {Kind.ANSWER, Kind.CLOSED} and not mood.commands_only),
    ),
    "ctrader": ("endless-continue", "redirect-away", "ws-flood", "ws-orders-silent", "ws-orders-broken"),
}
"""A stream that was cut comes back after a pause, so one of its moods must do at Alpaca, and a few do at cTrader, where
everything goes over one websocket. How a link bears them all is proved in `unit/transport`.
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


def test_nothing_answered_is_nothing_fast() -> None:
    """Where no order went through, the slowest is as slow as can be, and what is compared with it is no better."""
    assert percentile([], 0.99) == inf
    assert ratio([([1.0], [])], 0.99).low == inf
    assert ratio([([], [1.0])], 0.99).low == inf


def test_a_ratio_tells_its_spread() -> None:
    """What is twice as slow is found twice as slow, and what is alike is not."""
    quick = [1.0 + number / 1000 for number in range(100)]
    twice = ratio([([each * 2 for each in quick], quick)] * 5, 0.99)
    assert twice.low > 1.9
    assert twice.high < 2.1
    alike = ratio([(quick, quick)] * 5, 0.99)
    assert alike.low <= 1.0 <= alike.high
    assert alike.within(1.01)


def test_a_stall_of_one_block_is_not_taken_for_many_slow_orders() -> None:
    """Orders of one moment are slow together: by orders the spread would look narrow, by blocks it is wide."""
    quick, stalled = [1.0] * 80, [1.0] * 70 + [9.0] * 10
    found = ratio([(stalled, quick), *[(quick, quick)] * 8], 0.99)
    assert found.value == 9.0
    assert found.low == 1.0


@pytest.mark.parametrize(("limit", "share"), [(0.5, 1.0), (1.0, 0.5), (2.0, 0.0), (3.0, 0.0)])
def test_slow_is_what_takes_longer(limit: float, share: float) -> None:
    """What takes just as long as the limit is not slow."""
    assert slow_share([1.0, 2.0], limit) == share


def _report(mood: str, beside: float, slow: int = 0, without: tuple[float, float] = (1.0, 1.0)) -> Report:
    """Report one block of two hundred orders each; so many beside the sick broker take ten times as long."""
    block = Block()
    for each, took_s in zip(block.without, without, strict=True):
        each.took_s = [took_s] * 100
    block.beside[0].took_s = [beside] * (200 - slow) + [beside * 10] * slow
    return Report(mood, [block])


@pytest.mark.parametrize(
    ("beside", "without", "found", "ending"),
    [
        (1.19, (1.0, 1.0), (), Ending.HELD),
        (1.2, (1.0, 1.0), (), Ending.HELD),
        (1.21, (1.0, 1.0), (), Ending.BROKEN),
        (1.0, (1.0, 1.0), ("memory",), Ending.BROKEN),
        (3.0, (1.0, 2.0), (), Ending.RESTLESS),
        (1.0, (1.0, 2.0), (), Ending.HELD),
    ],
)
def test_the_verdict_holds_just_as_far_as_the_promise(
    beside: float, without: tuple[float, float], found: tuple[str, ...], ending: Ending
) -> None:
    """Up to 1.2 times it holds; a p99 is blamed on the sick broker only where it is the same before and after."""
    reports = [_report(str(number), beside, without=without) for number in range(5)]
    assert verdict(reports, found).ending is ending


def test_chance_is_no_verdict() -> None:
    """Where one block of many tells all, it is not decided."""
    reports = [_report("stalled", 1.0, slow=30), *(_report(str(number), 1.0) for number in range(8))]
    assert verdict(reports, ()).ending is Ending.UNDECIDED


@pytest.mark.parametrize(("slow", "named"), [(1, []), (2, []), (3, ["stalled"])])
def test_moods_with_more_slow_orders_than_promised_are_played_again(slow: int, named: list[str]) -> None:
    """One in a hundred may be slow, and not one more."""
    reports = [_report("well", 1.0), _report("stalled", 1.0, slow=slow)]
    assert suspects(reports, 4) == named


def test_the_worst_moods_are_played_again_first() -> None:
    """There is no time for all."""
    reports = [_report(str(slow), 1.0, slow=slow) for slow in (5, 9, 0, 7)]
    assert suspects(reports, 2) == ["9", "7"]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_clients_frames_are_cut_however_they_come(size: int) -> None:
    """Each is given once it is whole, as it came and as it reads."""
    mask, text = b"\x01\x02\x03\x04", b"x" * size
    long = b"\xff" + size.to_bytes(8, "big") if size > 0xFFFF else b"\xfe" + (size & 0xFFFF).to_bytes(2, "big")
    length = bytes((0x80 | size,)) if size < 126 else long
    raw = b"\x81" + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
    frames = ClientFrames()
    assert list(frames.cut(raw[:1])) == []
    assert list(frames.cut(raw[1:-1])) == []
    assert list(frames.cut(raw[-1:] + raw)) == [(raw, text), (raw, text)]
