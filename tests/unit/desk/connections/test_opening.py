"""Connections whose adapters cannot be made of what is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from brokergw.desk.sessions import NotOpened, Sessions
from brokergw.model.account import Connection
from brokergw.model.errors import GatewayError, Reason
from brokergw.ports.broker import BrokerLink
from tests.conformance.store.making import connection_for
from tests.fixtures.clock import FakeClock
from tests.fixtures.scripted_broker import ScriptedBroker

GOOD, BAD = "acc_good", "acc_bad"


@dataclass
class Directory:
    """Two connections that changed once."""

    connections: list[Connection]
    asked: int = 0

    async def changed(self, seen: int) -> tuple[Sequence[Connection], int]:
        """Give both the first time, and none from then on."""
        self.asked += 1
        return (self.connections, 1) if seen < 1 else ([], 1)


@dataclass
class Fragile:
    """A broker that makes no adapter for one of the accounts while that is broken."""

    error: Exception
    broken: bool = True
    opened: list[str] = field(default_factory=list)
    capabilities: Any = ScriptedBroker().capabilities

    def open(self, link: BrokerLink) -> ScriptedBroker:
        """Make an adapter, or fail."""
        if link.account_id == BAD and self.broken:
            raise self.error
        self.opened.append(link.account_id)
        return ScriptedBroker()


@pytest.mark.parametrize("error", [GatewayError(Reason.CONNECTION_NOT_USABLE, "no login"), KeyError("account_number")])
async def test_connection_that_does_not_open_stops_no_other(still_clock: FakeClock, error: Exception) -> None:
    """One is left out, whatever its adapter fails by, and the others open; it is tried again after a minute only."""
    plain = [replace(connection_for(each), broker="fragile", has_key=False) for each in (BAD, GOOD)]
    broker = Fragile(error)
    sessions = Sessions(Directory(plain), {"fragile": broker}, still_clock)  # type: ignore[arg-type]
    await sessions.open_all()
    assert broker.opened == [GOOD]
    with pytest.raises(NotOpened) as caught:
        await sessions.open(plain[0])
    assert caught.value.reason is Reason.CONNECTION_NOT_USABLE
    broker.broken = False
    await still_clock.pass_time(59)
    await sessions.open_all()
    assert broker.opened == [GOOD]
    await still_clock.pass_time(1)
    await sessions.open_all()
    assert broker.opened == [GOOD, BAD]
