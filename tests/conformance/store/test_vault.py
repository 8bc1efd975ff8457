"""Sealed credentials in their rows: versions, what a change needs, and what the audit hears of each opening."""

from dataclasses import replace
from typing import Any, Final

import pytest
from sqlalchemy import func, select, update

from brokergw.model.account import Environment
from brokergw.model.events import AuditRow
from brokergw.model.modes import ModeBinding
from brokergw.ports.broker import Credentials
from brokergw.ports.vault import CredentialsMoved, Purpose
from brokergw.store import Sealed, Store
from brokergw.store.tables import AUDIT, CREDENTIALS
from tests.conformance.store.making import ALL, MINE, START_NS, USER, connection_for
from tests.fixtures.stores import open_for_test

FIRST: Final = Credentials(key="PKFIRST0123456789", secret="the-first-secret")
SECOND: Final = Credentials(key="PKSECOND012345678", secret="the-second-secret")
ID: Final = "con_acc_1"


async def rows_of(store: Store) -> dict[str, Any]:
    """Read the sealed rows as they are, by field."""
    rows = await store.connections._reader.query(ALL, lambda database: database.execute(select(CREDENTIALS)).all())
    return {row.field: row for row in rows}


async def put_back(store: Store, row: Any, **changes: Any) -> None:
    """Write an earlier row over the present one, as whoever has a backup and the database could."""
    values = {**row._mapping, **changes}
    change = update(CREDENTIALS).where(CREDENTIALS.c.field == row.field).values(values)
    await store.connections._run_grouped(ALL, lambda database: database.execute(change) and None)


async def openings(store: Store) -> list[tuple[str, str, str, str]]:
    """Read what the audit has heard of openings: whose, how it ended, why not, and the rest."""
    wanted = select(AUDIT).where(AUDIT.c.action == "vault.opened").order_by(AUDIT.c.chain, AUDIT.c.sequence)
    # Rows that nobody waits for ride with the next group.
    await store.connections._run_grouped(ALL, lambda _: None)
    rows = await store.connections._reader.query(ALL, lambda database: database.execute(wanted).all())
    return [(row.user_id, row.outcome, row.reason, row.detail) for row in rows]


async def test_changed_credentials_replace_the_first(store: Store) -> None:
    """New credentials open in place of the old, each field as a higher version, and four new characters are shown."""
    connection = connection_for("acc_1", has_key=True, key_last_four="6789")
    await store.connections.add(connection, FIRST)
    added = await store.connections.get(MINE, ID)
    assert added is not None
    assert added.credentials_version == 1

    changed = await store.connections.put_credentials(added, SECOND)

    assert changed == replace(connection, key_last_four="5678", credentials_version=2)
    assert await store.connections.get(MINE, ID) == changed
    assert await store.connections.credentials(USER, ID, Purpose.SESSION) == SECOND
    assert {field: row.version for field, row in (await rows_of(store)).items()} == {"key": 2, "secret": 2}


async def test_a_field_alone_is_replaced_or_added(store: Store) -> None:
    """Fields that are not named stay as they are, at their versions."""
    await store.connections.add(connection_for("acc_1", has_key=True, key_last_four="6789"), FIRST)
    added = await store.connections.get(MINE, ID)
    assert added is not None

    once = await store.connections.put_credentials(added, Credentials(access_token="one"))
    await store.connections.put_credentials(once, Credentials(access_token="two"))

    opened = await store.connections.credentials(USER, ID, Purpose.SESSION)
    assert opened == Credentials(**FIRST, access_token="two")
    assert {field: row.version for field, row in (await rows_of(store)).items()} == {
        "key": 1,
        "secret": 1,
        "access_token": 3,
    }
    unchanged = await store.connections.get(MINE, ID)
    assert unchanged is not None
    assert unchanged.key_last_four == "6789"


async def test_credentials_come_to_a_connection_that_had_none(store: Store) -> None:
    """A connection without a key has one afterwards."""
    await store.connections.add(connection_for("acc_1"), None)
    changed = await store.connections.put_credentials(connection_for("acc_1"), FIRST)
    assert (changed.has_key, changed.key_last_four, changed.credentials_version) == (True, "6789", 1)
    assert await store.connections.credentials(USER, ID, Purpose.SESSION) == FIRST


async def test_of_two_changes_one_is_made(store: Store) -> None:
    """A change that is based on what another has replaced writes nothing, and neither does one after a revocation."""
    await store.connections.add(connection_for("acc_1", has_key=True), FIRST)
    seen = await store.connections.get(MINE, ID)
    assert seen is not None
    changed = await store.connections.put_credentials(seen, SECOND)
    with pytest.raises(CredentialsMoved):
        await store.connections.put_credentials(seen, FIRST)
    assert await store.connections.credentials(USER, ID, Purpose.SESSION) == SECOND
    await store.connections.revoke(USER, ID, START_NS + 5)
    with pytest.raises(CredentialsMoved):
        await store.connections.put_credentials(changed, FIRST)
    assert await store.connections.credentials(USER, ID, Purpose.SESSION) is None


