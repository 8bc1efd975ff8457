import asyncio
from dataclasses import dataclass, field

from brokergw.desk.audit.trail import AuditTrail
from brokergw.ports.audit import AuditReport
from tests.fixtures.memory_audit import WHOLE, MemoryAuditLog


@dataclass
class _SlowLog(MemoryAuditLog):
    runs: int = 0
    may_end: asyncio.Event = field(default_factory=asyncio.Event)

    async def verify(self) -> AuditReport:
        self.runs += 1
        await self.may_end.wait()
        return self.report


async def test_one_verification_serves_all_who_ask_meanwhile() -> None:
    """However many ask at once, the log is read once, and a caller that leaves ends it for nobody."""
    log = _SlowLog()
    trail = AuditTrail(log)
    asked = [asyncio.create_task(trail.verify()) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked[0].cancel()
    log.may_end.set()
    assert await asyncio.gather(*asked[1:]) == [WHOLE, WHOLE]
    assert asked[0].cancelled()
    assert log.runs == 1
    await trail.verify()
    assert log.runs == 2
