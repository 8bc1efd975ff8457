"""What a broker's answer proves about a command: the table of its refusals, and how an answer is judged by it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from brokergw.model.outcome import NotSent, Rejected, Unknown

_MESSAGE_MAX: Final = 300


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

    def outcome(self, *, not_taken: str, retry_after_s: float | None, unclear: str) -> Rejected | NotSent | Unknown:
        """Give what a command comes to by it, with the words for what was not taken, and for what is not listed."""
        match self.verdict:
            case Verdict.REFUSED:
                return Rejected(self.reason, self.code, self.message)
            case Verdict.NOT_TAKEN:
                return NotSent(not_taken, retry_after_s)
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
