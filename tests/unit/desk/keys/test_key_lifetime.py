"""What becomes of an idempotency key with time: answered, retired, forgotten, and refused by its own date."""

import itertools
import uuid

import pytest

from brokergw.client.keys import new_idempotency_key
from brokergw.model.commands import CloseAll, KeyedCommand, SubmitOrder
from brokergw.model.errors import GatewayError, InvalidRequest, PreflightDenied, Reason
from brokergw.model.ids import key_time_ns
from brokergw.model.lifecycle import State
from brokergw.model.outcome import Accepted, Outcome
from brokergw.model.terms import OrderTerms
from tests.fixtures.clock import START_NS
from tests.fixtures.scripted_broker import Bench, D, broker_order

HOUR_S = 3600
DAY_S = 24 * HOUR_S
DAY_NS = DAY_S * 1_000_000_000


async def answer_ended(client_id: str, terms: OrderTerms) -> Outcome:
    """Answer with an order that has ended already."""
    return Accepted(broker_order(client_id, terms, State.CANCELED))


def key_made_at(time_ns: int) -> str:
    """Make a key that carries a date."""
    return new_idempotency_key(lambda: time_ns)


async def refusal(bench: Bench, command: KeyedCommand) -> GatewayError:
    """Ask what a command's key stands for, and give the refusal."""
    with pytest.raises(GatewayError) as caught:
        await bench.desk.recall(bench.caller, command)
    return caught.value


async def later(bench: Bench, days: float) -> None:
    """Let days pass, and the round of retention that follows."""
    bench.clock.advance(days * DAY_S)
    await bench.clock.pass_time(HOUR_S + 70)


def test_a_key_of_version_7_carries_its_date_and_one_of_version_4_does_not() -> None:
    """The date is exact to the millisecond, whatever the case of the key's digits."""
    assert key_time_ns(key_made_at(START_NS)) == START_NS
    assert key_time_ns(key_made_at(START_NS).upper()) == START_NS
    assert key_time_ns(str(uuid.uuid4())) is None


async def test_a_key_answers_for_thirty_days_and_then_says_that_it_is_expired(bench: Bench) -> None:
    """The replay stays for the retention; afterwards the key places nothing, and names its order."""
    bench.broker.submit = answer_ended
    command = bench.order()
    order = (await bench.submit(command)).order
    await later(bench, 29)
    assert (await bench.submit(command)).replayed
    await later(bench, 1)
    expired = await refusal(bench, command)
    assert (expired.reason, expired.order_id) == (Reason.IDEMPOTENCY_KEY_EXPIRED, order.order_id)
    assert len(bench.broker.sent) == 1


async def test_another_request_under_an_expired_key_is_told_the_same(bench: Bench) -> None:
    """What a retired key was used for is no longer known, so no request is told apart from another."""
    bench.broker.submit = answer_ended
    first = bench.order()
    await bench.submit(first)
    await later(bench, 31)
    expired = await refusal(bench, bench.order(first.idempotency_key, quantity=D(3)))
    assert expired.reason is Reason.IDEMPOTENCY_KEY_EXPIRED


async def test_the_key_of_an_open_order_does_not_expire(bench: Bench) -> None:
    """As long as its order lives a key is answered, however old it is."""
    command = bench.order()
    await bench.submit(command)
    await later(bench, 90)
    assert (await bench.submit(command)).order.state is State.WORKING


async def test_an_expired_key_is_forgotten_in_the_end(bench: Bench) -> None:
    """After the tombstone's days the key is as fresh as one that was never used."""
    bench.broker.submit = answer_ended
    command = bench.order()
    await bench.submit(command)
    await later(bench, 31)
    await later(bench, 368)
    assert (await refusal(bench, command)).reason is Reason.IDEMPOTENCY_KEY_EXPIRED
    await later(bench, 2)
    assert await bench.desk.recall(bench.caller, command) is None


@pytest.mark.parametrize("kind", ["submit", "denied submit", "close all"])
async def test_admission_refuses_an_expired_key_as_the_question_before_it_does(bench: Bench, kind: str) -> None:
    """A key that expires between the question and the claim places nothing, whichever verb it is for."""
    bench.broker.submit = answer_ended
    command = bench.order()
    closing = CloseAll(idempotency_key=str(uuid.uuid4()))
    await bench.submit(command)
    await bench.desk.close_all(bench.caller, closing)
    await retire_everything(bench)
    if kind == "denied submit":
        bench.broker.buying_power = D(1)
    with pytest.raises(GatewayError) as caught:
        await (bench.desk.close_all(bench.caller, closing) if kind == "close all" else place(bench, command))
    assert not isinstance(caught.value, PreflightDenied)
    assert caught.value.reason is Reason.IDEMPOTENCY_KEY_EXPIRED
    assert len(bench.broker.sent) == 1


async def place(bench: Bench, command: SubmitOrder) -> object:
    """Take an order through gates and admission, without the question about its key."""
    cleared = await bench.desk.clear(bench.caller, command)
    return await bench.desk.submit(bench.caller, cleared)  # type: ignore[arg-type]


async def retire_everything(bench: Bench) -> None:
    """Retire every key at once, those of open orders too."""
    for order_id, order in list(bench.journal.by_id.items()):
        bench.journal.by_id[order_id] = order.next(order.update_time_ns, state=State.CANCELED)
    await bench.journal.retire_keys(bench.clock.now_ns() + 1, 1_000)


async def test_a_key_older_than_answers_are_kept_is_refused_by_its_own_date(bench: Bench) -> None:
    """A key of version 7 says when it was made; the record need not be asked, and a forgotten one stays refused."""
    old = bench.order(key_made_at(START_NS - 31 * DAY_NS))
    expired = await refusal(bench, old)
    assert (expired.reason, expired.order_id) == (Reason.IDEMPOTENCY_KEY_EXPIRED, None)
    fresh = bench.order(key_made_at(START_NS - 29 * DAY_NS))
    assert await bench.desk.recall(bench.caller, fresh) is None


async def test_a_key_from_the_future_is_malformed(bench: Bench) -> None:
    """A day of difference between clocks is forgiven; more would outlive the retention."""
    with pytest.raises(InvalidRequest) as caught:
        await bench.desk.recall(bench.caller, bench.order(key_made_at(START_NS + DAY_NS + 1_000_000)))
    assert caught.value.reason is Reason.IDEMPOTENCY_KEY_INVALID
    assert await bench.desk.recall(bench.caller, bench.order(key_made_at(START_NS + DAY_NS))) is None


async def test_old_keys_are_let_go_in_batches_with_room_between(bench: Bench) -> None:
    """Twelve hundred old keys take three steps, a second apart, so that orders come between."""
    steps: list[float] = []
    retire = bench.journal.retire_keys

    async def counted(claimed_before_ns: int, limit: int) -> int:
        steps.append(bench.clock.monotonic())
        done = await retire(claimed_before_ns, limit) if len(steps) > 2 else limit
        assert limit == 500
        return done

    bench.journal.retire_keys = counted  # type: ignore[method-assign]
    await bench.clock.pass_time(70)
    assert len(steps) == 3
    assert [round(after - before) for before, after in itertools.pairwise(steps)] == [1, 1]
