"""The messages that bare peers and the gateway exchange alike: one order, its answer, one fill."""

import uuid
from typing import Final

from brokerapi.v1 import fills_pb2, orders_pb2, streams_pb2, trading_pb2
from google.protobuf.timestamp_pb2 import Timestamp

SYMBOL: Final = "F"
QUANTITY: Final = "0.1"
"""Worth a little more than the one dollar that is the least: an account lasts for a whole run."""

_MOMENT: Final = Timestamp(seconds=1_767_225_600, nanos=123_456_000)
_CURSOR: Final = "c" * 120


def order_spec() -> orders_pb2.OrderSpec:
    """Describe a market order that fills at once."""
    return orders_pb2.OrderSpec(
        symbol=SYMBOL,
        side=trading_pb2.SIDE_BUY,
        type=trading_pb2.ORDER_TYPE_MARKET,
        time_in_force=trading_pb2.TIME_IN_FORCE_DAY,
        quantity=QUANTITY,
    )


def submit_request(account_id: str, spec: orders_pb2.OrderSpec) -> orders_pb2.SubmitOrderRequest:
    """Ask for the order under a key of its own."""
    return orders_pb2.SubmitOrderRequest(idempotency_key=str(uuid.uuid4()), account_id=account_id, order=spec)


def submit_response(
    request: orders_pb2.SubmitOrderRequest, broker_order_id: str = ""
) -> orders_pb2.SubmitOrderResponse:
    """Answer like a gateway that took the order, at the length of a real answer."""
    order = orders_pb2.Order(
        order_id=f"ord_{request.idempotency_key.replace('-', '')}",
        idempotency_key=request.idempotency_key,
        broker_order_ids=[broker_order_id or request.idempotency_key],
        account_id=request.account_id,
        broker="mock",
        spec=request.order,
        state=orders_pb2.ORDER_STATE_FILLED,
        cum_quantity=request.order.quantity,
        leaves_quantity="0",
        canceled_quantity="0",
        average_price="11.05",
        version=3,
        etag='"3"',
        create_time=_MOMENT,
        submit_time=_MOMENT,
        update_time=_MOMENT,
        complete_time=_MOMENT,
    )
    return orders_pb2.SubmitOrderResponse(order=order, decision_time=_MOMENT, cursor=_CURSOR)


def fill_message() -> fills_pb2.SubscribeFillsResponse:
    """Make one message of a fill stream, at the length of a real one."""
    header = streams_pb2.EventHeader(
        account_id=f"acc_{'0' * 32}",
        sequence=100_000,
        previous_sequence=99_998,
        cursor=_CURSOR,
        event_time=_MOMENT,
        receive_time=_MOMENT,
        publish_time=_MOMENT,
        origin=trading_pb2.ORIGIN_LIVE,
    )
    fill = fills_pb2.Fill(
        fill_id=f"fil_{'0' * 32}",
        order_id=f"ord_{'0' * 32}",
        idempotency_key=str(uuid.UUID(int=0)),
        broker_order_id=str(uuid.UUID(int=0)),
        execution_id=str(uuid.UUID(int=0)),
        account_id=f"acc_{'0' * 32}",
        broker="mock",
        symbol=SYMBOL,
        side=trading_pb2.SIDE_BUY,
        quantity=QUANTITY,
        price="11.05",
        cum_quantity=QUANTITY,
        leaves_quantity="0",
        average_price="11.05",
        kind=fills_pb2.FILL_KIND_NEW,
        trade_time=_MOMENT,
        receive_time=_MOMENT,
    )
    return fills_pb2.SubscribeFillsResponse(event=fills_pb2.FillEvent(header=header, fill=fill))
