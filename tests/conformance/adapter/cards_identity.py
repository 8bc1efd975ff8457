"""Cards about client order ids: one id is one order, and the order can be found by it."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from brokergw.model.capability import Feature
from brokergw.model.errors import GatewayError
from brokergw.model.outcome import Absent, Accepted, Found, Inconclusive, Rejected
from brokergw.ports.broker import BrokerAdapter
from tests.conformance.adapter.bench import Ability, Bench, Mishap
from tests.conformance.adapter.card import card
from tests.conformance.adapter.steps import accepted, market, new_id, place, rejected, resting, show
from tests.fixtures.permits import permit


@card("C42", Ability.UNIQUE_IDS)
async def same_id_same_order(bench: Bench, broker: BrokerAdapter) -> None:
    """Sent twice under one id, an order exists once: the second answer is that order, or a refusal as duplicate."""
    client_order_id, terms = new_id(), resting(bench.stock)
    first = accepted(await broker.submit_order(permit(client_order_id), terms))
    match await broker.submit_order(permit(client_order_id), terms):
        case Accepted(order):
            assert order is not None
            assert order.broker_order_id == first.broker_order_id
        case outcome:
            rejected(outcome, "DUPLICATE_CLIENT_ID")
    assert bench.at_broker(client_order_id) == 1


@card("C43", Ability.UNIQUE_IDS)
async def same_id_other_order(bench: Bench, broker: BrokerAdapter) -> None:
    """Another order under a used id is refused, and the first one stays as it was."""
    client_order_id, terms = new_id(), resting(bench.stock)
    first = accepted(await broker.submit_order(permit(client_order_id), terms))
    other = replace(terms, quantity=Decimal(11))
    rejected(await broker.submit_order(permit(client_order_id), other), "DUPLICATE_CLIENT_ID")
    assert bench.at_broker(client_order_id) == 1
    assert (await show(broker, first.broker_order_id)).terms == terms


@card("C44", Ability.UNIQUE_IDS)
async def same_id_at_once(bench: Bench, broker: BrokerAdapter) -> None:
    """Ten copies sent at the same time under one id leave one order, and no copy claims another."""
    client_order_id, terms = new_id(), resting(bench.stock)
    outcomes = await asyncio.gather(*(broker.submit_order(permit(client_order_id), terms) for _ in range(10)))
    ids = {outcome.order.broker_order_id for outcome in outcomes if isinstance(outcome, Accepted) and outcome.order}
    assert len(ids) == 1
    assert all(isinstance(outcome, Accepted | Rejected) for outcome in outcomes)
    assert bench.at_broker(client_order_id) == 1


@card("C45", Ability.UNIQUE_IDS)
async def same_id_after_the_end(bench: Bench, broker: BrokerAdapter) -> None:
    """The id of an order that has ended stays used."""
    client_order_id, terms = new_id(), resting(bench.stock)
    order = accepted(await broker.submit_order(permit(client_order_id), terms))
    await broker.cancel_order(order.broker_order_id)
    outcome = await broker.submit_order(permit(client_order_id), replace(terms, quantity=Decimal(11)))
    rejected(outcome, "DUPLICATE_CLIENT_ID")
    assert bench.at_broker(client_order_id) == 1


@card("C46", Feature.FIND_BY_CLIENT_ORDER_ID)
async def find_present(bench: Bench, broker: BrokerAdapter) -> None:
    """An order is found by its client order id, whole."""
    client_order_id, terms = new_id(), resting(bench.stock)
    order = accepted(await broker.submit_order(permit(client_order_id), terms))
    lookup = await broker.find_order(client_order_id)
    assert isinstance(lookup, Found)
    assert lookup.order.broker_order_id == order.broker_order_id
    assert lookup.order.client_order_id == client_order_id
    assert lookup.order.terms == terms


@card("C47", Feature.FIND_BY_CLIENT_ORDER_ID)
async def find_absent(bench: Bench, broker: BrokerAdapter) -> None:
    """An id that was never sent is definitively absent."""
    await place(broker, market(bench.stock))
    assert await broker.find_order(new_id()) == Absent()


@card("C48", Feature.FIND_BY_CLIENT_ORDER_ID, Ability.NETWORK)
async def find_while_down(bench: Bench, broker: BrokerAdapter) -> None:
    """While the broker cannot be reached, a look-up says nothing about the order."""
    client_order_id = new_id()
    accepted(await broker.submit_order(permit(client_order_id), resting(bench.stock)))
    unreachable = bench.open_unreachable()
    assert isinstance(await unreachable.find_order(client_order_id), Inconclusive)
    assert isinstance(await unreachable.get_order("any"), Inconclusive)
    await unreachable.disconnect()


@card("C49")
async def get_by_broker_id(bench: Bench, broker: BrokerAdapter) -> None:
    """The broker's own id finds the order, and an id the broker never gave finds none."""
    order = await place(broker, resting(bench.stock))
    assert (await show(broker, order.broker_order_id)).client_order_id == order.client_order_id
    assert await broker.get_order(bench.missing) == Absent()


@card("C110", Feature.FIND_BY_CLIENT_ORDER_ID, Ability.NETWORK)
async def find_with_a_spoilt_answer(bench: Bench, broker: BrokerAdapter) -> None:
    """A look-up that ends in an error, in half a body or in silence says nothing about the order."""
    order = await place(broker, resting(bench.stock))
    for mishap in (Mishap.ERROR_BEFORE, Mishap.GARBLED_REPLY, Mishap.HANGING_REPLY):
        bench.mishap(mishap, method="GET")
        assert isinstance(await broker.find_order(order.client_order_id), Inconclusive), mishap
    assert isinstance(await broker.find_order(order.client_order_id), Found)


@card("C111", Feature.ORDER_HISTORY, Ability.NETWORK)
async def list_with_a_spoilt_answer(bench: Bench, broker: BrokerAdapter) -> None:
    """A listing that fails is an error, never a shorter list."""
    order = await place(broker, resting(bench.stock))
    for mishap in (Mishap.ERROR_BEFORE, Mishap.GARBLED_REPLY):
        bench.mishap(mishap, method="GET")
        with pytest.raises(GatewayError):
            await broker.get_open_orders()
        bench.mishap(mishap, method="GET")
        with pytest.raises(GatewayError):
            await broker.order_history(order.submit_time_ns - 1, order.submit_time_ns + 60_000_000_000)
    listed = await broker.get_open_orders()
    assert order.broker_order_id in {each.broker_order_id for each in listed}
