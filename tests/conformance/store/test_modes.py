"""Users' modes on both databases: what is written together, and how others learn of it."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, select

from brokergw.model.account import Environment
from brokergw.model.errors import GatewayError, Reason
from brokergw.model.events import AuditRow
from brokergw.model.lifecycle import State
from brokergw.model.mfa import Authenticator
from brokergw.model.modes import Acknowledgement, ModeBinding, PaperHistory, Standing
from brokergw.store import Store
from brokergw.store.audit.chain import OPENED
from brokergw.store.tables import AUDIT as AUDIT_LOG
from brokergw.store.tables import USER_MODES
from tests.conformance.store.making import (
    ALL,
    START_NS,
    USER,
    a_fill,
    add_accounts,
    admit,
    an_order,
    change,
    connection_for,
)
from tests.fixtures.stores import open_for_test

MOCK, PAPER, LIVE = Environment.MOCK, Environment.PAPER, Environment.LIVE
ROW = AuditRow(time_ns=START_NS, request_id="req", user_id=USER, key_id="key", action="mode.set", outcome="OK")
READ = Acknowledgement(version="1", text_hash="aa", time_ns=START_NS, key_id="key", request_id="req")
AUTHENTICATOR = Authenticator(user_id=USER, authenticator_id="mfa_1", secret="JBSWY3DP", enroll_time_ns=START_NS)


@pytest.fixture(autouse=True)
async def _user(store: Store) -> None:
    await add_accounts(store)


async def set_to(store: Store, user_id: str = USER, **changes: Any) -> Standing:
    """Change how a user stands."""
    return await store.modes.change(user_id, lambda before: replace(before, **changes), ROW)


async def audited(store: Store) -> int:
    """Count the audit rows."""
    wanted = select(func.count()).select_from(AUDIT_LOG).where(AUDIT_LOG.c.action != OPENED)
    counted = await store._reader.query(ALL, lambda db: db.scalar(wanted))
    return int(counted or 0)


async def test_a_standing_comes_back_as_it_was_written(store: Store, store_url: str) -> None:
    """Mode, grant, escalation, bindings, acknowledgements and the second factor's part, also for other processes."""
    assert await store.modes.get(USER) == Standing(user_id=USER)
    bindings = (
        ModeBinding(account_id="acc_1", strategy_id="", mode=PAPER, set_time_ns=START_NS),
        ModeBinding(account_id="acc_1", strategy_id="alpha", mode=LIVE, set_time_ns=START_NS + 1),
    )
    await set_to(store, mode=LIVE, grant_by="root", grant_time_ns=7, live_risk_version="1", bindings=bindings)
    await store.modes.acknowledge(USER, READ, ROW)
    await store.authenticators.enroll(AUTHENTICATOR)
    await store.authenticators.take_code(USER, "mfa_1", 100, START_NS + 9, 10)
    expected = Standing(
        user_id=USER,
        mode=LIVE,
        grant_by="root",
        grant_time_ns=7,
        live_risk_version="1",
        bindings=bindings,
        acknowledged=("1",),
        mfa_confirmed=True,
        code_time_ns=START_NS + 9,
    )
    assert await store.modes.get(USER) == expected
    async with open_for_test(store_url) as other:
        assert (await other.modes.changed_since(0))[1] == [expected]


async def test_every_change_is_told_once(store: Store) -> None:
    """Whoever asks from the last number on hears of each user that changed since, by whatever write."""
    await add_accounts(store, "acc_3", user_id="usr_2")
    change, changed = await store.modes.changed_since(0)
    assert (change, list(changed)) == (0, [])
    await set_to(store, mode=PAPER)
    await set_to(store, "usr_2", mode=PAPER)
    change, changed = await store.modes.changed_since(change)
    assert {each.user_id for each in changed} == {USER, "usr_2"}
    assert (await store.modes.changed_since(change)) == (change, ())
    for write in (
        lambda: store.modes.acknowledge(USER, READ, ROW),
        lambda: store.authenticators.enroll(AUTHENTICATOR),
        lambda: store.authenticators.take_code(USER, "mfa_1", 100, START_NS, 10),
        lambda: store.authenticators.unlock(USER, ROW),
        lambda: store.authenticators.reset(USER, ROW),
    ):
        await write()
        newer, changed = await store.modes.changed_since(change)
        assert newer > change
        assert [each.user_id for each in changed] == [USER]
        change = newer


