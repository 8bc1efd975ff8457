"""What the first answer to a command comes to: Accepted, Rejected, NotSent or Unknown."""

from dataclasses import replace

from brokergw.adapters.ctrader.errors import judged
from brokergw.adapters.ctrader.messages import ERRORS, Kind
from brokergw.adapters.ctrader.payloads import Message, optional_text
from brokergw.adapters.ctrader.reader import Reader
from brokergw.model.errors import GatewayError
from brokergw.model.outcome import Accepted, BrokerOrder, Outcome, Rejected, Unknown
from brokergw.transport.answers import NOT_FOUND, Refusal, Verdict
from brokergw.transport.outcomes import taken_with
from brokergw.transport.rows import Row, Unusable, int64, optional_int64

_REJECTED, _CANCEL_REJECTED = 7, 8
_ORDER_EVENTS = frozenset({2, 3, 4, 5, 6, 11})


def of_refusal(refusal: Refusal) -> Outcome:
    """Judge a refusal; only what the table names is definitive."""
    unclear = f"error {refusal.code} {refusal.message}"
    return refusal.outcome("cTrader", retry_after_s=refusal.retry_after_s or 1.0, unclear=unclear)


def refusal_of(message: Message) -> Refusal | None:
    """Give the refusal that a message is, if it is one; a rejection without a known code is one all the same."""
    if message.kind in ERRORS:
        return judged(message.payload)
    if message.kind != Kind.EXECUTION_EVENT:
        return None
    code = optional_text(message.payload, "errorCode")
    happened = optional_int64(message.payload, "executionType")
    if not code and happened not in {_REJECTED, _CANCEL_REJECTED}:
        return None
    refusal = judged(message.payload)
    if refusal.verdict is Verdict.UNKNOWN and happened in {_REJECTED, _CANCEL_REJECTED}:
        return Refusal(Verdict.REFUSED, "REJECTED", refusal.code, refusal.message)
    return refusal


def event_order(message: Message) -> Row:
    """Give the order that an execution event tells of; raises Unusable."""
    if message.kind != Kind.EXECUTION_EVENT:
        raise Unusable(f"message {message.kind} is no execution event")
    if int64(message.payload, "executionType") not in _ORDER_EVENTS:
        raise Unusable("field executionType tells of no order")
    order = message.payload.get("order")
    if not isinstance(order, dict):
        raise Unusable("field order is missing")
    return order


async def of_order(
    message: Message, reader: Reader, *, client_order_id: str = "", order_id: str = "", replaced: str = ""
) -> Outcome:
    """Judge the answer to a command about one order; an answer about another order proves nothing about ours.

    With `replaced` the order may have another id than it had.
    """
    try:
        refusal = refusal_of(message)
        if refusal is not None:
            return of_refusal(refusal)
        order = await reader.order(event_order(message))
    except Unusable as error:
        return Unknown(f"the answer is unusable: {error}")
    except GatewayError as error:
        return Unknown(f"the answer cannot be read: {error.message}")
    if client_order_id and order.client_order_id != client_order_id:
        return Unknown("the answer is about another client order id")
    if order_id and order.broker_order_id != order_id:
        return Unknown("the answer is about another order")
    if replaced and order.broker_order_id != replaced:
        order = replace(order, replaces=replaced)
    return await _with_fills(message, order, reader)


def is_gone(outcome: Outcome) -> bool:
    """Tell whether what was to be ended has ended already."""
    return isinstance(outcome, Rejected) and outcome.reason == NOT_FOUND


async def _with_fills(message: Message, order: BrokerOrder, reader: Reader) -> Accepted:
    """Give an order with the execution that the answer tells of."""
    deal = message.payload.get("deal")
    return await taken_with(order, lambda: reader.fills([deal] if isinstance(deal, dict) else []))
