"""Whether an order was decided on so long ago that the decision may not hold any more."""

from collections.abc import Sequence
from typing import Final

from brokergw.desk.gates.question import Question
from brokergw.model.commands import SubmitOrder
from brokergw.model.errors import Objection, Reason
from brokergw.ports.clock import Clock

AGE_MAX_S: Final = 30
_SECOND_NS: Final = 1_000_000_000


class AgeCheck:
    """Compares the client's own time of an order, where it gives one, with ours."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, question: Question) -> Sequence[Objection]:
        """Object to what is too old; a time far ahead says nothing of the age, and counts as too old."""
        command = question.command
        if not isinstance(command, SubmitOrder) or command.client_time_ns is None:
            return ()
        age_ns = self._clock.now_ns() - command.client_time_ns
        if abs(age_ns) <= AGE_MAX_S * _SECOND_NS:
            return ()
        seconds = abs(age_ns) / _SECOND_NS
        words = "after its client_time" if age_ns > 0 else "before its client_time, by the gateway's clock"
        return (
            Objection(
                Reason.ORDER_TOO_OLD,
                "client_time",
                f"the order arrived {seconds:.1f} s {words}, at most {AGE_MAX_S} s are taken",
                str(AGE_MAX_S),
                f"{age_ns / _SECOND_NS:.1f}",
            ),
        )
