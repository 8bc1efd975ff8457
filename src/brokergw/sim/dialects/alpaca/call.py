"""One authenticated request on its way to an endpoint."""

from dataclasses import dataclass
from typing import Any

from brokergw.sim.dialects.alpaca.brokerage import Brokerage
from brokergw.sim.dialects.alpaca.room import Room
from brokergw.sim.faults import Fault, FaultName
from brokergw.sim.wire import WireRequest


@dataclass(slots=True)
class Call:
    """The request, the account it speaks for, and the variable part of its path, decoded."""

    brokerage: Brokerage
    room: Room
    request: WireRequest
    argument: str = ""

    def strike(self, name: FaultName) -> Fault | None:
        """Give the fault of a name that hits this request, if one does, and note it on the journal entry."""
        return self.brokerage.faults.touch(name, self.request)


@dataclass(slots=True)
class Answer:
    """What an endpoint says when a plain 200 with a document will not do; None is an empty body."""

    status: int
    document: Any = None
