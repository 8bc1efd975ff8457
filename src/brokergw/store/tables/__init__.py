"""Every table of the store, by subject; whoever imports this has the register whole."""

from brokergw.store.tables.alerts import ALERTS
from brokergw.store.tables.audit import AUDIT, AUDIT_CHAINS, AUDIT_CHECKPOINTS, ONLY_ADDED
from brokergw.store.tables.columns import METADATA
from brokergw.store.tables.core import (
    ACCOUNTS,
    API_KEYS,
    BROKER_ORDER_IDS,
    CONNECTIONS,
    CREDENTIALS,
    EVENTS,
    FILLS,
    INSTANCES,
    KEYS,
    LEASES,
    META,
    ORDER_EDGES,
    ORDERS,
    USERS,
)
from brokergw.store.tables.halts import HALT_FINDINGS, HALT_SWEEPS, HALT_WATCHERS, TRADING_HALTS
from brokergw.store.tables.identity import CLIENT_CERTIFICATES, REVOKED_TOKENS, USER_ROLES
from brokergw.store.tables.ledger import RISK_POSITIONS, RISK_REPEATS, RISK_USAGE
from brokergw.store.tables.limits import BROKER_CONFIGS, LIMITS_HISTORY, USER_BROKER_LIMITS
from brokergw.store.tables.losses import RISK_DAYS
from brokergw.store.tables.modes import MFA_AUTHENTICATORS, MODE_BINDINGS, RISK_ACKNOWLEDGEMENTS, USER_MODES
from brokergw.store.tables.oauth import OAUTH_ATTEMPTS, OAUTH_GRANTS
from brokergw.store.tables.reconciliations import (
    RECONCILIATION_POLICIES,
    RECONCILIATION_REQUESTS,
    RECONCILIATIONS,
)
from brokergw.store.tables.vault import INSTANCE_KEYS

__all__ = [
    "ACCOUNTS",
    "ALERTS",
    "API_KEYS",
    "AUDIT",
    "AUDIT_CHAINS",
    "AUDIT_CHECKPOINTS",
    "BROKER_CONFIGS",
    "BROKER_ORDER_IDS",
    "CLIENT_CERTIFICATES",
    "CONNECTIONS",
    "CREDENTIALS",
    "EVENTS",
    "FILLS",
    "HALT_FINDINGS",
    "HALT_SWEEPS",
    "HALT_WATCHERS",
    "INSTANCES",
    "INSTANCE_KEYS",
    "KEYS",
    "LEASES",
    "LIMITS_HISTORY",
    "META",
    "METADATA",
    "MFA_AUTHENTICATORS",
    "MODE_BINDINGS",
    "OAUTH_ATTEMPTS",
    "OAUTH_GRANTS",
    "ONLY_ADDED",
    "ORDERS",
    "ORDER_EDGES",
    "RECONCILIATIONS",
    "RECONCILIATION_POLICIES",
    "RECONCILIATION_REQUESTS",
    "REVOKED_TOKENS",
    "RISK_ACKNOWLEDGEMENTS",
    "RISK_DAYS",
    "RISK_POSITIONS",
    "RISK_REPEATS",
    "RISK_USAGE",
    "TRADING_HALTS",
    "USERS",
    "USER_BROKER_LIMITS",
    "USER_MODES",
    "USER_ROLES",
]
