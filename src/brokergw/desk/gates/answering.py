"""Gate 1: is there anybody at the broker to send an order to?"""

from collections.abc import Sequence

from brokergw.desk.gates.question import Question
from brokergw.model.errors import Objection


class BrokerAnswering:
    """Whether the broker answers, and what was left open there has been compared; stands before all that ask it."""

    async def __call__(self, question: Question) -> Sequence[Objection]:
        """Object to nothing; raises BROKER_SESSION_DOWN, under which no key is used up."""
        await question.session.ready.require()
        return ()
