"""What an answer to a command comes to: Accepted, Rejected, NotSent or Unknown."""

from brokergw.adapters.binance.errors import NOTHING_TO_DO
from brokergw.model.outcome import Accepted, Outcome
from brokergw.transport.answers import Refusal
from brokergw.transport.http import Reply


def of_refusal(reply: Reply, refusal: Refusal, retry_after_s: float) -> Outcome:
    """Judge an answer that is no success; only what the table names is definitive."""
    if refusal.reason == NOTHING_TO_DO:
        return Accepted()
    return refusal.outcome("Binance", retry_after_s=retry_after_s, unclear=f"HTTP {reply.status} {refusal.code}")
