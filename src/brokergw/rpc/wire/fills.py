"""Fills."""

from typing import Final

from brokerapi.v1 import fills_pb2 as pb

from brokergw.model.money import format_decimal
from brokergw.model.order import Fee, Fill, FillKind, Liquidity
from brokergw.rpc.wire.found import Found, optional_token_from
from brokergw.rpc.wire.orders import accounts_from
from brokergw.rpc.wire.paging import page_size_from
from brokergw.rpc.wire.times import time_from, time_to_proto
from brokergw.rpc.wire.trading import SIDE_TO

_KIND_TO: Final[dict[FillKind, pb.FillKind.ValueType]] = {
    FillKind.NEW: pb.FILL_KIND_NEW,
    FillKind.CORRECTION: pb.FILL_KIND_CORRECTION,
    FillKind.BUST: pb.FILL_KIND_BUST,
}
_LIQUIDITY_TO: Final[dict[Liquidity, pb.Liquidity.ValueType]] = {
    Liquidity.UNKNOWN: pb.LIQUIDITY_UNSPECIFIED,
    Liquidity.MAKER: pb.LIQUIDITY_MAKER,
    Liquidity.TAKER: pb.LIQUIDITY_TAKER,
    Liquidity.AUCTION: pb.LIQUIDITY_AUCTION,
}


def list_from_proto(request: pb.ListFillsRequest, found: Found) -> pb.ListFillsRequest:
    """Check ListFillsRequest."""
    accounts_from(list(request.account_ids), found)
    optional_token_from(request.order_id, "order_id", found)
    time_from(request.since_time, "since_time", found)
    page_size_from(request.page_size, found)
    return request


def fill_to_proto(fill: Fill) -> pb.Fill:
    """Write a fill."""
    return pb.Fill(
        fill_id=fill.fill_id,
        order_id=fill.order_id,
        client_order_id=fill.client_order_id,
        idempotency_key=fill.idempotency_key,
        broker_order_id=fill.broker_order_id,
        execution_id=fill.execution_id,
        fill_id_synthetic=fill.fill_id_synthetic,
        account_id=fill.account_id,
        broker=fill.broker,
        symbol=fill.symbol,
        side=SIDE_TO[fill.side],
        quantity=format_decimal(fill.quantity),
        price=format_decimal(fill.price),
        cum_quantity=format_decimal(fill.cum_quantity),
        leaves_quantity=format_decimal(fill.leaves_quantity),
        average_price=format_decimal(fill.average_price),
        kind=_KIND_TO[fill.kind],
        refers_to_fill_id=fill.refers_to_fill_id,
        liquidity=_LIQUIDITY_TO[fill.liquidity],
        venue=fill.venue,
        fees=[_fee(fee) for fee in fill.fees],
        trade_time=time_to_proto(fill.trade_time_ns),
        receive_time=time_to_proto(fill.receive_time_ns),
    )


def _fee(fee: Fee) -> pb.Fee:
    return pb.Fee(amount=format_decimal(fee.amount), asset=fee.asset, kind=fee.kind, estimated=fee.estimated)
