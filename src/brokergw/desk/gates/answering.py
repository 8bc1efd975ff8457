"""Gate 1: is there anybody at the broker to send an order to?"""

from collections.abc import Sequence

from brokergw.desk.gates.question import Question, Said
from brokergw.desk.readiness import Readiness
from brokergw.model.errors import Objection


class BrokerAnswering:
    """Whether the broker answers, and what was left open there has been compared; stands before all that ask it."""

    def __call__(self, question: Question) -> Said:
        """Object to nothing; raises BROKER_SESSION_DOWN, under which no key is used up."""
        ready = question.session.ready
        if ready.reconciling:
            return _when_compared(ready)
        ready.require()
        return ()


async def _when_compared(ready: Readiness) -> Sequence[Objection]:
    await ready.comparison()
    ready.require()
    return ()
