"""Credentials that are changed, tested and taken away while the connection is at work."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest

from brokergw.desk.desk import Desk
from brokergw.desk.gates.standard import GateSettings
from brokergw.desk.verbs.connections import ConnectionChange
from brokergw.model.account import AccountState, BrokerRevocation, Connection, ConnectionHealth, Environment
from brokergw.model.capability import Authentication
from brokergw.model.errors import GatewayError, InvalidRequest, NotFound, Reason
from brokergw.model.events import AuditRow
from brokergw.model.principal import Caller, Principal, Scope
from brokergw.ports.broker import BrokerLink, Credentials
from brokergw.ports.directory import Destroyed
from brokergw.ports.vault import CredentialsMoved, Purpose
from tests.fixtures.clock import FakeClock
from tests.fixtures.memory_journal import MemoryJournal
from tests.fixtures.memory_leases import LeaseTable, MemoryLeases
from tests.fixtures.memory_modes import live_in_memory
from tests.fixtures.scripted_broker import (
    CAPABILITIES,
    D,
    OneConnection,
    ScriptedBroker,
    one_connection,
    trader,
)

OLD: Final = Credentials(key="OLDKEY123456", secret="old secret")
NEW: Final = Credentials(key="NEWKEY987654", secret="new secret")
OTHERS: Final = Credentials(key="OTHER9999999", secret="another account's")
WITH_KEYS: Final = replace(
    CAPABILITIES, authentication=Authentication.API_KEY_SECRET, environments=frozenset({Environment.PAPER})
)


class KeyedBroker(ScriptedBroker):
    """One adapter of a broker that wants keys, and takes only some."""

    def __init__(self, house: "House", credentials: Credentials) -> None:
        super().__init__(capabilities=WITH_KEYS, now_ns=house.clock.now_ns)
        self.house = house
        self.credentials = credentials
        self.disconnected = 0

    async def authenticate(self) -> AccountState:
        """Take the credentials, or refuse them."""
        if self.credentials not in self.house.good:
            raise GatewayError(Reason.BROKER_CREDENTIALS_REFUSED, "the broker does not know this key")
        found = await super().authenticate()
        return found if self.credentials != OTHERS else replace(found, masked_number="****9999")

    async def disconnect(self) -> None:
        """Close."""
        self.disconnected += 1


class Vault(OneConnection):
    """A directory with one connection whose credentials are in it."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.stored: Credentials | None = OLD
        self.opened: list[Purpose] = []
        self.told: list[AuditRow] = []
        self.shut = False

    async def credentials(self, user_id: str, connection_id: str, purpose: Purpose) -> Credentials | None:
        self.opened.append(purpose)
        if self.shut:
            raise GatewayError(Reason.CONNECTION_NOT_USABLE, "the stored credentials cannot be opened")
        return self.stored

    async def put_credentials(
        self, connection: Connection, credentials: Credentials, audit: AuditRow | None = None
    ) -> Connection:
        if connection.credentials_version != self.connection.credentials_version:
            raise CredentialsMoved(connection.connection_id)
        assert audit is not None
        self.told.append(audit)
        self.stored = credentials
        changed = await super().put_credentials(connection, credentials)
        self.connection = replace(changed, key_last_four=credentials.key_last_four)
        return self.connection

    async def revoke(
        self,
        user_id: str,
        connection_id: str,
        time_ns: int,
        audit: AuditRow | None = None,
        *,
        at_broker: BrokerRevocation = BrokerRevocation.NOTHING,
    ) -> Destroyed | None:
        assert audit is not None
        self.told.append(audit)
        self.stored = None
        return await super().revoke(user_id, connection_id, time_ns, audit, at_broker=at_broker)


@dataclass
class House:
    """A desk in front of a broker that wants keys; `made` are its adapters, oldest first."""

    clock: FakeClock
    vault: Vault = field(default_factory=lambda: Vault(_connection()))
    good: set[Credentials] = field(default_factory=lambda: {OLD, NEW, OTHERS})
    made: list[KeyedBroker] = field(default_factory=list)
    caller: Caller = field(default_factory=trader)
    capabilities: Any = WITH_KEYS
    desk: Desk = field(init=False)

    def open(self, link: BrokerLink) -> KeyedBroker:
        """Make an adapter."""
        assert link.credentials is not None
        self.made.append(KeyedBroker(self, link.credentials))
        return self.made[-1]

    async def start(self) -> None:
        """Open the desk."""
        leases, live = MemoryLeases(LeaseTable(self.clock)), live_in_memory(self.clock)
        brokers: Any = {"scripted": self}
        gates = GateSettings(D(10_000))
        self.desk = Desk(MemoryJournal(), self.vault, brokers, self.clock, gates, leases, live)
        await self.desk.start()

    @property
    def speaking(self) -> KeyedBroker:
        """The adapter that orders go through now."""
        (session,) = self.desk.sessions()
        assert isinstance(session.adapter, KeyedBroker)
        return session.adapter

    async def update(self, **change: Any) -> Any:
        """Change the connection."""
        return await self.desk.update_connection(self.caller, ConnectionChange(connection_id="con_1", **change))


