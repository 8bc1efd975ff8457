"""Limits and broker configurations."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from brokerapi.v1 import limits_pb2 as pb

from brokergw.desk.limits.caps import CAPPED
from brokergw.desk.limits.compare import shown
from brokergw.desk.limits.verbs import BrokerChange, LimitsChange, LimitsView
from brokergw.model.broker_config import BrokerConfig
from brokergw.model.limits import Limits, LimitSource, LimitsScope, ScopeLimits
from brokergw.model.money import format_decimal
from brokergw.rpc.wire.found import Found, optional_token_from, token_from
from brokergw.rpc.wire.limit_values import amount_from, limits_from_proto, limits_to_proto
from brokergw.rpc.wire.times import time_to_proto

_CODE_LENGTH_MAX: Final = 16
_REQUESTS_MIN: Final = 10
_URL_LENGTH_MAX: Final = 200
_REGION: Final = re.compile(r"[A-Z0-9-]{1,16}", re.ASCII)
_URL: Final = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~\-/]*)?", re.ASCII)
_LOOPBACK: Final = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/.*)?", re.ASCII)
_SOURCE_TO: Final = {source: pb.LimitSource.Value(f"LIMIT_SOURCE_{source.value}") for source in LimitSource}
_ADDRESSES: Final = ("paper_url", "live_url", "data_url")


def get_from_proto(request: pb.GetLimitsRequest, found: Found) -> pb.GetLimitsRequest:
    """Check GetLimitsRequest."""
    optional_token_from(request.broker, "broker", found)
    optional_token_from(request.strategy_id, "strategy_id", found)
    return request


def get_user_from_proto(request: pb.GetUserLimitsRequest, found: Found) -> pb.GetUserLimitsRequest:
    """Check GetUserLimitsRequest."""
    token_from(request.user_id, "user_id", found)
    optional_token_from(request.broker, "broker", found)
    optional_token_from(request.strategy_id, "strategy_id", found)
    return request


def list_configs_from_proto(request: pb.ListBrokerConfigsRequest, _: Found) -> pb.ListBrokerConfigsRequest:
    """Check ListBrokerConfigsRequest."""
    return request


def update_from_proto(request: pb.UpdateLimitsRequest, found: Found) -> LimitsChange:
    """Read UpdateLimitsRequest; its user is the caller, whom the service fills in."""
    strategy_id = optional_token_from(request.strategy_id, "strategy_id", found)
    source = LimitSource.STRATEGY if strategy_id else LimitSource.USER
    return _change(request, LimitsScope(source=source, strategy_id=strategy_id), found)


def update_user_from_proto(request: pb.UpdateUserLimitsRequest, found: Found) -> LimitsChange:
    """Read UpdateUserLimitsRequest."""
    user_id = token_from(request.user_id, "user_id", found)
    scope = LimitsScope(source=LimitSource.ADMIN, user_id=user_id)
    if request.region and _REGION.fullmatch(request.region) is None:
        found.add("region", "must be up to 16 capital letters, digits and dashes")
    return _change(request, scope, found, region=request.region)


def update_platform_from_proto(request: pb.UpdatePlatformLimitsRequest, found: Found) -> LimitsChange:
    """Read UpdatePlatformLimitsRequest."""
    return _change(request, LimitsScope(source=LimitSource.PLATFORM), found)


def update_broker_from_proto(request: pb.UpdateBrokerConfigRequest, found: Found) -> BrokerChange:
    """Read UpdateBrokerConfigRequest."""
    config = request.config
    regions = None
    if config.HasField("regions"):
        regions = frozenset(config.regions.regions)
        if not all(_REGION.fullmatch(each) for each in regions):
            found.add("config.regions", "must each be up to 16 capital letters, digits and dashes")
    for name in _ADDRESSES:
        _check_url(getattr(config, name), f"config.{name}", found)
    per_minute = None
    if config.HasField("requests_per_minute"):
        per_minute = config.requests_per_minute
        if per_minute < _REQUESTS_MIN:
            # Fewer, and no ordinary request would ever fit beside the share that is kept for cancels.
            found.add("config.requests_per_minute", f"must be at least {_REQUESTS_MIN}")
    return BrokerChange(
        config=BrokerConfig(
            broker=token_from(config.broker, "config.broker", found),
            enabled=config.enabled,
            fee_bps=amount_from(config.fee_bps or "0", "config.fee_bps", found) or Decimal(0),
            fee_per_contract=amount_from(config.fee_per_contract or "0", "config.fee_per_contract", found)
            or Decimal(0),
            requests_per_minute=per_minute,
            regions=regions,
            paper_url=config.paper_url,
            live_url=config.live_url,
            data_url=config.data_url,
            limits=limits_from_proto(config.limits, "config.limits", found),
        ),
        etag=token_from(config.etag, "config.etag", found),
        code=_code(request.mfa_code, found),
    )


def stored_to_proto(stored: ScopeLimits) -> pb.StoredLimits:
    """Write the limits of one scope."""
    return pb.StoredLimits(
        limits=limits_to_proto(stored.limits),
        etag=stored.etag,
        set_by=stored.set_by,
        set_time=time_to_proto(stored.set_time_ns) if stored.version else None,
        fault=stored.fault,
    )


def config_to_proto(config: BrokerConfig) -> pb.BrokerConfig:
    """Write a broker's configuration."""
    return pb.BrokerConfig(
        broker=config.broker,
        enabled=config.enabled,
        fee_bps=format_decimal(config.fee_bps),
        fee_per_contract=format_decimal(config.fee_per_contract),
        requests_per_minute=config.requests_per_minute,
        regions=None if config.regions is None else pb.RegionList(regions=sorted(config.regions)),
        paper_url=config.paper_url,
        live_url=config.live_url,
        data_url=config.data_url,
        limits=limits_to_proto(config.limits),
        etag=config.etag,
        set_by=config.set_by,
        set_time=time_to_proto(config.set_time_ns) if config.version else None,
        fault=config.fault,
    )


