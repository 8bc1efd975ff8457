"""Putting sealed values under another key: everything is reached, nothing is overwritten, and it may end anywhere."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import pytest
from sqlalchemy import Text, select, update

from brokergw.model.account import Connection
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.mfa import Authenticator
from brokergw.model.whose import Whose
from brokergw.ports.broker import Credentials
from brokergw.ports.vault import Purpose
from brokergw.store import Sealed, Store, open_store
from brokergw.store.tables import AUDIT, CREDENTIALS, METADATA
from brokergw.store.vault import rotation
from brokergw.store.vault.places import SEALED_COLUMNS
from brokergw.store.vault.ring import KeyRing, key_id_of
from brokergw.store.vault.rotation import Progress
from brokergw.store.vault.vault import RotationRefused
from tests.conformance.store.making import ALL, MINE, START_NS, USER, connection_for
from tests.fixtures.clock import FakeClock
from tests.unit.store.vault.test_seal import formerly_sealed

OLD, NEW, THIRD = (bytes([number]) * 32 for number in (1, 2, 3))
COUNT: Final = 25


def secrets_of(number: int) -> Credentials:
    """Make the credentials of a connection."""
    return Credentials(key=f"PK0123456789-{number}", secret=f"secret of {number}")


def open_with(url: str, *keys: bytes) -> Store:
    """Open a store whose first key seals."""
    return open_store(url, clock=FakeClock(), credentials_key=KeyRing(keys))


@pytest.fixture
async def old(store_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """Give a store that knows the old key only, with connections and an authenticator sealed under it."""
    monkeypatch.setattr(rotation, "AT_ONCE", 4)
    async with open_with(store_url, OLD) as store:
        for number in range(COUNT):
            await store.connections.add(connection_for(f"acc_{number:02}", has_key=True), secrets_of(number))
        await store.authenticators.enroll(
            Authenticator(user_id=USER, authenticator_id="mfa_1", secret="SEED", enroll_time_ns=START_NS)
        )
        yield store


async def rotated(store: Store) -> Progress:
    """Rotate to the end; gives how it went."""
    last = None
    async for progress in store.vault.rotate():
        last = progress
    assert last is not None
    return last


async def added(store: Store, number: int) -> Connection:
    """Read a connection."""
    found = await store.connections.get(MINE, f"con_acc_{number:02}")
    assert found is not None
    return found


async def require_all_open(store: Store) -> None:
    """Everything that was stored opens."""
    for number in range(COUNT):
        opened = await store.connections.credentials(USER, f"con_acc_{number:02}", Purpose.SESSION)
        assert opened == secrets_of(number)
    authenticator = await store.authenticators.get(USER)
    assert authenticator is not None
    assert authenticator.secret == "SEED"


async def write(store: Store, number: int, **values: Any) -> None:
    """Write into the row of a connection's secret, past everything."""
    row = (CREDENTIALS.c.connection_id == f"con_acc_{number:02}", CREDENTIALS.c.field == "secret")
    change = update(CREDENTIALS).where(*row).values(values)
    await store.connections._run_grouped(ALL, lambda database: database.execute(change) and None)


async def audited(store: Store) -> Sequence[tuple[str, str]]:
    """Read what the audit has heard of rotations."""
    wanted = (
        select(AUDIT.c.outcome, AUDIT.c.detail)
        .where(AUDIT.c.action == "vault.rotated")
        .order_by(AUDIT.c.chain, AUDIT.c.sequence)
    )
    await store.connections._run_grouped(ALL, lambda _: None)
    rows = await store.connections._reader.query(ALL, lambda database: database.execute(wanted).all())
    return [(row.outcome, row.detail) for row in rows]


def test_every_sealed_column_is_known() -> None:
    """A column of sealed values that a rotation does not know would be lost with its key."""
    sealed = {
        column
        for table in METADATA.sorted_tables
        for column in table.columns
        if "sealed" in column.name and isinstance(column.type, Text)
    }
    assert sealed == {each.column for each in SEALED_COLUMNS}