def _connection() -> Connection:
    return replace(
        one_connection().connection,
        environment=Environment.PAPER,
        account_label="Paper ****0001",
        has_key=True,
        key_last_four="3456",
        credentials_version=1,
    )


@pytest.fixture
async def house(still_clock: FakeClock) -> AsyncIterator[House]:
    """Give a started desk."""
    made = House(still_clock)
    await made.start()
    await still_clock.pass_time(2)
    yield made
    await made.desk.stop()


async def refusal(work: Any) -> Reason:
    """Give the reason why something was refused."""
    with pytest.raises(GatewayError) as refused:
        await work
    return refused.value.reason


async def test_new_credentials_take_over_while_the_connection_works(house: House) -> None:
    """They are tried, stored, told to the audit and spoken with at once; the background work begins anew with them."""
    first = house.speaking
    assert first.followed == 1

    card = await house.update(credentials=NEW)

    assert (card.connection.key_last_four, card.connection.credentials_version) == ("7654", 2)
    assert house.speaking.credentials == NEW
    assert house.vault.stored == NEW
    (told,) = house.vault.told
    assert (told.action, told.user_id) == ("connection.updated", "alice")
    assert told.detail == "connection=con_1 broker=scripted environment=PAPER changed=key,secret"
    await house.clock.pass_time(2)
    assert house.speaking.followed == 1
    (card,) = await house.desk.list_connections(house.caller)
    assert card.status.health is ConnectionHealth.HEALTHY


async def test_what_is_on_its_way_with_the_former_credentials_comes_to_its_end(house: House) -> None:
    """The former adapter lives for half a minute more, and no longer."""
    first = house.speaking
    await house.update(credentials=NEW)
    await house.clock.pass_time(29.9)
    assert first.disconnected == 0
    await house.clock.pass_time(0.2)
    assert first.disconnected == 1


async def test_a_desk_that_stops_leaves_no_former_adapter_behind(still_clock: FakeClock) -> None:
    """The half minute is not waited for."""
    house = House(still_clock)
    await house.start()
    await house.update(credentials=NEW)
    await house.desk.stop()
    # The trial's adapter, the former and the present one.
    assert [each.disconnected for each in house.made] == [1, 1, 1]


async def test_refused_credentials_change_nothing(house: House) -> None:
    """What the broker does not take is not stored, and the connection goes on as it was."""
    first = house.speaking
    house.good.discard(NEW)
    assert await refusal(house.update(credentials=NEW)) is Reason.BROKER_CREDENTIALS_REFUSED
    assert (house.speaking, house.vault.stored, house.vault.told) == (first, OLD, [])
    assert house.made[-1].disconnected == 1


async def test_credentials_of_another_account_are_refused(house: House) -> None:
    """They would mix two accounts in one record, so nothing is stored."""
    assert await refusal(house.update(credentials=OTHERS)) is Reason.BROKER_ACCOUNT_DIFFERS
    assert house.vault.stored == OLD


async def test_of_two_changes_at_once_one_is_told_that_it_came_late(house: House) -> None:
    """A change that another process was faster than is refused, and nothing of it is stored."""
    house.vault.connection = replace(house.vault.connection, credentials_version=2)
    assert await refusal(house.update(credentials=NEW)) is Reason.CONNECTION_CHANGED
    assert house.vault.stored == OLD


async def test_a_label_is_the_users_own(house: House) -> None:
    """A label changes nothing but the label, and an empty one takes it away."""
    first = house.speaking
    assert (await house.update(label="the old account")).connection.label == "the old account"
    assert (await house.update(label="")).connection.label == ""
    assert house.speaking is first


