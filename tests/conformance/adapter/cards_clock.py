"""Cards about the broker's clock: what it says beside its answers is compared with ours."""

from brokergw.ports.broker import BrokerAdapter
from tests.conformance.adapter.bench import Ability, Bench
from tests.conformance.adapter.card import card


@card("C130", Ability.TIME)
async def clocks_that_differ(bench: Bench, broker: BrokerAdapter) -> None:
    """Set twenty seconds wrong, either way, our clock is known to be; set right, it is near enough to the broker's."""
    for second in range(3):
        bench.tell_time_ahead(second * 0.5)
        await broker.ping()
    apart_s = broker.clock_apart_s()
    assert apart_s is not None
    assert apart_s <= 2
    for wrong_s in (20.0, -20.0):
        bench.clock.set_by(wrong_s)
        apart_s = broker.clock_apart_s()
        assert apart_s is not None
        assert 2 < apart_s <= 22
        bench.clock.set_by(-wrong_s)
    assert (broker.clock_apart_s() or 0) <= 2
