"""A gateway that notes when it lets an order out, and that can be told to acknowledge a halt too early.

`python -m tests.killing.gateway NOTES [hasty]` is `brokergw serve`. The file NOTES holds lines of one length: the Unix
nanoseconds at which a permit was spent, and its order's id at the broker. They are written by memory alone: a system
call there would let other threads in between the permit and the first byte, and whatever takes time there makes it
likelier that the process is frozen in between. The judge must object to a gateway without a guard.
"""

import asyncio
import mmap
import sys
import time
from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from typing import Any, Final

from brokergw.cli.main import main as command_line
from brokergw.desk.halts.switch import Halted, Reach, Switch
from brokergw.model.trading import Halt
from brokergw.ports.halts import HaltWish
from brokergw.ports.permit import Permit

_LINE: Final = 64
_LINES_MAX: Final = 200_000
_HASTE_S: Final = 0.5


def note_spending(path: Path) -> None:
    """Note each permit that is spent."""
    with path.open("wb") as file:
        file.truncate(_LINE * _LINES_MAX)
    with path.open("r+b") as whole:
        notes = mmap.mmap(whole.fileno(), 0)
    spend, numbers = Permit.spend, count()

    def noting(self: Permit) -> None:
        spend(self)
        start = next(numbers) * _LINE
        notes[start : start + _LINE] = f"{time.time_ns()} {self.client_order_id}".encode().ljust(_LINE)

    Permit.spend = noting  # type: ignore[method-assign] # this process is there to be watched


def read_notes(path: Path, first: int) -> list[tuple[str, int]]:
    """Give the orders noted from a line on, each with its moment."""
    with path.open("rb") as file:
        file.seek(first * _LINE)
        found = []
        while (line := file.read(_LINE)).strip(b"\0"):
            at_ns, client_order_id = line.decode().split()
            found.append((client_order_id, int(at_ns)))
    return found


def wait_for_nobody() -> None:
    """Acknowledge every halt before anybody else has heard of it."""
    whole = Switch._halt

    async def hasty(self: Switch, wish: HaltWish) -> Halted:
        began = asyncio.create_task(_later(whole(self, wish)))
        self._tasks.add(began)
        halt = Halt(
            scope=wish.scope,
            cause=wish.cause,
            state=wish.state,
            reason=wish.reason,
            set_by=wish.set_by,
            set_time_ns=wish.set_time_ns,
            epoch=0,
        )
        return Halted(halt=halt, reach=Reach.CONFIRMED, took_s=0.0)

    Switch._halt = hasty  # type: ignore[method-assign] # that is the point


async def _later(halting: Coroutine[Any, Any, Halted]) -> None:
    await asyncio.sleep(_HASTE_S)
    await halting


def main() -> None:
    """Serve."""
    notes, *haste = sys.argv[1:]
    note_spending(Path(notes))
    if haste:
        wait_for_nobody()
    sys.argv = ["brokergw", "serve"]
    command_line()


if __name__ == "__main__":
    main()
