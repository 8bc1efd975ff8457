"""Authenticators on both databases: what is used up, counted and sealed there."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text

from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.mfa import Authenticator, CodeVerdict
from brokergw.store import Store
from tests.conformance.store.making import ALL, START_NS, USER, add_accounts
from tests.fixtures.stores import open_for_test

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
AUDIT = AuditRow(time_ns=START_NS, request_id="req", user_id=USER, key_id="key", action="mfa.reset", outcome="OK")
NEW = Authenticator(user_id=USER, authenticator_id="mfa_1", secret=SECRET, enroll_time_ns=START_NS)


@pytest.fixture(autouse=True)
async def _user(store: Store) -> None:
    await add_accounts(store)


async def take(store: Store, step: int | None, authenticator_id: str = "mfa_1", failures_max: int = 10) -> CodeVerdict:
    """Try a code."""
    return await store.authenticators.take_code(USER, authenticator_id, step, START_NS + 5, failures_max)


async def test_an_authenticator_comes_back_as_it_was_kept(store: Store) -> None:
    """Secret and times come back; a user without one has none; one for nobody is refused."""
    assert await store.authenticators.get(USER) is None
    assert await store.authenticators.enroll(NEW)
    assert await store.authenticators.get(USER) == NEW
    with pytest.raises(GatewayError) as caught:
        await store.authenticators.enroll(replace(NEW, user_id="nobody"))
    assert caught.value.reason is Reason.USER_NOT_FOUND


async def test_a_step_is_taken_once_and_never_backwards(store: Store) -> None:
    """A later step is taken; the same and earlier ones are misses."""
    await store.authenticators.enroll(NEW)
    assert [await take(store, step) for step in (100, 100, 99, 101)] == [
        CodeVerdict.ACCEPTED,
        CodeVerdict.REFUSED,
        CodeVerdict.REFUSED,
        CodeVerdict.ACCEPTED,
    ]
    known = await store.authenticators.get(USER)
    assert known == replace(
        NEW, confirm_time_ns=START_NS + 5, last_step=101, code_time_ns=START_NS + 5, failures=0, lock_time_ns=None
    )


async def test_misses_lock_at_their_most_and_no_step_passes_a_lock(store: Store) -> None:
    """The last miss allowed locks; then right and wrong codes get the same answer, and nothing is counted."""
    await store.authenticators.enroll(NEW)
    assert [await take(store, None, failures_max=3) for _ in range(4)] == [
        *[CodeVerdict.REFUSED] * 3,
        CodeVerdict.LOCKED,
    ]
    assert await take(store, 100, failures_max=3) is CodeVerdict.LOCKED
    known = await store.authenticators.get(USER)
    assert known is not None
    assert (known.failures, known.lock_time_ns, known.last_step) == (3, START_NS + 5, 0)
    assert await store.authenticators.unlock(USER, AUDIT)
    assert await take(store, 100, failures_max=3) is CodeVerdict.ACCEPTED


async def test_a_confirmed_or_locked_one_is_not_replaced(store: Store) -> None:
    """Only what was never confirmed and is not locked makes room for another."""
    second = replace(NEW, authenticator_id="mfa_2")
    await store.authenticators.enroll(NEW)
    assert await store.authenticators.enroll(second)
    assert await take(store, 100) is CodeVerdict.GONE
    await take(store, None, "mfa_2", failures_max=1)
    assert not await store.authenticators.enroll(NEW)
    assert await store.authenticators.reset(USER, AUDIT)
    assert await store.authenticators.enroll(NEW)
    await take(store, 100)
    assert not await store.authenticators.enroll(second)
    assert not await store.authenticators.reset("nobody", AUDIT)
    assert not await store.authenticators.unlock("nobody", AUDIT)


async def test_of_codes_at_once_one_is_taken(store: Store, store_url: str) -> None:
    """Two stores that try the same steps at once: each step is taken once."""
    await store.authenticators.enroll(NEW)
    async with open_for_test(store_url) as other:
        for step in range(100, 120):
            tried = await asyncio.gather(*(take(each, step, failures_max=100) for each in (store, other, store, other)))
            assert tried.count(CodeVerdict.ACCEPTED) == 1


async def test_the_secret_is_sealed_for_its_user(store: Store, store_url: str) -> None:
    """The database never holds the secret readable; another user's row does not open with it."""
    await store.authenticators.enroll(NEW)
    async with open_for_test(store_url) as other:
        rows = await other._reader.query(ALL, lambda db: db.execute(text("SELECT * FROM mfa_authenticators")).all())
        assert SECRET not in str(rows)
        moved = text("UPDATE mfa_authenticators SET authenticator_id = 'mfa_9'")
        await store._writer.run(ALL, lambda db: db.execute(moved) and None)
        with pytest.raises(GatewayError) as caught:
            await other.authenticators.get(USER)
    assert caught.value.reason is Reason.MFA_NOT_ENROLLED
    assert SECRET not in f"{caught.value!r}"
