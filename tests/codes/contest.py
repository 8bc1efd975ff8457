"""The same code on several processes at once, round after round: exactly one of all attempts is taken."""

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyotp

from brokergw.desk.live import totp
from brokergw.desk.live.mfa import Mfa
from brokergw.store import Store
from tests.conformance.store.making import START_NS, USER, add_accounts
from tests.fixtures.clock import FakeClock
from tests.fixtures.stores import open_for_test

PROCESSES: Final = 3
TRIES: Final = 2
"""Attempts in each process and round, at once."""

_ROOT: Final = Path(__file__).parents[2]


@dataclass(slots=True)
class Contest:
    """What the rounds came to: how many, which were wrong, and in how many all processes were at it at once."""

    rounds: int = 0
    overlapping: int = 0
    wins: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def judge(self, told: list[dict[str, Any]]) -> None:
        """Take one round in."""
        self.rounds += 1
        verdicts = [verdict for each in told for verdict in each["verdicts"]]
        counted = Counter(verdicts)
        if counted != {"ACCEPTED": 1, "MFA_CODE_INVALID": PROCESSES * TRIES - 1}:
            self.wrong.append(f"round {self.rounds}: {dict(counted)}")
        self.wins.update(number for number, each in enumerate(told) if "ACCEPTED" in each["verdicts"])
        self.overlapping += max(each["began"] for each in told) < min(each["ended"] for each in told)


class Rivals:
    """The processes."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "tests.codes.rival", url, USER]
        self._started = [
            subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        assert all(each["ready"] for each in self._read())

    def round(self, now_ns: int, code: str) -> list[dict[str, Any]]:
        """Let all of them try a code, in an order that changes; gives what each told."""
        for each in random.sample(self._started, PROCESSES):
            assert each.stdin is not None
            each.stdin.write(f"{now_ns} {code} {TRIES}\n")
            each.stdin.flush()
        return self._read()

    def end(self) -> None:
        """Let them end."""
        for each in self._started:
            each.communicate(timeout=30)

    def _read(self) -> list[dict[str, Any]]:
        told = []
        for each in self._started:
            assert each.stdout is not None
            line = each.stdout.readline()
            assert line, f"a process ended with {each.wait(5)}"
            told.append(json.loads(line))
        return told


async def enrolled(store: Store) -> str:
    """Enroll a user's authenticator, and confirm it; gives the secret."""
    await add_accounts(store)
    clock = FakeClock(START_NS, auto=False)
    mfa = Mfa(store.authenticators, store.journal.record, clock)
    made = await mfa.enroll(USER)
    await mfa.confirm(USER, _code(made.secret, START_NS))
    return made.secret


async def contest(url: str, rounds: int) -> Contest:
    """Run so many rounds on an empty store, each with the code of the next step; gives what they came to."""
    async with open_for_test(url) as store:
        secret = await enrolled(store)
        rivals = await asyncio.to_thread(Rivals, url)
        result = Contest()
        for number in range(1, rounds + 1):
            now_ns = START_NS + number * totp.STEP_NS
            result.judge(await asyncio.to_thread(rivals.round, now_ns, _code(secret, now_ns)))
            known = await store.authenticators.get(USER)
            assert known is not None
            if known.failures != PROCESSES * TRIES - 1 or known.locked:
                result.wrong.append(f"round {number}: {known.failures} misses counted")
        await asyncio.to_thread(rivals.end)
    return result


def _code(secret: str, now_ns: int) -> str:
    return pyotp.TOTP(secret).generate_otp(now_ns // totp.STEP_NS)
