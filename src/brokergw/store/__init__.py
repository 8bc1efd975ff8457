"""The durable record in SQLite or PostgreSQL; SQLAlchemy stays in here."""

from brokergw.store.database.claim import StoreServed
from brokergw.store.database.engine import StoreUrlInvalid
from brokergw.store.open import Store, StoreOutdated, open_store
from brokergw.store.vault.seal import Sealed

__all__ = ["Sealed", "Store", "StoreOutdated", "StoreServed", "StoreUrlInvalid", "open_store"]
