import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.model.errors import GatewayError, NotFound, Reason
from brokergw.model.lifecycle import State
from brokergw.ports.journal import (
    ClientOrderIdTaken,
    Commit,
    Committed,
    Decision,
    FillKnown,
    KeyTaken,
    Stale,
)
from brokergw.store import Store
from tests.conformance.store.making import (
    ACCOUNT,
    MINE,
    OTHER_ACCOUNT,
    START_NS,
    USER,
    a_fill,
    about,
    add_accounts,
    admit,
    an_order,
    change,
    claim_of,
    committed,
    executed,
    filled,
    in_one_batch,
    log_of,
    scope_of,
    settle,
    told,
)


@pytest.fixture(autouse=True)
async def _accounts(store: Store) -> None:
    await add_accounts(store)


async def nothing_of(store: Store, unit: Commit) -> bool:
    """Tell whether a unit left nothing behind."""
    orders = [await store.journal.order(MINE, order.order_id) for order in unit.inserts]
    fills = [await store.journal.fill(USER, fill.fill_id) for fill in unit.fills]
    return not any(orders) and not any(fills)


async def test_taken_key_is_refused_with_its_record(store: Store) -> None:
    """A second claim gets the first one's record, decision included, and leaves nothing behind."""
    first, second = an_order(), an_order()
    second = replace(second, idempotency_key=first.idempotency_key)
    await committed(store, admit(first))
    undecided = await store.journal.commit(admit(second))
    await committed(store, settle(first))
    decided = await store.journal.commit(admit(second))

    assert isinstance(undecided, KeyTaken)
    assert undecided.record.decision == ""
    assert undecided.record.decision_time_ns is None
    assert isinstance(decided, KeyTaken)
    assert decided.record.subject == first.order_id
    assert decided.record.fingerprint == "print"
    assert decided.record.claim_time_ns == START_NS
    assert decided.record.decision == '{"state":"FILLED"}'
    assert decided.record == await store.journal.key_of(scope_of(first))
    assert await nothing_of(store, admit(second))
    assert await log_of(store) == [1, 2, 3, 4]


async def test_same_key_means_another_for_another_user_or_method(store: Store) -> None:
    """A key belongs to its user and method only."""
    order = an_order()
    scope = scope_of(order)
    claim = claim_of(order)
    for other in (scope, replace(scope, user_id="usr_2"), replace(scope, method="CancelOrder")):
        await committed(store, Commit(claim=replace(claim, scope=other)))


@pytest.mark.parametrize("field", ["client_order_id", "broker_client_order_id", "order_id"])
async def test_used_id_of_an_order_is_refused(store: Store, field: str) -> None:
    """An order whose id, client order id or broker-level id is in use is refused with the id of its owner."""
    first = an_order(client_order_id="mine")
    second = replace(an_order(), **{field: getattr(first, field)})
    await committed(store, admit(first))
    assert await store.journal.commit(admit(second)) == ClientOrderIdTaken(first.order_id)
    assert await store.journal.key_of(scope_of(second)) is None
    assert await log_of(store) == [1]


async def test_used_broker_order_id_is_refused(store: Store) -> None:
    """A broker order id belongs to one order: neither an insert nor an update may claim another's."""
    owner, rival = an_order(broker_order_ids=("b1", "b2")), an_order()
    await committed(store, admit(owner))
    await committed(store, admit(rival))
    adopted = an_order(broker_order_ids=("b2",), external=True)
    renamed = rival.next(START_NS, broker_order_ids=("b1",))
    assert await store.journal.commit(told(Commit(inserts=(adopted,)))) == ClientOrderIdTaken(owner.order_id)
    assert await store.journal.commit(change(renamed)) == ClientOrderIdTaken(owner.order_id)
    assert await store.journal.order(MINE, rival.order_id) == rival


async def test_ids_are_unique_within_their_account_only(store: Store) -> None:
    """Another account may use the same client order id, broker-level id and broker order id."""
    ids = {"client_order_id": "mine", "broker_client_order_id": "sent", "broker_order_ids": ("b1",)}
    await committed(store, admit(an_order(ACCOUNT, **ids)))
    await committed(store, admit(an_order(OTHER_ACCOUNT, **ids)))


async def test_empty_client_order_ids_do_not_clash(store: Store) -> None:
    """Orders without a client order id or a broker-level id are no rivals."""
    for _ in range(3):
        await committed(store, admit(an_order(client_order_id="", broker_client_order_id="")))


