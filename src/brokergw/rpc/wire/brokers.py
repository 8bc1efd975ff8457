"""The capability matrix."""

from brokerapi.v1 import brokers_pb2 as pb

from brokergw.model.capability import Capabilities
from brokergw.rpc.wire.found import Found, token_from
from brokergw.rpc.wire.paging import page_size_from
from brokergw.rpc.wire.trading import (
    ASSET_CLASS_TO,
    ENVIRONMENT_TO,
    ORDER_CLASS_TO,
    ORDER_TYPE_TO,
    TIME_IN_FORCE_TO,
)


def list_from_proto(request: pb.ListBrokersRequest, found: Found) -> pb.ListBrokersRequest:
    """Check ListBrokersRequest."""
    page_size_from(request.page_size, found)
    return request


def get_from_proto(request: pb.GetBrokerRequest, found: Found) -> pb.GetBrokerRequest:
    """Check GetBrokerRequest."""
    token_from(request.broker, "broker", found)
    return request


def ping_from_proto(request: pb.PingBrokerRequest, found: Found) -> pb.PingBrokerRequest:
    """Check PingBrokerRequest."""
    token_from(request.connection_id, "connection_id", found)
    return request


def broker_to_proto(row: Capabilities) -> pb.Broker:
    """Write one row, every list in the order of its enum."""
    return pb.Broker(
        broker=row.broker,
        name=row.name,
        assets=[
            pb.AssetCapability(
                asset_class=ASSET_CLASS_TO[asset],
                order_types=sorted(ORDER_TYPE_TO[t] for t in row.order_types.get(asset, ())),
                times_in_force=sorted(TIME_IN_FORCE_TO[t] for t in row.times_in_force.get(asset, ())),
            )
            for asset in sorted(row.asset_classes, key=ASSET_CLASS_TO.__getitem__)
        ],
        order_classes=sorted(ORDER_CLASS_TO[c] for c in row.order_classes),
        features=sorted(feature.value for feature in row.features),
        environments=sorted(ENVIRONMENT_TO[e] for e in row.environments),
        authentication=row.authentication.value,
        resolution_class=row.resolution.value,
        requests_per_minute=row.requests_per_minute,
    )
