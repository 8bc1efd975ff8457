"""Where the gateway is, who may use it, and how patient the adapter is with it."""

from dataclasses import dataclass, field, replace
from typing import Final, Self

from brokergw.ports.broker import BrokerLink
from brokergw.transport.http import Timeouts
from brokergw.transport.intake import MIB
from brokergw.transport.websocket import LinkPolicy

LIST_EVERY_S: Final = 5.5
"""The broker wants five seconds between two readings of a list; what leaves at that pace may arrive closer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IbkrConfig:
    """Settings of the room.

    `gateway_url` is the REST address of a Client Portal gateway, which a person has logged in to. Whoever connects an
    account names it and proves by `access_code` that the gateway is theirs to use; without a code nobody can.
    `confirmed` names the questions of the broker that are answered with yes; every other one is declined. `compete`
    takes the username's session away from wherever else it is in use. `operator` is who is named to US futures
    exchanges as sending orders.

    `per_second` is the gateway's documented budget, a share of which is kept for cancels, `list_every_s` that of the
    lists of orders and trades; None counts nothing. `poll_s` is how often they are read beside the stream,
    `tickle_s` how often the session is kept alive, `penalty_s` how long nothing is sent after a 429 that does not tell,
    `again_s` how long a session that could not be made is not tried again.
    """

    gateway_url: str = "http://127.0.0.1:5000/v1/api"
    access_code: str = field(default="", repr=False)
    confirmed: frozenset[str] = frozenset()
    compete: bool = False
    operator: str = "brokergw"
    per_second: float | None = 10.0
    list_every_s: float = LIST_EVERY_S
    poll_s: float = 2.0
    tickle_s: float = 55.0
    tic_s: float = 30.0
    penalty_s: float = 600.0
    again_s: float = 5.0
    pause_s: float = 0.5
    overlap_s: int = 30
    timeouts: Timeouts = field(default_factory=Timeouts)
    link: LinkPolicy = field(default_factory=lambda: LinkPolicy(lenient=True, frame_bytes_max=4 * MIB))

    def for_link(self, link: BrokerLink) -> Self:
        """Take the address that the platform has set for a connection."""
        return replace(self, gateway_url=link.trading_url) if link.trading_url else self

    @property
    def base(self) -> str:
        """The REST address without a slash at its end."""
        return self.gateway_url.rstrip("/")

    @property
    def stream_url(self) -> str:
        """Where the gateway's websocket is."""
        return "ws" + self.base.removeprefix("http") + "/ws"