async def test_update_of_a_version_that_has_passed_is_stale(store: Store) -> None:
    """An update that does not replace exactly the present version is refused with the order as it stands."""
    order = an_order()
    await committed(store, admit(order))
    present = order.next(START_NS + 1, state=State.WORKING, broker_order_ids=("b1",))
    await committed(store, change(present))
    late = order.next(START_NS + 2, state=State.IN_DOUBT)
    early = replace(present.next(START_NS + 3), version=4)
    for update in (late, early):
        unit = change(update, fills=(a_fill(order, "e"),))
        assert await store.journal.commit(unit) == Stale(present)
        assert await nothing_of(store, unit)
    assert await log_of(store) == [1, 2]


async def test_unit_about_an_unknown_order_is_an_error(store: Store) -> None:
    """An update or a fill of an order that was never inserted, or is another account's, raises ORDER_NOT_FOUND."""
    known = an_order()
    await committed(store, admit(known))
    for unit in (
        change(an_order().next(START_NS)),
        change(replace(known.next(START_NS), account_id=OTHER_ACCOUNT)),
        executed(a_fill(an_order(), "e1")),
    ):
        with pytest.raises(NotFound) as refused:
            await store.journal.commit(unit)
        assert refused.value.reason is Reason.ORDER_NOT_FOUND


async def test_known_fill_refuses_the_whole_unit(store: Store) -> None:
    """A fill that is on the record takes its unit's update and events down with it."""
    order = an_order()
    await committed(store, admit(order))
    await committed(store, settle(order))
    after = await store.journal.order(MINE, order.order_id)
    assert after is not None
    again = a_fill(order, f"execution-{order.order_id}")
    fresh = a_fill(order, "fresh")
    later = after.next(START_NS + 9, late_fill=True)
    unit = change(later, fills=(fresh, again), events=(about(fresh),))
    assert await store.journal.commit(unit) == FillKnown(again.fill_id)
    assert await store.journal.order(MINE, order.order_id) == after
    assert await store.journal.fill(USER, fresh.fill_id) is None
    assert await log_of(store) == [1, 2, 3, 4]


async def test_first_failed_check_names_the_refusal(store: Store) -> None:
    """Key, then inserts, then updates, then fills: the refusal is that of the first check that fails."""
    known = an_order(client_order_id="mine")
    await committed(store, admit(known))
    await committed(store, settle(known))
    clash = an_order(client_order_id="mine")
    stale = known.next(START_NS)
    again = a_fill(known, f"execution-{known.order_id}")
    unit = told(Commit(claim=claim_of(known), inserts=(clash,), updates=(stale,), fills=(again,)))
    without_claim = replace(unit, claim=None)
    without_inserts = replace(without_claim, inserts=())
    units = (unit, without_claim, without_inserts, replace(without_inserts, updates=()))
    seen = [type(await store.journal.commit(each)) for each in units]
    assert seen == [KeyTaken, ClientOrderIdTaken, Stale, FillKnown]


async def test_neighbours_of_refused_units_go_through(store: Store) -> None:
    """In one batch with every kind of refusal and error, each good unit is committed and gets its sequences."""
    known = an_order(client_order_id="mine")
    await committed(store, admit(known))
    await committed(store, settle(known))
    before = await log_of(store)
    good = [an_order() for _ in range(5)]
    bad = [
        admit(replace(an_order(), idempotency_key=known.idempotency_key)),
        admit(an_order(client_order_id="mine")),
        change(known.next(START_NS)),
        executed(a_fill(known, f"execution-{known.order_id}"), events=(about(known),)),
        change(an_order().next(START_NS)),
        admit(an_order("acc_unknown")),
    ]
    mixed = [unit for pair in zip([*map(admit, good), admit(an_order())], bad, strict=True) for unit in pair]
    results = await in_one_batch(store, *mixed)

    assert all(isinstance(result, Committed) for result in results[::2])
    assert [type(result) for result in results[1::2]] == [
        KeyTaken,
        ClientOrderIdTaken,
        Stale,
        FillKnown,
        NotFound,
        GatewayError,
    ]
    sequences = [event.sequence for result in results[::2] if isinstance(result, Committed) for event in result.events]
    assert sequences == [before[-1] + n for n in range(1, 7)]
    assert [await store.journal.order(MINE, order.order_id) for order in good] == good


