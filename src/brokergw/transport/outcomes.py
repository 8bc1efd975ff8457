"""What commands and look-ups come to beyond one answer: orders with their executions, duplicates, many as one."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace

from brokergw.model.errors import GatewayError
from brokergw.model.lifecycle import State
from brokergw.model.order import ZERO
from brokergw.model.outcome import (
    Absent,
    Accepted,
    BrokerFill,
    BrokerOrder,
    Found,
    Inconclusive,
    Lookup,
    NotSent,
    Outcome,
    Rejected,
    Unknown,
)


def before_fills(order: BrokerOrder) -> BrokerOrder:
    """Give an order as it was before it executed: a total without its executions would make them count twice."""
    return replace(order, state=State.ACKED, cum_quantity=ZERO, average_price=None)


def taken(order: BrokerOrder, fills: Sequence[BrokerFill] = ()) -> Accepted:
    """Give an order that was taken with its executions, if these are all of them.

    If they are not, it is given as it was before them, and the stream tells the rest.
    """
    if sum((fill.quantity for fill in fills), ZERO) == order.cum_quantity:
        return Accepted(order, tuple(fills))
    return Accepted(before_fills(order))


async def taken_with(order: BrokerOrder, fills: Callable[[], Awaitable[Sequence[BrokerFill]]]) -> Accepted:
    """Give an order that was taken, its executions asked for if it has any, which is rare: most answers come before."""
    if not order.cum_quantity:
        return Accepted(order)
    try:
        return taken(order, await fills())
    except GatewayError:
        return taken(order)


async def looked_up(order: Awaitable[BrokerOrder | None]) -> Lookup:
    """Make a look-up of an order that is asked for: one that fails says nothing about the order."""
    try:
        found = await order
    except GatewayError as error:
        return Inconclusive(error.message)
    return Absent() if found is None else Found(found)


def earlier(lookup: Lookup, broker: str) -> BrokerOrder | Unknown:
    """Give the order whose client order id a broker calls a duplicate of ours, by looking it up."""
    match lookup:
        case Found(order):
            return order
        case Inconclusive(why):
            return Unknown(f"{broker} calls the client order id a duplicate; looking it up failed: {why}")
        case _:
            return Unknown(f"{broker} calls the client order id a duplicate but does not find it")


def together(outcomes: Sequence[Outcome], gone: Collection[str] = ()) -> Outcome:
    """Make one outcome of several commands that were asked for as one.

    What is refused for a reason in `gone` has ended already, which is as good as done. Where some were done and some
    not, only a look tells what is left, so that is unknown.
    """
    left = [
        each
        for each in outcomes
        if not (isinstance(each, Accepted) or (isinstance(each, Rejected) and each.reason in gone))
    ]
    if not left:
        return Accepted()
    if len(left) == len(outcomes) and all(type(each) is type(left[0]) for each in left):
        return left[0]
    return Unknown(f"{len(left)} of {len(outcomes)} were not done: {_words(left[0])}")


def _words(outcome: Outcome) -> str:
    match outcome:
        case Rejected(reason, _, message):
            return f"{reason} {message}".rstrip()
        case NotSent(why) | Unknown(why):
            return why
        case _:
            return ""