def view_to_proto(view: LimitsView) -> pb.GetLimitsResponse:
    """Write a user's limits in every scope, and what they come to."""
    effective = view.effective
    used = {CAPPED[measure]: value for measure, value in view.usage.user.items() if measure in CAPPED}
    if view.usage.loss is not None:
        used["daily_loss_max"] = view.usage.loss
    own = {CAPPED[measure]: value for measure, value in view.usage.strategy.items() if measure in CAPPED}
    return pb.GetLimitsResponse(
        mandatory=limits_to_proto(view.mandatory),
        platform=stored_to_proto(view.platform),
        admin=stored_to_proto(view.admin),
        user=stored_to_proto(view.user),
        strategy=stored_to_proto(view.strategy) if view.strategy.scope.strategy_id else None,
        effective=_effective(effective.values, effective.sources, used),
        strategy_effective=_effective(effective.strategy, {}, own),
        limits_version=effective.version,
        region=view.admin.region,
    )


def _effective(
    limits: Limits, sources: Mapping[str, LimitSource], used: Mapping[str, Decimal]
) -> list[pb.EffectiveLimit]:
    shown_limits = []
    for name in pb.Limits.DESCRIPTOR.fields_by_name:
        value = getattr(limits, name)
        if value is None:
            continue
        limit = pb.EffectiveLimit(
            name=name, value=shown(value), source=_SOURCE_TO[sources.get(name, LimitSource.STRATEGY)]
        )
        if name in used:
            limit.used = format_decimal(used[name])
            limit.remaining = format_decimal(max(Decimal(0), Decimal(value) - used[name]))
        shown_limits.append(limit)
    return shown_limits


def _change(request: Any, scope: LimitsScope, found: Found, *, region: str = "") -> LimitsChange:
    if not request.HasField("limits"):
        found.add("limits", "is required; empty limits set nothing")
    return LimitsChange(
        scope=scope,
        limits=limits_from_proto(request.limits, "limits", found),
        etag=token_from(request.etag, "etag", found),
        region=region,
        code=_code(request.mfa_code, found),
    )


def _check_url(url: str, field: str, found: Found) -> None:
    if not url:
        return
    if len(url) > _URL_LENGTH_MAX or _URL.fullmatch(url) is None:
        found.add(field, "must be a URL of host and path")
    elif url.startswith("http://") and _LOOPBACK.fullmatch(url) is None:
        found.add(field, "must be https, except on loopback")


def _code(text: str, found: Found) -> str:
    if len(text) > _CODE_LENGTH_MAX:
        found.add("mfa_code", "must be a code of an authenticator")
    return text
