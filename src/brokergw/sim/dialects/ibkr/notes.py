"""What the broker remembers of an order beside the exchange."""

from dataclasses import dataclass, field

from brokergw.exchange import Execution


@dataclass(slots=True)
class OrderNote:
    """One order over all its generations: its number, the customer's reference, and what faults make of it.

    `order_id` is the exchange's id of the present generation; `born_ns` is when look-ups begin to show it.
    """

    number: int
    order_id: str
    reference: str
    born_ns: int = 0
    shown_as: str = ""
    canceling: bool = False
    executions: list[Execution] = field(default_factory=list)
