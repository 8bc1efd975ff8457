"""What a broker's stream tells, and what becomes of it when something breaks between the broker and the record."""

from collections.abc import AsyncIterator
from itertools import count, pairwise
from typing import Any

import pytest

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.outcome import BrokerEvent, FeedUp
from brokergw.ports.broker import BrokerUnavailable
from tests.fixtures.scripted_broker import Bench, filled, report


async def _away(*_: Any, **__: Any) -> None:
    raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "away")


async def test_a_stream_is_followed_on_while_the_record_is_away(bench: Bench) -> None:
    """K8: what the broker tells meanwhile is held and written when the record is back, without asking for it anew."""
    await bench.tell()
    bench.journal.order_by_broker_id = _away  # type: ignore[method-assign]
    await bench.tell(report(*filled("outside", bench.order().terms)))
    await bench.clock.pass_time(20)
    assert (list(bench.journal.by_id), bench.broker.followed) == ([], 1)
    del bench.journal.order_by_broker_id
    await bench.clock.pass_time(1)
    assert [order.broker_order_ids for order in bench.journal.by_id.values()] == [("b-outside",)]
    assert bench.broker.followed == 1


async def test_a_stream_is_begun_anew_when_anything_else_fails(bench: Bench) -> None:
    """Only the record is waited for: any other refusal ends the stream, which back-fills when it is followed again."""

    async def broken(*_: Any, **__: Any) -> None:
        raise GatewayError(Reason.INTERNAL_ERROR, "broken")

    await bench.tell()
    bench.journal.order_by_broker_id = broken  # type: ignore[method-assign]
    await bench.tell(report(*filled("outside", bench.order().terms)))
    await bench.clock.pass_time(1.5)
    assert bench.broker.followed == 2


@pytest.mark.parametrize(("tells", "longest_s"), [(True, 1.1), (False, 31.0)])
async def test_only_streams_that_tell_nothing_are_left_alone_ever_longer(
    bench: Bench, *, tells: bool, longest_s: float
) -> None:
    """A stream that broke after it had told something is followed again within a second, however often it breaks."""
    begun: list[float] = []
    numbers = count()

    async def subscribe(since_ns: int) -> AsyncIterator[BrokerEvent]:
        begun.append(bench.clock.monotonic())
        if tells:
            yield FeedUp(since_ns)
            await bench.clock.sleep(0.01)
            yield report(*filled(f"outside-{next(numbers)}", bench.order().terms, f"x{len(begun)}"))
            await bench.clock.sleep(0.01)
        raise BrokerUnavailable(Reason.BROKER_UNREACHABLE, "the line broke")

    bench.broker.subscribe = subscribe  # type: ignore[method-assign]
    session = bench.desk._sessions.all()[0]
    session.let_go()
    await bench.clock.pass_time(200)
    assert len(begun) > 6
    assert max(later - earlier for earlier, later in pairwise(begun)) == pytest.approx(longest_s, abs=0.2 * longest_s)
