"""The writer's answer in time, with a committer that takes as long as the test wants."""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

import pytest

from brokergw.model.errors import GatewayError, Reason
from brokergw.ports.journal import Commit, Committed
from brokergw.store.database.patience import ANSWERED_WITHIN_LOOKS, LOOK_EVERY_S
from brokergw.store.database.transaction import CommitOutcomeUnknown
from brokergw.store.writing.group import Done, Group
from brokergw.store.writing.units import prepare
from brokergw.store.writing.writer import Writer

_SLACK_LOOKS: Final = 3


class HeldCommitter:
    """Commits a group once it is let to, and as it is told."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.fails: Exception | None = None
        self.groups: list[Sequence[Commit]] = []

    def commit(self, group: Group, *, patient: bool = False) -> Done:
        """Take a group, and wait."""
        self.groups.append([unit.unit for unit in group.units])
        assert self.go.wait(10)
        if self.fails is not None:
            raise self.fails
        return Done([Committed(()) for _ in group.units], [work(None) for work in group.works], [])  # type: ignore[arg-type]


@pytest.fixture
def held() -> HeldCommitter:
    """A committer that holds everything up."""
    return HeldCommitter()


async def a_writer(held: HeldCommitter) -> Writer:
    """Start a writer."""
    return Writer(held, capacity=100)  # type: ignore[arg-type]


def a_unit(lates: list[int], number: int = 1) -> Any:
    """Make a unit that somebody waits for."""
    return prepare(Commit(late=lambda: lates.append(number)))


async def test_answer_within_its_time_is_no_refusal(held: HeldCommitter) -> None:
    """A commit just short of its time is told as it ended; nothing was late."""
    lates: list[int] = []
    writer = await a_writer(held)
    waiting = asyncio.create_task(writer.commit(a_unit(lates)))
    await asyncio.sleep((ANSWERED_WITHIN_LOOKS - _SLACK_LOOKS) * LOOK_EVERY_S)
    assert not waiting.done()
    held.go.set()
    assert isinstance(await waiting, Committed)
    assert lates == []
    await writer.close()


@pytest.mark.parametrize("fails", [None, CommitOutcomeUnknown()])
async def test_commit_beyond_its_time_is_refused_and_told_late(held: HeldCommitter, fails: Exception | None) -> None:
    """At its time a commit is refused as JOURNAL_UNAVAILABLE; that it is durable after all, or may be, is told once."""
    lates: list[int] = []
    held.fails = fails
    writer = await a_writer(held)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(GatewayError) as refused:
        await writer.commit(a_unit(lates))
    assert loop.time() - began >= (ANSWERED_WITHIN_LOOKS - 1) * LOOK_EVERY_S
    assert refused.value.reason is Reason.JOURNAL_UNAVAILABLE
    assert lates == []
    held.go.set()
    await writer.close()
    await asyncio.sleep(0)
    assert lates == [1]


async def test_time_in_which_the_process_did_not_run_is_not_the_records(held: HeldCommitter) -> None:
    """Whoever waits while the machine lets nothing of this process run is given what is on the record by then."""
    writer = await a_writer(held)
    waiting = asyncio.create_task(writer.commit(a_unit([])))
    await asyncio.sleep(2 * LOOK_EVERY_S)
    assert held.groups
    held.go.set()
    time.sleep(2 * ANSWERED_WITHIN_LOOKS * LOOK_EVERY_S)  # noqa: ASYNC251 - the event loop stands still on purpose
    assert isinstance(await waiting, Committed)
    await writer.close()


async def test_failure_after_the_refusal_is_told_to_nobody(held: HeldCommitter) -> None:
    """A commit that was refused for its time and then failed has left nothing to take back."""
    lates: list[int] = []
    held.fails = ValueError("no")
    writer = await a_writer(held)
    with pytest.raises(GatewayError):
        await writer.commit(a_unit(lates))
    held.go.set()
    await writer.close()
    await asyncio.sleep(0)
    assert lates == []


async def test_what_was_refused_before_it_was_taken_is_never_written(held: HeldCommitter) -> None:
    """A unit that waits behind a group that hangs is refused in time, and is in no later group."""
    lates: list[int] = []
    writer = await a_writer(held)
    hanging = asyncio.create_task(writer.commit(prepare(Commit(user_id="usr_hanging"))))
    await asyncio.sleep(0.05)
    with pytest.raises(GatewayError):
        await writer.commit(a_unit(lates))
    held.go.set()
    assert isinstance(await hanging, Committed)
    await writer.close()
    assert [[unit.user_id for unit in group] for group in held.groups] == [["usr_hanging"]]
    assert lates == []


async def test_known_absence_refuses_at_once(held: HeldCommitter) -> None:
    """Once somebody was refused and the same group still hangs, the next is refused without waiting; what must get
    onto the record still waits, and the first commit that is durable ends it.
    """
    lates: list[int] = []
    writer = await a_writer(held)
    loop = asyncio.get_running_loop()
    with pytest.raises(GatewayError):
        await writer.commit(a_unit(lates))
    began = loop.time()
    with pytest.raises(GatewayError):
        await writer.commit(a_unit(lates, 2))
    with pytest.raises(GatewayError):
        await writer.prove()
    assert loop.time() - began < ANSWERED_WITHIN_LOOKS * LOOK_EVERY_S
    answer = asyncio.create_task(writer.commit(prepare(Commit())))
    await asyncio.sleep(0.05)
    assert not answer.done()
    held.go.set()
    assert isinstance(await answer, Committed)
    assert isinstance(await writer.commit(a_unit(lates, 3)), Committed)
    await writer.prove()
    await writer.close()
    assert lates == [1]


class Pause(threading.Event):
    """The moment for which the writer waits for more; whoever looks tells how often it came."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Note it, and wait until all that is to come has come."""
        self.waits.append(timeout)
        return super().wait(0.2)


@pytest.mark.parametrize(("last", "waits"), [(1, 0), (3, 0), (4, 1), (5, 1)])
async def test_company_is_waited_for_where_there_was_some(held: HeldCommitter, last: int, waits: int) -> None:
    """After a group of four or more the next one gathers for a moment; what comes alone is never kept waiting."""
    writer = await a_writer(held)
    pause = writer._hurry = Pause()
    hanging = asyncio.create_task(writer.commit(a_unit([])))
    await asyncio.sleep(0.05)
    group = [asyncio.create_task(writer.commit(a_unit([]))) for _ in range(last)]
    await asyncio.sleep(0)
    held.go.set()
    await asyncio.gather(hanging, *group)
    first = asyncio.create_task(writer.commit(a_unit([])))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(writer.commit(a_unit([])))
    await asyncio.gather(first, second)
    await writer.close()
    assert len(pause.waits) == waits
    assert [len(each) for each in held.groups][:3] == [1, last, 2 if waits else 1]
