"""What an endpoint is handed, and what it says when a plain 200 with a document will not do."""

from dataclasses import dataclass, field
from typing import Any

from brokergw.sim.dialects.schwab.brokerage import Brokerage
from brokergw.sim.dialects.schwab.refusals import wrong_account
from brokergw.sim.dialects.schwab.room import Room
from brokergw.sim.faults import Fault, FaultName
from brokergw.sim.wire import WireRequest


@dataclass(slots=True)
class Call:
    """One request of a login; `arguments` are the parts of the path that stand where stars do."""

    brokerage: Brokerage
    login: str
    request: WireRequest
    arguments: tuple[str, ...] = ()

    @property
    def room(self) -> Room:
        """The account that the path names by its hash; raises ApiError for none of this login's."""
        room = self.brokerage.by_hash.get(self.arguments[0])
        if room is None or room.login != self.login:
            raise wrong_account()
        return room

    def rooms(self) -> list[Room]:
        """Give every account of the login."""
        return [room for room in self.brokerage.rooms.values() if room.login == self.login]

    def strike(self, name: FaultName) -> Fault | None:
        """Give the fault of a name that hits this request, if one does, and note it on the journal entry."""
        return self.brokerage.faults.touch(name, self.request)


@dataclass(slots=True)
class Answer:
    """A status with a document (None is an empty body) and headers."""

    status: int
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)
