"""Bringing the tables up to date."""

from brokergw.app.settings import Settings
from brokergw.store.check import upgrade_tables


def upgrade(settings: Settings) -> tuple[str, str]:
    """Upgrade; gives the revision before and after. Raises StoreUnreachable."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return upgrade_tables(settings.store_url)
