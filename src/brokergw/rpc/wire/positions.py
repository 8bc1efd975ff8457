"""Positions, and the commands that close them."""

from brokerapi.v1 import positions_pb2 as pb

from brokergw.desk.results import ResidualItem, SweepResult
from brokergw.model.account import Connection, Position
from brokergw.model.commands import CloseAll, Flatten
from brokergw.model.events import PositionChange
from brokergw.model.money import format_decimal
from brokergw.rpc.wire.decimals import optional_decimal
from brokergw.rpc.wire.found import Found, optional_token_from, token_from
from brokergw.rpc.wire.orders import accounts_from, cancel_to_proto, order_to_proto
from brokergw.rpc.wire.times import time_to_proto
from brokergw.rpc.wire.trading import ASSET_CLASS_TO


def get_from_proto(request: pb.GetPositionsRequest, found: Found) -> pb.GetPositionsRequest:
    """Check GetPositionsRequest."""
    accounts_from(list(request.account_ids), found)
    return request


def flatten_from_proto(request: pb.FlattenRequest, found: Found) -> Flatten:
    """Read FlattenRequest."""
    return Flatten(
        idempotency_key=request.idempotency_key,
        account_id=token_from(request.account_id, "account_id", found),
        symbol=optional_token_from(request.symbol, "symbol", found),
    )


def close_all_from_proto(request: pb.CloseAllRequest, _: Found) -> CloseAll:
    """Read CloseAllRequest."""
    return CloseAll(idempotency_key=request.idempotency_key)


def position_to_proto(connection: Connection, position: Position) -> pb.Position:
    """Write a position as the broker told it."""
    return pb.Position(
        account_id=connection.account_id,
        broker=connection.broker,
        symbol=position.symbol,
        asset_class=ASSET_CLASS_TO[position.asset_class],
        quantity=format_decimal(position.quantity),
        available_quantity=format_decimal(position.available_quantity),
        average_price=optional_decimal(position.average_price),
        cost_basis=optional_decimal(position.cost_basis),
        market_price=optional_decimal(position.market_price),
        market_value=optional_decimal(position.market_value),
        unrealized_profit=optional_decimal(position.unrealized_profit),
        as_of=time_to_proto(position.as_of_ns),
        closed=position.quantity == 0,
    )


def change_to_proto(change: PositionChange, time_ns: int) -> pb.Position:
    """Write what a fill made of a position; nothing but its quantity is known then."""
    return pb.Position(
        account_id=change.account_id,
        broker=change.broker,
        symbol=change.symbol,
        quantity=format_decimal(change.quantity),
        as_of=time_to_proto(time_ns),
        closed=change.quantity == 0,
    )


def flattened(result: SweepResult, cursor: str) -> pb.FlattenResponse:
    """Answer Flatten."""
    return pb.FlattenResponse(
        cancels=[cancel_to_proto(item) for item in result.cancels],
        orders=[order_to_proto(order) for order in result.orders],
        residuals=[_residual(item) for item in result.residuals],
        replayed=result.replayed,
        cursor=cursor,
    )


def closed_all(result: SweepResult, cursor: str) -> pb.CloseAllResponse:
    """Answer CloseAll."""
    return pb.CloseAllResponse(
        cancels=[cancel_to_proto(item) for item in result.cancels],
        orders=[order_to_proto(order) for order in result.orders],
        residuals=[_residual(item) for item in result.residuals],
        replayed=result.replayed,
        cursor=cursor,
    )


def _residual(item: ResidualItem) -> pb.Residual:
    return pb.Residual(account_id=item.account_id, symbol=item.symbol, reason=item.reason, description=item.description)
