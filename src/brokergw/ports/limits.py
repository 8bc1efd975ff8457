"""Where limits and broker configurations are kept."""

from dataclasses import dataclass
from typing import Protocol

from brokergw.model.broker_config import BrokerConfig
from brokergw.model.events import AuditRow
from brokergw.model.limits import ScopeLimits


@dataclass(frozen=True, slots=True)
class LimitsRecord:
    """All that is set, at one moment. `revision` rises with every change of any of it."""

    limits: tuple[ScopeLimits, ...] = ()
    brokers: tuple[BrokerConfig, ...] = ()
    revision: int = 0


class LimitsStore(Protocol):
    """Keeps what stands, and every version before it."""

    async def revision(self) -> int:
        """Tell how far changes have come; cheap."""
        ...

    async def load(self) -> LimitsRecord:
        """Read everything. What cannot be read is given with its fault, and stops nothing else."""
        ...

    async def knows_user(self, user_id: str) -> bool:
        """Tell whether there is such a user."""
        ...

    async def put_limits(self, limits: ScopeLimits, audit: AuditRow) -> bool:
        """Replace a scope's limits, with the audit row in the same commit.

        `limits.version` is the new version. False, and nothing is written, unless the version before it stands.
        """
        ...

    async def put_broker(self, config: BrokerConfig, audit: AuditRow) -> bool:
        """Replace a broker's configuration, as `put_limits` does."""
        ...
