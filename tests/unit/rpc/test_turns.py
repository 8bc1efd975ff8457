"""Many ready messages share the event loop with everything else."""

import asyncio
from itertools import pairwise

from brokergw.rpc.services.turns import Turns


async def _message(turns: Turns, written: list[int], number: int) -> None:
    if not turns.take():
        await turns.wait()
    written.append(number)


async def test_only_so_many_messages_start_in_one_turn() -> None:
    """Between two turns of the loop no more messages are written than a turn has places, and none is left out."""
    turns, written = Turns(each=3), list[int]()
    messages = [asyncio.create_task(_message(turns, written, number)) for number in range(10)]
    sizes = [0]
    while len(written) < len(messages):
        await asyncio.sleep(0)
        sizes.append(len(written))
    steps = [after - before for before, after in pairwise(sizes)]
    assert max(steps) == 3
    assert written == list(range(10))


async def test_a_stream_that_ends_while_it_waits_gives_its_place_up() -> None:
    """A cancelled wait takes nobody's place."""
    turns, written = Turns(each=1), list[int]()
    messages = [asyncio.create_task(_message(turns, written, number)) for number in range(3)]
    await asyncio.sleep(0)
    messages[1].cancel()
    await asyncio.wait(messages, timeout=1)
    assert written == [0, 2]


async def test_a_quiet_server_turns_for_nothing() -> None:
    """Once everything is written the loop has nothing more to do for streams."""
    turns = Turns(each=2)
    assert turns.take()
    loop = asyncio.get_running_loop()
    for _ in range(3):
        await asyncio.sleep(0)
    assert not [handle for handle in loop._ready if "_next_turn" in repr(handle)]  # type: ignore[attr-defined]
