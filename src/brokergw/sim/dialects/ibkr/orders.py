"""Orders: list, look up, submit, answer questions, change, cancel (Client Portal API, Orders)."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from brokergw.exchange import Refused, Ticket
from brokergw.sim.dialects.ibkr.call import Call
from brokergw.sim.dialects.ibkr.contracts import Contract
from brokergw.sim.dialects.ibkr.notes import OrderNote
from brokergw.sim.dialects.ibkr.questions import raised_by
from brokergw.sim.dialects.ibkr.refusals import ApiError, from_exchange, missing_order
from brokergw.sim.dialects.ibkr.shapes import JsonObject, status_of, status_row
from brokergw.sim.dialects.ibkr.tickets import contract_of, ticket_of
from brokergw.sim.faults import FaultName

_ROWS_MAX: Final = 1000
_DAY_NS: Final = 86_400_000_000_000
_ALL: Final = "-1"


def list_orders(call: Call) -> JsonObject:
    """Handle GET /iserver/account/orders: empty when asked for the first time, and whenever the cache is cleared."""
    session, query = call.brokerage.session, call.request.query
    if account := query.get("accountId", ""):
        call.own_account(account)
    if query.get("force", "") == "true":
        session.asked.discard("orders")
    if session.first("orders"):
        return {"orders": [], "snapshot": False}
    wanted = {word.lower() for word in query.get("filters", "").split(",") if word}
    rows = [call.brokerage.row(note) for note in call.brokerage.shown()]
    rows = [row for row in rows if not wanted or str(row["status"]).lower() in wanted]
    if call.strike(FaultName.UNKNOWN_ORDER) is not None:
        rows = []
    if call.strike(FaultName.SHUFFLED_LIST) is not None:
        rows.reverse()
    if (fault := call.strike(FaultName.TRUNCATED_LIST)) is not None:
        rows = rows[: fault.keep]
    return {"orders": rows[:_ROWS_MAX], "snapshot": True}


def status(call: Call) -> JsonObject:
    """Handle GET /iserver/account/order/status/{id}: 503 for an order that is not in the cache."""
    note = call.brokerage.note(call.arguments[0])
    if note is None or note.born_ns > call.brokerage.now_ns():
        raise ApiError(503, "Service Unavailable", coded=True)
    order = call.brokerage.order(note)
    return status_row(note, order, call.brokerage.contract(order.symbol), call.brokerage.account_id)


def list_trades(call: Call) -> list[JsonObject]:
    """Handle GET /iserver/account/trades: empty when asked for the first time."""
    if call.brokerage.session.first("trades"):
        return []
    days = call.request.query.get("days", "1")
    span = min(7, int(days)) if days.isdigit() else 1
    return call.brokerage.trade_rows(call.brokerage.now_ns() - span * _DAY_NS)


def submit(call: Call) -> Any:
    """Handle POST /iserver/account/{account}/orders."""
    call.own_account(call.arguments[0])
    document = call.document()
    rows = document.get("orders") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
        raise ApiError(500, "invalid request content", coded=True)
    if len(rows) > 1:
        raise ApiError(500, "order groups are not simulated", coded=True)
    contract = contract_of(rows[0], call.brokerage.contracts)
    ticket = ticket_of(rows[0], contract)
    shown_as, late = call.strike(FaultName.SHOWN_AS), call.strike(FaultName.LATE_BIRTH)
    other = call.strike(FaultName.OTHER_ORDER) is not None

    def act() -> list[JsonObject]:
        note = _done(lambda: call.brokerage.place(ticket), ticket.client_order_id)
        if shown_as is not None:
            note.shown_as = shown_as.status_word
        if late is not None:
            call.brokerage.bear_later(note, late.duration_s)
        answer = _taken_row(call, note)
        return [{**answer, "order_id": "1", "local_order_id": "stranger"} if other else answer]

    return call.questions.before(_asked(call, ticket, contract), act)


def reply(call: Call) -> Any:
    """Handle POST /iserver/reply/{id}."""
    return call.questions.reply(call.arguments[0], confirmed=call.body().get("confirmed") is True)


def change(call: Call) -> Any:
    """Handle POST /iserver/account/{account}/order/{id}: the whole ticket again, under the same number."""
    brokerage, note = call.brokerage, _found(call)
    row = call.body()
    contract = contract_of(row, brokerage.contracts)
    old = brokerage.order(note)
    if contract.listing.symbol != old.symbol:
        raise ApiError(200, "invalid order attribute : contract cannot be changed")
    ticket = ticket_of(row, contract)
    if (ticket.side, ticket.type) != (old.side, old.type):
        raise ApiError(200, "invalid order attribute : side and type cannot be changed")

    def act() -> list[JsonObject]:
        _done(lambda: _replace(call, note, ticket))
        return [_taken_row(call, note)]

    if not old.is_open:
        raise ApiError(400, "Order is inactive")
    return call.questions.before(_asked(call, ticket, contract), act)


def cancel(call: Call) -> JsonObject:
    """Handle DELETE /iserver/account/{account}/order/{id}: an acknowledgement, not the end; -1 is all of them."""
    brokerage = call.brokerage
    if call.arguments[1] == _ALL:
        call.own_account(call.arguments[0])
        for order in brokerage.exchange.open_orders(brokerage.account_id):
            brokerage.exchange.cancel(brokerage.account_id, order.order_id)
        return {"msg": "Request was submitted", "order_id": -1, "conid": -1, "account": None}
    note = _found(call)
    order = brokerage.order(note)
    if not order.is_open:
        raise ApiError(400, "Order is inactive")
    if (fault := call.strike(FaultName.SLOW_CANCEL)) is not None:
        note.canceling = True
        brokerage.later(fault.duration_s, lambda: _cancel_if_open(call, note))
    else:
        brokerage.exchange.cancel(brokerage.account_id, note.order_id)
    contract = brokerage.contract(order.symbol)
    return {
        "msg": "Request was submitted",
        "order_id": note.number,
        "conid": contract.conid,
        "account": brokerage.account_id,
    }


def suppress(call: Call) -> JsonObject:
    """Handle POST /iserver/questions/suppress."""
    ids = call.body().get("messageIds")
    if not isinstance(ids, list) or not ids or len(ids) > 51:
        raise ApiError(500, "invalid messageIds", coded=True)
    call.brokerage.session.suppressed |= {str(each) for each in ids}
    return {"status": "submitted"}


def suppress_reset(call: Call) -> JsonObject:
    """Handle POST /iserver/questions/suppress/reset."""
    call.brokerage.session.suppressed.clear()
    return {"status": "submitted"}


def preview(call: Call) -> JsonObject:
    """Handle POST /iserver/account/{account}/orders/whatif."""
    call.own_account(call.arguments[0])
    rows = call.body().get("orders")
    if not isinstance(rows, list) or not rows:
        raise ApiError(500, "invalid request content", coded=True)
    contract = contract_of(rows[0], call.brokerage.contracts)
    ticket = ticket_of(rows[0], contract)
    depth = call.brokerage.exchange.quote(contract.listing.symbol)
    quantity = ticket.quantity or Decimal(0)
    worth = quantity * (ticket.limit_price or depth.ask) * contract.listing.contract_size
    ledger = call.brokerage.exchange.account(call.brokerage.account_id)
    return {
        "amount": {"amount": f"{worth:,.2f} USD", "commission": "0 USD", "total": f"{worth:,.2f} USD"},
        "equity": {"current": f"{ledger.equity:,.0f}", "change": "0", "after": f"{ledger.equity:,.0f}"},
        "warn": None,
        "error": None,
    }


def _found(call: Call) -> OrderNote:
    call.own_account(call.arguments[0])
    note = call.brokerage.note(call.arguments[1])
    if note is None or note.born_ns > call.brokerage.now_ns():
        raise missing_order(call.arguments[1])
    return note


def _asked(call: Call, ticket: Ticket, contract: Contract) -> list[str]:
    questions, brokerage = call.questions, call.brokerage
    forced, questions.next_asked = questions.next_asked, ()
    depth = brokerage.exchange.quote(contract.listing.symbol)
    raised = raised_by(ticket, depth, contract.listing.contract_size)
    asked = [*forced, *(each for each in raised if each in brokerage.options.asks)]
    return [each for each in asked if each not in brokerage.session.suppressed]


def _replace(call: Call, note: OrderNote, ticket: Ticket) -> OrderNote:
    brokerage = call.brokerage
    trail = ticket.trail_percent if ticket.trail_percent is not None else ticket.trail_amount
    brokerage.exchange.replace(
        brokerage.account_id,
        note.order_id,
        quantity=ticket.quantity,
        limit_price=ticket.limit_price,
        stop_price=ticket.stop_price,
        trail=trail,
        time_in_force=ticket.time_in_force,
    )
    return note


def _done(act: Callable[[], OrderNote], client_order_id: str = "") -> OrderNote:
    try:
        return act()
    except Refused as refused:
        raise from_exchange(refused, client_order_id) from None


def _taken_row(call: Call, note: OrderNote) -> JsonObject:
    word = status_of(note, call.brokerage.order(note))
    row: JsonObject = {"order_id": str(note.number), "order_status": word, "encrypt_message": "1"}
    return {**row, "local_order_id": note.reference} if note.reference else row


def _cancel_if_open(call: Call, note: OrderNote) -> None:
    if call.brokerage.order(note).is_open:
        call.brokerage.exchange.cancel(call.brokerage.account_id, note.order_id)
