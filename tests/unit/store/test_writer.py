"""The writer's answer in time, with a committer that takes as long as the test wants."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
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
    """The moment for which the writer waits for more: each brings as many as the test says, and then nobody."""

    def __init__(self, brings: Sequence[int], bring: Callable[[], None]) -> None:
        super().__init__()
        self.waits = 0
        self.brings = brings
        self._bring = bring

    def wait(self, timeout: float | None = None) -> bool:
        """Let them come, and tell whether the writer is to end."""
        if self.waits < len(self.brings):
            for _ in range(self.brings[self.waits]):
                self._bring()
        self.waits += 1
        return self.is_set()


async def waits_after_a_group_of(last: int, held: HeldCommitter, *brings: int, ending: bool = False) -> int:
    """Have a writer take one unit, a group of so many, and then one for which company comes; gives how often it waited.

    With `ending` the writer is told in that moment that it is to end.
    """
    writer = await a_writer(held)
    loop = asyncio.get_running_loop()
    company = []

    def bring() -> None:
        before = writer._queue.qsize()
        company.append(asyncio.run_coroutine_threadsafe(_commit(writer), loop))
        while writer._queue.qsize() == before:
            time.sleep(0.001)
        if ending:
            pause.set()

    pause = writer._hurry = Pause(brings, bring)
    hanging = asyncio.create_task(_commit(writer))
    while not held.groups:
        await asyncio.sleep(0.001)
    group = [asyncio.create_task(_commit(writer)) for _ in range(last)]
    await asyncio.sleep(0)
    held.go.set()
    await asyncio.gather(hanging, *group)
    await _commit(writer)
    waits, pause.brings = pause.waits, ()
    await asyncio.gather(*map(asyncio.wrap_future, company))
    await writer.close()
    return waits


async def _commit(writer: Writer) -> None:
    await writer.commit(a_unit([]))


@pytest.mark.parametrize(("last", "waits"), [(1, 0), (3, 0), (4, 1), (5, 1)])
async def test_company_is_waited_for_where_there_was_some(held: HeldCommitter, last: int, waits: int) -> None:
    """After a group of four or more the next one gathers for a moment; what comes alone is never kept waiting."""
    assert await waits_after_a_group_of(last, held) == waits
    assert [len(each) for each in held.groups] == [1, last, 1]


@pytest.mark.parametrize(
    ("brings", "waits", "together"),
    [((0, 9), 1, 1), ((1,), 2, 2), ((1, 2), 3, 4), ((1, 1, 1, 1), 5, 5), ((1,) * 5, 5, 6), ((1,) * 6, 5, 6)],
)
async def test_company_is_waited_for_while_it_comes(
    held: HeldCommitter, brings: tuple[int, ...], waits: int, together: int
) -> None:
    """After a group of nine the next one gathers until a moment brings nobody, for five moments at most."""
    assert await waits_after_a_group_of(9, held, *brings) == waits
    assert [len(each) for each in held.groups] == [1, 9, together]


@pytest.mark.parametrize(("last", "waits"), [(7, 1), (8, 1), (9, 2), (10, 2)])
async def test_company_is_waited_for_on_where_there_was_much(held: HeldCommitter, last: int, waits: int) -> None:
    """After fewer than nine one moment is all, although somebody came in it."""
    assert await waits_after_a_group_of(last, held, 1) == waits
    assert [len(each) for each in held.groups] == [1, last, 2]


async def test_writer_that_is_to_end_waits_for_nobody(held: HeldCommitter) -> None:
    """A writer that is to end writes its group as it is, although somebody came in the last moment."""
    assert await waits_after_a_group_of(9, held, 1, 1, ending=True) == 1
    assert [len(each) for each in held.groups] == [1, 9, 2]