async def test_a_step_that_raises_changes_nothing(store: Store) -> None:
    """Neither the standing nor the audit; the error reaches the caller."""

    def refuse(before: Standing) -> Standing:
        raise GatewayError(Reason.LIVE_NOT_GRANTED, "no grant")

    await set_to(store, mode=PAPER)
    before = await audited(store)
    with pytest.raises(GatewayError) as caught:
        await store.modes.change(USER, refuse, ROW)
    assert caught.value.reason is Reason.LIVE_NOT_GRANTED
    assert await audited(store) == before
    assert (await store.modes.get(USER)).mode is PAPER


async def test_changes_of_a_user_never_cross(store: Store, store_url: str) -> None:
    """Two processes that each add bindings at once lose none of them."""

    def adding(name: str) -> Any:
        binding = ModeBinding(account_id="", strategy_id=name, mode=PAPER, set_time_ns=1)
        return lambda before: before.bind(binding)

    async with open_for_test(store_url) as other:
        await asyncio.gather(*((store, other)[n % 2].modes.change(USER, adding(f"s{n}"), ROW) for n in range(20)))
    assert {each.strategy_id for each in (await store.modes.get(USER)).bindings} == {f"s{n}" for n in range(20)}
    numbers = await store._reader.query(ALL, lambda db: db.execute(select(USER_MODES.c.change)).scalars().all())
    assert len(numbers) == 1


async def test_nobody_s_mode_is_not_written(store: Store) -> None:
    """Writes for a user whom nobody knows are refused."""
    for write in (set_to(store, "nobody", mode=PAPER), store.modes.acknowledge("nobody", READ, ROW)):
        with pytest.raises(GatewayError) as caught:
            await write
        assert caught.value.reason is Reason.USER_NOT_FOUND


async def test_a_reset_authenticator_ends_live_in_the_same_transaction(store: Store) -> None:
    """Mode and bindings fall to paper with it, and the audit tells."""
    binding = ModeBinding(account_id="acc_1", strategy_id="", mode=LIVE, set_time_ns=START_NS)
    await set_to(store, mode=LIVE, live_risk_version="1", bindings=(binding,))
    await store.authenticators.enroll(AUTHENTICATOR)
    before = await audited(store)
    assert await store.authenticators.reset(USER, ROW)
    standing = await store.modes.get(USER)
    assert (standing.mode, standing.live_risk_version) == (PAPER, "")
    assert standing.bindings == (replace(binding, mode=PAPER),)
    assert await audited(store) == before + 1


async def test_a_text_is_acknowledged_once(store: Store) -> None:
    """The first acknowledgement of a version is the one on record."""
    await store.modes.acknowledge(USER, READ, ROW)
    await store.modes.acknowledge(USER, replace(READ, time_ns=START_NS + 5), ROW)
    standing = await store.modes.acknowledge(USER, replace(READ, version="2"), ROW)
    assert standing.acknowledged == ("1", "2")
    assert await audited(store) == 2


async def test_only_fills_on_paper_are_paper_history(store: Store) -> None:
    """Orders that filled on paper count once each, and so do the days; those of other environments and users do not."""
    await store.connections.add(connection_for("paper", environment=PAPER), None)
    await store.connections.add(connection_for("real", environment=LIVE), None)
    await store.connections.add(connection_for("foreign", user_id="usr_2", environment=PAPER), None)
    day_ns = 86_400_000_000_000
    midnight_ns = START_NS // day_ns * day_ns
    assert await store.modes.paper_history(USER) == PaperHistory(orders=0, days=0)
    for number, (account, user_id, time_ns, executions) in enumerate(
        (
            ("paper", USER, midnight_ns, 2),
            ("paper", USER, midnight_ns + day_ns - 1, 1),
            ("paper", USER, midnight_ns + day_ns, 1),
            ("paper", USER, midnight_ns, 0),
            ("real", USER, midnight_ns + 5 * day_ns, 1),
            ("acc_1", USER, midnight_ns + 6 * day_ns, 1),
            ("foreign", "usr_2", midnight_ns + 7 * day_ns, 1),
        )
    ):
        order = an_order(account, user_id=user_id)
        await store.journal.commit(admit(order))
        fills = [a_fill(order, f"e{number}.{n}", trade_time_ns=time_ns) for n in range(executions)]
        await store.journal.commit(change(order.next(START_NS, state=State.WORKING), fills=tuple(fills)))
    assert await store.modes.paper_history(USER) == PaperHistory(orders=3, days=2)
