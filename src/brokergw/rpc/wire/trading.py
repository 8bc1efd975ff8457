"""The enums of a trade, one table each, read both ways."""

from collections.abc import Mapping
from enum import Enum
from typing import Final, TypeVar

from brokerapi.v1 import trading_pb2 as pb

from brokergw.model.account import Environment
from brokergw.model.instrument import AssetClass
from brokergw.model.order import Origin
from brokergw.model.terms import OrderClass, OrderType, PositionEffect, Side, TimeInForce

E = TypeVar("E", bound=Enum)


def _backwards(table: Mapping[E, int]) -> dict[int, E]:
    return {number: value for value, number in table.items()}


SIDE_TO: Final[dict[Side, pb.Side.ValueType]] = {Side.BUY: pb.SIDE_BUY, Side.SELL: pb.SIDE_SELL}
ORDER_TYPE_TO: Final[dict[OrderType, pb.OrderType.ValueType]] = {
    OrderType.MARKET: pb.ORDER_TYPE_MARKET,
    OrderType.LIMIT: pb.ORDER_TYPE_LIMIT,
    OrderType.STOP: pb.ORDER_TYPE_STOP,
    OrderType.STOP_LIMIT: pb.ORDER_TYPE_STOP_LIMIT,
    OrderType.TRAILING_STOP: pb.ORDER_TYPE_TRAILING_STOP,
}
TIME_IN_FORCE_TO: Final[dict[TimeInForce, pb.TimeInForce.ValueType]] = {
    TimeInForce.DAY: pb.TIME_IN_FORCE_DAY,
    TimeInForce.GTC: pb.TIME_IN_FORCE_GTC,
    TimeInForce.GTD: pb.TIME_IN_FORCE_GTD,
    TimeInForce.IOC: pb.TIME_IN_FORCE_IOC,
    TimeInForce.FOK: pb.TIME_IN_FORCE_FOK,
    TimeInForce.AT_OPEN: pb.TIME_IN_FORCE_AT_OPEN,
    TimeInForce.AT_CLOSE: pb.TIME_IN_FORCE_AT_CLOSE,
}
ORDER_CLASS_TO: Final[dict[OrderClass, pb.OrderClass.ValueType]] = {
    OrderClass.SIMPLE: pb.ORDER_CLASS_SIMPLE,
    OrderClass.BRACKET: pb.ORDER_CLASS_BRACKET,
    OrderClass.OCO: pb.ORDER_CLASS_OCO,
    OrderClass.OTO: pb.ORDER_CLASS_OTO,
    OrderClass.MULTI_LEG: pb.ORDER_CLASS_MULTI_LEG,
}
POSITION_EFFECT_TO: Final[dict[PositionEffect, pb.PositionEffect.ValueType]] = {
    PositionEffect.AUTO: pb.POSITION_EFFECT_UNSPECIFIED,
    PositionEffect.OPEN: pb.POSITION_EFFECT_OPEN,
    PositionEffect.CLOSE: pb.POSITION_EFFECT_CLOSE,
}
ASSET_CLASS_TO: Final[dict[AssetClass, pb.AssetClass.ValueType]] = {
    AssetClass.STOCK: pb.ASSET_CLASS_STOCK,
    AssetClass.ETF: pb.ASSET_CLASS_ETF,
    AssetClass.OPTION: pb.ASSET_CLASS_OPTION,
    AssetClass.CRYPTO: pb.ASSET_CLASS_CRYPTO,
    AssetClass.FUTURE: pb.ASSET_CLASS_FUTURE,
    AssetClass.FOREX: pb.ASSET_CLASS_FOREX,
    AssetClass.CFD: pb.ASSET_CLASS_CFD,
    AssetClass.BOND: pb.ASSET_CLASS_BOND,
}
ENVIRONMENT_TO: Final[dict[Environment, pb.Environment.ValueType]] = {
    Environment.MOCK: pb.ENVIRONMENT_MOCK,
    Environment.PAPER: pb.ENVIRONMENT_PAPER,
    Environment.LIVE: pb.ENVIRONMENT_LIVE,
}
ORIGIN_TO: Final[dict[Origin, pb.Origin.ValueType]] = {
    Origin.LIVE: pb.ORIGIN_LIVE,
    Origin.REPLAYED: pb.ORIGIN_REPLAYED,
    Origin.RECONCILED: pb.ORIGIN_RECONCILED,
    Origin.INFERRED: pb.ORIGIN_INFERRED,
}

SIDE_FROM: Final = _backwards(SIDE_TO)
ORDER_TYPE_FROM: Final = _backwards(ORDER_TYPE_TO)
TIME_IN_FORCE_FROM: Final = _backwards(TIME_IN_FORCE_TO)
ORDER_CLASS_FROM: Final = {**_backwards(ORDER_CLASS_TO), pb.ORDER_CLASS_UNSPECIFIED: OrderClass.SIMPLE}
POSITION_EFFECT_FROM: Final = _backwards(POSITION_EFFECT_TO)
ENVIRONMENT_FROM: Final = _backwards(ENVIRONMENT_TO)
