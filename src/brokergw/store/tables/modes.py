"""How far each user may trade: mode, live grant, acknowledged risk texts, and the authenticator."""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, Table, Text

from brokergw.store.tables.columns import (
    METADATA,
    number_column,
    text_column,
    time_column,
    time_or_null_column,
)

USER_MODES: Final = Table(
    "user_modes",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), primary_key=True),
    text_column("mode"),
    text_column("grant_by"),
    time_or_null_column("grant_time_ns"),
    text_column("live_risk_version"),
    number_column("change"),
)
"""`mode` is empty until it is chosen. `live_risk_version` is the risk text under which live was taken up.

`change` rises with every change of anything that this file's tables hold of a user, except the count of wrong codes.
"""

Index("ix_user_modes_change", USER_MODES.c.change, unique=True)

MODE_BINDINGS: Final = Table(
    "mode_bindings",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    text_column("account_id"),
    text_column("strategy_id"),
    text_column("mode"),
    time_column("set_time_ns"),
    PrimaryKeyConstraint("user_id", "account_id", "strategy_id"),
)
"""An empty account or strategy is any."""

RISK_ACKNOWLEDGEMENTS: Final = Table(
    "risk_acknowledgements",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    text_column("version"),
    text_column("text_hash"),
    time_column("time_ns"),
    text_column("key_id"),
    text_column("request_id"),
    PrimaryKeyConstraint("user_id", "version"),
)

MFA_AUTHENTICATORS: Final = Table(
    "mfa_authenticators",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), primary_key=True),
    Column("authenticator_id", Text, nullable=False, unique=True),
    text_column("sealed_secret"),
    time_column("enroll_time_ns"),
    time_or_null_column("confirm_time_ns"),
    number_column("last_step"),
    time_or_null_column("code_time_ns"),
    number_column("failures"),
    time_or_null_column("lock_time_ns"),
)
