"""Bringing the tables up to date."""

from brokergw.app.settings import Settings
from brokergw.store.check import upgrade_tables


def owner_url(settings: Settings) -> str:
    """Give the URL of the tables' owner; empty where who serves is the owner, as on SQLite."""
    url = settings.database_owner_url
    return url.get_secret_value() if url is not None else ""


def upgrade(settings: Settings) -> tuple[str, str]:
    """Upgrade as the tables' owner; gives the revision before and after. Raises StoreUnreachable, NotSeparated."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return upgrade_tables(settings.store_url, owner_url(settings))