async def test_everything_is_put_under_the_first_key(old: Store, store_url: str) -> None:
    """Afterwards the new key alone opens all credentials and seeds, and the old one is free to be removed."""
    async with open_with(store_url, NEW, OLD) as both:
        before = await both.vault.status()
        progress = await rotated(both)
        after = await both.vault.status()
        await require_all_open(both)
        assert await audited(both) == [
            ("OK", f"under={key_id_of(NEW)} rewrapped={progress.done} of={progress.total} not_opened=0")
        ]
    values = 2 * COUNT + 1
    assert (progress.total, progress.done, progress.shut) == (values, values, {})
    assert [(key.key_id, key.values, key.removable) for key in before.keys] == [
        (key_id_of(NEW), 0, False),
        (key_id_of(OLD), values, False),
    ]
    assert [(key.key_id, key.values, key.removable) for key in after.keys] == [
        (key_id_of(NEW), values, False),
        (key_id_of(OLD), 0, True),
    ]
    async with open_with(store_url, NEW) as new:
        await require_all_open(new)
        assert (await rotated(new)).total == 0


async def test_a_rotation_may_end_anywhere(old: Store, store_url: str) -> None:
    """Whatever step was the last, everything opens in between, and another rotation does the rest, no more."""
    done = 0
    for steps in range(2, 40):
        async with open_with(store_url, NEW, OLD) as both:
            rotation = both.vault.rotate()
            for _ in range(steps):
                progress = await anext(rotation, None)
                if progress is None:
                    break
                before, done_here = progress.total, progress.done
            await rotation.aclose()
            assert before == 2 * COUNT + 1 - done
            done += done_here
            await require_all_open(both)
        if done == 2 * COUNT + 1:
            break
    assert done == 2 * COUNT + 1


async def test_a_change_in_between_is_never_overwritten(old: Store, store_url: str) -> None:
    """Credentials that are replaced, or destroyed, between the reading and the writing of a row stay so."""
    async with open_with(store_url, NEW, OLD) as both:
        changes = iter(range(COUNT))
        run = both.vault._run

        async def change_first(whose: Whose, work: Any) -> Any:
            number = next(changes, None)
            if number is not None and number % 5 == 0:
                await old.connections.put_credentials(await added(old, number), secrets_of(number + 100))
            elif number is not None and number % 5 == 1:
                await old.connections.revoke(USER, f"con_acc_{number:02}", START_NS)
            return await run(whose, work)

        both.vault._run = change_first
        await rotated(both)
    async with open_with(store_url, NEW) as new:
        for number in range(0, COUNT, 5):
            opened = await new.connections.credentials(USER, f"con_acc_{number:02}", Purpose.SESSION)
            assert opened in {secrets_of(number + 100), secrets_of(number)}
        assert (await new.vault.status()).lost == ()


async def test_what_does_not_open_stays_as_it_is(old: Store, store_url: str) -> None:
    """A value that was moved, or is under a key that is not there, is told and left alone; all others are reached."""
    async with open_with(store_url, THIRD) as third:
        await third.connections.add(connection_for("acc_99", has_key=True), secrets_of(99))
    await write(old, 3, version=9)
    async with open_with(store_url, NEW, OLD) as both:
        progress = await rotated(both)
        told = {(place.connection_id, place.field): shut.why for place, shut in progress.shut.items()}
        assert told.keys() == {("con_acc_03", "secret"), ("con_acc_99", "key"), ("con_acc_99", "secret")}
        assert f"under key {key_id_of(THIRD)}" in told["con_acc_99", "key"]
        assert (await both.vault.status()).lost == (key_id_of(THIRD),)
        assert [outcome for outcome, _ in await audited(both)] == ["REFUSED"]
        await write(old, 3, version=1)
        assert (await rotated(both)).done == 1
    async with open_with(store_url, NEW) as new:
        await require_all_open(new)


