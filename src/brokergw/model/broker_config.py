"""What the platform sets for one broker."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from brokergw.model.limits import Limits

_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """One broker's configuration; what nobody has set is version 0, with the values here.

    `enabled` is whether orders that add risk are taken. Fees are what an execution costs: `fee_bps` in hundredths of
    a percent of its worth, `fee_per_contract` in the base currency. `requests_per_minute` None leaves the adapter's
    own budget. `regions` None is every region. Empty addresses leave the adapter's own. `limits` hold for each user
    who trades there. A `fault` says why what is stored cannot be read.
    """

    broker: str
    enabled: bool = True
    fee_bps: Decimal = _ZERO
    fee_per_contract: Decimal = _ZERO
    requests_per_minute: int | None = None
    regions: frozenset[str] | None = None
    paper_url: str = ""
    live_url: str = ""
    data_url: str = ""
    limits: Limits = field(default_factory=Limits)
    version: int = 0
    set_by: str = ""
    set_time_ns: int = 0
    fault: str = ""

    @property
    def etag(self) -> str:
        """The tag that a caller sends back to change only what it has seen."""
        return f'"{self.version}"'

    def permits(self, region: str) -> bool:
        """Tell whether users of a region may trade there; empty is a user without one."""
        return self.regions is None or region in self.regions
