"""Orders: commands in, orders and answers out."""

from typing import Final

from brokerapi.v1 import orders_pb2 as pb

from brokergw.desk.results import CancelItem, OrderResult, SweepResult
from brokergw.model.commands import CancelAllOrders, CancelOrder, ModifyOrder, SubmitOrder
from brokergw.model.errors import Reason
from brokergw.model.ids import CLIENT_ORDER_ID
from brokergw.model.lifecycle import STATES
from brokergw.model.money import format_decimal
from brokergw.model.order import Order
from brokergw.rpc.wire.decimals import optional_decimal, positive_from
from brokergw.rpc.wire.found import Found, name_from, optional_token_from, token_from
from brokergw.rpc.wire.paging import page_size_from
from brokergw.rpc.wire.terms import terms_from_proto, terms_to_proto
from brokergw.rpc.wire.times import optional_time, time_from, time_to_proto

_LABELS_MAX: Final = 16
_ACCOUNTS_MAX: Final = 100
_BAD: Final = Reason.INVALID_ORDER_FIELD
_RARE: Final = (
    "client_order_id",
    "reject_reason",
    "rejected_by",
    "broker_message",
    "parent_order_id",
    "strategy_id",
    "run_id",
)

STATE_TO: Final[dict[str, pb.OrderState.ValueType]] = {
    state: pb.OrderState.Value(f"ORDER_STATE_{facts.wire}") for state, facts in STATES.items()
}
"""The wire's state for each state of the journal."""

OPEN_ONLY_FROM: Final[dict[int, bool | None]] = {
    pb.ORDER_STATUS_FILTER_UNSPECIFIED: None,
    pb.ORDER_STATUS_FILTER_OPEN: True,
    pb.ORDER_STATUS_FILTER_CLOSED: False,
}
"""What each filter asks of `OrderQuery.open_only`."""


def submit_from_proto(request: pb.SubmitOrderRequest, found: Found) -> SubmitOrder:
    """Read SubmitOrderRequest."""
    account_id = token_from(request.account_id, "account_id", found)
    if not request.HasField("order"):
        found.add("order", "is required")
        found.check()
    if request.client_order_id and not CLIENT_ORDER_ID.fullmatch(request.client_order_id):
        found.add("client_order_id", "must be 1 to 36 characters of A-Z a-z 0-9 . _ -")
    return SubmitOrder(
        idempotency_key=request.idempotency_key,
        account_id=account_id,
        terms=terms_from_proto(request.order, found),
        client_order_id=request.client_order_id,
        strategy_id=name_from(request.strategy_id, "strategy_id", found),
        run_id=name_from(request.run_id, "run_id", found),
        labels=_labels(request, found) if request.labels else (),
        validate_only=request.validate_only,
        client_time_ns=time_from(request.client_time, "client_time", found)
        if request.HasField("client_time")
        else None,
        allow_duplicate=request.allow_duplicate,
    )


def modify_from_proto(request: pb.ModifyOrderRequest, found: Found) -> ModifyOrder:
    """Read ModifyOrderRequest."""
    changes = {
        name: positive_from(getattr(request, name), name, found, _BAD)
        for name in ("quantity", "limit_price", "stop_price", "trail")
        if request.HasField(name)
    }
    if not changes:
        found.add("quantity", "at least one of quantity, limit_price, stop_price and trail is required", _BAD)
    return ModifyOrder(
        idempotency_key=request.idempotency_key,
        order_id=token_from(request.order_id, "order_id", found),
        etag=optional_token_from(request.etag, "etag", found),
        **changes,
    )


def cancel_from_proto(request: pb.CancelOrderRequest, found: Found) -> CancelOrder:
    """Read CancelOrderRequest."""
    return CancelOrder(
        idempotency_key=request.idempotency_key,
        order_id=token_from(request.order_id, "order_id", found),
        etag=optional_token_from(request.etag, "etag", found),
    )


def cancel_all_from_proto(request: pb.CancelAllOrdersRequest, found: Found) -> CancelAllOrders:
    """Read CancelAllOrdersRequest."""
    return CancelAllOrders(
        idempotency_key=request.idempotency_key,
        account_id=token_from(request.account_id, "account_id", found),
        symbol=optional_token_from(request.symbol, "symbol", found),
    )


def get_from_proto(request: pb.GetOrderRequest, found: Found) -> pb.GetOrderRequest:
    """Check GetOrderRequest: one of the two ways to name an order."""
    by_own_id = bool(request.account_id or request.client_order_id)
    if request.order_id and by_own_id:
        found.add("order_id", "must not be set together with account_id and client_order_id")
    elif by_own_id:
        token_from(request.account_id, "account_id", found)
        if not CLIENT_ORDER_ID.fullmatch(request.client_order_id):
            found.add("client_order_id", "must be 1 to 36 characters of A-Z a-z 0-9 . _ -")
    else:
        token_from(request.order_id, "order_id", found)
    return request