async def test_former_values_are_written_anew(old: Store, store_url: str) -> None:
    """Values of the former format are put under the first key as envelopes, also where the key stays the same."""
    column = SEALED_COLUMNS[0]
    wanted = column.rows.where(CREDENTIALS.c.connection_id == "con_acc_07", CREDENTIALS.c.field == "secret")
    row = await old.connections._reader.query(ALL, lambda database: database.execute(wanted).one())
    await write(old, 7, sealed=formerly_sealed("secret of 7", column.place_of(row), OLD))
    (use,) = (await old.vault.status()).keys
    assert (use.values, use.former) == (2 * COUNT + 1, 1)
    await require_all_open(old)
    assert (await rotated(old)).done == 1
    (use,) = (await old.vault.status()).keys
    assert (use.values, use.former) == (2 * COUNT + 1, 0)
    await require_all_open(old)


async def test_a_rotation_waits_for_every_process_to_have_the_key(old: Store, store_url: str) -> None:
    """While a living process lacks the new key, or has not told, nothing is put under it."""
    await old.leases.renew([])
    async with open_with(store_url, NEW, OLD) as both:
        with pytest.raises(RotationRefused, match=old.leases.instance_id):
            await rotated(both)
        await old.vault.tell_keys()
        status = await both.vault.status()
        assert status.unready == (old.leases.instance_id,)
        assert [key.sealing for key in status.keys] == [(), (old.leases.instance_id,)]
        with pytest.raises(RotationRefused, match="give it to them as a second key first"):
            await rotated(both)
        await old.leases.release()
        assert (await rotated(both)).done == 2 * COUNT + 1


async def test_a_key_that_a_process_seals_with_may_not_be_removed(old: Store, store_url: str) -> None:
    """With every value under the new key the old one is kept for as long as a process still seals with it."""
    ring = KeyRing([OLD, NEW])
    async with open_store(store_url, clock=FakeClock(), credentials_key=ring) as serving:
        await serving.leases.renew([])
        await serving.vault.tell_keys()
        async with open_with(store_url, NEW, OLD) as both:
            await rotated(both)
            _, kept = (await both.vault.status()).keys
            assert (kept.values, kept.sealing, kept.removable) == (0, (serving.leases.instance_id,), False)
            await serving.leases.release()
            _, kept = (await both.vault.status()).keys
            assert kept.removable


async def test_without_the_old_key_nothing_opens_and_nothing_is_changed(old: Store, store_url: str) -> None:
    """Who has thrown the old key away too early is told, and loses nothing more."""
    async with open_with(store_url, NEW) as new:
        assert (await new.vault.status()).lost == (key_id_of(OLD),)
        assert (await rotated(new)).done == 0
        with pytest.raises(Sealed, match=f"under key {key_id_of(OLD)}"):
            await new.connections.credentials(USER, "con_acc_00", Purpose.SESSION)
    await require_all_open(old)


async def test_a_database_that_is_late_is_asked_again(old: Store, store_url: str) -> None:
    """Writes that fail, or of which nobody knows, cost a rotation nothing but time; nothing is written twice by it."""
    async with open_with(store_url, NEW, OLD) as both:
        run, tries = both.vault._run, iter(range(1_000))

        async def late(whose: Whose, work: Any) -> Any:
            number = next(tries)
            if number % 3 == 0:
                raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "not now")
            done = await run(whose, work)
            if number % 3 == 1:
                raise GatewayError(Reason.JOURNAL_OUTCOME_UNKNOWN, "perhaps")
            return done

        both.vault._run = late
        await rotated(both)
    async with open_with(store_url, NEW) as new:
        await require_all_open(new)


@pytest.mark.parametrize(("failures", "ends"), [(19, False), (20, True)])
async def test_a_database_that_stays_away_ends_a_rotation(
    old: Store, store_url: str, failures: int, *, ends: bool
) -> None:
    """Nineteen failures one after another are waited out, the twentieth is told."""
    async with open_with(store_url, NEW, OLD) as both:
        run, tries = both.vault._run, iter(range(1_000))

        async def away(whose: Whose, work: Any) -> Any:
            if next(tries) < failures:
                raise GatewayError(Reason.JOURNAL_UNAVAILABLE, "not now")
            return await run(whose, work)

        both.vault._run = away
        if ends:
            with pytest.raises(GatewayError, match="not now"):
                await rotated(both)
        else:
            await rotated(both)
            await require_all_open(both)
