"""Requests that change something: orders, amendments, cancels, closes."""

from brokergw.sim.dialects.ctrader import terms
from brokergw.sim.dialects.ctrader.accounts import Account, Note
from brokergw.sim.dialects.ctrader.brokerage import Cause, volume_to_units
from brokergw.sim.dialects.ctrader.call import Answer, Call
from brokergw.sim.dialects.ctrader.refusals import invalid, order_error


def new_order(call: Call) -> Answer:
    """ProtoOANewOrderReq: execution events with the request's id."""
    account, brokerage = call.account, call.brokerage
    note = terms.note_of(call.body, brokerage.next_id(), brokerage.now_ms())
    brokerage.submit(account, note, _cause(call))
    return None


def amend_order(call: Call) -> Answer:
    """ProtoOAAmendOrderReq."""
    note = _working(call.account, call.body["orderId"])
    if call.body.get("expirationTimestamp", note.expires_ms) != note.expires_ms:
        raise invalid("another expiration is not part of this simulator")
    call.brokerage.amend(call.account, note, terms.amended(note, call.body, call.brokerage.now_ms()), _cause(call))
    return None


def cancel_order(call: Call) -> Answer:
    """ProtoOACancelOrderReq."""
    note = _working(call.account, call.body["orderId"])
    call.brokerage.cancel(call.account, note, _cause(call))
    return None


def close_position(call: Call) -> Answer:
    """ProtoOAClosePositionReq."""
    position_id = call.body["positionId"]
    held = call.account.book.open.get(position_id)
    if held is None:
        raise order_error("POSITION_NOT_FOUND", f"Position not found with id {position_id}", positionId=position_id)
    quantity = volume_to_units(call.body["volume"])
    if not 0 < quantity <= held.quantity:
        raise order_error("TRADING_BAD_VOLUME", "Volume is above the position's", positionId=position_id)
    call.brokerage.close(call.account, held, quantity, _cause(call))
    return None


def _working(account: Account, order_id: int) -> Note:
    note = account.notes.get(order_id)
    if note is None or note.shot is None or not note.shot.is_open:
        raise order_error("ORDER_NOT_FOUND", f"Order not found with id {order_id}", orderId=order_id)
    return note


def _cause(call: Call) -> Cause:
    return Cause(call.link, call.message_id)
