"""The second factor over real processes and real transactions."""

import asyncio

import pytest

from brokergw.desk.live.live import EVERYTHING, Live, LiveParts
from brokergw.desk.live.mfa import Mfa
from brokergw.desk.live.rules import LiveRules
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.mfa import MfaPurpose
from brokergw.model.principal import Caller, Principal
from brokergw.store import Store
from tests.codes.contest import contest, enrolled
from tests.conformance.store.making import START_NS, USER
from tests.fixtures.clock import FakeClock

ROUNDS = 40
CALLER = Caller(Principal(USER, "key_1", frozenset()), "req_1")
ROOT = Caller(Principal("root", "key_2", frozenset()), "req_2")
WRONG = "000000"


async def test_a_code_is_taken_once_over_three_processes(postgresql_url: str) -> None:
    """Three processes on one PostgreSQL with the same code at once: one attempt is taken, all others are misses."""
    result = await contest(postgresql_url, ROUNDS)
    assert result.wrong == []
    assert result.rounds == ROUNDS
    assert result.overlapping > ROUNDS // 2, "the processes did not race"


async def failures(store: Store) -> int:
    """Read the count of wrong codes."""
    known = await store.authenticators.get(USER)
    assert known is not None
    return known.failures


async def test_a_miss_outlives_the_call_that_made_it(store: Store) -> None:
    """A call that fails for the wrong code, and one that is cancelled in the midst of it, leave their miss behind."""
    await enrolled(store)
    clock = FakeClock(START_NS, auto=False)
    parts = LiveParts(
        modes=store.modes,
        authenticators=store.authenticators,
        directory=store.connections,
        record=store.journal.record,
        clock=clock,
    )
    live = Live(parts, LiveRules())
    await live.grant(ROOT, USER)
    await live.acknowledge(CALLER, live.text.version)
    with pytest.raises(GatewayError) as caught:
        await live.escalate(CALLER, EVERYTHING, WRONG)
    assert caught.value.reason is Reason.MFA_CODE_INVALID
    assert await failures(store) == 1

    begun = asyncio.Event()
    take = store.authenticators.take_code

    async def noticed(*given: object) -> object:
        begun.set()
        return await take(*given)  # type: ignore[arg-type]

    live.mfa._authenticators.take_code = noticed  # type: ignore[method-assign, assignment]
    call = asyncio.create_task(live.escalate(CALLER, EVERYTHING, WRONG))
    await begun.wait()
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.sleep(0.2)
    assert await failures(store) == 2


async def test_misses_over_processes_lock_together(store: Store, store_url: str) -> None:
    """Wrong codes that come through several processes are one count: the tenth locks for all of them."""
    from tests.fixtures.stores import open_for_test

    await enrolled(store)
    clock = FakeClock(START_NS, auto=False)
    async with open_for_test(store_url) as second, open_for_test(store_url) as third:
        doors = [Mfa(each.authenticators, each.journal.record, clock) for each in (store, second, third)]
        attempts = (door.require(USER, WRONG, MfaPurpose.CLEAR_KILL_SWITCH) for door in (*doors, *doors) * 2)
        told = await asyncio.gather(*attempts, return_exceptions=True)
    reasons = [each.reason for each in told if isinstance(each, GatewayError)]
    assert reasons.count(Reason.MFA_CODE_INVALID) == 10
    assert reasons.count(Reason.MFA_LOCKED) == 2