async def test_changes_of_other_processes_are_taken_up(house: House) -> None:
    """Credentials and labels that another process has stored hold here within a second."""
    await house.vault.put_credentials(house.vault.connection, NEW, AuditRow(**_ROW))
    await house.vault.set_label("alice", "con_1", "named elsewhere", AuditRow(**_ROW))
    await house.clock.pass_time(1)
    assert house.speaking.credentials == NEW
    (card,) = await house.desk.list_connections(house.caller)
    assert card.connection.label == "named elsewhere"


_ROW: Final[dict[str, Any]] = {
    "time_ns": 1,
    "request_id": "",
    "user_id": "alice",
    "key_id": "",
    "action": "elsewhere",
    "outcome": "OK",
}


async def test_what_cannot_be_changed_is_refused_alike(house: House) -> None:
    """A foreign connection is missing, credentials that do not fit are told by field, a revoked one is not usable."""
    foreign = Caller(Principal("eve", "key_2", frozenset(Scope)), "req_2")
    change = ConnectionChange(connection_id="con_1", credentials=NEW)
    with pytest.raises(NotFound):
        await house.desk.update_connection(foreign, change)
    house.capabilities = replace(WITH_KEYS, authentication=Authentication.NONE)
    with pytest.raises(InvalidRequest):
        await house.update(credentials=NEW)
    house.capabilities = WITH_KEYS
    await house.desk.revoke_connection(house.caller, "con_1")
    assert await refusal(house.update(credentials=NEW)) is Reason.CONNECTION_NOT_USABLE
    assert await refusal(house.update(label="x")) is Reason.CONNECTION_NOT_USABLE


async def test_a_test_asks_with_what_is_stored(house: House) -> None:
    """It opens the stored credentials for that, says no with the broker's reason, and yes when they are taken again."""
    house.good.discard(OLD)
    card, taken, reason = await house.desk.test_connection(house.caller, "con_1")
    assert (taken, reason) == (False, "BROKER_CREDENTIALS_REFUSED")
    assert card.status.health is ConnectionHealth.REAUTHORIZATION_REQUIRED
    assert house.vault.opened[-1] is Purpose.TEST
    assert house.made[-1].disconnected == 1
    house.good.add(OLD)
    card, taken, reason = await house.desk.test_connection(house.caller, "con_1")
    assert (taken, reason) == (True, "")
    # Its stream was up all the while.
    assert card.status.health is ConnectionHealth.HEALTHY


async def test_a_connection_by_tokens_is_tested_with_the_token_of_the_moment(house: House) -> None:
    """Its session asks for that itself: nothing is opened for a test, and no other adapter is made."""
    house.desk._sessions._by_tokens.add("con_1")
    made = len(house.made)
    _, taken, _ = await house.desk.test_connection(house.caller, "con_1")
    assert taken
    assert (len(house.made), house.vault.opened) == (made, [Purpose.SESSION])


async def test_credentials_that_do_not_open_are_tried_again(still_clock: FakeClock) -> None:
    """Once their key is back they are, after a minute by itself or at once by a test; not more often than that."""
    house = House(still_clock)
    house.vault.shut = True
    await house.start()
    (card,) = await house.desk.list_connections(house.caller)
    assert card.status.health is ConnectionHealth.ERROR
    await still_clock.pass_time(59)
    assert house.vault.opened == [Purpose.SESSION]
    await still_clock.pass_time(2)
    assert house.vault.opened == [Purpose.SESSION] * 2
    house.vault.shut = False
    await still_clock.pass_time(58)
    (card,) = await house.desk.list_connections(house.caller)
    assert card.status.health is ConnectionHealth.ERROR
    _, taken, _ = await house.desk.test_connection(house.caller, "con_1")
    assert taken
    assert house.speaking.credentials == OLD
    await still_clock.pass_time(2)
    (card,) = await house.desk.list_connections(house.caller)
    assert card.status.health is ConnectionHealth.HEALTHY
    await house.desk.stop()


async def test_a_revocation_ends_everything_at_once(house: House) -> None:
    """The adapter is closed, nothing goes through any more, it is on the audit once, and again changes nothing."""
    first = house.speaking
    for _ in range(2):
        card = await house.desk.revoke_connection(house.caller, "con_1")
        assert card.status.health is ConnectionHealth.REVOKED
        assert not card.scopes
    assert first.disconnected == 1
    assert [row.action for row in house.vault.told] == ["connection.revoked"]
    (session,) = house.desk.sessions()
    with pytest.raises(GatewayError, match="revoked"):
        session.require_usable()
    _, taken, reason = await house.desk.test_connection(house.caller, "con_1")
    assert (taken, reason) == (False, "CONNECTION_NOT_USABLE")
