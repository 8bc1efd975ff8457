"""Which keys each process has that may open or seal secrets."""

from typing import Final

from sqlalchemy import Column, Table, Text

from brokergw.store.tables.columns import METADATA, text_column

INSTANCE_KEYS: Final = Table(
    "instance_keys",
    METADATA,
    Column("instance_id", Text, primary_key=True),
    text_column("key_ids"),
)
"""`key_ids` are those of its ring, the one that seals first, between blanks. Rows of dead processes mean nothing."""
