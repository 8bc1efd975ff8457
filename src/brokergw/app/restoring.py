"""Saying that the database came from a backup."""

from brokergw.app.clock import SystemClock
from brokergw.app.keys import COMMAND_LINE, store_of
from brokergw.app.settings import Settings
from brokergw.desk.telling import audit_row
from brokergw.store.database.claim import StoreServed


async def begin_new_life(settings: Settings) -> str:
    """Begin another life of the record, which clients may know more of than it does itself; gives its id.

    Raises StoreServed while a process serves it: that one would go on in the life before.
    """
    async with store_of(settings) as (store, _):
        await store.claim()
        others = await store.leases.living() - {store.leases.instance_id}
        if others:
            raise StoreServed(f"{len(others)} processes serve this database: end them first")
        detail = f"the life before was {store.journal.epoch}"
        audit = audit_row(COMMAND_LINE, SystemClock().now_ns(), "record.restored", "OK", detail=detail)
        return await store.journal.renew_epoch(audit)
