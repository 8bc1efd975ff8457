"""Where cTrader is and how patient the adapter is with it."""

from dataclasses import dataclass, field, replace
from typing import Self

from brokergw.model.account import Environment
from brokergw.ports.broker import BrokerLink
from brokergw.transport.intake import MIB
from brokergw.transport.websocket import LinkPolicy


def ctrader_policy() -> LinkPolicy:
    """Give the manners of a link to cTrader: it wants to hear something every ten seconds at the latest.

    A version is asked for beside each heartbeat, and answered at once, so silence means a dead link long before the
    server's own heartbeats, which come every 25 to 30 seconds, are missed.
    """
    return LinkPolicy(heartbeat_s=8.0, mute_s=30.0, backoff_max_s=30.0, frame_bytes_max=4 * MIB)


@dataclass(frozen=True, slots=True, kw_only=True)
class CtraderConfig:
    """Settings of the room; the addresses are cTrader's own unless a test or a simulator says otherwise.

    `requests_per_second` and `history_per_second` are the documented budgets of a connection; None counts nothing.
    `answer_s` is how long an answer is waited for. `look_back_s` is how long before a reconnect orders may have been
    entered and still are asked for, `overlap_s` how much of what was already told is asked for again.
    """

    paper_url: str = "wss://demo.ctraderapi.com:5036"
    live_url: str = "wss://live.ctraderapi.com:5036"
    requests_per_second: int | None = 50
    history_per_second: int | None = 5
    answer_s: float = 5.0
    spot_wait_s: float = 2.0
    look_back_s: int = 86_400
    overlap_s: int = 30
    link: LinkPolicy = field(default_factory=ctrader_policy)

    @classmethod
    def at(cls, url: str, *, link: LinkPolicy | None = None, answer_s: float = 5.0) -> Self:
        """Point every address at one server such as `ws://127.0.0.1:8080`."""
        return cls(paper_url=url, live_url=url, link=link or ctrader_policy(), answer_s=answer_s)

    def for_link(self, link: BrokerLink) -> Self:
        """Take the address that the platform has set for a connection."""
        if not link.trading_url:
            return self
        if link.environment is Environment.LIVE:
            return replace(self, live_url=link.trading_url)
        return replace(self, paper_url=link.trading_url)

    def url(self, environment: Environment) -> str:
        """Give the address of an environment; http addresses mean their websockets."""
        url = self.live_url if environment is Environment.LIVE else self.paper_url
        return "ws" + url.removeprefix("http") if url.startswith("http") else url
