"""What an answer to a command comes to: Accepted, Rejected, NotSent or Unknown."""

from collections.abc import Sequence

from brokergw.adapters.binance.errors import NOTHING_TO_DO
from brokergw.model.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from brokergw.transport.answers import Refusal
from brokergw.transport.http import Reply


def of_refusal(reply: Reply, refusal: Refusal, retry_after_s: float) -> Outcome:
    """Judge an answer that is no success; only what the table names is definitive."""
    if refusal.reason == NOTHING_TO_DO:
        return Accepted()
    return refusal.outcome("Binance", retry_after_s=retry_after_s, unclear=f"HTTP {reply.status} {refusal.code}")


def of_many(outcomes: Sequence[Outcome]) -> Outcome:
    """Put the outcomes of several commands that were asked for as one together.

    Where some were done and some not, only a look tells what is left, so that is unknown.
    """
    left = [each for each in outcomes if not isinstance(each, Accepted)]
    if not left:
        return Accepted()
    if len(left) == len(outcomes) and (len(left) == 1 or not any(isinstance(each, Unknown) for each in left)):
        return left[0]
    return Unknown(f"{len(left)} of {len(outcomes)} were not done: {_words(left[0])}")


def _words(outcome: Outcome) -> str:
    match outcome:
        case Rejected(reason, _, message):
            return f"{reason} {message}".rstrip()
        case NotSent(why) | Unknown(why):
            return why
        case _:
            return ""
