"""Leverage, margin type and position mode on the wire."""

from typing import Final

from brokerapi.v1 import trading_settings_pb2 as pb

from brokergw.desk.verbs.trading_settings import SettingsChange
from brokergw.model.account import Connection
from brokergw.model.trading_settings import MarginType, PositionMode, SettingsChoice, TradingSettings
from brokergw.rpc.wire.decimals import optional_decimal
from brokergw.rpc.wire.found import Found, name_from, token_from
from brokergw.rpc.wire.times import time_to_proto

_MARGIN_TO: Final[dict[MarginType, pb.MarginType.ValueType]] = {
    each: pb.MarginType.Value(f"MARGIN_TYPE_{each.value}") for each in MarginType
}
_MODE_TO: Final[dict[PositionMode, pb.PositionMode.ValueType]] = {
    each: pb.PositionMode.Value(f"POSITION_MODE_{each.value}") for each in PositionMode
}
_MARGIN_FROM: Final = {int(number): each for each, number in _MARGIN_TO.items()}
_MODE_FROM: Final = {int(number): each for each, number in _MODE_TO.items()}


def get_from_proto(request: pb.GetTradingSettingsRequest, found: Found) -> pb.GetTradingSettingsRequest:
    """Check GetTradingSettingsRequest."""
    token_from(request.account_id, "account_id", found)
    token_from(request.symbol, "symbol", found)
    return request


def update_from_proto(request: pb.UpdateTradingSettingsRequest, found: Found) -> SettingsChange:
    """Read UpdateTradingSettingsRequest, which must choose something."""
    leverage = request.leverage if request.HasField("leverage") else None
    if leverage is not None and leverage < 1:
        found.add("leverage", "must be 1 or more")
    margin, mode = _MARGIN_FROM.get(request.margin_type), _MODE_FROM.get(request.position_mode)
    for field, number, known in (
        ("margin_type", request.margin_type, margin),
        ("position_mode", request.position_mode, mode),
    ):
        if number and known is None:
            found.add(field, f"has the unknown value {number}")
    if leverage is None and not request.margin_type and not request.position_mode:
        found.add("leverage", "or margin_type or position_mode is required")
    return SettingsChange(
        account_id=token_from(request.account_id, "account_id", found),
        symbol=token_from(request.symbol, "symbol", found),
        choice=SettingsChoice(leverage=leverage, margin_type=margin, position_mode=mode),
        etag=name_from(request.etag, "etag", found),
    )


def settings_to_proto(connection: Connection, settings: TradingSettings) -> pb.TradingSettings:
    """Write settings as the broker told them."""
    return pb.TradingSettings(
        account_id=connection.account_id,
        symbol=settings.symbol,
        leverage=settings.leverage,
        leverage_max=settings.leverage_max,
        margin_type=_MARGIN_TO[settings.margin_type],
        position_mode=_MODE_TO[settings.position_mode],
        notional_max=optional_decimal(settings.notional_max),
        etag=settings.etag,
        as_of=time_to_proto(settings.as_of_ns),
    )
