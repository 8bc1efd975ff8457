"""Round after round, each judged by what the log and the ledger say at its end."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, Final

import psycopg

from tests.caps.arena import Arena, User, open_arena
from tests.caps.checker import DOUBTFUL, Account
from tests.caps.storm import Storm

CAP: Final = Decimal(100_000)
_USERS_MAX: Final = 24
_SETTLED_S: Final = 20.0
_AT_LAST_S: Final = 120.0
_POLL_S: Final = 0.05
_EQUAL: Final = Fraction(1, 1_000_000)
"""Average prices are rounded to a billionth, so two ways of adding them up may differ by so little."""
_USED: Final = "SELECT exposure FROM risk_usage WHERE user_id = %s AND subject = 'USER'"


@dataclass
class Report:
    """What the rounds came to."""

    rounds: int = 0
    faults: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    admitted: int = 0
    doubtful: int = 0
    highest: float = 0.0


@dataclass
class Judge:
    """Reads logs and ledger from outside, at one and the same moment."""

    arena: Arena
    cap: Fraction
    accounts: dict[str, Account]

    def look(self, user: User) -> Iterator[str]:
        """Read what is new of a user, and tell what must not be."""
        account = self.accounts[user.account_id]
        with psycopg.connect(self.arena.database_url) as database:
            database.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            yield from account.read(database, self.cap)
            row = database.execute(_USED, (user.user_id,)).fetchone()
        own, recorded = account.exposure(), Fraction(row[0] if row is not None else 0)
        if own > recorded + _EQUAL or (account.one_sided() and abs(own - recorded) > _EQUAL):
            yield f"{user.user_id}: the ledger says {float(recorded)}, its log comes to {float(own)}"

    async def recount(self) -> Iterator[str]:
        """Tell where reservations are not what the open orders hold."""
        differences = await self.arena.store.journal.recount()
        return (f"{d.subject} {d.measure}: recorded {d.recorded}, counted {d.counted}" for d in differences)


async def run(rounds: int, seed: int, tell: Callable[[str], None], *, limited: bool = True) -> Report:
    """Run rounds; with `limited` false the gateways have no cap, so that the judge has something to find."""
    random, report = Random(seed), Report()
    users = min(rounds, _USERS_MAX)
    async with open_arena(users, CAP if limited else CAP * 1_000, seed) as arena:
        judge = Judge(arena, Fraction(CAP), {user.account_id: Account(user.account_id) for user in arena.users})
        for number in range(rounds):
            user = arena.users[number % users]
            began = time.monotonic()
            storm = Storm(arena, user, CAP, random)
            await storm.run(kill=True)
            faults = [*judge.look(user), *await judge.recount()]
            await _cleared(storm, judge.accounts[user.account_id], arena, user)
            faults += judge.look(user)
            report.rounds += 1
            report.outcomes += storm.outcomes
            report.faults += (f"round {number}: {fault}" for fault in faults)
            tell(_told(number, judge.accounts[user.account_id], faults, time.monotonic() - began))
        report.faults += await _at_last(arena, judge)
        for account in judge.accounts.values():
            report.admitted += account.admitted
            report.doubtful += sum(state in DOUBTFUL for state in account.states.values())
            report.highest = max(report.highest, float(account.highest))
    return report


async def _cleared(storm: Storm, account: Account, arena: Arena, user: User) -> None:
    """Make room for the user's next round: what stays is in doubt, and holds."""
    give_up = time.monotonic() + _SETTLED_S
    while time.monotonic() < give_up:
        await storm.clear()
        await asyncio.sleep(_POLL_S)
        if not _resting(arena, user):
            return


def _resting(arena: Arena, user: User) -> list[Any]:
    sql = (
        "SELECT order_id FROM broker_orders WHERE account_id = %(account)s AND is_open AND NOT state = ANY(%(doubt)s)"
        " UNION ALL SELECT symbol FROM risk_positions WHERE account_id = %(account)s AND strategy_id = ''"
        " AND quantity::numeric <> 0"
    )
    with psycopg.connect(arena.database_url) as database:
        return database.execute(sql, {"account": user.account_id, "doubt": [*DOUBTFUL, "SENDING"]}).fetchall()


async def _at_last(arena: Arena, judge: Judge) -> list[str]:
    """Wait until no order is in doubt any more; then nothing may be held that is not open."""
    give_up = time.monotonic() + _AT_LAST_S
    with psycopg.connect(arena.database_url, autocommit=True) as database:
        while time.monotonic() < give_up:
            row = database.execute("SELECT count(*) FROM broker_orders WHERE is_open").fetchone()
            assert row is not None
            if not row[0]:
                break
            await asyncio.sleep(_POLL_S * 10)
    faults = [fault for user in arena.users for fault in judge.look(user)]
    return [*faults, *await judge.recount()]


def _told(number: int, account: Account, faults: list[str], seconds: float) -> str:
    ending = f"{len(faults)} FOUND: {faults[:3]}" if faults else "well"
    return (
        f"round {number}: {account.admitted} admitted, highest {float(account.highest):.2f}, {seconds:.1f} s, {ending}"
    )
