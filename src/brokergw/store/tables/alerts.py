"""Alerts on their way to people: one row for each alert and channel that has not delivered it yet."""

from typing import Final

from sqlalchemy import Index, PrimaryKeyConstraint, Table

from brokergw.store.tables.columns import METADATA, number_column, text_column, time_column

ALERTS: Final = Table(
    "alerts",
    METADATA,
    text_column("alert_id"),
    text_column("channel"),
    text_column("kind"),
    text_column("severity"),
    text_column("subject"),
    text_column("message"),
    time_column("time_ns"),
    text_column("user_id"),
    text_column("facts"),
    number_column("count"),
    number_column("tries"),
    time_column("next_try_ns"),
    PrimaryKeyConstraint("alert_id", "channel"),
    Index(None, "next_try_ns"),
)
"""`facts` is a JSON list of pairs."""