async def test_an_older_version_does_not_come_back(store: Store) -> None:
    """An older sealed text in the newer row does not open; nor does the whole older row, once the newer was opened."""
    await store.connections.add(connection_for("acc_1", has_key=True), FIRST)
    older = (await rows_of(store))["secret"]
    added = await store.connections.get(MINE, ID)
    assert added is not None
    await store.connections.put_credentials(added, SECOND)
    assert await store.connections.credentials(USER, ID, Purpose.SESSION) == SECOND

    await put_back(store, older, version=2)
    with pytest.raises(Sealed, match="moved or changed"):
        await store.connections.credentials(USER, ID, Purpose.SESSION)
    await put_back(store, older)
    with pytest.raises(Sealed, match="an older version was put back"):
        await store.connections.credentials(USER, ID, Purpose.SESSION)


async def test_fields_do_not_stand_for_one_another(store: Store, store_url: str) -> None:
    """A secret moved to another field, to another connection or to another user does not open, for no process."""
    await store.connections.add(connection_for("acc_1", has_key=True), FIRST)
    key = (await rows_of(store))["key"]
    await put_back(store, (await rows_of(store))["secret"], sealed=key.sealed)
    async with open_for_test(store_url) as other:
        for each in (store, other):
            with pytest.raises(Sealed, match="moved or changed"):
                await each.connections.credentials(USER, ID, Purpose.SESSION)


async def test_each_opening_is_on_the_audit(store: Store) -> None:
    """Every opening tells whose credentials it was, of which versions, what for and how it ended; never their content.

    Asking where there is nothing to open tells nothing.
    """
    await store.connections.add(connection_for("acc_1", has_key=True), FIRST)
    await store.connections.credentials(USER, ID, Purpose.SESSION)
    await store.connections.credentials(USER, ID, Purpose.REFRESH)
    await put_back(store, (await rows_of(store))["key"], version=7)
    with pytest.raises(Sealed):
        await store.connections.credentials(USER, ID, Purpose.TEST)
    await store.connections.credentials(USER, "con_unknown", Purpose.TEST)

    told = await openings(store)

    assert told == [
        (USER, "OK", "", f"purpose=SESSION connection={ID} versions: key=1 secret=1"),
        (USER, "OK", "", f"purpose=REFRESH connection={ID} versions: key=1 secret=1"),
        (USER, "REFUSED", "CONNECTION_NOT_USABLE", f"purpose=TEST connection={ID} versions: key=7 secret=1"),
    ]


BY_ALICE: Final = AuditRow(
    time_ns=START_NS,
    request_id="req_1",
    user_id=USER,
    key_id="key_1",
    action="connection.changed",
    outcome="OK",
)


async def changes_told(store: Store) -> int:
    """Count what the audit has heard of changes."""
    wanted = select(func.count()).select_from(AUDIT).where(AUDIT.c.action == BY_ALICE.action)
    return await store.connections._reader.query(ALL, lambda database: database.scalar(wanted) or 0)


async def test_each_change_of_a_connection_is_on_the_audit_in_one_with_it(store: Store) -> None:
    """Making, naming, new credentials and the end are told once each; what changes nothing tells nothing."""
    connection = connection_for("acc_1", has_key=True, label="mine")
    await store.connections.add(connection, FIRST, BY_ALICE)
    added = await store.connections.get(MINE, ID)
    assert added is not None
    assert added.label == "mine"
    assert await store.connections.set_label(USER, ID, "ours", BY_ALICE)
    changed = await store.connections.put_credentials(added, SECOND, BY_ALICE)
    assert changed.label == "ours"
    assert await changes_told(store) == 3
    with pytest.raises(CredentialsMoved):
        await store.connections.put_credentials(added, FIRST, BY_ALICE)
    for user_id, connection_id in (("usr_2", ID), (USER, "con_unknown")):
        assert not await store.connections.set_label(user_id, connection_id, "theirs", BY_ALICE)
        assert not await store.connections.revoke(user_id, connection_id, START_NS, BY_ALICE)
    assert await changes_told(store) == 3
    for _ in range(2):
        assert await store.connections.revoke(USER, ID, START_NS, BY_ALICE)
    assert await changes_told(store) == 4
    assert not await store.connections.set_label(USER, ID, "late", BY_ALICE)


async def test_a_revocation_ends_what_is_bound_to_the_account(store: Store, store_url: str) -> None:
    """Bindings of the account go with its connection, those of others stay, and every process hears of it."""
    for account_id in ("acc_1", "acc_2"):
        await store.connections.add(connection_for(account_id), None)
    bindings = tuple(
        ModeBinding(account_id=account_id, strategy_id=strategy_id, mode=Environment.PAPER, set_time_ns=1)
        for account_id, strategy_id in (("", "s1"), ("acc_1", ""), ("acc_1", "s1"), ("acc_2", "s1"))
    )
    await store.modes.change(USER, lambda before: replace(before, bindings=bindings), BY_ALICE)
    async with open_for_test(store_url) as other:
        change, _ = await other.modes.changed_since(0)
        await store.connections.revoke(USER, ID, START_NS)
        _, changed = await other.modes.changed_since(change)
    assert [standing.user_id for standing in changed] == [USER]
    assert changed[0].bindings == (bindings[0], bindings[3])
