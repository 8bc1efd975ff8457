"""Who may call beyond the keys that `core` has: roles, client certificates, and tokens that were revoked."""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, Table, Text

from brokergw.store.tables.columns import METADATA, text_column, time_column, time_or_null_column

USER_ROLES: Final = Table(
    "user_roles",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    text_column("role"),
    time_column("grant_time_ns"),
    text_column("granted_by"),
    PrimaryKeyConstraint("user_id", "role"),
)
"""Roles beyond USER, which everybody has."""

CLIENT_CERTIFICATES: Final = Table(
    "client_certificates",
    METADATA,
    Column("user_id", ForeignKey("users.user_id"), nullable=False),
    Column("certificate_id", Text, primary_key=True),
    text_column("kind"),
    text_column("value"),
    text_column("name"),
    text_column("scopes"),
    Column("accounts", Text, nullable=True),
    text_column("mode_max"),
    time_column("create_time_ns"),
    time_or_null_column("expire_time_ns"),
    time_or_null_column("revoke_time_ns"),
    Index(None, "kind", "value"),
)
"""Which user a certificate speaks for: its fingerprint, or a URI or DNS name in it. `accounts` is as in `api_keys`."""

REVOKED_TOKENS: Final = Table(
    "revoked_tokens",
    METADATA,
    Column("token_id", Text, primary_key=True),
    time_column("revoke_time_ns"),
    time_column("keep_until_ns"),
    text_column("revoked_by"),
)
"""Tokens (by their `jti`) that are refused until they would have expired anyway."""
