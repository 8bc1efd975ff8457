"""Where Schwab is and how patient the adapter is with it."""

from dataclasses import dataclass, field, replace
from typing import Self

from brokergw.ports.broker import BrokerLink
from brokergw.transport.http import Timeouts
from brokergw.transport.websocket import LinkPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class SchwabConfig:
    """Settings of the room; the addresses are Schwab's own unless a test or a simulator says otherwise.

    `queries_per_minute` is Schwab's budget for everything but orders, `orders_per_minute` that for orders, which the
    owner of the application chose (at most 120); None counts nothing. `reach_days` is how old an open order may be:
    good-till-cancelled ones live for 180 days. A list of `rows_max` orders is taken for a cut one and asked for in
    parts. `poll_s` is how often the records are read although the streamer tells nothing, `shown_waits_s` how long a
    new order may take to be shown, look by look.
    """

    url: str = "https://api.schwabapi.com"
    data_url: str = "https://api.schwabapi.com"
    queries_per_minute: int | None = 120
    orders_per_minute: int | None = 120
    reach_days: int = 181
    rows_max: int = 3_000
    overlap_s: int = 30
    poll_s: float = 5.0
    shown_waits_s: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)
    timeouts: Timeouts = field(default_factory=Timeouts)
    link: LinkPolicy = field(default_factory=lambda: LinkPolicy(backoff_first_s=2.0, backoff_max_s=120.0))

    @classmethod
    def at(cls, url: str, *, link: LinkPolicy | None = None, timeouts: Timeouts | None = None) -> Self:
        """Point every address at one server such as `http://127.0.0.1:8080`."""
        base = url.rstrip("/")
        config = cls(url=base, data_url=base, timeouts=timeouts or Timeouts())
        return config if link is None else replace(config, link=link)

    def for_link(self, link: BrokerLink) -> Self:
        """Take the addresses that the platform has set for a connection."""
        changed = replace(self, url=link.trading_url) if link.trading_url else self
        return replace(changed, data_url=link.data_url) if link.data_url else changed
