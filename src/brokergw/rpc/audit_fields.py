"""Which fields of a request the audit log may show. A field that is not named here is not shown.

A test demands that every field that an audited method can be sent is named, here or among the secrets.
"""

from collections.abc import Iterable, Mapping
from typing import Final

_PACKAGE: Final = "brokerapi.v1"

_SHOWN: Final = {
    "AcknowledgeRiskRequest": "version",
    "AssetClassList": "asset_classes",
    "BeginOAuthRequest": "broker environment connection_id application scopes",
    "BrokerConfig": (
        "broker enabled fee_bps fee_per_contract requests_per_minute regions paper_url live_url data_url limits etag"
        " set_by set_time fault"
    ),
    "CancelAllOrdersRequest": "idempotency_key account_id symbol",
    "CancelOrderRequest": "idempotency_key order_id etag",
    "ClearKillSwitchRequest": "scope cause epoch reason",
    "CloseAllRequest": "idempotency_key",
    "CompleteOAuthRequest": "broker issuer error",
    "CreateConnectionRequest": "broker environment api_key",
    "EscalateToLiveRequest": "account_id strategy_id",
    "FlattenRequest": "idempotency_key account_id symbol",
    "GrantLiveTradingRequest": "user_id",
    "GrantRoleRequest": "user_id role",
    "HaltScope": "kind broker user_id account_id strategy_id symbol",
    "HaltTradingRequest": "broker account_id strategy_id state reason",
    "HaltUserRequest": "user_id broker state reason",
    "IssueApiKeyRequest": "user_id name rights expire_time",
    "IssueKeyRequest": "name rights expire_time",
    "Limits": (
        "order_notional_max order_quantity_max position_notional_max exposure_max daily_volume_max daily_loss_max"
        " orders_per_day_max orders_per_minute_max open_orders_max price_collar_percent market_orders asset_classes"
        " symbols_allowed symbols_restricted trading_hours leverage_max"
    ),
    "MapCertificateRequest": "user_id name match value rights expire_time",
    "ModifyOrderRequest": "idempotency_key order_id etag quantity limit_price stop_price trail",
    "OrderLeg": "symbol side ratio position_effect",
    "OrderSpec": (
        "symbol side quantity notional type time_in_force limit_price stop_price trail_amount trail_percent expire_time"
        " extended_hours position_effect order_class take_profit stop_loss legs reduce_only"
    ),
    "ReconcileAccountRequest": "account_id",
    "ReconciliationPolicy": "positions cash cash_tolerance",
    "RegionList": "regions",
    "ResetMfaRequest": "user_id",
    "ResumeTradingRequest": "broker account_id strategy_id epoch reason",
    "ResumeUserRequest": "user_id broker epoch reason",
    "RevokeApiKeyRequest": "key_id",
    "RevokeConnectionRequest": "connection_id",
    "RevokeKeyRequest": "key_id",
    "RevokeLiveTradingRequest": "user_id",
    "RevokeRoleRequest": "user_id role",
    "RevokeTokenRequest": "token_id",
    "Rights": "scopes account_ids environment_max addresses",
    "RotateApiKeyRequest": "key_id overlap",
    "RotateKeyRequest": "key_id overlap",
    "SetKillSwitchRequest": "scope state reason flatten",
    "SetModeRequest": "account_id strategy_id mode",
    "SettleOrderRequest": "idempotency_key order_id etag placed_as not_placed evidence override_mismatch",
    "SettleReconciliationRequest": "reconciliation_id evidence",
    "StopLoss": "stop_price limit_price",
    "SubmitOrderRequest": (
        "idempotency_key account_id order client_order_id strategy_id run_id labels validate_only client_time"
        " allow_duplicate"
    ),
    "SubmitOrderRequest.LabelsEntry": "key value",
    "SymbolList": "symbols",
    "TakeProfit": "limit_price",
    "TestConnectionRequest": "connection_id",
    "TradingHours": "zone days start end",
    "TradingHoursList": "windows",
    "UnlockMfaRequest": "user_id",
    "UnmapCertificateRequest": "certificate_id",
    "UpdateBrokerConfigRequest": "config",
    "UpdateConnectionRequest": "connection_id label api_key",
    "UpdateLimitsRequest": "strategy_id limits etag",
    "UpdatePlatformLimitsRequest": "limits etag",
    "UpdateReconciliationPolicyRequest": "user_id policy",
    "UpdateTradingSettingsRequest": "account_id symbol leverage margin_type position_mode etag",
    "UpdateUserLimitsRequest": "user_id limits etag region",
}

_LAST_FOUR: Final = {"ApiKeyCredentials": "key", "OAuthApplication": "client_id"}

_NEVER: Final = {
    "ApiKeyCredentials": "secret",
    "ClearKillSwitchRequest": "mfa_code",
    "CompleteOAuthRequest": "state code",
    "ConfirmMfaRequest": "code",
    "EscalateToLiveRequest": "code",
    "OAuthApplication": "client_secret",
    "ResumeUserRequest": "mfa_code",
    "UpdateBrokerConfigRequest": "mfa_code",
    "UpdateLimitsRequest": "mfa_code",
    "UpdatePlatformLimitsRequest": "mfa_code",
    "UpdateUserLimitsRequest": "mfa_code",
}


def _full_names(fields: Mapping[str, str]) -> Iterable[str]:
    return (f"{_PACKAGE}.{message}.{field}" for message, names in fields.items() for field in names.split())


SHOWN: Final = frozenset(_full_names(_SHOWN))
"""The full names of fields that are shown as they are; of a message those of its fields that may be."""

LAST_FOUR: Final = frozenset(_full_names(_LAST_FOUR))
"""The full names of fields of which only the end is shown."""

NEVER: Final = frozenset(_full_names(_NEVER))
"""The full names of fields of which it is told only that they were there."""