def list_from_proto(request: pb.ListOrdersRequest, found: Found) -> pb.ListOrdersRequest:
    """Check ListOrdersRequest."""
    accounts_from(list(request.account_ids), found)
    optional_token_from(request.symbol, "symbol", found)
    page_size_from(request.page_size, found)
    if request.status not in OPEN_ONLY_FROM:
        found.add("status", f"has the unknown value {request.status}")
    since = time_from(request.since_time, "since_time", found)
    until = time_from(request.until_time, "until_time", found)
    if request.HasField("since_time") and request.HasField("until_time") and since >= until:
        found.add("until_time", "must be after since_time")
    return request


def list_events_from_proto(request: pb.ListOrderEventsRequest, found: Found) -> pb.ListOrderEventsRequest:
    """Check ListOrderEventsRequest."""
    token_from(request.order_id, "order_id", found)
    return request


def accounts_from(account_ids: list[str], found: Found) -> tuple[str, ...]:
    """Read a filter of accounts: up to 100, none empty."""
    if len(account_ids) > _ACCOUNTS_MAX:
        found.add("account_ids", f"must be at most {_ACCOUNTS_MAX}")
    for index, account_id in enumerate(account_ids[:_ACCOUNTS_MAX]):
        token_from(account_id, f"account_ids[{index}]", found)
    return tuple(sorted(set(account_ids)))


def order_to_proto(order: Order) -> pb.Order:
    """Write an order."""
    message = pb.Order(
        order_id=order.order_id,
        idempotency_key=order.idempotency_key,
        broker_order_ids=order.broker_order_ids,
        account_id=order.account_id,
        broker=order.broker,
        spec=terms_to_proto(order.terms),
        state=STATE_TO[order.state],
        cum_quantity=format_decimal(order.cum_quantity),
        leaves_quantity=format_decimal(order.leaves_quantity),
        canceled_quantity=format_decimal(order.canceled_quantity),
        average_price=optional_decimal(order.average_price),
        version=order.version,
        etag=order.etag,
        create_time=time_to_proto(order.create_time_ns),
        submit_time=optional_time(order.submit_time_ns),
        update_time=time_to_proto(order.update_time_ns),
        complete_time=optional_time(order.complete_time_ns),
        late_fill=order.late_fill,
        external=order.external,
    )
    # Most orders have few of these, and setting a field to nothing costs as much as setting it.
    for name in _RARE:
        value = getattr(order, name)
        if value:
            setattr(message, name, value)
    if order.labels:
        message.labels.update(order.labels)
    return message


def submitted(result: OrderResult, cursor: str) -> pb.SubmitOrderResponse:
    """Answer SubmitOrder, first call and replay alike."""
    return pb.SubmitOrderResponse(
        order=order_to_proto(result.order),
        original_order=None if result.original is None else order_to_proto(result.original),
        replayed=result.replayed,
        decision_time=optional_time(result.decision_time_ns),
        cursor=cursor,
    )


def modified(result: OrderResult, cursor: str) -> pb.ModifyOrderResponse:
    """Answer ModifyOrder."""
    return pb.ModifyOrderResponse(order=order_to_proto(result.order), replayed=result.replayed, cursor=cursor)


def canceled(result: OrderResult, cursor: str) -> pb.CancelOrderResponse:
    """Answer CancelOrder."""
    return pb.CancelOrderResponse(
        order=order_to_proto(result.order), replayed=result.replayed, cursor=cursor, provisional=result.provisional
    )


def canceled_all(result: SweepResult, cursor: str) -> pb.CancelAllOrdersResponse:
    """Answer CancelAllOrders."""
    return pb.CancelAllOrdersResponse(
        results=[cancel_to_proto(item) for item in result.cancels],
        replayed=result.replayed,
        cursor=cursor,
        provisional=result.provisional,
    )


def cancel_to_proto(item: CancelItem) -> pb.CancelResult:
    """Write one order's part of a larger cancel."""
    return pb.CancelResult(order=order_to_proto(item.order), accepted=item.accepted, reason=item.reason)


def _labels(request: pb.SubmitOrderRequest, found: Found) -> tuple[tuple[str, str], ...]:
    if len(request.labels) > _LABELS_MAX:
        found.add("labels", f"must be at most {_LABELS_MAX}")
    for key, value in request.labels.items():
        if not key:
            found.add("labels", "must not have an empty key")
        name_from(key, "labels", found)
        name_from(value, f"labels[{key[:20]}]", found)
    return tuple(sorted(request.labels.items()))