async def test_units_of_one_batch_see_each_other(store: Store) -> None:
    """Units that touch the same key, order, id or fill in one batch behave as if run one after another."""
    order, rival = an_order(client_order_id="mine"), an_order(client_order_id="mine")
    same_key = replace(an_order(), idempotency_key=order.idempotency_key)
    working = order.next(START_NS + 1, state=State.WORKING, broker_order_ids=("b1",))
    late = order.next(START_NS + 1, state=State.IN_DOUBT)
    partial = working.next(START_NS + 2, state=State.PARTIAL, cum_quantity=Decimal(4))
    fill = a_fill(partial, "e1")
    results = await in_one_batch(
        store,
        admit(order),
        admit(same_key),
        admit(rival),
        change(working),
        change(late),
        change(partial, fills=(fill,), events=(about(fill),)),
        executed(fill, events=(about(fill),)),
        Commit(decision=Decision(scope_of(order), "{}", START_NS + 3)),
        told(Commit(inserts=(an_order(broker_order_ids=("b1",)),))),
        admit(same_key),
    )
    kinds = [type(result) for result in results]
    assert kinds == [
        Committed,
        KeyTaken,
        ClientOrderIdTaken,
        Committed,
        Stale,
        Committed,
        FillKnown,
        Committed,
        ClientOrderIdTaken,
        KeyTaken,
    ]
    assert results[4] == Stale(working)
    assert results[9] == KeyTaken(await store.journal.key_of(scope_of(order)))  # type: ignore[arg-type]
    assert await store.journal.order(MINE, order.order_id) == partial
    assert await log_of(store) == [1, 2, 3, 4]


async def test_refused_unit_of_a_batch_frees_what_it_asked_for(store: Store) -> None:
    """What a refused unit would have taken is still free for the unit after it in the same batch."""
    known = an_order(client_order_id="mine")
    await committed(store, admit(known))
    wanted = an_order(broker_order_ids=("b1",))
    unit = admit(wanted)
    fill = a_fill(wanted, "e1")
    spoiled = told(replace(unit, inserts=(wanted, an_order(client_order_id="mine")), events=()))
    results = await in_one_batch(store, spoiled, unit, executed(fill), executed(fill))
    assert [type(result) for result in results] == [ClientOrderIdTaken, Committed, Committed, FillKnown]


async def test_renamed_order_is_found_by_its_new_ids(store: Store) -> None:
    """A change that makes a new generation at the broker leaves the order findable by all its broker order ids."""
    order = an_order(broker_order_ids=("b1",))
    await committed(store, admit(order))
    renamed = order.next(START_NS, broker_order_ids=("b1", "b2"), broker_client_order_id="sent-again")
    await committed(store, change(renamed))
    find = store.journal.order_by_broker_id
    assert [await find(USER, ACCOUNT, *ids) for ids in (("b1", ""), ("b2", ""), ("", "sent-again"))] == [renamed] * 3
    assert await find(USER, ACCOUNT, "", order.broker_client_order_id) is None
    assert await find(USER, OTHER_ACCOUNT, "b1", "sent-again") is None


async def test_text_no_database_can_hold_does_not_lose_an_order(store: Store) -> None:
    """A broker's message with NUL or half a surrogate pair is stored with replacement characters."""
    order = an_order()
    after = order.next(START_NS, state=State.REJECTED_BY_BROKER, broker_message="no\x00t \ud800 tödäy 🙂")
    await committed(store, admit(order))
    await committed(store, change(after))
    stored = await store.journal.order(MINE, order.order_id)
    assert stored == replace(after, broker_message="no\ufffdt \ufffd tödäy 🙂")


async def test_unwritable_unit_fails_alone(store: Store) -> None:
    """A unit whose id no database can hold is refused as JOURNAL_UNAVAILABLE, and its neighbours are committed."""
    before, after = an_order(), an_order()
    results = await in_one_batch(store, admit(before), admit(an_order(strategy_id="\ud800")), admit(after))
    assert isinstance(results[0], Committed)
    assert isinstance(results[1], GatewayError)
    assert results[1].reason is Reason.JOURNAL_UNAVAILABLE
    assert isinstance(results[2], Committed)
    assert await log_of(store) == [1, 2]


async def test_unknown_account_is_refused(store: Store) -> None:
    """An event or an order of an account that no connection has brought is refused and leaves nothing behind."""
    order = an_order("acc_unknown")
    for unit in (admit(order), told(Commit(inserts=(order,))), Commit(events=(about(order),))):
        with pytest.raises(GatewayError) as refused:
            await store.journal.commit(unit)
        assert refused.value.reason is Reason.JOURNAL_UNAVAILABLE
    assert await store.journal.order(MINE, order.order_id) is None


async def test_decision_without_a_claim_is_refused(store: Store) -> None:
    """A decision for a key that nobody claimed is an error, not silence."""
    with pytest.raises(GatewayError) as refused:
        await store.journal.commit(Commit(decision=Decision(scope_of(an_order()), "{}", START_NS)))
    assert refused.value.reason is Reason.JOURNAL_UNAVAILABLE


async def test_caller_who_leaves_does_not_stop_its_commit(store: Store) -> None:
    """A commit whose caller was cancelled becomes durable all the same, and the writer goes on."""
    order = an_order()
    task = asyncio.ensure_future(store.journal.commit(admit(order)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    after, fill = filled(order, "e1")
    await committed(store, change(after, fills=(fill,)))
