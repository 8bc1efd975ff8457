"""Who listens to an account's events, and the faults that strike what they are told."""

from collections.abc import Callable
from typing import Any

from brokergw.sim.faults import Faults
from brokergw.sim.socket import Connection
from brokergw.sim.telling import Teller

Envelope = Callable[[dict[str, Any]], dict[str, Any]]


class Feed:
    """The subscriptions to one account's events, each with the envelope that its events come in."""

    def __init__(self, faults: Faults) -> None:
        self._teller = Teller(faults, self._send, self.cut)
        self._subscriptions: dict[tuple[int, object], tuple[Connection, Envelope]] = {}

    def subscribe(self, connection: Connection, name: object, envelope: Envelope) -> bool:
        """Tell a connection from now on; False when it has a subscription of that name."""
        place = (id(connection), name)
        if place in self._subscriptions:
            return False
        self._subscriptions[place] = (connection, envelope)
        return True

    def has(self, connection: Connection) -> bool:
        """Tell whether a connection has any subscription."""
        return any(place[0] == id(connection) for place in self._subscriptions)

    def leave(self, connection: Connection, name: object = None) -> bool:
        """End a connection's subscription of a name, or all; tells whether there was one."""
        found = [place for place in self._subscriptions if place[0] == id(connection) and name in {None, place[1]}]
        for place in found:
            del self._subscriptions[place]
        return bool(found)

    def publish(self, event: dict[str, Any]) -> None:
        """Tell everybody of an event."""
        self._teller.tell(str(event["e"]), event)

    def release(self) -> None:
        """Send what was held back."""
        self._teller.release()

    def cut(self) -> None:
        """End every connection that listens."""
        for connection, _ in self._subscriptions.values():
            connection.cut()
        self._subscriptions.clear()

    def _send(self, event: dict[str, Any]) -> None:
        for connection, envelope in self._subscriptions.values():
            connection.say(envelope(event))
