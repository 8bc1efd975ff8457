"""OAuth: authorizations that were begun, and what was granted. The tokens lie with the other credentials."""

from typing import Final

from sqlalchemy import Column, ForeignKey, Table, Text

from brokergw.store.tables.columns import (
    METADATA,
    flag_column,
    number_column,
    text_column,
    time_column,
    time_or_null_column,
)

OAUTH_ATTEMPTS: Final = Table(
    "oauth_attempts",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False, index=True),
    Column("attempt_id", Text, primary_key=True),
    text_column("connection_id"),
    text_column("broker"),
    text_column("environment"),
    text_column("redirect_uri"),
    text_column("sealed"),
    flag_column("renews"),
    time_column("create_time_ns"),
    Column("end_time_ns", time_column("end_time_ns").type, nullable=False, index=True),
)
"""`attempt_id` is the SHA-256 of the state, in hex; `sealed` holds the application and the verifier of PKCE."""

OAUTH_GRANTS: Final = Table(
    "oauth_grants",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False, index=True),
    Column("connection_id", ForeignKey("user_broker_connections.connection_id"), primary_key=True),
    number_column("version"),
    text_column("state"),
    text_column("detail"),
    text_column("scope"),
    time_column("authorize_time_ns"),
    time_or_null_column("access_end_time_ns"),
    time_or_null_column("refresh_time_ns"),
    time_or_null_column("end_time_ns"),
    number_column("tries"),
    text_column("holder"),
    time_or_null_column("claim_end_time_ns"),
    time_or_null_column("told_end_time_ns"),
)
"""`holder` is the process that refreshes, until `claim_end_time_ns` by the database's clock."""
