"""The dialogue about one order: sent once, its questions answered as the allow-list says, everything else declined.

An order with an open question is not live, so it is confirmed or declined right here, by the call that sent it, under
the lock of its account: another order would make the question stale, and stale questions were seen to go live. A
process that ends in between leaves the question to lapse; no other one answers it. A yes is a further step of the same
attempt, so it only leaves while the attempt's permit still holds, which is asked again at its first byte.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from brokergw.adapters.ibkr import outcomes
from brokergw.adapters.ibkr.api import Api
from brokergw.adapters.ibkr.errors import NOT_CONFIRMED
from brokergw.adapters.ibkr.outcomes import Question, Taken
from brokergw.model.outcome import NotSent, Rejected, Unknown
from brokergw.ports.permit import Permit
from brokergw.transport.http import Reply

_QUESTIONS_MAX: Final = 10

Ending: TypeAlias = Taken | Rejected | NotSent | Unknown


class Dialogue:
    """Speaks about the orders of one account, one at a time."""

    def __init__(self, api: Api, confirmed: frozenset[str]) -> None:
        self._api = api
        self._confirmed = confirmed

    async def about(
        self,
        send: Callable[[], Awaitable[Reply | NotSent | Unknown]],
        permit: Permit | None,
        *,
        reference: str = "",
        order_id: str = "",
    ) -> Ending:
        """Send, and answer what is asked back."""
        answer = self._read(await send(), reference, order_id)
        for _ in range(_QUESTIONS_MAX):
            if not isinstance(answer, Question):
                return answer
            if not answer.message_ids <= self._confirmed or (permit is not None and not permit.holds):
                return await self._decline(answer)
            further = None if permit is None else permit.further()
            replied = await self._api.reply(answer.reply_id, confirmed=True, permit=further)
            if isinstance(replied, NotSent):
                return Unknown(f"a question stayed open: {replied.why}")
            answer = _after_a_yes(self._read(replied, reference, order_id))
        if isinstance(answer, Question):
            return await self._decline(answer)
        return answer

    async def _decline(self, question: Question) -> Ending:
        """Say no; only the broker's word that the order was dropped proves that it was."""
        asked = ",".join(sorted(question.message_ids))
        replied = await self._api.reply(question.reply_id, confirmed=False)
        ending = self._read(replied, "", "") if isinstance(replied, Reply) else replied
        if isinstance(ending, Rejected) and ending.reason == NOT_CONFIRMED:
            return Rejected(NOT_CONFIRMED, asked, question.words)
        return Unknown(f"question {asked} was declined, and what became of the order is not told")

    def _read(self, reply: Reply | NotSent | Unknown, reference: str, order_id: str) -> outcomes.Answer:
        if not isinstance(reply, Reply):
            return reply
        retry_after_s = self._api.session.gateway.retry_after(reply)
        return outcomes.of_order(reply, retry_after_s, reference=reference, order_id=order_id)


def _after_a_yes(answer: outcomes.Answer) -> outcomes.Answer:
    """Take a yes that the gateway threw away for what it is: the question is open still, and may be live."""
    return Unknown(f"a question stayed open: {answer.why}") if isinstance(answer, NotSent) else answer
