"""What the mock broker can do: its row of the capability matrix."""

from typing import Final

from brokergw.model.account import Environment
from brokergw.model.capability import AROUND_THE_CLOCK, Authentication, Capabilities, Feature, ResolutionClass
from brokergw.model.instrument import AssetClass
from brokergw.model.terms import OrderClass, OrderType, TimeInForce

ASSET_CLASSES: Final = frozenset({AssetClass.STOCK, AssetClass.ETF, AssetClass.CRYPTO})

MOCK: Final = Capabilities(
    broker="mock",
    name="Mock broker",
    asset_classes=ASSET_CLASSES,
    order_types=dict.fromkeys(ASSET_CLASSES, frozenset(OrderType)),
    times_in_force=dict.fromkeys(ASSET_CLASSES, frozenset(TimeInForce)),
    order_classes=frozenset(OrderClass) - {OrderClass.MULTI_LEG},
    features=frozenset(Feature) - {Feature.LEVERAGE},
    environments=frozenset({Environment.MOCK}),
    authentication=Authentication.NONE,
    resolution=ResolutionClass.BY_CLIENT_ID,
    client_order_id_length_max=128,
    markets=dict.fromkeys(ASSET_CLASSES, AROUND_THE_CLOCK),
)
