"""One process that tries codes: it opens the store, then answers each line `now_ns code tries` with what became of it.

The clock is the parent's, so that a thousand steps of thirty seconds take no longer than their transactions.
"""

import asyncio
import json
import sys
import time
from typing import Any

from brokergw.desk.live.mfa import Mfa
from brokergw.model.errors import GatewayError
from brokergw.model.mfa import MfaPurpose
from brokergw.store import Store
from tests.fixtures.clock import FakeClock
from tests.fixtures.stores import open_for_test


async def attempt(mfa: Mfa, user_id: str, code: str) -> str:
    """Try a code once; gives the reason it was refused with."""
    try:
        await mfa.require(user_id, code, MfaPurpose.CLEAR_KILL_SWITCH)
    except GatewayError as error:
        return error.reason.value
    return "ACCEPTED"


async def round_of(store: Store, line: str, user_id: str) -> dict[str, Any]:
    """Try one round's code as often as asked, all at once; gives what became of each, and when it began and ended."""
    now_ns, code, tries = line.split()
    mfa = Mfa(store.authenticators, store.journal.record, FakeClock(int(now_ns), auto=False))
    began = time.monotonic_ns()
    verdicts = await asyncio.gather(*(attempt(mfa, user_id, code) for _ in range(int(tries))))
    return {"verdicts": verdicts, "began": began, "ended": time.monotonic_ns()}


async def main(url: str, user_id: str) -> None:
    """Answer until the input ends."""
    async with open_for_test(url) as store:
        # The first question opens connections, and would come last in its round.
        await store.authenticators.get(user_id)
        _say({"ready": True})
        while line := await asyncio.to_thread(sys.stdin.readline):
            _say(await round_of(store, line, user_id))


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
