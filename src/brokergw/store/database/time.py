"""The database server's own clock, where it is not this machine's."""

from sqlalchemy import BigInteger, cast, func, select

from brokergw.model.whose import NOBODYS
from brokergw.store.database.reader import Reader


class DatabaseTime:
    """PostgreSQL's clock (the port `TimeSource`)."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def now_ns(self) -> int:
        """Ask for the time as Unix nanoseconds; raises JOURNAL_UNAVAILABLE."""
        now = cast(func.extract("epoch", func.clock_timestamp()) * 1_000_000_000, BigInteger)
        told: int = await self._reader.query(NOBODYS, lambda database: database.execute(select(now)).scalar_one())
        return told
