"""What a broker's answer proves about a command: the table of its refusals, and how an answer is judged by it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from brokergw.model.errors import Reason
from brokergw.model.outcome import NotSent, Rejected, Unknown

_MESSAGE_MAX: Final = 300
_SPENT: Final = (Reason.BROKER_RATE_LIMITED, "{} takes no more requests for now")
_REFUSED: Final = (Reason.BROKER_CREDENTIALS_REFUSED, "{} refused the credentials before it looked at the command")
_NO_SESSION: Final = (Reason.BROKER_SESSION_DOWN, "{} threw it away: the session was not signed in")
_NOT_TAKEN: Final = {
    "RATE_LIMITED": _SPENT,
    "ORDER_RATE_LIMITED": _SPENT,
    "CREDENTIALS_REFUSED": _REFUSED,
    "APPLICATION_REFUSED": _REFUSED,
    "NO_LOGIN": _REFUSED,
    "NO_SESSION": _NO_SESSION,
    "SESSION_LOST": _NO_SESSION,
}
"""Why a command was not taken, and in which words, by the canonical reason of the refusal."""

_TOO_SOON: Final = frozenset({Reason.BROKER_RATE_LIMITED, Reason.BROKER_UNREACHABLE})

CREDENTIALS: Final = "CREDENTIALS_REFUSED"
DUPLICATE: Final = "DUPLICATE_CLIENT_ID"
NOT_FOUND: Final = "NOT_FOUND"
NOT_OPEN: Final = "ORDER_NOT_OPEN"
GONE: Final = frozenset({NOT_FOUND, NOT_OPEN})
"""Why a cancel is refused that nothing needs any more."""


class Verdict(Enum):
    """What an answer proves about the command it answers."""

    REFUSED = auto()
    NOT_TAKEN = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error answer, read: the verdict, the canonical reason, and the broker's own code and words.

    `retry_after_s` is what the answer itself says of the next try, if it does.
    """

    verdict: Verdict
    reason: str
    code: str
    message: str
    retry_after_s: float | None = None

    def outcome(self, broker: str, *, retry_after_s: float | None, unclear: str) -> Rejected | NotSent | Unknown:
        """Give what a command comes to by it, in the name of whoever said it, with the words for what is not listed.

        Only what comes too soon is told when to come again.
        """
        match self.verdict:
            case Verdict.REFUSED:
                return Rejected(self.reason, self.code, self.message)
            case Verdict.NOT_TAKEN:
                other = (Reason.BROKER_UNREACHABLE, f"{{}} threw it away: {self.reason}")
                reason, words = _NOT_TAKEN.get(self.reason, other)
                waits = reason in _TOO_SOON
                said = f": {self.message}" if self.message and not waits else ""
                return NotSent(words.format(broker) + said, retry_after_s if waits else None, reason)
            case _:
                return Unknown(unclear.rstrip())


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: an answer of one of these statuses, with this code, to one of these requests, whose words these are.

    What is empty fits anything. What a request is named by (a method, a product) is the adapter's to choose.
    """

    reason: str
    verdict: Verdict
    words: re.Pattern[str]
    statuses: tuple[int, ...] = ()
    code: str = ""
    requests: tuple[str, ...] = ()

    def fits(self, message: str, status: int, code: str, request: str) -> bool:
        """Tell whether the row is about an answer."""
        return (
            (not self.statuses or status in self.statuses)
            and self.code in {"", code}
            and (not self.requests or request in self.requests)
            and self.words.search(message) is not None
        )


def rule(
    reason: str,
    *statuses: int,
    verdict: Verdict = Verdict.REFUSED,
    words: str = "",
    code: str = "",
    requests: tuple[str, ...] = (),
) -> Rule:
    """Write a row; `words` is a pattern that is looked for in the answer's words, whatever their case."""
    return Rule(reason, verdict, re.compile(words, re.IGNORECASE), statuses, code, requests)


def judge(rules: Iterable[Rule], message: str, *, status: int = 0, code: str = "", request: str = "") -> Refusal:
    """Judge an answer by the first row that fits; what no row names is unknown, and never taken for a refusal."""
    said = message.strip()[:_MESSAGE_MAX]
    for each in rules:
        if each.fits(said, status, code, request):
            return Refusal(each.verdict, each.reason, code, said)
    return Refusal(Verdict.UNKNOWN, "", code, said)
